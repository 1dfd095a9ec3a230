//! What the sources leave open: each choice that a switch gives, beside its default.

use super::*;

const EVENTS: &str = "POST /v26.0/<dataset>/events";
const LEAD: &str = r#"{"data":[{"event_name":"LeadSubmitted","event_id":"a","event_time":<now>,"action_source":"business_messaging","messaging_channel":"whatsapp","user_data":{"whatsapp_business_account_id":"<waba>","ctwa_clid":"<clid>"},"custom_data":{"currency":"USD","value":12.60}}]}"#;

fn bench(changes: &str) -> Bench {
    Bench::new(Switches::default().with(changes.as_bytes()).unwrap())
}

#[test]
fn a_read_mark_when_the_window_is_closed() {
    for (changes, late) in [("{}", SUCCESS), (r#"{"read_after_24_hours":false}"#, (400, 131_009, 0))] {
        let bench = bench(changes);
        bench.shared.clock.advance(Duration::from_secs(86_399));
        bench.check(MESSAGES, READ, SUCCESS);
        bench.shared.clock.advance(Duration::from_secs(1));
        bench.check(MESSAGES, READ, late);
        bench.user_writes(CUSTOMER);
        bench.check(MESSAGES, READ, SUCCESS);
    }
}

#[test]
fn typing_that_is_sent_again() {
    let typing = READ.replace('}', r#","typing_indicator":{"type":"text"}}"#);
    let seconds = |n| Duration::from_secs(n);
    for (changes, after_30_s) in [("{}", 1), (r#"{"typing_again_extends":false}"#, 0)] {
        let bench = bench(changes);
        let shown = || {
            let now = bench.shared.clock.now();
            bench.shared.inner().world.typing_rows(None, None, now).len()
        };
        bench.check(MESSAGES, &typing, SUCCESS);
        bench.shared.clock.advance(seconds(20));
        bench.check(MESSAGES, &typing, SUCCESS);
        bench.shared.clock.advance(seconds(10));
        assert_eq!(shown(), after_30_s, "{changes}");
        bench.shared.clock.advance(seconds(20));
        bench.check(MESSAGES, &typing, SUCCESS);
        assert_eq!(shown(), 1, "one that is over starts anew: {changes}");
    }
}

#[test]
fn whoever_is_blocked_by_id_on_the_list() {
    let row = |member: &str| format!(r#"[{{"messaging_product":"whatsapp",{member}}}]"#);
    let rows = [
        (r#"{}"#, row(r#""user_id":"<user id>""#)),
        (r#"{"blocklist_of_user_ids":"wa_id"}"#, row(r#""wa_id":"316012345678""#)),
        (r#"{"blocklist_of_user_ids":"left_out"}"#, "[]".to_owned()),
    ];
    for (changes, expected) in rows {
        let bench = bench(changes);
        bench.check(BLOCK, &users(&[r#""user_id":"<user id>""#]), SUCCESS);
        let list: serde_json::Value =
            serde_json::from_slice(&bench.json("GET /v26.0/<number>/block_users", "").body).unwrap();
        assert_eq!(list["data"].to_string(), bench.filled(&expected), "{changes}");
    }
}

#[test]
fn the_values_of_a_conversion() {
    let (any, strict) = (bench("{}"), bench(r#"{"conversion_value":"strict"}"#));
    let check = |value: &str, by_default: Verdict, strictly: Verdict| {
        let body = LEAD.replace("12.60", value);
        any.check(EVENTS, &body, by_default);
        strict.check(EVENTS, &body, strictly);
    };
    let invalid = (400, 100, 0);
    check("12.60", SUCCESS, SUCCESS);
    check("0", SUCCESS, SUCCESS);
    check("-1", SUCCESS, invalid);
    check(r#""12.60""#, SUCCESS, invalid);
    check(r#""inf""#, invalid, invalid);
    check(r#""NaN""#, invalid, invalid);
}

#[test]
fn a_conversion_without_a_click_id() {
    let body = LEAD.replace(r#","ctwa_clid":"<clid>""#, "");
    bench("{}").check(EVENTS, &body, (400, 100, 2_804_087));
    let plain = bench(r#"{"missing_click_subcode":false}"#);
    plain.check(EVENTS, &body, (400, 100, 0));
    plain.check(EVENTS, &LEAD.replace("<clid>", "made-up"), (400, 100, 2_804_087));
}

#[test]
fn an_event_that_comes_again() {
    let other_id = LEAD.replace(r#""a""#, r#""b""#);
    let other_name = LEAD.replace("LeadSubmitted", "ViewContent");
    let without_id = LEAD.replace(r#""event_id":"a","#, "");
    let events = [LEAD, LEAD, &other_id, &other_name, &without_id, &without_id];
    for (changes, counted) in [("{}", 6), (r#"{"events_deduplicated":true}"#, 5)] {
        let bench = bench(changes);
        for event in events {
            let answer: serde_json::Value = serde_json::from_slice(&bench.json(EVENTS, event).body).unwrap();
            assert_eq!(answer["events_received"], 1, "the answer tells nothing of it");
        }
        assert_eq!(bench.shared.inner().world.conversion_count(None), counted, "{changes}");
    }
}

#[test]
fn what_came_before_the_switch_counts_too() {
    let bench = bench("{}");
    bench.check(EVENTS, LEAD, SUCCESS);
    bench.shared.change(|inner| inner.world.switches.events_deduplicated = true);
    bench.check(EVENTS, LEAD, SUCCESS);
    let body: serde_json::Value = serde_json::from_str(&bench.filled(LEAD)).unwrap();
    let twice = format!(r#"{{"data":[{0},{0}]}}"#, body["data"][0]).replace(r#""a""#, r#""c""#);
    bench.check(EVENTS, &twice, SUCCESS);
    assert_eq!(bench.shared.inner().world.conversion_count(None), 2);
}
