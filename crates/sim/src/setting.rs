//! What one world is like: its numbers, its limits, and everything that will go wrong in it, all from the seed.

use fastrand::Rng;
use laneway_engine::{KindSet, NumberSetup, Policy, ScopeId};
use laneway_model::{EventKind, Family, PhoneNumber, Route, Scope};

use crate::dice::{Dice, chance, pick};

/// The moment at which every world begins: a wall-clock instant in milliseconds.
pub(crate) const BEGINNING_MS: u64 = 1_800_000_000_000;

/// One world.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) policy: Policy,
    /// The first is the untouched one: nothing goes wrong with it, and it shares nothing with the others.
    pub(crate) numbers: Vec<NumberSetup>,
    /// The second number may be half untouched: nothing goes wrong with what it sends on one of the two ways.
    pub(crate) half: Option<Half>,
    pub(crate) persons: u64,
    /// How long clients act and things go wrong; then everything must drain.
    pub(crate) length_ms: u64,
    /// How many times clients and operators act.
    pub(crate) acts: usize,
    /// Persons of all numbers that something goes wrong with on both ways share this many hashes, so that unlike persons meet
    /// in one lane.
    pub(crate) hashes: Option<u64>,
    /// Rows that the feed holds.
    pub(crate) feed_rows: usize,
    /// Bytes of members that one call's body has room for.
    pub(crate) body_bytes_max: usize,
    /// How often, of a thousand effects, the process ends just before one.
    pub(crate) dies_before_effect: u32,
    pub(crate) crashes: Vec<u64>,
    /// When the wall clock is set, and by how many milliseconds.
    pub(crate) clock_steps: Vec<(u64, i64)>,
    pub(crate) reconfigurations: Vec<u64>,
    /// Of a thousand conversions, how many lack their click ids.
    pub(crate) lacking: u32,
    /// Which of several clicks counts.
    pub(crate) takes_newest_click: bool,
    pub(crate) rates: Rates,
    pub(crate) windows: Vec<Window>,
}

/// A number with which nothing goes wrong but on one way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half {
    pub(crate) business: PhoneNumber,
    /// The way on which it does.
    pub(crate) broken: Route,
}

/// How often, of a thousand calls, the service does this.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) not_sent: u32,
    pub(crate) cut_before: u32,
    pub(crate) cut_after: u32,
    pub(crate) transient: u32,
    /// Only for single persons of a block call.
    pub(crate) one_fails: u32,
    /// It says yes and does nothing.
    pub(crate) lies: u32,
    /// It takes some of a conversion call and tells only how many.
    pub(crate) some_received: u32,
    /// Of a thousand events, how many nobody would accept.
    pub(crate) bad_events: u32,
}

/// Trouble that lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// On which way; on both if none is named.
    pub(crate) route: Option<Route>,
    pub(crate) trouble: Trouble,
}

/// What is wrong meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Of this number, most calls come to nothing.
    Outage(PhoneNumber),
    /// Answers take many seconds; some too many.
    Slow(PhoneNumber),
    /// What shares this scope with the number is throttled.
    Throttle(PhoneNumber, Scope, Named),
    /// The token for this way does not work.
    DeadToken(Route, ScopeId),
    /// The number lacks a permission.
    NoPermission(PhoneNumber, Family),
    /// Nothing can be stored.
    DiskFull,
}

/// Whether a throttle says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Yes,
    No,
}

/// The ids of scopes that the untouched number and the half untouched one have for themselves.
const ITS_OWN: [ScopeId; 2] = [ScopeId(900), ScopeId(901)];

pub(crate) fn business(at: u64) -> PhoneNumber {
    PhoneNumber::from_u64(31_600_000_000 + at).expect("eleven digits are a number")
}

