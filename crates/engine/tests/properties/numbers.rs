//! What each business number may do: pauses, windows of calls under way, rates. A model with plain maps.

use std::collections::{BTreeMap, BTreeSet};

use laneway_engine::{
    Alarm, CallId, Covers, KindPolicy, KindSet, Limits, Now, NumberSetup, Paused, ScopeId, Why,
};
use laneway_model::{FailureClass, Family, Outcome, PhoneNumber, Route, Scope};

/// What a pause covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Family(PhoneNumber, Family, Route),
    Number(PhoneNumber, Route),
    Waba(ScopeId),
    Credential(ScopeId),
    App(ScopeId),
    RelayCredential(ScopeId),
}

/// What a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) business: PhoneNumber,
    pub(crate) family: Family,
    pub(crate) route: Route,
}

/// For how long a call that has left counts for the rate: never less than a second.
const RATE_MS: u64 = 1_020;

/// All numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    limits: Limits,
    setups: BTreeMap<PhoneNumber, NumberSetup>,
    /// What the last setup of each number said, whether or not it has one now.
    hold_lost: BTreeMap<PhoneNumber, KindSet>,
    numbers: BTreeMap<PhoneNumber, Number>,
    /// Scopes that rest until a moment.
    rests: BTreeMap<Key, u64>,
    /// Scopes whose credential is refused.
    refusals: BTreeMap<Key, Refusal>,
}

#[derive(Debug)]
struct Number {
    in_flight: u32,
    /// Calls that are open and have not left yet.
    not_left: usize,
    left_ms: Vec<u64>,
    /// Every rate that it has had.
    rates: Vec<usize>,
    /// What it relayed at last, and how often that had changed.
    relayed: (KindSet, u32),
    meta: Service,
    cm: Service,
}

/// What one of the two services shows.
#[derive(Clone, Copy, Debug)]
struct Service {
    in_flight: u32,
    window: u32,
    healthy: u32,
    silent_in_a_row: u32,
    last_silent_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    probe_at_ms: u64,
    probe: Option<CallId>,
}

impl Key {
    fn of(scope: Scope, (family, route): (Family, Route), setup: &NumberSetup) -> Option<Self> {
        match scope {
            Scope::Event => None,
            Scope::NumberFamily => Some(Self::Family(setup.business, family, route)),
            Scope::Number => Some(Self::Number(setup.business, route)),
            Scope::Waba | Scope::Credential | Scope::App if route == Route::Cm => {
                Some(Self::RelayCredential(setup.relay_credential))
            }
            Scope::Waba => Some(Self::Waba(setup.waba)),
            Scope::Credential => Some(Self::Credential(match family {
                Family::Messages | Family::Blocks => setup.messages_credential,
                Family::Conversions => setup.conversions_credential,
            })),
            Scope::App => Some(Self::App(setup.app)),
        }
    }

    fn all(way: (Family, Route), setup: &NumberSetup) -> BTreeSet<Self> {
        [Scope::NumberFamily, Scope::Number, Scope::Waba, Scope::Credential, Scope::App]
            .into_iter()
            .filter_map(|scope| Self::of(scope, way, setup))
            .collect()
    }

    const fn scope(self) -> Scope {
        match self {
            Self::Family(..) => Scope::NumberFamily,
            Self::Number(..) => Scope::Number,
            Self::Waba(_) => Scope::Waba,
            Self::Credential(_) | Self::RelayCredential(_) => Scope::Credential,
            Self::App(_) => Scope::App,
        }
    }
}

