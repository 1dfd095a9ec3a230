//! What accounts and operators see of pauses.

use axum::Router;
use axum::routing::post;
use http::{Method, StatusCode};
use laneway_model::Status;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::events_cm::READ;
use crate::node::{SALON, SHOP, SHOP_SEND_ONLY, Setup, TestNode};

/// A Graph API that knows no token.
async fn refusing_graph() -> String {
    let refusal = json!({"error": {"message": "The session is over", "type": "OAuthException", "code": 190, "error_subcode": 463}});
    let answer = async move || (StatusCode::UNAUTHORIZED, axum::Json(refusal));
    let router = Router::new().route("/{version}/{id}/messages", post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn an_account_sees_what_covers_its_own_numbers_and_an_operator_sees_all() {
    let node = TestNode::with(Setup { graph_url: Some(refusing_graph().await), ..Setup::default() }).await;
    let mut client = node.client().await;
    let quiet = client.get("/api/v1/pauses", SHOP).await.json();
    assert_eq!(quiet, json!({"pauses": []}));
    let mut changes = node.node.driver.changed();
    client.post(SHOP, READ).await;
    while changes.recv().await.unwrap().status != Status::Retrying {}

    // The two accounts share a token.
    let expected = |account: &str, waba: &str, number: &str| {
        json!({"pauses": [{
            "scope": "credential", "route": "meta", "family": null, "accounts": [account], "waba_ids": [waba],
            "numbers": 1, "number": number, "secrets": ["account.waba.access_token"], "class": "unauthorized",
            "code": 190, "subcode": 463, "since": "2026-11-22T12:00:00.000Z",
            "next_attempt_at": "2026-11-22T12:05:00.000Z", "waiting_events": null,
        }]})
    };
    for (token, account, waba, number) in
        [(SHOP, "shop", "234567890613", "+316098765432"), (SALON, "salon", "555555550613", "+316055555555")]
    {
        let mut found = client.get("/api/v1/pauses", token).await.json();
        let reason = found["pauses"][0].as_object_mut().unwrap().remove("reason").unwrap();
        assert_eq!(found, expected(account, waba, number));
        assert!(reason.as_str().unwrap().ends_with("Meta says: The session is over"), "{reason}");
    }
    assert_eq!(client.get("/api/v1/pauses", SHOP_SEND_ONLY).await.status, 403);
    assert_eq!(client.get("/api/v1/pauses?status=open", SHOP).await.status, 400);

    let answer = client.send(Method::GET, "/readyz", &[], "").await;
    let (status, state) = (answer.status, answer.json());
    assert_eq!((status.as_u16(), &state["status"]), (200, &"ready".into()));
    let pause = &state["pauses"][0];
    assert_eq!((&pause["accounts"], &pause["numbers"]), (&json!(["salon", "shop"]), &2.into()));
    assert_eq!((&pause["number"], &pause["waiting_events"]), (&Value::Null, &1.into()));
    let metrics = client.send(Method::GET, "/metrics", &[], "").await;
    for line in [
        "laneway_alarms_total 1",
        r#"laneway_pauses{route="meta",scope="credential",class="unauthorized"} 1"#,
        r#"laneway_pauses{route="cm",scope="credential",class="unauthorized"} 0"#,
        r#"laneway_pauses{route="meta",scope="number",class="outage"} 0"#,
    ] {
        assert!(metrics.text().lines().any(|found| found == line), "no {line} in\n{}", metrics.text());
    }
}
