//! The yardstick of `cargo xtask bench`: an axum server that parses an event, or a notification, and answers as the gateway
//! would, and does nothing else. What the gateway is slower by is what it does for the event; for a notification that
//! begins with its signature.
//!
//! It is also the address of an account's own (`/inbox`): whatever is posted there is read and answered 204.

#![expect(clippy::print_stderr, reason = "it says where it listens")]

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// The envelope of CM.com's events API, with every part read.
#[derive(Deserialize)]
struct Envelope {
    channel: String,
    event: Event,
    from: Party,
    to: Party,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    custom: serde_json::Value,
}

#[derive(Deserialize)]
struct Party {
    number: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    details: &'static str,
    error_code: u32,
    messages: [(); 0],
    event: Accepted,
}

#[derive(Serialize)]
struct Accepted {
    id: String,
    status: &'static str,
}

async fn accept(Json(Envelope { channel, event, from, to }): Json<Envelope>) -> Json<Receipt> {
    // The id is made of every part, so that reading none of them can be left out.
    let custom = event.custom.as_object().map_or(0, serde_json::Map::len);
    let id = format!("{channel}-{}-{custom}-{}-{}", event.r#type, from.number, to.number);
    let event = Accepted { id, status: "accepted" };
    Json(Receipt { details: "Created 1 event(s)", error_code: 0, messages: [], event })
}

/// The most bytes of a notification, as the gateway has it.
const NOTIFICATION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A notification of Meta's, with every part read that the gateway reads.
#[derive(Deserialize)]
struct Notification {
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    field: String,
    value: Value,
}

#[derive(Deserialize)]
struct Value {
    metadata: Metadata,
    #[serde(default)]
    contacts: Vec<Contact>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Metadata {
    display_phone_number: String,
    phone_number_id: String,
}

#[derive(Deserialize)]
struct Contact {
    wa_id: String,
    profile: Profile,
}

#[derive(Deserialize)]
struct Profile {
    name: String,
}

#[derive(Deserialize)]
struct Message {
    from: String,
    id: String,
    timestamp: String,
    r#type: String,
    text: Text,
    referral: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Text {
    body: String,
}

#[derive(Deserialize)]
struct Status {
    id: String,
    status: String,
    timestamp: String,
    recipient_id: String,
    pricing: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Received {
    believed: usize,
    strange: usize,
}

async fn receive(Json(Notification { entry }): Json<Notification>) -> Json<Received> {
    let (mut believed, mut bytes) = (0, 0);
    for Change { field, value } in entry.iter().flat_map(|entry| &entry.changes) {
        let Value { metadata, contacts, messages, statuses } = value;
        believed += messages.len() + statuses.len();
        // Every part counts, so that reading none of them can be left out.
        bytes += field.len() + metadata.display_phone_number.len() + metadata.phone_number_id.len();
        for Contact { wa_id, profile } in contacts {
            bytes += wa_id.len() + profile.name.len();
        }
        for Message { from, id, timestamp, r#type, text, referral } in messages {
            bytes += from.len() + id.len() + timestamp.len() + r#type.len() + text.body.len();
            bytes += usize::from(referral.is_some());
        }
        for Status { id, status, timestamp, recipient_id, pricing } in statuses {
            bytes += id.len() + status.len() + timestamp.len() + recipient_id.len();
            bytes += usize::from(pricing.is_some());
        }
    }
    bytes += entry.iter().map(|entry| entry.id.len()).sum::<usize>();
    Json(Received { believed, strange: usize::from(bytes == 0) })
}

async fn inbox(_body: Bytes) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening bare=http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/v1.0/event", post(accept))
        .route("/webhooks/meta/{app}", post(receive))
        .route("/inbox", post(inbox))
        .layer(DefaultBodyLimit::max(NOTIFICATION_BYTES_MAX));
    axum::serve(listener, router).await
}
