//! The control surface and the Graph side together.

use std::path::Path;
use std::time::Duration;

use laneway_sandbox::{Options, Sandbox, StartError};
use serde_json::json;

use crate::{call, control, graph, options, start};

#[tokio::test]
async fn a_customer_is_read_blocked_and_converted() {
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    assert_eq!(business.number, "+316098765432");
    let id = &business.phone_number_id;

    let chat = control(&sandbox, "GET /sandbox/messages?user=00316012345678", "").await.json();
    assert_eq!((&chat[0]["text"], &chat[0]["direction"]), (&json!("Hi"), &json!("in")));
    assert_eq!(chat.as_array().unwrap().len(), 1);
    let wamid = &chat[0]["wamid"];

    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid,
        "typing_indicator": {"type": "text"}});
    let answer = graph(&sandbox, business, &format!("POST /v26.0/{id}/messages"), &read).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#));
    assert_eq!(answer.headers["content-length"], "16");
    assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
    assert_eq!(answer.headers["facebook-api-version"], "v26.0");
    let usage = &answer.headers["x-business-use-case-usage"];
    assert!(usage.to_str().unwrap().contains(&business.waba_id));
    assert_eq!(control(&sandbox, "GET /sandbox/typing", "").await.json()[0]["user"], "+316012345678");
    let chat = control(&sandbox, "GET /sandbox/messages?business=%2B316098765432", "").await.json();
    assert!(chat[0]["read_at"].as_str().unwrap().ends_with('Z'));

    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+316012345678"}]});
    let path = format!("/v26.0/{id}/block_users");
    assert_eq!(graph(&sandbox, business, &format!("POST {path}"), &users).await.status, 200);
    let blocked = control(&sandbox, "GET /sandbox/blocklist?business=+316098765432", "").await.json();
    assert_eq!(blocked[0]["user"], "+316012345678");
    let message = json!({"from": "316012345678", "to": "316098765432", "text": "Hello?"}).to_string();
    control(&sandbox, "POST /sandbox/messages", &message).await;
    let chat = control(&sandbox, "GET /sandbox/messages", "").await.json();
    assert_eq!(chat[1]["reached_business"], false);
    let removed = graph(&sandbox, business, &format!("DELETE {path}"), &users).await;
    assert!(removed.body.contains("removed_users"), "the body of a DELETE is read: {}", removed.body);
    assert_eq!(control(&sandbox, "GET /sandbox/blocklist", "").await.body, "[]");

    let message = json!({"from": "+316012345678", "to": "+316098765432", "text": "Hi", "ad": true});
    let written = control(&sandbox, "POST /sandbox/messages", &message.to_string()).await.json();
    let event = json!({"event_name": "LeadSubmitted", "event_time": sandbox.clock().now_ms() / 1_000,
        "action_source": "business_messaging", "messaging_channel": "whatsapp", "user_data":
        {"whatsapp_business_account_id": business.waba_id, "ctwa_clid": written["ctwa_clid"]}});
    let request = format!("POST /v26.0/{}/events", business.dataset_id);
    let answer = graph(&sandbox, business, &request, &json!({"data": [event]})).await;
    assert!(
        answer.body.starts_with(r#"{"events_received":1,"messages":[],"fbtrace_id":"#),
        "{}",
        answer.body
    );
    let request = format!("GET /sandbox/conversions?dataset={}", business.dataset_id);
    let mut ledger = control(&sandbox, &request, "").await.json();
    ledger[0].as_object_mut().unwrap().remove("sandbox");
    assert_eq!(ledger, json!([event]));

    let log = control(&sandbox, "GET /sandbox/requests?since=1", "").await.json();
    let calls: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["n"].as_u64().unwrap(), row["method"].as_str().unwrap(), row["status"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(calls, [(2, "POST", 200), (3, "DELETE", 200), (4, "POST", 200)]);
    assert_eq!(log[1]["body"], users);
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_waiting_listing_answers_when_the_rows_are_there() {
    let sandbox = start().await;
    let address = sandbox.address();
    let waiting =
        tokio::spawn(
            async move { call(address, "GET /sandbox/messages?wait=60s&count=3", &[], "").await.json() },
        );
    for _ in 0..2 {
        sandbox.user_writes("+14155559876", "+316098765432", "Hello", false).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.await.unwrap().as_array().unwrap().len(), 3);

    let early = control(&sandbox, "GET /sandbox/messages?wait=1ms&count=9", "").await.json();
    assert_eq!(early.as_array().unwrap().len(), 3, "at the deadline it answers what is there");
    let address = sandbox.address();
    let waiting = tokio::spawn(async move { call(address, "GET /sandbox/requests?wait=60s", &[], "").await });
    call(address, "GET /v26.0/1/messages", &[], "").await;
    assert_eq!(waiting.await.unwrap().json()[0]["status"], 404);
}

#[tokio::test]
async fn the_clock_moves_ahead_and_wakes_who_watches() {
    let sandbox = start().await;
    let clock = sandbox.clock();
    let mut changed = clock.changed();
    let before = clock.now_ms();
    let answer = control(&sandbox, "POST /sandbox/clock", r#"{"advance":"25h"}"#).await.json();
    assert_eq!(answer["offset_ms"], 90_000_000);
    changed.changed().await.unwrap();
    assert!(clock.now_ms() >= before + 90_000_000);
    assert!(clock.monotonic() >= Duration::from_secs(90_000));
    let business = &sandbox.numbers()[0];
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+316012345678"}]});
    let request = format!("POST /{}/block_users", business.phone_number_id);
    assert_eq!(graph(&sandbox, business, &request, &users).await.status, 400, "the window is closed");
}

#[tokio::test]
async fn a_fresh_number_is_a_world_of_its_own() {
    let sandbox = start().await;
    let fresh = control(&sandbox, "POST /sandbox/numbers", "{}").await.json();
    let numbers = control(&sandbox, "GET /sandbox/numbers", "").await.json();
    let first = numbers.as_array().unwrap().iter().find(|row| row["number"] == "+316098765432").unwrap();
    for key in ["number", "phone_number_id", "waba_id", "dataset_id", "access_token", "app_secret"] {
        assert!(fresh[key].as_str().unwrap().len() > 6, "{key}");
        assert_ne!(first[key], fresh[key], "{key}");
    }
    assert_eq!(numbers.as_array().unwrap().len(), 2);
    assert_eq!(control(&sandbox, "POST /sandbox/numbers", "").await.status, 200);
}

#[tokio::test]
async fn mistakes_are_told_clearly() {
    let sandbox = start().await;
    let rows = [
        ("GET /sandbox/nothing", "", 404, "there is no /sandbox/nothing"),
        ("GET /sandbox", "", 404, "/sandbox/numbers, /sandbox/messages"),
        ("DELETE /sandbox/clock", "", 405, "it takes GET, POST"),
        ("GET /sandbox/reset", "", 405, "it takes POST"),
        ("POST /", "", 405, "it takes GET"),
        ("POST /page/app.js", "", 405, "it takes GET"),
        ("GET /sandbox/messages?bussiness=1", "", 400, "there is business, user, last, wait, count"),
        ("GET /sandbox/messages?business=31600000000", "", 404, "there is +316098765432"),
        ("GET /sandbox/messages?user=me", "", 400, "user: a phone number has"),
        ("GET /sandbox/conversions?dataset=1", "", 404, "there is no data set 1"),
        ("GET /sandbox/requests?since=x", "", 400, "since: a whole number"),
        ("GET /sandbox/requests?wait=5", "", 400, "wait: a duration is"),
        ("GET /sandbox/requests?wait=1h", "", 400, "wait: at most 300 s"),
        ("GET /sandbox/requests?wait=1s&count=x", "", 400, "count: a whole number"),
        ("POST /sandbox/clock", r#"{"advance":"soon"}"#, 400, "advance: a duration is"),
        ("POST /sandbox/clock", r#"{"advance":"9999d"}"#, 400, "at most ten years"),
        ("POST /sandbox/clock", r#"{"set":"25h"}"#, 400, "unknown field `set`"),
        ("POST /sandbox/messages", r#"{"from":"1"}"#, 400, "missing field"),
        (
            "POST /sandbox/messages",
            r#"{"from":"31601234567","to":"31600000000","text":"x"}"#,
            404,
            "+316098765432",
        ),
        ("POST /sandbox/numbers", r#"{"number":"+316098765432"}"#, 400, "is a business number already"),
        ("POST /sandbox/numbers", r#"{"waba_id":"1"}"#, 400, "there is no account 1"),
        ("POST /sandbox/switches", r#"{"conversions":3}"#, 400, "one of: 14 5 2"),
        ("PUT /sandbox/state", "{}", 400, "cannot be imported"),
    ];
    for (request, body, status, says) in rows {
        let answer = control(&sandbox, request, body).await;
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
        assert!(answer.body.starts_with(r#"{"error":{"message":""#), "{request}: {}", answer.body);
        assert!(answer.body.contains(says), "{request}: {}", answer.body);
    }
    let large = format!(r#"{{"from":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(control(&sandbox, "POST /sandbox/messages", &large).await.status, 413);
    let huge = "x".repeat((8 << 20) + 1);
    assert_eq!(control(&sandbox, "POST /v26.0/1/messages", &huge).await.status, 413);
}

#[tokio::test]
async fn an_address_in_use_is_said() {
    let sandbox = start().await;
    let again = Sandbox::start(Options { listen: sandbox.address(), ..options() }).await;
    assert!(matches!(again, Err(StartError::Listen { address, .. }) if address == sandbox.address()));
}

#[tokio::test]
async fn a_restart_continues() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || Options { state_file: Some(folder.path().join("deep/sandbox.json")), ..options() };
    let first = Sandbox::start(kept()).await.unwrap();
    let numbers = first.numbers();
    first.clock().advance(Duration::from_secs(3_600));
    control(&first, "GET /v26.0/1/messages", "").await;
    control(&first, "POST /sandbox/switches", r#"{"partial_block_status":200}"#).await;
    let written = first.user_writes("+14155559876", "+316098765432", "Hello", true).unwrap();
    first.stop().await.unwrap();

    let second = Sandbox::start(kept()).await.unwrap();
    assert_eq!(second.numbers(), numbers);
    assert_eq!(second.clock().offset_ms(), 3_600_000);
    let chat = control(&second, "GET /sandbox/messages?user=14155559876", "").await.json();
    assert_eq!(chat[0]["wamid"], written.wamid.as_str());
    let all = control(&second, "GET /sandbox/messages", "").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2, "the first customer does not write again");
    let switches = control(&second, "GET /sandbox/switches", "").await.json();
    assert_eq!(switches["partial_block_status"], 200);
    control(&second, "GET /v26.0/1/messages", "").await;
    let log = control(&second, "GET /sandbox/requests", "").await.json();
    assert_eq!(log[0]["n"], 2, "the numbering continues");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn changes_are_saved_while_it_runs_and_no_id_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.json");
    let kept = || Options { state_file: Some(path.clone()), ..options() };
    let first = Sandbox::start(kept()).await.unwrap();
    let at_start = std::fs::read(&path).unwrap();
    let mut handed_out = Vec::new();
    for _ in 0..3 {
        handed_out.push(first.user_writes("+14155559876", "+316098765432", "Hello", true).unwrap());
    }
    let last = handed_out[2].wamid.clone();
    wait_until_holds(&path, &last).await;

    // A crash that loses everything since the start: the old file comes back.
    drop(first);
    std::fs::write(&path, at_start).unwrap();
    let second = Sandbox::start(kept()).await.unwrap();
    for _ in 0..3 {
        let again = second.user_writes("+14155559876", "+316098765432", "Hello", true).unwrap();
        for earlier in &handed_out {
            assert_ne!(earlier.wamid, again.wamid);
            assert_ne!(earlier.ctwa_clid, again.ctwa_clid);
        }
    }
}

/// Looks at the file until it holds the text.
async fn wait_until_holds(path: &Path, text: &str) {
    let look = async {
        while !std::fs::read_to_string(path).unwrap_or_default().contains(text) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("the state is saved");
}

#[tokio::test]
async fn a_state_file_that_cannot_be_used_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.json");
    let rows = [
        ("{\"format\":", "since it is no sandbox state"),
        (
            r#"{"format":"laneway-sandbox","version":2}"#,
            "since it has version 2, and this program reads up to version 1",
        ),
        (r#"{"format":"other","version":1}"#, "since its format is not laneway-sandbox"),
    ];
    for (content, says) in rows {
        std::fs::write(&path, content).unwrap();
        let refused = Sandbox::start(Options { state_file: Some(path.clone()), ..options() }).await;
        let error = refused.err().expect("it is refused").to_string();
        assert!(error.contains(says) && error.ends_with("; move it away to start afresh"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content, "the file is left alone");
    }
    let refused = Sandbox::start(Options { state_file: Some(folder.path().to_owned()), ..options() }).await;
    assert!(matches!(refused, Err(StartError::StateFile { .. })));
}

#[tokio::test]
async fn a_world_can_be_carried_elsewhere() {
    let first = start().await;
    first.clock().advance(Duration::from_secs(60));
    let exported = control(&first, "GET /sandbox/state", "").await.body;
    let second = Sandbox::start(Options { seed: Some(2), ..options() }).await.unwrap();
    assert_eq!(control(&second, "PUT /sandbox/state", &exported).await.status, 200);
    assert_eq!(control(&second, "GET /sandbox/state", "").await.body, exported);
    assert_eq!(second.numbers(), first.numbers());
    assert_eq!(second.clock().offset_ms(), 60_000);
}

#[tokio::test]
async fn a_reset_starts_over_with_the_same_numbers() {
    let sandbox = start().await;
    let numbers = sandbox.numbers();
    control(&sandbox, "GET /v26.0/1/messages", "").await;
    assert_eq!(control(&sandbox, "POST /sandbox/reset", "").await.status, 200);
    assert_eq!(sandbox.numbers(), numbers);
    for listing in ["messages", "requests", "conversions", "blocklist", "typing"] {
        assert_eq!(control(&sandbox, &format!("GET /sandbox/{listing}"), "").await.body, "[]", "{listing}");
    }
}

#[tokio::test]
async fn the_manual_names_the_ids_of_seed_1() {
    let manual = include_str!("../../../../docs/sandbox.md");
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    for id in [&business.phone_number_id, &business.waba_id, &business.dataset_id] {
        assert!(manual.contains(id), "{id}");
    }
}

#[tokio::test]
async fn a_seed_repeats() {
    let (first, second) = (start().await, start().await);
    assert_eq!(first.numbers(), second.numbers());
    let write =
        |sandbox: &Sandbox| sandbox.user_writes("+14155559876", "+316098765432", "Hello", true).unwrap();
    assert_eq!(write(&first), write(&second));
    let other = Sandbox::start(Options { seed: None, ..options() }).await.unwrap();
    assert_ne!(first.numbers(), other.numbers());
}
