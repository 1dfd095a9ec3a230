//! Faults as a client meets them.

use std::time::Duration;

use laneway_sandbox::{FaultCall, FaultError, FaultRule, NumberInfo, Preset, Sandbox, When};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{call, control, graph, start};

fn block() -> Value {
    json!({"messaging_product": "whatsapp", "block_users": [{"user": "+316012345678"}]})
}

/// Blocks the customer over a bare socket, and tells the first bytes that come back: none if the server
/// closes it.
async fn first_bytes(sandbox: &Sandbox, business: &NumberInfo) -> Vec<u8> {
    let body = block().to_string();
    let request = format!(
        "POST /v26.0/{}/block_users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n{body}",
        business.phone_number_id,
        business.access_token,
        body.len()
    );
    let mut socket = TcpStream::connect(sandbox.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut received = [0; 64];
    // The system may report the end as a reset.
    let count = socket.read(&mut received).await.unwrap_or(0);
    received[..count].to_vec()
}

#[tokio::test]
async fn a_cut_connection_carries_no_byte() {
    for (cut, effect) in [("before", 0), ("after", 1)] {
        let sandbox = start().await;
        let business = &sandbox.numbers()[0];
        let rule = json!({"call": "block", "cut": cut, "when": {"next": 1}}).to_string();
        assert_eq!(control(&sandbox, "POST /sandbox/faults", &rule).await.status, 200);
        assert_eq!(first_bytes(&sandbox, business).await, b"", "{cut}");
        let blocked = control(&sandbox, "GET /sandbox/blocklist", "").await.json();
        assert_eq!(blocked.as_array().unwrap().len(), effect, "{cut}");
        // Everybody else is served on.
        let request = format!("POST /{}/block_users", business.phone_number_id);
        assert_eq!(graph(&sandbox, business, &request, &block()).await.status, 200, "{cut}");
        let log = control(&sandbox, "GET /sandbox/requests", "").await.json();
        let shown = log.as_array().unwrap().iter().map(|row| (&row["status"], &row["faults"]));
        let expected = [(&json!(null), &json!([1])), (&json!(200), &json!([]))];
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{cut}");
    }
}

#[tokio::test]
async fn a_slow_answer_has_its_effect_at_once() {
    let sandbox = start().await;
    let rule = FaultRule { latency: Some("300s".to_owned()), ..FaultRule::default() };
    sandbox.add_fault(rule).unwrap();
    let business = sandbox.numbers().remove(0);
    let request = format!("POST /{}/block_users", business.phone_number_id);
    let bearer = format!("Bearer {}", business.access_token);
    let address = sandbox.address();
    let slow = tokio::spawn(async move {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        call(address, &request, &headers, &block().to_string()).await
    });
    let blocked = control(&sandbox, "GET /sandbox/blocklist?wait=60s", "").await.json();
    assert_eq!(blocked.as_array().unwrap().len(), 1);
    assert!(!slow.is_finished(), "the answer is held back");
    // Stopping waits for nobody's five minutes.
    let stopped = tokio::time::timeout(Duration::from_secs(60), async { (sandbox.stop().await, slow.await) });
    let (stopped, answer) = stopped.await.unwrap();
    stopped.unwrap();
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn rules_are_added_listed_and_removed() {
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    let request = format!("GET /{}/phone_numbers", business.waba_id);
    let added =
        control(&sandbox, "POST /sandbox/faults", r#"{"preset":"throttled","when":{"next":2}}"#).await;
    let rule = |struck: u64| json!({"id": 1, "struck": struck, "call": "any", "preset": "throttled", "when": {"next": 2}});
    assert_eq!((added.status, added.json()), (200, rule(0)));
    for expected in [429, 429, 200] {
        assert_eq!(graph(&sandbox, business, &request, &json!({})).await.status, expected);
    }
    assert_eq!(control(&sandbox, "GET /sandbox/faults", "").await.json(), json!([rule(2)]));
    for preset in ["dead_token", "meta_down"] {
        control(&sandbox, "POST /sandbox/faults", &json!({"preset": preset}).to_string()).await;
    }
    let count = |sandbox: &Sandbox| {
        let address = sandbox.address();
        async move { call(address, "GET /sandbox/faults", &[], "").await.json().as_array().unwrap().len() }
    };
    assert_eq!(count(&sandbox).await, 3);
    assert_eq!(control(&sandbox, "DELETE /sandbox/faults?id=2", "").await.body, r#"{"removed":1}"#);
    assert_eq!(graph(&sandbox, business, &request, &json!({})).await.status, 503);
    assert_eq!(control(&sandbox, "DELETE /sandbox/faults", "").await.body, r#"{"removed":2}"#);
    assert_eq!(control(&sandbox, "DELETE /sandbox/faults", "").await.body, r#"{"removed":0}"#);
    assert_eq!(graph(&sandbox, business, &request, &json!({})).await.status, 200);
    let exported = control(&sandbox, "GET /sandbox/state", "").await.body;
    for (request, body) in [("POST /sandbox/reset", ""), ("PUT /sandbox/state", exported.as_str())] {
        control(&sandbox, "POST /sandbox/faults", r#"{"preset":"meta_down"}"#).await;
        assert_eq!(count(&sandbox).await, 1);
        assert_eq!(control(&sandbox, request, body).await.status, 200);
        assert_eq!(count(&sandbox).await, 0, "{request}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_is_told() {
    let sandbox = start().await;
    let rows = [
        ("POST /sandbox/faults", "{}", 400, "a fault needs a preset, a code, a cut, a lie or a latency"),
        ("POST /sandbox/faults", r#"{"preset":"flood"}"#, 400, "unknown variant `flood`"),
        ("POST /sandbox/faults", r#"{"code":2,"when":"later"}"#, 400, "{\\\"next\\\":3}"),
        ("POST /sandbox/faults", r#"{"code":2,"number":"+31600000000"}"#, 404, "there is +316098765432"),
        ("DELETE /sandbox/faults?id=9", "", 404, "there is no fault 9"),
        ("DELETE /sandbox/faults?id=x", "", 400, "id: a whole number"),
        ("DELETE /sandbox/faults?call=events", "", 400, "there is id"),
        ("PUT /sandbox/faults", "{}", 405, "it takes GET, POST, DELETE"),
        ("POST /sandbox/tokens/revoke", "{}", 400, "body: "),
        ("POST /sandbox/tokens/revoke", r#"{"number":"+31600000000"}"#, 404, "there is +316098765432"),
        ("POST /sandbox/tokens/revoke", r#"{"number":"shop"}"#, 400, "number: a phone number has"),
        ("POST /sandbox/tokens/restore", r#"{"access_token":"EAAx"}"#, 404, "no account has it"),
    ];
    for (request, body, status, says) in rows {
        let answer = control(&sandbox, request, body).await;
        assert_eq!(answer.status, status, "{request} {body}: {}", answer.body);
        assert!(answer.body.contains(says), "{request} {body}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_until_it_is_restored() {
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    let request = format!("GET /{}/phone_numbers", business.waba_id);
    let by_number = json!({"number": "+316098765432"}).to_string();
    let by_token = json!({"access_token": business.access_token}).to_string();
    for (body, verb, status) in
        [(&by_number, "revoke", 401), (&by_token, "restore", 200), (&by_token, "revoke", 401)]
    {
        let answer = control(&sandbox, &format!("POST /sandbox/tokens/{verb}"), body).await.json();
        assert_eq!(answer, json!({"waba_id": business.waba_id, "revoked": verb == "revoke"}));
        let answer = graph(&sandbox, business, &request, &json!({})).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.body.contains(r#""code":190"#), status == 401);
    }
}

#[tokio::test]
async fn a_test_in_rust_has_the_same_rules() {
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    let rule = FaultRule {
        call: FaultCall::Block,
        preset: Some(Preset::Throttled),
        when: When::Next(1),
        ..FaultRule::default()
    };
    assert_eq!(sandbox.add_fault(rule), Ok(1));
    assert_eq!(sandbox.add_fault(FaultRule::default()), Err(FaultError::Nothing));
    let request = format!("POST /{}/block_users", business.phone_number_id);
    assert_eq!(graph(&sandbox, business, &request, &block()).await.status, 429);
    assert_eq!(graph(&sandbox, business, &request, &block()).await.status, 200);
    sandbox.remove_faults();
    assert_eq!(control(&sandbox, "GET /sandbox/faults", "").await.body, "[]");
}
