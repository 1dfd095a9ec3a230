//! The service as it would be: what it does with a call, what it says of it, and what it remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use laneway_engine::{CallId, NumberSetup, ScopeId, Sequence};
use laneway_model::{
    Action, Event, Failure, FailureClass, Family, Outcome, Person, PhoneNumber, Route, Scope, Timestamp,
};

use crate::dice::chance;
use crate::setting::{Half, Named, Rates, Setting, Trouble, Window};

/// After this long the client gives an answer up.
pub(crate) const TIMEOUT_MS: u64 = 30_000;
/// The word in an event's custom text by which the service knows that it is bad.
pub(crate) const BAD: &str = "bad";

/// One call on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) life: u64,
    pub(crate) call: CallId,
    pub(crate) setup: NumberSetup,
    pub(crate) family: Family,
    pub(crate) route: Route,
    pub(crate) members: Vec<Member>,
}

/// An event in a call.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) sequence: Sequence,
    pub(crate) event: Arc<Event>,
}

/// What the service did with a call and says of it.
#[derive(Debug)]
pub(crate) struct Dealt {
    /// Members, by their place, that had their effect.
    pub(crate) applied: Vec<usize>,
    pub(crate) outcomes: Vec<Outcome>,
    /// How long the answer takes from here.
    pub(crate) answer_ms: u64,
}

/// The service.
#[derive(Debug)]
pub(crate) struct Meta {
    untouched: PhoneNumber,
    half: Option<Half>,
    rates: Rates,
    windows: Vec<Window>,
    /// Who is on whose block list.
    pub(crate) blocked: BTreeMap<(PhoneNumber, Person), bool>,
    /// Events of which it said that they were done and did not do them.
    pub(crate) lied_about: BTreeSet<Sequence>,
}

impl Meta {
    pub(crate) fn new(setting: &Setting) -> Self {
        let (untouched, half) = (setting.numbers[0].business, setting.half);
        let (rates, windows) = (setting.rates, setting.windows.clone());
        Self { untouched, half, rates, windows, blocked: BTreeMap::new(), lied_about: BTreeSet::new() }
    }

    /// From now on everything works.
    pub(crate) fn recover(&mut self) {
        (self.rates, self.windows) = (Rates::default(), Vec::new());
    }

    pub(crate) fn troubles(&self, at_ms: u64) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| (window.from_ms..window.to_ms).contains(&at_ms))
    }

    /// Whether nothing goes wrong with this call.
    fn is_untouched(&self, request: &Request) -> bool {
        let business = request.setup.business;
        let is_whole = |half: &Half| half.business == business && half.broken != request.route;
        business == self.untouched || self.half.as_ref().is_some_and(is_whole)
    }

    /// What troubles such a call.
    fn troubles_of(&self, at_ms: u64, request: &Request) -> impl Iterator<Item = &Window> {
        self.troubles(at_ms).filter(|window| window.route.is_none_or(|route| route == request.route))
    }

    /// A call arrives.
    pub(crate) fn take(&mut self, at_ms: u64, wall: Timestamp, request: &Request, random: &mut Rng) -> Dealt {
        let mut dealt = self.deal(at_ms, wall, request, random);
        for at in &dealt.applied {
            let event = &request.members[*at].event;
            if let (Action::Block | Action::UnBlock, Some(person)) = (&event.action, &event.person) {
                let is_block = event.action == Action::Block;
                self.blocked.insert((event.business, person.clone()), is_block);
            }
        }
        let is_slow = self
            .troubles_of(at_ms, request)
            .any(|window| window.trouble == Trouble::Slow(request.setup.business));
        dealt.answer_ms = if is_slow { random.u64(3_000..40_000) } else { random.u64(20..400) };
        if dealt.answer_ms >= TIMEOUT_MS {
            dealt.answer_ms = TIMEOUT_MS;
            dealt.outcomes = vec![lost(); request.members.len()];
        }
        dealt
    }

    fn deal(&mut self, at_ms: u64, wall: Timestamp, request: &Request, random: &mut Rng) -> Dealt {
        let count = request.members.len();
        let all =
            |outcome: Outcome| Dealt { applied: Vec::new(), outcomes: vec![outcome; count], answer_ms: 0 };
        let troubles: Vec<Window> = self.troubles_of(at_ms, request).copied().collect();
        for window in troubles {
            let remaining = Duration::from_millis(window.to_ms - at_ms);
            if let Some(outcome) = outcome_of(window.trouble, wall.saturating_add(remaining), request, random)
            {
                return all(outcome);
            }
        }
        if self.is_untouched(request) {
            return accepted(request);
        }
        let rates = self.rates;
        if chance(random, rates.not_sent) {
            return all(failed(FailureClass::NotSent, Scope::Event));
        }
        if chance(random, rates.cut_before) {
            return all(lost());
        }
        if chance(random, rates.transient) {
            return all(failed(FailureClass::Transient, Scope::Event));
        }
        let mut dealt = self.one_by_one(request, random);
        if chance(random, rates.cut_after) {
            dealt.outcomes = vec![lost(); count];
        } else if chance(random, rates.lies) {
            let confirmed = dealt.applied.drain(..);
            self.lied_about.extend(confirmed.map(|at| request.members[at].sequence));
        }
        dealt
    }

    fn one_by_one(&self, request: &Request, random: &mut Rng) -> Dealt {
        let is_bad = |member: &Member| member.event.custom.as_deref() == Some(BAD);
        let count = request.members.len();
        match request.family {
            Family::Conversions if request.members.iter().any(is_bad) => {
                let class = match request.route {
                    Route::Meta => FailureClass::RefusedTogether,
                    Route::Cm => FailureClass::Rejected,
                };
                Dealt {
                    applied: Vec::new(),
                    outcomes: vec![failed(class, Scope::Event); count],
                    answer_ms: 0,
                }
            }
            Family::Conversions if count > 1 && chance(random, self.rates.some_received) => {
                let received = random.usize(1..count);
                let doubtful = failed(FailureClass::Doubtful, Scope::Event);
                Dealt { applied: (0..received).collect(), outcomes: vec![doubtful; count], answer_ms: 0 }
            }
            Family::Conversions | Family::Messages | Family::Blocks => {
                let mut dealt = accepted(request);
                for (at, member) in request.members.iter().enumerate() {
                    let class = if is_bad(member) {
                        FailureClass::Rejected
                    } else if request.family == Family::Blocks && chance(random, self.rates.one_fails) {
                        one_of(random)
                    } else {
                        continue;
                    };
                    dealt.outcomes[at] = failed(class, Scope::Event);
                    dealt.applied.retain(|applied| *applied != at);
                }
                dealt
            }
        }
    }
}

