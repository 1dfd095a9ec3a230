//! What every store must do. The checks know nothing of SQLite: another store passes them with a harness of its own.

#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

mod calls;
mod fixtures;
mod keys;
mod lacking;
mod lanes;
mod lists;
mod people;
mod queues;
mod removal;
mod sqlite;