impl Numbers {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            setups: BTreeMap::new(),
            hold_lost: BTreeMap::new(),
            numbers: BTreeMap::new(),
            rests: BTreeMap::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// A new configuration is a reason to try refused credentials at once; what no longer belongs to any number is over.
    pub(crate) fn configure(&mut self, now: Now, setups: &[NumberSetup], kinds: &BTreeMap<u8, KindPolicy>) {
        self.setups = setups.iter().map(|setup| (setup.business, *setup)).collect();
        self.hold_lost.extend(setups.iter().map(|setup| (setup.business, setup.hold_lost)));
        for setup in setups {
            let number = self.number(setup.business);
            number.rates.push(setup.calls_per_second_max as usize);
            if number.relayed.0 != setup.relayed {
                number.relayed = (setup.relayed, number.relayed.1 + 1);
            }
        }
        let ways = |setup: &NumberSetup| {
            let relayed = setup.relayed;
            kinds.iter().map(move |(kind, policy)| (policy.family, route(relayed, *kind)))
        };
        self.refusals.retain(|key, _| {
            setups.iter().any(|setup| ways(setup).any(|way| Key::all(way, setup).contains(key)))
        });
        for refusal in self.refusals.values_mut() {
            refusal.probe_at_ms = refusal.probe_at_ms.min(now.elapsed_ms);
        }
    }

    /// What the engine says is paused must be so, and what a credential pauses must be told.
    pub(crate) fn check(&self, now: Now, paused: &[Paused]) {
        let key = |paused: &Paused| match (paused.covers, paused.route) {
            (Covers::Family(business, family), route) => Key::Family(business, family, route),
            (Covers::Number(business), route) => Key::Number(business, route),
            (Covers::Waba(id), _) => Key::Waba(id),
            (Covers::Credential(id), Route::Meta) => Key::Credential(id),
            (Covers::Credential(id), Route::Cm) => Key::RelayCredential(id),
            (Covers::App(id), _) => Key::App(id),
        };
        let refused = paused.iter().filter(|paused| paused.why == Why::Unauthorized);
        let told: BTreeMap<_, _> = refused.map(|paused| (key(paused), paused.until.is_none())).collect();
        let known: BTreeMap<_, _> =
            self.refusals.iter().map(|(key, refusal)| (*key, refusal.probe.is_some())).collect();
        assert_eq!(told, known);
        for rest in paused.iter().filter(|paused| paused.why == Why::Throttled) {
            let until_ms = now.elapsed_ms + millis(rest.until.unwrap().since(now.wall));
            assert_eq!(self.rests.get(&key(rest)), Some(&until_ms), "{rest:?}");
        }
    }

    pub(crate) fn setup(&self, business: PhoneNumber) -> Option<&NumberSetup> {
        self.setups.get(&business)
    }

    /// Where events of this kind go.
    pub(crate) fn route(&self, business: PhoneNumber, kind: u8) -> Route {
        self.numbers.get(&business).map_or(Route::Meta, |number| route(number.relayed.0, kind))
    }

    /// How often that has changed for some kind.
    pub(crate) fn reroutes(&self, business: PhoneNumber) -> u32 {
        self.numbers.get(&business).map_or(0, |number| number.relayed.1)
    }

    pub(crate) fn holds_lost(&self, business: PhoneNumber, kind: u8) -> bool {
        self.hold_lost.get(&business).is_some_and(|kinds| kinds.contains(kind))
    }

    /// A call of this number opens, one of `free` that are left: nothing may stand against it. Says which refused scopes
    /// it tries.
    pub(crate) fn open(
        &mut self,
        now: Now,
        call: CallId,
        Party { business, family, route }: Party,
        free: usize,
    ) -> Vec<Key> {
        let setup = self.setups.get(&business).expect("a number without a setup sends nothing");
        let mut probes = Vec::new();
        for key in Key::all((family, route), setup) {
            let rest_ms = self.rests.get(&key).copied().unwrap_or_default();
            assert!(rest_ms <= now.elapsed_ms, "{key:?} rests until {rest_ms}");
            if let Some(refusal) = self.refusals.get_mut(&key) {
                assert!(refusal.probe_at_ms <= now.elapsed_ms, "{key:?} is refused: {refusal:?}");
                assert_eq!(refusal.probe, None, "{key:?} is being tried already");
                refusal.probe = Some(call);
                probes.push(key);
            }
        }
        let rate = setup.calls_per_second_max as usize;
        let number = self.number(business);
        let service = number.service(route);
        assert!(
            service.in_flight < service.window,
            "more calls under way than the window allows: {service:?}"
        );
        service.in_flight += 1;
        assert!((number.in_flight as usize) < free, "no room is left for others: {number:?}");
        number.in_flight += 1;
        number.left_ms.retain(|at| at + RATE_MS > now.elapsed_ms);
        assert!(number.left_ms.len() + number.not_left < rate, "a call that may not be sent: {number:?}");
        number.not_left += 1;
        probes
    }

