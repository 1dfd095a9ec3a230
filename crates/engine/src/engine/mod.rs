//! The state machine: what it holds, and which part of it takes which input.

mod dispatch;
mod enter;
mod hold;
mod lack;
mod live;
mod outcomes;
mod paused;
mod routes;
mod settle;
mod supersede;
mod time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use laneway_model::{Family, PhoneNumber, Route, Status};

use crate::decide::Decision;
use crate::entries::{Entries, List, Slot, State};
use crate::inputs::{
    CallId, Control, Effect, Entry, Input, Now, NumberSetup, Reason, Sequence, SettlementId,
};
use crate::lanes::Lanes;
use crate::numbers::{Number, Track};
use crate::pauses::{PauseKey, Pauses, Way};
use crate::policy::{KindPolicy, LostAnswer, Policy};
use crate::sequences::Sequences;

pub use live::{GivingUp, Live};
pub use paused::{Covers, Paused, Why};

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
    /// Numbers that have as many calls under way as leave room for the others, by that count.
    held_back: BTreeSet<(u32, u32)>,
    /// Numbers to look at again at a moment, each once.
    gates: BTreeSet<(u64, u32)>,
    /// Events that wait for their due moment.
    later: BTreeMap<u64, List>,
    /// Events by the second in which they expire.
    expiring: BTreeMap<u64, List>,
    calls: BTreeMap<CallId, Call>,
    settlements: BTreeMap<SettlementId, Settlement>,
    /// Events whose call was cut off by the end of the process, by the journal's number of that call.
    interrupted: BTreeMap<u64, Vec<Slot>>,
    /// Events that were redriven before their end was known here to be committed.
    redriven: BTreeMap<Sequence, Entry>,
    /// Those of them whose end has just been committed.
    anew: Vec<Entry>,
    /// The latest event of a kind about a person, for kinds that supersede their like outside lanes, and how late it is.
    latest: BTreeMap<(u8, u64), (u64, Slot)>,
    /// Dead letters that hold their lanes.
    held: BTreeSet<Slot>,
    /// Events that are being sought for and of which there has been news since.
    sought_again: BTreeSet<Sequence>,
    calls_counted: CallId,
    settlements_counted: SettlementId,
    /// Numbers whose count of open events has changed since somebody asked, each once.
    recounted: Vec<u32>,
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
    track: Track,
    /// How often the number's routes had changed when it was opened.
    reroutes: u32,
    way: Way,
    members: Vec<Slot>,
    /// Whether the members are a part of a refused group.
    is_part: bool,
    begin: bool,
    step: Step,
    /// The refused scopes that it tries.
    probes: Vec<PauseKey>,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Loaded,
    Begun,
    Left,
    Answered,
}

/// Decisions on their way to be committed.
#[derive(Debug, Default)]
struct Settlement {
    slots: Vec<Slot>,
    /// The parts of a refused group that some of them are then.
    parts: Option<Parts>,
}

