//! Plays steps to an engine, and performs what it asks for, in any order and as late as the steps say.

use std::collections::BTreeSet;
use std::time::Duration;

use laneway_engine::{
    CallId, Control, Effect, Engine, Entry, Input, Now, NumberSetup, ScopeId, Sequence, SettlementId,
};
use laneway_model::{PhoneNumber, Status, Timestamp};

use crate::shadow::{Shadow, Stage};
use crate::steps::{Draft, How, KINDS, NUMBERS, Said, Setting, Step, masked, shifted};

pub(crate) struct World {
    engine: Engine,
    /// The same engine once more: it must do the same.
    twin: Engine,
    shadow: Shadow,
    /// How every number is set up, but for what is its own.
    setup: NumberSetup,
    now: Now,
    works: Vec<Work>,
    told: Vec<Entry>,
    next: u64,
}

/// An effect that is being performed.
#[derive(Clone, Debug)]
enum Work {
    Load(CallId, Vec<Sequence>),
    Begin(CallId, Vec<Sequence>),
    Send(CallId, Vec<Sequence>),
    Leave(CallId),
    Seek(Vec<Sequence>),
    /// With the events that it supersedes.
    Settle(SettlementId, Vec<Sequence>),
}

/// More wake-ups than this without an end are a sign that nothing moves.
const WAKES_MAX: usize = 20_000;

