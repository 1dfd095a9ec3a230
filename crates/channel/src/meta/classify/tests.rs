//! Tests of [`super`]: classify.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use laneway_model::{
    AccountName, Action, ClickId, Conversion, ConversionName, CtwaClid, Event, EventId, PhoneNumberId,
    Timestamp, WabaId, Wamid,
};

use super::super::Member;
use super::codes::Codes;
use super::*;

const NOW: Timestamp = Timestamp::from_secs(1000);
const TOKEN: &str = "EAAGm0PX4ZCpsBAKZCtoken";
const USERS: [&str; 3] = ["+16505551234", "+14155559876", "US.13491208655302741918"];

fn target() -> Target {
    Target {
        graph_url: "https://graph.facebook.com".into(),
        version: "v26.0".into(),
        phone_number_id: PhoneNumberId::parse("106540352242922").unwrap(),
        waba_id: WabaId::parse("102290129340398").unwrap(),
        dataset_id: None,
        access_token: Secret::new(TOKEN),
        conversions_token: None,
    }
}

fn member(verb: Verb, person: &str) -> Member {
    let message_id = || Wamid::parse("wamid.A").unwrap();
    let action = match verb {
        Verb::MarkAsRead => Action::MarkAsRead { message_id: message_id() },
        Verb::Typing => Action::Typing { message_id: message_id() },
        Verb::Block => Action::Block,
        Verb::UnBlock => Action::UnBlock,
        Verb::Conversions => Action::Conversion(Box::new(Conversion {
            name: ConversionName::LeadSubmitted,
            click: Some(ClickId { value: CtwaClid::parse("clid").unwrap(), captured: true }),
            event_time: NOW,
            event_id: None,
            currency: None,
            value: None,
        })),
    };
    let event = Event {
        account: AccountName::parse("shop").unwrap(),
        business: PhoneNumber::parse("+316098765432").unwrap(),
        person: Some(Person::parse(person).unwrap()),
        action,
        reference: None,
        accepted_at: NOW,
        custom: None,
    };
    Member { id: EventId::new(NOW, 0, 1), event: Arc::new(event) }
}

/// The answer to a call for the first `members` of [`USERS`].
fn answered(verb: Verb, members: usize, status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let members: Vec<Member> = USERS[..members].iter().map(|person| member(verb, person)).collect();
    let headers =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    let reply = Reply { status, headers, body: body.to_owned().into() };
    answer(&target(), Call { verb, members: &members, now: NOW }, Ok(reply))
}

/// An outcome in a few words: class, scope, code and subcode.
fn brief(outcome: &Outcome) -> String {
    let Outcome::Failed(failure) = outcome else { return format!("{outcome:?}").to_lowercase() };
    let class = match failure.class {
        FailureClass::Throttled { until: Some(until) } => {
            format!("throttled({}s)", until.since(NOW).as_secs())
        }
        FailureClass::Throttled { until: None } => "throttled".to_owned(),
        FailureClass::NotSent => "not_sent".to_owned(),
        FailureClass::Unknown => "unknown".to_owned(),
        FailureClass::Transient => "transient".to_owned(),
        FailureClass::Rejected => "rejected".to_owned(),
        FailureClass::RefusedTogether => "refused_together".to_owned(),
        FailureClass::Doubtful => "doubtful".to_owned(),
        FailureClass::Unauthorized => "unauthorized".to_owned(),
    };
    let scope = format!("{:?}", failure.scope).to_lowercase();
    match (failure.code, failure.subcode) {
        (None, _) => format!("{class} {scope}"),
        (Some(code), None) => format!("{class} {scope} {code}"),
        (Some(code), Some(subcode)) => format!("{class} {scope} {code}/{subcode}"),
    }
}

#[track_caller]
fn check(verb: Verb, status: u16, body: &str, expected: &[&str]) {
    let answer = answered(verb, expected.len(), status, &[], body);
    let outcomes: Vec<String> = answer.outcomes.iter().map(brief).collect();
    assert_eq!(outcomes, expected, "{status} {body}");
    assert_eq!(answer.http_status, Some(status));
}

