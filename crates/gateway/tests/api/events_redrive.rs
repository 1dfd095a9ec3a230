//! Retry and discard: what may be tried again, whose it is, and what is left behind.

use std::time::Duration;

use http::Method;
use laneway_gateway::config::{Accounts, Config, Number};
use laneway_journal::{Change, Queue, Settlement};
use laneway_model::{EventId, PhoneNumber, PhoneNumberId, Status};
use serde_json::json;

use crate::client::{Answer, Client};
use crate::events_cm::BLOCK;
use crate::node::{NOW, SALON, SHOP, SHOP_READ_ONLY, Setup, TestNode};
use crate::passthrough::Upstream;

async fn act(client: &mut Client, path: &str, token: &str) -> Answer {
    client.send(Method::POST, path, &[("x-cm-producttoken", token)], "").await
}

/// The shop's number, and a second one that a test may give it.
const FIRST: &str = "00316098765432";
const SECOND: &str = "00316098765433";

/// An event that ended like this.
async fn ended(node: &TestNode, client: &mut Client, status: Status) -> String {
    ended_as(node, client, BLOCK, status).await
}

async fn ended_as(node: &TestNode, client: &mut Client, body: &str, status: Status) -> String {
    let id = client.post(SHOP, body.to_owned()).await.event_id();
    let change = Change {
        sequence: EventId::parse(&id).unwrap().sequence(),
        status,
        due: NOW,
        reason: Some("no".to_owned()),
        superseded_by: None,
        possibly_duplicate: false,
        holds_lane: false,
    };
    let settlement = Settlement { at: NOW, changes: vec![change], ..Settlement::default() };
    let lease = node.journal.lease(Queue::Events).await.unwrap()[0];
    node.journal.settle(lease, settlement).await.unwrap();
    id
}

#[tokio::test]
async fn what_can_be_done_depends_on_the_status() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    for (status, retry, discard) in [
        (Status::Failed, 200, 200),
        (Status::InDoubt, 200, 200),
        (Status::Discarded, 200, 409),
        (Status::Confirmed, 409, 409),
        (Status::Relayed, 409, 409),
        (Status::Superseded, 409, 409),
        (Status::Expired, 409, 409),
    ] {
        for (action, expected, after) in [("retry", retry, "retrying"), ("discard", discard, "discarded")] {
            let id = ended(&node, &mut client, status).await;
            let answer = act(&mut client, &format!("/api/v1/events/{id}/{action}"), SHOP).await;
            let found = answer.json();
            assert_eq!(answer.status, expected, "{action} {status}: {found}");
            if expected == 200 {
                assert_eq!((&found["id"], &found["status"]), (&json!(id), &json!(after)), "{status}");
            } else {
                assert_eq!(found["error"]["code"], "wrong_status", "{found}");
            }
        }
    }
    // What is open is not tried twice.
    let id = client.post(SHOP, BLOCK).await.event_id();
    assert_eq!(act(&mut client, &format!("/api/v1/events/{id}/retry"), SHOP).await.status, 409);
}

#[tokio::test]
async fn only_operators_of_the_account_may() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let id = ended(&node, &mut client, Status::Failed).await;
    let mine = |action: &str| format!("/api/v1/events/{id}/{action}");
    for path in [mine("retry"), mine("discard")] {
        for (path, token, status) in [
            (path.as_str(), "", 401),
            (&path, SHOP_READ_ONLY, 403),
            (&path, SALON, 404),
            (&path.replace(&id, "ev_nothing"), SHOP, 404),
            (&format!("{path}?why=so"), SHOP, 400),
        ] {
            assert_eq!(act(&mut client, path, token).await.status, status, "{path} {token}");
        }
    }
    let all = "/api/v1/events/retry";
    for (query, token, status) in [
        ("", "", 401),
        ("", SHOP_READ_ONLY, 403),
        ("?limit=1001", SHOP, 400),
        ("?status=confirmed", SHOP, 400),
        ("?colour=red", SHOP, 400),
    ] {
        assert_eq!(act(&mut client, &format!("{all}{query}"), token).await.status, status, "{query}");
    }
    // A filter in the body would be overlooked.
    let headers = [("x-cm-producttoken", SHOP)];
    for path in [all, "/api/v1/outbox/retry"] {
        for body in [r#"{"status":"in_doubt"}"#, "{}"] {
            let refused = client.send(Method::POST, path, &headers, body).await;
            let error = &refused.json()["error"];
            assert_eq!((refused.status.as_u16(), &error["code"]), (400, &json!("invalid_body")), "{path}");
            assert_eq!(error["hint"], "the filter stands in the query string, as in ?status=failed");
        }
    }
    // Nothing of it has touched the event, and another account's filter does not find it.
    assert_eq!(act(&mut client, all, SALON).await.json(), json!({"count": 0, "cursor": null}));
    let event = client.get(&format!("/api/v1/events/{id}"), SHOP).await.json();
    assert_eq!(event["status"], "failed");
}

