//! Every open event, as one small fixed entry, and the lists that entries stand in.
//!
//! Four million of them may be open at once, so an entry is 64 bytes and the lists run through the entries themselves:
//! one pair of links for where it waits (ready, due later, or behind others in its lane: never two of them at once),
//! one pair for when it expires.

use crate::inputs::Sequence;

/// An entry's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Slot {
    /// No entry.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("the open events of a node are limited to far fewer than 2^32"))
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where an entry is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In its number's queue.
    Ready,
    /// In a part of a refused group that waits for its call.
    Part,
    /// Waiting for its due time.
    Later,
    /// Waiting for what it lacks, until its deadline.
    Lacking,
    /// Waiting for the answer whether what it lacks is known.
    Seeking,
    /// Waiting for the head of its lane.
    Lane,
    /// In a call.
    Called,
    /// Waiting for a settlement to be committed; after that it is tried again.
    Settling,
    /// Waiting for its end to be committed.
    Ending,
    /// Waiting for its end to be committed, because a later event has superseded it.
    Superseded,
    /// Waiting for its end as a dead letter to be committed; then it holds its lane.
    Failing,
    /// A dead letter that holds its lane. It is not open.
    Held,
}

impl State {
    /// Whether it leaves as soon as its turn or its moment comes.
    pub(crate) const fn waits_to_leave(self) -> bool {
        match self {
            Self::Ready | Self::Part | Self::Later => true,
            Self::Lacking
            | Self::Seeking
            | Self::Lane
            | Self::Called
            | Self::Settling
            | Self::Ending
            | Self::Superseded
            | Self::Failing
            | Self::Held => false,
        }
    }
}

/// One open event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) sequence: Sequence,
    pub(crate) order: u64,
    /// The lane's hash; only meaningful for kinds that keep order.
    pub(crate) lane: u64,
    /// Wall clock, milliseconds.
    pub(crate) expires_ms: u64,
    /// When it is tried next. Monotonic, milliseconds.
    pub(crate) due_ms: u64,
    pub(crate) number: u32,
    waiting: Links,
    expiring: Links,
    /// Calls that have carried it, as far as the backoff cares: it stops counting at 255.
    pub(crate) attempts: u8,
    pub(crate) kind: u8,
    pub(crate) state: State,
    /// Whether it stands in the list of its expiry.
    pub(crate) expiring_listed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    next: Slot,
    previous: Slot,
}

impl Links {
    const NONE: Self = Self { next: Slot::NONE, previous: Slot::NONE };
}

/// Which of an entry's links a list runs through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    Waiting,
    Expiring,
}

/// A list of entries; the links are in the entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: Slot,
    last: Slot,
}

impl List {
    pub(crate) const EMPTY: Self = Self { first: Slot::NONE, last: Slot::NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.first == Slot::NONE
    }

    pub(crate) fn first(&self) -> Option<Slot> {
        (self.first != Slot::NONE).then_some(self.first)
    }

    pub(crate) fn last(&self) -> Option<Slot> {
        (self.last != Slot::NONE).then_some(self.last)
    }
}

/// The table of open events. It grows by whole chunks that never move, so that no event waits while millions are copied.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    chunks: Vec<Vec<Open>>,
    free: Vec<Slot>,
}

/// How many entries a chunk of the table has, as a power of two: 256 KiB.
const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

impl Open {
    pub(crate) fn new(entry: &crate::Entry, number: u32, due_ms: u64) -> Self {
        Self {
            sequence: entry.sequence,
            order: entry.order,
            lane: entry.person_hash,
            expires_ms: entry.expires.as_millis(),
            due_ms,
            number,
            waiting: Links::NONE,
            expiring: Links::NONE,
            attempts: u8::try_from(entry.attempts).unwrap_or(u8::MAX),
            kind: entry.kind,
            state: State::Settling,
            expiring_listed: false,
        }
    }

    const fn links(&mut self, chain: Chain) -> &mut Links {
        match chain {
            Chain::Waiting => &mut self.waiting,
            Chain::Expiring => &mut self.expiring,
        }
    }
}

