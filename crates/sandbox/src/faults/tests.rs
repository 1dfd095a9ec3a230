//! What a rule may say, and how rules come and go.

use serde_json::{Value, json};

use super::*;
use crate::mint::Mint;
use crate::world::{NewNumber, NumberInfo};

fn world() -> (World, Vec<NumberInfo>) {
    let (mut world, mut mint) = (World::default(), Mint::new(1, 1));
    let numbers = (0..2).map(|_| world.add_number(&mut mint, &NewNumber::default()).unwrap()).collect();
    (world, numbers)
}

fn add(faults: &Faults, rule: Value) -> Result<u64, FaultError> {
    let rule: FaultRule = serde_json::from_value(rule).unwrap();
    faults.add(&world().0, rule).map(|row| row.id())
}

#[track_caller]
fn check_refused(rule: Value, expected: FaultError) {
    assert_eq!(add(&Faults::default(), rule.clone()), Err(expected), "{rule}");
}

#[test]
fn what_a_rule_may_not_say() {
    let (world, numbers) = world();
    check_refused(json!({}), FaultError::Nothing);
    check_refused(json!({"call": "block"}), FaultError::Nothing);
    check_refused(json!({"latency": "0s"}), FaultError::Nothing);
    check_refused(json!({"code": 2, "cut": "after"}), FaultError::TwoThings);
    check_refused(json!({"lie": true, "cut": "after"}), FaultError::TwoThings);
    check_refused(json!({"code": 2, "lie": true}), FaultError::TwoThings);
    check_refused(json!({"preset": "throttled", "code": 2}), FaultError::TwoThings);
    check_refused(json!({"preset": "throttled", "lie": true}), FaultError::TwoThings);
    check_refused(json!({"preset": "throttled", "cut": "before"}), FaultError::TwoThings);
    check_refused(json!({"preset": "throttled", "subcode": 1}), FaultError::WithoutCode("subcode"));
    check_refused(json!({"cut": "after", "http_status": 400}), FaultError::WithoutCode("http_status"));
    check_refused(json!({"lie": true, "message": "x"}), FaultError::WithoutCode("message"));
    check_refused(json!({"latency": "1s", "is_transient": true}), FaultError::WithoutCode("is_transient"));
    check_refused(json!({"cut": "after", "regain_minutes": 1}), FaultError::WithoutCode("regain_minutes"));
    check_refused(
        json!({"preset": "slow_600ms", "regain_minutes": 1}),
        FaultError::WithoutCode("regain_minutes"),
    );
    for status in [0, 101, 199, 204, 205, 304, 600] {
        check_refused(json!({"code": 2, "http_status": status}), FaultError::Status);
    }
    for latency in ["", "soon", "301s", "1"] {
        check_refused(json!({"latency": latency}), FaultError::Latency);
    }
    for call in ["blocklist", "dataset", "phone_numbers", "subscribed_apps", "debug_token", "app"] {
        check_refused(json!({"call": call, "lie": true}), FaultError::LieWithoutEffect);
        check_refused(json!({"call": call, "preset": "lying_200"}), FaultError::LieWithoutEffect);
    }
    check_refused(json!({"code": 2, "number": "shop"}), FaultError::Number);
    let unknown = |member, known| FaultError::UnknownNumber { member, known };
    check_refused(json!({"code": 2, "number": "+316000000"}), unknown("number", world.business_phones()));
    check_refused(json!({"code": 2, "phone_number_id": "1"}), unknown("phone_number_id", world.number_ids()));
    let mixed =
        json!({"code": 2, "number": numbers[0].number, "phone_number_id": numbers[1].phone_number_id});
    check_refused(mixed, FaultError::TwoNumbers);
    check_refused(json!({"code": 2, "access_token": "EAAx"}), FaultError::UnknownToken);
}

#[track_caller]
fn check_unreadable(rule: &str, says: &str) {
    let error = serde_json::from_str::<FaultRule>(rule).err().expect("it is refused").to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn what_is_no_rule() {
    check_unreadable(r#"{"codes":2}"#, "unknown field `codes`");
    check_unreadable(r#"{"call":"message"}"#, "unknown variant `message`, expected one of `any`, `messages`");
    check_unreadable(r#"{"preset":"dead"}"#, "expected one of `dead_token`");
    check_unreadable(r#"{"cut":"now"}"#, "expected `before` or `after`");
    for when in [
        r#""never""#,
        r#"{"next":0}"#,
        r#"{"every":0}"#,
        r#"{"next":1,"every":1}"#,
        r#"{"next":1,"seed":1}"#,
        r#"{"probability":1.1}"#,
        r#"{"probability":-0.1}"#,
        r#"{"seed":1}"#,
        r#"{"often":1}"#,
        "{}",
        "3",
    ] {
        check_unreadable(&format!(r#"{{"when":{when}}}"#), r#"when: "always", {"next":3}"#);
    }
}

#[test]
fn a_rule_is_shown_as_it_was_asked_for() {
    for (asked, shown) in [
        (json!({"code": 2}), json!({"id": 1, "struck": 0, "call": "any", "code": 2, "when": "always"})),
        (
            json!({"call": "events", "preset": "lying_200", "latency": "1s", "when": {"every": 3}}),
            json!({"id": 1, "struck": 0, "call": "events", "preset": "lying_200", "latency": "1s", "when": {"every": 3}}),
        ),
        (
            json!({"cut": "after", "when": {"probability": 0.5}}),
            json!({"id": 1, "struck": 0, "call": "any", "cut": "after", "when": {"probability": 0.5, "seed": 0}}),
        ),
    ] {
        let faults = Faults::default();
        add(&faults, asked).unwrap();
        assert_eq!(serde_json::to_value(faults.rows()).unwrap(), json!([shown]));
    }
}

#[test]
fn rules_come_and_go() {
    let faults = Faults::default();
    let pending = || faults.pending.load(Ordering::Relaxed);
    for id in 1..=3 {
        assert_eq!(add(&faults, json!({"code": 2, "when": {"next": 1}})), Ok(id));
    }
    assert_eq!(pending(), 3);
    assert_eq!(faults.remove(Some(2)), 1);
    assert_eq!(faults.remove(Some(2)), 0);
    assert_eq!(add(&faults, json!({"code": 2})), Ok(4), "a number is not used twice");
    assert_eq!(faults.rows().iter().map(FaultRow::id).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(faults.remove(None), 3);
    assert_eq!((pending(), faults.rows().len()), (0, 0));
    let strike = faults.strike(|| unreachable!("without rules nobody looks at the call"));
    assert_eq!(strike, Strike::default());
}

fn read_mark() -> Option<Target<'static>> {
    let operation = laneway_wire::graph::server::Operation::Messages;
    Some(Target { operation, is_typing: false, object: "1", token: None })
}

#[test]
fn rules_that_are_over_make_room() {
    let faults = Faults::default();
    for _ in 0..FAULTS_MAX {
        add(&faults, json!({"latency": "1ms", "when": {"next": 1}})).unwrap();
    }
    assert_eq!(add(&faults, json!({"code": 2})), Err(FaultError::Full));
    assert_eq!(faults.strike(read_mark).rules.len(), FAULTS_MAX);
    assert_eq!(faults.strike(|| unreachable!("all rules are over")), Strike::default());
    assert_eq!(faults.rows().len(), FAULTS_MAX, "what is over can still be looked at");
    assert_eq!(add(&faults, json!({"code": 2})), Ok(FAULTS_MAX as u64 + 1));
    assert_eq!(faults.rows().len(), 1);
}