impl Setting {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let random = &mut dice.setting;
        let minutes = pick(random, &[3, 10, 30, 120, 360]);
        let length_ms = minutes * 60_000;
        let count = random.u64(2..=6);
        let mut numbers: Vec<_> = (0..count).map(|at| number(random, at)).collect();
        let half = half(&mut dice.routes, &mut numbers[1]);
        let moments = |random: &mut Rng, most: usize| -> Vec<u64> {
            let count = random.usize(..=most);
            (0..count).map(|_| random.u64(1..length_ms)).collect()
        };
        let crashes = moments(random, 8);
        let reconfigurations = moments(random, 4);
        let clock_steps = moments(random, 3).into_iter().map(|at| (at, step(random))).collect();
        let windows = moments(random, 12).into_iter().map(|from_ms| {
            let longest = pick(random, &[2_000, 20_000, 120_000, 900_000]);
            let to_ms = (from_ms + random.u64(500..longest)).min(length_ms);
            window(random, &mut dice.routes, (from_ms, to_ms), &numbers, half)
        });
        let windows = windows.collect();
        Self {
            policy: policy(random),
            persons: random.u64(1..8),
            length_ms,
            acts: random.usize(10..120),
            hashes: chance(random, 200).then(|| random.u64(1..4)),
            feed_rows: pick(random, &[2, 20, 10_000]),
            body_bytes_max: pick(random, &[60, 400, 1_000_000]),
            dies_before_effect: pick(random, &[0, 0, 1, 8]),
            crashes,
            clock_steps,
            reconfigurations,
            lacking: pick(&mut dice.clicks, &[0, 100, 500]),
            takes_newest_click: chance(&mut dice.clicks, 500),
            rates: rates(random),
            windows,
            numbers,
            half,
        }
    }
}

/// A step of at most an hour, ahead or back.
fn step(random: &mut Rng) -> i64 {
    let largest = pick(random, &[1_000, 70_000, 3_600_000]);
    random.i64(-largest..=largest)
}

fn policy(random: &mut Rng) -> Policy {
    let mut policy = Policy::events();
    policy.limits.calls_in_flight_max = pick(random, &[64, 4096]);
    policy.limits.window_start = pick(random, &[1, 8]);
    let blocks = pick(random, &[1, 3, 1000]);
    for kind in [EventKind::Block, EventKind::UnBlock] {
        policy.kinds.entry(kind.code()).and_modify(|policy| policy.group_max = blocks);
    }
    policy
}

fn rates(random: &mut Rng) -> Rates {
    if chance(random, 250) {
        return Rates::default();
    }
    let mut rate = |most: u32| if chance(random, 500) { 0 } else { random.u32(..most) };
    Rates {
        not_sent: rate(60),
        cut_before: rate(60),
        cut_after: rate(100),
        transient: rate(150),
        one_fails: rate(200),
        lies: rate(30),
        some_received: rate(40),
        bad_events: rate(200),
    }
}

/// A number's first setup: the others share accounts, apps and tokens among them.
fn number(random: &mut Rng, at: u64) -> NumberSetup {
    let some: KindSet = EventKind::all().filter(|_| chance(random, 200)).map(EventKind::code).collect();
    let shared = |random: &mut Rng, base: u32| ScopeId(base + random.u32(..2));
    let setup = NumberSetup {
        business: business(at),
        waba: shared(random, 0),
        app: shared(random, 10),
        messages_credential: shared(random, 20),
        conversions_credential: shared(random, 22),
        // The same ids as Meta's tokens have, of which it is none.
        relay_credential: shared(random, 20),
        calls_per_second_max: pick(random, &[1, 5, 80]),
        conversions_per_call_max: pick(random, &[1, 4, 500]),
        relayed: if chance(random, 350) { some } else { KindSet::NONE },
        hold_lost: if chance(random, 300) { some } else { KindSet::NONE },
        holds_lanes: chance(random, 300),
    };
    if at > 0 {
        return setup;
    }
    NumberSetup { relayed: KindSet::NONE, hold_lost: KindSet::NONE, ..alone(setup, ITS_OWN[0]) }
}

