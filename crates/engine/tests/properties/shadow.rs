//! What should be true of every event. A model with plain maps: it follows the engine's effects and objects to any that
//! may not be.

use std::collections::{BTreeMap, BTreeSet};

use laneway_engine::{
    CallId, Cause, Change, Class, Effect, Entry, KindPolicy, LostAnswer, Now, NumberSetup, Paused, Policy,
    Reason, Sequence, SettlementId, Supersedes,
};
use laneway_model::{Failure, FailureClass, Family, Outcome, PhoneNumber, Route, Scope, Status, Timestamp};

use crate::expected::Expected;
use crate::numbers::{Key, Numbers, Party};
use crate::questions::Questions;
use crate::verdict::{Verdict, millis, verdict};

/// An event, from its acceptance to its end.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) entry: Entry,
    pub(crate) due_ms: u64,
    pub(crate) attempts: u32,
    pub(crate) stage: Stage,
    /// Told anew while its end is being committed.
    redriven: Option<Entry>,
    /// The refused call whose group it is still a part of.
    part: Option<CallId>,
    /// How often its number's routes had changed when the call opened that left it in this part.
    reroutes: u32,
    /// Whether it was found to be unlike an event that was to supersede it.
    unlike: bool,
    /// Whether it lacks something.
    lacks: bool,
}

/// Where an event stands: in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    Called(CallId),
    /// Its call was cut off by the end of the process.
    Interrupted(u64),
    Settling(Settling),
    /// A dead letter that holds its lane.
    Held,
    Ended(Option<Status>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settling {
    settlement: SettlementId,
    pub(crate) status: Status,
    again_ms: u64,
    /// Whether a call of this process led to it.
    by_call: bool,
    pub(crate) holds_lane: bool,
}

/// A call under way.
#[derive(Clone, Debug)]
struct Call {
    party: Party,
    kind: KindPolicy,
    /// How often the number's routes had changed when it opened.
    reroutes: u32,
    members: Vec<Sequence>,
    probes: Vec<Key>,
    step: Step,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Sent,
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Running,
    Stopping,
}

/// All that is known.
#[derive(Debug)]
pub(crate) struct Shadow {
    policy: Policy,
    pub(crate) now: Now,
    phase: Phase,
    pub(crate) events: BTreeMap<Sequence, Event>,
    calls: BTreeMap<CallId, Call>,
    settlements: BTreeMap<SettlementId, Vec<Sequence>>,
    numbers: Numbers,
    questions: Questions,
    last_call: CallId,
    last_settlement: SettlementId,
    /// Numbers and classes of which a group was ever refused.
    halved: BTreeSet<(PhoneNumber, Class)>,
    /// Lanes in which an event came before others that were there already.
    irregular: BTreeSet<u64>,
    /// Events that expired by the input at hand.
    expired: usize,
    /// What the input at hand must lead to.
    expected: Expected,
}

impl Shadow {
    pub(crate) fn new(policy: Policy, now: Now) -> Self {
        let numbers = Numbers::new(policy.limits);
        Self {
            policy,
            now,
            phase: Phase::Loading,
            events: BTreeMap::new(),
            calls: BTreeMap::new(),
            settlements: BTreeMap::new(),
            numbers,
            questions: Questions::default(),
            last_call: 0,
            last_settlement: 0,
            halved: BTreeSet::new(),
            irregular: BTreeSet::new(),
            expired: 0,
            expected: Expected::default(),
        }
    }

    /// The engine says that this is paused.
    pub(crate) fn check_paused(&self, paused: &[Paused]) {
        self.numbers.check(self.now, paused);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopping
    }

    pub(crate) fn kind(&self, sequence: Sequence) -> Option<&KindPolicy> {
        self.policy.kinds.get(&self.events[&sequence].entry.kind)
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = (&Sequence, &Event)> {
        self.events.iter().filter(|(_, event)| !matches!(event.stage, Stage::Ended(_) | Stage::Held))
    }

    /// Whether an event that has ended, or is about to, holds its lane, and how many calls have carried it.
    pub(crate) fn dead_letter(&self, sequence: Sequence) -> (bool, u32) {
        let event = &self.events[&sequence];
        let holds = match event.stage {
            Stage::Held => true,
            Stage::Settling(settling) => settling.holds_lane,
            Stage::Waiting | Stage::Called(_) | Stage::Interrupted(_) | Stage::Ended(_) => false,
        };
        (holds, event.attempts)
    }

    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.open().count(), self.calls.len(), self.settlements.len())
    }
}

