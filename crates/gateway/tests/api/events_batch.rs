//! `POST /api/v1/events`: what a batch answers.

use http::Method;
use laneway_gateway::config::Config;
use laneway_journal::{Filter, Queue};
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::events_cm::{BLOCK, PURCHASE, READ};
use crate::node::{SHOP, SHOP_READ_ONLY, Setup, TestNode};

async fn post(client: &mut Client, path: &str, token: &str, body: String) -> Answer {
    let headers = [("x-cm-producttoken", token)];
    let headers = if token.is_empty() { &headers[..0] } else { &headers[..] };
    client.send(Method::POST, path, headers, body).await
}

fn batch(items: &[&str]) -> String {
    format!(r#"{{"events":[{}]}}"#, items.join(","))
}

/// Status, CM.com's number, and of each event its status or why it was refused.
fn brief(answer: &Answer) -> (u16, u64, String, Vec<String>) {
    let json = answer.json();
    let events = json["events"].as_array().unwrap().iter().map(|event| {
        let refused = event["error"]["code"].as_str();
        assert_eq!(event["id"].is_string(), event["status"] == "accepted", "{event}");
        refused.or(event["status"].as_str()).unwrap().to_owned()
    });
    let details = json["details"].as_str().unwrap().to_owned();
    (answer.status.as_u16(), json["errorCode"].as_u64().unwrap(), details, events.collect())
}

async fn count(node: &TestNode) -> usize {
    node.journal.list(Queue::Events, Filter::default(), None, 200).await.unwrap().records.len()
}

#[tokio::test]
async fn each_event_is_judged_by_itself_and_those_that_pass_are_stored() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let lead = READ.replace("MarkAsRead", "Lead");
    let answer = post(&mut client, "/api/v1/events", SHOP, batch(&[READ, &lead, BLOCK, "[]", "3"])).await;
    let refused = "unknown_event_type";
    assert_eq!(
        brief(&answer),
        (
            200,
            201,
            "Created 2 event(s)".to_owned(),
            ["accepted", refused, "accepted", "wrong_type", "wrong_type"].map(str::to_owned).to_vec()
        )
    );
    let long = READ.replace("wamid.A", &"x".repeat(64 * 1024));
    let answer_to_long = post(&mut client, "/api/v1/events", SHOP, batch(&[&long])).await;
    assert_eq!(brief(&answer_to_long).3, ["body_too_large"]);
    let error = &answer.json()["events"][1]["error"];
    assert_eq!(error["field"], "event.type");
    assert!(error["message"].as_str().unwrap().starts_with("event.type: \"Lead\""), "{error}");
    assert_eq!(count(&node).await, 2);

    let all = post(&mut client, "/api/v1/events", SHOP, batch(&[READ, BLOCK])).await;
    assert_eq!((brief(&all).0, brief(&all).1), (200, 0));
    let none = post(&mut client, "/api/v1/events", SHOP, batch(&[&lead, &lead])).await;
    assert_eq!((brief(&none).0, brief(&none).1, brief(&none).2.as_str()), (400, 201, "Created 0 event(s)"));
    assert_eq!(count(&node).await, 4);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let lead = READ.replace("MarkAsRead", "Lead");
    let answer = post(&mut client, "/api/v1/events?dry_run=true", SHOP, batch(&[READ, &lead])).await;
    let expected = ["valid", "unknown_event_type"].map(str::to_owned).to_vec();
    assert_eq!(brief(&answer), (200, 201, "Checked 1 event(s), nothing stored".to_owned(), expected));
    assert_eq!(count(&node).await, 0);
}

