//! How many posts are open, and how many may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most open posts of one address.
pub const OPEN_PER_ADDRESS_MAX: usize = 100_000;
/// The most open posts of one kind.
pub const OPEN_MAX: usize = 1_000_000;

/// The open posts of one kind, as its courier counts them: what is on its way to the courier is not counted yet, so that a
/// limit may be passed by as much.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// By the hash of the address's id; none where none are open.
    of: BTreeMap<u64, usize>,
    /// Addresses that were found full, and have not been found otherwise since.
    full: BTreeSet<u64>,
}

/// Whether there is room for one more post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Yes.
    Room,
    /// No, and this is the first time in a row.
    JustFull,
    /// Still no.
    Full,
}

impl Room {
    fn open(&self) -> MutexGuard<'_, Open> {
        // It is changed in single steps, so that a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The courier's counts.
    pub(super) fn count(&self, all: usize, changed: impl Iterator<Item = (u64, usize)>) {
        let mut open = self.open();
        open.all = all;
        for (address, posts) in changed {
            match posts {
                0 => drop(open.of.remove(&address)),
                posts => drop(open.of.insert(address, posts)),
            }
        }
    }

    /// Whether one more post to this address may be stored.
    pub(super) fn ask(&self, address: u64) -> Verdict {
        let mut open = self.open();
        let own = open.of.get(&address).copied().unwrap_or(0);
        if own < OPEN_PER_ADDRESS_MAX && open.all < OPEN_MAX {
            open.full.remove(&address);
            Verdict::Room
        } else if open.full.insert(address) {
            Verdict::JustFull
        } else {
            Verdict::Full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_address_is_said_once_and_takes_no_room_from_others() {
        let room = Room::default();
        room.count(OPEN_PER_ADDRESS_MAX, [(1, OPEN_PER_ADDRESS_MAX)].into_iter());
        assert_eq!(
            [1, 1, 2].map(|address| room.ask(address)),
            [Verdict::JustFull, Verdict::Full, Verdict::Room]
        );
        room.count(OPEN_PER_ADDRESS_MAX - 1, [(1, OPEN_PER_ADDRESS_MAX - 1)].into_iter());
        assert_eq!(room.ask(1), Verdict::Room);
        room.count(OPEN_MAX, [(1, 0), (3, 7)].into_iter());
        assert_eq!([1, 3].map(|address| room.ask(address)), [Verdict::JustFull; 2]);
        room.count(0, [(3, 0)].into_iter());
        assert_eq!([1, 3].map(|address| room.ask(address)), [Verdict::Room; 2]);
        assert!(room.open().of.is_empty());
    }
}
