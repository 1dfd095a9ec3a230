//! `/api/v1/events`: states, lists, waiting, and whose is whose.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http::Method;
use insta::assert_json_snapshot;
use laneway_gateway::config::{Accounts, Config};
use laneway_journal::{Change, EndedCall, Lease, MemberOutcome, NewCall, Queue, Settlement};
use laneway_model::{AttemptOutcome, EventId, Route, Status};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::client::Client;
use crate::events_cm::{BLOCK, PURCHASE, READ};
use crate::node::{NOW, SALON, SHOP, SHOP_READ_ONLY, SHOP_SEND_ONLY, Setup, TestNode};

fn path_of(id: &str) -> String {
    format!("/api/v1/events/{id}")
}

async fn lease(node: &TestNode) -> Lease {
    node.journal.lease(Queue::Events).await.unwrap()[0]
}

/// Settles an event after one call, as the driver would.
async fn settle(node: &TestNode, id: &str, status: Status, outcome: AttemptOutcome, reason: Option<&str>) {
    let sequence = EventId::parse(id).unwrap().sequence();
    let lease = lease(node).await;
    let started_at = NOW.saturating_add(Duration::from_millis(5));
    let call = NewCall { started_at, route: Route::Meta, members: vec![sequence] };
    let begun = node.journal.begin(lease, call).await.unwrap();
    let member = MemberOutcome {
        sequence,
        outcome,
        code: (outcome != AttemptOutcome::Confirmed).then_some(130_429),
        subcode: None,
        detail: reason.map(ToOwned::to_owned),
    };
    let at = NOW.saturating_add(Duration::from_millis(207));
    let settlement = Settlement {
        at,
        call: Some(EndedCall {
            begun: Some(begun),
            started_at,
            finished_at: at,
            route: Route::Meta,
            http_status: Some(if outcome == AttemptOutcome::Confirmed { 200 } else { 400 }),
            trace_id: Some("AbCdEf".to_owned()),
            members: vec![member],
        }),
        changes: vec![Change {
            sequence,
            status,
            due: NOW.saturating_add(Duration::from_secs(6)),
            reason: reason.filter(|_| !status.is_open()).map(ToOwned::to_owned),
            superseded_by: None,
            possibly_duplicate: false,
            holds_lane: false,
        }],
        ..Settlement::default()
    };
    node.journal.settle(lease, settlement).await.unwrap();
}

