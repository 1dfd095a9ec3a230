//! How many posts are open and how much they hold, and how much may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use laneway_journal::Sequence;

/// The most that the open posts of one address may be.
pub const PER_ADDRESS_MAX: Size = Size { posts: 100_000, bytes: 512 << 20 };
/// The most that the open posts of one kind may be.
pub const ALL_MAX: Size = Size { posts: 1_000_000, bytes: 4 << 30 };

/// So many posts, and so many bytes of stored bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Posts.
    pub posts: usize,
    /// Bytes.
    pub bytes: usize,
}

impl Size {
    const fn is_below(self, max: Self) -> bool {
        self.posts < max.posts && self.bytes < max.bytes
    }
}

/// The open posts of one kind, as its courier counts them: the last one that is let in, and what is on its way to the courier
/// then, may pass a limit.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    all: Size,
    /// By the hash of the address's id; none where none are open.
    of: BTreeMap<u64, Size>,
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
    pub(super) fn count(&self, all: Size, changed: impl Iterator<Item = (u64, Size)>) {
        let mut open = self.open();
        open.all = all;
        for (address, size) in changed {
            match size.posts {
                0 => drop(open.of.remove(&address)),
                _ => drop(open.of.insert(address, size)),
            }
        }
    }

    /// Whether one more post to this address may be stored.
    pub(super) fn ask(&self, address: u64) -> Verdict {
        let mut open = self.open();
        let own = open.of.get(&address).copied().unwrap_or_default();
        if own.is_below(PER_ADDRESS_MAX) && open.all.is_below(ALL_MAX) {
            open.full.remove(&address);
            Verdict::Room
        } else if open.full.insert(address) {
            Verdict::JustFull
        } else {
            Verdict::Full
        }
    }
}

/// What the open posts hold; the engine counts them, and knows nothing of their bodies.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    /// Each one's address, by its hash, and its bytes.
    posts: BTreeMap<Sequence, (u64, usize)>,
    of: BTreeMap<u64, usize>,
    all: usize,
}

impl Bytes {
    /// A post is open, or still is.
    pub(super) fn add(&mut self, sequence: Sequence, address: u64, bytes: usize) {
        self.remove(sequence);
        self.posts.insert(sequence, (address, bytes));
        *self.of.entry(address).or_default() += bytes;
        self.all += bytes;
    }

    /// A post has ended, or was removed.
    pub(super) fn remove(&mut self, sequence: Sequence) {
        let Some((address, bytes)) = self.posts.remove(&sequence) else { return };
        self.all -= bytes;
        if let Some(of) = self.of.get_mut(&address) {
            *of -= bytes;
            if *of == 0 {
                self.of.remove(&address);
            }
        }
    }

    /// Those of an address.
    pub(super) fn of(&self, address: u64) -> usize {
        self.of.get(&address).copied().unwrap_or(0)
    }

    /// All of them.
    pub(super) const fn all(&self) -> usize {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posts(posts: usize) -> Size {
        Size { posts, bytes: posts }
    }

    #[test]
    fn a_full_address_is_said_once_and_takes_no_room_from_others() {
        let room = Room::default();
        let full = posts(PER_ADDRESS_MAX.posts);
        room.count(full, [(1, full)].into_iter());
        assert_eq!(
            [1, 1, 2].map(|address| room.ask(address)),
            [Verdict::JustFull, Verdict::Full, Verdict::Room]
        );
        let less = posts(PER_ADDRESS_MAX.posts - 1);
        room.count(less, [(1, less)].into_iter());
        assert_eq!(room.ask(1), Verdict::Room);
        room.count(posts(ALL_MAX.posts), [(1, posts(0)), (3, posts(7))].into_iter());
        assert_eq!([1, 3].map(|address| room.ask(address)), [Verdict::JustFull; 2]);
        room.count(posts(0), [(3, posts(0))].into_iter());
        assert_eq!([1, 3].map(|address| room.ask(address)), [Verdict::Room; 2]);
        assert!(room.open().of.is_empty());
    }

    #[test]
    fn few_large_posts_fill_an_address_and_the_kind_as_well() {
        let room = Room::default();
        let full = Size { posts: 3, bytes: PER_ADDRESS_MAX.bytes };
        room.count(full, [(1, full), (2, posts(1))].into_iter());
        assert_eq!([1, 2].map(|address| room.ask(address)), [Verdict::JustFull, Verdict::Room]);
        room.count(Size { posts: 24, bytes: ALL_MAX.bytes }, [(1, posts(1))].into_iter());
        assert_eq!([1, 2].map(|address| room.ask(address)), [Verdict::Full, Verdict::JustFull]);
    }

    #[test]
    fn bytes_are_those_of_what_is_open() {
        let mut bytes = Bytes::default();
        for (sequence, address, size) in [(1, 7, 100), (2, 7, 10), (3, 8, 1), (2, 7, 20)] {
            bytes.add(sequence, address, size);
        }
        assert_eq!((bytes.of(7), bytes.of(8), bytes.all()), (120, 1, 121));
        [1, 1, 3, 9].into_iter().for_each(|sequence| bytes.remove(sequence));
        assert_eq!((bytes.of(7), bytes.of(8), bytes.all()), (20, 0, 20));
        bytes.remove(2);
        assert!(bytes.posts.is_empty() && bytes.of.is_empty());
    }
}
