//! What delivered events change in WhatsApp, and what is said of those that cannot be delivered.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, envelope};

/// The types of CM.com's list (<https://developers.cm.com/messaging/docs/events>).
const CONVERSIONS: [&str; 14] = [
    "Purchase",
    "LeadSubmitted",
    "InitiateCheckout",
    "AddToCart",
    "ViewContent",
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCanceled",
    "OrderReturned",
    "CartAbandoned",
    "QualifiedLead",
    "RatingProvided",
    "ReviewProvided",
];

/// Error codes of Meta: a read mark for what is no received message
/// (<https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>, documented) · a text to a blocked
/// user (same page, documented) · a text after the 24-hour window (same page, documented).
const NOT_A_RECEIVED_MESSAGE: u64 = 131_009;
const RECIPIENT_BLOCKED: u64 = 130_403;
const WINDOW_CLOSED: u64 = 131_047;

#[test]
fn a_read_mark_reads_the_message_and_all_before_it() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let [_, second, _] = ["one", "two", "three"].map(|text| dev.world.user_writes(CUSTOMER, text));
    let event = json!({"type": "MarkAsRead", "custom": {"message_id": second.wamid}});
    assert_eq!(dev.deliver(CUSTOMER, &event)["status"], "confirmed");
    let chat = dev.world.chat(CUSTOMER);
    let read: Vec<_> =
        chat.iter().map(|row| (row["text"].as_str().unwrap(), row["read_at"].is_string())).collect();
    // What comes first is what the customer wrote when `dev` started.
    let (greetings, written) = read.split_at(read.len() - 3);
    assert_eq!(written, [("one", true), ("two", true), ("three", false)]);
    assert!(
        !greetings.is_empty() && greetings.iter().all(|greeting| *greeting == ("Hi", true)),
        "{greetings:?}"
    );
}

#[test]
fn typing_is_shown_to_the_user() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let message = dev.world.user_writes(CUSTOMER, "Anyone there?");
    let event = json!({"type": "Typing", "custom": {"message_id": message.wamid}});
    assert_eq!(dev.deliver("00", &event)["status"], "confirmed");
    let typing = dev.world.rows("/sandbox/typing");
    assert_eq!((typing.len(), typing[0]["user"].as_str()), (1, Some(CUSTOMER)), "{typing:?}");
}

#[test]
fn a_block_stops_texts_until_the_unblock() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    assert_eq!((dev.world.blocked(), dev.world.business_writes(CUSTOMER)), (vec![], None));
    for (kind, blocked, refusal) in
        [("Block", vec![CUSTOMER], Some(RECIPIENT_BLOCKED)), ("UnBlock", vec![], None)]
    {
        assert_eq!(dev.deliver(CUSTOMER, &json!({"type": kind}))["status"], "confirmed");
        assert_eq!(dev.world.blocked(), blocked, "{kind}");
        let written = dev.world.user_writes(CUSTOMER, kind);
        let chat = dev.world.chat(CUSTOMER);
        let row = chat.iter().find(|row| row["wamid"] == written.wamid.as_str()).unwrap();
        assert_eq!(row["reached_business"], blocked.is_empty(), "{kind}");
        assert_eq!(dev.world.business_writes(CUSTOMER), refusal, "{kind}");
    }
}

#[test]
fn every_conversion_arrives_with_what_meta_asks_for() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    for (n, kind) in CONVERSIONS.into_iter().enumerate() {
        let custom =
            json!({"ctwa_id": click, "currency": "USD", "value": "12.60", "order_id": format!("A-{n}")});
        let event = dev.deliver(CUSTOMER, &json!({"type": kind, "custom": custom}));
        assert_eq!(event["status"], "confirmed", "{event}");
        assert_eq!(event["click_id"], json!({"value": click, "captured": false}), "{kind}");
    }
    let accepted = dev.gateway.list("status=final");
    let received = dev.world.rows("/sandbox/conversions?wait=5s&count=14");
    assert_eq!((accepted.len(), received.len()), (14, 14));
    for ((kind, sent), row) in CONVERSIONS.iter().zip(accepted.iter().rev()).zip(&received) {
        check_conversion(row, kind, sent, &click, dev.world.own("waba_id"));
        assert_eq!(row["sandbox"]["dataset_id"], dev.world.own("dataset_id"), "{kind}");
    }
}

#[track_caller]
fn check_conversion(row: &Value, kind: &str, sent: &Value, click: &str, waba_id: &str) {
    assert_eq!(row["event_name"], kind);
    assert_eq!(row["event_id"], sent["id"], "{kind}");
    assert_eq!(row["action_source"], "business_messaging", "{kind}");
    assert_eq!(row["messaging_channel"], "whatsapp", "{kind}");
    assert_eq!(
        row["user_data"],
        json!({"whatsapp_business_account_id": waba_id, "ctwa_clid": click}),
        "{kind}"
    );
    assert_eq!(row["custom_data"]["currency"], "USD", "{kind}");
    // A number, although the page writes it as text.
    assert_eq!(row["custom_data"]["value"], json!(12.60), "{kind}");
    assert!(row["custom_data"]["order_id"].as_str().unwrap().starts_with("A-"), "{kind}");
    assert!(row["event_time"].is_u64(), "{kind}");
}

