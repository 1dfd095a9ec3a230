//! `POST /v1.0/event`: every row of the table of answers, and what happens once only.

use bytes::Bytes;
use http::Method;
use laneway_gateway::api::BodyLimits;
use laneway_gateway::config::Config;
use laneway_journal::{Filter, Queue};
use std::time::Duration;

use crate::client::{Client, Raw};
use crate::node::{SALON, SHOP, SHOP_READ_ONLY, Setup, TestNode};

pub(crate) const READ: &str = r#"{"channel":"WhatsApp","event":{"type":"MarkAsRead","custom":{"message_id":"wamid.A"}},"from":{"number":"00316098765432"},"to":{"number":"00316012345678"}}"#;
pub(crate) const BLOCK: &str = r#"{"channel":"WhatsApp","event":{"type":"Block"},"from":{"number":"00316098765432"},"to":{"number":"00316012345678"}}"#;
pub(crate) const PURCHASE: &str = r#"{"channel":"WhatsApp","event":{"type":"Purchase","custom":{"ctwa_id":"AffY","currency":"EUR","value":"12.60","event_id":"order-1"}},"from":{"number":"00316098765432"},"to":{"number":"00316012345678"}}"#;

/// How many events the node has.
async fn count(node: &TestNode) -> usize {
    node.journal.list(Queue::Events, Filter::default(), None, 200).await.unwrap().records.len()
}

#[tokio::test]
async fn an_event_is_durable_when_it_is_answered() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let answer = client.post(SHOP, READ).await;
    let id = answer.event_id();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"details":"Created 1 event(s)","errorCode":0,"messages":[],"event":{{"id":"{id}","status":"accepted"}}}}"#
        )
    );
    assert_eq!(answer.header("location"), format!("/api/v1/events/{id}"));
    assert_eq!(answer.header("content-type"), "application/json");
    let record = node.journal.get(Queue::Events, id.parse_id()).await.unwrap().unwrap();
    assert_eq!(record.row.account.as_str(), "shop");
}

/// Reads an id in a test.
trait ParseId {
    fn parse_id(&self) -> laneway_model::EventId;
}

impl ParseId for String {
    fn parse_id(&self) -> laneway_model::EventId {
        laneway_model::EventId::parse(self).unwrap()
    }
}

