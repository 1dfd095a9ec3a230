//! The state machine: what it holds, and what each input does to it.

use std::collections::{BTreeMap, VecDeque};

use laneway_model::{FailureClass, Family, Outcome, PhoneNumber, Status, Timestamp, WaitingFor};

use crate::backoff;
use crate::decide::{self, Decision, Tried};
use crate::entries::{Chain, Entries, List, Open, Slot, State};
use crate::inputs::{
    Alarm, CallId, Cause, Change, Control, Effect, Entry, Input, Now, NumberSetup, Reason, Sequence,
    SettlementId,
};
use crate::lanes::{Joined, Lanes};
use crate::numbers::{Gate, Number, PauseCause, PauseKey, Pauses};
use crate::policy::{KindPolicy, Policy};
use crate::sequences::Sequences;

/// The engine of one queue.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    random: fastrand::Rng,
    phase: Phase,
    entries: Entries,
    sequences: Sequences,
    lanes: Lanes,
    numbers: Vec<Number>,
    number_of: BTreeMap<PhoneNumber, u32>,
    pauses: Pauses,
    /// Numbers that may have something to send, each once, in turn.
    ring: VecDeque<u32>,
    /// Numbers to look at again at a moment.
    gates: BTreeMap<u64, Vec<u32>>,
    /// Events that wait for their due moment.
    later: BTreeMap<u64, List>,
    /// Events by the second in which they expire.
    expiring: BTreeMap<u64, List>,
    calls: BTreeMap<CallId, Call>,
    settlements: BTreeMap<SettlementId, Vec<Settling>>,
    /// Events whose call was cut off by the end of the process, by the journal's number of that call.
    interrupted: BTreeMap<u64, Vec<Slot>>,
    calls_counted: CallId,
    settlements_counted: SettlementId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Running,
    Stopping,
}

#[derive(Debug)]
struct Call {
    number: u32,
    family: Family,
    members: Vec<Slot>,
    begin: bool,
    probes: Vec<PauseKey>,
}

/// An event whose settlement is being committed, and what happens after that.
#[derive(Clone, Copy, Debug)]
struct Settling {
    slot: Slot,
    /// The moment of the next try; `None` if this is the end.
    again_ms: Option<u64>,
}

/// What is going on with an open event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Whether a call for it is under way.
    pub sending: bool,
    /// What it waits for, when it is not simply its turn.
    pub waiting_for: Option<WaitingFor>,
    /// When it is tried next, if that is planned.
    pub next_attempt_at: Option<Timestamp>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open events.
    pub open: usize,
    /// Calls under way.
    pub calls: usize,
    /// Settlements not yet committed.
    pub settlements: usize,
}

/// The most changes in one settlement that is not the answer to a call.
const DECISIONS_PER_SETTLEMENT_MAX: usize = 500;

/// Expiry is looked at once a second; before every try it is compared exactly.
const EXPIRY_STEP_MS: u64 = 1000;

