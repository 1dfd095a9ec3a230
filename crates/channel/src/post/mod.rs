//! Posts to an account's own addresses: what became of its events, and the notifications about its numbers.

mod sign;

pub use sign::{SigningKey, SigningKeyError};
