//! What fault rules do to calls.

use serde_json::{Value, json};

use super::*;

const EVENTS: &str = "POST /v26.0/<dataset>/events";
const PURCHASE: &str = r#"{"data":[{"event_name":"Purchase","event_time":<now>,"action_source":"business_messaging","messaging_channel":"whatsapp","user_data":{"whatsapp_business_account_id":"<waba>","ctwa_clid":"<clid>"},"custom_data":{"currency":"USD","value":12.60}}]}"#;
const TYPING: &str = r#"{"messaging_product":"whatsapp","status":"read","message_id":"<wamid>","typing_indicator":{"type":"text"}}"#;
const CUSTOMER_BLOCK: &str = r#"{"messaging_product":"whatsapp","block_users":[{"user":"+316012345678"}]}"#;

/// One call of each kind, with a name.
const CALLS: [(&str, &str, &str); 15] = [
    ("read", MESSAGES, READ),
    ("typing", MESSAGES, TYPING),
    ("text", MESSAGES, TEXT),
    ("block", BLOCK, CUSTOMER_BLOCK),
    ("unblock", UNBLOCK, CUSTOMER_BLOCK),
    ("blocklist", "GET /v26.0/<number>/block_users", ""),
    ("events", EVENTS, PURCHASE),
    ("dataset", "GET /v26.0/<waba>/dataset", ""),
    ("make dataset", "POST /v26.0/<waba>/dataset", ""),
    ("phone numbers", "GET /v26.0/<waba>/phone_numbers", ""),
    ("apps", "GET /v26.0/<waba>/subscribed_apps", ""),
    ("unsubscribe", "DELETE /v26.0/<waba>/subscribed_apps", ""),
    ("subscribe", "POST /v26.0/<waba>/subscribed_apps", ""),
    ("token", "GET /v26.0/debug_token?input_token=<token>", ""),
    ("app", "GET /v26.0/app", ""),
];

impl Bench {
    fn with_rules(rules: &[Value]) -> Bench {
        let bench = Bench::new(Switches::default());
        rules.iter().for_each(|rule| bench.rule(rule));
        bench
    }

    fn rule(&self, rule: &Value) {
        let rule = serde_json::from_str(&self.filled(&rule.to_string())).unwrap();
        self.shared.add_fault(rule).map(|_| ()).unwrap();
    }

    fn struck(&self) -> Vec<u64> {
        let rows = serde_json::to_value(self.shared.faults.rows()).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["struck"].as_u64().unwrap()).collect()
    }

    /// What the world holds, without its request log.
    fn world(&self) -> Value {
        serde_json::to_value(&self.shared.inner().world).unwrap()
    }
}

#[track_caller]
fn check_covered(rule: &Value, expected: &[&str]) {
    let bench = Bench::with_rules(std::slice::from_ref(rule));
    let is_hit = |(_, request, body): &&(&str, &str, &str)| bench.json(request, body).status == 418;
    let hit: Vec<_> = CALLS.iter().filter(is_hit).map(|(name, ..)| *name).collect();
    assert_eq!(hit, expected, "{rule}");
    assert_eq!(bench.struck(), [expected.len() as u64], "{rule}");
}

#[test]
fn which_calls_a_rule_is_about() {
    let all = CALLS.map(|(name, ..)| name);
    let check = |call: &str, expected: &[&str]| {
        check_covered(&json!({"call": call, "code": 1, "http_status": 418}), expected);
    };
    check("any", &all);
    check("messages", &["read", "typing", "text"]);
    check("typing", &["typing"]);
    check("block", &["block"]);
    check("unblock", &["unblock"]);
    check("blocklist", &["blocklist"]);
    check("events", &["events"]);
    check("dataset", &["dataset", "make dataset"]);
    check("phone_numbers", &["phone numbers"]);
    check("subscribed_apps", &["apps", "unsubscribe", "subscribe"]);
    check("debug_token", &["token"]);
    check("app", &["app"]);
    let whose = |mut whose: Value, expected: &[&str]| {
        whose["code"] = json!(1);
        whose["http_status"] = json!(418);
        check_covered(&whose, expected);
    };
    whose(json!({}), &all);
    // What is about no object is about no number.
    let of_number: Vec<_> = all.into_iter().filter(|name| !["token", "app"].contains(name)).collect();
    whose(json!({"number": "00316098765432"}), &of_number);
    whose(json!({"phone_number_id": "<number>"}), &of_number);
    whose(
        json!({"number": "+316098765432", "phone_number_id": "<number>", "access_token": "<token>"}),
        &of_number,
    );
    whose(json!({"access_token": "<token>", "call": "typing"}), &["typing"]);
    whose(json!({"phone_number_id": "<their number>"}), &[]);
    whose(json!({"access_token": "<their token>"}), &[]);
    whose(json!({"phone_number_id": "<their number>", "access_token": "<token>"}), &[]);
}