// Inputs, before the engine is told.
impl Shadow {
    pub(crate) fn accept(&mut self, entry: Entry) {
        let is_ordered = self.policy.kinds.get(&entry.kind).is_some_and(|kind| kind.ordered);
        if is_ordered {
            let mates = self.events.values().filter(|event| event.entry.person_hash == entry.person_hash);
            if mates.clone().any(|mate| mate.entry.order > entry.order) {
                self.irregular.insert(entry.person_hash);
            }
            self.expected.lanes.extend((!entry.holds_lane).then_some(entry.person_hash));
        }
        let lets_go = self.numbers.setup(entry.business).is_some_and(|setup| !setup.holds_lanes);
        let was_tried_since =
            |known: &Event| !entry.holds_lane && entry.attempts.min(255) >= known.attempts.min(255);
        match self.events.get_mut(&entry.sequence) {
            Some(event) if event.stage == Stage::Held => {
                if was_tried_since(event) {
                    self.redrive(entry);
                }
            }
            Some(event) if matches!(event.stage, Stage::Settling(settling) if settling.holds_lane) => {
                if was_tried_since(event) {
                    event.redriven = Some(entry);
                }
            }
            Some(Event { stage: Stage::Settling(settling), redriven, entry: known, .. })
                if !settling.status.is_open() && entry.order > known.order =>
            {
                *redriven = Some(entry);
                // Others may come to stand behind it before it joins them.
                self.irregular.insert(entry.person_hash);
            }
            Some(Event { stage: Stage::Ended(_), .. }) | None if entry.holds_lane => {
                if is_ordered && !lets_go {
                    self.insert(entry, Stage::Held);
                }
            }
            Some(Event { stage: Stage::Ended(_), .. }) | None => {
                let known = self.policy.kinds.contains_key(&entry.kind);
                let stage = entry.interrupted.filter(|_| known).map_or(Stage::Waiting, Stage::Interrupted);
                self.insert(entry, stage);
            }
            Some(_) => {}
        }
    }

    fn insert(&mut self, entry: Entry, stage: Stage) {
        let due_ms = self.now.elapsed_ms + millis(entry.due.since(self.now.wall));
        let attempts = entry.attempts;
        let (redriven, part, unlike) = (None, None, false);
        let kind = self.policy.kinds.get(&entry.kind);
        let lacks = entry.lacks
            && stage == Stage::Waiting
            && kind.is_some_and(|kind| !kind.ordered && kind.supersedes == Supersedes::Nothing);
        let event = Event { entry, due_ms, attempts, stage, redriven, part, reroutes: 0, unlike, lacks };
        self.events.insert(entry.sequence, event);
        self.questions.end(entry.sequence);
        if lacks && self.phase != Phase::Stopping {
            self.questions.owe(entry.sequence);
        }
    }

    /// A dead letter that held its lane is open again, in its place.
    fn redrive(&mut self, entry: Entry) {
        let due_ms = self.now.elapsed_ms + millis(entry.due.since(self.now.wall));
        let event = self.events.get_mut(&entry.sequence).unwrap();
        (event.stage, event.due_ms, event.part) = (Stage::Waiting, due_ms, None);
        event.entry.expires = entry.expires;
    }