/// Sends a request, and compares status, CM.com's number, Laneway's word and the field.
async fn check(
    client: &mut Client,
    (path, headers, body): (&str, &[(&str, &str)], &str),
    (status, error_code, code, details): (u16, u16, &str, &str),
) {
    let answer = client.send(Method::POST, path, headers, body.to_owned()).await;
    let json = answer.json();
    let found = (
        answer.status.as_u16(),
        json["errorCode"].as_u64().unwrap(),
        json["error"]["code"].as_str().unwrap(),
    );
    assert_eq!(found, (status, error_code.into(), code), "{body}: {json}");
    assert!(json["details"].as_str().unwrap().starts_with(details), "{json}");
    assert!(json["messages"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn every_row_of_the_table_that_one_request_can_see() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let client = &mut client;
    let event = "/v1.0/event";
    let shop: &[(&str, &str)] = &[("x-cm-producttoken", SHOP)];
    let none: &[(&str, &str)] = &[];

    check(client, (event, none, READ), (400, 101, "token_missing", "No authentication method found.")).await;
    let nil: &[_] = &[("x-cm-producttoken", "00000000-0000-0000-0000-000000000000")];
    check(client, (event, nil, READ), (400, 101, "token_missing", "No authentication method found.")).await;
    let unknown: &[_] = &[("x-cm-producttoken", "no such token")];
    check(
        client,
        (event, unknown, READ),
        (400, 101, "token_unknown", "No account found for the given authentication"),
    )
    .await;
    let reader: &[_] = &[("x-cm-producttoken", SHOP_READ_ONLY)];
    check(client, (event, reader, READ), (400, 101, "scope_missing", "The token does not have the scope"))
        .await;

    check(client, (event, shop, ""), (400, 202, "empty_body", "")).await;
    check(client, (event, shop, "{\"channel\":"), (400, 202, "not_json", "")).await;
    check(client, (event, shop, "{\"channel\":[]}"), (400, 202, "wrong_type", "channel: ")).await;
    check(client, (event, shop, "{\"channel\":\"a\",\"Channel\":\"a\"}"), (400, 202, "doubled_key", ""))
        .await;

    let without = |name: &str| READ.replace(name, "x");
    check(client, (event, shop, &without("from")), (400, 301, "from_missing", "from.number")).await;
    let foreign = READ.replace("00316098765432", "00316055555555");
    check(client, (event, shop, &foreign), (400, 301, "from_unknown", "from.number")).await;
    let nobody = BLOCK.replace("00316012345678", "");
    check(client, (event, shop, &nobody), (400, 302, "to_missing", "to.number")).await;
    let bad = BLOCK.replace("00316012345678", "0612345678");
    check(client, (event, shop, &bad), (400, 303, "to_not_a_number", "to.number")).await;

    let lead = READ.replace("MarkAsRead", "Lead");
    check(
        client,
        (event, shop, &lead),
        (400, 305, "unknown_event_type", "event.type: \"Lead\" is not an event type"),
    )
    .await;
    let comma = PURCHASE.replace("12.60", "12,60");
    check(client, (event, shop, &comma), (400, 305, "value_invalid", "event.custom.value")).await;
    check(client, ("/v1.0/event?dry_run=perhaps", shop, READ), (400, 305, "invalid_parameter", "dry_run"))
        .await;

    for other in ["dryrun", "dryRun", "dry-run", "DRY_RUN"] {
        let path = format!("/v1.0/event?{other}=true");
        check(client, (&path, shop, READ), (400, 305, "invalid_parameter", "dry_run: is spelt like this"))
            .await;
    }

    let no_click = PURCHASE.replace("ctwa_id", "other");
    check(client, (event, shop, &no_click), (400, 403, "click_id_unknown", "")).await;

    check(client, ("/v1.0/message", shop, READ), (404, 202, "not_found", "")).await;
    check(client, ("/v1.0", shop, READ), (404, 202, "not_found", "")).await;
    let gzip: &[_] = &[("x-cm-producttoken", SHOP), ("content-encoding", "gzip")];
    check(client, (event, gzip, READ), (415, 202, "unsupported_encoding", "")).await;
    let large = format!("{READ}{}", " ".repeat(64 * 1024));
    check(client, (event, shop, &large), (413, 202, "body_too_large", "")).await;

    let answer = client.send(Method::DELETE, event, shop, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    assert_eq!(answer.json()["error"]["code"], "method_not_allowed");
    assert_eq!(count(&node).await, 0, "nothing that was refused is stored");
}

#[tokio::test]
async fn any_content_type_and_every_place_of_the_token() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let at_root = READ.replacen('{', &format!("{{\"authentication\":{{\"productToken\":\"{SHOP}\"}},"), 1);
    let in_messages = READ.replacen(
        '{',
        &format!("{{\"messages\":{{\"Authentication\":{{\"producttoken\":\"{SHOP}\"}}}},"),
        1,
    );
    let of_salon = at_root.replace(SHOP, SALON);
    let capitals = SHOP.to_uppercase();
    let rows: [(&[(&str, &str)], &str); _] = [
        (&[("X-CM-PRODUCTTOKEN", SHOP)], READ),
        (&[("x-cm-producttoken", &capitals)], READ),
        (&[("x-cm-producttoken", SHOP), ("content-type", "text/plain")], READ),
        (&[("content-type", "application/x-www-form-urlencoded")], &at_root),
        (&[], &in_messages),
        // The header wins over the body.
        (&[("x-cm-producttoken", SHOP)], &of_salon),
        (&[("x-cm-producttoken", SHOP), ("content-encoding", "identity")], READ),
    ];
    for (headers, body) in rows {
        let answer = client.send(Method::POST, "/v1.0/event", headers, body.to_owned()).await;
        assert_eq!(answer.status, 200, "{headers:?} {}", answer.text());
    }
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let headers = &[("x-cm-producttoken", SHOP)];
    let answer = client.send(Method::POST, "/v1.0/event?dry_run=true", headers, READ).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (
            200,
            r#"{"details":"Checked 1 event(s), nothing stored","errorCode":0,"messages":[],"event":{"id":null,"status":"valid"}}"#
        )
    );
    assert!(!answer.headers.contains_key("location"));
    assert_eq!(count(&node).await, 0);
    let answer = client.send(Method::POST, "/v1.0/event?dry_run=false&other=1", headers, READ).await;
    assert_eq!((answer.status.as_u16(), count(&node).await), (200, 1));
}

#[tokio::test]
async fn the_same_key_gets_the_first_answer_again() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    let keyed = &[("x-cm-producttoken", SHOP), ("idempotency-key", "order 1")];
    let first = client.send(Method::POST, "/v1.0/event", keyed, READ).await;
    let again = client.send(Method::POST, "/v1.0/event", keyed, READ).await;
    assert_eq!((first.status.as_u16(), first.text()), (200, again.text()));
    assert_eq!(first.header("location"), again.header("location"));

    let conflict = client.send(Method::POST, "/v1.0/event", keyed, BLOCK).await;
    assert_eq!((conflict.status.as_u16(), &conflict.json()["errorCode"]), (409, &305.into()));
    assert_eq!(conflict.json()["error"]["code"], "idempotency_conflict");
    assert!(conflict.json()["details"].as_str().unwrap().contains(&first.event_id()));

    // The scope is the account, and a conversion's event id is a key of its own.
    let other = READ.replace("00316098765432", "00316055555555");
    let salon = &[("x-cm-producttoken", SALON), ("idempotency-key", "order 1")];
    let of_salon = client.send(Method::POST, "/v1.0/event", salon, other).await;
    assert_ne!(of_salon.event_id(), first.event_id());
    let purchase = client.post(SHOP, PURCHASE).await;
    assert_eq!(client.post(SHOP, PURCHASE).await.event_id(), purchase.event_id());
    assert_eq!(count(&node).await, 3);

    let bad = &[("x-cm-producttoken", SHOP), ("idempotency-key", &"k".repeat(256) as &str)];
    let bad = client.send(Method::POST, "/v1.0/event", bad, READ).await;
    assert_eq!(bad.json()["error"]["code"], "idempotency_key_invalid");
}

