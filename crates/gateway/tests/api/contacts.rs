//! `/api/v1/contacts`: what is known of a person, and what follows for their events.

use axum::Router;
use http::{Method, StatusCode};
use laneway_gateway::config::{Accounts, Config, OnDeadLetter};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::node::{NOW, SALON, SHOP, SHOP_SEND_ONLY, Setup, TestNode};
use crate::webhooks::{node, notification, notify};

const USER: &str = "16505551234";

/// The fixture of that name, its message written so many hours ago.
fn written(name: &str, hours_ago: u64) -> String {
    let text = String::from_utf8(notification(name)).unwrap();
    let (before, rest) = text.split_once("\"timestamp\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}\"timestamp\":\"{}\"{after}", NOW.as_secs() - hours_ago * 3600)
}

async fn shown(node: &TestNode, token: &str, user: &str) -> Answer {
    node.client().await.get(&format!("/api/v1/contacts/00316098765432/{user}"), token).await
}

async fn send(node: &TestNode, kind: &str, custom: Value) -> Answer {
    let body = json!({"channel": "WhatsApp", "event": {"type": kind, "custom": custom},
        "from": {"number": "00316098765432"}, "to": {"number": USER}});
    node.client().await.post(SHOP, body.to_string()).await
}

#[tokio::test]
async fn what_is_known_is_shown() {
    let node = node().await;
    notify(&node, written("text-from-ad", 2)).await;
    let expected = json!({
        "business": "+316098765432", "user": "+16505551234", "phone": null, "user_id": null,
        "formerly": null, "became": null,
        "last_message_in": "2026-11-22T10:00:00.000Z", "window_open_until": "2026-11-23T10:00:00.000Z",
        "blocked": {"wanted": null, "confirmed": null, "confirmed_at": null},
        "click_ids": [{"value": "Aff-n8ZTODiE79d22KtAwQKj9e_mIEOOj27vDVwFjN80dp4_0NiNhEgpGo0AHemvuSoifXaytfTzcchptiErTKCqTrJ5nW1h7IHYeYymGb5K5J5iTROpBhWAGaIAeUzHL50",
            "at": "2026-11-22T10:00:00.000Z", "ad_id": "120226305854810726", "headline": "Chat with us"}],
    });
    assert_eq!(shown(&node, SHOP, USER).await.json(), expected);

    assert_eq!(send(&node, "Block", json!({})).await.status, 200);
    assert_eq!(shown(&node, SHOP, USER).await.json()["blocked"]["wanted"], true);
    assert_eq!(send(&node, "UnBlock", json!({})).await.status, 200);
    assert_eq!(shown(&node, SHOP, "%2B16505551234").await.json()["blocked"]["wanted"], false);
}

#[tokio::test]
async fn a_person_is_joined_over_their_names() {
    let node = node().await;
    for name in ["text-from-ad", "system-user-changed-number", "text-bsuid-only", "status-read"] {
        assert_eq!(notify(&node, notification(name)).await.status, 200);
    }
    let now = shown(&node, SHOP, "12195555358").await.json();
    assert_eq!(
        (&now["formerly"], &now["user_id"]),
        (&json!("+16505551234"), &json!("US.20000000000000000001"))
    );
    assert_eq!(now["click_ids"][0]["headline"], "Chat with us", "what they clicked before");
    assert_eq!(now["last_message_in"], "2025-06-18T19:46:32.000Z");
    let hidden = shown(&node, SHOP, "US.20000000000000000001").await.json();
    assert_eq!((&hidden["phone"], &hidden["click_ids"]), (&json!("+12195555358"), &now["click_ids"]));
    let before = shown(&node, SHOP, USER).await.json();
    assert_eq!(
        (&before["became"], &before["user_id"]),
        (&json!("+12195555358"), &json!("US.13491208655302741918"))
    );
}

#[tokio::test]
async fn whose_it_is() {
    let node = node().await;
    notify(&node, notification("batch-of-two-wabas")).await;
    for (token, path, status, code) in [
        (SHOP, "316098765432/16315551181", 404, "not_found"),
        (SALON, "316098765432/16505551234", 404, "not_found"),
        (SHOP, "316055555555/16315551181", 404, "not_found"),
        (SHOP_SEND_ONLY, "316098765432/16505551234", 403, "scope_missing"),
        ("", "316098765432/16505551234", 401, "token_missing"),
        (SHOP, "shop/16505551234", 400, "invalid_parameter"),
        (SHOP, "316098765432/nobody", 400, "invalid_parameter"),
        (SHOP, "316098765432/%FF", 400, "invalid_parameter"),
        (SHOP, "316098765432/16505551234?x=1", 400, "unknown_parameter"),
    ] {
        let answer = node.client().await.get(&format!("/api/v1/contacts/{path}"), token).await;
        let found = (answer.status.as_u16(), answer.json()["error"]["code"].clone());
        assert_eq!(found, (status, json!(code)), "{path}");
    }
    assert_eq!(node.client().await.get("/api/v1/contacts/316055555555/16315551181", SALON).await.status, 200);
    let answer = node.client().await.send(Method::POST, "/api/v1/contacts/316055555555/1", &[], "").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_conversion_finds_the_persons_click() {
    let node = node().await;
    let answer = send(&node, "LeadSubmitted", json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &json!("click_id_unknown")));
    notify(&node, written("text-from-ad", 24 * 7)).await;
    assert_eq!(send(&node, "LeadSubmitted", json!({})).await.status, 400, "the click is too old");

    notify(&node, written("text-from-ad", 1)).await;
    let id = send(&node, "LeadSubmitted", json!({"event_id": "lead-1"})).await.event_id();
    let state = node.client().await.get(&format!("/api/v1/events/{id}"), SHOP).await.json();
    assert_eq!(state["click_id"]["captured"], true);
    assert!(state["click_id"]["value"].as_str().unwrap().starts_with("Aff-n8"));
    assert_eq!(send(&node, "LeadSubmitted", json!({"event_id": "lead-1"})).await.event_id(), id);

    let own = send(&node, "LeadSubmitted", json!({"ctwa_clid": "own"})).await.event_id();
    let state = node.client().await.get(&format!("/api/v1/events/{own}"), SHOP).await.json();
    assert_eq!(state["click_id"], json!({"value": "own", "captured": false}));
}

