//! An hour without the service, with a long queue.

use std::collections::VecDeque;
use std::time::Duration;

use laneway_engine::{Control, Effect, Engine, Entry, Input, KindSet, Now, NumberSetup, Policy, ScopeId};
use laneway_model::{EventKind, Failure, FailureClass, Outcome, PhoneNumber, Scope, Timestamp};

const EVENTS: u64 = 5_000;
const HOUR_MS: u64 = 3_600_000;

/// Plays an hour in which every call fails at once in this way, then one in which all work; gives the calls of the first
/// minute and the most in any later minute of the first hour, and how many events are still open at the end.
fn play(class: FailureClass) -> (u32, u32, usize) {
    let mut engine = Engine::new(Policy::events(), 42);
    let start = Timestamp::from_secs(1_800_000_000);
    let business = PhoneNumber::from_u64(31_600_000_000).unwrap();
    let entries = (1..=EVENTS).map(|sequence| Entry {
        sequence,
        order: sequence,
        business,
        person_hash: sequence,
        kind: EventKind::MarkAsRead.code(),
        due: start,
        expires: start.saturating_add(Duration::from_hours(24)),
        attempts: 0,
        interrupted: None,
        rank: 0,
        holds_lane: false,
        lacks: false,
    });
    let setup = NumberSetup {
        business,
        waba: ScopeId(0),
        app: ScopeId(1),
        messages_credential: ScopeId(2),
        conversions_credential: ScopeId(2),
        relay_credential: ScopeId(3),
        calls_per_second_max: 80,
        conversions_per_call_max: 500,
        relayed: KindSet::NONE,
        hold_lost: KindSet::NONE,
        holds_lanes: false,
    };
    let mut inputs = VecDeque::from([
        Input::Accepted(entries.collect()),
        Input::Control(Control::Configure(vec![setup])),
        Input::Control(Control::Start),
    ]);
    let failed = Outcome::Failed(Failure {
        class,
        scope: Scope::Event,
        code: None,
        subcode: None,
        detail: String::new(),
    });
    let (mut now, mut effects) = (Now { elapsed_ms: 0, wall: start }, Vec::new());
    let mut calls_per_minute = [0_u32; 60];
    loop {
        while let Some(input) = inputs.pop_front() {
            engine.handle(now, input, &mut effects);
            for effect in effects.drain(..) {
                inputs.push_back(match effect {
                    Effect::Load { call, .. } => {
                        Input::Loaded { call, missing: Vec::new(), left_over: Vec::new(), closed: Vec::new() }
                    }
                    Effect::Begin { call, .. } => Input::Begun { call },
                    Effect::Send { call, .. } if now.elapsed_ms < HOUR_MS => {
                        calls_per_minute[usize::try_from(now.elapsed_ms / 60_000).unwrap()] += 1;
                        Input::Answered { call, outcomes: vec![failed.clone()] }
                    }
                    Effect::Send { call, .. } => Input::Answered { call, outcomes: vec![Outcome::Confirmed] },
                    Effect::Settle { settlement, .. } => Input::Settled { settlement, unlike: Vec::new() },
                    Effect::Seek { events } => panic!("{events:?} lack nothing"),
                    Effect::Alarm(alarm) => panic!("{alarm:?} although no credential was refused"),
                });
            }
        }
        let Some(wake_ms) = engine.next_wake(now).filter(|wake_ms| *wake_ms <= 2 * HOUR_MS) else { break };
        now = Now { elapsed_ms: wake_ms, wall: start.saturating_add(Duration::from_millis(wake_ms)) };
        inputs.push_back(Input::Tick);
    }
    let later = calls_per_minute[1..].iter().copied().max().unwrap();
    (calls_per_minute[0], later, engine.counts().open)
}

#[test]
fn a_service_that_is_out_is_asked_a_few_times_a_minute_and_everything_leaves_when_it_is_back() {
    for class in [FailureClass::NotSent, FailureClass::Unknown, FailureClass::Transient] {
        let (first, later, open) = play(class);
        println!("{class:?}: {first} calls in the first minute, at most {later} in a later one");
        assert!(first <= 40, "{class:?}: {first} calls in the first minute");
        assert!((1..=10).contains(&later), "{class:?}: {later} calls in a later minute");
        assert_eq!(open, 0, "{class:?}");
    }
}