    pub(crate) fn start(&mut self) {
        self.phase = Phase::Running;
    }

    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Stopping;
        self.questions.stop();
    }

    pub(crate) fn configure(&mut self, setups: &[NumberSetup]) {
        let before = self.reroutes();
        self.numbers.configure(self.now, setups, &self.policy.kinds);
        // Parts fall apart whose members may go different ways now.
        for event in self.events.values_mut().filter(|event| event.stage == Stage::Waiting) {
            let business = event.entry.business;
            event.part = event.part.filter(|_| before[&business] == self.numbers.reroutes(business));
        }
        for event in self.events.values_mut().filter(|event| event.stage == Stage::Held) {
            if self.numbers.setup(event.entry.business).is_some_and(|setup| !setup.holds_lanes) {
                event.stage = Stage::Ended(Some(Status::Failed));
            }
        }
    }

    /// How often the routes of each number have changed.
    fn reroutes(&self) -> BTreeMap<PhoneNumber, u32> {
        let businesses = self.events.values().map(|event| event.entry.business);
        businesses.map(|business| (business, self.numbers.reroutes(business))).collect()
    }

    pub(crate) fn discard(&mut self, sequences: &[Sequence]) {
        let waiting = |sequence: &&Sequence| {
            self.events.get(sequence).is_some_and(|event| event.stage == Stage::Waiting)
        };
        self.expected.discards = sequences.iter().filter(waiting).copied().collect();
        self.expected.discards.sort_unstable();
        self.expected.discards.dedup();
        for sequence in sequences {
            if let Some(event) = self.events.get_mut(sequence).filter(|event| event.stage == Stage::Held) {
                event.stage = Stage::Ended(Some(Status::Discarded));
            }
        }
    }

    /// Bodies are at hand, or the journal refused to begin the call because of members that are gone.
    pub(crate) fn loaded(
        &mut self,
        call: CallId,
        missing: &[Sequence],
        left_over: &[Sequence],
        closed: &[Sequence],
    ) {
        let known = self.calls.get_mut(&call).expect("only calls under way are loaded");
        known.members.retain(|member| !missing.contains(member));
        let is_rerouted = self.numbers.reroutes(known.party.business) != known.reroutes;
        let is_left_over = |member: &Sequence| is_rerouted || left_over.contains(member);
        for sequence in known.members.extract_if(.., |member| is_left_over(member)) {
            let event = self.events.get_mut(&sequence).unwrap();
            (event.stage, event.part) = (Stage::Waiting, event.part.filter(|_| !is_rerouted));
        }
        let is_over = |member: &Sequence| self.events[member].entry.expires <= self.now.wall;
        let over: Vec<_> = known.members.extract_if(.., |member| is_over(member)).collect();
        for sequence in &over {
            self.events.get_mut(sequence).unwrap().stage = Stage::Waiting;
        }
        for sequence in known.members.extract_if(.., |member| closed.contains(member)) {
            self.events.get_mut(&sequence).unwrap().stage = Stage::Waiting;
            self.expected.closed.insert(sequence);
        }
        let (members, begin) = (known.members.clone(), known.kind.begin);
        for sequence in missing {
            self.events.get_mut(sequence).unwrap().stage = Stage::Ended(None);
        }
        if members.is_empty() {
            let call_gone = self.calls.remove(&call).unwrap();
            self.numbers.vanish(self.now, call, call_gone.party, &call_gone.probes);
        } else {
            self.expected.go_on = Some(match begin {
                true => Effect::Begin { call, members },
                false => Effect::Send { call, members },
            });
        }
    }

    pub(crate) fn begun(&mut self, call: CallId) {
        let members = self.calls[&call].members.clone();
        self.expected.go_on = Some(Effect::Send { call, members });
    }

    /// There is news of what these lack.
    pub(crate) fn news(&mut self, sequences: &[Sequence]) {
        for sequence in sequences {
            let lacks =
                self.events.get(sequence).is_some_and(|event| event.lacks && event.stage == Stage::Waiting);
            if lacks && self.phase != Phase::Stopping {
                self.questions.owe(*sequence);
            }
        }
    }

    /// What events lack was found, or they are gone; about those that have ended meanwhile, nothing is said.
    pub(crate) fn sought(&mut self, found: &[Sequence], unknown: &[Sequence], gone: &[Sequence]) {
        self.expected.failures.clear();
        for sequence in unknown {
            let event = &self.events[sequence];
            if event.lacks && event.stage == Stage::Waiting && self.phase != Phase::Stopping {
                let counts = self.questions.answer_unknown(*sequence);
                if counts && event.due_ms <= self.now.elapsed_ms {
                    self.expected.failures.insert(*sequence);
                }
            }
        }
        for sequence in found {
            let event = self.events.get_mut(sequence).unwrap();
            if event.lacks && event.stage == Stage::Waiting {
                (event.lacks, event.due_ms) = (false, self.now.elapsed_ms);
            }
        }
        for sequence in gone {
            let event = self.events.get_mut(sequence).unwrap();
            if event.lacks && event.stage == Stage::Waiting {
                event.stage = Stage::Ended(None);
            }
        }
    }

    /// A call that has been answered since is known to have left.
    pub(crate) fn left(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.step == Step::Sent) else { return };
        call.step = Step::Left;
        let business = call.party.business;
        self.numbers.leave(self.now, business);
    }

    /// A member without an outcome counts as one whose answer was lost.
    pub(crate) fn answered(&mut self, id: CallId, outcomes: &[Outcome]) {
        self.left(id);
        let call = self.calls.remove(&id).expect("only calls under way are answered");
        let lost = Outcome::Failed(Failure {
            class: FailureClass::Unknown,
            scope: Scope::Event,
            code: None,
            subcode: None,
            detail: String::new(),
        });
        let outcomes: Vec<_> =
            (0..call.members.len()).map(|at| outcomes.get(at).unwrap_or(&lost).clone()).collect();
        self.expected.alarms = self.numbers.answer(self.now, id, call.party, &outcomes, &call.probes);
        for sequence in &call.members {
            self.events.get_mut(sequence).unwrap().reroutes = call.reroutes;
        }
        self.expected.settle = Some((id, call.members.into_iter().zip(outcomes).collect()));
    }

    pub(crate) fn settled(&mut self, settlement: SettlementId, unlike: &[Sequence]) {
        for sequence in
            self.settlements.remove(&settlement).expect("only settlements on their way are committed")
        {
            let event = self.events.get_mut(&sequence).unwrap();
            let Stage::Settling(settling) = event.stage else { panic!("{sequence} is not being settled") };
            let is_unlike = unlike.contains(&sequence);
            event.unlike |= is_unlike;
            let would_hold = self.numbers.setup(event.entry.business).is_some_and(|setup| setup.holds_lanes);
            if settling.status.is_open() || is_unlike {
                event.stage = Stage::Waiting;
                event.due_ms = settling.again_ms;
                let is_rerouted = self.numbers.reroutes(event.entry.business) != event.reroutes;
                event.part = event.part.filter(|_| !is_unlike && !is_rerouted);
                event.redriven = event.redriven.take().filter(|_| !is_unlike);
                continue;
            }
            match event.redriven.take() {
                Some(entry) if settling.holds_lane && would_hold => self.redrive(entry),
                None if settling.holds_lane && would_hold => event.stage = Stage::Held,
                Some(entry) => self.insert(entry, Stage::Waiting),
                None => event.stage = Stage::Ended(Some(settling.status)),
            }
        }
    }
}

