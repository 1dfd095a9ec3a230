//! The world: virtual time, and what happens in it one thing after the other.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use laneway_engine::{Control, Effect, Input, Now, NumberSetup, Policy};
use laneway_journal::Sequence;
use laneway_model::{Person, PhoneNumber, Route, Timestamp};
use tempfile::TempDir;

use crate::Report;
use crate::clicks::Told;
use crate::clients::Post;
use crate::dice::{Dice, chance};
use crate::meta::{Meta, Request};
use crate::node::{Done, Node};
use crate::setting::{BEGINNING_MS, Setting, Trouble, is_steady, reconfigured};
use crate::shadow::{Known, Shadow};

/// Everything there is.
pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) dice: Dice,
    pub(crate) directory: TempDir,
    /// True time since the beginning, in milliseconds.
    pub(crate) at_ms: u64,
    /// How far the wall clock is from true time.
    wall_offset_ms: i64,
    /// How far the wall clock was set back, all steps together.
    set_back_ms: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    pub(crate) node: Option<Node>,
    pub(crate) lives: u64,
    pub(crate) meta: Meta,
    pub(crate) shadow: Shadow,
    pub(crate) posts: Vec<Post>,
    /// Clicks that happened, or will.
    pub(crate) told: Vec<Told>,
    /// The configuration in force, which outlives the process.
    pub(crate) setups: BTreeMap<PhoneNumber, NumberSetup>,
    /// Every rate that a number has had, with when it was set.
    pub(crate) rates: BTreeMap<PhoneNumber, Vec<(u64, u32)>>,
    /// Calls whose bytes have left and not arrived.
    flying: BTreeMap<u64, Request>,
    pub(crate) is_draining: bool,
    /// The last things that happened.
    pub(crate) trace: VecDeque<String>,
    digest: DefaultHasher,
    pub(crate) report: Report,
}

/// Something that happens at a moment.
#[derive(Debug)]
pub(crate) enum Happening {
    Act,
    Crash,
    Boot,
    SetClock(i64),
    Reconfigure,
    /// The auditor looks around; when draining, clients and operators finish what they began.
    Watch,
    Drain,
    Commit(u64),
    News(u64),
    Wake(u64),
    Done(u64, Done),
    /// The service tells of a click.
    Click(usize),
    /// The bytes of a call reach the service.
    Arrive(u64),
    /// A person's events are removed.
    Erase(Vec<Sequence>, Person),
}

