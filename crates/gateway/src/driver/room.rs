//! How many events are open, how many may be, and the room that is held for events on their way in.
//!
//! The driver counts what it has heard of. What is being accepted holds its room from before it is stored until the
//! driver counts it, so that no limit is ever passed, however many requests come at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laneway_journal::Sequence;
use laneway_model::PhoneNumber;

/// Why no further event is taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The business number has as many open events as one number may have.
    Number {
        /// When to try again.
        retry_after: Duration,
    },
    /// The node has as many open events as it may have.
    Node {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Room for events of one number. What is not used is given back when this is dropped. A request that its client gives
/// up while the event is being stored gives its room back early; the driver counts the event a moment later.
#[derive(Debug)]
#[must_use = "the room is given back at once"]
pub struct Room {
    business: PhoneNumber,
    held: usize,
    rooms: Arc<Rooms>,
}

/// The room of the node and of its numbers.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    node: Used,
    numbers: BTreeMap<PhoneNumber, Used>,
    node_max: usize,
    number_max: usize,
    /// Events that are durable and not counted yet.
    coming: BTreeMap<Sequence, PhoneNumber>,
    /// Every event up to this sequence was counted, or has ended.
    counted_to: Sequence,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    counted: usize,
    held: usize,
}

/// How soon a client that was turned away may come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Rooms {
    fn open(&self) -> MutexGuard<'_, Open> {
        // It is changed in single steps, so that a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limit(&self, node_max: usize, number_max: usize) {
        let mut open = self.open();
        (open.node_max, open.number_max) = (node_max, number_max);
    }

    /// Holds room for so many events of a number.
    pub(super) fn hold(self: &Arc<Self>, business: PhoneNumber, events: usize) -> Result<Room, Full> {
        let mut open = self.open();
        if open.node.counted + open.node.held + events > open.node_max {
            return Err(Full::Node { retry_after: RETRY_AFTER });
        }
        let of_number = open.numbers.get(&business).copied().unwrap_or_default();
        if of_number.counted + of_number.held + events > open.number_max {
            return Err(Full::Number { retry_after: RETRY_AFTER });
        }
        open.node.held += events;
        open.numbers.entry(business).or_default().held += events;
        Ok(Room { business, held: events, rooms: Arc::clone(self) })
    }

    /// The driver's counts, in which every event up to that sequence is.
    pub(super) fn count(
        &self,
        counted_to: Sequence,
        node: usize,
        numbers: impl Iterator<Item = (PhoneNumber, usize)>,
    ) {
        let mut open = self.open();
        open.node.counted = node;
        for (number, counted) in numbers {
            open.numbers.entry(number).or_default().counted = counted;
            open.forget_unused(number);
        }
        open.counted_to = open.counted_to.max(counted_to);
        while let Some(first) = open.coming.first_entry()
            && *first.key() <= counted_to
        {
            let business = first.remove();
            open.give_back(business, 1);
        }
    }
}

impl Open {
    fn give_back(&mut self, business: PhoneNumber, events: usize) {
        self.node.held -= events;
        if let Some(used) = self.numbers.get_mut(&business) {
            used.held -= events;
        }
        self.forget_unused(business);
    }

    fn forget_unused(&mut self, business: PhoneNumber) {
        if self.numbers.get(&business) == Some(&Used::default()) {
            self.numbers.remove(&business);
        }
    }
}

impl Room {
    /// These events are durable. They keep their room until the driver counts them; the rest is given back.
    pub fn accepted(mut self, sequences: impl IntoIterator<Item = Sequence>) {
        let mut open = self.rooms.open();
        for sequence in sequences {
            if sequence > open.counted_to && self.held > 0 {
                self.held -= 1;
                open.coming.insert(sequence, self.business);
            }
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.held > 0 {
            self.rooms.open().give_back(self.business, self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL_NODE: Full = Full::Node { retry_after: RETRY_AFTER };
    const FULL_NUMBER: Full = Full::Number { retry_after: RETRY_AFTER };

    fn numbers() -> (PhoneNumber, PhoneNumber) {
        (PhoneNumber::from_u64(31_600_000_001).unwrap(), PhoneNumber::from_u64(31_600_000_002).unwrap())
    }

    fn rooms(node_max: usize, number_max: usize) -> Arc<Rooms> {
        let rooms = Arc::new(Rooms::default());
        rooms.limit(node_max, number_max);
        rooms
    }

    fn check(rooms: &Arc<Rooms>, business: PhoneNumber, events: usize, expected: Result<(), Full>) {
        assert_eq!(rooms.hold(business, events).map(drop), expected, "{events}");
    }

    #[test]
    fn limits_are_per_number_and_per_node() {
        let (rooms, (a, b)) = (rooms(10, 6), numbers());
        rooms.count(0, 7, [(a, 5), (b, 2)].into_iter());
        check(&rooms, a, 1, Ok(()));
        check(&rooms, a, 2, Err(FULL_NUMBER));
        check(&rooms, b, 3, Ok(()));
        check(&rooms, b, 4, Err(FULL_NODE));
        rooms.count(0, 0, [(a, 0), (b, 0)].into_iter());
        check(&rooms, a, 6, Ok(()));
        assert!(rooms.open().numbers.is_empty());
    }

    #[test]
    fn room_is_held_until_the_event_is_counted() {
        let (rooms, (a, b)) = (rooms(3, 2), numbers());
        let (first, second) = (rooms.hold(a, 1).unwrap(), rooms.hold(a, 1).unwrap());
        check(&rooms, a, 1, Err(FULL_NUMBER));
        check(&rooms, b, 2, Err(FULL_NODE));
        // The first is durable, the second is not.
        first.accepted([7]);
        drop(second);
        check(&rooms, a, 1, Ok(()));
        check(&rooms, a, 2, Err(FULL_NUMBER));
        rooms.count(6, 1, [(b, 1)].into_iter());
        check(&rooms, a, 2, Err(FULL_NODE));
        rooms.count(7, 2, [(a, 1)].into_iter());
        assert_eq!(rooms.open().node, Used { counted: 2, held: 0 });
        check(&rooms, a, 1, Ok(()));
        check(&rooms, a, 2, Err(FULL_NODE));
    }

    #[test]
    fn an_event_may_be_counted_before_its_acceptance_is_known() {
        let (rooms, (a, _)) = (rooms(2, 2), numbers());
        let room = rooms.hold(a, 2).unwrap();
        rooms.count(9, 1, [(a, 1)].into_iter());
        room.accepted([9]);
        assert_eq!(rooms.open().node, Used { counted: 1, held: 0 });
        assert!(rooms.open().coming.is_empty());
        check(&rooms, a, 1, Ok(()));
    }
}
