//! Requests that are not what HTTP clients usually send.

use serde_json::json;

use super::Desk;
use super::desk::EVENT;
use crate::harness::{Answer, Connection, Shop, TOKENS, envelope};

/// Writes a request and reads its answer; `close` waits for the end of the connection, too.
#[track_caller]
fn ask(desk: &Desk, request: &str) -> (Answer, Connection) {
    let mut connection = Connection::open(&desk.serve.gateway.0);
    connection.write(request.as_bytes()).unwrap();
    let answer = connection.answer().unwrap_or_else(|error| panic!("{error} after {request:?}"));
    (answer, connection)
}

#[test]
fn forms_of_a_request_that_are_understood() {
    let mut desk = Desk::open();
    let event = desk.event().to_string();
    let token = format!("x-cm-producttoken: {}\r\n", TOKENS.all.text);
    let rest = format!("{token}content-length: {}\r\n\r\n{event}", event.len());
    for (start, status) in [
        (format!("POST {EVENT} HTTP/1.0\r\n"), 200),
        (format!("POST {EVENT} HTTP/1.0\r\nconnection: keep-alive\r\n"), 200),
        // Clients of proxies write the whole address; which host it names makes no difference.
        (format!("POST http://elsewhere:1{EVENT} HTTP/1.1\r\nhost: x\r\n"), 200),
        (format!("POST {EVENT}?dry_run=true HTTP/1.1\r\nhost: x\r\n"), 200),
        (format!("POST {EVENT}?%ff=%ff&dry_run HTTP/1.1\r\nhost: x\r\n"), 200),
        (format!("POST {EVENT}#part HTTP/1.1\r\nhost: x\r\n"), 200),
        (format!("POST {EVENT} HTTP/1.1\r\n"), 200),
        (format!("POST {EVENT} HTTP/1.1\r\nhost: \r\n"), 200),
        (format!("POST {EVENT} HTTP/1.1\r\nhost: x\r\ncontent-type: ☃\r\n"), 200),
        (format!("\r\nPOST {EVENT} HTTP/1.1\r\nhost: x\r\n"), 200),
        (format!("POST {EVENT}/ HTTP/1.1\r\nhost: x\r\n"), 404),
        ("POST /v1.0/Event HTTP/1.1\r\nhost: x\r\n".to_owned(), 404),
        ("POST /v1.0/event%00 HTTP/1.1\r\nhost: x\r\n".to_owned(), 404),
        ("POST /v1.0/%ff HTTP/1.1\r\nhost: x\r\n".to_owned(), 404),
        ("POST /v1.0/../v1.0/event HTTP/1.1\r\nhost: x\r\n".to_owned(), 404),
        ("POST /v1.0/message HTTP/1.1\r\nhost: x\r\n".to_owned(), 404),
        (format!("GET {EVENT} HTTP/1.1\r\nhost: x\r\n"), 405),
        (format!("PUT {EVENT} HTTP/1.1\r\nhost: x\r\n"), 405),
        (format!("OPTIONS {EVENT} HTTP/1.1\r\nhost: x\r\norigin: http://elsewhere\r\n"), 405),
        (format!("BREW {EVENT} HTTP/1.1\r\nhost: x\r\n"), 405),
    ] {
        let (answer, _) = ask(&desk, &format!("{start}{rest}"));
        assert_eq!(answer.status, status, "{start:?} {}", answer.body);
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "{start:?}");
        desk.note(&answer);
    }
    let mut head = Connection::open(&desk.serve.gateway.0);
    head.write(format!("HEAD {EVENT} HTTP/1.1\r\nhost: x\r\n\r\nHEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(head.head().unwrap().status, 405);
    assert_eq!(head.head().unwrap().status, 200);
    head.closed();
    desk.close();
}

#[test]
fn tokens_and_keys_that_are_none() {
    let mut desk = Desk::open();
    let event = desk.event().to_string().replace("\"t\"", "null");
    let token = format!("x-cm-producttoken: {}\r\n", TOKENS.all.text);
    let long = "t".repeat(10_000);
    for (headers, code) in [
        ("".to_owned(), "token_missing"),
        ("x-cm-producttoken:\r\n".to_owned(), "token_missing"),
        ("x-cm-producttoken: 00000000-0000-0000-0000-000000000000\r\n".to_owned(), "token_missing"),
        ("x-cm-producttoken: é\r\n".to_owned(), "token_unknown"),
        (format!("x-cm-producttoken: {long}\r\n"), "token_unknown"),
        (format!("x-cm-producttoken: {} x\r\n", TOKENS.all.text), "token_unknown"),
        (format!("x-cm-producttoken: {}\r\n", TOKENS.read.text), "scope_missing"),
        (format!("{token}idempotency-key:\r\n"), "idempotency_key_invalid"),
        (format!("{token}idempotency-key: é\r\n"), "idempotency_key_invalid"),
        (format!("{token}idempotency-key: {long}\r\n"), "idempotency_key_invalid"),
    ] {
        let request = format!(
            "POST {EVENT} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{event}",
            event.len()
        );
        let (answer, _) = ask(&desk, &request);
        let json = answer.any_json();
        assert_eq!(json["error"]["code"], code, "{json}");
        assert!(!answer.body.contains("ttttt"), "{json}");
        desk.note(&answer);
    }
    desk.close();
}

#[test]
fn questions_that_cannot_be_answered() {
    let desk = Desk::open();
    let gateway = &desk.serve.gateway.0;
    let long = "x".repeat(10_000);
    for (path, status, code) in [
        ("/api/v1/events/%ff".to_owned(), 404, "not_found"),
        ("/api/v1/events/%00".to_owned(), 404, "not_found"),
        ("/api/v1/events/ev_ZZZZZZZZZZZZZZZZZZZZZZZZZZ".to_owned(), 404, "not_found"),
        (format!("/api/v1/events/{long}"), 404, "not_found"),
        ("/api/v1/events/".to_owned(), 404, "not_found"),
        ("/api/v1/%2e%2e/events".to_owned(), 404, "not_found"),
        ("/".to_owned(), 404, "not_found"),
        ("/api/v1/events?limit=-1".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?limit=1e400".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?limit=99999999999999999999999".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?cursor=cffffffffffffffff".to_owned(), 200, ""),
        ("/api/v1/events?cursor=cfffffffffffffffff".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?cursor=c-1".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?cursor=c".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?since=99999999999999999999".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?since=18446744073709551615".to_owned(), 200, ""),
        ("/api/v1/events?since=-1".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?until=%00".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?to=%ff".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?reference=%00".to_owned(), 400, "invalid_parameter"),
        (format!("/api/v1/events?status={long}"), 400, "invalid_parameter"),
        (format!("/api/v1/events?type={}", "block,".repeat(2_000)), 400, "invalid_parameter"),
        (format!("/api/v1/events?{long}=1"), 400, "unknown_parameter"),
        ("/api/v1/events?limit=1&limit=2".to_owned(), 400, "invalid_parameter"),
        ("/api/v1/events?%ff".to_owned(), 400, "unknown_parameter"),
        ("/api/v1/events?limit&&&=".to_owned(), 400, "unknown_parameter"),
        (
            "/api/v1/events/ev_00000000000000000000000001?wait=final&timeout=0s".to_owned(),
            400,
            "invalid_parameter",
        ),
        ("/api/v1/events/ev_00000000000000000000000001?wait=ever".to_owned(), 400, "invalid_parameter"),
    ] {
        let answer = gateway.get(&path);
        let shown = path.get(..path.len().min(80)).unwrap_or_default();
        assert_eq!(answer.status, status, "{shown} {}", answer.body);
        assert_eq!(answer.any_json()["error"]["code"].as_str().unwrap_or_default(), code, "{shown}");
        assert!(answer.body.len() < 1500, "{shown}");
    }
    for method in ["DELETE", "PATCH", "OPTIONS"] {
        let answer = gateway.send(method, "/api/v1/events", "{}").unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD,POST")), "{method}");
    }
    desk.close();
}

/// What is not HTTP is told so by the HTTP library, without a body, and the connection ends.
#[test]
fn heads_that_are_none() {
    let desk = Desk::open();
    let fields = |count: usize| "a: b\r\n".repeat(count);
    for (request, status) in [
        ("what is this\r\n\r\n".to_owned(), 400),
        ("\0\0\0\0\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 400),
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\na\0b: c\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\na: b\0c\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\na : b\r\n\r\n".to_owned(), 400),
        (format!("POST {EVENT} HTTP/1.1\r\ncontent-length: -1\r\n\r\n"), 400),
        (format!("POST {EVENT} HTTP/1.1\r\ncontent-length: 1e3\r\n\r\n"), 400),
        (format!("POST {EVENT} HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n"), 400),
        (format!("POST {EVENT} HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{{}}x"), 400),
        (format!("POST {EVENT} HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n"), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 431),
        (format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", fields(101)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", fields(100_000)), 431),
    ] {
        let shown = request.get(..request.len().min(80)).unwrap_or("").to_owned();
        let mut connection = Connection::open(&desk.serve.gateway.0);
        // The server may have answered and gone before it is told all.
        connection.write(request.as_bytes()).unwrap_or_default();
        let answer = connection.head().unwrap_or_else(|error| panic!("{error} after {shown:?}"));
        assert_eq!((answer.status, answer.header("content-length")), (status, Some("0")), "{shown:?}");
        connection.closed();
    }
    desk.close();
}

/// A length and chunks at once could hide a second request from a proxy in between.
#[test]
fn a_length_and_chunks_are_not_believed_together() {
    let mut desk = Desk::open();
    let token = &TOKENS.all.text;
    let hidden = format!("POST {EVENT} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    let request = format!(
        "POST {EVENT} HTTP/1.1\r\nhost: x\r\nx-cm-producttoken: {token}\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    let (answer, connection) = ask(&desk, &request);
    assert_eq!(answer.status, 400, "{}", answer.body);
    connection.closed();
    desk.note(&answer);
    desk.close();
}

#[test]
fn whoever_sends_faster_than_the_account_may_is_told_when_to_come_back() {
    let shop = Shop::open();
    let text = std::fs::read_to_string(shop.config()).unwrap();
    let limited = text.replace("name = \"shop\"\n", "name = \"shop\"\nmax_events_per_second = 1\n");
    std::fs::write(shop.config(), limited).unwrap();
    let serve = shop.serve();
    let event = envelope(shop.world.number(), "+316012345678", &json!({"type": "Block"}));
    let answers: Vec<_> = (0..20).map(|_| serve.gateway.0.post("/v1.0/event", &event)).collect();
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    let body = refused.any_json();
    assert_eq!([&body["errorCode"], &body["error"]["code"]], [&json!(500), &json!("rate_limited")]);
    assert!(answers.iter().take(2).all(|answer| answer.status == 200), "a second's worth comes at once");
    let batch = format!(r#"{{"events":[{event}]}}"#);
    let answer = (0..20).map(|_| serve.gateway.0.post("/api/v1/events", &batch)).find(|a| a.status == 429);
    assert_eq!(answer.unwrap().any_json()["error"]["code"], "rate_limited");
    // What was refused was not stored.
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(serve.gateway.every_event("").len() >= taken && taken < 10, "{taken}");
}
