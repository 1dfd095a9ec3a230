//! Every rule of the Graph side: a request goes in, status, code and subcode come out.

mod conversions;
mod faults;
mod switches;

use std::time::Duration;

use super::*;
use crate::mint::Mint;
use crate::state::State;
use crate::switches::Switches;
use crate::world::{Kind, NewNumber, NumberInfo, UserMessage, World};

const CUSTOMER: &str = "+316012345678";
const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

/// A sandbox without a server: two businesses of different accounts, and a customer who came to the first from an ad.
struct Bench {
    shared: Shared,
    ours: NumberInfo,
    theirs: NumberInfo,
    wamid: String,
    clid: String,
    user_id: String,
    their_wamid: String,
    their_clid: String,
}

/// Status, code and subcode. A success has code 0.
type Verdict = (u16, u64, u64);

const SUCCESS: Verdict = (200, 0, 0);

impl Bench {
    fn new(switches: Switches) -> Bench {
        let mut world = World::default();
        world.switches = switches;
        let state = State { starts: 1, clock_offset_ms: 0, requests: 0, world };
        let shared = Shared::new(state, Mint::new(1, 1), None);
        let now = shared.clock.now();
        let add = |new| shared.change(|inner| inner.world.add_number(&mut inner.mint, &new)).unwrap();
        let ours = add(NewNumber { number: Some("+316098765432".to_owned()), ..NewNumber::default() });
        let theirs = add(NewNumber::default());
        let write = |to: &str| {
            let message = UserMessage { from: CUSTOMER, to, text: "Hi", ad: true, kind: Kind::Text };
            shared.change(|inner| inner.world.user_writes(&mut inner.mint, &message, now)).unwrap()
        };
        let (first, second) = (write(&ours.number), write(&theirs.number));
        let rows = serde_json::to_value(shared.inner().world.message_rows(None, None)).unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["wamid"] == first.wamid.as_str()).unwrap();
        let user_id = row["user_id"].as_str().unwrap().to_owned();
        Bench {
            shared,
            ours,
            theirs,
            wamid: first.wamid,
            clid: first.ctwa_clid.unwrap(),
            user_id,
            their_wamid: second.wamid,
            their_clid: second.ctwa_clid.unwrap(),
        }
    }

    /// Puts this bench's values in place of the names in angle brackets.
    fn filled(&self, text: &str) -> String {
        let now = self.shared.clock.now().seconds();
        text.replace("<number>", &self.ours.phone_number_id)
            .replace("<waba>", &self.ours.waba_id)
            .replace("<dataset>", &self.ours.dataset_id)
            .replace("<their number>", &self.theirs.phone_number_id)
            .replace("<their waba>", &self.theirs.waba_id)
            .replace("<their dataset>", &self.theirs.dataset_id)
            .replace("<token>", &self.ours.access_token)
            .replace("<their token>", &self.theirs.access_token)
            .replace("<wamid>", &self.wamid)
            .replace("<their wamid>", &self.their_wamid)
            .replace("<clid>", &self.clid)
            .replace("<their clid>", &self.their_clid)
            .replace("<user id>", &self.user_id)
            .replace("<now>", &now.to_string())
            .replace("<now ms>", &(now * 1_000).to_string())
            .replace("<six days ago>", &(now - 6 * 86_400).to_string())
            .replace("<eight days ago>", &(now - 8 * 86_400).to_string())
    }

    fn call(
        &self,
        request: &str,
        content_type: Option<&str>,
        token: Option<&str>,
        body: &str,
    ) -> GraphAnswer {
        self.reply(request, content_type, token, body).answer.expect("no rule cuts the connection")
    }

    fn reply(&self, request: &str, content_type: Option<&str>, token: Option<&str>, body: &str) -> Reply {
        let request = self.filled(request);
        let (method, target) = request.split_once(' ').expect("a method and a path");
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            content_type: content_type.map(str::to_owned),
            authorization: token.map(|token| format!("Bearer {}", self.filled(token))),
            host: Some("graph.example".to_owned()),
            body: Some(Bytes::from(self.filled(body))),
        };
        answer(&self.shared, call)
    }

    /// Makes a JSON call with the right token.
    fn json(&self, request: &str, body: &str) -> GraphAnswer {
        self.call(request, JSON, Some("<token>"), body)
    }

    #[track_caller]
    fn check(&self, request: &str, body: &str, expected: Verdict) {
        let answer = self.json(request, body);
        assert_eq!(verdict(&answer), expected, "{request} {body}\n{}", text(&answer));
    }

    fn user_writes(&self, from: &str) -> String {
        let now = self.shared.clock.now();
        let message = UserMessage { from, to: &self.ours.number, text: "Hello", ad: false, kind: Kind::Text };
        self.shared.change(|inner| inner.world.user_writes(&mut inner.mint, &message, now)).unwrap().wamid
    }
}

