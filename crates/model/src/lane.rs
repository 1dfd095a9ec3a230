//! What keeps events of one person in order.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Person, PhoneNumber};

/// One business number and one person: events that do not commute (Block and UnBlock) keep their order within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The business's number.
    pub business: PhoneNumber,
    /// The person at the other end.
    pub person: Person,
}

impl LaneKey {
    /// A 64-bit stand-in for the key, the same throughout one process. Two keys may share it: a lane that holds two
    /// persons is only slower, and whoever drops an event because of another compares the keys themselves first.
    pub fn hash64(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