// Effects, one by one.
impl Shadow {
    pub(crate) fn observe(&mut self, effect: &Effect) {
        match effect {
            Effect::Load { call, members } => self.observe_load(*call, members),
            Effect::Begin { .. } => {
                assert_eq!(self.expected.go_on.take().as_ref(), Some(effect), "a call goes on unasked");
            }
            Effect::Send { call, .. } => {
                assert_eq!(self.expected.go_on.take().as_ref(), Some(effect), "a call goes on unasked");
                self.calls.get_mut(call).unwrap().step = Step::Sent;
            }
            Effect::Seek { events } => {
                assert_ne!(self.phase, Phase::Stopping, "that is for the next process");
                assert!(!events.is_empty());
                for sequence in events {
                    let event = &self.events[sequence];
                    assert!(
                        event.lacks && event.stage == Stage::Waiting,
                        "{sequence} lacks nothing: {event:?}"
                    );
                    self.questions.ask(*sequence, event.due_ms <= self.now.elapsed_ms);
                }
            }
            Effect::Settle { settlement, cause, changes } => {
                assert_eq!(*settlement, self.last_settlement + 1);
                assert!(!changes.is_empty());
                self.last_settlement = *settlement;
                self.settlements.insert(*settlement, changes.iter().map(|change| change.sequence).collect());
                match cause {
                    Cause::Call(call) => self.observe_answer(*settlement, *call, changes),
                    Cause::Interrupted(call) => self.observe_interrupted(*settlement, *call, changes),
                    Cause::Decision => {
                        changes.iter().for_each(|change| self.observe_decision(*settlement, change))
                    }
                }
            }
            Effect::Alarm(alarm) => {
                let at = self.expected.alarms.iter().position(|expected| expected == alarm);
                self.expected.alarms.remove(at.unwrap_or_else(|| panic!("{alarm:?} for no reason")));
            }
        }
    }