/// How often the auditor looks around.
const WATCH_MS: u64 = 10_000;
/// What a drain may take beside what the clock was set back.
const DRAIN_MAX: Duration = Duration::from_hours(3);
/// How soon the untouched number's events are dealt with, beside what their own backoff takes.
const FLOW_MS: u64 = 30_000;
/// The longest sleep between two looks at the clocks.
const SLEEP_MAX_MS: u64 = 60_000;
/// Lines of the trace that are kept.
const TRACE_MAX: usize = 400;
/// For how long a rate that was in force excuses calls that were opened under it.
const RATE_MEMORY_MS: u64 = 120_000;

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let setting = Setting::new(&mut dice);
        let mut world = Self {
            meta: Meta::new(&setting),
            shadow: Shadow::new(setting.policy.clone()),
            setups: setting.numbers.iter().map(|setup| (setup.business, *setup)).collect(),
            directory: directory(),
            dice,
            at_ms: 0,
            wall_offset_ms: 0,
            set_back_ms: 0,
            queue: BTreeMap::new(),
            queued: 0,
            node: None,
            lives: 0,
            posts: Vec::new(),
            told: Vec::new(),
            rates: BTreeMap::new(),
            flying: BTreeMap::new(),
            is_draining: false,
            trace: VecDeque::new(),
            digest: DefaultHasher::new(),
            report: Report::default(),
            setting,
        };
        world.plan();
        world
    }

    /// Everything that is known from the beginning to happen.
    fn plan(&mut self) {
        self.note_rates();
        self.at(0, Happening::Boot);
        self.at(WATCH_MS, Happening::Watch);
        for _ in 0..self.setting.acts {
            let at_ms = self.dice.clients.u64(1..self.setting.length_ms);
            self.at(at_ms, Happening::Act);
        }
        for at_ms in self.setting.crashes.clone() {
            self.at(at_ms, Happening::Crash);
        }
        for (at_ms, by_ms) in self.setting.clock_steps.clone() {
            self.at(at_ms, Happening::SetClock(by_ms));
        }
        for at_ms in self.setting.reconfigurations.clone() {
            self.at(at_ms, Happening::Reconfigure);
        }
        self.at(self.setting.length_ms, Happening::Drain);
    }

    /// Lets everything happen until all is delivered or something is wrong.
    pub(crate) fn live(&mut self) {
        let drain_ms = u64::try_from(DRAIN_MAX.as_millis()).unwrap_or(u64::MAX);
        while let Some(((at_ms, _), happening)) = self.queue.pop_first() {
            self.at_ms = at_ms;
            self.shadow.clock.at_ms = at_ms;
            let is_quiet = matches!(happening, Happening::Wake(_) | Happening::Watch);
            if !is_quiet {
                self.note(|| format!("{happening:?}"));
            }
            self.happen(happening);
            if !self.shadow.problems.is_empty() || self.is_drained() {
                break;
            }
            if at_ms > self.setting.length_ms + drain_ms + self.set_back_ms {
                let left: Vec<_> = self.shadow.open().take(5).map(|(_, known)| known.clone()).collect();
                let counts = self.node.as_ref().map(|node| node.engine.counts());
                self.shadow.problems.push(format!("it does not drain: {counts:?}, {left:?}"));
                break;
            }
        }
        if self.shadow.problems.is_empty() {
            self.last_audit();
        }
        self.report.simulated = Duration::from_millis(self.at_ms);
        self.report.lives = self.lives;
        self.report.events = self.shadow.events.len() as u64;
        self.report.digest = self.digest.finish();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Act => self.act(),
            Happening::Crash => self.crash(),
            Happening::Boot => self.boot(),
            Happening::SetClock(by_ms) => self.set_clock(by_ms),
            Happening::Reconfigure => self.reconfigure(),
            Happening::Watch => self.watch(),
            Happening::Drain => self.drain(),
            Happening::Commit(life) if self.is_alive(life) => self.commit(),
            Happening::News(life) if self.is_alive(life) => self.take_news(),
            Happening::Wake(life) if self.is_alive(life) => self.wake(),
            Happening::Done(life, done) if self.is_alive(life) => self.take_report(done),
            Happening::Commit(_) | Happening::News(_) | Happening::Wake(_) | Happening::Done(..) => {}
            Happening::Click(at) => self.hear(at),
            Happening::Arrive(id) => self.arrive(id),
            Happening::Erase(sequences, person) => self.erase(sequences, person),
        }
    }

    /// Plans something for a moment.
    pub(crate) fn at(&mut self, at_ms: u64, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at_ms, self.queued), happening);
    }

    /// Plans something for later in this life of the process.
    pub(crate) fn soon(&mut self, most_ms: u64, what: impl FnOnce(u64) -> Happening) {
        let at_ms = self.at_ms + self.dice.delays.u64(..=most_ms);
        self.at(at_ms, what(self.lives));
    }

    pub(crate) fn now(&self) -> Now {
        let booted_ms = self.node.as_ref().map_or(0, |node| node.booted_ms);
        Now { elapsed_ms: 1_000 + self.at_ms - booted_ms, wall: self.wall() }
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_millis((BEGINNING_MS + self.at_ms).saturating_add_signed(self.wall_offset_ms))
    }

    fn is_alive(&self, life: u64) -> bool {
        self.node.as_ref().is_some_and(|node| node.life == life)
    }

    /// Whether nothing can be stored at the moment.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.meta.troubles(self.at_ms).any(|window| window.trouble == Trouble::DiskFull)
    }

    /// Keeps a line for whoever looks for what went wrong, and makes it part of the digest.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>9} {}", self.at_ms, line());
        line.hash(&mut self.digest);
        if self.trace.len() == TRACE_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }
}