#[tokio::test]
async fn many_are_tried_again_page_by_page_at_a_pace() {
    const EVENTS: usize = 120;
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let mut ids = Vec::new();
    for _ in 0..EVENTS {
        ids.push(ended(&node, &mut client, Status::Failed).await);
    }
    let kept = ended(&node, &mut client, Status::InDoubt).await;
    let none = act(&mut client, "/api/v1/events/retry?type=Purchase", SHOP).await.json();
    assert_eq!(none["count"], 0);
    let (mut counts, mut cursor) = (0, String::new());
    loop {
        let path = format!("/api/v1/events/retry?status=failed&limit=110&cursor={cursor}");
        let found = act(&mut client, &path, SHOP).await.json();
        counts += found["count"].as_u64().unwrap();
        assert!(found["count"].as_u64().unwrap() <= 110, "{found}");
        match found["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(counts, EVENTS as u64);
    let mut due = Vec::new();
    for id in &ids {
        let record = node.journal.get(Queue::Events, EventId::parse(id).unwrap()).await.unwrap().unwrap();
        assert_eq!(record.status, Status::Retrying, "{id}");
        due.push(record.due);
    }
    // Never more than 50 at once, whatever the call, and the older ones first.
    assert!(due.is_sorted(), "{due:?}");
    for at in &due {
        assert!(due.iter().filter(|due| *due == at).count() <= 50, "{at:?}");
    }
    assert_eq!(due[0], NOW);
    // Each call takes moments of its own: 50, 50 and 10, then 10.
    assert_eq!(due[EVENTS - 1], NOW.saturating_add(Duration::from_millis(1_500)));
    let kept = client.get(&format!("/api/v1/events/{kept}"), SHOP).await.json();
    assert_eq!(kept["status"], "in_doubt");
}

/// Gives the shop a second number.
fn second_number(config: &mut Config) {
    let mut accounts = config.accounts.to_vec();
    let second = Number {
        number: PhoneNumber::parse(SECOND).unwrap(),
        phone_number_id: PhoneNumberId::parse("106540352242923").unwrap(),
    };
    accounts[0].wabas[0].numbers.push(second);
    config.accounts = Accounts::new(accounts);
    config.limits.open_events_per_number = 200;
}

#[tokio::test]
async fn what_was_done_before_a_failure_is_told() {
    let node = TestNode::with(Setup { change: second_number, ..Setup::default() }).await;
    let mut client = node.client().await;
    for from in [[FIRST; 50].as_slice(), &[SECOND; 60]].concat() {
        let block = BLOCK.replace(FIRST, from);
        ended_as(&node, &mut client, &block, Status::Failed).await;
    }
    // There is no room for the second number: what was accepted counts as open as long as the driver does not run.
    let taken = node.node.driver.room(PhoneNumber::parse(SECOND).unwrap(), 140).unwrap();
    let none = act(&mut client, &format!("/api/v1/events/retry?from={SECOND}"), SHOP).await;
    assert_eq!((none.status.as_u16(), &none.json()["error"]["code"]), (503, &json!("unavailable")));
    let some = act(&mut client, "/api/v1/events/retry", SHOP).await;
    assert_eq!((some.status.as_u16(), &some.json()["count"]), (200, &json!(50)), "{}", some.json());
    let cursor = some.json()["cursor"].as_str().unwrap().to_owned();
    let rest = format!("/api/v1/events/retry?cursor={cursor}");
    assert_eq!(act(&mut client, &rest, SHOP).await.status, 503);
    drop(taken);
    assert_eq!(act(&mut client, &rest, SHOP).await.json(), json!({"count": 60, "cursor": null}));
    assert_eq!(act(&mut client, "/api/v1/events/retry", SHOP).await.json()["count"], 0);
}

#[tokio::test]
async fn an_open_event_is_given_up_unless_a_call_carries_it() {
    let graph = Upstream::listen().await;
    let node = TestNode::with(Setup { graph_url: Some(graph.url()), ..Setup::default() }).await;
    let mut client = node.client().await;
    let discard = |id: &str| format!("/api/v1/events/{id}/discard");
    let block = client.post(SHOP, BLOCK).await.event_id();
    let mut call = graph.accept().await;
    assert!(call.head().await.starts_with("POST "));

    let refused = act(&mut client, &discard(&block), SHOP).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (409, &json!("wrong_status")));
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, format!("event {block} is sending: a call for it is under way, and is not stopped"));

    // What waits for its turn behind it is in no call.
    let unblock = client.post(SHOP, BLOCK.replace("Block", "UnBlock")).await.event_id();
    let waiting = client.get(&format!("/api/v1/events/{unblock}"), SHOP).await.json();
    assert_eq!((&waiting["status"], &waiting["waiting_for"]), (&json!("accepted"), &json!("lane")));
    let given_up = act(&mut client, &discard(&unblock), SHOP).await;
    assert_eq!((given_up.status.as_u16(), &given_up.json()["status"]), (200, &json!("discarded")));
    assert_eq!(given_up.json()["reason"], "An operator gave it up.");

    let mut changes = node.node.driver.changed();
    let trouble = r#"{"error":{"message":"(#2) Try again","type":"OAuthException","code":2}}"#;
    let length = trouble.len();
    call.write(&format!("HTTP/1.1 500 Oh no\r\nContent-Length: {length}\r\n\r\n{trouble}")).await;
    assert_eq!(changes.recv().await.unwrap().status, Status::Retrying);
    let given_up = act(&mut client, &discard(&block), SHOP).await;
    let state = given_up.json();
    assert_eq!((given_up.status.as_u16(), &state["status"]), (200, &json!("discarded")), "{state}");
    assert_eq!(state["attempts"][0]["outcome"], "transient", "what was tried is still told");
    // It is over.
    assert_eq!(act(&mut client, &discard(&block), SHOP).await.status, 409);
}

#[tokio::test]
async fn a_wish_that_meets_the_end_of_a_call_waits_for_what_the_call_led_to() {
    let graph = Upstream::listen().await;
    let node = TestNode::with(Setup { graph_url: Some(graph.url()), ..Setup::default() }).await;
    let mut client = node.client().await;
    let id = client.post(SHOP, BLOCK).await.event_id();
    let mut call = graph.accept().await;
    call.head().await;
    let mut changes = node.node.driver.changed();
    call.write("HTTP/1.1 500 Oh no\r\nContent-Length: 0\r\n\r\n").await;
    // Whether the call is still under way or its outcome is being stored, the answer is true.
    let path = format!("/api/v1/events/{id}/discard");
    let answer = act(&mut client, &path, SHOP).await;
    let retrying = changes.recv().await.unwrap();
    assert_eq!(retrying.status, Status::Retrying, "{}", answer.json());
    if answer.status != 200 {
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("is sending: a call for it is under way"), "{message}");
        assert_eq!(act(&mut client, &path, SHOP).await.status, 200);
    }
    let state = client.get(&format!("/api/v1/events/{id}"), SHOP).await.json();
    assert_eq!(state["status"], "discarded", "{state}");
}
