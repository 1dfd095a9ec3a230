//! What can happen to an engine.

use std::time::Duration;

use laneway_engine::{KindSet, NumberSetup, Policy, ScopeId};
use laneway_model::{EventKind, Failure, FailureClass, Outcome, PhoneNumber, Scope, Timestamp};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// The business numbers that events name. The last one is never configured but in the end.
pub(crate) const NUMBERS: usize = 5;

/// Kinds that events have; the last one is not in the policy.
pub(crate) const KINDS: [u8; 7] = [1, 2, 3, 4, 101, 102, 250];

/// How an engine is set up for a run.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    seed: u64,
    hold_lost: bool,
    holds_lanes: bool,
    /// Kinds that are relayed, as a mask over [`KINDS`].
    relayed: u8,
    calls_in_flight_max: usize,
    window_start: u32,
    group_max: usize,
    blocks_begin: bool,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Accept(Vec<Draft>),
    /// An event that was told is told once more.
    TellAgain(usize),
    /// An event that ended is tried anew.
    Redrive(usize),
    /// Both clocks go on.
    Pass(u64),
    /// The wall clock is set.
    SetWall(i64),
    /// Time passes until the engine wants to be woken.
    Wake,
    /// One of the engine's effects is performed and reported.
    Work {
        which: usize,
        how: How,
    },
    /// A report about nothing that the engine knows.
    Stray(u64),
    Configure {
        numbers: u8,
        calls_per_second_max: u32,
        token: u32,
        holds_lanes: bool,
        /// Kinds that are relayed from now on, if that changes.
        relayed: Option<u8>,
    },
    Discard(Vec<usize>),
    /// There is news of what events lack.
    Seek(Vec<usize>),
    Start,
    Stop,
}

/// How an effect turns out.
#[derive(Clone, Debug)]
pub(crate) struct How {
    /// Members that are gone, as a mask; or events that are unlike those which were to supersede them.
    pub(crate) missing: u8,
    /// How many members the call has no room for; at least one always fits.
    pub(crate) left_over: usize,
    /// Members that the service must refuse by now, as a mask.
    pub(crate) closed: u8,
    /// Events of which it is found what they lack, as a mask.
    pub(crate) found: u8,
    /// Whether the first outcome is said of all members.
    pub(crate) together: bool,
    /// Said of the members in turn.
    pub(crate) said: Vec<Said>,
    /// Outcomes that are lacking, or too many.
    pub(crate) outcomes_off_by: i8,
}

/// An outcome, with an instant that is only known when it is told.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    outcome: Outcome,
    throttled_for_ms: Option<i64>,
}

/// An event to be accepted.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: usize,
    pub(crate) number: usize,
    pub(crate) person: u64,
    pub(crate) due_in_ms: u64,
    pub(crate) expires_in_ms: Option<i64>,
    pub(crate) attempts: u32,
    pub(crate) interrupted: Option<u64>,
    /// Whether it belongs before events that came earlier.
    pub(crate) late: bool,
    /// Whether it is a dead letter that holds its lane.
    pub(crate) held: bool,
    pub(crate) rank: u64,
    /// Whether it lacks something.
    pub(crate) lacks: bool,
}

impl Setting {
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = Policy::events();
        for (code, kind) in &mut policy.kinds {
            kind.group_max = self.group_max;
            kind.begin |= self.blocks_begin && *code == EventKind::Block.code();
        }
        policy.limits.calls_in_flight_max = self.calls_in_flight_max;
        policy.limits.window_start = self.window_start;
        policy.limits.window_max = 8;
        policy
    }

    /// How every number is set up, but for what is its own.
    pub(crate) fn number(&self) -> NumberSetup {
        let conversions = KINDS.iter().copied().filter(|kind| self.hold_lost && *kind > 100);
        NumberSetup {
            business: PhoneNumber::from_u64(31_600_000_000).unwrap(),
            waba: ScopeId(0),
            app: ScopeId(0),
            messages_credential: ScopeId(0),
            conversions_credential: ScopeId(0),
            relay_credential: ScopeId(0),
            calls_per_second_max: 5,
            conversions_per_call_max: 3,
            relayed: masked(self.relayed),
            hold_lost: if self.hold_lost { conversions.collect() } else { KindSet::NONE },
            holds_lanes: self.holds_lanes,
        }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }
}

/// The kinds that a mask over [`KINDS`] names.
pub(crate) fn masked(mask: u8) -> KindSet {
    KINDS.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, kind)| *kind).collect()
}

impl How {
    pub(crate) const fn is_found(&self, sequence: u64) -> bool {
        self.found >> (sequence % 8) & 1 == 1
    }
}

impl Said {
    pub(crate) const CONFIRMED: Self = Self { outcome: Outcome::Confirmed, throttled_for_ms: None };

    /// The outcome, told now.
    pub(crate) fn at(&self, wall: Timestamp) -> Outcome {
        let mut outcome = self.outcome.clone();
        if let (Outcome::Failed(Failure { class: FailureClass::Throttled { until }, .. }), Some(ms)) =
            (&mut outcome, self.throttled_for_ms)
        {
            *until = Some(shifted(wall, ms));
        }
        outcome
    }
}

pub(crate) fn shifted(at: Timestamp, ms: i64) -> Timestamp {
    let by = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 { at.saturating_sub(by) } else { at.saturating_add(by) }
}