fn fixture(name: &str) -> String {
    let answers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/fixtures/graph/client/answers");
    fs::read_to_string(answers.join(name)).unwrap()
}

/// What each known error must lead to: code, subcode, outcome.
const EXPECTED: &[(u32, u32, &str)] = &[
    (0, 0, "unauthorized credential"),
    (1, 0, "transient event"),
    (2, 0, "transient event"),
    (3, 0, "unauthorized numberfamily"),
    (4, 0, "throttled app"),
    (10, 0, "unauthorized numberfamily"),
    (33, 0, "unauthorized number"),
    (100, 0, "rejected event"),
    (100, 33, "unauthorized numberfamily"),
    (100, 2_804_003, "rejected event"),
    (100, 2_804_063, "rejected event"),
    (100, 2_804_064, "rejected event"),
    (100, 2_804_065, "unauthorized numberfamily"),
    (100, 2_804_066, "rejected event"),
    (100, 2_804_073, "unauthorized numberfamily"),
    (100, 2_804_075, "unauthorized numberfamily"),
    (100, 2_804_079, "unauthorized numberfamily"),
    (100, 2_804_087, "rejected event"),
    (100, 2_804_131, "unauthorized numberfamily"),
    (100, 2_804_132, "unauthorized numberfamily"),
    (100, 2_804_133, "unauthorized numberfamily"),
    (104, 0, "unauthorized credential"),
    (190, 0, "unauthorized credential"),
    (200, 0, "unauthorized numberfamily"),
    (368, 0, "unauthorized waba"),
    (803, 0, "unauthorized numberfamily"),
    (80007, 0, "throttled waba"),
    (130_403, 0, "rejected event"),
    (130_429, 0, "throttled number"),
    (130_497, 0, "rejected event"),
    (131_000, 0, "transient event"),
    (131_005, 0, "unauthorized numberfamily"),
    (131_008, 0, "rejected event"),
    (131_009, 0, "rejected event"),
    (131_016, 0, "transient event"),
    (131_021, 0, "rejected event"),
    (131_026, 0, "rejected event"),
    (131_031, 0, "unauthorized waba"),
    (131_042, 0, "unauthorized waba"),
    (131_047, 0, "rejected event"),
    (131_048, 0, "throttled numberfamily"),
    (131_049, 0, "rejected event"),
    (131_050, 0, "rejected event"),
    (131_051, 0, "rejected event"),
    (131_056, 0, "throttled(6s) event"),
    (131_057, 0, "throttled(60s) number"),
    (131_062, 0, "rejected event"),
    (131_064, 0, "unauthorized numberfamily"),
    (133_004, 0, "transient event"),
    (133_016, 0, "throttled number"),
    (139_100, 0, "transient event"),
    (139_101, 0, "rejected numberfamily"),
    (139_102, 0, "transient event"),
    (139_103, 0, "transient event"),
];

