//! What stops the calls of a scope: rests, which end by themselves, and refused credentials, which end when a call works.

use std::collections::{BTreeMap, BTreeSet};

use laneway_model::{Failure, Family, Route, Scope, Timestamp};

use crate::inputs::{CallId, Now, NumberSetup, ScopeId};

/// What a pause covers. Numbers are meant by their place in the engine's table. Calls to Meta and calls to CM.com have
/// nothing in common that a pause could cover: another service, another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PauseKey {
    Family(u32, Family, Route),
    Number(u32, Route),
    Waba(ScopeId),
    Credential(ScopeId),
    App(ScopeId),
    /// The token at CM.com.
    RelayCredential(ScopeId),
}

/// What a call is, as far as pauses look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) family: Family,
    pub(crate) route: Route,
}

/// Why a scope rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RestCause {
    /// The service cannot be reached or has trouble of its own: no use in trying every event.
    Outage,
    /// The service wants fewer calls.
    Throttle,
}

/// Whether a call may be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes; and these refused scopes are tried with it.
    Open(Vec<PauseKey>),
    /// Not before this moment.
    Until(u64, Obstacle),
    /// Not before the call that tries a refused scope has been answered.
    Probing,
}

/// What stands against a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    Rest(RestCause),
    Refused,
}

/// The pauses in force.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    rests: BTreeMap<PauseKey, Rest>,
    /// The rests by their ends, so that those that are over are forgotten.
    ends: BTreeSet<(u64, PauseKey)>,
    refusals: BTreeMap<PauseKey, Refusal>,
}

/// When a pause began, and what the service said.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    pub(crate) at: Timestamp,
    pub(crate) code: Option<u32>,
    pub(crate) subcode: Option<u32>,
    pub(crate) detail: Option<String>,
}

impl Began {
    /// With this failure.
    pub(crate) fn with(now: Now, failure: &Failure) -> Self {
        let detail = Some(failure.detail.clone());
        Self { at: now.wall, code: failure.code, subcode: failure.subcode, detail }
    }

    /// With nothing that the service said.
    pub(crate) const fn in_silence(now: Now) -> Self {
        Self { at: now.wall, code: None, subcode: None, detail: None }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// Monotonic, milliseconds.
    pub(crate) until_ms: u64,
    pub(crate) cause: RestCause,
    pub(crate) began: Began,
}

/// A credential or a permission that does not work.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// When one call may try it. Monotonic, milliseconds.
    pub(crate) probe_at_ms: u64,
    /// That call, while it is under way.
    pub(crate) probe: Option<CallId>,
    pub(crate) began: Began,
}

impl PauseKey {
    /// The key of one scope of such a call; a failure of one event pauses nothing. CM.com knows neither WABAs nor Meta's
    /// apps: what reaches further than a number there is the token.
    pub(crate) fn of(scope: Scope, number: u32, way: Way, setup: &NumberSetup) -> Option<Self> {
        let Way { family, route } = way;
        match (scope, route) {
            (Scope::Event, _) => None,
            (Scope::NumberFamily, _) => Some(Self::Family(number, family, route)),
            (Scope::Number, _) => Some(Self::Number(number, route)),
            (Scope::Waba, Route::Meta) => Some(Self::Waba(setup.waba)),
            (Scope::Credential, Route::Meta) => Some(Self::Credential(match family {
                Family::Messages | Family::Blocks => setup.messages_credential,
                Family::Conversions => setup.conversions_credential,
            })),
            (Scope::App, Route::Meta) => Some(Self::App(setup.app)),
            (Scope::Waba | Scope::Credential | Scope::App, Route::Cm) => {
                Some(Self::RelayCredential(setup.relay_credential))
            }
        }
    }

    /// The keys of everything that such a call of this number is part of.
    pub(crate) fn all(number: u32, way: Way, setup: &NumberSetup) -> impl Iterator<Item = Self> {
        let scopes: &[Scope] = match way.route {
            Route::Meta => &[Scope::NumberFamily, Scope::Number, Scope::Waba, Scope::Credential, Scope::App],
            Route::Cm => &[Scope::NumberFamily, Scope::Number, Scope::Credential],
        };
        scopes.iter().filter_map(move |scope| Self::of(*scope, number, way, setup))
    }

    /// The scope that the key is of.
    pub(crate) const fn scope(self) -> Scope {
        match self {
            Self::Family(..) => Scope::NumberFamily,
            Self::Number(..) => Scope::Number,
            Self::Waba(_) => Scope::Waba,
            Self::Credential(_) | Self::RelayCredential(_) => Scope::Credential,
            Self::App(_) => Scope::App,
        }
    }
}