#[tokio::test]
async fn a_block_is_refused_once_its_window_is_proven_closed() {
    let node = node().await;
    assert_eq!(send(&node, "Block", json!({})).await.status, 200, "nothing is known");
    notify(&node, written("text", 30)).await;
    assert_eq!(send(&node, "Block", json!({})).await.status, 200, "nothing later has been heard");
    notify(&node, written("status-read", 0)).await;
    let answer = send(&node, "Block", json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &json!("window_closed")));
    assert_eq!(send(&node, "UnBlock", json!({})).await.status, 200);
    notify(&node, written("text", 23)).await;
    assert_eq!(send(&node, "Block", json!({})).await.status, 200, "they have written again");
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_not_accepted() {
    let node = node().await;
    node.journal.clone().close().await;
    for kind in ["Block", "LeadSubmitted"] {
        let answer = send(&node, kind, json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"), "{kind}");
    }
}

#[tokio::test]
async fn a_person_is_erased_by_whoever_may() {
    let node = node().await;
    for name in ["text-from-ad", "system-user-changed-number", "batch-of-two-wabas"] {
        notify(&node, notification(name)).await;
    }
    let erase = async |token: &str, user: &str| {
        let path = format!("/api/v1/contacts/{user}");
        node.client().await.send(Method::DELETE, &path, &[("x-cm-producttoken", token)], "").await
    };
    for (token, user, status, code) in [
        ("", USER, 401, "token_missing"),
        (SHOP_SEND_ONLY, USER, 403, "scope_missing"),
        (SHOP, "nobody", 400, "invalid_parameter"),
        (SHOP, "16505551234?x=1", 400, "unknown_parameter"),
    ] {
        let answer = erase(token, user).await;
        let found = (answer.status.as_u16(), answer.json()["error"]["code"].clone());
        assert_eq!(found, (status, json!(code)), "{user}");
    }
    let nothing = json!({"users": ["+16505551234"], "events": 0, "posts": 0, "unsent": 0, "notifications": 0, "contacts": 0});
    let nobodys = json!({"users": ["+316000000000"], "events": 0, "posts": 0, "unsent": 0, "notifications": 0, "contacts": 0});
    assert_eq!(erase(SHOP, "316000000000").await.json(), nobodys);
    let everyone = ["+12195555358", "+16505551234", "US.13491208655302741918", "US.20000000000000000001"];
    let erased =
        json!({"users": everyone, "events": 0, "posts": 0, "unsent": 0, "notifications": 3, "contacts": 4});
    assert_eq!(erase(SHOP, "+12195555358").await.json(), erased);
    assert_eq!(erase(SHOP, USER).await.json(), nothing);
    assert_eq!(shown(&node, SHOP, USER).await.status, 404);
    let salons = node.client().await.get("/api/v1/contacts/316055555555/16315551181", SALON).await;
    assert_eq!(salons.status, 200, "what another account knows stays");
}

fn hold_lanes(config: &mut Config) {
    let mut accounts = config.accounts.to_vec();
    accounts.iter_mut().for_each(|account| account.on_dead_letter = OnDeadLetter::Hold);
    config.accounts = Accounts::new(accounts);
}

#[tokio::test]
async fn an_erased_dead_letter_holds_its_lane_no_more() {
    let refusal =
        json!({"error": {"message": "no", "type": "OAuthException", "code": 100, "fbtrace_id": "A"}});
    let router = Router::new().fallback(async move || (StatusCode::BAD_REQUEST, axum::Json(refusal)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let graph_url = Some(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let node = TestNode::with(Setup { graph_url, change: hold_lanes, ..Setup::default() }).await;
    let ends = async |kind: &str| {
        let id = send(&node, kind, json!({})).await.event_id();
        let state =
            node.client().await.get(&format!("/api/v1/events/{id}?wait=final&timeout=5s"), SHOP).await;
        state.json()["status"].clone()
    };
    assert_eq!(ends("Block").await, "failed");
    let path = format!("/api/v1/contacts/{USER}");
    let erased = node.client().await.send(Method::DELETE, &path, &[("x-cm-producttoken", SHOP)], "").await;
    assert_eq!(erased.json()["events"], 1);
    assert_eq!(ends("UnBlock").await, "failed", "it was tried: nothing is before it any more");
}
