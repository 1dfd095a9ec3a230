//! What operators see of `laneway serve`: its own address, its metrics, and a log that keeps everyone's secrets.

use serde_json::json;

use crate::harness::{ADMIN_TOKEN, Host, Shop, TOKENS, envelope};

#[test]
fn operators_have_their_own_address() {
    let shop = Shop::open();
    let serve = shop.serve();
    let stranger = Host::new(&serve.process.value("admin="));
    for (path, public, admin, without_token) in [
        ("/metrics", 404, 200, 401),
        ("/readyz", 404, 200, 401),
        ("/healthz", 200, 200, 200),
        // The console asks here for events, with an account's own token.
        ("/openapi.json", 200, 200, 200),
        ("/api/v1/events", 200, 401, 401),
        ("/console", 404, 200, 200),
    ] {
        assert_eq!(serve.gateway.0.get(path).status, public, "{path} for clients");
        assert_eq!(serve.admin.get(path).status, admin, "{path} for operators");
        assert_eq!(stranger.get(path).status, without_token, "{path} without the admin token");
    }
    assert_eq!(serve.admin.post("/v1.0/event", "{}").status, 404);
    // A product token opens nothing here, and the admin token nothing there.
    let product = stranger.with("authorization", &format!("Bearer {}", TOKENS.all.text));
    assert_eq!(product.get("/metrics").status, 401);
    let public = Host::new(&serve.process.value("gateway="));
    let admin = public.with("authorization", &format!("Bearer {ADMIN_TOKEN}"));
    assert_eq!(admin.get("/api/v1/events").status, 401);
}

/// The value of a metric, by its whole name with labels.
#[track_caller]
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).parse().unwrap()
}

#[test]
fn metrics_count_what_happened() {
    let shop = Shop::open();
    let serve = shop.serve();
    let user = "+316012300001";
    shop.world.user_writes(user, "Hi");
    for kind in ["Block", "UnBlock", "Block"] {
        let event = serve.gateway.deliver(shop.world.number(), user, &json!({"type": kind}));
        assert_eq!(event["status"], "confirmed", "{event}");
    }
    assert_eq!(serve.gateway.0.post("/v1.0/event", "{").status, 400);
    let state = serve.admin.get("/readyz").json();
    assert_eq!((&state["status"], &state["missing"]), (&json!("ready"), &json!([])), "{state}");
    assert_eq!(state["journal"]["open_events"], 0, "{state}");

    let answer = serve.admin.get("/metrics");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = answer.body;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for (name, value) in [
        (r#"laneway_accept_events_total{type="Block",outcome="accepted"}"#, 2.0),
        (r#"laneway_accept_events_total{type="UnBlock",outcome="accepted"}"#, 1.0),
        (r#"laneway_accept_refused_total{code="not_json"}"#, 1.0),
        (r#"laneway_accept_refused_total{code="token_missing"}"#, 0.0),
        (r#"laneway_http_requests_total{route="/v1.0/event",status="200"}"#, 3.0),
        (r#"laneway_http_requests_total{route="/v1.0/event",status="400"}"#, 1.0),
        ("laneway_accept_seconds_count", 3.0),
    ] {
        assert_eq!(metric(&text, name), value, "{name}");
    }
}

/// Everything that can be in an event or go wrong with one, while the log says as much as it can.
#[test]
fn the_log_keeps_secrets() {
    let shop = Shop::open();
    let serve = shop.serve();
    let (user, stranger) = ("+316012300001", "+316012300002");
    let known = shop.world.user_writes(user, "a-text-of-the-user");
    let business = shop.world.number();
    let made_up = "wamid.HBgLMzE2MDEyMzAwMDAzFQIAEhgA";
    for (to, event, status) in [
        (user, json!({"type": "MarkAsRead", "custom": {"message_id": known.wamid}}), "confirmed"),
        (user, json!({"type": "Typing", "custom": {"message_id": known.wamid}}), "confirmed"),
        (user, json!({"type": "Block"}), "confirmed"),
        (user, json!({"type": "UnBlock"}), "confirmed"),
        (
            user,
            json!({"type": "LeadSubmitted", "custom": {"ctwa_clid": known.click, "order_id": "an-order"}}),
            "confirmed",
        ),
        (user, json!({"type": "MarkAsRead", "custom": {"message_id": made_up}}), "failed"),
        (user, json!({"type": "LeadSubmitted", "custom": {"ctwa_clid": "a-made-up-click"}}), "failed"),
        (stranger, json!({"type": "Block"}), "failed"),
    ] {
        let ended = serve.gateway.deliver(business, to, &event);
        assert_eq!(ended["status"], status, "{ended}");
    }
    // Refused requests, and paths and queries that carry what they should not.
    let refused = envelope(business, stranger, &json!({"type": "a-wrong-type"}));
    assert_eq!(serve.gateway.0.post("/v1.0/event", &refused).status, 400);
    assert_eq!(serve.gateway.0.post("/v1.0/event", r#"{"a-body": "cut of"#).status, 400);
    for path in
        ["/v1.0/message?to=316012300002", "/api/v1/events?to=316012300002", "/api/v1/events/a-strange-id"]
    {
        serve.gateway.0.get(path);
    }
    let unknown = serve.gateway.0.with("authorization", "Bearer an-unknown-token");
    unknown.get("/api/v1/events");
    let written = [
        "316012300001",
        "316012300002",
        "316012300003",
        made_up,
        "a-made-up-click",
        "a-text-of-the-user",
        "an-order",
        "a-wrong-type",
        "a-body",
        "an-unknown-token",
    ];
    let (code, log) = serve.process.stop();
    assert_eq!(code, Some(0), "{log}");
    shop.check_log(&log, &written);
    // It is a log all the same: every line but the addresses is one JSON object, and refusals are told by their rule.
    for line in log.lines().filter(|line| !line.starts_with("listening ")) {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(log.contains(r#""refusal.code":"unknown_event_type""#), "{log}");

    // The same when nobody can be reached.
    shop.configure("http://127.0.0.1:1", "");
    let serve = shop.serve();
    let id = serve.gateway.submit(business, user, &json!({"type": "Block"}));
    assert_eq!(serve.gateway.tried(&id)["attempts"][0]["outcome"], "not_sent");
    shop.check_log(&serve.process.kill(), &written);
}