// What happens to the process.
impl World {
    /// The process ends. Bytes that were on their way arrive now or never.
    pub(crate) fn crash(&mut self) {
        if self.is_draining || self.node.take().is_none() {
            return;
        }
        self.note(|| "the process has ended".to_owned());
        for (_, request) in std::mem::take(&mut self.flying) {
            if chance(&mut self.dice.meta, 500) {
                self.reaches_the_service(&request);
            }
        }
        let down_ms = 50 + self.dice.crashes.u64(..60_000);
        self.at(self.at_ms + down_ms, Happening::Boot);
    }

    fn set_clock(&mut self, by_ms: i64) {
        if self.is_draining {
            return;
        }
        self.wall_offset_ms += by_ms;
        self.set_back_ms += by_ms.min(0).unsigned_abs();
        self.shadow.clock.set_ahead_ms += by_ms.max(0).unsigned_abs();
        self.tell(Input::Tick);
    }

    fn reconfigure(&mut self) {
        if self.is_draining {
            return;
        }
        let mut setups = BTreeMap::new();
        for setup in self.setting.numbers.clone() {
            let fresh =
                reconfigured(&mut self.dice.setting, self.setups.get(&setup.business).unwrap_or(&setup));
            if is_steady(&setup) || !chance(&mut self.dice.setting, 150) {
                setups.insert(setup.business, fresh);
            }
        }
        self.configure(setups);
    }

    fn configure(&mut self, setups: BTreeMap<PhoneNumber, NumberSetup>) {
        self.setups = setups;
        self.note_rates();
        let setups: Vec<_> = self.setups.values().copied().collect();
        self.note(|| format!("{setups:?}"));
        if let Some(node) = &mut self.node {
            node.setups = self.setups.clone();
            node.last_setups.extend(self.setups.clone());
        }
        self.shadow.reconfigured();
        self.tell(Input::Control(Control::Configure(setups)));
    }

    fn note_rates(&mut self) {
        for setup in self.setups.values() {
            let rates = self.rates.entry(setup.business).or_default();
            rates.push((self.at_ms, setup.calls_per_second_max));
        }
    }

    /// The highest rate of the number that a call which leaves now may have been opened under.
    pub(crate) fn rate_of(&self, business: PhoneNumber) -> u32 {
        let rates = self.rates.get(&business).map_or(&[][..], Vec::as_slice);
        let first =
            rates.iter().rposition(|(since_ms, _)| since_ms + RATE_MEMORY_MS <= self.at_ms).unwrap_or(0);
        rates[first..].iter().map(|(_, rate)| *rate).max().unwrap_or(0)
    }

    /// From now on nothing goes wrong any more; and every number is configured.
    fn drain(&mut self) {
        self.is_draining = true;
        self.meta.recover();
        let mut setups = self.setups.clone();
        for setup in &self.setting.numbers {
            setups.entry(setup.business).or_insert(*setup);
        }
        self.configure(setups);
    }

    fn wake(&mut self) {
        if let Some(node) = self.node.as_mut().filter(|node| node.wake_ms == Some(self.at_ms)) {
            node.wake_ms = None;
            self.tell(Input::Tick);
        }
    }

    /// Plans the next look at the clocks, as the engine wants it.
    pub(crate) fn plan_wake(&mut self) {
        let now = self.now();
        let Some(node) = &mut self.node else { return };
        let wanted = node.engine.next_wake(now).map(|wake_ms| wake_ms.saturating_sub(now.elapsed_ms));
        let at_ms = self.at_ms + wanted.unwrap_or(SLEEP_MAX_MS).min(SLEEP_MAX_MS);
        if node.wake_ms.is_none_or(|planned_ms| at_ms < planned_ms) {
            node.wake_ms = Some(at_ms);
            let life = node.life;
            self.at(at_ms, Happening::Wake(life));
        }
    }