/// Parts of a refused group, and of which call.
#[derive(Debug)]
struct Parts {
    members: Vec<Vec<Slot>>,
    number: u32,
    track: Track,
    reroutes: u32,
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
            held_back: BTreeSet::new(),
            gates: BTreeSet::new(),
            later: BTreeMap::new(),
            expiring: BTreeMap::new(),
            calls: BTreeMap::new(),
            settlements: BTreeMap::new(),
            interrupted: BTreeMap::new(),
            redriven: BTreeMap::new(),
            anew: Vec::new(),
            latest: BTreeMap::new(),
            held: BTreeSet::new(),
            sought_again: BTreeSet::new(),
            calls_counted: 0,
            settlements_counted: 0,
            recounted: Vec::new(),
        }
    }

    /// Takes one input and appends what follows from it. A report of a call or a settlement that does not wait for it does
    /// nothing.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Accepted(entries) => self.accept_all(now, &entries, effects),
            Input::Loaded { call, missing, left_over, closed } => {
                self.loaded(now, call, [&missing, &left_over, &closed], effects);
            }
            Input::Begun { call } => self.begun(call, effects),
            Input::Left { call } => self.left(now, call),
            Input::Answered { call, outcomes } => self.answered(now, call, outcomes, effects),
            Input::Settled { settlement, unlike } => self.settled(now, settlement, &unlike, effects),
            Input::Sought { found, unknown, gone } => self.sought(now, &found, &unknown, &gone, effects),
            Input::Tick => {}
            Input::Control(control) => self.control(now, control, effects),
        }
        let anew = std::mem::take(&mut self.anew);
        self.accept_all(now, &anew, effects);
        self.time_passes(now, effects);
        self.dispatch(now, effects);
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        Counts {
            open: self.entries.len() - self.held.len(),
            calls: self.calls.len(),
            settlements: self.settlements.len(),
        }
    }

    /// Whether a call is under way: it is opened, and neither answered nor given up.
    pub fn is_under_way(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// How many events of a business number are open.
    pub fn open_of(&self, business: PhoneNumber) -> usize {
        self.number_of.get(&business).map_or(0, |number| self.numbers[*number as usize].open)
    }

    /// The numbers whose count of open events has changed since the last time this was asked, with their counts.
    pub fn recounted(&mut self) -> Vec<(PhoneNumber, usize)> {
        let count = |number: u32| {
            let number = &mut self.numbers[number as usize];
            number.is_recounted = false;
            (number.business, number.open)
        };
        self.recounted.drain(..).map(count).collect()
    }

    fn count_open(&mut self, number: u32, change: impl FnOnce(usize) -> usize) {
        let state = &mut self.numbers[number as usize];
        state.open = change(state.open);
        if !state.is_recounted {
            state.is_recounted = true;
            self.recounted.push(number);
        }
    }

    fn control(&mut self, now: Now, control: Control, effects: &mut Vec<Effect>) {
        match control {
            Control::Start => {
                self.phase = Phase::Running;
                self.settle_interrupted(now, effects);
            }
            Control::Configure(setups) => self.configure(now, &setups),
            Control::Discard(sequences) => self.discard(now, &sequences, effects),
            Control::Seek(sequences) => self.seek(&sequences, effects),
            Control::Stop => self.phase = Phase::Stopping,
        }
    }

    fn configure(&mut self, now: Now, setups: &[NumberSetup]) {
        self.numbers.iter_mut().for_each(|number| number.setup = None);
        for setup in setups {
            let at = self.number(setup.business);
            let number = &mut self.numbers[at as usize];
            (number.setup, number.hold_lost) = (Some(*setup), setup.hold_lost);
            self.reroute(now, at, setup.relayed);
        }
        self.release_lanes(now);
        let numbers = (0_u32..).zip(&self.numbers);
        let configured = numbers.filter_map(|(at, number)| Some((at, number.setup?)));
        let known: BTreeSet<_> = configured
            .flat_map(|(at, setup)| {
                let ways = self.policy.kinds.iter().map(move |(kind, policy)| {
                    let route = if setup.relayed.contains(*kind) { Route::Cm } else { Route::Meta };
                    Way { family: policy.family, route }
                });
                ways.flat_map(move |way| PauseKey::all(at, way, &setup).collect::<Vec<_>>())
            })
            .collect();
        self.pauses.reconfigure(now.elapsed_ms, |key| known.contains(&key));
        self.put_all_in_ring();
    }

    fn discard(&mut self, now: Now, sequences: &[Sequence], effects: &mut Vec<Effect>) {
        let mut given_up = Vec::new();
        for sequence in sequences {
            let Some(slot) = self.sequences.get(*sequence) else { continue };
            if self.entries[slot].state == State::Held {
                self.forget(now, slot);
            } else if self.give_up(slot) {
                given_up.push(slot);
            }
        }
        let end = Decision::end(Status::Discarded, Reason::Discarded);
        self.end_all(now, &given_up, end, effects);
    }

    fn kind(&self, slot: Slot) -> Option<&KindPolicy> {
        self.policy.kinds.get(&self.entries[slot].kind)
    }

    fn is_ordered(&self, slot: Slot) -> bool {
        self.kind(slot).is_some_and(|kind| kind.ordered)
    }

    /// What to do with the event when the answer to its call was lost.
    fn lost_answer(&self, slot: Slot) -> LostAnswer {
        let open = &self.entries[slot];
        if self.numbers[open.number as usize].hold_lost.contains(open.kind) {
            return LostAnswer::Hold;
        }
        self.kind(slot).map_or(LostAnswer::Hold, |kind| kind.lost_answer)
    }

    /// The most events that may share a call with this one.
    fn group_max(&self, slot: Slot, setup: &NumberSetup) -> usize {
        let Some(kind) = self.kind(slot) else { return 1 };
        if setup.relayed.contains(self.entries[slot].kind) {
            return 1;
        }
        match kind.family {
            Family::Messages | Family::Blocks => kind.group_max,
            Family::Conversions => kind.group_max.min(setup.conversions_per_call_max).max(1),
        }
    }

    fn sequences_of(&self, slots: &[Slot]) -> Vec<Sequence> {
        slots.iter().map(|slot| self.entries[*slot].sequence).collect()
    }
}