#[tokio::test]
async fn a_key_is_known_for_as_long_as_the_configuration_says() {
    let change = |config: &mut Config| config.retention.keys = Duration::ZERO;
    let node = TestNode::with(Setup { change, ..Setup::default() }).await;
    let mut client = node.client().await;
    let keyed = &[("x-cm-producttoken", SHOP), ("idempotency-key", "order 1")];
    let first = client.send(Method::POST, "/v1.0/event", keyed, READ).await.event_id();
    let next = client.send(Method::POST, "/v1.0/event", keyed, BLOCK).await.event_id();
    assert_ne!(first, next, "the key is free again");
    let item = READ.replacen('{', r#"{"idempotency_key":"order 1","#, 1);
    let items = format!(r#"{{"events":[{item}]}}"#);
    let answer = client.send(Method::POST, "/api/v1/events", keyed, items).await.json();
    assert_eq!(answer["events"][0]["status"], "accepted", "{answer}");
    assert_eq!(count(&node).await, 3);
    // Conversions have their own time.
    let keyed = &[("x-cm-producttoken", SHOP), ("idempotency-key", "order 2")];
    let first = client.send(Method::POST, "/v1.0/event", keyed, PURCHASE).await.event_id();
    let again = client.send(Method::POST, "/v1.0/event", keyed, PURCHASE).await.event_id();
    assert_eq!(first, again);
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_is_stored() {
    let node = TestNode::start().await;
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let mut client = node.client().await;
        let keyed = [("x-cm-producttoken", SHOP), ("idempotency-key", "once")];
        sends.spawn(async move { client.send(Method::POST, "/v1.0/event", &keyed, READ).await.event_id() });
    }
    let mut ids = sends.join_all().await;
    ids.dedup();
    assert_eq!((ids.len(), count(&node).await), (1, 1));
}

#[tokio::test]
async fn the_rules_are_those_of_the_configuration() {
    let self_block = BLOCK.replace("00316012345678", "00316098765432");
    let switched_off: fn(&mut Config) = |config| config.rules.self_block = false;
    for (change, status, events) in [(Setup::default().change, 400, 0), (switched_off, 200, 1)] {
        let node = TestNode::with(Setup { change, ..Setup::default() }).await;
        let answer = node.client().await.post(SHOP, self_block.clone()).await;
        assert_eq!((answer.status.as_u16(), count(&node).await), (status, events), "{}", answer.text());
    }
}

#[tokio::test]
async fn beyond_the_open_events_there_is_no_room() {
    let no_room: fn(&mut Config) = |config| config.limits.open_events = 0;
    let no_room_for_the_number: fn(&mut Config) = |config| config.limits.open_events_per_number = 0;
    for (change, status, code) in [(no_room, 503, "node_full"), (no_room_for_the_number, 429, "number_full")]
    {
        let node = TestNode::with(Setup { change, ..Setup::default() }).await;
        let mut client = node.client().await;
        let answer = client.post(SHOP, READ).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (status, &500.into()));
        assert_eq!(answer.json()["error"]["code"], code);
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        assert_eq!(count(&node).await, 0);
    }
}

#[tokio::test]
async fn requests_at_once_do_not_pass_the_limit() {
    let room_for_five: fn(&mut Config) = |config| config.limits.open_events = 5;
    let node = TestNode::with(Setup { change: room_for_five, ..Setup::default() }).await;
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let mut client = node.client().await;
        sends.spawn(async move { client.post(SHOP, READ).await.status.as_u16() });
    }
    let mut statuses = sends.join_all().await;
    statuses.sort_unstable();
    let taken = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((taken, count(&node).await), (5, 5));
    assert_eq!(statuses[5..], [503; 27]);
}

