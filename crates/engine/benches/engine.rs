//! How much memory an open event takes, and how many events a second the engine can take in and let go.
//!
//! 4,000,000 open events of 100,000 persons on 1,000 business numbers, half of them on one number: the named limits of a
//! node. `cargo bench -p laneway-engine`; `cargo bench -p laneway-engine -- 100000` takes that many events instead.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a bench measures time and memory from outside, and prints"
)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use laneway_engine::{
    Control, Effect, Engine, Entry, Input, KindSet, Now, NumberSetup, Policy, ScopeId, Sequence,
};
use laneway_model::{EventKind, Outcome, PhoneNumber, Timestamp};

const NUMBERS: u64 = 1_000;
const PERSONS: u64 = 100_000;
/// Events that are accepted together, as by the journal's group commit.
const BATCH: u64 = 256;

fn main() {
    // `cargo bench` adds arguments of its own.
    let count = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(4_000_000);
    backlog(count);
    expiry(count.min(1_000_000));
    steady(count.min(2_000_000));
}

/// The open set is loaded, and then everything in it is sent.
fn backlog(count: u64) {
    let mut node = Node::new();
    let before = resident_bytes();
    let loading = Instant::now();
    node.accept(1..=count);
    let took = loading.elapsed();
    let bytes = resident_bytes().saturating_sub(before) / count;
    assert_eq!(node.engine.counts().open as u64, count);
    println!("load      {count} events, {bytes} bytes each, {} accepts/s", per_second(count, took));
    let sending = Instant::now();
    node.tell(Input::Control(Control::Start));
    let took = sending.elapsed();
    assert_eq!((node.engine.counts().open, node.settled), (0, count));
    println!("drain     {} settled/s out of the backlog, instant answers", per_second(count, took));
}

/// As many events end at one moment as the wall clock's step allows.
fn expiry(count: u64) {
    let mut node = Node::new();
    node.tell(Input::Control(Control::Configure(Vec::new())));
    node.tell(Input::Control(Control::Start));
    node.accept(1..=count);
    node.now.wall = node.now.wall.saturating_add(Duration::from_hours(24 * 30));
    let mut effects = Vec::new();
    let expiring = Instant::now();
    node.engine.handle(node.now, Input::Tick, &mut effects);
    let took = expiring.elapsed();
    println!("expiry    {count} events at once: {} ms, {} settlements", took.as_millis(), effects.len());
}

/// Events are sent as they come.
fn steady(count: u64) {
    let mut node = Node::new();
    node.tell(Input::Control(Control::Start));
    let running = Instant::now();
    node.accept(1..=count);
    let took = running.elapsed();
    assert_eq!((node.engine.counts().open, node.settled), (0, count));
    println!("steady    {} events/s from accepted to settled, instant answers", per_second(count, took));
}

/// An engine whose effects are performed at once.
struct Node {
    engine: Engine,
    now: Now,
    inputs: VecDeque<Input>,
    settled: u64,
}

impl Node {
    fn new() -> Self {
        let now = Now { elapsed_ms: 0, wall: Timestamp::from_secs(1_800_000_000) };
        let engine = Engine::new(Policy::events(), 1);
        let mut node = Self { engine, now, inputs: VecDeque::new(), settled: 0 };
        let setups = (0..NUMBERS).map(|number| NumberSetup {
            business: business(number),
            waba: ScopeId(0),
            app: ScopeId(1),
            messages_credential: ScopeId(2),
            conversions_credential: ScopeId(3),
            relay_credential: ScopeId(0),
            calls_per_second_max: u32::MAX,
            conversions_per_call_max: 500,
            relayed: KindSet::NONE,
            hold_lost: KindSet::NONE,
            holds_lanes: false,
        });
        node.tell(Input::Control(Control::Configure(setups.collect())));
        node
    }

    fn accept(&mut self, sequences: std::ops::RangeInclusive<Sequence>) {
        let mut entries = Vec::new();
        for sequence in sequences {
            entries.push(self.entry(sequence));
            if entries.len() as u64 == BATCH {
                self.tell(Input::Accepted(std::mem::take(&mut entries)));
                self.now.elapsed_ms += 1;
                self.now.wall = self.now.wall.saturating_add(Duration::from_millis(1));
            }
        }
        self.tell(Input::Accepted(entries));
    }

    fn entry(&self, sequence: Sequence) -> Entry {
        let number = if sequence.is_multiple_of(2) { 0 } else { sequence / 2 % NUMBERS };
        let kind = match sequence % 10 {
            0..=5 => EventKind::MarkAsRead.code(),
            6 => EventKind::Block.code(),
            7 => EventKind::UnBlock.code(),
            _ => EventKind::parse("Purchase").expect("a conversion").code(),
        };
        let hours = if kind == EventKind::MarkAsRead.code() { 24 } else { 24 * 7 };
        Entry {
            sequence,
            order: sequence,
            business: business(number),
            person_hash: number * PERSONS + sequence.wrapping_mul(0x9E37_79B9) % PERSONS,
            kind,
            due: self.now.wall,
            expires: self.now.wall.saturating_add(Duration::from_hours(hours)),
            attempts: 0,
            interrupted: None,
            rank: 0,
            holds_lane: false,
            lacks: false,
        }
    }

    fn tell(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.engine.handle(self.now, input, &mut effects);
            for effect in effects.drain(..) {
                let answer = match effect {
                    Effect::Load { call, .. } => {
                        Input::Loaded { call, missing: Vec::new(), left_over: Vec::new(), closed: Vec::new() }
                    }
                    Effect::Begin { call, .. } => Input::Begun { call },
                    Effect::Send { call, members } => {
                        Input::Answered { call, outcomes: vec![Outcome::Confirmed; members.len()] }
                    }
                    Effect::Settle { settlement, changes, .. } => {
                        self.settled += changes.len() as u64;
                        Input::Settled { settlement, unlike: Vec::new() }
                    }
                    Effect::Alarm(_) | Effect::Seek { .. } => continue,
                };
                self.inputs.push_back(answer);
            }
        }
    }
}

fn business(number: u64) -> PhoneNumber {
    PhoneNumber::from_u64(31_600_000_000 + number).expect("a telephone number")
}

/// What the process holds in memory now, from `/proc`; 0 where there is none.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or_default()
        * 1024
}

fn per_second(count: u64, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64()) as u64
}