fn one_of(random: &mut Rng) -> FailureClass {
    match random.u32(..4) {
        0 => FailureClass::Throttled { until: None },
        1 => FailureClass::RefusedTogether,
        2 => FailureClass::Rejected,
        _ => FailureClass::Transient,
    }
}

/// What a lasting trouble makes of a call, if it concerns it.
fn outcome_of(trouble: Trouble, end: Timestamp, request: &Request, random: &mut Rng) -> Option<Outcome> {
    let setup = &request.setup;
    match trouble {
        Trouble::Outage(business) if business == setup.business => {
            let class = match random.u32(..10) {
                0 => FailureClass::NotSent,
                1 => FailureClass::Unknown,
                2 => return None,
                _ => FailureClass::Transient,
            };
            Some(failed(class, Scope::Event))
        }
        Trouble::Throttle(business, scope, named) if shares(setup, request.family, business, scope) => {
            let until = match named {
                Named::Yes => Some(end),
                Named::No => None,
            };
            Some(failed(FailureClass::Throttled { until }, scope))
        }
        Trouble::DeadToken(route, token) if (route, token) == (request.route, credential(request)) => {
            Some(failed(FailureClass::Unauthorized, Scope::Credential))
        }
        Trouble::NoPermission(business, family) if (business, family) == (setup.business, request.family) => {
            Some(failed(FailureClass::Unauthorized, Scope::NumberFamily))
        }
        Trouble::Outage(_)
        | Trouble::Slow(_)
        | Trouble::Throttle(..)
        | Trouble::DeadToken(..)
        | Trouble::NoPermission(..)
        | Trouble::DiskFull => None,
    }
}

/// Whether a throttle of the number concerns this call. Wider scopes are told only to the number itself, too: the service
/// counts for each, and the engine draws its conclusions from what it is told.
fn shares(setup: &NumberSetup, family: Family, business: PhoneNumber, scope: Scope) -> bool {
    setup.business == business && (scope != Scope::NumberFamily || family == Family::Messages)
}

/// The token that a call is made with.
fn credential(request: &Request) -> ScopeId {
    let setup = &request.setup;
    match (request.route, request.family) {
        (Route::Cm, _) => setup.relay_credential,
        (Route::Meta, Family::Messages | Family::Blocks) => setup.messages_credential,
        (Route::Meta, Family::Conversions) => setup.conversions_credential,
    }
}

fn accepted(request: &Request) -> Dealt {
    let count = request.members.len();
    let outcome = match request.route {
        Route::Meta => Outcome::Confirmed,
        Route::Cm => Outcome::Relayed,
    };
    Dealt { applied: (0..count).collect(), outcomes: vec![outcome; count], answer_ms: 0 }
}

pub(crate) fn failed(class: FailureClass, scope: Scope) -> Outcome {
    Outcome::Failed(Failure { class, scope, code: None, subcode: None, detail: format!("{class:?}") })
}

pub(crate) fn lost() -> Outcome {
    failed(FailureClass::Unknown, Scope::Event)
}