    /// A call leaves.
    pub(crate) fn leave(&mut self, now: Now, business: PhoneNumber) {
        let rate = self.setups.get(&business).map(|setup| setup.calls_per_second_max as usize);
        let number = self.number(business);
        number.left_ms.retain(|at| at + RATE_MS > now.elapsed_ms);
        let recent = number.left_ms.len() + number.not_left;
        assert!(number.rates.iter().chain(&rate).any(|rate| recent <= *rate), "too many calls: {number:?}");
        number.not_left -= 1;
        number.left_ms.push(now.elapsed_ms);
    }

    /// Why a call of this number may not open now, if there is a reason.
    pub(crate) fn obstacle(
        &self,
        now: Now,
        Party { business, family, route }: Party,
        free: usize,
    ) -> Option<String> {
        let Some(setup) = self.setups.get(&business) else { return Some("no setup".to_owned()) };
        for key in Key::all((family, route), setup) {
            if self.rests.get(&key).is_some_and(|rest_ms| *rest_ms > now.elapsed_ms) {
                return Some(format!("{key:?} rests"));
            }
            if let Some(refusal) = self.refusals.get(&key)
                && (refusal.probe.is_some() || refusal.probe_at_ms > now.elapsed_ms)
            {
                return Some(format!("{key:?} is refused"));
            }
        }
        let number = self.numbers.get(&business)?;
        let recent =
            number.left_ms.iter().filter(|at| *at + RATE_MS > now.elapsed_ms).count() + number.not_left;
        let outage_ms = u64::try_from(self.limits.outage_max.as_millis()).unwrap();
        let service = match route {
            Route::Meta => number.meta,
            Route::Cm => number.cm,
        };
        let may_rest = service.silent_in_a_row > self.limits.outage_calls
            && now.elapsed_ms < service.last_silent_ms + outage_ms;
        [
            (service.in_flight >= service.window, "the window is full"),
            (number.in_flight as usize >= free, "the rest is for others"),
            (recent >= setup.calls_per_second_max as usize, "the rate is used up"),
            (may_rest, "the service may be out"),
        ]
        .into_iter()
        .find(|(is_so, _)| *is_so)
        .map(|(_, why)| why.to_owned())
    }

    /// A call ends without having been made.
    pub(crate) fn vanish(&mut self, now: Now, call: CallId, party: Party, probes: &[Key]) {
        let number = self.number(party.business);
        number.in_flight -= 1;
        number.not_left -= 1;
        number.service(party.route).in_flight -= 1;
        self.end_probes(now, call, probes, &[], false);
    }

