//! What each business number may send now: its queues, its window of calls under way, and its pace.

use std::collections::VecDeque;

use laneway_model::PhoneNumber;

use crate::Limits;
use crate::entries::{Chain, Entries, List, Slot};
use crate::groups::Groups;
use crate::inputs::{KindSet, NumberSetup};
use crate::policy::Class;

/// One business number.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) business: PhoneNumber,
    /// How it is reached; a number without is kept and sends nothing.
    pub(crate) setup: Option<NumberSetup>,
    pub(crate) open: usize,
    /// Whether `open` has changed since somebody asked.
    pub(crate) is_recounted: bool,
    /// Kinds whose lost answers are left to a person, as the last setup had them: a call may end after its number has lost
    /// its setup.
    pub(crate) hold_lost: KindSet,
    pub(crate) in_flight: u32,
    /// Those of them that have not been sent yet.
    unsent: u32,
    queues: [Queue; Class::COUNT],
    pub(crate) groups: [Groups; Class::COUNT],
    /// The class whose turn it is.
    turn: usize,
    window: Window,
    /// When the calls of the last second were sent, oldest first: the exact way never to exceed a rate.
    recent_ms: VecDeque<u64>,
    /// Whether it stands in the ring of numbers that may have something to send.
    pub(crate) in_ring: bool,
    /// When it is looked at again, if that is planned.
    pub(crate) again_ms: Option<u64>,
    /// Calls in a row that told nothing: the service was not reached, or had trouble of its own.
    inconclusive: u32,
}

/// The ready events of one number and class.
#[derive(Clone, Copy, Debug)]
struct Queue {
    fresh: List,
    retries: List,
    /// How many events stand in the two.
    len: usize,
    /// Whether it is a retry's turn: while both wait, they alternate, so that neither starves the other.
    retry_next: bool,
}

/// How many calls may be under way: doubled after as many healthy answers as it allows, halved by a throttle.
#[derive(Clone, Copy, Debug)]
struct Window {
    size: u32,
    healthy: u32,
}

/// What a class would send first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) class: usize,
    pub(crate) first: Slot,
    /// Whether it belongs to a part of a refused group.
    pub(crate) is_part: bool,
    /// How many events of the class are ready, parts aside.
    pub(crate) ready: usize,
}

/// When a number's rate allows another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Now,
    /// At this moment. Monotonic, milliseconds.
    At(u64),
    /// Not before a call that is open has been sent.
    AfterSending,
}

/// What an answer tells about the number and the service, whatever it means for the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tells {
    /// The service dealt with the call and would deal with more, whatever it said about single events.
    pub(crate) works: bool,
    /// The service wants fewer calls.
    pub(crate) throttled: bool,
    /// The service was not reached, or had trouble of its own.
    pub(crate) nothing: bool,
}

impl Number {
    pub(crate) fn new(business: PhoneNumber, limits: &Limits) -> Self {
        let queue = Queue { fresh: List::EMPTY, retries: List::EMPTY, len: 0, retry_next: false };
        Self {
            business,
            setup: None,
            open: 0,
            is_recounted: false,
            hold_lost: KindSet::NONE,
            in_flight: 0,
            unsent: 0,
            queues: [queue; Class::COUNT],
            groups: std::array::from_fn(|_| Groups::default()),
            turn: 0,
            window: Window { size: limits.window_start, healthy: 0 },
            recent_ms: VecDeque::new(),
            in_ring: false,
            again_ms: None,
            inconclusive: 0,
        }
    }

    pub(crate) fn push_ready(&mut self, entries: &mut Entries, class: Class, slot: Slot) {
        let queue = &mut self.queues[class.index()];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.push_back(list, Chain::Waiting, slot);
        queue.len += 1;
    }

    /// Puts an event back before all others of its class.
    pub(crate) fn push_ready_first(&mut self, entries: &mut Entries, class: Class, slot: Slot) {
        let queue = &mut self.queues[class.index()];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.push_front(list, Chain::Waiting, slot);
        queue.len += 1;
    }

