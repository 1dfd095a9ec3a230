//! What else customers do: open a chat, send what is no text, move to another number.

use laneway_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::{control, graph, start};

const BUSINESS: &str = "+316098765432";
const CUSTOMER: &str = "+316012345678";

async fn hooked() -> (Sandbox, Receiver) {
    let (sandbox, receiver) = (start().await, Receiver::start().await);
    sandbox.set_webhook(BUSINESS, &receiver.url, "").unwrap();
    (sandbox, receiver)
}

/// The business writes to the customer; the answer's first message id.
async fn business_writes(sandbox: &Sandbox, to: &Value) -> Value {
    let business = &sandbox.numbers()[0];
    let mut text = json!({"messaging_product": "whatsapp", "type": "text", "text": {"body": "Hello"}});
    text.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
    let request = format!("POST /v26.0/{}/messages", business.phone_number_id);
    graph(sandbox, business, &request, &text).await.json()["messages"][0]["id"].clone()
}

async fn reads(sandbox: &Sandbox) -> Value {
    let body = json!({"user": CUSTOMER, "business": BUSINESS}).to_string();
    control(sandbox, "POST /sandbox/messages/read", &body).await.json()
}

#[tokio::test]
async fn a_text_is_sent_delivered_and_read() {
    let (sandbox, mut receiver) = hooked().await;
    let first = business_writes(&sandbox, &json!({"to": CUSTOMER})).await;
    let second = business_writes(&sandbox, &json!({"to": CUSTOMER})).await;
    assert_eq!(reads(&sandbox).await, json!({"read": [first, second]}));
    assert_eq!(reads(&sandbox).await, json!({"read": []}), "what was read is not read again");
    for (wamid, status) in [
        (&first, "sent"),
        (&first, "delivered"),
        (&second, "sent"),
        (&second, "delivered"),
        (&first, "read"),
        (&second, "read"),
    ] {
        let value = receiver.next().await.value();
        let told = &value["statuses"][0];
        assert_eq!((&told["id"], &told["status"]), (wamid, &json!(status)));
        assert_eq!((&told["recipient_id"], value.get("messages")), (&json!("316012345678"), None));
        assert_eq!(value["contacts"][0]["user_id"], told["recipient_user_id"]);
    }
    let chat = control(&sandbox, "GET /sandbox/messages", "").await.json();
    assert_eq!(chat[0]["read_at"], Value::Null, "the customer's own message is for the business to read");
    assert!(chat[1]["read_at"].is_string() && chat[2]["read_at"].is_string());
    let unknown = json!({"user": CUSTOMER, "business": "+14155550000"}).to_string();
    assert_eq!(control(&sandbox, "POST /sandbox/messages/read", &unknown).await.status, 404);
}

#[tokio::test]
async fn a_text_to_a_blocked_user_fails_afterwards_if_asked_to() {
    let (sandbox, mut receiver) = hooked().await;
    let business = &sandbox.numbers()[0];
    control(&sandbox, "POST /sandbox/switches", r#"{"blocked_text":"status"}"#).await;
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": CUSTOMER}]});
    let request = format!("POST /{}/block_users", business.phone_number_id);
    assert_eq!(graph(&sandbox, business, &request, &users).await.status, 200);
    let user_id = control(&sandbox, "GET /sandbox/messages", "").await.json()[0]["user_id"].clone();
    for (to, is_by_number) in [(json!({"to": CUSTOMER}), true), (json!({"recipient": user_id}), false)] {
        let wamid = business_writes(&sandbox, &to).await;
        let value = receiver.next().await.value();
        let told = &value["statuses"][0];
        assert_eq!((&told["id"], &told["status"]), (&wamid, &json!("failed")));
        assert_eq!((&told["errors"][0]["code"], value.get("contacts")), (&json!(130_403), None));
        assert_eq!(told.get("recipient_user_id").is_none(), is_by_number);
    }
    assert_eq!(reads(&sandbox).await, json!({"read": []}), "what did not arrive cannot be read");
}

#[tokio::test]
async fn what_is_no_text_is_unsupported() {
    let (sandbox, mut receiver) = hooked().await;
    let body = json!({"from": CUSTOMER, "to": BUSINESS, "type": "unsupported"});
    let written = control(&sandbox, "POST /sandbox/messages", &body.to_string()).await.json();
    let value = receiver.next().await.value();
    let message = &value["messages"][0];
    assert_eq!((&message["id"], &message["type"]), (&written["wamid"], &json!("unsupported")));
    assert_eq!((&message["errors"][0]["code"], message.get("text")), (&json!(131_051), None));
    let chat = control(&sandbox, "GET /sandbox/messages", "").await.json();
    assert_eq!(
        (&chat[0]["type"], &chat[1]["type"], &chat[1]["text"]),
        (&json!("text"), &json!("unsupported"), &json!(""))
    );
    for body in [
        json!({"from": CUSTOMER, "to": BUSINESS, "type": "unsupported", "text": "Hi"}),
        json!({"from": CUSTOMER, "to": BUSINESS}),
        json!({"from": CUSTOMER, "to": BUSINESS, "type": "audio", "text": "Hi"}),
    ] {
        let refused = control(&sandbox, "POST /sandbox/messages", &body.to_string()).await;
        assert_eq!(refused.status, 400, "{body}");
    }
}

#[tokio::test]
async fn a_customer_moves_to_another_number() {
    const NEW: &str = "+316011111111";
    let (sandbox, mut receiver) = hooked().await;
    let business = &sandbox.numbers()[0];
    let before = control(&sandbox, "GET /sandbox/messages", "").await.json();
    let moves = async |from: &str, to: &str| {
        let request = format!("POST /sandbox/people/{from}/change-number");
        control(&sandbox, &request, &json!({ "to": to }).to_string()).await
    };
    let moved = moves(CUSTOMER, NEW).await;
    assert_eq!(moved.json(), json!({"from": CUSTOMER, "to": NEW, "chats": 1}));
    let value = receiver.next().await.value();
    let message = &value["messages"][0];
    assert_eq!((&message["from"], &message["type"]), (&json!("316012345678"), &json!("system")));
    let system = json!({"body": "User Customer 5678 changed from 316012345678 to 316011111111",
        "wa_id": "316011111111", "type": "user_changed_number"});
    assert_eq!((&message["system"], value.get("contacts")), (&system, None));

    let after = control(&sandbox, "GET /sandbox/messages", "").await.json();
    assert_eq!((&after[0]["user"], &after[0]["wamid"]), (&json!(NEW), &before[0]["wamid"]));
    assert_ne!(after[0]["user_id"], before[0]["user_id"], "the business-scoped id is a new one");
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": after[0]["wamid"]});
    let request = format!("POST /{}/messages", business.phone_number_id);
    assert_eq!(graph(&sandbox, business, &request, &read).await.status, 200, "the message is still there");
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user_id": after[0]["user_id"]}]});
    let request = format!("POST /{}/block_users", business.phone_number_id);
    assert_eq!(graph(&sandbox, business, &request, &users).await.status, 200, "the window moved along");

    assert_eq!(moves(NEW, "+316022222222").await.json()["chats"], 1);
    assert!(
        control(&sandbox, "GET /sandbox/webhooks", "").await.json()[1].is_null(),
        "a blocked user's is not told"
    );
    for (from, to, status) in [
        (CUSTOMER, "+316033333333", 404),
        ("+316022222222", BUSINESS, 409),
        ("+316022222222", "+316022222222", 409),
        ("+316022222222", "none", 400),
        ("none", "+316033333333", 400),
    ] {
        assert_eq!(moves(from, to).await.status, status, "{from} to {to}");
    }
}