    fn observe_load(&mut self, call: CallId, members: &[Sequence]) {
        assert_eq!(self.phase, Phase::Running, "a call opens while none may");
        assert_eq!(call, self.last_call + 1);
        self.last_call = call;
        let kind = *self.kind(*members.first().expect("a call has members")).expect("a known kind");
        let business = self.events[&members[0]].entry.business;
        self.check_group(members, &kind);
        for sequence in members {
            let event = &self.events[sequence];
            assert_eq!(event.stage, Stage::Waiting, "{sequence} is not waiting");
            assert!(!event.lacks, "{sequence} leaves without what it lacks");
            assert_eq!((self.kind(*sequence).unwrap().class, event.entry.business), (kind.class, business));
            assert!(event.due_ms <= self.now.elapsed_ms, "{sequence} is not due");
            assert!(self.now.wall < event.entry.expires, "{sequence} is sent after its time");
            assert_eq!(self.must_wait_for(*sequence), None, "{sequence} leaves before its turn");
            self.events.get_mut(sequence).unwrap().stage = Stage::Called(call);
        }
        let free = self.policy.limits.calls_in_flight_max - self.calls.len();
        assert!(free > 0, "more calls under way than allowed");
        let route = self.numbers.route(business, self.events[&members[0]].entry.kind);
        let party = Party { business, family: kind.family, route };
        let probes = self.numbers.open(self.now, call, party, free);
        let reroutes = self.numbers.reroutes(business);
        self.calls.insert(
            call,
            Call { party, kind, reroutes, members: members.to_vec(), probes, step: Step::Open },
        );
    }

    /// The most events of one call.
    fn group_max(&self, event: &Event, kind: &KindPolicy) -> usize {
        let Some(setup) = self.numbers.setup(event.entry.business) else { return 1 };
        match kind.family {
            _ if setup.relayed.contains(event.entry.kind) => 1,
            Family::Conversions => kind.group_max.min(setup.conversions_per_call_max),
            Family::Messages | Family::Blocks => kind.group_max,
        }
    }

    fn calls_of(&self, business: PhoneNumber, class: Class, route: Route) -> usize {
        let is_alike = |call: &&Call| {
            (call.party.business, call.kind.class, call.party.route) == (business, class, route)
        };
        self.calls.values().filter(is_alike).count()
    }

    /// A group is no larger than allowed, and goes one way; parts of refused groups are never topped up; and a further
    /// call opens only for a full group.
    fn check_group(&self, members: &[Sequence], kind: &KindPolicy) {
        let first = &self.events[&members[0]];
        let most = self.group_max(first, kind);
        assert!(members.len() <= most, "{} where {most} may be", members.len());
        let setup = self.numbers.setup(first.entry.business).unwrap();
        for sequence in members {
            let event = &self.events[sequence];
            assert_eq!(event.part, first.part, "a part is sent with what does not belong to it");
            let ways = [event, first].map(|event| setup.relayed.contains(event.entry.kind));
            assert_eq!(ways[0], ways[1], "a call goes two ways");
        }
        let key = (first.entry.business, kind.class);
        let route = self.numbers.route(key.0, first.entry.kind);
        let is_plain = first.part.is_none() && !self.halved.contains(&key);
        if is_plain && self.calls_of(key.0, key.1, route) > 0 {
            assert!(members.len() + self.expired >= most, "a further call for a group that is not full");
        }
    }