    pub(crate) fn unlink_ready(&mut self, entries: &mut Entries, class: Class, slot: Slot) {
        let queue = &mut self.queues[class.index()];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.unlink(list, Chain::Waiting, slot);
        queue.len -= 1;
    }

    /// The event that each class would send first, beginning with the class whose turn it is.
    pub(crate) fn candidates(&self, now_ms: u64) -> impl Iterator<Item = Candidate> {
        (0..Class::COUNT).map(|n| (self.turn + n) % Class::COUNT).filter_map(move |class| {
            let queue = &self.queues[class];
            let part = self.groups[class].due_part(now_ms);
            let ready = || queue.fresh.first().or_else(|| queue.retries.first());
            let first = part.or_else(ready)?;
            Some(Candidate { class, first, is_part: part.is_some(), ready: queue.len })
        })
    }

    /// When the next part of a refused group may leave.
    pub(crate) fn next_part_due_ms(&self) -> Option<u64> {
        self.groups.iter().filter_map(Groups::next_due_ms).min()
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.queues.iter().any(|queue| queue.len > 0) || self.groups.iter().any(Groups::has_parts)
    }

    /// This class has had its turn; it is the next one's.
    pub(crate) fn end_turn(&mut self, class: usize) {
        self.turn = (class + 1) % Class::COUNT;
    }

    /// Takes the class's next event.
    pub(crate) fn pop_ready(&mut self, entries: &mut Entries, class: usize) -> Option<Slot> {
        let queue = &mut self.queues[class];
        let take_retry = queue.fresh.is_empty() || (queue.retry_next && !queue.retries.is_empty());
        queue.retry_next = !take_retry;
        let list = if take_retry { &mut queue.retries } else { &mut queue.fresh };
        let popped = entries.pop_front(list, Chain::Waiting);
        queue.len -= usize::from(popped.is_some());
        popped
    }

    pub(crate) fn window_is_full(&self) -> bool {
        self.in_flight >= self.window.size
    }

    /// Whether the number's rate allows another call now. Calls that are open and not sent yet count as well, so that the
    /// rate holds when they are sent, however long that takes.
    pub(crate) fn pace(&mut self, now_ms: u64, calls_per_second_max: u32) -> Pace {
        while self.recent_ms.front().is_some_and(|at| at + 1000 <= now_ms) {
            self.recent_ms.pop_front();
        }
        if self.recent_ms.len() + (self.unsent as usize) < calls_per_second_max as usize {
            return Pace::Now;
        }
        self.recent_ms.front().map_or(Pace::AfterSending, |at| Pace::At(at + 1000))
    }

    pub(crate) fn call_opened(&mut self) {
        self.in_flight += 1;
        self.unsent += 1;
    }

    pub(crate) fn call_sent(&mut self, now_ms: u64) {
        self.unsent -= 1;
        self.recent_ms.push_back(now_ms);
    }

    pub(crate) fn call_ended(&mut self, was_sent: bool) {
        self.in_flight -= 1;
        self.unsent -= u32::from(!was_sent);
    }

    /// Counts one answer: the window grows by what works, and shrinks when the service wants fewer calls or tells nothing.
    pub(crate) fn call_answered(&mut self, tells: Tells, limits: &Limits) {
        if tells.works {
            self.inconclusive = 0;
        }
        if tells.throttled || tells.nothing {
            self.window = Window { size: (self.window.size / 2).max(1), healthy: 0 };
        } else if tells.works {
            self.window.healthy += 1;
            if self.window.healthy >= self.window.size {
                let size = (self.window.size * 2).min(limits.window_max);
                self.window = Window { size, healthy: 0 };
            }
        }
    }

    /// Counts a call that told nothing, and says how many there were in a row.
    pub(crate) fn count_inconclusive(&mut self) -> u32 {
        self.inconclusive = self.inconclusive.saturating_add(1);
        self.inconclusive
    }
}