impl Engine {
    /// An engine without events. The same seed and the same inputs give the same effects.
    pub fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            random: fastrand::Rng::with_seed(seed),
            phase: Phase::Loading,
            entries: Entries::default(),
            sequences: Sequences::default(),
            lanes: Lanes::default(),
            numbers: Vec::new(),
            number_of: BTreeMap::new(),
            pauses: Pauses::default(),
            ring: VecDeque::new(),
            gates: BTreeMap::new(),
            later: BTreeMap::new(),
            expiring: BTreeMap::new(),
            calls: BTreeMap::new(),
            settlements: BTreeMap::new(),
            interrupted: BTreeMap::new(),
            calls_counted: 0,
            settlements_counted: 0,
        }
    }

    /// Takes one input and appends what follows from it. Inputs that name an unknown call or settlement do nothing.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Accepted(entries) => entries.iter().for_each(|entry| self.accept(now, entry)),
            Input::Loaded { call, missing } => self.loaded(now, call, &missing, effects),
            Input::Begun { call } => self.begun(call, effects),
            Input::Answered { call, outcomes } => self.answered(now, call, &outcomes, effects),
            Input::Settled { settlement } => self.settled(now, settlement),
            Input::Tick => {}
            Input::Control(control) => self.control(now, control, effects),
        }
        self.time_passes(now, effects);
        self.dispatch(now, effects);
    }

    /// The monotonic moment, in milliseconds, at which the engine wants a [`Input::Tick`] if nothing else happens.
    pub fn next_wake(&self, now: Now) -> Option<u64> {
        let later = self.later.keys().next().copied();
        let gate = self.gates.keys().next().copied();
        let expiry = self
            .expiring
            .keys()
            .next()
            .map(|wall_ms| now.elapsed_ms.saturating_add(wall_ms.saturating_sub(now.wall.as_millis())));
        [later, gate, expiry].into_iter().flatten().min()
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        Counts { open: self.entries.len(), calls: self.calls.len(), settlements: self.settlements.len() }
    }

    /// How many events of a business number are open.
    pub fn open_of(&self, business: PhoneNumber) -> usize {
        self.number_of.get(&business).map_or(0, |number| self.numbers[*number as usize].open)
    }

    /// What is going on with an open event; `None` if it is not open.
    pub fn live(&self, now: Now, sequence: Sequence) -> Option<Live> {
        let open = &self.entries[self.sequences.get(sequence)?];
        let quiet = Live { sending: false, waiting_for: None, next_attempt_at: None };
        let live = match open.state {
            State::Called => Live { sending: true, ..quiet },
            State::Settling => quiet,
            State::Lane => Live { waiting_for: Some(WaitingFor::Lane), ..quiet },
            State::Later => {
                let wait_ms = open.due_ms.saturating_sub(now.elapsed_ms);
                Live {
                    next_attempt_at: Some(Timestamp::from_millis(now.wall.as_millis() + wait_ms)),
                    ..quiet
                }
            }
            State::Ready => self.live_ready(now, open, quiet),
        };
        Some(live)
    }

    fn live_ready(&self, now: Now, open: &Open, quiet: Live) -> Live {
        let number = &self.numbers[open.number as usize];
        let (Some(setup), Some(kind)) = (&number.setup, self.policy.kinds.get(&open.kind)) else {
            return Live { waiting_for: Some(WaitingFor::Operator), ..quiet };
        };
        match self.pauses.gate(now.elapsed_ms, open.number, kind.family, setup) {
            Gate::Open(_) => quiet,
            Gate::Probing => Live { waiting_for: Some(WaitingFor::Credential), ..quiet },
            Gate::Until(until_ms, cause) => {
                let wait_ms = until_ms.saturating_sub(now.elapsed_ms);
                let waiting_for = match cause {
                    PauseCause::Throttle => Some(WaitingFor::Throttle),
                    PauseCause::Unauthorized => Some(WaitingFor::Credential),
                    PauseCause::Outage => None,
                };
                Live {
                    waiting_for,
                    next_attempt_at: Some(Timestamp::from_millis(now.wall.as_millis() + wait_ms)),
                    ..quiet
                }
            }
        }
    }

    fn kind(&self, slot: Slot) -> Option<&KindPolicy> {
        self.policy.kinds.get(&self.entries[slot].kind)
    }

    fn is_ordered(&self, slot: Slot) -> bool {
        self.kind(slot).is_some_and(|kind| kind.ordered)
    }
}

// Events come in.
impl Engine {
    fn accept(&mut self, now: Now, entry: &Entry) {
        if self.sequences.get(entry.sequence).is_some() {
            return;
        }
        let number = self.number(entry.business);
        self.numbers[number as usize].open += 1;
        let due_ms = now.elapsed_after(entry.due.since(now.wall));
        let slot = self.entries.insert(Open::new(entry, number, due_ms));
        self.sequences.insert(entry.sequence, slot);
        self.list_expiry(slot);
        if let Some(journal_call) = entry.interrupted
            && self.phase == Phase::Loading
        {
            self.interrupted.entry(journal_call).or_default().push(slot);
            return;
        }
        self.enter(now, slot);
    }