    /// The event of the same lane that must be dealt with before this one leaves.
    fn must_wait_for(&self, sequence: Sequence) -> Option<String> {
        self.lane_mates(sequence).find_map(|(other, event)| {
            let is_earlier = event.entry.order < self.events[&sequence].entry.order;
            let is_called = match event.stage {
                Stage::Called(_) => true,
                Stage::Settling(settling) => settling.by_call,
                Stage::Waiting | Stage::Interrupted(_) | Stage::Held | Stage::Ended(_) => false,
            };
            (is_earlier || is_called).then(|| format!("{other} {event:?}; self {:?}", self.events[&sequence]))
        })
    }

    fn lane_mates(&self, sequence: Sequence) -> impl Iterator<Item = (&Sequence, &Event)> {
        let lane = self.events[&sequence].entry.person_hash;
        let ordered = self.kind(sequence).is_some_and(|kind| kind.ordered);
        self.events.iter().filter(move |(other, event)| {
            if matches!(event.stage, Stage::Ended(_)) {
                return false;
            }
            let both = ordered && self.kind(**other).is_some_and(|kind| kind.ordered);
            both && **other != sequence && event.entry.person_hash == lane
        })
    }

    fn observe_answer(&mut self, settlement: SettlementId, call: CallId, changes: &[Change]) {
        let (answered, members) =
            self.expected.settle.take().expect("a call is settled once, when it was answered");
        assert_eq!((call, changes.len()), (answered, members.len()));
        for (change, (sequence, outcome)) in changes.iter().zip(&members) {
            assert_eq!((change.sequence, self.events[sequence].stage), (*sequence, Stage::Called(call)));
            self.observe_tried(settlement, change, outcome, members.len() == 1, true);
        }
        self.divide(call, changes, &members);
    }