#[test]
fn what_a_rule_cannot_be_about() {
    let bench = Bench::with_rules(&[json!({"code": 2, "http_status": 418})]);
    for (request, body) in [("GET /", ""), ("POST /v26.0/<number>/mesages", READ), (MESSAGES, "{")] {
        assert_ne!(bench.json(request, body).status, 418, "{request}");
    }
    assert_eq!(bench.struck(), [0]);
    let stray = CUSTOMER_BLOCK.replacen('{', r#"{"typing_indicator":{"type":"text"},"#, 1);
    let typing = Bench::with_rules(&[json!({"call": "typing", "code": 2})]);
    typing.check(BLOCK, &stray, SUCCESS);
    let answer = bench.call(MESSAGES, JSON, None, READ);
    assert_eq!(answer.status, 418, "a fault comes before anybody looks at the token");
}

#[test]
fn errors_of_rules() {
    let check = |rule: Value, expected: Verdict, says: &str| {
        let bench = Bench::with_rules(&[rule]);
        let before = bench.world();
        let answer = bench.json(MESSAGES, READ);
        assert_eq!(verdict(&answer), expected, "{}", text(&answer));
        assert!(text(&answer).contains(says), "{}", text(&answer));
        assert!(text(&answer).contains(&format!(r#""fbtrace_id":"{}""#, answer.trace)));
        assert_eq!(bench.world(), before, "a refused call has no effect");
    };
    check(json!({"preset": "dead_token"}), (401, 190, 0), "Access token has expired");
    check(json!({"preset": "throttled"}), (429, 130_429, 0), r#""message":"(#130429) Rate limit hit""#);
    check(json!({"preset": "meta_down"}), (503, 2, 0), r#""is_transient":true"#);
    check(json!({"code": 131_056}), (429, 131_056, 0), "(#131056)");
    check(json!({"code": 131_056, "http_status": 400}), (400, 131_056, 0), "");
    check(json!({"code": 4, "is_transient": false}), (429, 4, 0), r#""is_transient":false"#);
    check(json!({"code": 190, "subcode": 463}), (401, 190, 463), "");
    check(json!({"code": 100, "subcode": 2_804_087}), (400, 100, 2_804_087), "Invalid Ctwa Clid");
    check(json!({"code": 100, "subcode": 33}), (400, 100, 33), "GraphMethodException");
    check(json!({"code": 424_242}), (400, 424_242, 0), "(#424242) Error");
    check(json!({"code": 2, "message": "down"}), (503, 2, 0), r#""message":"down""#);
    check(json!({"code": 2, "http_status": 200}), (200, 2, 0), "");
}

#[test]
fn lies_succeed_without_an_effect() {
    let bench = Bench::with_rules(&[json!({"preset": "lying_200"})]);
    let before = bench.world();
    for (name, request, body) in CALLS {
        let answer = bench.json(request, body);
        assert_eq!(verdict(&answer), SUCCESS, "{name}: {}", text(&answer));
    }
    assert_eq!(bench.world(), before);
    assert_eq!(bench.struck(), [6], "calls that only look are told the truth");
    let answer = text(&bench.json(EVENTS, PURCHASE));
    assert!(answer.starts_with(r#"{"events_received":0,"messages":[],"fbtrace_id":""#), "{answer}");
    let answer = text(&bench.json(BLOCK, CUSTOMER_BLOCK));
    let added = r#"{"messaging_product":"whatsapp","block_users":{"added_users":[{"input":"+316012345678","wa_id":"316012345678"}]}}"#;
    assert_eq!(answer, added);
    let answer = text(&bench.json(MESSAGES, TEXT));
    assert!(answer.contains(r#""messages":[{"id":"wamid."#), "{answer}");
    // A liar still looks at who calls and whether the call can be read.
    assert_eq!(verdict(&bench.call(MESSAGES, JSON, None, READ)), (401, 190, 0));
    assert_eq!(verdict(&bench.json(MESSAGES, "{}")), (400, 100, 0));
}

#[test]
fn cuts_before_and_after_the_effect() {
    for (cut, blocked) in [("before", 0), ("after", 1)] {
        let bench = Bench::with_rules(&[json!({"call": "block", "cut": cut})]);
        let reply = bench.reply(BLOCK, JSON, Some("<token>"), CUSTOMER_BLOCK);
        assert!(reply.answer.is_none(), "{cut}");
        assert_eq!(bench.shared.inner().world.blocked_count(None), blocked, "{cut}");
        let log = serde_json::to_value(bench.shared.log().rows_since(0)).unwrap();
        assert_eq!(
            (&log[0]["status"], &log[0]["answer"], &log[0]["faults"]),
            (&json!(null), &json!(null), &json!([1]))
        );
        assert!(bench.reply(UNBLOCK, JSON, Some("<token>"), CUSTOMER_BLOCK).answer.is_some());
        let log = serde_json::to_value(bench.shared.log().rows_since(1)).unwrap();
        assert_eq!((&log[0]["status"], &log[0]["faults"]), (&json!(200), &json!([])));
    }
}

#[test]
fn rules_together() {
    let latency = |bench: &Bench| bench.reply(MESSAGES, JSON, Some("<token>"), READ).latency.as_millis();
    let slow = json!({"preset": "slow_600ms"});
    let bench = Bench::with_rules(&[
        json!({"latency": "50ms", "when": {"next": 1}}),
        json!({"code": 2, "latency": "7ms", "when": {"next": 1}}),
        json!({"code": 4, "latency": "9000ms"}),
        slow.clone(),
    ]);
    assert_eq!(latency(&bench), 657, "the third is not asked, since the second has decided");
    assert_eq!(bench.struck(), [1, 1, 0, 1]);
    assert_eq!(bench.json(MESSAGES, READ).status, 429);
    assert_eq!(bench.struck(), [1, 1, 1, 2]);
    assert_eq!(latency(&Bench::with_rules(&[])), 0);
    assert_eq!(latency(&Bench::with_rules(&[json!({"preset": "slow_600ms", "latency": "5ms"})])), 5);
    assert_eq!(latency(&Bench::with_rules(&[json!({"preset": "answer_lost", "latency": "1s"})])), 1_000);

    // The effect does not wait for the answer.
    let bench = Bench::with_rules(&[slow]);
    assert_eq!(bench.reply(BLOCK, JSON, Some("<token>"), CUSTOMER_BLOCK).latency.as_millis(), 600);
    assert_eq!(bench.shared.inner().world.blocked_count(None), 1);
}

#[test]
fn whose_turn_it_is() {
    let struck = |when: Value, calls: usize| -> String {
        let bench = Bench::with_rules(&[json!({"code": 2, "when": when})]);
        let one = |_| if bench.json(MESSAGES, READ).status == 200 { '.' } else { 'x' };
        (0..calls).map(one).collect()
    };
    assert_eq!(struck(json!("always"), 4), "xxxx");
    assert_eq!(struck(json!({"next": 2}), 5), "xx...");
    assert_eq!(struck(json!({"every": 3}), 7), "..x..x.");
    assert_eq!(struck(json!({"every": 1}), 3), "xxx");
    assert_eq!(struck(json!({"probability": 0}), 4), "....");
    assert_eq!(struck(json!({"probability": 1}), 4), "xxxx");
    let drawn = |seed: u64| struck(json!({"probability": 0.3, "seed": seed}), 400);
    assert_eq!(drawn(7), drawn(7), "a seed repeats");
    assert_ne!(drawn(7), drawn(8));
    let hits = drawn(7).matches('x').count();
    assert!((80..160).contains(&hits), "{hits} of 400");
}

#[test]
fn revoked_tokens() {
    for name in [r#"{"number":"+316098765432"}"#, r#"{"access_token":"<token>"}"#] {
        let bench = Bench::new(Switches::default());
        let name = serde_json::from_str(&bench.filled(name)).unwrap();
        let waba_id = bench.shared.inner().world.revoke(&name, true).unwrap();
        assert_eq!(waba_id, bench.ours.waba_id);
        bench.check(MESSAGES, READ, (401, 190, 0));
        let theirs = bench.call("GET /<their waba>/dataset", None, Some("<their token>"), "");
        assert_eq!(theirs.status, 200, "another account's token lives on");
        let kept = bench.shared.state().encode();
        let kept = State::decode(&kept).unwrap();
        assert_eq!(
            kept.world.waba_of_token(&bench.ours.access_token),
            None,
            "it stays revoked over a restart"
        );
        bench.shared.inner().world.revoke(&name, false).unwrap();
        bench.check(MESSAGES, READ, SUCCESS);
    }
}

#[test]
fn a_throttled_account_may_be_told_how_long_it_takes() {
    let rule = json!({"preset": "throttled", "regain_minutes": 7, "when": {"next": 1}});
    let other = json!({"code": 4, "when": {"next": 2}});
    let bench = Bench::with_rules(&[rule, other]);
    let told = bench.json(MESSAGES, READ);
    assert_eq!(verdict(&told), (429, 130_429, 0));
    let usage = r#"{"<waba>":[{"type":"whatsapp","call_count":100,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":7}]}"#;
    assert_eq!(told.usage, Some(bench.filled(usage)));
    assert_eq!(bench.json(MESSAGES, READ).usage, None, "a rule without it tells nothing");
    bench.rule(&json!({"code": 190, "regain_minutes": 7}));
    let strange = bench.call(MESSAGES, JSON, Some("EAAwrong"), READ);
    assert_eq!(strange.usage, None, "nor is there an account to a token of nobody's");
}
