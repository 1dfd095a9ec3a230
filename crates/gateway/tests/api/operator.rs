//! What operators see, and the paths that are nobody's.

use std::path::Path;

use http::Method;
use laneway_channel::Secret;
use laneway_gateway::api::Readiness;

use crate::events::graph;
use crate::events_cm::READ;
use crate::node::{SHOP, Setup, TestNode};

#[tokio::test]
async fn health_is_for_everybody() {
    let node = TestNode::start().await;
    let answer = node.client().await.send(Method::GET, "/healthz", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, r#"{"status":"ok"}"#));
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    client.post(SHOP, READ).await;
    let mut ready = async |node: &TestNode, readiness| {
        node.readiness.send_replace(readiness);
        let answer = client.send(Method::GET, "/readyz", &[], "").await;
        let json = answer.json();
        let missing = json["missing"].as_array().unwrap().len();
        (
            answer.status.as_u16(),
            json["status"].as_str().unwrap().to_owned(),
            missing,
            json["journal"].clone(),
        )
    };
    let (status, word, missing, journal) = ready(&node, Readiness::Ready).await;
    assert_eq!((status, word.as_str(), missing, &journal["open_events"]), (200, "ready", 0, &1.into()));
    let (status, word, missing, _) = ready(&node, Readiness::Starting).await;
    assert_eq!((status, word.as_str(), missing), (503, "starting", 1));
    let (status, word, missing, _) = ready(&node, Readiness::Stopping).await;
    assert_eq!((status, word.as_str(), missing), (503, "stopping", 1));
    node.journal.clone().close().await;
    let (status, word, missing, journal) = ready(&node, Readiness::Ready).await;
    assert_eq!((status, word.as_str(), missing, journal.is_null()), (503, "not_ready", 1, true));
}

#[tokio::test]
async fn the_admin_token_opens_what_is_the_operators() {
    let change =
        |config: &mut laneway_gateway::config::Config| config.admin_token = Some(Secret::new("let-me-in"));
    let node = TestNode::with(Setup { change, ..Setup::default() }).await;
    let mut client = node.client().await;
    for path in ["/readyz", "/metrics"] {
        for (headers, status) in [
            (&[] as &[_], 401),
            (&[("authorization", "Bearer let-me-i")], 401),
            (&[("authorization", "Basic let-me-in")], 401),
            (&[("x-cm-producttoken", SHOP)], 401),
            (&[("authorization", "Bearer let-me-in")], 200),
            (&[("authorization", "bearer  let-me-in")], 200),
        ] {
            let answer = client.send(Method::GET, path, headers, "").await;
            assert_eq!(answer.status, status, "{path} {headers:?}");
            assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        }
    }
    assert_eq!(client.send(Method::GET, "/healthz", &[], "").await.status, 200);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    client.post(SHOP, READ).await;
    client.post(SHOP, READ.replace("MarkAsRead", "Lead")).await;
    client.send(Method::GET, "/nowhere", &[], "").await;
    let answer = client.send(Method::GET, "/metrics", &[], "").await;
    for line in [
        "laneway_http_requests_total{route=\"/v1.0/event\",status=\"200\"} 1",
        "laneway_http_requests_total{route=\"/v1.0/event\",status=\"400\"} 1",
        "laneway_http_requests_total{route=\"other\",status=\"404\"} 1",
        "laneway_accept_events_total{type=\"MarkAsRead\",outcome=\"accepted\"} 1",
        "laneway_accept_refused_total{code=\"unknown_event_type\"} 1",
        "laneway_accept_refused_total{code=\"number_full\"} 0",
        "laneway_accept_seconds_count 1",
    ] {
        assert!(answer.text().lines().any(|found| found == line), "no {line} in\n{}", answer.text());
    }
}

#[tokio::test]
async fn every_metric_is_documented_and_no_other() {
    // A metric with labels shows itself with its first event, so one goes the whole way.
    let (graph_url, _, release) = graph().await;
    let node = TestNode::with(Setup { graph_url: Some(graph_url), ..Setup::default() }).await;
    let mut client = node.client().await;
    let id = client.post(SHOP, READ).await.event_id();
    release.notify_one();
    let state = client.get(&format!("/api/v1/events/{id}?wait=final"), SHOP).await;
    assert_eq!(state.json()["status"], "confirmed");
    let (_, metrics) = node.node.telemetry.encode();
    let mut registered: Vec<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    // Counters are written with the suffix that a query needs.
    let mut documented: Vec<&str> = rows.map(|name| name.strip_suffix("_total").unwrap_or(name)).collect();
    registered.sort_unstable();
    documented.sort_unstable();
    assert_eq!(documented, registered);
}

#[tokio::test]
async fn what_is_nobodys_is_answered_in_its_familys_form() {
    let node = TestNode::start().await;
    let mut client = node.client().await;
    for (method, path, status, code, allow) in [
        (Method::GET, "/", 404, "not_found", None),
        (Method::GET, "/api/v1", 404, "not_found", None),
        (Method::POST, "/api/v2/events", 404, "not_found", None),
        (Method::DELETE, "/api/v1/events", 405, "method_not_allowed", Some("GET,HEAD,POST")),
        (Method::POST, "/healthz", 405, "method_not_allowed", Some("GET,HEAD")),
        (Method::GET, "/v1.0/event", 405, "method_not_allowed", Some("POST")),
        (Method::GET, "/v1.0/event/", 404, "not_found", None),
        (Method::GET, "/v1.0/", 404, "not_found", None),
        (Method::GET, "/v1.01", 404, "not_found", None),
    ] {
        let answer = client.send(method.clone(), path, &[], "").await;
        let place = format!("{method} {path}");
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (status, &code.into()),
            "{place}"
        );
        assert_eq!(answer.headers.get("allow").map(|allow| allow.to_str().unwrap()), allow, "{place}");
        assert_eq!(answer.json().get("errorCode").is_some(), path.starts_with("/v1.0/"), "{place}");
    }
}