#[tokio::test]
async fn an_item_with_a_key_is_stored_once() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let keyed = |event: &str, key: &str| event.replacen('{', &format!(r#"{{"idempotency_key":"{key}","#), 1);
    let (read, block) = (keyed(READ, "k1"), keyed(BLOCK, "k1"));
    let items = batch(&[&read, &read, &block, PURCHASE, PURCHASE]);
    let answer = post(&mut client, "/api/v1/events", SHOP, items.clone()).await.json();
    let ids = |answer: &Value| -> Vec<String> {
        answer["events"].as_array().unwrap().iter().map(|event| event["id"].to_string()).collect()
    };
    let first = ids(&answer);
    assert_eq!((&first[0], &first[3]), (&first[1], &first[4]), "the second is the first once more");
    assert_eq!(answer["events"][2]["error"]["code"], "idempotency_conflict");
    assert_eq!(answer["events"][2]["error"]["field"], "idempotency_key");
    assert_eq!(ids(&post(&mut client, "/api/v1/events", SHOP, items).await.json()), first);
    assert_eq!(count(&node).await, 2);
}

/// Whoever pastes CM.com's samples into a batch pastes their comments along.
#[tokio::test]
async fn a_batch_is_read_as_leniently_as_one_event() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let body = format!("\u{feff}{{\"events\": [ // two\n{READ}, /* and */ {BLOCK},\n],}}");
    let answer = post(&mut client, "/api/v1/events", SHOP, body).await;
    assert_eq!(brief(&answer), (200, 0, "Created 2 event(s)".to_owned(), vec!["accepted".to_owned(); 2]));
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(80), "]".repeat(80));
    let answer = post(&mut client, "/api/v1/events", SHOP, batch(&[READ, &deep])).await;
    assert_eq!(brief(&answer).3, ["accepted", "not_json"]);
}

#[tokio::test]
async fn what_is_no_batch_is_turned_away() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let many = batch(&vec![READ; 1001]);
    for (path, token, body, status, code) in [
        ("/api/v1/events", "", batch(&[READ]), 401, "token_missing"),
        ("/api/v1/events", "no such token", batch(&[READ]), 401, "token_unknown"),
        ("/api/v1/events", SHOP_READ_ONLY, batch(&[READ]), 403, "scope_missing"),
        ("/api/v1/events", SHOP, String::new(), 400, "invalid_body"),
        ("/api/v1/events", SHOP, READ.to_owned(), 400, "invalid_body"),
        ("/api/v1/events", SHOP, format!("[{READ}]"), 400, "invalid_body"),
        ("/api/v1/events", SHOP, format!("[[{READ}]]"), 400, "invalid_body"),
        ("/api/v1/events", SHOP, "\u{feff}[]".to_owned(), 400, "invalid_body"),
        ("/api/v1/events", SHOP, batch(&[]), 400, "invalid_body"),
        ("/api/v1/events", SHOP, many, 400, "invalid_body"),
        ("/api/v1/events", SHOP, " ".repeat(8 * 1024 * 1024 + 1), 413, "body_too_large"),
        ("/api/v1/events?dry_run=maybe", SHOP, batch(&[READ]), 400, "invalid_parameter"),
        ("/api/v1/events?dry=true", SHOP, batch(&[READ]), 400, "unknown_parameter"),
    ] {
        let answer = post(&mut client, path, token, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"]["code"].as_str().unwrap()),
            (status, code)
        );
    }
    assert_eq!(count(&node).await, 0);
}

#[tokio::test]
async fn where_there_is_no_room_known_keys_still_get_their_first_answer() {
    let room_for_two: fn(&mut Config) = |config| config.limits.open_events = 2;
    let node = TestNode::with(Setup { change: room_for_two, ..Setup::default() }).await;
    let mut client = node.client().await;
    let answer = post(&mut client, "/api/v1/events", SHOP, batch(&[PURCHASE, READ])).await;
    assert_eq!(brief(&answer).1, 0);
    let id = answer.json()["events"][0]["id"].clone();
    let again = post(&mut client, "/api/v1/events", SHOP, batch(&[PURCHASE, BLOCK])).await.json();
    assert_eq!(again["events"][0], json!({"id": id, "status": "accepted", "repeated": true}));
    assert_eq!(again["events"][1]["error"]["code"], "node_full");
}