#[tokio::test]
async fn states_from_accept_to_the_end() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let marked = READ.replacen('{', r#"{"reference":"chat 7","#, 1);
    let read = client.post(SHOP, marked).await.event_id();
    let state = client.get(&path_of(&read), SHOP).await;
    assert_json_snapshot!("accepted", state.json());
    // Key order is part of what people read, and a snapshot of parsed JSON would hide a change of it.
    assert!(
        state
            .text()
            .starts_with(&format!(r#"{{"id":"{read}","type":"MarkAsRead","channel":"WhatsApp","from":"#))
    );

    let kept = r#""custom":{"note":{"b":1.50,"a":[]},"productToken":"secret","#;
    let purchase = PURCHASE.replace(r#""custom":{"#, kept);
    let purchase = client.post(SHOP, purchase).await.event_id();
    settle(&node, &purchase, Status::Retrying, AttemptOutcome::Throttled, Some("too many calls")).await;
    let state = client.get(&path_of(&purchase), SHOP).await;
    assert!(state.text().contains(r#"{"note":{"b":1.50,"a":[]},"#), "kept to the letter: {}", state.text());
    assert_json_snapshot!("retrying", state.json());

    settle(&node, &purchase, Status::Failed, AttemptOutcome::Rejected, Some("no such click id")).await;
    assert_json_snapshot!("failed", client.get(&path_of(&purchase), SHOP).await.json());
}

#[tokio::test]
async fn an_account_sees_its_own_events_only() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let id = client.post(SHOP, READ).await.event_id();
    for (token, path, status, code) in [
        (SHOP, path_of(&id), 200, None),
        (SHOP, path_of(&id.to_lowercase()), 200, None),
        (SHOP_READ_ONLY, path_of(&id), 200, None),
        (SALON, path_of(&id), 404, Some("not_found")),
        (SHOP_SEND_ONLY, path_of(&id), 403, Some("scope_missing")),
        (SHOP_SEND_ONLY, "/api/v1/events".to_owned(), 403, Some("scope_missing")),
        ("", path_of(&id), 401, Some("token_missing")),
        ("", "/api/v1/events".to_owned(), 401, Some("token_missing")),
        ("nobody's", path_of(&id), 401, Some("token_unknown")),
        (SHOP, path_of("ev_00000000000000000000000001"), 404, Some("not_found")),
        (SHOP, path_of("7"), 404, Some("not_found")),
    ] {
        let answer = client.get(&path, token).await;
        let found = (answer.status.as_u16(), answer.json()["error"]["code"].as_str().map(ToOwned::to_owned));
        assert_eq!(found, (status, code.map(ToOwned::to_owned)), "{token} {path}");
    }
    let list = client.get("/api/v1/events", SALON).await.json();
    assert_eq!((list["events"].as_array().unwrap().len(), &list["cursor"]), (0, &Value::Null));

    let bearer = format!("Bearer {SHOP}");
    let answer = client.send(Method::GET, &path_of(&id), &[("authorization", &bearer)], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn in_dev_everybody_is_let_in() {
    let change = |config: &mut Config| {
        let mut accounts = config.accounts.to_vec();
        accounts[0].open_access = true;
        config.accounts = Accounts::new(accounts);
    };
    let node = TestNode::with(Setup { change, ..Setup::default() }).await;
    let mut client = node.client().await;
    let id = client.send(Method::POST, "/v1.0/event", &[], READ).await.event_id();
    for token in ["", "any", SHOP] {
        assert_eq!(client.get(&path_of(&id), token).await.status, 200, "{token:?}");
    }
}

/// Lists with a query, and compares which of the events, counted from the oldest, are shown.
async fn check_list(client: &mut Client, ids: &[String], query: &str, expected: &[usize]) {
    let answer = client.get(&format!("/api/v1/events?{query}"), SHOP).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let events = answer.json()["events"].as_array().unwrap().clone();
    let found: Vec<usize> =
        events.iter().map(|event| ids.iter().position(|id| event["id"] == **id).unwrap()).collect();
    assert_eq!(found, expected, "{query}");
}

#[tokio::test]
async fn lists_by_every_filter() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let referenced = BLOCK.replacen('{', r#"{"reference":"a b","#, 1);
    let bsuid = BLOCK.replace("00316012345678", "US.13491208655302741918");
    let mut ids = Vec::new();
    for body in [READ, &referenced, &bsuid, PURCHASE] {
        ids.push(client.post(SHOP, body.to_owned()).await.event_id());
    }
    settle(&node, &ids[3], Status::Failed, AttemptOutcome::Rejected, Some("no")).await;
    let rows: [(&str, &[usize]); _] = [
        ("", &[3, 2, 1, 0]),
        ("status=&type=&from=&to=&reference=&since=&until=&limit=&cursor=", &[3, 2, 1, 0]),
        ("status=open", &[2, 1, 0]),
        ("status=final", &[3]),
        ("status=failed", &[3]),
        ("status=failed,accepted", &[3, 2, 1, 0]),
        ("status=confirmed,in_doubt", &[]),
        ("type=block", &[2, 1]),
        ("type=Purchase,MarkAsRead", &[3, 0]),
        ("from=00316098765432", &[3, 2, 1, 0]),
        ("from=%2B31%206098765432", &[3, 2, 1, 0]),
        ("from=316055555555", &[]),
        ("to=00316012345678", &[3, 1, 0]),
        ("to=+316012345678", &[3, 1, 0]),
        ("to=US.13491208655302741918", &[2]),
        ("reference=a%20b", &[1]),
        ("reference=a+b&type=block&status=open", &[1]),
        ("since=2026-11-22T12:00:00Z", &[3, 2, 1, 0]),
        ("since=1795348801", &[]),
        ("until=2026-11-22T13:00:00%2B01:00", &[]),
        ("until=1795348801", &[3, 2, 1, 0]),
        ("limit=2", &[3, 2]),
    ];
    for (query, expected) in rows {
        check_list(&mut client, &ids, query, expected).await;
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let mut posted = Vec::new();
    for _ in 0..7 {
        posted.push(client.post(SHOP, READ).await.event_id());
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = client.get(&format!("/api/v1/events?limit=3&cursor={cursor}"), SHOP).await.json();
        listed
            .extend(page["events"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()));
        // What comes meanwhile is newer, and belongs to no page after the first.
        client.post(SHOP, READ).await;
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    posted.reverse();
    assert_eq!(listed, posted);
}

#[tokio::test]
async fn parameters_that_cannot_be_used() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let id = client.post(SHOP, READ).await.event_id();
    let list = "/api/v1/events".to_owned();
    for (path, query, code, field, said) in [
        (&list, "state=open", "unknown_parameter", "state", "did you mean status?"),
        (&list, "x=1", "unknown_parameter", "x", "the parameters are status, type"),
        (&list, "status=open&status=final", "invalid_parameter", "status", "given twice"),
        (&list, "status=faild", "invalid_parameter", "status", "did you mean \"failed\"?"),
        (&list, "status=delivered", "invalid_parameter", "status", "is not a status"),
        (&list, "type=Lead", "invalid_parameter", "type", "did you mean \"LeadSubmitted\"?"),
        (&list, "from=0612345678", "invalid_parameter", "from", "national number"),
        (&list, "to=12", "invalid_parameter", "to", "2 digits"),
        (&list, "since=yesterday", "invalid_parameter", "since", "is neither an instant"),
        (&list, "until=1969-01-01T00:00:00Z", "invalid_parameter", "until", "before 1970"),
        (&list, "limit=0", "invalid_parameter", "limit", "it is 1 to 200"),
        (&list, "limit=201", "invalid_parameter", "limit", "it is 1 to 200"),
        (&list, "limit=-1", "invalid_parameter", "limit", "it is 1 to 200"),
        (&list, "cursor=1", "invalid_parameter", "cursor", "is not a cursor"),
        (&list, "cursor=c+1", "invalid_parameter", "cursor", "is not a cursor"),
        (&list, "reference=%00", "invalid_parameter", "reference", "contains"),
        (
            &path_of(&id),
            "wait=confirmed",
            "invalid_parameter",
            "wait",
            "the one thing to wait for is \"final\"",
        ),
        (&path_of(&id), "wait=final&timeout=0s", "invalid_parameter", "timeout", "1s to 60s"),
        (&path_of(&id), "wait=final&timeout=61s", "invalid_parameter", "timeout", "1s to 60s"),
        (&path_of(&id), "wait=final&timeout=1m", "invalid_parameter", "timeout", "1s to 60s"),
        (&path_of(&id), "await=final", "unknown_parameter", "await", "did you mean wait?"),
    ] {
        let answer = client.get(&format!("{path}?{query}"), SHOP).await;
        let error = answer.json()["error"].clone();
        assert_eq!(
            (answer.status.as_u16(), &error["code"], &error["field"]),
            (400, &code.into(), &field.into()),
            "{query}"
        );
        assert!(answer.text().replace("\\\"", "\"").contains(said), "{query}: {}", answer.text());
    }
}

/// A Graph API that confirms everything, each call when it is let go.
pub(crate) async fn graph() -> (String, Arc<Notify>, Arc<Notify>) {
    let (called, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (announce, wait) = (Arc::clone(&called), Arc::clone(&release));
    let router = Router::new().route(
        "/{version}/{id}/messages",
        post(async move || {
            announce.notify_one();
            wait.notified().await;
            axum::Json(serde_json::json!({ "success": true }))
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, called, release)
}

#[tokio::test]
async fn waiting_ends_with_the_event_or_with_the_time() {
    let (graph_url, called, release) = graph().await;
    let node = TestNode::with(Setup { graph_url: Some(graph_url), ..Setup::default() }).await;
    let mut client = node.client().await;
    let id = client.post(SHOP, READ).await.event_id();
    called.notified().await;
    let sending = client.get(&path_of(&id), SHOP).await.json();
    assert_eq!((&sending["status"], &sending["next_attempt_at"]), (&"sending".into(), &Value::Null));
    let list = client.get("/api/v1/events?status=sending", SHOP).await.json();
    assert_eq!(list["events"][0]["status"], "sending");

    // The shortest wait there is.
    let out_of_time = client.get(&format!("{}?wait=final&timeout=1s", path_of(&id)), SHOP).await;
    assert_eq!((out_of_time.status.as_u16(), &out_of_time.json()["status"]), (200, &"sending".into()));

    let mut other = node.client().await;
    let waiting = format!("{}?wait=final&timeout=60", path_of(&id));
    let (state, ()) = tokio::join!(other.get(&waiting, SHOP), async { release.notify_one() });
    let state = state.json();
    assert_eq!(
        (&state["status"], &state["attempts"][0]["outcome"]),
        (&"confirmed".into(), &"confirmed".into())
    );
    // What is final already is answered at once.
    assert_eq!(other.get(&waiting, SHOP).await.json()["status"], "confirmed");
}
