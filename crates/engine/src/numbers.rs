//! What each business number may send now: its queues, its windows of calls under way, and its pace.

use std::collections::VecDeque;

use laneway_model::{PhoneNumber, Route};

use crate::Limits;
use crate::entries::{Chain, Entries, List, Slot};
use crate::groups::Groups;
use crate::inputs::{KindSet, NumberSetup};
use crate::policy::Class;

/// For how long a call that has left counts for the rate: a second, and a little for calls that take longer on their way
/// to the service than those after them, and for clocks that are read in whole milliseconds.
const RATE_MS: u64 = 1_020;

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
    /// Kinds that go to CM.com, as the last setup had them.
    pub(crate) relayed: KindSet,
    /// How often that has changed.
    pub(crate) reroutes: u32,
    /// Calls under way.
    pub(crate) in_flight: u32,
    /// Those of them that have not left yet.
    not_left: u32,
    tracks: [Queue; Track::COUNT],
    groups: [Groups; Track::COUNT],
    /// The track whose turn it is.
    turn: usize,
    /// One per route, in the order of [`Route`].
    services: [Service; 2],
    /// When the calls of the last second left, oldest first: the exact way never to exceed a rate.
    recent_ms: VecDeque<u64>,
    /// Whether it stands in the ring of numbers that may have something to send.
    pub(crate) in_ring: bool,
    /// When it is looked at again, if that is planned.
    pub(crate) again_ms: Option<u64>,
}

/// The events of one class that go the same way. What stops one way must not stop the other, so each has its own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Track(usize);

impl Track {
    const COUNT: usize = Class::COUNT * 2;

    pub(crate) const fn of(class: Class, route: Route) -> Self {
        Self(class.index() * 2 + service(route))
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    pub(crate) const fn route(self) -> Route {
        if self.0 % 2 == service(Route::Meta) { Route::Meta } else { Route::Cm }
    }
}

/// A route's place in tables.
const fn service(route: Route) -> usize {
    match route {
        Route::Meta => 0,
        Route::Cm => 1,
    }
}

/// How one of the two services deals with a number's calls.
#[derive(Clone, Copy, Debug)]
struct Service {
    /// Calls to it under way.
    in_flight: u32,
    window: Window,
    /// Calls in a row that told nothing: the service was not reached, or had trouble of its own.
    inconclusive: u32,
}

/// The ready events of one number and track.
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

/// What a track would send first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) track: Track,
    pub(crate) first: Slot,
    /// Whether it belongs to a part of a refused group.
    pub(crate) is_part: bool,
    /// How many events of the track are ready, parts aside.
    pub(crate) ready: usize,
}