    /// Lets an event stand in its lane if it has one, and makes it ready, now or later, if it may leave.
    fn enter(&mut self, now: Now, slot: Slot) {
        if self.is_ordered(slot) {
            match self.lanes.join(&mut self.entries, slot) {
                Joined::Waiting => return,
                Joined::AtHead => {}
                Joined::BeforeHead(displaced) => {
                    self.unlink_waiting(displaced);
                    self.lanes.wait(&mut self.entries, displaced);
                }
            }
        }
        self.make_ready(now, slot);
    }

    fn make_ready(&mut self, now: Now, slot: Slot) {
        let open = &mut self.entries[slot];
        if open.due_ms > now.elapsed_ms {
            open.state = State::Later;
            let due_ms = open.due_ms;
            let list = self.later.entry(due_ms).or_insert(List::EMPTY);
            self.entries.push_back(list, Chain::Waiting, slot);
            return;
        }
        open.state = State::Ready;
        let (number, kind) = (open.number, open.kind);
        if let Some(kind) = self.policy.kinds.get(&kind) {
            self.numbers[number as usize].push_ready(&mut self.entries, kind.class, slot);
            self.put_in_ring(number);
        }
    }

    fn number(&mut self, business: PhoneNumber) -> u32 {
        if let Some(number) = self.number_of.get(&business) {
            return *number;
        }
        let number =
            u32::try_from(self.numbers.len()).expect("there are far fewer than 2^32 business numbers");
        self.numbers.push(Number::new(business, &self.policy.limits));
        self.number_of.insert(business, number);
        number
    }

    fn put_in_ring(&mut self, number: u32) {
        let state = &mut self.numbers[number as usize];
        if !state.in_ring {
            state.in_ring = true;
            self.ring.push_back(number);
        }
    }

    fn put_all_in_ring(&mut self) {
        for number in 0..self.numbers.len() {
            self.put_in_ring(u32::try_from(number).expect("numbers are counted in 32 bits"));
        }
    }
}

