//! What each business number may do: pauses, windows of calls under way, rates. A model with plain maps.

use std::collections::BTreeMap;

use laneway_engine::{Alarm, CallId, KindSet, Limits, Now, NumberSetup, ScopeId};
use laneway_model::{FailureClass, Family, Outcome, PhoneNumber, Scope};

/// What a pause covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Family(PhoneNumber, Family),
    Number(PhoneNumber),
    Waba(ScopeId),
    Credential(ScopeId),
    App(ScopeId),
}

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
    window: u32,
    healthy: u32,
    /// Calls that are open and not sent yet.
    unsent: usize,
    sent_ms: Vec<u64>,
    /// Every rate that it has had.
    rates: Vec<usize>,
    silent_in_a_row: u32,
    last_silent_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    probe_at_ms: u64,
    probe: Option<CallId>,
}

impl Key {
    fn of(scope: Scope, family: Family, setup: &NumberSetup) -> Option<Self> {
        match scope {
            Scope::Event => None,
            Scope::NumberFamily => Some(Self::Family(setup.business, family)),
            Scope::Number => Some(Self::Number(setup.business)),
            Scope::Waba => Some(Self::Waba(setup.waba)),
            Scope::Credential => Some(Self::Credential(match family {
                Family::Messages | Family::Blocks => setup.messages_credential,
                Family::Conversions => setup.conversions_credential,
            })),
            Scope::App => Some(Self::App(setup.app)),
        }
    }

    fn all(family: Family, setup: &NumberSetup) -> impl Iterator<Item = Self> {
        [Scope::NumberFamily, Scope::Number, Scope::Waba, Scope::Credential, Scope::App]
            .into_iter()
            .filter_map(move |scope| Self::of(scope, family, setup))
    }

    const fn scope(self) -> Scope {
        match self {
            Self::Family(..) => Scope::NumberFamily,
            Self::Number(_) => Scope::Number,
            Self::Waba(_) => Scope::Waba,
            Self::Credential(_) => Scope::Credential,
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
    pub(crate) fn configure(&mut self, now: Now, setups: &[NumberSetup]) {
        self.setups = setups.iter().map(|setup| (setup.business, *setup)).collect();
        self.hold_lost.extend(setups.iter().map(|setup| (setup.business, setup.hold_lost)));
        for setup in setups {
            self.number(setup.business).rates.push(setup.calls_per_second_max as usize);
        }
        let families = [Family::Messages, Family::Blocks, Family::Conversions];
        self.refusals.retain(|key, _| {
            setups.iter().any(|setup| families.iter().any(|f| Key::all(*f, setup).any(|known| known == *key)))
        });
        for refusal in self.refusals.values_mut() {
            refusal.probe_at_ms = refusal.probe_at_ms.min(now.elapsed_ms);
        }
    }

    pub(crate) fn setup(&self, business: PhoneNumber) -> Option<&NumberSetup> {
        self.setups.get(&business)
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
        (business, family): (PhoneNumber, Family),
        free: usize,
    ) -> Vec<Key> {
        let setup = self.setups.get(&business).expect("a number without a setup sends nothing");
        let mut probes = Vec::new();
        for key in Key::all(family, setup) {
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
        assert!(number.in_flight < number.window, "more calls under way than the window allows: {number:?}");
        assert!((number.in_flight as usize) < free, "no room is left for others: {number:?}");
        number.in_flight += 1;
        number.sent_ms.retain(|at| at + 1000 > now.elapsed_ms);
        assert!(number.sent_ms.len() + number.unsent < rate, "a call that may not be sent: {number:?}");
        number.unsent += 1;
        probes
    }

    /// A call leaves.
    pub(crate) fn send(&mut self, now: Now, business: PhoneNumber) {
        let rate = self.setups.get(&business).map(|setup| setup.calls_per_second_max as usize);
        let number = self.number(business);
        number.sent_ms.retain(|at| at + 1000 > now.elapsed_ms);
        let recent = number.sent_ms.len() + number.unsent;
        assert!(number.rates.iter().chain(&rate).any(|rate| recent <= *rate), "too many calls: {number:?}");
        number.unsent -= 1;
        number.sent_ms.push(now.elapsed_ms);
    }

    /// Why a call of this number may not open now, if there is a reason.
    pub(crate) fn obstacle(
        &self,
        now: Now,
        business: PhoneNumber,
        family: Family,
        free: usize,
    ) -> Option<String> {
        let Some(setup) = self.setups.get(&business) else { return Some("no setup".to_owned()) };
        for key in Key::all(family, setup) {
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
        let recent = number.sent_ms.iter().filter(|at| *at + 1000 > now.elapsed_ms).count() + number.unsent;
        let outage_ms = u64::try_from(self.limits.outage_max.as_millis()).unwrap();
        let may_rest = number.silent_in_a_row > self.limits.outage_calls
            && now.elapsed_ms < number.last_silent_ms + outage_ms;
        [
            (number.in_flight >= number.window, "the window is full"),
            (number.in_flight as usize >= free, "the rest is for others"),
            (recent >= setup.calls_per_second_max as usize, "the rate is used up"),
            (may_rest, "the service may be out"),
        ]
        .into_iter()
        .find(|(is_so, _)| *is_so)
        .map(|(_, why)| why.to_owned())
    }

    /// A call ends without having been made.
    pub(crate) fn vanish(&mut self, now: Now, call: CallId, business: PhoneNumber, probes: &[Key]) {
        self.number(business).in_flight -= 1;
        self.number(business).unsent -= 1;
        self.end_probes(now, call, probes, &[], false);
    }

    /// A call ends with these outcomes. Says which alarms must follow.
    pub(crate) fn answer(
        &mut self,
        now: Now,
        call: CallId,
        (business, family): (PhoneNumber, Family),
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
            let key = setup.and_then(|setup| Key::of(failure.scope, family, &setup));
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
                            alarms.push(Alarm::Unauthorized { business, family, scope: failure.scope });
                        }
                        refused.push(key);
                    }
                }
            }
            silent = false;
        }
        let (window_max, elapsed_ms) = (self.limits.window_max, now.elapsed_ms);
        self.number(business).answer(window_max, elapsed_ms, works, throttled, silent);
        let ended = self.end_probes(now, call, probes, &refused, works);
        alarms.extend(ended.iter().map(|key| Alarm::Recovered { business, family, scope: key.scope() }));
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
        let window = self.limits.window_start;
        self.numbers.entry(business).or_insert_with(|| Number {
            in_flight: 0,
            window,
            healthy: 0,
            unsent: 0,
            sent_ms: Vec::new(),
            rates: Vec::new(),
            silent_in_a_row: 0,
            last_silent_ms: 0,
        })
    }
}

impl Number {
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
