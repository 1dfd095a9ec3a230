//! Durable memory: the three queues, calls and attempts, contacts, raw notifications and idempotency keys.
//!
//! The journal keeps rows in order, remembers what became of them, and answers questions about them. It never knows
//! what an event means: kinds are numbers to it, bodies are bytes, and every instant is told by the caller.
//!
//! [`Journal`] is the handle, [`Feed`] tells what has just been committed. There is no claiming: whoever holds the
//! [`Lease`] of a queue loads its open rows into memory once ([`Journal::load_open`]), hears of new ones by the feed,
//! and decides there. The stored formats are described where they are written: rows and calls in `sqlite`, bodies of
//! events in `format`, those of callbacks and forwards in `posts`.

#![forbid(unsafe_code)]

mod binary;
mod error;
mod feed;
mod format;
mod journal;
mod options;
mod posts;
mod rows;
pub mod sqlite;

pub use error::{Error, File, OpenError};
pub use feed::Feed;
pub use journal::Journal;
pub use options::{Limits, OnFatal, Options};
pub use posts::{CallbackBody, ForwardBody};
pub use rows::*;