// Events go out.
impl Engine {
    /// Opens calls, one number after the other, until nothing may leave any more.
    fn dispatch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        while self.calls.len() < self.policy.limits.calls_in_flight_max {
            let Some(number) = self.ring.pop_front() else { return };
            self.numbers[number as usize].in_ring = false;
            if self.open_call(now, number, effects) && self.numbers[number as usize].has_ready() {
                self.put_in_ring(number);
            }
        }
    }

    /// Opens one call of this number if one may be made, and says whether to look at the number again at once. If it is
    /// only too early, the number is looked at again when it is not.
    fn open_call(&mut self, now: Now, number: u32, effects: &mut Vec<Effect>) -> bool {
        let state = &mut self.numbers[number as usize];
        let Some(setup) = state.setup else { return false };
        if state.window_is_full() || !state.has_ready() {
            return false;
        }
        if let Some(until_ms) = state.paced_until(now.elapsed_ms, setup.calls_per_second_max) {
            self.look_again(number, until_ms);
            return false;
        }
        let Some((class, probes)) = self.choose_class(now, number, &setup) else { return false };
        let members = self.gather(now, number, class, effects);
        let Some(kind) = members.first().and_then(|slot| self.kind(*slot)).copied() else { return true };
        self.calls_counted += 1;
        let call = self.calls_counted;
        probes.iter().for_each(|key| self.pauses.set_probing(*key));
        self.numbers[number as usize].call_opened(now.elapsed_ms);
        effects.push(Effect::Load { call, members: self.sequences_of(&members) });
        self.calls.insert(call, Call { number, family: kind.family, members, begin: kind.begin, probes });
        true
    }

    /// The first class, in turn, whose calls are not paused; otherwise the number is looked at again when a pause ends.
    fn choose_class(&mut self, now: Now, number: u32, setup: &NumberSetup) -> Option<(usize, Vec<PauseKey>)> {
        let mut again_ms: Option<u64> = None;
        for (class, slot) in self.numbers[number as usize].candidates() {
            let Some(kind) = self.policy.kinds.get(&self.entries[slot].kind) else { continue };
            match self.pauses.gate(now.elapsed_ms, number, kind.family, setup) {
                Gate::Open(probes) => return Some((class, probes)),
                Gate::Until(until_ms, _) => again_ms = Some(again_ms.map_or(until_ms, |ms| ms.min(until_ms))),
                Gate::Probing => {}
            }
        }
        if let Some(again_ms) = again_ms {
            self.look_again(number, again_ms);
        }
        None
    }

    /// Plans to look at the number again, unless that is planned for sooner.
    fn look_again(&mut self, number: u32, again_ms: u64) {
        let planned = &mut self.numbers[number as usize].again_ms;
        if planned.is_none_or(|planned_ms| again_ms < planned_ms) {
            *planned = Some(again_ms);
            self.gates.entry(again_ms).or_default().push(number);
        }
    }

    /// Takes the events of the next call; those whose time is over are settled instead.
    fn gather(&mut self, now: Now, number: u32, class: usize, effects: &mut Vec<Effect>) -> Vec<Slot> {
        let (mut members, mut expired) = (Vec::new(), Vec::new());
        while let Some(slot) = self.numbers[number as usize].pop_ready(&mut self.entries, class) {
            if self.entries[slot].expires_ms <= now.wall.as_millis() {
                expired.push(slot);
                continue;
            }
            self.entries[slot].state = State::Called;
            members.push(slot);
            if self.kind(slot).is_none_or(|kind| members.len() >= kind.group_max) {
                break;
            }
        }
        self.end_all(now, &expired, Status::Expired, Reason::Expired, effects);
        members
    }

    fn sequences_of(&self, slots: &[Slot]) -> Vec<Sequence> {
        slots.iter().map(|slot| self.entries[*slot].sequence).collect()
    }

    fn loaded(&mut self, now: Now, id: CallId, missing: &[Sequence], effects: &mut Vec<Effect>) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        let (gone, members): (Vec<_>, Vec<_>) =
            call.members.iter().partition(|slot| missing.contains(&self.entries[**slot].sequence));
        gone.into_iter().for_each(|slot| self.forget(now, slot));
        if members.is_empty() {
            self.close(&call);
            self.end_probes(now, &call, false, &[], &mut Vec::new());
            return;
        }
        let sequences = self.sequences_of(&members);
        effects.push(match call.begin {
            true => Effect::Begin { call: id, members: sequences },
            false => Effect::Send { call: id, members: sequences },
        });
        call.members = members;
        self.calls.insert(id, call);
    }

    fn begun(&mut self, call: CallId, effects: &mut Vec<Effect>) {
        if let Some(known) = self.calls.get(&call) {
            effects.push(Effect::Send { call, members: self.sequences_of(&known.members) });
        }
    }

    /// Frees what the call held of its number.
    fn close(&mut self, call: &Call) {
        self.numbers[call.number as usize].in_flight -= 1;
        self.put_in_ring(call.number);
    }
}