impl World {
    pub(crate) fn new(setting: &Setting) -> Self {
        let policy = setting.policy();
        let now = Now { elapsed_ms: 5_000, wall: Timestamp::from_secs(1_800_000_000) };
        let mut world = Self {
            engine: Engine::new(policy.clone(), setting.seed()),
            twin: Engine::new(policy.clone(), setting.seed()),
            shadow: Shadow::new(policy, now),
            setup: setting.number(),
            now,
            works: Vec::new(),
            told: Vec::new(),
            next: 0,
        };
        world.configure(0b01111, 5, 0, setting.number().holds_lanes);
        world
    }

    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Accept(drafts) => {
                let entries: Vec<_> = drafts.iter().map(|draft| self.entry(draft)).collect();
                self.told.extend(&entries);
                self.accept(entries);
            }
            Step::TellAgain(which) => {
                let open = |entry: &&Entry| self.stage(entry.sequence).is_some();
                if let Some(entry) = pick(self.told.iter().filter(open), *which).copied() {
                    self.accept(vec![entry]);
                }
            }
            Step::Redrive(which) => self.redrive(*which),
            Step::Pass(ms) => {
                self.pass(*ms);
                self.tell(Input::Tick);
            }
            Step::SetWall(ms) => {
                self.now.wall = shifted(self.now.wall, *ms);
                self.tell(Input::Tick);
            }
            Step::Wake => self.wake(),
            Step::Work { which, how } => {
                if !self.works.is_empty() {
                    let work = self.works.remove(which % self.works.len());
                    self.perform(work, how);
                }
            }
            Step::Stray(id) => self.stray(*id),
            Step::Configure { numbers, calls_per_second_max, token, holds_lanes, relayed } => {
                self.setup.relayed = relayed.map_or(self.setup.relayed, masked);
                self.configure(*numbers & 0b01111, *calls_per_second_max, *token, *holds_lanes);
            }
            Step::Discard(which) => {
                let told = which.iter().filter_map(|which| pick(self.told.iter(), *which));
                let sequences: Vec<_> = told.map(|entry| entry.sequence).collect();
                self.shadow.now = self.now;
                self.shadow.discard(&sequences);
                self.tell(Input::Control(Control::Discard(sequences)));
            }
            Step::Seek(which) => {
                let told = which.iter().filter_map(|which| pick(self.told.iter(), *which));
                // Whoever tells of news names each event once.
                let sequences: BTreeSet<_> = told.map(|entry| entry.sequence).collect();
                let sequences: Vec<_> = sequences.into_iter().collect();
                self.shadow.now = self.now;
                self.shadow.news(&sequences);
                self.tell(Input::Control(Control::Seek(sequences)));
            }
            Step::Start if !self.shadow.is_stopping() => {
                self.shadow.start();
                self.tell(Input::Control(Control::Start));
            }
            Step::Start => {}
            Step::Stop => {
                self.shadow.stop();
                self.tell(Input::Control(Control::Stop));
            }
        }
    }

    /// Lets everything end: calls are confirmed, and time passes only from one wake-up to the next.
    pub(crate) fn finish(&mut self) {
        self.take(&Step::Start);
        self.configure(0b11111, 5, 1, false);
        let how = How {
            missing: 0,
            left_over: 0,
            closed: 0,
            found: u8::MAX,
            together: false,
            said: vec![Said::CONFIRMED],
            outcomes_off_by: 0,
        };
        for _ in 0..WAKES_MAX {
            if !self.works.is_empty() {
                let work = self.works.remove(0);
                self.perform(work, &how);
            } else if self.shadow.is_stopping() || self.engine.next_wake(self.now).is_none() {
                break;
            } else {
                self.wake();
            }
        }
        let (open, calls, settlements) = self.shadow.counts();
        assert_eq!((calls, settlements), (0, 0));
        if !self.shadow.is_stopping() {
            let forever = |event: &crate::shadow::Event| {
                Some(&event.entry.kind) == KINDS.last() && event.entry.expires == Timestamp::MAX
            };
            let left = self.shadow.open().find(|(_, event)| !forever(event));
            assert!(left.is_none(), "of {open} open events this one is stuck: {left:?}");
        }
    }

    fn tell(&mut self, input: Input) {
        self.shadow.now = self.now;
        let (mut effects, mut again) = (Vec::new(), Vec::new());
        self.engine.handle(self.now, input.clone(), &mut effects);
        self.twin.handle(self.now, input, &mut again);
        assert_eq!(effects, again, "the same seed and inputs give the same effects");
        for effect in effects {
            self.shadow.observe(&effect);
            match effect {
                Effect::Load { call, members } => self.works.push(Work::Load(call, members)),
                Effect::Begin { call, members } => self.works.push(Work::Begin(call, members)),
                Effect::Send { call, members } => {
                    self.works.extend([Work::Leave(call), Work::Send(call, members)]);
                }
                Effect::Seek { events } => self.works.push(Work::Seek(events)),
                Effect::Settle { settlement, changes, .. } => {
                    let superseded = changes.iter().filter(|change| change.status == Status::Superseded);
                    let superseded = superseded.map(|change| change.sequence).collect();
                    self.works.push(Work::Settle(settlement, superseded));
                }
                Effect::Alarm(_) => {}
            }
        }
        self.shadow.check();
        self.check();
    }

    /// What the engine says of itself agrees with the model.
    fn check(&self) {
        for sequence in self.shadow.events.keys() {
            let live = self.engine.live(self.now, *sequence);
            let stage = self.shadow.events[sequence].stage;
            assert_eq!(
                live.is_none(),
                matches!(stage, Stage::Ended(_) | Stage::Held),
                "{sequence}: {live:?}, {stage:?}"
            );
            let sending = live.is_some_and(|live| live.sending);
            assert_eq!(sending, matches!(stage, Stage::Called(_)), "{sequence}");
        }
        self.shadow.check_paused(&self.engine.paused(self.now));
        let counts = self.engine.counts();
        assert_eq!((counts.open, counts.calls, counts.settlements), self.shadow.counts());
        for at in 0..NUMBERS {
            let of_number = self.shadow.open().filter(|(_, event)| event.entry.business == business(at));
            assert_eq!(self.engine.open_of(business(at)), of_number.count());
        }
        let wake_ms = self.engine.next_wake(self.now);
        assert!(wake_ms.is_none_or(|ms| ms > self.now.elapsed_ms), "it wants to be woken at once, and again");
        assert!(wake_ms.is_none() || self.shadow.is_running(), "it wants to be woken and may do nothing");
    }

    fn wake(&mut self) {
        let Some(wake_ms) = self.engine.next_wake(self.now) else { return };
        let ms = wake_ms - self.now.elapsed_ms;
        self.pass(ms - 1);
        let (calls, works) = (self.engine.counts(), self.works.len());
        self.tell(Input::Tick);
        assert_eq!((calls, works), (self.engine.counts(), self.works.len()), "it had to be woken sooner");
        self.pass(1);
        self.tell(Input::Tick);
    }

    fn pass(&mut self, ms: u64) {
        self.now.elapsed_ms += ms;
        self.now.wall = self.now.wall.saturating_add(Duration::from_millis(ms));
    }

    fn accept(&mut self, entries: Vec<Entry>) {
        self.shadow.now = self.now;
        entries.iter().for_each(|entry| self.shadow.accept(*entry));
        self.tell(Input::Accepted(entries));
    }

    /// The journal takes an event up again when its end is committed; the engine may learn of the two in any order.
    fn redrive(&mut self, which: usize) {
        let ended = |entry: &&Entry| match self.stage(entry.sequence) {
            Some(Stage::Settling(settling)) => !settling.status.is_open(),
            Some(Stage::Ended(status)) => status.is_some(),
            Some(Stage::Held) => true,
            Some(Stage::Waiting | Stage::Called(_) | Stage::Interrupted(_)) | None => false,
        };
        if let Some(entry) = pick(self.told.iter().filter(ended), which).copied() {
            self.next += 1;
            let expires = self.now.wall.saturating_add(Duration::from_hours(1));
            let (keeps_place, attempts) = self.shadow.dead_letter(entry.sequence);
            let order = if keeps_place { entry.order } else { 1_000 + self.next * 10 };
            let due = self.now.wall;
            let redriven =
                Entry { order, due, expires, attempts, interrupted: None, holds_lane: false, ..entry };
            self.accept(vec![redriven]);
        }
    }

    fn perform(&mut self, work: Work, how: &How) {
        let missing = |members: &[Sequence]| -> Vec<Sequence> {
            let gone = |at: usize| how.missing >> (at % 8) & 1 == 1;
            members.iter().enumerate().filter(|(at, _)| gone(*at)).map(|(_, sequence)| *sequence).collect()
        };
        self.shadow.now = self.now;
        let input = match work {
            Work::Load(call, members) => {
                let missing = missing(&members);
                let there: Vec<_> = members.iter().copied().filter(|one| !missing.contains(one)).collect();
                let fits = there.len().saturating_sub(how.left_over).max(1).min(there.len());
                let left_over = there[fits..].to_vec();
                let is_closed = |at: usize| how.closed >> (at % 8) & 1 == 1;
                let closed = there[..fits].iter().enumerate().filter(|(at, _)| is_closed(*at));
                let closed: Vec<_> = closed.map(|(_, sequence)| *sequence).collect();
                self.shadow.loaded(call, &missing, &left_over, &closed);
                Input::Loaded { call, missing, left_over, closed }
            }
            Work::Begin(call, members) => match missing(&members) {
                missing if missing.is_empty() => {
                    self.shadow.begun(call);
                    Input::Begun { call }
                }
                missing => {
                    self.shadow.loaded(call, &missing, &[], &[]);
                    Input::Loaded { call, missing, left_over: Vec::new(), closed: Vec::new() }
                }
            },
            Work::Send(call, members) => {
                let count = members.len().saturating_add_signed(isize::from(how.outcomes_off_by));
                let said = if how.together { &how.said[..1] } else { &how.said };
                let said = said.iter().cycle().take(count);
                let outcomes: Vec<_> = said.map(|said| said.at(self.now.wall)).collect();
                self.shadow.answered(call, &outcomes);
                Input::Answered { call, outcomes }
            }
            Work::Leave(call) => {
                self.shadow.left(call);
                Input::Left { call }
            }
            Work::Seek(events) => {
                let gone = missing(&events);
                let left = events.iter().copied().filter(|one| !gone.contains(one));
                let (found, unknown): (Vec<_>, Vec<_>) = left.partition(|one| how.is_found(*one));
                self.shadow.sought(&found, &unknown, &gone);
                Input::Sought { found, unknown, gone }
            }
            Work::Settle(settlement, superseded) => {
                let unlike = missing(&superseded);
                self.shadow.settled(settlement, &unlike);
                Input::Settled { settlement, unlike }
            }
        };
        self.tell(input);
    }

    /// Reports that cannot be: of calls and settlements that are not under way, or not at that point.
    fn stray(&mut self, id: u64) {
        let at = |what: fn(&Work) -> Option<u64>| self.works.iter().any(|work| what(work) == Some(id));
        let loads = at(|work| if let Work::Load(call, _) = work { Some(*call) } else { None });
        let begins = at(|work| if let Work::Begin(call, _) = work { Some(*call) } else { None });
        let sends = at(|work| if let Work::Send(call, _) = work { Some(*call) } else { None });
        let leaves = at(|work| if let Work::Leave(call) = work { Some(*call) } else { None });
        let settles =
            at(|work| if let Work::Settle(settlement, _) = work { Some(*settlement) } else { None });
        if !loads && !begins {
            self.tell(Input::Loaded {
                call: id,
                missing: self.told.iter().map(|told| told.sequence).collect(),
                left_over: Vec::new(),
                closed: Vec::new(),
            });
        }
        if !begins {
            self.tell(Input::Begun { call: id });
        }
        if !sends {
            self.tell(Input::Answered { call: id, outcomes: Vec::new() });
        }
        if !leaves {
            self.tell(Input::Left { call: id });
        }
        self.tell(Input::Sought {
            found: vec![10_000 + id],
            unknown: vec![20_000 + id],
            gone: vec![30_000 + id],
        });
        if !settles {
            self.tell(Input::Settled { settlement: id, unlike: Vec::new() });
        }
    }

    fn configure(&mut self, numbers: u8, calls_per_second_max: u32, token: u32, holds_lanes: bool) {
        let configured = (0..NUMBERS).filter(|at| numbers >> at & 1 == 1);
        let setups: Vec<_> = configured
            .map(|at| {
                let pair = u32::try_from(at / 2).unwrap();
                NumberSetup {
                    business: business(at),
                    waba: ScopeId(pair),
                    app: ScopeId(10 + pair / 2),
                    messages_credential: ScopeId(20 + pair + 10 * token),
                    conversions_credential: ScopeId(40 + token),
                    relay_credential: ScopeId(50 + token),
                    calls_per_second_max,
                    holds_lanes,
                    ..self.setup
                }
            })
            .collect();
        self.shadow.now = self.now;
        self.shadow.configure(&setups);
        self.tell(Input::Control(Control::Configure(setups)));
    }

    fn entry(&mut self, draft: &Draft) -> Entry {
        self.next += 1;
        let sequence = self.next;
        let expires = draft.expires_in_ms.map_or(Timestamp::MAX, |ms| shifted(self.now.wall, ms));
        Entry {
            sequence,
            order: if draft.late { 1_000 + sequence * 10 - 35 } else { 1_000 + sequence * 10 },
            business: business(draft.number),
            person_hash: draft.person + 100 * draft.number as u64,
            kind: KINDS[draft.kind],
            due: self.now.wall.saturating_add(Duration::from_millis(draft.due_in_ms)),
            expires,
            attempts: draft.attempts,
            interrupted: draft.interrupted.filter(|_| !draft.held),
            rank: draft.rank,
            holds_lane: draft.held,
            lacks: draft.lacks,
        }
    }

    fn stage(&self, sequence: Sequence) -> Option<Stage> {
        self.shadow.events.get(&sequence).map(|event| event.stage)
    }
}

fn pick<T>(items: impl Iterator<Item = T>, which: usize) -> Option<T> {
    let mut items: Vec<T> = items.collect();
    (!items.is_empty()).then(|| items.swap_remove(which % items.len()))
}

fn business(at: usize) -> PhoneNumber {
    PhoneNumber::from_u64(31_600_000_000 + at as u64).unwrap()
}
