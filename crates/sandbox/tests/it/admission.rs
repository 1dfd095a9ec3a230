//! Who may control a sandbox.

use laneway_sandbox::{Options, Sandbox, StartError};
use serde_json::json;

use crate::{call, graph, options, start};

#[tokio::test]
async fn a_control_token_guards_all_but_the_graph() {
    let guarded = Options { control_token: Some("open sesame".to_owned()), ..options() };
    let sandbox = Sandbox::start(guarded).await.unwrap();
    let right = [("authorization", "Bearer open sesame")];
    let wrong = [("authorization", "Bearer open")];
    let by_query = "?control_token=open%20sesame";
    for path in ["/sandbox/numbers", "/sandbox/state", "/sandbox/live/", "/sandbox/nothing"] {
        let status = async |request: String, headers: &[(&str, &str)]| {
            call(sandbox.address(), &request, headers, "").await.status
        };
        let expected = if ["/sandbox/live/", "/sandbox/nothing"].contains(&path) { 404 } else { 200 };
        assert_eq!(status(format!("GET {path}"), &[]).await, 401, "{path}");
        assert_eq!(status(format!("GET {path}"), &wrong).await, 401, "{path}");
        assert_eq!(status(format!("GET {path}?control_token=open"), &[]).await, 401, "{path}");
        assert_eq!(status(format!("GET {path}"), &right).await, expected, "{path}");
        assert_eq!(status(format!("GET {path}{by_query}"), &[]).await, expected, "{path}");
    }
    let business = &sandbox.numbers()[0];
    let request = format!("GET /{}/phone_numbers", business.waba_id);
    assert_eq!(graph(&sandbox, business, &request, &json!({})).await.status, 200);
}

#[tokio::test]
async fn off_loopback_a_control_token_is_needed() {
    let open = Options { listen: "0.0.0.0:0".parse().unwrap(), ..options() };
    let refused = Sandbox::start(open.clone()).await;
    assert!(matches!(refused, Err(StartError::ControlTokenMissing(_))));
    let guarded = Options { control_token: Some("open sesame".to_owned()), ..open };
    Sandbox::start(guarded).await.unwrap().stop().await.unwrap();
}

/// Answers with 200 if the headers are let in, and 403 with `says` if not.
#[track_caller]
fn check_admitted(answer: &crate::Answer, headers: &[(&str, &str)], says: Option<&str>) {
    assert_eq!(answer.status, if says.is_some() { 403 } else { 200 }, "{headers:?}: {}", answer.body);
    assert!(answer.body.contains(says.unwrap_or_default()), "{headers:?}: {}", answer.body);
}

#[tokio::test]
async fn other_sites_may_not_control_it() {
    const NAME: Option<&str> = Some("not reached under that name");
    const SITE: Option<&str> = Some("a page of another site");
    let sandbox = start().await;
    let own = format!("http://{}", sandbox.address());
    let rows = [
        ("host", "localhost", None),
        ("host", "LocalHost:8090", None),
        ("host", "127.0.0.1:1", None),
        ("host", "127.1.2.3", None),
        ("host", "[::1]:8090", None),
        ("host", "rebound.example:8090", NAME),
        ("host", "localhost.example", NAME),
        ("host", "127.0.0.1.example", NAME),
        ("host", "localhost@evil.example", NAME),
        ("host", "192.168.0.1:8090", NAME),
        ("host", "0.0.0.0:8090", NAME),
        ("host", "", NAME),
        ("origin", own.as_str(), None),
        ("origin", "http://localhost:3000", None),
        ("origin", "https://[::1]", None),
        ("origin", "https://evil.example", SITE),
        ("origin", "http://localhost.evil.example", SITE),
        ("origin", "http://127.0.0.1.nip.example:8090", SITE),
        ("origin", "null", SITE),
        ("origin", "", SITE),
        ("origin", "file://localhost", SITE),
    ];
    for (name, value, says) in rows {
        let headers = &[(name, value)];
        check_admitted(&call(sandbox.address(), "GET /sandbox/numbers", headers, "").await, headers, says);
        check_admitted(&call(sandbox.address(), "GET /sandbox/chats", headers, "").await, headers, says);
        if says.is_some() {
            check_admitted(
                &call(sandbox.address(), "GET /sandbox/nothing", headers, "").await,
                headers,
                says,
            );
        }
    }
    let business = &sandbox.numbers()[0];
    let bearer = format!("Bearer {}", business.access_token);
    let headers = [("host", "graph.example"), ("origin", "https://a.example"), ("authorization", &bearer)];
    let request = format!("GET /{}/phone_numbers", business.waba_id);
    assert_eq!(
        call(sandbox.address(), &request, &headers, "").await.status,
        200,
        "the Graph side has tokens"
    );
}

#[tokio::test]
async fn with_a_control_token_any_name_will_do() {
    let guarded = Options { control_token: Some("open sesame".to_owned()), ..options() };
    let sandbox = Sandbox::start(guarded).await.unwrap();
    let headers = [
        ("host", "sandbox.example"),
        ("origin", "https://a.example"),
        ("authorization", "Bearer open sesame"),
    ];
    assert_eq!(call(sandbox.address(), "GET /sandbox/numbers", &headers, "").await.status, 200);
}
