//! Notifications to a business's webhook, through real sockets.

use hmac::{Hmac, KeyInit as _, Mac as _};
use laneway_sandbox::{Sandbox, WebhookError};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::receiver::{Challenge, Receiver};
use crate::{Answer, control, graph, start};

const BUSINESS: &str = "+316098765432";
const HOOK: &str = "/sandbox/numbers/+316098765432/webhook";

async fn set(sandbox: &Sandbox, url: &str, verify_token: &str) -> Answer {
    let body = json!({"url": url, "verify_token": verify_token});
    control(sandbox, &format!("PUT {HOOK}"), &body.to_string()).await
}

/// A sandbox whose business has its webhook at a receiver.
async fn hooked() -> (Sandbox, Receiver) {
    let (sandbox, receiver) = (start().await, Receiver::start().await);
    let answer = set(&sandbox, &receiver.url, "open sesame").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (sandbox, receiver)
}

async fn write(sandbox: &Sandbox, text: &str, ad: bool) -> Value {
    let body = json!({"from": "+14155559876", "to": BUSINESS, "text": text, "ad": ad});
    control(sandbox, "POST /sandbox/messages", &body.to_string()).await.json()
}

async fn rows(sandbox: &Sandbox, query: &str) -> Vec<Value> {
    let listed = control(sandbox, &format!("GET /sandbox/webhooks?{query}"), "").await.json();
    listed.as_array().unwrap().clone()
}