impl Entries {
    pub(crate) fn insert(&mut self, open: Open) -> Slot {
        if let Some(slot) = self.free.pop() {
            self[slot] = open;
            return slot;
        }
        let slot = Slot::new(self.slots());
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(open),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(open);
                self.chunks.push(chunk);
            }
        }
        slot
    }

    /// Gives the entry's place free. It must stand in no list.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    pub(crate) fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    /// How many places there are, free ones included.
    fn slots(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(crate) fn push_back(&mut self, list: &mut List, chain: Chain, slot: Slot) {
        self.insert_after(list, chain, list.last, slot);
    }

    pub(crate) fn push_front(&mut self, list: &mut List, chain: Chain, slot: Slot) {
        self.insert_after(list, chain, Slot::NONE, slot);
    }

    /// The entry before this one in the list that the chain runs through.
    pub(crate) fn previous(&self, chain: Chain, slot: Slot) -> Option<Slot> {
        let links = match chain {
            Chain::Waiting => &self[slot].waiting,
            Chain::Expiring => &self[slot].expiring,
        };
        (links.previous != Slot::NONE).then_some(links.previous)
    }

    /// Puts the entry behind `before` in the list; behind nothing means in front.
    fn insert_after(&mut self, list: &mut List, chain: Chain, before: Slot, slot: Slot) {
        let after = if before == Slot::NONE { list.first } else { self[before].links(chain).next };
        *self[slot].links(chain) = Links { next: after, previous: before };
        if before == Slot::NONE {
            list.first = slot;
        } else {
            self[before].links(chain).next = slot;
        }
        if after == Slot::NONE {
            list.last = slot;
        } else {
            self[after].links(chain).previous = slot;
        }
    }

    /// Puts the entry where its `order` belongs, looking from the end, where it nearly always is.
    pub(crate) fn insert_by_order(&mut self, list: &mut List, chain: Chain, slot: Slot) {
        let order = self[slot].order;
        let mut before = list.last;
        while before != Slot::NONE && self[before].order > order {
            before = self[before].links(chain).previous;
        }
        self.insert_after(list, chain, before, slot);
    }

    pub(crate) fn unlink(&mut self, list: &mut List, chain: Chain, slot: Slot) {
        let Links { next, previous } = *self[slot].links(chain);
        if previous == Slot::NONE {
            list.first = next;
        } else {
            self[previous].links(chain).next = next;
        }
        if next == Slot::NONE {
            list.last = previous;
        } else {
            self[next].links(chain).previous = previous;
        }
        *self[slot].links(chain) = Links::NONE;
    }

    pub(crate) fn pop_front(&mut self, list: &mut List, chain: Chain) -> Option<Slot> {
        let slot = list.first()?;
        self.unlink(list, chain, slot);
        Some(slot)
    }
}

impl std::ops::Index<Slot> for Entries {
    type Output = Open;

    fn index(&self, slot: Slot) -> &Open {
        &self.chunks[slot.index() >> CHUNK_BITS][slot.index() & (CHUNK - 1)]
    }
}

impl std::ops::IndexMut<Slot> for Entries {
    fn index_mut(&mut self, slot: Slot) -> &mut Open {
        &mut self.chunks[slot.index() >> CHUNK_BITS][slot.index() & (CHUNK - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laneway_model::{PhoneNumber, Timestamp};
    use proptest::prelude::*;

    fn open(order: u64) -> Open {
        let entry = crate::Entry {
            sequence: order,
            order,
            business: PhoneNumber::from_u64(1_234_567).unwrap(),
            person_hash: 0,
            kind: 0,
            due: Timestamp::default(),
            expires: Timestamp::MAX,
            attempts: 0,
            interrupted: None,
            rank: 0,
            holds_lane: false,
            lacks: false,
        };
        Open::new(&entry, 0, 0)
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Open>(), 64);
    }

    proptest! {
        #[test]
        fn a_list_behaves_like_a_sorted_vector(steps in proptest::collection::vec((0_u64..50, 0..3), 0..200)) {
            let (mut entries, mut list) = (Entries::default(), List::EMPTY);
            let mut model: Vec<(u64, Slot)> = Vec::new();
            for (order, step) in steps {
                match step {
                    0 => {
                        let slot = entries.insert(open(order));
                        entries.insert_by_order(&mut list, Chain::Waiting, slot);
                        let at = model.partition_point(|(known, _)| *known <= order);
                        model.insert(at, (order, slot));
                    }
                    1 if !model.is_empty() => {
                        let (_, slot) = model.remove(usize::try_from(order).unwrap() % model.len());
                        entries.unlink(&mut list, Chain::Waiting, slot);
                        entries.remove(slot);
                    }
                    _ => {
                        let popped = entries.pop_front(&mut list, Chain::Waiting);
                        prop_assert_eq!(popped, (!model.is_empty()).then(|| model.remove(0).1));
                        if let Some(slot) = popped {
                            entries.remove(slot);
                        }
                    }
                }
                prop_assert_eq!(entries.len(), model.len());
                let (mut walked, mut at) = (Vec::new(), list.first());
                while let Some(slot) = at {
                    walked.push((entries[slot].order, slot));
                    let next = entries[slot].links(Chain::Waiting).next;
                    at = (next != Slot::NONE).then_some(next);
                }
                prop_assert_eq!(&walked, &model);
            }
        }
    }
}