/// When a number's rate allows another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Now,
    /// At this moment. Monotonic, milliseconds.
    At(u64),
    /// Not before a call that is open has left.
    AfterLeaving,
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
        let window = Window { size: limits.window_start, healthy: 0 };
        Self {
            business,
            setup: None,
            open: 0,
            is_recounted: false,
            hold_lost: KindSet::NONE,
            relayed: KindSet::NONE,
            reroutes: 0,
            in_flight: 0,
            not_left: 0,
            tracks: [queue; Track::COUNT],
            groups: std::array::from_fn(|_| Groups::default()),
            turn: 0,
            services: [Service { in_flight: 0, window, inconclusive: 0 }; 2],
            recent_ms: VecDeque::new(),
            in_ring: false,
            again_ms: None,
        }
    }

    /// Where events of this kind go.
    pub(crate) const fn route(&self, kind: u8) -> Route {
        if self.relayed.contains(kind) { Route::Cm } else { Route::Meta }
    }

    pub(crate) const fn groups(&mut self, track: Track) -> &mut Groups {
        &mut self.groups[track.0]
    }

    pub(crate) fn push_ready(&mut self, entries: &mut Entries, track: Track, slot: Slot) {
        let queue = &mut self.tracks[track.0];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.push_back(list, Chain::Waiting, slot);
        queue.len += 1;
    }

    /// Puts an event back before all others of its track.
    pub(crate) fn push_ready_first(&mut self, entries: &mut Entries, track: Track, slot: Slot) {
        let queue = &mut self.tracks[track.0];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.push_front(list, Chain::Waiting, slot);
        queue.len += 1;
    }

    pub(crate) fn unlink_ready(&mut self, entries: &mut Entries, track: Track, slot: Slot) {
        let queue = &mut self.tracks[track.0];
        let is_retry = entries[slot].attempts > 0;
        let list = if is_retry { &mut queue.retries } else { &mut queue.fresh };
        entries.unlink(list, Chain::Waiting, slot);
        queue.len -= 1;
    }

    /// The event that each track would send first, beginning with the track whose turn it is; none of a track whose
    /// service has as many calls under way as it may.
    pub(crate) fn candidates(&self, now_ms: u64) -> impl Iterator<Item = Candidate> {
        let in_turn = (0..Track::COUNT).map(|n| Track((self.turn + n) % Track::COUNT));
        in_turn.filter(|track| self.has_room(*track)).filter_map(move |track| {
            let (queue, groups) = (&self.tracks[track.0], &self.groups[track.0]);
            let part = groups.due_part(now_ms);
            let ready = || queue.fresh.first().or_else(|| queue.retries.first());
            let first = part.or_else(ready)?;
            Some(Candidate { track, first, is_part: part.is_some(), ready: queue.len })
        })
    }

    /// Every track on which events are ready: its first, and how many there are.
    pub(crate) fn ready(&self) -> impl Iterator<Item = (Track, Slot, usize)> {
        Track::all().filter_map(move |track| {
            let (queue, groups) = (&self.tracks[track.0], &self.groups[track.0]);
            let (in_parts, of_part) = groups.in_parts();
            let first = queue.fresh.first().or_else(|| queue.retries.first()).or(of_part)?;
            Some((track, first, queue.len + in_parts))
        })
    }

    /// How many events the next group of this track may have, with so many ready, if one may leave now.
    pub(crate) fn next_size(&self, track: Track, ready: usize, group_max: usize) -> Option<usize> {
        self.groups[track.0].next_size(ready, group_max)
    }

    /// When the next part of a refused group may leave.
    pub(crate) fn next_part_due_ms(&self) -> Option<u64> {
        self.groups.iter().filter_map(Groups::next_due_ms).min()
    }

    /// Whether something is ready whose service has room for another call.
    pub(crate) fn has_ready(&self) -> bool {
        let is_ready = |track: Track| self.tracks[track.0].len > 0 || self.groups[track.0].has_parts();
        Track::all().any(|track| is_ready(track) && self.has_room(track))
    }

    /// This track has had its turn; it is the next one's.
    pub(crate) fn end_turn(&mut self, track: Track) {
        self.turn = (track.0 + 1) % Track::COUNT;
    }

    /// Takes the track's next event.
    pub(crate) fn pop_ready(&mut self, entries: &mut Entries, track: Track) -> Option<Slot> {
        let queue = &mut self.tracks[track.0];
        let take_retry = queue.fresh.is_empty() || (queue.retry_next && !queue.retries.is_empty());
        queue.retry_next = !take_retry;
        let list = if take_retry { &mut queue.retries } else { &mut queue.fresh };
        let popped = entries.pop_front(list, Chain::Waiting);
        queue.len -= usize::from(popped.is_some());
        popped
    }

    fn has_room(&self, track: Track) -> bool {
        let service = &self.services[service(track.route())];
        service.in_flight < service.window.size
    }

    /// Whether the number's rate allows another call now. Calls that are open and have not left yet count as well, so that
    /// the rate holds when they leave, however long the journal or a connection keeps them.
    pub(crate) fn pace(&mut self, now_ms: u64, calls_per_second_max: u32) -> Pace {
        while self.recent_ms.front().is_some_and(|at| at + RATE_MS <= now_ms) {
            self.recent_ms.pop_front();
        }
        if self.recent_ms.len() + (self.not_left as usize) < calls_per_second_max as usize {
            return Pace::Now;
        }
        self.recent_ms.front().map_or(Pace::AfterLeaving, |at| Pace::At(at + RATE_MS))
    }

    pub(crate) fn call_opened(&mut self, track: Track) {
        self.in_flight += 1;
        self.not_left += 1;
        self.services[service(track.route())].in_flight += 1;
        self.groups(track).opened();
    }

    pub(crate) fn call_left(&mut self, now_ms: u64) {
        self.not_left -= 1;
        self.recent_ms.push_back(now_ms);
    }

    pub(crate) fn call_ended(&mut self, track: Track, has_left: bool) {
        self.in_flight -= 1;
        self.not_left -= u32::from(!has_left);
        self.services[service(track.route())].in_flight -= 1;
        self.groups(track).closed();
    }

    /// Counts one answer: the service's window grows by what works, and shrinks when the service wants fewer calls or tells
    /// nothing.
    pub(crate) fn call_answered(&mut self, route: Route, tells: Tells, limits: &Limits) {
        let Service { window, inconclusive, .. } = &mut self.services[service(route)];
        if tells.works {
            *inconclusive = 0;
        }
        if tells.throttled || tells.nothing {
            *window = Window { size: (window.size / 2).max(1), healthy: 0 };
        } else if tells.works {
            window.healthy += 1;
            if window.healthy >= window.size {
                *window = Window { size: (window.size * 2).min(limits.window_max), healthy: 0 };
            }
        }
    }

    /// Counts a call that told nothing, and says how many there were in a row on this route.
    pub(crate) fn count_inconclusive(&mut self, route: Route) -> u32 {
        let inconclusive = &mut self.services[service(route)].inconclusive;
        *inconclusive = inconclusive.saturating_add(1);
        *inconclusive
    }
}