fn text(answer: &GraphAnswer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn verdict(answer: &GraphAnswer) -> Verdict {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let number = |name: &str| body["error"][name].as_u64().unwrap_or(0);
    (answer.status, number("code"), number("error_subcode"))
}

const MESSAGES: &str = "POST /v26.0/<number>/messages";
const READ: &str = r#"{"messaging_product":"whatsapp","status":"read","message_id":"<wamid>"}"#;
const TEXT: &str =
    r#"{"messaging_product":"whatsapp","to":"+316012345678","type":"text","text":{"body":"Hello"}}"#;

#[test]
fn who_may_call_what() {
    let bench = Bench::new(Switches::default());
    let rows = [
        (MESSAGES, JSON, Some("<token>"), READ, SUCCESS),
        ("PUT /v26.0/<number>/messages", JSON, Some("<token>"), READ, SUCCESS),
        ("POST /<number>/messages", JSON, Some("<token>"), READ, SUCCESS),
        ("POST /v99.0/<number>/messages?access_token=<token>", JSON, None, READ, SUCCESS),
        ("POST /<number>/messages?access_token=EAAwrong", JSON, Some("<token>"), READ, SUCCESS),
        ("POST /<number>/messages?access_token=<token>", JSON, Some("EAAwrong"), READ, (401, 190, 0)),
        (
            MESSAGES,
            FORM,
            None,
            "messaging_product=whatsapp&status=read&message_id=<wamid>&access_token=<token>",
            SUCCESS,
        ),
        (MESSAGES, JSON, None, READ, (401, 190, 0)),
        (MESSAGES, JSON, Some(""), READ, (401, 190, 0)),
        (MESSAGES, JSON, Some("EAAwrong"), READ, (401, 190, 0)),
        ("POST /v26.0/<their number>/messages", JSON, Some("<token>"), READ, (400, 100, 33)),
        ("POST /v26.0/<waba>/messages", JSON, Some("<token>"), READ, (400, 100, 33)),
        ("POST /v26.0/1/messages", JSON, Some("<token>"), READ, (400, 100, 33)),
        ("POST /v26.0/1/block_users", JSON, Some("<token>"), "{}", (400, 100, 33)),
        ("POST /v26.0/<their dataset>/events", JSON, Some("<token>"), "{}", (400, 100, 33)),
        ("GET /v26.0/<their waba>/dataset", None, Some("<token>"), "", (400, 100, 33)),
        ("GET /v26.0/<their waba>/phone_numbers", None, Some("<token>"), "", (400, 100, 33)),
        ("GET /v26.0/<their waba>/subscribed_apps", None, Some("<token>"), "", (400, 100, 33)),
        ("DELETE /v26.0/<their waba>/subscribed_apps", None, Some("<token>"), "", (400, 100, 33)),
        ("GET /v26.0/debug_token?input_token=<token>", None, None, "", (401, 190, 0)),
        ("GET /v26.0/debug_token?input_token=<token>", None, Some("EAAx"), "", (401, 190, 0)),
        ("GET /v26.0/debug_token?input_token=<their token>", None, Some("<token>"), "", (400, 100, 0)),
        ("GET /v26.0/debug_token", None, Some("<token>"), "", (400, 100, 0)),
        ("GET /app", None, Some("EAAx"), "", (401, 190, 0)),
        ("POST /v26.0/<number>/mesages", JSON, Some("<token>"), READ, (404, 2500, 0)),
        ("GET /v26.0/<number>/messages", None, Some("<token>"), "", (404, 2500, 0)),
        ("GET /", None, None, "", (404, 2500, 0)),
    ];
    for (request, kind, token, body, expected) in rows {
        let answer = bench.call(request, kind, token, body);
        assert_eq!(verdict(&answer), expected, "{request} {token:?} {body}\n{}", text(&answer));
    }
}

#[test]
fn an_unknown_path_names_the_nearest() {
    let bench = Bench::new(Switches::default());
    let rows = [
        ("POST /v26.0/<number>/mesages", "POST /{phone_number_id}/messages"),
        ("POST /v26.0/<number>/blocked_users", "POST, DELETE, GET /{phone_number_id}/block_users"),
        ("POST /<dataset>/event/", "POST /{dataset_id}/events"),
        ("DELETE /<waba>/dataset", "GET, POST /{waba_id}/dataset"),
        ("GET /<waba>/phone_number", "GET /{waba_id}/phone_numbers"),
        ("GET /<waba>/subscribed_app", "GET, POST, DELETE /{waba_id}/subscribed_apps"),
        ("GET /v26.0/debugtoken", "GET /debug_token?input_token={token}"),
        ("POST /v26.0/app", "GET /app"),
    ];
    for (request, nearest) in rows {
        let answer = bench.json(request, "");
        assert_eq!(answer.status, 404);
        assert!(text(&answer).contains(nearest), "{request}: {}", text(&answer));
    }
}

#[test]
fn read_marks() {
    let bench = Bench::new(Switches::default());
    bench.check(MESSAGES, READ, SUCCESS);
    bench.check(MESSAGES, READ, SUCCESS);
    let typing = |kind: &str| {
        format!(
            r#"{{"messaging_product":"whatsapp","status":"read","message_id":"<wamid>","typing_indicator":{kind}}}"#
        )
    };
    bench.check(MESSAGES, &typing(r#"{"type":"text"}"#), SUCCESS);
    bench.check(MESSAGES, &typing(r#"{"type":"audio"}"#), (400, 100, 0));
    bench.check(MESSAGES, &typing(r#""text""#), (400, 100, 0));
    let read = |id: &str| format!(r#"{{"messaging_product":"whatsapp","status":"read","message_id":{id}}}"#);
    bench.check(MESSAGES, &read(r#""<their wamid>""#), (400, 131_009, 0));
    bench.check(MESSAGES, &read(r#""wamid.HBgL""#), (400, 131_009, 0));
    bench.check(MESSAGES, &read("[]"), (400, 100, 0));
    bench.check(MESSAGES, &read("null"), (400, 131_008, 0));
    bench.check(MESSAGES, &read(r#""""#), (400, 131_008, 0));
    bench.check(MESSAGES, r#"{"messaging_product":"whatsapp","status":"read"}"#, (400, 131_008, 0));
    bench.check(MESSAGES, r#"{"messaging_product":"whatsapp","message_id":"<wamid>"}"#, (400, 131_008, 0));
    bench.check(MESSAGES, r#"{"status":"read","message_id":"<wamid>"}"#, (400, 100, 0));
    bench.check(
        MESSAGES,
        r#"{"messaging_product":"sms","status":"read","message_id":"<wamid>"}"#,
        (400, 100, 0),
    );
    bench.check(MESSAGES, &READ.replace(r#""read""#, r#""delivered""#), (400, 100, 0));
    bench.check(MESSAGES, "{", (400, 100, 0));
    bench.check(MESSAGES, "", (400, 100, 0));
    let sent: serde_json::Value = serde_json::from_slice(&bench.json(MESSAGES, TEXT).body).unwrap();
    let outgoing = &sent["messages"][0]["id"];
    bench.check(MESSAGES, &read(&outgoing.to_string()), (400, 131_009, 0));
}

#[test]
fn read_marks_that_the_sources_leave_open() {
    let month = Duration::from_secs(31 * 86_400);
    let bench = Bench::new(Switches::default());
    bench.check("POST /<number>/block_users", &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.shared.clock.advance(month);
    bench.check(MESSAGES, READ, SUCCESS);

    let strict = Switches { read_after_30_days: false, read_while_blocked: false, ..Switches::default() };
    let bench = Bench::new(strict.with(br#"{"read_refusal_status":500}"#).unwrap());
    bench.check(MESSAGES, READ, SUCCESS);
    bench.check("POST /<number>/block_users", &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.check(MESSAGES, READ, (500, 131_009, 0));
    bench.check("DELETE /<number>/block_users", &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.check(MESSAGES, READ, SUCCESS);
    bench.shared.clock.advance(month);
    bench.check(MESSAGES, READ, (500, 131_009, 0));
}

#[test]
fn the_code_without_a_token() {
    for (code, expected) in [(190, (401, 190, 0)), (200, (403, 200, 0)), (104, (400, 104, 0))] {
        let changes = format!(r#"{{"missing_token":{code}}}"#);
        let bench = Bench::new(Switches::default().with(changes.as_bytes()).unwrap());
        for (request, token) in
            [(MESSAGES, None), (MESSAGES, Some("")), ("POST /<number>/messages?access_token=", None)]
        {
            assert_eq!(verdict(&bench.call(request, JSON, token, READ)), expected, "{request} {token:?}");
        }
    }
}

#[test]
fn texts() {
    let bench = Bench::new(Switches::default());
    let to = |recipient: &str| {
        format!(r#"{{"messaging_product":"whatsapp",{recipient},"type":"text","text":{{"body":"Hello"}}}}"#)
    };
    bench.check(MESSAGES, TEXT, SUCCESS);
    bench.check(MESSAGES, &to(r#""to":316012345678"#), SUCCESS);
    bench.check(MESSAGES, &to(r#""recipient":"<user id>""#), SUCCESS);
    bench.check(MESSAGES, &to(r#""to":"+316012345678","recipient":"nobody""#), SUCCESS);
    bench.check(MESSAGES, &to(r#""recipient":"NL.1""#), (400, 100, 0));
    bench.check(MESSAGES, &to(r#""to":"00316012345678""#), (400, 100, 0));
    bench.check(MESSAGES, &to(r#""biz":1"#), (400, 100, 0));
    bench.check(MESSAGES, &to(r#""to":"+14155559876""#), (400, 131_047, 0));
    bench.check(MESSAGES, &to(r#""to":"+316098765432""#), (400, 131_021, 0));
    bench.check(MESSAGES, &TEXT.replace("Hello", ""), (400, 131_008, 0));
    bench.check(MESSAGES, &TEXT.replace("Hello", &"é".repeat(4_096)), SUCCESS);
    bench.check(MESSAGES, &TEXT.replace("Hello", &"é".repeat(4_097)), (400, 100, 0));
    bench.check(MESSAGES, &TEXT.replace(r#""type":"text""#, r#""type":"sticker""#), (400, 131_051, 0));
    bench.check(MESSAGES, r#"{"messaging_product":"whatsapp","to":"+316012345678"}"#, (400, 131_008, 0));
    bench.shared.clock.advance(Duration::from_secs(86_400));
    bench.check(MESSAGES, TEXT, (400, 131_047, 0));
    bench.user_writes(CUSTOMER);
    bench.check(MESSAGES, TEXT, SUCCESS);
}

#[test]
fn texts_to_a_blocked_user() {
    let block = users(&[r#""user":"+316012345678""#]);
    let bench = Bench::new(Switches::default());
    bench.check("POST /<number>/block_users", &block, SUCCESS);
    bench.check(MESSAGES, TEXT, (400, 130_403, 0));
    bench.check("DELETE /<number>/block_users", &block, SUCCESS);
    bench.check(MESSAGES, TEXT, SUCCESS);

    let bench = Bench::new(Switches::default().with(br#"{"blocked_text":"status"}"#).unwrap());
    bench.check("POST /<number>/block_users", &block, SUCCESS);
    bench.check(MESSAGES, TEXT, SUCCESS);
    let rows = serde_json::to_value(bench.shared.inner().world.message_rows(None, None)).unwrap();
    let failed: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["failed_code"].as_u64()).collect();
    assert!(failed.contains(&Some(130_403)), "{failed:?}");
}

fn users(entries: &[&str]) -> String {
    let entries: Vec<_> = entries.iter().map(|entry| format!("{{{entry}}}")).collect();
    format!(r#"{{"messaging_product":"whatsapp","block_users":[{}]}}"#, entries.join(","))
}

const BLOCK: &str = "POST /v26.0/<number>/block_users";
const UNBLOCK: &str = "DELETE /v26.0/<number>/block_users";

#[test]
fn blocks() {
    let bench = Bench::new(Switches::default());
    let failed = (400, 139_100, 0);
    bench.check(BLOCK, &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.check(BLOCK, &users(&[r#""user":"316012345678""#]), SUCCESS);
    bench.check(BLOCK, &users(&[r#""user":316012345678"#]), SUCCESS);
    bench.check(UNBLOCK, &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.check(UNBLOCK, &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.check(BLOCK, &users(&[r#""user_id":"<user id>""#]), SUCCESS);
    bench.check(UNBLOCK, &users(&[r#""user":"+316012345678""#]), SUCCESS);
    bench.check(BLOCK, &users(&[r#""user":"+14155559876","user_id":"<user id>""#]), failed);
    bench.check(BLOCK, &users(&[r#""user":"+14155559876""#, r#""user":"+316012345678""#]), failed);
    bench.check(BLOCK, &users(&[r#""user":"00316012345678""#]), failed);
    bench.check(BLOCK, &users(&[r#""user":"+316098765432""#]), failed);
    bench.check(BLOCK, &users(&[r#""user_id":"NL.1""#]), failed);
    bench.check(BLOCK, &users(&[]), (400, 131_008, 0));
    bench.check(BLOCK, &users(&[r#""name":"x""#]), (400, 131_008, 0));
    bench.check(BLOCK, &users(&[r#""user":{}"#]), (400, 100, 0));
    bench.check(BLOCK, r#"{"messaging_product":"whatsapp"}"#, (400, 131_008, 0));
    bench.check(BLOCK, r#"{"messaging_product":"whatsapp","block_users":{}}"#, (400, 100, 0));
    bench.check(BLOCK, r#"{"block_users":[{"user":"+316012345678"}]}"#, (400, 100, 0));
    bench.check(UNBLOCK, "", (400, 100, 0));
    let many = vec![r#""user":"+14155559876""#; 1_001];
    bench.check(BLOCK, &users(&many), (429, 130_429, 0));
    bench.check(BLOCK, &users(&many[1..]), failed);
    let form = "messaging_product=whatsapp&block_users=%5B%7B%22user%22%3A%22%2B316012345678%22%7D%5D";
    assert_eq!(verdict(&bench.call(BLOCK, FORM, Some("<token>"), form)), SUCCESS);
}

#[test]
fn blocks_outside_the_window() {
    let customer = users(&[r#""user":"+316012345678""#]);
    let bench = Bench::new(Switches::default());
    bench.shared.clock.advance(Duration::from_secs(80_000));
    bench.check(BLOCK, &customer, SUCCESS);
    bench.shared.clock.advance(Duration::from_secs(6_400));
    bench.check(BLOCK, &customer, (400, 139_100, 0));
    bench.check(UNBLOCK, &customer, SUCCESS);

    let strict = br#"{"unblock_needs_window":true,"partial_block_status":200}"#;
    let bench = Bench::new(Switches::default().with(strict).unwrap());
    bench.check(BLOCK, &customer, SUCCESS);
    bench.shared.clock.advance(Duration::from_secs(86_400));
    bench.check(UNBLOCK, &customer, (200, 139_100, 0));
    bench.check(BLOCK, &users(&[r#""user":"+14155559876""#]), (200, 139_100, 0));
}

#[test]
fn repeated_blocks_may_fail() {
    let strict = br#"{"block_already_blocked":"failure","unblock_not_blocked":"failure"}"#;
    let bench = Bench::new(Switches::default().with(strict).unwrap());
    let customer = users(&[r#""user":"+316012345678""#]);
    bench.check(UNBLOCK, &customer, (400, 139_100, 0));
    bench.check(BLOCK, &customer, SUCCESS);
    bench.check(BLOCK, &customer, (400, 139_100, 0));
    bench.check(UNBLOCK, &customer, SUCCESS);
}

#[test]
fn what_a_block_answers() {
    let bench = Bench::new(Switches::default());
    let added = bench.json(BLOCK, &users(&[r#""user":"+316012345678""#]));
    assert_eq!(
        text(&added),
        r#"{"messaging_product":"whatsapp","block_users":{"added_users":[{"input":"+316012345678","wa_id":"316012345678"}]}}"#
    );
    let removed = bench.json(UNBLOCK, &users(&[r#""user_id":"<user id>""#]));
    assert_eq!(
        text(&removed),
        bench.filled(
            r#"{"messaging_product":"whatsapp","block_users":{"removed_users":[{"input":"<user id>","user_id":"<user id>"}]}}"#
        )
    );
    let mixed = users(&[
        r#""user":"+316012345678""#,
        r#""user":"+14155559876""#,
        r#""user":"+316098765432""#,
        r#""user":"12""#,
    ]);
    let mixed: serde_json::Value = serde_json::from_slice(&bench.json(BLOCK, &mixed).body).unwrap();
    let codes: Vec<_> = mixed["block_users"]["failed_users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            (user["input"].as_str().unwrap(), user["wa_id"].as_str(), user["errors"][0]["code"].as_u64())
        })
        .collect();
    let expected = [
        ("+14155559876", Some("14155559876"), Some(131_047)),
        ("+316098765432", Some("316098765432"), Some(131_021)),
        ("12", None, Some(131_047)),
    ];
    assert_eq!(codes, expected);
    assert_eq!(mixed["block_users"]["added_users"][0]["wa_id"], "316012345678");
}

#[test]
fn a_list_is_paged_until_it_changes() {
    let bench = Bench::new(Switches::default().with(br#"{"blocklist_page_size":2}"#).unwrap());
    let list = "GET /v26.0/<number>/block_users";
    assert_eq!(text(&bench.json(list, "")), r#"{"data":[]}"#);
    for last in 0..5 {
        let user = format!("+31601000000{last}");
        bench.user_writes(&user);
        bench.check(BLOCK, &users(&[&format!(r#""user":"{user}""#)]), SUCCESS);
    }
    let page = |request: &str| -> serde_json::Value {
        serde_json::from_slice(&bench.json(request, "").body).unwrap()
    };
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap();
        rows.iter().map(|row| row["wa_id"].as_str().unwrap()[11..].to_owned()).collect()
    };
    let first = page(list);
    assert_eq!(ids(&first), ["0", "1"]);
    assert_eq!(first["paging"]["previous"], serde_json::Value::Null);
    let next = first["paging"]["next"].as_str().unwrap();
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let expected =
        bench.filled(&format!("http://graph.example/v26.0/<number>/block_users?limit=2&after={after}"));
    assert_eq!(next, expected);
    let second = page(&format!("{list}?limit=2&after={after}"));
    assert_eq!(ids(&second), ["2", "3"]);
    let after = second["paging"]["cursors"]["after"].as_str().unwrap();
    let third = page(&format!("{list}?limit=2&after={after}"));
    assert_eq!(ids(&third), ["4"]);
    assert_eq!(third["paging"]["next"], serde_json::Value::Null);
    let before = third["paging"]["cursors"]["before"].as_str().unwrap();
    assert_eq!(ids(&page(&format!("{list}?before={before}"))), ["2", "3"]);
    assert_eq!(ids(&page(&format!("{list}?limit=50"))).len(), 5);

    for wrong in ["limit=0", "limit=x", "limit=-1", "after=x", "before=ZD"] {
        bench.check(&format!("{list}?{wrong}"), "", (400, 100, 0));
    }
    bench.check(UNBLOCK, &users(&[r#""user":"+316010000000""#]), SUCCESS);
    bench.check(&format!("{list}?after={after}"), "", (400, 139_102, 0));
    bench.check(&format!("{list}?before={before}"), "", (400, 139_102, 0));
    // An unblock that changes nothing leaves the cursors alone.
    let cursor = page(list)["paging"]["cursors"]["after"].as_str().unwrap().to_owned();
    bench.check(UNBLOCK, &users(&[r#""user":"+316010000000""#]), SUCCESS);
    bench.check(&format!("{list}?after={cursor}"), "", SUCCESS);
}

#[test]
fn data_sets_are_made_once() {
    let bench = Bench::new(Switches::default());
    let new = NewNumber { dataset: Some(false), ..NewNumber::default() };
    let late = bench.shared.change(|inner| inner.world.add_number(&mut inner.mint, &new)).unwrap();
    let call = |method: &str, edge: &str, id: &str| {
        let request = format!("{method} /v26.0/{id}/{edge}");
        bench.call(&request, JSON, Some(&late.access_token), r#"{"dataset_name":"x"}"#)
    };
    assert_eq!(text(&call("GET", "dataset", &late.waba_id)), r#"{"data":[]}"#);
    assert_eq!(verdict(&call("POST", "events", &late.dataset_id)), (400, 100, 33));
    for _ in 0..2 {
        let made = text(&call("POST", "dataset", &late.waba_id));
        assert_eq!(made, format!(r#"{{"id":"{}"}}"#, late.dataset_id));
    }
    let listed = text(&call("GET", "dataset", &late.waba_id));
    assert_eq!(listed, format!(r#"{{"data":[{{"id":"{}"}}]}}"#, late.dataset_id));
    assert_eq!(verdict(&call("POST", "events", &late.dataset_id)), (400, 100, 0));
}

#[test]
fn an_account_lists_its_numbers() {
    let bench = Bench::new(Switches::default());
    let new = NewNumber { waba_id: Some(bench.ours.waba_id.clone()), ..NewNumber::default() };
    let second = bench.shared.change(|inner| inner.world.add_number(&mut inner.mint, &new)).unwrap();
    assert_eq!(second.access_token, bench.ours.access_token);
    let answer = bench.json("GET /v26.0/<waba>/phone_numbers", "");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let listed: Vec<_> = body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["id"].as_str().unwrap(), row["display_phone_number"].as_str().unwrap()))
        .map(|(id, displayed)| (id, displayed.replace(['-', ' '], "")))
        .collect();
    let mut expected =
        [&bench.ours, &second].map(|info| (info.phone_number_id.as_str(), info.number.clone()));
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert!(body["data"][0]["display_phone_number"].as_str().unwrap().contains(' '), "as people write it");
}

#[test]
fn a_list_of_numbers_has_pages() {
    let bench = Bench::new(Switches::default());
    for _ in 1..60 {
        let new = NewNumber { waba_id: Some(bench.ours.waba_id.clone()), ..NewNumber::default() };
        bench.shared.change(|inner| inner.world.add_number(&mut inner.mint, &new)).unwrap();
    }
    let list = "GET /v26.0/<waba>/phone_numbers";
    let page = |query: &str| -> serde_json::Value {
        serde_json::from_slice(&bench.json(&format!("{list}?{query}"), "").body).unwrap()
    };
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = page("limit=1000");
    assert_eq!((ids(&whole).len(), &whole["paging"]["next"]), (60, &serde_json::Value::Null));

    let (mut read, mut sizes, mut query) = (Vec::new(), Vec::new(), String::new());
    let last = loop {
        let one = page(&query);
        sizes.push(ids(&one).len());
        read.extend(ids(&one));
        let Some(next) = one["paging"]["next"].as_str() else { break one };
        let start = bench.filled("http://graph.example/v26.0/<waba>/phone_numbers?");
        query = next.strip_prefix(&start).unwrap_or_else(|| panic!("{next}")).to_owned();
    };
    assert_eq!((sizes, read), (vec![25, 25, 10], ids(&whole)));
    let before = last["paging"]["cursors"]["before"].as_str().unwrap();
    assert_eq!(ids(&page(&format!("limit=2&before={before}"))), ids(&whole)[48..50]);
    assert_eq!(
        last["paging"]["previous"].as_str().unwrap().split_once('?').unwrap().0.rsplit('/').next(),
        Some("phone_numbers")
    );
    let after = last["paging"]["cursors"]["after"].as_str().unwrap();
    assert_eq!(page(&format!("after={after}")), serde_json::json!({"data": []}));
    for wrong in ["limit=0", "limit=x", "after=x", "before=YWJj"] {
        bench.check(&format!("{list}?{wrong}"), "", (400, 100, 0));
    }
}

#[test]
fn an_app_is_subscribed_and_unsubscribed() {
    let bench = Bench::new(Switches::default());
    let webhook =
        crate::world::Webhook { url: "http://127.0.0.1:1/".to_owned(), verify_token: String::new() };
    let number = crate::phone::Phone::lenient(&bench.ours.number).unwrap();
    bench.shared.inner().world.set_webhook(&number, Some(webhook));
    let body = |request: &str| -> serde_json::Value {
        serde_json::from_slice(&bench.json(request, "").body).unwrap()
    };
    let noticed = || {
        let message =
            UserMessage { from: CUSTOMER, to: &bench.ours.number, text: "Hi", ad: false, kind: Kind::Text };
        let (now, mut inner) = (bench.shared.clock.now(), bench.shared.inner());
        let inner = &mut *inner;
        inner.world.user_writes(&mut inner.mint, &message, now).unwrap();
        inner.world.take_notices().len()
    };
    let list = "GET /v26.0/<waba>/subscribed_apps";
    let app = body("GET /v26.0/app");
    let row = serde_json::json!({"data": [{"whatsapp_business_api_data": {"id": app["id"], "name": app["name"], "link": app["link"]}}]});
    let none = serde_json::json!({"data": []});
    assert_ne!(app["id"], bench.shared.inner().world.app_of(&bench.theirs.waba_id).as_str());
    assert_eq!((body(list), noticed()), (row.clone(), 1));
    for (method, expected, notices) in
        [("DELETE", &none, 0), ("DELETE", &none, 0), ("POST", &row, 1), ("POST", &row, 1)]
    {
        bench.check(&format!("{method} /v26.0/<waba>/subscribed_apps"), "", SUCCESS);
        assert_eq!((&body(list), noticed()), (expected, notices), "{method}");
    }
}

#[test]
fn a_token_is_told_about() {
    let bench = Bench::new(Switches::default());
    let ask = |token: &str| -> serde_json::Value {
        let answer = bench.json(&format!("GET /v26.0/debug_token?input_token={token}"), "");
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["data"].take()
    };
    let own = ask("<token>");
    let waba = serde_json::json!([bench.ours.waba_id]);
    assert_eq!((&own["is_valid"], &own["expires_at"]), (&true.into(), &0.into()), "{own}");
    assert_eq!(own["app_id"], bench.shared.inner().world.app_of(&bench.ours.waba_id).as_str());
    assert!(own["scopes"].as_array().unwrap().contains(&"whatsapp_business_messaging".into()));
    assert!(own["granular_scopes"].as_array().unwrap().iter().all(|granted| granted["target_ids"] == waba));
    let nobodys = ask("EAAx");
    assert_eq!((&nobodys["is_valid"], &nobodys["error"]["code"]), (&false.into(), &190.into()));
}

#[test]
fn no_token_reaches_the_log() {
    let bench = Bench::new(Switches::default());
    let token = bench.ours.access_token.clone();
    let form = "messaging_product=whatsapp&status=read&message_id=<wamid>&access_token=<token>";
    let calls = [
        ("POST /<number>/messages?access_token=<token>&x=1", JSON, READ),
        ("POST /<number>/messages?access%5Ftoken=<token>", JSON, READ),
        ("GET /debug_token?input_token=<token>&x=1", JSON, ""),
        ("GET /debug_token?input%5Ftoken=<token>", JSON, ""),
        ("GET /debug_token", FORM, "input_token=<token>"),
        ("GET /debug_token", JSON, r#"{"input_token":"<token>"}"#),
        (MESSAGES, FORM, form),
        (MESSAGES, FORM, "access%5Ftoken=<token>&a=1"),
        (MESSAGES, JSON, r#"{"access_token":"<token>"}"#),
        (MESSAGES, JSON, r#"{"acc\u0065ss_token":"<token>"}"#),
        (MESSAGES, JSON, r#"{"access_token":"<token>""#),
    ];
    for (request, kind, body) in calls {
        bench.call(request, kind, None, body);
    }
    let rows = bench.shared.log().rows_since(0);
    assert_eq!(rows.len(), calls.len());
    let log = serde_json::to_string(&rows).unwrap();
    assert!(!log.contains(&token), "{log}");
    assert!(log.contains("access_token=[redacted]&x=1"), "{log}");
    assert!(log.contains(&bench.wamid), "what holds no token is shown");
}

#[test]
fn what_stands_on_an_answer() {
    let bench = Bench::new(Switches::default());
    let usage = |kinds: &str| Some(bench.filled(&format!(r#"{{"<waba>":[{kinds}]}}"#)));
    let entry = |kind: &str, count: u32| {
        format!(
            r#"{{"type":"{kind}","call_count":{count},"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":0}}"#
        )
    };
    let read = bench.json("POST /v25.0/<number>/messages", READ);
    assert_eq!((read.version.as_str(), read.usage), ("v25.0", usage(&entry("whatsapp", 0))));
    let block = bench.json("POST /<number>/block_users", &users(&[r#""user":"+316012345678""#]));
    assert_eq!((block.version.as_str(), block.usage), ("v26.0", usage(&entry("whatsapp", 1))));
    let list = bench.json("GET /<number>/block_users", "");
    let both = [entry("whatsapp_business_management", 1), entry("whatsapp", 1)].join(",");
    assert_eq!(list.usage, usage(&both));
    let refused = bench.json(MESSAGES, "{}");
    assert!(text(&refused).contains(&format!(r#""fbtrace_id":"{}""#, refused.trace)));
}