    /// A group that was refused because of one of its events falls into parts; a part of which every event is to be tried
    /// again stays one.
    fn divide(&mut self, call: CallId, changes: &[Change], members: &[(Sequence, Outcome)]) {
        let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Failed(failure) if failure.class == FailureClass::RefusedTogether);
        let refused = members.len() > 1 && members.iter().any(|(_, outcome)| is_refused(outcome));
        let stays = changes.iter().all(|change| change.status.is_open());
        for change in changes {
            let kind = *self.kind(change.sequence).unwrap();
            let event = self.events.get_mut(&change.sequence).unwrap();
            event.part = if refused { Some(call) } else { event.part.filter(|_| stays) };
            event.part = event.part.filter(|_| change.status.is_open());
            if refused {
                self.halved.insert((event.entry.business, kind.class));
            }
        }
    }

    fn observe_interrupted(&mut self, settlement: SettlementId, call: u64, changes: &[Change]) {
        assert_eq!(self.phase, Phase::Running, "more members may be told, or a next process judges them");
        for change in changes {
            assert_eq!(self.events[&change.sequence].stage, Stage::Interrupted(call));
            let lost = Outcome::Failed(Failure {
                class: FailureClass::Unknown,
                scope: Scope::Event,
                code: None,
                subcode: None,
                detail: String::new(),
            });
            self.observe_tried(settlement, change, &lost, false, false);
        }
        let left = self.open().find(|(_, event)| event.stage == Stage::Interrupted(call));
        assert!(left.is_none(), "one call's outcomes belong into one settlement");
    }

    /// An event was in a call: its change must be what its outcome means.
    fn observe_tried(
        &mut self,
        settlement: SettlementId,
        change: &Change,
        outcome: &Outcome,
        alone: bool,
        by_call: bool,
    ) {
        let (now, limits) = (self.now, self.policy.limits);
        let kind = *self.kind(change.sequence).unwrap();
        let entry = self.events[&change.sequence].entry;
        let lost = match self.numbers.holds_lost(entry.business, entry.kind) {
            true => LostAnswer::Hold,
            false => kind.lost_answer,
        };
        let event = self.events.get_mut(&change.sequence).unwrap();
        event.attempts += 1;
        let expires = event.entry.expires;
        let verdict = verdict(&limits, now, lost, event.attempts, alone, outcome);
        match verdict {
            Verdict::End(status) => assert_eq!(change.status, status),
            Verdict::Retry { least_ms, most_ms } if change.status == Status::Retrying => {
                let delay_ms = change.due.as_millis() - now.wall.as_millis();
                assert!((least_ms..=most_ms).contains(&delay_ms), "{delay_ms} ms after {outcome:?}");
                assert!(change.due < expires, "a retry is planned for after its time");
                let is_resent =
                    *outcome_class(outcome) == FailureClass::Unknown && lost == LostAnswer::Resend;
                let is_halved = *outcome_class(outcome) == FailureClass::RefusedTogether;
                assert_eq!(change.reason == Reason::Halved, is_halved);
                assert_eq!(change.possibly_duplicate, is_resent);
                assert_eq!(change.reason == Reason::Resend, is_resent);
            }
            Verdict::Retry { most_ms, .. } => {
                assert_eq!(change.status, Status::Expired);
                assert!(!change.possibly_duplicate, "it is not sent a second time");
                assert!(expires.as_millis() <= now.wall.as_millis() + most_ms, "it had time left");
                let is_over = expires <= now.wall;
                assert_eq!(change.reason == Reason::Expired, is_over);
                assert_eq!(change.reason == Reason::ExpiresBeforeRetry, !is_over);
            }
        }
        self.settling(settlement, change, by_call);
    }

    fn observe_decision(&mut self, settlement: SettlementId, change: &Change) {
        let event = &self.events[&change.sequence];
        assert_eq!(event.stage, Stage::Waiting, "only what waits is decided about");
        if change.status == Status::Expired && change.reason == Reason::Closed {
            assert!(self.expected.closed.remove(&change.sequence), "nobody said that it is hopeless");
        } else if change.status == Status::Expired {
            assert!(event.entry.expires <= self.now.wall, "it had time left");
            assert_eq!(change.reason, Reason::Expired);
            self.expired += 1;
        } else if change.reason == Reason::Lacking {
            assert_eq!(change.status, Status::Failed);
            assert!(self.expected.failures.remove(&change.sequence), "it was not asked for in vain");
        } else if let Reason::Superseded { by } = change.reason {
            assert_eq!(change.status, Status::Superseded);
            assert_ne!(self.phase, Phase::Stopping, "that is for the next process");
            let later = &self.events[&by];
            let by_rank = self.kind(change.sequence).unwrap().supersedes == Supersedes::Older;
            assert!(
                by_rank || later.entry.order > event.entry.order,
                "by an earlier one: {event:?} by {later:?}"
            );
            assert_eq!(later.entry.person_hash, event.entry.person_hash);
            let is_alive = !matches!(later.stage, Stage::Ended(_) | Stage::Held);
            match self.kind(change.sequence).unwrap().supersedes {
                Supersedes::Nothing => panic!("a kind that is never superseded"),
                Supersedes::Lane => {
                    assert!(is_alive, "by one that has ended");
                    assert!(self.kind(by).is_some_and(|kind| kind.ordered));
                }
                // While this one was in a call, the later one may have come to its end.
                Supersedes::Older => {
                    assert!(is_alive, "by one that has ended");
                    assert_eq!(later.entry.kind, event.entry.kind);
                    assert!(0 < event.entry.rank && event.entry.rank < later.entry.rank, "by an older one");
                }
                Supersedes::Kind => assert_eq!(later.entry.kind, event.entry.kind),
            }
        } else {
            assert_eq!((change.status, change.reason), (Status::Discarded, Reason::Discarded));
            let at = self.expected.discards.iter().position(|sequence| *sequence == change.sequence);
            self.expected.discards.remove(at.expect("discarded unasked, or twice"));
        }
        self.settling(settlement, change, false);
    }

    fn settling(&mut self, settlement: SettlementId, change: &Change, by_call: bool) {
        let again_ms = self.now.elapsed_ms + millis(change.due.since(self.now.wall));
        let event = &self.events[&change.sequence];
        let would_hold = self.kind(change.sequence).is_some_and(|kind| kind.ordered)
            && self.numbers.setup(event.entry.business).is_some_and(|setup| setup.holds_lanes);
        assert_eq!(change.holds_lane, change.status == Status::Failed && would_hold);
        let holds_lane = change.holds_lane;
        let settling = Settling { settlement, status: change.status, again_ms, by_call, holds_lane };
        self.events.get_mut(&change.sequence).unwrap().stage = Stage::Settling(settling);
    }
}

