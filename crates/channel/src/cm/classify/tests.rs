//! Every row of the table by an answer that names it, and the answers that name nothing.

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_348_800);

fn outcome(status: u16, headers: &[(&'static str, &str)], body: &str) -> Outcome {
    let target = Target {
        cm_url: "https://gw.messaging.cm.com".to_owned(),
        token: crate::Secret::new("11111111-1111-4111-8111-111111111111"),
    };
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let headers = HeaderMap::from_iter::<Vec<(::http::HeaderName, ::http::HeaderValue)>>(headers.collect());
    complete(&target, NOW, StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
}

#[track_caller]
fn check(status: u16, body: &str, expected: Option<(FailureClass, Scope, Option<u32>)>) {
    let found = match outcome(status, &[], body) {
        Outcome::Relayed => None,
        Outcome::Failed(failure) => Some((failure.class, failure.scope, failure.code)),
        Outcome::Confirmed => panic!("CM.com confirms nothing"),
    };
    assert_eq!(found, expected, "{status} {body}");
}

#[test]
fn a_success_is_relayed_unless_it_names_an_error() {
    check(200, r#"{"details":"Created 1 message(s)","errorCode":0,"messages":[]}"#, None);
    check(200, "", None);
    check(202, "<html>", None);
    check(201, r#"{"errorCode":7}"#, None);
    let refused = (FailureClass::Rejected, Scope::Event, Some(304));
    check(200, r#"{"errorCode":201,"messages":[{"messageErrorCode":304}]}"#, Some(refused));
}

#[test]
fn every_row_is_found_by_its_code() {
    for row in codes::TABLE {
        let body = format!(r#"{{"details":"x","errorCode":{},"messages":[]}}"#, row.code);
        let class = match row.class {
            Class::Rejected => FailureClass::Rejected,
            Class::Unauthorized => FailureClass::Unauthorized,
            Class::Transient => FailureClass::Transient,
            Class::Throttled | Class::Unknown => panic!("no code says so"),
        };
        for status in [400, 500] {
            check(status, &body, Some((class, row.scope, Some(row.code))));
        }
    }
    assert!(codes::TABLE.is_sorted_by_key(|row| row.code));
}

#[test]
fn without_a_known_code_the_status_decides() {
    use FailureClass::{Rejected, Throttled, Transient, Unauthorized, Unknown};
    for (status, class, scope) in [
        (302, Unauthorized, Scope::Credential),
        (400, Rejected, Scope::Event),
        (401, Unauthorized, Scope::Credential),
        (403, Unauthorized, Scope::Credential),
        (404, Unauthorized, Scope::Credential),
        (422, Rejected, Scope::Event),
        (429, Throttled { until: None }, Scope::NumberFamily),
        (500, Transient, Scope::Event),
        (502, Unknown, Scope::Event),
        (503, Transient, Scope::Event),
        (504, Unknown, Scope::Event),
        (524, Unknown, Scope::Event),
    ] {
        check(status, "", Some((class, scope, None)));
        check(status, r#"{"errorCode":7}"#, Some((class, scope, Some(7))));
    }
}

#[test]
fn a_throttle_ends_when_cm_says() {
    for (value, expected) in [("7", Some(7)), ("soon", None), ("86401", None)] {
        let Outcome::Failed(failure) = outcome(429, &[("retry-after", value)], "") else { panic!("{value}") };
        let until = expected.map(|seconds| NOW.saturating_add(Duration::from_secs(seconds)));
        assert_eq!(failure.class, FailureClass::Throttled { until }, "{value}");
    }
}

#[test]
fn words_are_kept_without_the_token() {
    let body = r#"{"details":"No account for 11111111-1111-4111-8111-111111111111 here","errorCode":101}"#;
    let Outcome::Failed(failure) = outcome(400, &[], body) else { panic!("it is refused") };
    assert!(failure.detail.ends_with("CM.com says: No account for [redacted] here"), "{}", failure.detail);
    let long = format!(r#"{{"details":"{}","errorCode":305}}"#, "é".repeat(1000));
    let Outcome::Failed(failure) = outcome(400, &[], &long) else { panic!("it is refused") };
    assert_eq!(failure.detail.chars().filter(|c| *c == 'é').count(), WORDS_CHARS_MAX);
}
