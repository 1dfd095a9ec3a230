//! Which pauses are in force, for whoever asks.

use std::collections::BTreeMap;

use laneway_model::{Family, PhoneNumber, Route, Timestamp};

use crate::inputs::{Now, ScopeId};
use crate::pauses::{Began, PauseKey, RestCause, Way};

use super::Engine;

/// A pause in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The calls that it stops.
    pub covers: Covers,
    /// Where they go.
    pub route: Route,
    /// Why.
    pub why: Why,
    /// The service's code in the answer that it began with.
    pub code: Option<u32>,
    /// And its subcode.
    pub subcode: Option<u32>,
    /// What that answer means, in one sentence for a person.
    pub detail: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// When calls are made again; one call, where a credential was refused, and once this has passed, the next event's.
    /// `None` while that one call is under way.
    pub until: Option<Timestamp>,
    /// Events that would have their turn now. Those behind others of their lane, and those that wait for a moment of their
    /// own, are not among them.
    pub waiting: usize,
}

/// Which calls a pause stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Covers {
    /// Those of one family of a number.
    Family(PhoneNumber, Family),
    /// Those of a number.
    Number(PhoneNumber),
    /// Those of a WhatsApp Business Account.
    Waba(ScopeId),
    /// Those with a token.
    Credential(ScopeId),
    /// Those of a Meta app.
    App(ScopeId),
}

/// Why calls are paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A credential or a permission was refused; a person must act.
    Unauthorized,
    /// The service wants fewer calls.
    Throttled,
    /// The service cannot be reached or has trouble of its own.
    Outage,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Unauthorized, Self::Throttled, Self::Outage];

    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::Outage => "outage",
        }
    }
}

impl Engine {
    /// The pauses in force.
    pub fn paused(&self, now: Now) -> Vec<Paused> {
        let waiting = self.waiting();
        let paused = |key: PauseKey, why: Why, began: &Began, until_ms: Option<u64>| {
            let (covers, route) = self.covers(key);
            Paused {
                covers,
                route,
                why,
                code: began.code,
                subcode: began.subcode,
                detail: began.detail.clone(),
                since: began.at,
                until: until_ms.map(|ms| now.wall_at(ms)),
                waiting: waiting.get(&key).copied().unwrap_or_default(),
            }
        };
        let refusals = self.pauses.refusals().map(|(key, refusal)| {
            let probe_at_ms = refusal.probe.is_none().then_some(refusal.probe_at_ms);
            paused(key, Why::Unauthorized, &refusal.began, probe_at_ms)
        });
        let rests = self.pauses.rests(now.elapsed_ms).map(|(key, rest)| {
            let why = match rest.cause {
                RestCause::Outage => Why::Outage,
                RestCause::Throttle => Why::Throttled,
            };
            paused(key, why, &rest.began, Some(rest.until_ms))
        });
        refusals.chain(rests).collect()
    }

    /// How many events are ready, by everything that could pause them.
    fn waiting(&self) -> BTreeMap<PauseKey, usize> {
        let mut waiting = BTreeMap::new();
        for (at, number) in (0_u32..).zip(&self.numbers) {
            let Some(setup) = &number.setup else { continue };
            for (track, first, count) in number.ready() {
                let Some(kind) = self.kind(first) else { continue };
                let way = Way { family: kind.family, route: track.route() };
                for key in PauseKey::all(at, way, setup) {
                    *waiting.entry(key).or_default() += count;
                }
            }
        }
        waiting
    }

    fn covers(&self, key: PauseKey) -> (Covers, Route) {
        let business = |number: u32| self.numbers[number as usize].business;
        match key {
            PauseKey::Family(number, family, route) => (Covers::Family(business(number), family), route),
            PauseKey::Number(number, route) => (Covers::Number(business(number)), route),
            PauseKey::Waba(id) => (Covers::Waba(id), Route::Meta),
            PauseKey::Credential(id) => (Covers::Credential(id), Route::Meta),
            PauseKey::App(id) => (Covers::App(id), Route::Meta),
            PauseKey::RelayCredential(id) => (Covers::Credential(id), Route::Cm),
        }
    }
}