    /// A call ends with these outcomes. Says which alarms must follow.
    pub(crate) fn answer(
        &mut self,
        now: Now,
        call: CallId,
        Party { business, family, route }: Party,
        outcomes: &[Outcome],
        probes: &[Key],
    ) -> Vec<Alarm> {
        let setup = self.setups.get(&business).copied();
        let (mut works, mut throttled, mut refused, mut alarms) = (false, false, Vec::new(), Vec::new());
        let mut silent = true;
        for outcome in outcomes {
            let Outcome::Failed(failure) = outcome else {
                (works, silent) = (true, false);
                continue;
            };
            let key = setup.and_then(|setup| Key::of(failure.scope, (family, route), &setup));
            match failure.class {
                FailureClass::NotSent | FailureClass::Unknown | FailureClass::Transient => continue,
                FailureClass::Rejected | FailureClass::RefusedTogether | FailureClass::Doubtful => {
                    works = true
                }
                FailureClass::Throttled { .. } if failure.scope == Scope::Event => works = true,
                FailureClass::Throttled { until } => {
                    throttled = true;
                    let named = until.filter(|until| *until > now.wall).map(|until| until.since(now.wall));
                    let wait = named.unwrap_or(self.limits.throttle);
                    if let Some(key) = key {
                        let rest_ms = self.rests.entry(key).or_default();
                        *rest_ms = (*rest_ms).max(now.elapsed_ms + millis(wait));
                    }
                }
                FailureClass::Unauthorized => {
                    let probe_at_ms = now.elapsed_ms + millis(self.limits.probe);
                    if let Some(key) = key {
                        if let Some(refusal) = self.refusals.get_mut(&key) {
                            refusal.probe_at_ms = refusal.probe_at_ms.max(probe_at_ms);
                        } else {
                            self.refusals.insert(key, Refusal { probe_at_ms, probe: None });
                            alarms.push(Alarm::Unauthorized {
                                business,
                                family,
                                route,
                                scope: key.scope(),
                                code: None,
                                subcode: None,
                            });
                        }
                        refused.push(key);
                    }
                }
            }
            silent = false;
        }
        let (window_max, elapsed_ms) = (self.limits.window_max, now.elapsed_ms);
        let number = self.number(business);
        number.in_flight -= 1;
        number.service(route).answer(window_max, elapsed_ms, works, throttled, silent);
        let ended = self.end_probes(now, call, probes, &refused, works);
        alarms.extend(ended.iter().map(|key| Alarm::Recovered {
            business,
            family,
            route,
            scope: key.scope(),
        }));
        alarms
    }

    fn end_probes(
        &mut self,
        now: Now,
        call: CallId,
        probes: &[Key],
        refused: &[Key],
        works: bool,
    ) -> Vec<Key> {
        let throttle_ms = millis(self.limits.throttle);
        let mut ended = Vec::new();
        for key in probes {
            let Some(refusal) = self.refusals.get_mut(key) else { continue };
            if refusal.probe == Some(call) {
                refusal.probe = None;
            }
            if refused.contains(key) {
                continue;
            }
            if works {
                self.refusals.remove(key);
                ended.push(*key);
            } else {
                refusal.probe_at_ms = refusal.probe_at_ms.max(now.elapsed_ms + throttle_ms);
            }
        }
        ended
    }

    fn number(&mut self, business: PhoneNumber) -> &mut Number {
        let service = Service {
            in_flight: 0,
            window: self.limits.window_start,
            healthy: 0,
            silent_in_a_row: 0,
            last_silent_ms: 0,
        };
        self.numbers.entry(business).or_insert_with(|| Number {
            in_flight: 0,
            not_left: 0,
            left_ms: Vec::new(),
            rates: Vec::new(),
            relayed: (KindSet::NONE, 0),
            meta: service,
            cm: service,
        })
    }
}

fn route(relayed: KindSet, kind: u8) -> Route {
    if relayed.contains(kind) { Route::Cm } else { Route::Meta }
}

impl Number {
    const fn service(&mut self, route: Route) -> &mut Service {
        match route {
            Route::Meta => &mut self.meta,
            Route::Cm => &mut self.cm,
        }
    }
}

impl Service {
    fn answer(&mut self, window_max: u32, elapsed_ms: u64, works: bool, throttled: bool, silent: bool) {
        self.in_flight -= 1;
        if works {
            self.silent_in_a_row = 0;
        } else if silent {
            self.silent_in_a_row += 1;
            self.last_silent_ms = elapsed_ms;
        }
        if throttled || silent {
            (self.window, self.healthy) = ((self.window / 2).max(1), 0);
        } else if works {
            self.healthy += 1;
            if self.healthy >= self.window {
                (self.window, self.healthy) = ((self.window * 2).min(window_max), 0);
            }
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