pub(crate) fn setting() -> impl Strategy<Value = Setting> {
    let relayed = prop_oneof![3 => Just(0_u8), 1 => any::<u8>()];
    let numbers = (any::<bool>(), any::<bool>(), relayed);
    (any::<u64>(), numbers, 1..9_usize, 1..5_u32, 1..7_usize, any::<bool>()).prop_map(
        |(seed, numbers, calls_in_flight_max, window_start, group_max, blocks_begin)| {
            let (hold_lost, holds_lanes, relayed) = numbers;
            Setting {
                seed,
                hold_lost,
                holds_lanes,
                relayed,
                calls_in_flight_max,
                window_start,
                group_max,
                blocks_begin,
            }
        },
    )
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let relayed = prop_oneof![3 => Just(None), 2 => any::<u8>().prop_map(Some), 1 => Just(Some(0))];
    let configure = (any::<u8>(), 1..6_u32, 0..2_u32, any::<bool>(), relayed).prop_map(
        |(numbers, calls_per_second_max, token, holds_lanes, relayed)| Step::Configure {
            numbers,
            calls_per_second_max,
            token,
            holds_lanes,
            relayed,
        },
    );
    prop_oneof![
        16 => vec(draft(), 1..6).prop_map(Step::Accept),
        1 => any::<usize>().prop_map(Step::TellAgain),
        3 => any::<usize>().prop_map(Step::Redrive),
        5 => passing().prop_map(Step::Pass),
        1 => (-9_000_000..9_000_000_i64).prop_map(Step::SetWall),
        5 => Just(Step::Wake),
        40 => (any::<usize>(), how()).prop_map(|(which, how)| Step::Work { which, how }),
        1 => (0..40_u64).prop_map(Step::Stray),
        1 => configure,
        2 => vec(any::<usize>(), 1..5).prop_map(Step::Discard),
        2 => vec(any::<usize>(), 1..5).prop_map(Step::Seek),
        4 => Just(Step::Start),
        1 => prop::bool::weighted(0.1).prop_map(|stop| if stop { Step::Stop } else { Step::Wake }),
    ]
}

fn passing() -> impl Strategy<Value = u64> {
    prop_oneof![0..2_u64, 0..1_500_u64, 0..40_000_u64, 0..700_000_u64]
}

fn draft() -> impl Strategy<Value = Draft> {
    let due_in_ms = prop_oneof![4 => Just(0_u64), 1 => 0..5_000_u64, 1 => Just(1_500_u64)];
    let expires_in_ms = prop_oneof![
        1 => Just(None),
        2 => (-100..60_000_i64).prop_map(Some),
        // Exactly when an event is due, or would be tried again.
        2 => prop_oneof![Just(Some(1_500)), Just(Some(5_000)), Just(Some(300_000))],
        2 => (60_000..90_000_000_i64).prop_map(Some),
    ];
    let attempts = prop_oneof![4 => Just(0_u32), 1 => 0..400_u32];
    let interrupted = of(prop::bool::weighted(0.1)).prop_map(|some| some.filter(|some| *some));
    let interrupted = (interrupted, 0..3_u64).prop_map(|(some, call)| some.map(|_| call));
    let rare = (prop::bool::weighted(0.1), prop::bool::weighted(0.03), 0..4_u64, prop::bool::weighted(0.3));
    let who = (0..KINDS.len(), 0..NUMBERS, 0..3_u64);
    (who, due_in_ms, expires_in_ms, attempts, interrupted, rare).prop_map(
        |((kind, number, person), due_in_ms, expires_in_ms, attempts, interrupted, rare)| {
            let (late, held, rank, lacks) = rare;
            Draft {
                kind,
                number,
                person,
                due_in_ms,
                expires_in_ms,
                attempts,
                interrupted,
                late,
                held,
                rank,
                lacks,
            }
        },
    )
}

fn how() -> impl Strategy<Value = How> {
    let missing = prop_oneof![6 => Just(0_u8), 1 => any::<u8>()];
    let left_over = prop_oneof![6 => Just(0_usize), 1 => 0..4_usize];
    let closed = prop_oneof![8 => Just(0_u8), 1 => any::<u8>()];
    let off_by = prop_oneof![8 => Just(0_i8), 1 => -2..3_i8];
    (missing, left_over, closed, any::<u8>(), any::<bool>(), vec(said(), 1..4), off_by).prop_map(
        |(missing, left_over, closed, found, together, said, outcomes_off_by)| How {
            missing,
            left_over,
            closed,
            found,
            together,
            said,
            outcomes_off_by,
        },
    )
}

fn said() -> impl Strategy<Value = Said> {
    let class = prop_oneof![
        Just(FailureClass::NotSent),
        Just(FailureClass::Unknown),
        Just(FailureClass::Throttled { until: None }),
        Just(FailureClass::Transient),
        Just(FailureClass::Rejected),
        Just(FailureClass::RefusedTogether),
        Just(FailureClass::RefusedTogether),
        Just(FailureClass::Doubtful),
        Just(FailureClass::Unauthorized),
    ];
    let scope = prop_oneof![
        4 => Just(Scope::Event),
        1 => Just(Scope::NumberFamily),
        1 => Just(Scope::Number),
        1 => Just(Scope::Waba),
        1 => Just(Scope::Credential),
        1 => Just(Scope::App),
    ];
    let failed = (class, scope, of(-5_000..90_000_i64)).prop_map(|(class, scope, throttled_for_ms)| Said {
        outcome: Outcome::Failed(Failure { class, scope, code: None, subcode: None, detail: String::new() }),
        throttled_for_ms,
    });
    prop_oneof![2 => Just(Said::CONFIRMED), 5 => failed]
}