#[tokio::test]
async fn what_was_accepted_is_known_also_when_there_is_no_room() {
    let room_for_one: fn(&mut Config) = |config| config.limits.open_events = 1;
    let node = TestNode::with(Setup { change: room_for_one, ..Setup::default() }).await;
    let mut client = node.client().await;
    let keyed = |key| [("x-cm-producttoken", SHOP), ("idempotency-key", key)];
    let first = client.send(Method::POST, "/v1.0/event", &keyed("1"), READ).await;
    for (key, body, status) in [("1", READ, 200), ("1", BLOCK, 409), ("2", READ, 503)] {
        let answer = client.send(Method::POST, "/v1.0/event", &keyed(key), body).await;
        assert_eq!(answer.status, status, "{key}: {}", answer.text());
        assert_eq!(answer.text() == first.text(), status == 200, "{key}");
    }
    assert_eq!(count(&node).await, 1);
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_accepted() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    node.journal.clone().close().await;
    let answer = client.post(SHOP, READ).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["errorCode"]), (503, &500.into()));
    assert_eq!(
        (answer.json()["error"]["code"].as_str(), answer.header("retry-after")),
        (Some("not_durable"), "5")
    );
    let answer = client.get("/api/v1/events", SHOP).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    let (_, metrics) = node.node.telemetry.encode();
    assert!(metrics.contains("laneway_journal_errors_total{failure=\"closed\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_read_to_be_answered() {
    let limits = BodyLimits { event_bytes: 1000, dropped_bytes: 100_000, ..BodyLimits::default() };
    let node = TestNode::with(Setup { body_limits: limits, ..Setup::default() }).await;
    let mut client = node.client().await;
    // Within what is dropped, an ordinary client sees the answer, and its connection lives on.
    for bytes in [1001, 50_000, 100_000] {
        let answer = client.post(SHOP, vec![b' '; bytes]).await;
        assert_eq!((answer.status.as_u16(), answer.headers.get("connection")), (413, None));
    }
    assert_eq!(client.post(SHOP, READ).await.status, 200);

    // Beyond, the connection ends with the answer; nobody waits for the rest.
    let mut raw = Raw::connect(node.address).await;
    raw.write("POST /v1.0/event HTTP/1.1\r\nhost: x\r\ncontent-length: 100001\r\n\r\n").await;
    let answer = raw.answer("POST", "/v1.0/event").await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (413, "close"));
    assert_eq!(raw.rest().await, "");

    // The same for chunks, whose number is not announced.
    let mut raw = Raw::connect(node.address).await;
    raw.write("POST /v1.0/event HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..11 {
        raw.write(format!("2710\r\n{}\r\n", " ".repeat(10_000))).await;
    }
    let answer = raw.answer("POST", "/v1.0/event").await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (413, "close"));
}