fn statuses(row: &Value) -> Vec<u64> {
    row["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].as_u64().unwrap()).collect()
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[tokio::test]
async fn an_address_is_challenged_before_it_is_a_webhook() {
    let sandbox = start().await;
    let receiver = Receiver::start().await;
    let page = Receiver::answering(Challenge::Page).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rows = [
        (receiver.url.as_str(), "open", "answered the challenge with 403, and 200 is wanted"),
        (&page.url, "open sesame", "with 200 but not with hub.challenge as the whole body"),
        (&format!("http://{closed}/"), "open sesame", "the address did not answer: "),
        ("shop.example", "open sesame", "an address is http://host"),
    ];
    for (url, token, says) in rows {
        let answer = set(&sandbox, url, token).await;
        assert_eq!(answer.status, 400, "{url}");
        assert!(answer.body.contains(says), "{url}: {}", answer.body);
        assert!(!answer.body.contains("open sesame"), "{}", answer.body);
    }
    assert_eq!(sandbox.numbers()[0].webhook, None);
    let unknown =
        control(&sandbox, "PUT /sandbox/numbers/+14155550000/webhook", r#"{"url":"http://a/"}"#).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains(BUSINESS), "{}", unknown.body);

    let unasked = json!({"url": page.url, "challenge": false}).to_string();
    assert_eq!(control(&sandbox, &format!("PUT {HOOK}"), &unasked).await.status, 200);
    assert_eq!(sandbox.numbers()[0].webhook, Some(page.url));
    assert_eq!(control(&sandbox, &format!("DELETE {HOOK}"), "").await.status, 200);
    assert_eq!(control(&sandbox, "GET /sandbox/numbers", "").await.json()[0]["webhook"], Value::Null);
    assert!(control(&sandbox, &format!("GET {HOOK}"), "").await.body.contains("it takes PUT, DELETE"));
    let refused = sandbox.set_webhook("+14155550000", "http://a/", "");
    assert!(matches!(refused, Err(WebhookError::UnknownNumber { .. })));
}

#[tokio::test]
async fn a_message_from_an_ad_is_notified_and_signed() {
    let (sandbox, mut receiver) = hooked().await;
    let business = &sandbox.numbers()[0];
    let first = write(&sandbox, "Käsetoast 🧀?", true).await;
    let second = write(&sandbox, "Hello?", false).await;

    let received = receiver.next().await;
    assert_eq!(received.content_type, "application/json");
    assert!(received.body.contains(r"K\u00e4setoast \ud83e\uddc0?"), "{}", received.body);
    assert_eq!(received.signature, signature(&business.app_secret, &received.body));
    let value = received.value();
    let metadata =
        json!({"display_phone_number": "316098765432", "phone_number_id": business.phone_number_id});
    assert_eq!(value["metadata"], metadata);
    let contact = &value["contacts"][0];
    assert_eq!(
        (&contact["wa_id"], &contact["profile"]["name"]),
        (&json!("14155559876"), &json!("Customer 9876"))
    );
    let message = &value["messages"][0];
    let chat = control(&sandbox, "GET /sandbox/messages?user=14155559876", "").await.json();
    for (member, expected) in [
        ("from", &json!("14155559876")),
        ("from_user_id", &chat[0]["user_id"]),
        ("id", &first["wamid"]),
        ("type", &json!("text")),
        ("text", &json!({"body": "Käsetoast 🧀?"})),
    ] {
        assert_eq!(&message[member], expected, "{member}");
    }
    assert_eq!(contact["user_id"], message["from_user_id"]);
    assert_eq!(message["referral"]["ctwa_clid"], first["ctwa_clid"]);
    assert_eq!(message["referral"]["source_type"], "ad");
    let timestamp: u64 = message["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(timestamp.abs_diff(sandbox.clock().now_ms() / 1_000) < 60);

    let value = receiver.next().await.value();
    assert_eq!(value["messages"][0]["id"], second["wamid"]);
    assert_eq!(value["messages"][0].get("referral"), None, "the ad stands on its first message only");

    let listed = rows(&sandbox, "wait=30s&count=2").await;
    assert_eq!((&listed[0]["n"], &listed[0]["number"]), (&json!(1), &json!(BUSINESS)));
    assert_eq!(
        (&listed[0]["body"], &listed[0]["signature"]),
        (&json!(received.body), &json!(received.signature))
    );
    assert_eq!((&listed[0]["url"], &listed[0]["state"]), (&json!(receiver.url), &json!("delivered")));
    assert_eq!(statuses(&listed[0]), [200]);
    assert_eq!(rows(&sandbox, "since=1").await.len(), 1);
}

#[tokio::test]
async fn what_fails_is_repeated_by_the_virtual_clock() {
    let (sandbox, mut receiver) = hooked().await;
    receiver.answer(&[500, 302, 404]);
    write(&sandbox, "Hello", false).await;
    let first = receiver.next().await.body;
    assert_eq!(receiver.next().await.body, first, "the first retry comes at once");
    let listed = async |attempts: usize| loop {
        let listed = rows(&sandbox, "").await;
        if listed[0]["attempts"].as_array().unwrap().len() == attempts {
            return listed;
        }
        tokio::task::yield_now().await;
    };
    let row = listed(2).await.remove(0);
    assert_eq!((&row["state"], statuses(&row)), (&json!("waiting"), vec![500, 302]));
    assert!(row["next_attempt_at"].as_str().unwrap().ends_with('Z'));
    control(&sandbox, "POST /sandbox/clock", r#"{"advance":"1s"}"#).await;
    assert_eq!(receiver.next().await.body, first);
    listed(3).await;
    control(&sandbox, "POST /sandbox/clock", r#"{"advance":"10s"}"#).await;
    assert_eq!(receiver.next().await.body, first);
    let row = listed(4).await.remove(0);
    assert_eq!((&row["state"], statuses(&row)), (&json!("delivered"), vec![500, 302, 404, 200]));
}

#[tokio::test]
async fn a_notification_is_redelivered_to_where_the_number_is_now() {
    let (sandbox, mut receiver) = hooked().await;
    write(&sandbox, "Hello", false).await;
    let first = receiver.next().await;
    rows(&sandbox, "wait=30s&count=1").await;
    let mut other = Receiver::start().await;
    assert_eq!(set(&sandbox, &other.url, "open sesame").await.status, 200);
    let row = control(&sandbox, "POST /sandbox/webhooks/1/redeliver", "").await.json();
    assert_eq!((&row["url"], statuses(&row)), (&json!(other.url), vec![200, 200]));
    let again = other.next().await;
    assert_eq!((again.body, again.signature), (first.body, first.signature));
    assert_eq!(control(&sandbox, "POST /sandbox/webhooks/2/redeliver", "").await.status, 404);
    control(&sandbox, &format!("DELETE {HOOK}"), "").await;
    assert_eq!(control(&sandbox, "POST /sandbox/webhooks/1/redeliver", "").await.status, 409);
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn modes() {
    let (sandbox, mut receiver) = hooked().await;
    let switch = async |changes: Value| {
        assert_eq!(control(&sandbox, "POST /sandbox/switches", &changes.to_string()).await.status, 200);
    };
    switch(json!({"webhook_duplicate": true, "webhook_text": "utf8"})).await;
    write(&sandbox, "é", false).await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert!(first.body.contains("\"é\""), "{}", first.body);
    assert_eq!((first.body, first.signature), (second.body, second.signature));

    switch(json!({"webhook_duplicate": false, "webhook_disorder": true})).await;
    let written = [write(&sandbox, "a", false).await, write(&sandbox, "b", false).await];
    for expected in [&written[1], &written[0]] {
        assert_eq!(receiver.next().await.value()["messages"][0]["id"], expected["wamid"]);
    }

    switch(json!({"webhook_disorder": false, "webhook_batch": 2, "webhook_bsuid": true})).await;
    let written = [write(&sandbox, "c", true).await, write(&sandbox, "d", false).await];
    let body: Value = serde_json::from_str(&receiver.next().await.body).unwrap();
    let changes = body["entry"][0]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    for (change, written) in changes.iter().zip(&written) {
        let (contact, message) = (&change["value"]["contacts"][0], &change["value"]["messages"][0]);
        assert_eq!(message["id"], written["wamid"]);
        assert_eq!((contact.get("wa_id"), message.get("from")), (None, None));
        assert!(contact["user_id"].as_str().unwrap().starts_with("US."));
        assert_eq!(contact["user_id"], message["from_user_id"]);
        assert_eq!(contact["profile"]["username"], "customer.9876");
    }
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn what_a_business_is_not_told() {
    let (sandbox, mut receiver) = hooked().await;
    let business = &sandbox.numbers()[0];
    write(&sandbox, "Hello", false).await;
    let wamid = receiver.next().await.value()["messages"][0]["id"].clone();
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid});
    let id = &business.phone_number_id;
    assert_eq!(graph(&sandbox, business, &format!("POST /{id}/messages"), &read).await.status, 200);
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+14155559876"}]});
    assert_eq!(graph(&sandbox, business, &format!("POST /{id}/block_users"), &users).await.status, 200);
    write(&sandbox, "Hello?", false).await;
    // Whatever came before it would have come by now.
    let body = json!({"from": "+14155550000", "to": BUSINESS, "text": "Last"}).to_string();
    control(&sandbox, "POST /sandbox/messages", &body).await;
    assert_eq!(receiver.next().await.value()["messages"][0]["text"]["body"], "Last");
    assert_eq!(rows(&sandbox, "wait=30s&count=2").await.len(), 2);
}

#[tokio::test]
async fn addresses_are_kept_over_a_reset_and_carried_by_a_state() {
    let (sandbox, mut receiver) = hooked().await;
    write(&sandbox, "Hello", false).await;
    receiver.next().await;
    control(&sandbox, "POST /sandbox/reset", "").await;
    assert_eq!(rows(&sandbox, "").await, [] as [Value; 0]);
    assert_eq!(sandbox.numbers()[0].webhook.as_deref(), Some(receiver.url.as_str()));
    let exported = control(&sandbox, "GET /sandbox/state", "").await.body;
    let other = start().await;
    assert_eq!(control(&other, "PUT /sandbox/state", &exported).await.status, 200);
    let written = write(&other, "Hello", false).await;
    assert_eq!(receiver.next().await.value()["messages"][0]["id"], written["wamid"]);
    write(&sandbox, "Hello", false).await;
    assert_eq!(rows(&sandbox, "wait=30s").await[0]["n"], 2, "numbering goes on after a reset");
    sandbox.stop().await.unwrap();
    other.stop().await.unwrap();
}
