//! What must be true of pauses: each follows from an answer that was about its scope and its way, and stops the calls of
//! that scope and way until it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use laneway_engine::{Covers, Limits, Now, NumberSetup, Paused, Why};
use laneway_model::{FailureClass, Family, Outcome, PhoneNumber, Route, Scope};

use super::Shadow;

/// What a call is, as far as pauses look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) business: PhoneNumber,
    pub(crate) family: Family,
    pub(crate) route: Route,
}

/// The books of one life of the process, in true time.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// What there was a reason to pause.
    told: BTreeSet<(Covers, Route, Why)>,
    /// Until when a throttle was to last.
    rests: BTreeMap<(Covers, Route), u64>,
    /// Until when a refused scope is not to be tried.
    refusals: BTreeMap<(Covers, Route), u64>,
}

/// What a failure of this scope concerns, for a call of this way. CM.com knows neither accounts nor apps of Meta.
fn covers(scope: Scope, way: Way, setup: &NumberSetup) -> Option<Covers> {
    let Way { business, family, route } = way;
    match (scope, route) {
        (Scope::Event, Route::Meta | Route::Cm) => None,
        (Scope::NumberFamily, Route::Meta | Route::Cm) => Some(Covers::Family(business, family)),
        (Scope::Number, Route::Meta | Route::Cm) => Some(Covers::Number(business)),
        (Scope::Waba | Scope::Credential | Scope::App, Route::Cm) => {
            Some(Covers::Credential(setup.relay_credential))
        }
        (Scope::Waba, Route::Meta) => Some(Covers::Waba(setup.waba)),
        (Scope::App, Route::Meta) => Some(Covers::App(setup.app)),
        (Scope::Credential, Route::Meta) => Some(Covers::Credential(match family {
            Family::Messages | Family::Blocks => setup.messages_credential,
            Family::Conversions => setup.conversions_credential,
        })),
    }
}

/// Everything that such a call is part of.
fn all(way: Way, setup: &NumberSetup) -> BTreeSet<(Covers, Route)> {
    [Scope::NumberFamily, Scope::Number, Scope::Waba, Scope::Credential, Scope::App]
        .into_iter()
        .filter_map(|scope| Some((covers(scope, way, setup)?, way.route)))
        .collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Pauses {
    fn tell(
        &mut self,
        limits: &Limits,
        (at_ms, now): (u64, Now),
        way: Way,
        setup: &NumberSetup,
        outcome: &Outcome,
    ) {
        let Outcome::Failed(failure) = outcome else {
            let works = all(way, setup);
            self.refusals.retain(|key, _| !works.contains(key));
            return;
        };
        let Some(covers) = covers(failure.scope, way, setup) else { return };
        let key = (covers, way.route);
        match failure.class {
            FailureClass::Throttled { until } => {
                let named = until.filter(|until| *until > now.wall).map(|until| until.since(now.wall));
                let rest_ms = self.rests.entry(key).or_default();
                *rest_ms = (*rest_ms).max(at_ms + millis(named.unwrap_or(limits.throttle)));
                self.told.insert((covers, way.route, Why::Throttled));
            }
            FailureClass::Unauthorized => {
                self.refusals.insert(key, at_ms + millis(limits.probe));
                self.told.insert((covers, way.route, Why::Unauthorized));
            }
            FailureClass::NotSent
            | FailureClass::Unknown
            | FailureClass::Transient
            | FailureClass::Rejected
            | FailureClass::RefusedTogether
            | FailureClass::Doubtful => {}
        }
    }
}

impl Shadow {
    /// A call of this way has ended.
    pub(crate) fn told(&mut self, now: Now, way: Way, setup: Option<&NumberSetup>, outcomes: &[Outcome]) {
        let at = (self.clock.at_ms, now);
        let is_silent = |outcome: &Outcome| match outcome {
            Outcome::Confirmed | Outcome::Relayed => false,
            Outcome::Failed(failure) => matches!(
                failure.class,
                FailureClass::NotSent | FailureClass::Unknown | FailureClass::Transient
            ),
        };
        if outcomes.iter().all(is_silent) {
            self.pauses.told.insert((Covers::Number(way.business), way.route, Why::Outage));
        }
        let Some(setup) = setup else { return };
        for outcome in outcomes {
            self.pauses.tell(&self.policy.limits, at, way, setup, outcome);
        }
    }

    /// A new configuration: whatever was refused is tried at once.
    pub(crate) fn reconfigured(&mut self) {
        self.pauses.refusals.clear();
    }

    /// A life begins, which knows of no pauses.
    pub(super) fn forget_pauses(&mut self) {
        self.pauses = Pauses::default();
    }

    /// A call of this way opens: nothing may stand against it.
    pub(super) fn opens(&mut self, way: Way, setup: &NumberSetup) {
        let at_ms = self.clock.at_ms;
        for key in all(way, setup) {
            let until = |ends: &BTreeMap<_, u64>| ends.get(&key).copied().unwrap_or_default();
            let until_ms = until(&self.pauses.rests).max(until(&self.pauses.refusals));
            self.require(until_ms <= at_ms, || {
                format!("{way:?}: a call, although {key:?} is paused until {until_ms}")
            });
        }
    }

    /// Each pause in force must have had a reason.
    pub(crate) fn paused(&mut self, paused: &[Paused]) {
        for one in paused {
            let has_reason = self.pauses.told.contains(&(one.covers, one.route, one.why));
            self.require(has_reason, || format!("paused without a reason: {one:?}"));
        }
    }
}