// Outcomes come back.
impl Engine {
    fn answered(&mut self, now: Now, id: CallId, outcomes: &[Outcome], effects: &mut Vec<Effect>) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.judge_scopes(now, &call, outcomes, effects);
        let outcomes = outcomes.iter();
        let decisions: Vec<_> = call
            .members
            .iter()
            .zip(outcomes)
            .map(|(slot, outcome)| (*slot, self.decide(now, *slot, outcome)))
            .collect();
        self.close(&call);
        self.settle(now, Cause::Call(id), &decisions, effects);
    }

    fn decide(&mut self, now: Now, slot: Slot, outcome: &Outcome) -> Decision {
        let open = &mut self.entries[slot];
        open.attempts = open.attempts.saturating_add(1);
        let tried =
            Tried { attempts: u32::from(open.attempts), expires: Timestamp::from_millis(open.expires_ms) };
        let kind = self.policy.kinds.get(&open.kind).expect("an event of an unknown kind is never in a call");
        decide::decide(&self.policy.limits, &mut self.random, now, kind, tried, outcome)
    }

    /// What the answer says of the number's window and of wider scopes.
    fn judge_scopes(&mut self, now: Now, call: &Call, outcomes: &[Outcome], effects: &mut Vec<Effect>) {
        let (mut conclusive, mut throttled) = (false, false);
        let mut paused: Vec<PauseKey> = Vec::new();
        for outcome in outcomes {
            let Outcome::Failed(failure) = outcome else {
                conclusive = true;
                continue;
            };
            match failure.class {
                FailureClass::Rejected => conclusive = true,
                FailureClass::Throttled { until } => {
                    throttled = true;
                    let wait = until.map_or(self.policy.limits.throttle, |until| until.since(now.wall));
                    let until_ms = now.elapsed_after(wait);
                    paused.extend(self.pause(call, failure.scope, PauseCause::Throttle, until_ms, effects));
                }
                FailureClass::Unauthorized => {
                    let until_ms = now.elapsed_after(self.policy.limits.probe);
                    paused.extend(self.pause(
                        call,
                        failure.scope,
                        PauseCause::Unauthorized,
                        until_ms,
                        effects,
                    ));
                }
                FailureClass::NotSent | FailureClass::Unknown | FailureClass::Transient => {}
            }
        }
        self.numbers[call.number as usize].call_answered(conclusive, throttled, &self.policy.limits);
        if !conclusive && !throttled && paused.is_empty() {
            self.told_nothing(now, call.number);
        }
        self.end_probes(now, call, conclusive, &paused, effects);
    }

    /// After a few calls in a row that told nothing, the number rests before the next, longer each time.
    fn told_nothing(&mut self, now: Now, number: u32) {
        let key = PauseKey::Number(number);
        if self.pauses.is_paused(now.elapsed_ms, key) {
            return;
        }
        let limits = self.policy.limits;
        let in_a_row = self.numbers[number as usize].count_inconclusive();
        if let Some(rests) = in_a_row.checked_sub(limits.outage_calls).filter(|rests| *rests > 0) {
            let rest = backoff::delay(&limits, &mut self.random, rests).min(limits.outage_max);
            self.pauses.pause(key, PauseCause::Outage, now.elapsed_after(rest));
        }
    }

    /// Ends the pauses that the call was to try, if its answer allows.
    fn end_probes(
        &mut self,
        now: Now,
        call: &Call,
        conclusive: bool,
        paused: &[PauseKey],
        effects: &mut Vec<Effect>,
    ) {
        let business = self.numbers[call.number as usize].business;
        for key in call.probes.iter().filter(|key| !paused.contains(key)) {
            if conclusive {
                self.pauses.end(*key);
                let scope = key.scope();
                effects.push(Effect::Alarm(Alarm::Recovered { business, family: call.family, scope }));
            } else {
                self.pauses.probe_told_nothing(*key, now.elapsed_after(self.policy.limits.throttle));
            }
        }
        if !call.probes.is_empty() || !paused.is_empty() {
            self.put_all_in_ring();
        }
    }

    fn pause(
        &mut self,
        call: &Call,
        scope: laneway_model::Scope,
        cause: PauseCause,
        until_ms: u64,
        effects: &mut Vec<Effect>,
    ) -> Option<PauseKey> {
        let number = &self.numbers[call.number as usize];
        let (business, family) = (number.business, call.family);
        let key = Pauses::key(scope, call.number, family, number.setup.as_ref()?)?;
        if self.pauses.pause(key, cause, until_ms) {
            effects.push(Effect::Alarm(Alarm::Unauthorized { business, family, scope }));
        }
        Some(key)
    }

    /// Asks for the decisions to be committed; until they are, the events rest.
    fn settle(&mut self, now: Now, cause: Cause, decisions: &[(Slot, Decision)], effects: &mut Vec<Effect>) {
        if decisions.is_empty() {
            return;
        }
        self.settlements_counted += 1;
        let settlement = self.settlements_counted;
        let (mut changes, mut settling) = (Vec::new(), Vec::new());
        for (slot, decision) in decisions {
            let open = &mut self.entries[*slot];
            open.state = State::Settling;
            changes.push(Change {
                sequence: open.sequence,
                status: decision.status,
                due: now.wall_after(decision.delay),
                reason: decision.reason,
                possibly_duplicate: decision.possibly_duplicate,
            });
            let again_ms = decision.status.is_open().then(|| now.elapsed_after(decision.delay));
            settling.push(Settling { slot: *slot, again_ms });
        }
        self.settlements.insert(settlement, settling);
        effects.push(Effect::Settle { settlement, cause, changes });
    }

    /// Ends events without a call, in settlements of bounded size. They must stand in no list but that of their expiry.
    fn end_all(
        &mut self,
        now: Now,
        slots: &[Slot],
        status: Status,
        reason: Reason,
        effects: &mut Vec<Effect>,
    ) {
        let end = Decision { status, delay: std::time::Duration::ZERO, reason, possibly_duplicate: false };
        for some in slots.chunks(DECISIONS_PER_SETTLEMENT_MAX) {
            let decisions: Vec<_> = some.iter().map(|slot| (*slot, end)).collect();
            self.settle(now, Cause::Decision, &decisions, effects);
        }
    }

    fn settled(&mut self, now: Now, settlement: SettlementId) {
        for Settling { slot, again_ms } in self.settlements.remove(&settlement).unwrap_or_default() {
            match again_ms {
                Some(again_ms) => {
                    self.entries[slot].due_ms = again_ms;
                    self.make_ready(now, slot);
                }
                None => self.forget(now, slot),
            }
        }
    }

    /// Lets go of an event that stands in no list but that of its expiry, and lets its lane go on.
    fn forget(&mut self, now: Now, slot: Slot) {
        if self.is_ordered(slot)
            && let Some(next) = self.lanes.leave(&mut self.entries, slot)
        {
            self.make_ready(now, next);
        }
        self.unlist_expiry(slot);
        let Open { sequence, number, .. } = self.entries[slot];
        self.numbers[number as usize].open -= 1;
        self.sequences.remove(sequence);
        self.entries.remove(slot);
    }
}