/// A number that shares nothing with others.
fn alone(setup: NumberSetup, id: ScopeId) -> NumberSetup {
    NumberSetup {
        waba: id,
        app: id,
        messages_credential: id,
        conversions_credential: id,
        relay_credential: id,
        calls_per_second_max: 80,
        ..setup
    }
}

/// In half the worlds, the second number shares nothing and goes both ways, whole families one of them.
fn half(random: &mut Rng, setup: &mut NumberSetup) -> Option<Half> {
    let families = [Family::Messages, Family::Blocks, Family::Conversions];
    let (first, takes_one) = (pick(random, &families), chance(random, 500));
    let is_relayed = |kind: &EventKind| (kind.family() == first) == takes_one;
    let relayed = EventKind::all().filter(is_relayed).map(EventKind::code).collect();
    let broken = pick(random, &[Route::Meta, Route::Cm]);
    if chance(random, 500) {
        return None;
    }
    *setup = NumberSetup { relayed, ..alone(*setup, ITS_OWN[1]) };
    Some(Half { business: setup.business, broken })
}

/// Some trouble, on one of the ways or on both.
fn window(
    random: &mut Rng,
    routes: &mut Rng,
    (from_ms, to_ms): (u64, u64),
    numbers: &[NumberSetup],
    half: Option<Half>,
) -> Window {
    let setup = numbers[random.usize(1..numbers.len())];
    let trouble = trouble(random, &setup);
    let some = pick(routes, &[None, None, Some(Route::Meta), Some(Route::Cm)]);
    let Some(half) = half.filter(|half| half.business == setup.business) else {
        return Window { from_ms, to_ms, route: some, trouble };
    };
    let trouble = match trouble {
        Trouble::DeadToken(_, token) => Trouble::DeadToken(half.broken, token),
        Trouble::Outage(_)
        | Trouble::Slow(_)
        | Trouble::Throttle(..)
        | Trouble::NoPermission(..)
        | Trouble::DiskFull => trouble,
    };
    Window { from_ms, to_ms, route: Some(half.broken), trouble }
}

fn trouble(random: &mut Rng, setup: &NumberSetup) -> Trouble {
    let business = setup.business;
    let family = pick(random, &[Family::Messages, Family::Blocks, Family::Conversions]);
    let scope =
        pick(random, &[Scope::NumberFamily, Scope::Number, Scope::Waba, Scope::Credential, Scope::App]);
    match random.u32(..12) {
        0..3 => Trouble::Outage(business),
        3..5 => Trouble::Slow(business),
        5..8 => Trouble::Throttle(business, scope, pick(random, &[Named::Yes, Named::No])),
        8 => Trouble::DeadToken(Route::Meta, setup.messages_credential),
        9 => {
            let conversions = Trouble::DeadToken(Route::Meta, setup.conversions_credential);
            pick(random, &[conversions, Trouble::DeadToken(Route::Cm, setup.relay_credential)])
        }
        10 => Trouble::NoPermission(business, family),
        _ => Trouble::DiskFull,
    }
}

/// Whether no configuration changes it.
pub(crate) fn is_steady(setup: &NumberSetup) -> bool {
    ITS_OWN.contains(&setup.waba)
}

/// What a new configuration says of a number; the untouched one and the half untouched one stay as they are.
pub(crate) fn reconfigured(random: &mut Rng, setup: &NumberSetup) -> NumberSetup {
    if is_steady(setup) {
        return *setup;
    }
    let fresh = number(random, 1);
    let is_new_token = chance(random, 300);
    NumberSetup {
        business: setup.business,
        waba: setup.waba,
        app: setup.app,
        messages_credential: if is_new_token {
            ScopeId(random.u32(100..900))
        } else {
            setup.messages_credential
        },
        conversions_credential: setup.conversions_credential,
        relay_credential: setup.relay_credential,
        ..fresh
    }
}
