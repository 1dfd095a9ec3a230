//! What each business number may send now: its queues, its window of calls under way, its pace, and what is paused.

use std::collections::{BTreeMap, VecDeque};

use laneway_model::{Family, PhoneNumber, Scope};

use crate::Limits;
use crate::entries::{Chain, Entries, List, Slot};
use crate::inputs::{NumberSetup, ScopeId};
use crate::policy::Class;

/// One business number.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) business: PhoneNumber,
    /// How it is reached; a number without is kept and sends nothing.
    pub(crate) setup: Option<NumberSetup>,
    pub(crate) open: usize,
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

impl Number {
    pub(crate) fn new(business: PhoneNumber, limits: &Limits) -> Self {
        let queue = Queue { fresh: List::EMPTY, retries: List::EMPTY, retry_next: false };
        Self {
            business,
            setup: None,
            open: 0,
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

    /// Counts one answer. `conclusive`: the service dealt with the call, whatever it said.
    pub(crate) fn call_answered(&mut self, conclusive: bool, throttled: bool, limits: &Limits) {
        if conclusive && !throttled {
            self.inconclusive = 0;
            self.window.healthy += 1;
            if self.window.healthy >= self.window.size {
                let size = (self.window.size * 2).min(limits.window_max);
                self.window = Window { size, healthy: 0 };
            }
        } else {
            self.window = Window { size: (self.window.size / 2).max(1), healthy: 0 };
        }
    }

    /// Counts a call that told nothing, and says how many there were in a row.
    pub(crate) fn count_inconclusive(&mut self) -> u32 {
        self.inconclusive = self.inconclusive.saturating_add(1);
        self.inconclusive
    }
}

/// What a pause covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PauseKey {
    Family(u32, Family),
    Number(u32),
    Waba(ScopeId),
    Credential(ScopeId),
    App(ScopeId),
}

impl PauseKey {
    /// The scope that the key is of.
    pub(crate) const fn scope(self) -> Scope {
        match self {
            Self::Family(..) => Scope::NumberFamily,
            Self::Number(_) => Scope::Number,
            Self::Waba(_) => Scope::Waba,
            Self::Credential(_) => Scope::Credential,
            Self::App(_) => Scope::App,
        }
    }
}

/// A stop of all calls of a scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    /// Monotonic, milliseconds.
    pub(crate) until_ms: u64,
    /// What it is for: a throttle simply ends; a dead credential is first tried with one call.
    pub(crate) cause: PauseCause,
    /// Whether that one call is under way.
    pub(crate) probing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PauseCause {
    Throttle,
    Unauthorized,
    /// The service cannot be reached or has trouble of its own: no use in trying every event.
    Outage,
}

/// Whether a call may be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes; and these pauses are tried with it.
    Open(Vec<PauseKey>),
    /// Not before this moment.
    Until(u64, PauseCause),
    /// Not before a call that tries the pause has been answered.
    Probing,
}

/// The pauses in force.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    pauses: BTreeMap<PauseKey, Pause>,
}

impl Pauses {
    /// The keys of everything that a call of this number and family is part of.
    fn keys(number: u32, family: Family, setup: &NumberSetup) -> [PauseKey; 5] {
        [
            PauseKey::Family(number, family),
            PauseKey::Number(number),
            PauseKey::Waba(setup.waba),
            PauseKey::Credential(Self::credential(family, setup)),
            PauseKey::App(setup.app),
        ]
    }

    fn credential(family: Family, setup: &NumberSetup) -> ScopeId {
        match family {
            Family::Messages | Family::Blocks => setup.messages_credential,
            Family::Conversions => setup.conversions_credential,
        }
    }

    /// The key of one scope; a failure of one event pauses nothing.
    pub(crate) fn key(scope: Scope, number: u32, family: Family, setup: &NumberSetup) -> Option<PauseKey> {
        match scope {
            Scope::Event => None,
            Scope::NumberFamily => Some(PauseKey::Family(number, family)),
            Scope::Number => Some(PauseKey::Number(number)),
            Scope::Waba => Some(PauseKey::Waba(setup.waba)),
            Scope::Credential => Some(PauseKey::Credential(Self::credential(family, setup))),
            Scope::App => Some(PauseKey::App(setup.app)),
        }
    }

    pub(crate) fn gate(&self, now_ms: u64, number: u32, family: Family, setup: &NumberSetup) -> Gate {
        let mut probes = Vec::new();
        if self.pauses.is_empty() {
            return Gate::Open(probes);
        }
        let (mut until, mut probing): (Option<(u64, PauseCause)>, bool) = (None, false);
        for key in Self::keys(number, family, setup) {
            let Some(pause) = self.pauses.get(&key) else { continue };
            if pause.probing {
                probing = true;
            } else if pause.until_ms > now_ms {
                until = until.max(Some((pause.until_ms, pause.cause)));
            } else if pause.cause == PauseCause::Unauthorized {
                probes.push(key);
            }
        }
        match until {
            Some((until, cause)) => Gate::Until(until, cause),
            None if probing => Gate::Probing,
            None => Gate::Open(probes),
        }
    }

    /// Pauses a scope, or makes its pause longer. Says whether a pause for a dead credential is new.
    pub(crate) fn pause(&mut self, key: PauseKey, cause: PauseCause, until_ms: u64) -> bool {
        let known = self.pauses.get(&key).copied();
        let was_unauthorized = known.is_some_and(|pause| pause.cause == PauseCause::Unauthorized);
        let cause = if was_unauthorized { PauseCause::Unauthorized } else { cause };
        let until_ms = known.map_or(until_ms, |pause| pause.until_ms.max(until_ms));
        self.pauses.insert(key, Pause { until_ms, cause, probing: false });
        cause == PauseCause::Unauthorized && !was_unauthorized
    }

    /// Whether calls of this key are stopped at this moment.
    pub(crate) fn is_paused(&self, now_ms: u64, key: PauseKey) -> bool {
        self.pauses.get(&key).is_some_and(|pause| pause.until_ms > now_ms)
    }

    pub(crate) fn set_probing(&mut self, key: PauseKey) {
        if let Some(pause) = self.pauses.get_mut(&key) {
            pause.probing = true;
        }
    }

    /// Ends a try that told nothing: the next one may come at `until_ms`.
    pub(crate) fn probe_told_nothing(&mut self, key: PauseKey, until_ms: u64) {
        if let Some(pause) = self.pauses.get_mut(&key) {
            *pause = Pause { until_ms, probing: false, ..*pause };
        }
    }

    pub(crate) fn end(&mut self, key: PauseKey) {
        self.pauses.remove(&key);
    }

    /// Forgets pauses that are over, and, because the configuration has changed, every dead credential.
    pub(crate) fn forget_credentials(&mut self, now_ms: u64) {
        self.pauses.retain(|_, pause| pause.cause != PauseCause::Unauthorized && pause.until_ms > now_ms);
    }
}