#[tokio::test]
async fn a_body_in_pieces_is_one_body() {
    let node = TestNode::start().await;
    let mut raw = Raw::connect(node.address).await;
    let head = format!("POST /v1.0/event HTTP/1.1\r\nhost: x\r\nx-cm-producttoken: {SHOP}\r\n");
    raw.write(format!("{head}transfer-encoding: chunked\r\n\r\n")).await;
    for piece in READ.as_bytes().chunks(7) {
        raw.write(format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap())).await;
    }
    raw.write("0\r\n\r\n").await;
    assert_eq!(raw.answer("POST", "/v1.0/event").await.status, 200);
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let limits = BodyLimits { timeout: Duration::from_millis(20), ..BodyLimits::default() };
    let node = TestNode::with(Setup { body_limits: limits, ..Setup::default() }).await;
    let mut raw = Raw::connect(node.address).await;
    raw.write("POST /v1.0/event HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await;
    let answer = raw.answer("POST", "/v1.0/event").await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (408, "close"));
    assert_eq!(answer.json()["error"]["code"], "body_too_slow");
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn a_byte_now_and_then_gives_a_body_no_more_time() {
    let limits = BodyLimits { timeout: Duration::from_millis(50), ..BodyLimits::default() };
    let node = TestNode::with(Setup { body_limits: limits, ..Setup::default() }).await;
    let head = format!("HTTP/1.1\r\nhost: x\r\nx-cm-producttoken: {SHOP}\r\n");
    for (start, status, code) in [
        (format!("POST /v1.0/event {head}content-length: 60000\r\n\r\n"), "408", "body_too_slow"),
        (
            format!("POST /v1.0/event {head}transfer-encoding: chunked\r\n\r\nffff\r\n"),
            "408",
            "body_too_slow",
        ),
        // The same while a body is only read to be dropped, where the answer is known already.
        (format!("POST /v1.0/event {head}content-length: 70000\r\n\r\n"), "408", "body_too_slow"),
        (format!("POST /v1.0/message {head}content-length: 70000\r\n\r\n"), "404", "not_found"),
        (format!("POST /nowhere {head}content-length: 70000\r\n\r\n"), "404", "not_found"),
    ] {
        let mut raw = Raw::connect(node.address).await;
        raw.write(&start).await;
        let all = raw.dribble(b' ').await;
        assert_eq!(all.split(' ').nth(1), Some(status), "{start:?} got {all:?}");
        assert!(all.contains(code) && all.contains("connection: close"), "{start:?} got {all:?}");
    }
    assert_eq!(count(&node).await, 0);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let node = TestNode::start().await;
    let mut raw = Raw::connect(node.address).await;
    let head = format!(
        "POST /v1.0/event HTTP/1.1\r\nhost: x\r\nx-cm-producttoken: {SHOP}\r\nexpect: 100-continue\r\n"
    );
    raw.write(format!("{head}content-length: {}\r\n\r\n", READ.len())).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
    raw.write(READ).await;
    assert_eq!(raw.answer("POST", "/v1.0/event").await.status, 200);

    // One who asks with too much is told so at once.
    raw.write(format!("{head}content-length: 65537\r\n\r\n")).await;
    let answer = raw.answer("POST", "/v1.0/event").await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (413, "close"));
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let node = TestNode::start().await;
    let mut raw = Raw::connect(node.address).await;
    let one = format!(
        "POST /v1.0/event HTTP/1.1\r\nhost: x\r\nx-cm-producttoken: {SHOP}\r\ncontent-length: {}\r\n\r\n{READ}",
        READ.len()
    );
    raw.write(one.repeat(20)).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(raw.answer("POST", "/v1.0/event").await.event_id());
    }
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(count(&node).await, 20);
}

#[tokio::test]
async fn nothing_that_a_client_writes_breaks_the_answer() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    for body in [
        Bytes::from_static(b"\xff\xfe"),
        Bytes::from_static(b"\0"),
        Bytes::from("[".repeat(20_000)),
        Bytes::from_static(b"null"),
        Bytes::from_static(br#"{"channel":"\ud800"}"#),
    ] {
        assert_eq!(client.post(SHOP, body).await.json()["errorCode"], 202);
    }
}
