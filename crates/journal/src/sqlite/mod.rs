//! The journal in two SQLite files, for one node.
//!
//! One thread writes: it gathers what waits into one transaction ([`step::apply`]), so that one `fsync` serves many.
//! Few threads read, each on a connection of its own. One thread keeps the index up to date, one moves the log into the
//! main file. The hot transaction touches nothing at random: rows, keys, notifications and touches are appended, and
//! the one index over rows holds only those that are open.

mod append;
mod calls;
mod checkpoint;
mod checksum;
mod contacts;
mod failure;
mod filter;
mod handle;
mod index;
mod indexing;
mod keys;
mod list;
mod open;
mod read;
mod remove;
mod row;
mod schema;
mod settle;
#[cfg(test)]
mod shadow;
pub mod step;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use checkpoint::{Log, Mode};
pub(crate) use handle::Sqlite;
pub use index::Indexer;
pub use read::Reader;
pub use store::Store;

use crate::{Limits, OnFatal};