impl Pauses {
    pub(crate) fn gate(&self, now_ms: u64, number: u32, way: Way, setup: &NumberSetup) -> Gate {
        let mut probes = Vec::new();
        if self.rests.is_empty() && self.refusals.is_empty() {
            return Gate::Open(probes);
        }
        let (mut until, mut probing): (Option<(u64, Obstacle)>, bool) = (None, false);
        for key in PauseKey::all(number, way, setup) {
            if let Some(rest) = self.rests.get(&key).filter(|rest| rest.until_ms > now_ms) {
                until = until.max(Some((rest.until_ms, Obstacle::Rest(rest.cause))));
            }
            match self.refusals.get(&key) {
                None => {}
                Some(Refusal { probe: Some(_), .. }) => probing = true,
                Some(refusal) if refusal.probe_at_ms > now_ms => {
                    until = until.max(Some((refusal.probe_at_ms, Obstacle::Refused)));
                }
                Some(_) => probes.push(key),
            }
        }
        match until {
            Some((until_ms, obstacle)) => Gate::Until(until_ms, obstacle),
            None if probing => Gate::Probing,
            None => Gate::Open(probes),
        }
    }

    /// Lets a scope rest, or rest longer.
    pub(crate) fn rest(&mut self, now_ms: u64, key: PauseKey, cause: RestCause, until_ms: u64, began: Began) {
        self.forget_what_is_over(now_ms);
        let mut rest = Rest { until_ms, cause, began };
        if let Some(known) = self.rests.get(&key) {
            if known.until_ms >= until_ms {
                return;
            }
            self.ends.remove(&(known.until_ms, key));
            if known.cause == cause {
                // It is the same pause, and longer.
                rest.began.at = known.began.at;
            }
        }
        self.rests.insert(key, rest);
        self.ends.insert((until_ms, key));
    }

    fn forget_what_is_over(&mut self, now_ms: u64) {
        while let Some((until_ms, key)) =
            self.ends.first().copied().filter(|(until_ms, _)| *until_ms <= now_ms)
        {
            self.ends.remove(&(until_ms, key));
            self.rests.remove(&key);
        }
    }

    /// The rests in force.
    pub(crate) fn rests(&self, now_ms: u64) -> impl Iterator<Item = (PauseKey, &Rest)> {
        let rests = self.rests.iter().map(|(key, rest)| (*key, rest));
        rests.filter(move |(_, rest)| rest.until_ms > now_ms)
    }

    /// The refused scopes.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (PauseKey, &Refusal)> {
        self.refusals.iter().map(|(key, refusal)| (*key, refusal))
    }

    pub(crate) fn is_resting(&self, now_ms: u64, key: PauseKey) -> bool {
        self.rests.get(&key).is_some_and(|rest| rest.until_ms > now_ms)
    }

    /// Notes that a scope's credential was refused, and says whether that is new.
    pub(crate) fn refuse(&mut self, key: PauseKey, probe_at_ms: u64, began: Began) -> bool {
        let is_new = !self.refusals.contains_key(&key);
        let refusal = self.refusals.entry(key).or_insert(Refusal { probe_at_ms, probe: None, began });
        refusal.probe_at_ms = refusal.probe_at_ms.max(probe_at_ms);
        is_new
    }

    /// This call tries the refused scope; no other does until it has ended.
    pub(crate) fn begin_probe(&mut self, key: PauseKey, call: CallId) {
        if let Some(refusal) = self.refusals.get_mut(&key) {
            refusal.probe = Some(call);
        }
    }

    /// The call has ended; the scope is still refused, and is tried again at `probe_at_ms` or later.
    pub(crate) fn end_probe(&mut self, key: PauseKey, call: CallId, probe_at_ms: u64) {
        if let Some(refusal) = self.refusals.get_mut(&key) {
            refusal.probe = refusal.probe.filter(|probe| *probe != call);
            refusal.probe_at_ms = refusal.probe_at_ms.max(probe_at_ms);
        }
    }

    /// The scope's credential works. Says whether it had been refused.
    pub(crate) fn recover(&mut self, key: PauseKey) -> bool {
        self.refusals.remove(&key).is_some()
    }

    /// Takes over a new configuration. Credentials may have been mended, so every refused scope may be tried at once, with
    /// one call as always; a scope that no number belongs to any more is forgotten, and so are rests that are over.
    pub(crate) fn reconfigure(&mut self, now_ms: u64, belongs: impl Fn(PauseKey) -> bool) {
        self.forget_what_is_over(now_ms);
        self.refusals.retain(|key, _| belongs(*key));
        for refusal in self.refusals.values_mut() {
            refusal.probe_at_ms = refusal.probe_at_ms.min(now_ms);
        }
    }
}
