//! What each business number may send now: its queues, its window of calls under way, and its pace.

use std::collections::VecDeque;

use laneway_model::PhoneNumber;

use crate::Limits;
use crate::entries::{Chain, Entries, List, Slot};
use crate::inputs::NumberSetup;
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
    pub(crate) in_flight: u32,
    queues: [Queue; Class::COUNT],
    /// The class whose turn it is.
    turn: usize,
    window: Window,
    /// When the calls of the last second were made, oldest first: the exact way never to exceed a rate.
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
    /// Whether it is a retry's turn: while both wait, they alternate, so that neither starves the other.
    retry_next: bool,
}

/// How many calls may be under way: doubled after as many healthy answers as it allows, halved by a throttle.
#[derive(Clone, Copy, Debug)]
struct Window {
    size: u32,
    healthy: u32,
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
        let queue = Queue { fresh: List::EMPTY, retries: List::EMPTY, retry_next: false };
        Self {
            business,
            setup: None,
            open: 0,
            is_recounted: false,
            in_flight: 0,
            queues: [queue; Class::COUNT],
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
    }

    pub(crate) fn unlink_ready(&mut self, entries: &mut Entries, class: Class, slot: Slot) {
        let queue = &mut self.queues[class.index()];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.unlink(list, Chain::Waiting, slot);
    }

    /// The first ready event of each class that has one, beginning with the class whose turn it is.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (usize, Slot)> {
        (0..Class::COUNT).map(|n| (self.turn + n) % Class::COUNT).filter_map(|class| {
            let queue = &self.queues[class];
            queue.fresh.first().or_else(|| queue.retries.first()).map(|slot| (class, slot))
        })
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.queues.iter().any(|queue| !queue.fresh.is_empty() || !queue.retries.is_empty())
    }

    /// Takes the class's next event; afterwards it is the next class's turn.
    pub(crate) fn pop_ready(&mut self, entries: &mut Entries, class: usize) -> Option<Slot> {
        self.turn = (class + 1) % Class::COUNT;
        let queue = &mut self.queues[class];
        let take_retry = queue.fresh.is_empty() || (queue.retry_next && !queue.retries.is_empty());
        queue.retry_next = !take_retry;
        let list = if take_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.pop_front(list, Chain::Waiting)
    }

    pub(crate) fn window_is_full(&self) -> bool {
        self.in_flight >= self.window.size
    }

    /// When the number's rate allows another call: now, or at the returned moment.
    pub(crate) fn paced_until(&mut self, now_ms: u64, calls_per_second_max: u32) -> Option<u64> {
        while self.recent_ms.front().is_some_and(|at| at + 1000 <= now_ms) {
            self.recent_ms.pop_front();
        }
        let is_full = self.recent_ms.len() >= calls_per_second_max as usize;
        is_full.then(|| self.recent_ms.front().map_or(now_ms + 1000, |at| at + 1000))
    }

    pub(crate) fn call_opened(&mut self, now_ms: u64) {
        self.in_flight += 1;
        self.recent_ms.push_back(now_ms);
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