// What must hold after every input.
impl Shadow {
    pub(crate) fn check(&mut self) {
        self.expected.check();
        self.expired = 0;
        self.check_questions();
        for lane in std::mem::take(&mut self.expected.lanes) {
            let in_lane = |(sequence, event): &(&Sequence, &Event)| {
                let is_ordered = self.kind(**sequence).is_some_and(|kind| kind.ordered);
                is_ordered && event.entry.person_hash == lane
            };
            let is_loose = self.irregular.contains(&lane) || self.phase == Phase::Stopping;
            let waiting = self.open().filter(in_lane).filter(|(_, event)| event.stage == Stage::Waiting);
            let alike: Vec<_> = waiting.filter(|(_, event)| !event.unlike).collect();
            assert!(is_loose || alike.len() <= 1, "more than the last word waits: {alike:?}");
        }
        if self.phase == Phase::Running {
            let interrupted = |event: &Event| matches!(event.stage, Stage::Interrupted(_));
            assert!(!self.open().any(|(_, event)| interrupted(event)), "left interrupted");
            let waiting = || self.open().filter(|(_, event)| event.stage == Stage::Waiting);
            for (sequence, event) in waiting() {
                let step = event.entry.expires.as_millis().div_ceil(1000) * 1000;
                let is_over = event.entry.expires < Timestamp::MAX && step <= self.now.wall.as_millis();
                assert!(!is_over, "{sequence} waits on after its time");
                assert!(self.obstacle(*sequence).is_some(), "{sequence} could leave: {event:?}");
            }
        }
    }

    /// What lacks something is asked for whenever there is a reason.
    fn check_questions(&mut self) {
        let waits = |event: &Event| event.lacks && event.stage == Stage::Waiting;
        for (sequence, event) in &self.events {
            if !waits(event) {
                self.questions.end(*sequence);
            } else if self.phase != Phase::Stopping && event.due_ms <= self.now.elapsed_ms {
                assert!(self.questions.is_open(*sequence), "{sequence} is not asked for: {event:?}");
            }
        }
        self.questions.check();
    }

    /// Why a waiting event does not leave.
    fn obstacle(&self, sequence: Sequence) -> Option<String> {
        let event = &self.events[&sequence];
        let free = self.policy.limits.calls_in_flight_max - self.calls.len();
        let Some(kind) = self.kind(sequence) else { return Some("an unknown kind".to_owned()) };
        if event.due_ms > self.now.elapsed_ms {
            return Some("not due".to_owned());
        }
        if event.lacks {
            return Some("it lacks something".to_owned());
        }
        let key = (event.entry.business, kind.class);
        let route = self.numbers.route(key.0, event.entry.kind);
        let alike = |other: &Sequence, mate: &Event| {
            mate.entry.business == key.0
                && self.kind(*other).is_some_and(|kind| kind.class == key.1)
                && self.numbers.route(key.0, mate.entry.kind) == route
        };
        let mut parts = self.open().filter(|(other, mate)| mate.part.is_some() && alike(other, mate));
        if event.part.is_none() && self.group_max(event, kind) > 1 {
            if self.calls_of(key.0, key.1, route) > 0 {
                return Some("its group's call is under way".to_owned());
            }
            if parts.next().is_some() {
                return Some("parts of a refused group go first".to_owned());
            }
        } else if parts.any(|(_, mate)| mate.part == event.part && mate.due_ms > self.now.elapsed_ms) {
            return Some("its part is not due".to_owned());
        }
        if free == 0 {
            return Some("too many calls under way".to_owned());
        }
        let of_number =
            self.numbers.obstacle(self.now, Party { business: key.0, family: kind.family, route }, free);
        let stands_before = |(_, mate): &(&Sequence, &Event)| {
            mate.entry.order < event.entry.order || mate.stage != Stage::Waiting
        };
        of_number.or_else(|| {
            self.lane_mates(sequence).any(|mate| stands_before(&mate)).then(|| "its lane".to_owned())
        })
    }
}

fn outcome_class(outcome: &Outcome) -> &FailureClass {
    match outcome {
        Outcome::Failed(failure) => &failure.class,
        Outcome::Confirmed | Outcome::Relayed => panic!("no failure is tried again"),
    }
}