#[test]
fn what_meta_refuses_for_good_ends_with_its_code_and_a_sentence() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let stranger = "+316011111111";
    let not_a_message = (NOT_A_RECEIVED_MESSAGE, Value::Null);
    for (to, event, (code, subcode)) in [
        (
            CUSTOMER,
            json!({"type": "MarkAsRead", "custom": {"message_id": "wamid.HBgLMade=="}}),
            not_a_message.clone(),
        ),
        (CUSTOMER, json!({"type": "Typing", "custom": {"message_id": "wamid.HBgLMade=="}}), not_a_message),
        (
            CUSTOMER,
            json!({"type": "LeadSubmitted", "custom": {"ctwa_clid": "made-up"}}),
            (100, json!(2_804_087)),
        ),
        // Only who has written within 24 hours can be blocked.
        (stranger, json!({"type": "Block"}), (WINDOW_CLOSED, Value::Null)),
    ] {
        let ended = dev.deliver(to, &event);
        assert_eq!(ended["status"], "failed", "{ended}");
        let attempts = ended["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{ended}");
        assert_eq!((&attempts[0]["code"], &attempts[0]["subcode"]), (&json!(code), &subcode), "{ended}");
        assert_eq!(attempts[0]["outcome"], "rejected", "{ended}");
        let reason = ended["reason"].as_str().unwrap();
        assert!(reason.contains(' ') && reason.starts_with(char::is_uppercase), "no sentence: {reason:?}");
    }
}

#[test]
fn the_clock_moves_gateway_and_whatsapp_together() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    let clock = || dev.world.host.get("/sandbox/clock").json()["now_ms"].as_u64().unwrap() / 1_000;
    let before = clock();
    let conversion = json!({"type": "LeadSubmitted", "custom": {"ctwa_clid": click, "event_time": before}});
    assert_eq!(dev.deliver(CUSTOMER, &conversion)["status"], "confirmed");

    dev.world.host.post("/sandbox/clock", r#"{"advance":"25h"}"#).json();
    assert!(clock() >= before + 25 * 3_600);
    // The window is closed for WhatsApp, and the gateway's own times have moved as well.
    let block = dev.deliver(CUSTOMER, &json!({"type": "Block"}));
    assert_eq!((&block["status"], &block["attempts"][0]["code"]), (&json!("failed"), &json!(WINDOW_CLOSED)));
    assert_eq!(dev.world.business_writes(CUSTOMER), Some(WINDOW_CLOSED));
    let since = |id: &str| dev.gateway.list(&format!("since={}&type={id}", before + 25 * 3_600)).len();
    assert_eq!((since("Block"), since("LeadSubmitted")), (1, 0));

    // Meta takes no conversion that is more than seven days old.
    dev.world.host.post("/sandbox/clock", r#"{"advance":"6d"}"#).json();
    let answer = dev.gateway.0.post("/v1.0/event", &envelope(dev.world.number(), CUSTOMER, &conversion));
    assert_eq!((answer.status, &answer.any_json()["error"]["code"]), (400, &json!("event_time_too_old")));
}

#[test]
fn what_meta_cannot_take_in_time_expires() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let message = dev.world.user_writes(CUSTOMER, "Hello");
    dev.world.host.post("/sandbox/faults", r#"{"preset":"meta_down"}"#).json();
    let event = json!({"type": "MarkAsRead", "custom": {"message_id": message.wamid}});
    let id = dev.gateway.submit(dev.world.number(), CUSTOMER, &event);
    assert_eq!(dev.gateway.tried(&id)["attempts"][0]["outcome"], "transient");
    assert_eq!(dev.gateway.list("status=open").len(), 1);

    dev.world.host.post("/sandbox/clock", r#"{"advance":"25h"}"#).json();
    let event = dev.gateway.ended(&id);
    assert_eq!(event["status"], "expired", "{event}");
    assert!(event["reason"].as_str().unwrap().starts_with("Its time "), "{event}");
    assert_eq!(dev.world.chat(CUSTOMER).last().unwrap()["read_at"], Value::Null);
}

#[test]
fn events_wait_for_a_token_that_works_again() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    dev.world.host.post("/sandbox/faults", r#"{"preset":"dead_token"}"#).json();
    let id = dev.gateway.submit(dev.world.number(), CUSTOMER, &json!({"type": "Block"}));
    let event = dev.gateway.tried(&id);
    assert_eq!(
        (&event["waiting_for"], &event["attempts"][0]["code"]),
        (&json!("credential"), &json!(190)),
        "{event}"
    );
    assert_eq!(dev.gateway.0.get("/readyz").status, 200);

    assert_eq!(dev.world.host.send("DELETE", "/sandbox/faults", "").unwrap().status, 200);
    // The gateway asks again with one event every five minutes.
    dev.world.host.post("/sandbox/clock", r#"{"advance":"6m"}"#).json();
    assert_eq!(dev.gateway.ended(&id)["status"], "confirmed");
    assert_eq!(dev.world.blocked(), [CUSTOMER]);
}