/// Each known code leads to the same outcome for every verb and whatever the HTTP status, because the statuses that go
/// with a code differ between Meta's pages and the field.
#[test]
fn every_known_error() {
    for (code, subcode, expected) in EXPECTED {
        let (expected, subcode) = match subcode {
            0 => (format!("{expected} {code}"), String::new()),
            _ => (format!("{expected} {code}/{subcode}"), format!(r#","error_subcode":{subcode}"#)),
        };
        let body = format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":{code}{subcode}}}}}"#);
        for verb in [Verb::MarkAsRead, Verb::Typing, Verb::Block, Verb::UnBlock, Verb::Conversions] {
            for status in [200, 400, 401, 403, 429, 500, 503] {
                check(verb, status, &body, &[&expected]);
            }
        }
    }
    let tested = EXPECTED.iter().map(|(code, subcode, _)| match (code, subcode) {
        (200, _) => Codes::Range(200, 299),
        (code, 0) => Codes::One(*code),
        (code, subcode) => Codes::Subcode(*code, *subcode),
    });
    assert!(tested.eq(codes::TABLE.iter().map(|row| row.codes)), "a row of the table is not in this list");
}

#[test]
fn answers_of_the_sources() {
    for (verb, status, name, expected) in [
        (Verb::MarkAsRead, 200, "success.json", &["confirmed"][..]),
        (Verb::Typing, 200, "success.json", &["confirmed"]),
        (Verb::MarkAsRead, 400, "error-message-id.json", &["rejected event 131009"]),
        (Verb::MarkAsRead, 500, "error-message-id.json", &["rejected event 131009"]),
        (Verb::MarkAsRead, 401, "error-token.json", &["unauthorized credential 190/463"]),
        (Verb::MarkAsRead, 403, "error-permission.json", &["unauthorized numberfamily 200/1349174"]),
        (Verb::Block, 200, "block-added.json", &["confirmed"]),
        (Verb::UnBlock, 200, "block-removed.json", &["confirmed"]),
        (Verb::Block, 400, "block-partial.json", &["confirmed", "rejected event 131047"]),
        (Verb::Block, 200, "block-partial.json", &["confirmed", "rejected event 131047"]),
        (Verb::UnBlock, 400, "unblock-partial.json", &["confirmed", "rejected event 131047"]),
        (Verb::Block, 400, "error-rate-limit.json", &["throttled number 130429/2494055"; 2]),
        (Verb::Conversions, 200, "events-received.json", &["confirmed"]),
        (Verb::Conversions, 200, "events-none-received.json", &["rejected event"; 3]),
        (Verb::Conversions, 400, "error-ctwa-clid.json", &["refused_together event 100/2804087"; 2]),
        (Verb::Conversions, 400, "error-ctwa-clid.json", &["rejected event 100/2804087"]),
        (Verb::Conversions, 400, "error-wrong-object.json", &["unauthorized numberfamily 100/33"; 2]),
        (Verb::Conversions, 400, "error-data-as-text.json", &["rejected event 100"]),
        (Verb::Conversions, 404, "error-unknown-object.json", &["unauthorized numberfamily 803"]),
        (Verb::Conversions, 429, "error-app-limit.json", &["throttled app 4/2446079"]),
        (Verb::Conversions, 500, "error-transient.json", &["transient event 2"]),
    ] {
        check(verb, status, &fixture(name), expected);
    }
}

#[test]
fn users_of_a_block_call_settle_one_by_one() {
    let user_id = r#"{"block_users":{"added_users":[{"input":"US.13491208655302741918","user_id":"US.13491208655302741918"}]}}"#;
    check(Verb::Block, 200, user_id, &["unknown event", "unknown event", "confirmed"]);
    // The id that WhatsApp uses may differ from the number that was asked for, so any of the names will do.
    for user in [r#"{"input":"16505551234"}"#, r#"{"input":"x","wa_id":"16505551234"}"#] {
        check(Verb::Block, 200, &format!(r#"{{"block_users":{{"added_users":[{user}]}}}}"#), &["confirmed"]);
    }
    // An unblock is not done because someone was blocked.
    check(Verb::UnBlock, 200, &fixture("block-added.json"), &["unknown event"]);
    let failed = |error: &str| {
        format!(
            r#"{{"block_users":{{"failed_users":[{{"input":"+16505551234","errors":[{error}]}}]}},"error":{{"code":139100}}}}"#
        )
    };
    check(Verb::Block, 400, &failed(r#"{"code":130429}"#), &["throttled number 130429", "unknown event"]);
    check(Verb::Block, 400, &failed(r#"{"code":139103}"#), &["transient event 139103"]);
    check(Verb::Block, 400, &failed(""), &["transient event"]);
    check(Verb::Block, 400, &failed(r#"{"code":77}"#), &["rejected event 77"]);
    // A wider error tells of those whom the lists do not name.
    let expired = r#"{"block_users":{"added_users":[{"input":"+16505551234"}]},"error":{"code":190}}"#;
    check(Verb::Block, 401, expired, &["confirmed", "unauthorized credential 190"]);
    check(Verb::Block, 500, r#"{"block_users":{"added_users":[{"input":"+16505551234"}]}}"#, {
        &["confirmed", "transient event"]
    });
    check(Verb::Block, 200, "{}", &["unknown event"; 2]);
}

#[test]
fn conversions_count_only_if_all_were_received() {
    let received = |n: i64| format!(r#"{{"events_received":{n},"messages":[],"fbtrace_id":"T"}}"#);
    check(Verb::Conversions, 200, &received(3), &["confirmed"; 3]);
    check(Verb::Conversions, 200, &received(2), &["doubtful event"; 3]);
    check(Verb::Conversions, 200, &received(4), &["doubtful event"; 3]);
    check(Verb::Conversions, 200, &received(0), &["rejected event"; 3]);
    check(Verb::Conversions, 200, r#"{"events_received":1,"messages":["odd"]}"#, &["confirmed"]);
    check(Verb::Conversions, 200, "{}", &["unknown event"]);
    check(Verb::Conversions, 500, &received(1), &["transient event"]);
}

/// One of several is at fault, and the answer does not say which.
#[test]
fn a_whole_call_that_is_refused_for_one_of_its_events_says_nothing_of_each() {
    let refused = |code: u32| format!(r#"{{"error":{{"code":{code}}}}}"#);
    check(Verb::Block, 400, &refused(131_009), &["refused_together event 131009"; 2]);
    check(Verb::Block, 400, &refused(131_009), &["rejected event 131009"]);
    check(Verb::UnBlock, 400, "<html>", &["refused_together event"; 2]);
    check(Verb::Conversions, 400, "<html>", &["refused_together event"; 2]);
    check(Verb::Conversions, 400, &refused(77), &["refused_together event 77"; 3]);
    check(Verb::Conversions, 400, &refused(190), &["unauthorized credential 190"; 3]);
}

#[test]
fn without_a_known_code_the_status_decides() {
    for (status, expected) in [
        (200, "unknown event"),
        (302, "unauthorized waba"),
        (400, "rejected event"),
        (401, "unauthorized credential"),
        (403, "unauthorized numberfamily"),
        (404, "unauthorized numberfamily"),
        (408, "transient event"),
        (418, "rejected event"),
        (429, "throttled numberfamily"),
        (500, "transient event"),
        (502, "transient event"),
    ] {
        for verb in [Verb::MarkAsRead, Verb::Block, Verb::Conversions] {
            for body in ["", "<html>", "[]", "{}", "\u{0}"] {
                check(verb, status, body, &[expected]);
            }
        }
    }
    let error = r#"{"error":{"message":"new","code":424242}}"#;
    check(Verb::MarkAsRead, 400, error, &["rejected event 424242"]);
    check(Verb::MarkAsRead, 500, error, &["transient event 424242"]);
    check(Verb::MarkAsRead, 200, error, &["rejected event 424242"]);
    check(Verb::MarkAsRead, 401, r#"{"error":{}}"#, &["unauthorized credential"]);
    check(Verb::MarkAsRead, 200, r#"{"success":false}"#, &["transient event"]);
    check(Verb::MarkAsRead, 503, r#"{"success":true}"#, &["transient event"]);
}

#[test]
fn what_meta_calls_transient_is_no_refusal() {
    let error = |code: u32| format!(r#"{{"error":{{"code":{code},"is_transient":true}}}}"#);
    check(Verb::MarkAsRead, 400, &error(100), &["transient event 100"]);
    check(Verb::MarkAsRead, 401, &error(190), &["transient event 190"]);
    check(Verb::MarkAsRead, 400, &error(424_242), &["transient event 424242"]);
    check(Verb::MarkAsRead, 429, &error(80007), &["throttled waba 80007"]);
}

#[track_caller]
fn check_throttle(code: u32, header: &str, expected: &str) {
    let body = format!(r#"{{"error":{{"code":{code}}}}}"#);
    let answer = answered(Verb::MarkAsRead, 1, 400, &[("x-business-use-case-usage", header)], &body);
    assert_eq!(brief(&answer.outcomes[0]), format!("{expected} {code}"), "{header}");
}

#[test]
fn a_throttle_ends_when_the_header_says() {
    let usage = |waba: &str, minutes: u64| {
        format!(r#"{{"{waba}":[{{"type":"whatsapp","estimated_time_to_regain_access":{minutes}}}]}}"#)
    };
    check_throttle(80007, &usage("102290129340398", 5), "throttled(300s) waba");
    check_throttle(80007, &usage("102290129340398", 0), "throttled waba");
    check_throttle(80007, &usage("1", 5), "throttled waba");
    check_throttle(80007, "garbage", "throttled waba");
    check_throttle(131_056, &usage("102290129340398", 0), "throttled(6s) event");
    check_throttle(131_056, &usage("102290129340398", 1), "throttled(60s) event");
    check_throttle(100, &usage("102290129340398", 5), "rejected event");
}

#[track_caller]
fn check_detail(body: &str, expected: &str) {
    let answer = answered(Verb::MarkAsRead, 1, 400, &[], body);
    let [Outcome::Failed(failure)] = &answer.outcomes[..] else { panic!("{answer:?}") };
    assert_eq!(failure.detail, expected);
}

#[test]
fn details_are_for_people_and_never_have_the_token() {
    check_detail(
        &fixture("error-message-id.json"),
        "Meta does not accept a value; for a read mark: it does not know the id as a message that this number \
         received. Meta says: (#131009) Parameter value is not valid / …",
    );
    let token = "The access token has expired, was withdrawn or is malformed; replace it.";
    check_detail(r#"{"error":{"code":190}}"#, token);
    check_detail(
        &format!(r#"{{"error":{{"code":190,"message":"Malformed access token \"{}\" again"}}}}"#, "x")
            .replace("\\\"x\\\"", TOKEN),
        &format!("{token} Meta says: Malformed access token [redacted] again"),
    );
    check_detail(
        &format!(r#"{{"error":{{"code":190,"message":"token={TOKEN}, and its part {}."}}}}"#, &TOKEN[..14]),
        &format!("{token} Meta says: [redacted] and its part [redacted]"),
    );
    let long = "é".repeat(WORDS_CHARS_MAX + 1);
    check_detail(
        &format!(r#"{{"error":{{"code":190,"message":"{long}"}}}}"#),
        &format!("{token} Meta says: {}…", "é".repeat(WORDS_CHARS_MAX)),
    );
}

#[test]
fn the_trace_id_comes_from_the_body_or_else_from_the_header() {
    let header = [("x-fb-request-id", "A_xHw226CwK1JmTNs0vg6H7")];
    for (verb, body, expected) in [
        (Verb::MarkAsRead, fixture("success.json"), "A_xHw226CwK1JmTNs0vg6H7"),
        (Verb::MarkAsRead, fixture("error-token.json"), "AXsgnV2Cm3ZMGF3dF_cfYIn"),
        (Verb::Block, fixture("block-partial.json"), "<FBTRACE_ID>"),
        (Verb::Conversions, fixture("events-received.json"), "<FBTRACE_ID>"),
        (Verb::Conversions, fixture("error-app-limit.json"), "AXsgnV2Cm3ZMGF3dF_cfYIn"),
    ] {
        let answer = answered(verb, 1, 200, &header, &body);
        assert_eq!(answer.trace_id.as_deref(), Some(expected), "{body}");
    }
}

#[test]
fn what_cannot_be_a_trace_id_is_not_kept() {
    let header = [("x-fb-request-id", "A_xHw226CwK1JmTNs0vg6H7")];
    for no_trace_id in ["", "two words", "line\\nbreak", "é", TOKEN, &"A".repeat(TRACE_ID_BYTES_MAX + 1)] {
        let body = format!(r#"{{"error":{{"code":190,"fbtrace_id":"{no_trace_id}"}}}}"#);
        let answer = answered(Verb::Block, 1, 401, &header, &body);
        assert_eq!(answer.trace_id.as_deref(), Some("A_xHw226CwK1JmTNs0vg6H7"), "{no_trace_id}");
    }
}