// Time passes, and people decide.
impl Engine {
    fn time_passes(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now.elapsed_ms) {
            let mut list = entry.remove();
            while let Some(slot) = self.entries.pop_front(&mut list, Chain::Waiting) {
                self.make_ready(now, slot);
            }
        }
        while let Some(entry) = self.gates.first_entry().filter(|entry| *entry.key() <= now.elapsed_ms) {
            let at_ms = *entry.key();
            for number in entry.remove() {
                let planned = &mut self.numbers[number as usize].again_ms;
                *planned = planned.filter(|planned_ms| *planned_ms != at_ms);
                self.put_in_ring(number);
            }
        }
        if self.phase == Phase::Running {
            self.expire(now, effects);
        }
    }

    fn expire(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut expired = Vec::new();
        while let Some(entry) =
            self.expiring.first_entry().filter(|entry| *entry.key() <= now.wall.as_millis())
        {
            let mut list = entry.remove();
            while let Some(slot) = self.entries.pop_front(&mut list, Chain::Expiring) {
                self.entries[slot].expiring_listed = false;
                // An event in a call is judged by its outcome; if it is to be tried again, its expiry is compared then.
                if self.withdraw(slot) {
                    expired.push(slot);
                }
            }
        }
        self.end_all(now, &expired, Status::Expired, Reason::Expired, effects);
    }

    fn list_expiry(&mut self, slot: Slot) {
        let open = &mut self.entries[slot];
        if open.expires_ms < Timestamp::MAX.as_millis() {
            open.expiring_listed = true;
            let list = self.expiring.entry(Self::expiry_step(open)).or_insert(List::EMPTY);
            self.entries.push_back(list, Chain::Expiring, slot);
        }
    }

    fn unlist_expiry(&mut self, slot: Slot) {
        if !self.entries[slot].expiring_listed {
            return;
        }
        let step = Self::expiry_step(&self.entries[slot]);
        let list = self.expiring.get_mut(&step).expect("a listed event has a list");
        self.entries.unlink(list, Chain::Expiring, slot);
        if list.is_empty() {
            self.expiring.remove(&step);
        }
        self.entries[slot].expiring_listed = false;
    }

    const fn expiry_step(open: &Open) -> u64 {
        open.expires_ms.div_ceil(EXPIRY_STEP_MS) * EXPIRY_STEP_MS
    }

    /// Takes a waiting event out of the list it waits in. Says whether it was waiting at all.
    fn withdraw(&mut self, slot: Slot) -> bool {
        match self.entries[slot].state {
            State::Called | State::Settling => return false,
            State::Lane => {
                self.lanes.withdraw(&mut self.entries, slot);
            }
            State::Ready | State::Later => self.unlink_waiting(slot),
        }
        true
    }

    /// Takes an event out of its number's queue, or out of those that wait for their moment.
    fn unlink_waiting(&mut self, slot: Slot) {
        let Open { state, number, kind, due_ms, .. } = self.entries[slot];
        match state {
            State::Ready => {
                if let Some(kind) = self.policy.kinds.get(&kind) {
                    self.numbers[number as usize].unlink_ready(&mut self.entries, kind.class, slot);
                }
            }
            State::Later => {
                let list = self.later.get_mut(&due_ms).expect("an event that waits has a list");
                self.entries.unlink(list, Chain::Waiting, slot);
                if list.is_empty() {
                    self.later.remove(&due_ms);
                }
            }
            State::Lane | State::Called | State::Settling => {}
        }
    }

    fn control(&mut self, now: Now, control: Control, effects: &mut Vec<Effect>) {
        match control {
            Control::Start => {
                self.phase = Phase::Running;
                self.settle_interrupted(now, effects);
            }
            Control::Configure(setups) => self.configure(now, &setups),
            Control::Discard(sequences) => {
                let waiting: Vec<_> = sequences
                    .iter()
                    .filter_map(|sequence| self.sequences.get(*sequence))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .filter(|slot| self.withdraw(*slot))
                    .collect();
                self.end_all(now, &waiting, Status::Discarded, Reason::Discarded, effects);
            }
            Control::Stop => self.phase = Phase::Stopping,
        }
    }

    fn configure(&mut self, now: Now, setups: &[NumberSetup]) {
        self.numbers.iter_mut().for_each(|number| number.setup = None);
        for setup in setups {
            let number = self.number(setup.business);
            self.numbers[number as usize].setup = Some(*setup);
        }
        self.pauses.forget_credentials(now.elapsed_ms);
        self.put_all_in_ring();
    }

    /// Judges the calls that the end of the process cut off: sent, perhaps, and the answer lost.
    fn settle_interrupted(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let lost = Outcome::Failed(laneway_model::Failure {
            class: FailureClass::Unknown,
            scope: laneway_model::Scope::Event,
            code: None,
            subcode: None,
            detail: String::new(),
        });
        for (journal_call, slots) in std::mem::take(&mut self.interrupted) {
            let decisions: Vec<_> =
                slots.iter().map(|slot| (*slot, self.decide(now, *slot, &lost))).collect();
            self.settle(now, Cause::Interrupted(journal_call), &decisions, effects);
        }
    }
}