    /// Tells the engine, and performs what follows, and what follows from that.
    pub(crate) fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut effects: Vec<Effect> = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let now = self.now();
            let Some(node) = &mut self.node else { return };
            node.engine.handle(now, input, &mut effects);
            for effect in std::mem::take(&mut effects) {
                if !self.is_draining && chance(&mut self.dice.crashes, self.setting.dies_before_effect) {
                    self.crash();
                    return;
                }
                inputs.extend(self.perform(effect));
            }
        }
        self.plan_wake();
    }
}

// The service, and what the auditor sees.
impl World {
    /// A call's bytes leave.
    pub(crate) fn leaves(&mut self, request: Request) {
        self.queued += 1;
        let id = self.queued;
        self.flying.insert(id, request);
        let at_ms = self.at_ms + 5 + self.dice.delays.u64(..200);
        self.at(at_ms, Happening::Arrive(id));
    }

    fn arrive(&mut self, id: u64) {
        let Some(request) = self.flying.remove(&id) else { return };
        let (outcomes, answer_ms) = self.reaches_the_service(&request);
        let done = Done::Answered(request.call, outcomes);
        self.at(self.at_ms + answer_ms, Happening::Done(request.life, done));
    }

    fn reaches_the_service(&mut self, request: &Request) -> (Vec<laneway_model::Outcome>, u64) {
        let wall = self.wall();
        let dealt = self.meta.take(self.at_ms, wall, request, &mut self.dice.meta);
        self.report.calls += 1;
        self.report.relays += u64::from(request.route == Route::Cm);
        self.note(|| format!("the service: {dealt:?}"));
        for at in &dealt.applied {
            self.shadow.applied(request.members[*at].sequence);
        }
        (dealt.outcomes, dealt.answer_ms)
    }

    fn watch(&mut self) {
        self.at(self.at_ms + WATCH_MS, Happening::Watch);
        let disk_full = self.setting.windows.iter().filter(|window| window.trouble == Trouble::DiskFull);
        let stored_since =
            disk_full.filter(|window| window.from_ms <= self.at_ms).map(|window| window.to_ms).max();
        if let Some(node) = &self.node {
            let up_since_ms = node.booted_ms.max(stored_since.unwrap_or_default());
            let (untouched, half) = (self.setting.numbers[0].business, self.setting.half);
            let half = half.and_then(|half| Some((half, self.setups.get(&half.business)?)));
            let is_whole = |known: &Known| {
                half.is_some_and(|(half, setup)| {
                    known.business == half.business
                        && setup.relayed.contains(known.kind) == (half.broken == Route::Meta)
                })
            };
            let is_untouched = |known: &Known| known.business == untouched || is_whole(known);
            let slack_ms = FLOW_MS + self.set_back_ms;
            self.shadow.flows(is_untouched, up_since_ms, self.at_ms, slack_ms);
            self.shadow.waits(up_since_ms, slack_ms);
        }
        self.look_at_pauses();
        if self.is_draining {
            self.finish_up();
        }
    }

    pub(crate) fn look_at_pauses(&mut self) {
        let now = self.now();
        if let Some(node) = &self.node {
            self.shadow.paused(&node.engine.paused(now));
        }
    }

    fn is_drained(&self) -> bool {
        let Some(node) = self.node.as_ref().filter(|_| self.is_draining) else { return false };
        let counts = node.engine.counts();
        counts.open + counts.calls + counts.settlements == 0
            && node.writes.is_empty()
            && node.feed.is_empty()
            && self.is_finished_up()
            && self.shadow.open().next().is_none()
    }

    /// The policy of the engine's next life.
    pub(crate) fn policy(&self) -> Policy {
        self.setting.policy.clone()
    }
}

/// A place for the journal's files: in memory where the machine has one.
fn directory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap_or_else(|problem| panic!("no place for a journal: {problem}"))
}
