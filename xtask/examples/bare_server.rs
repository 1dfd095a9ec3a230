//! The yardstick of `cargo xtask bench`: an axum server that parses an event and answers as the gateway would, and does
//! nothing else. What the gateway is slower by is what it does for the event.

#![expect(clippy::print_stderr, reason = "it says where it listens")]

use axum::Json;
use axum::Router;
use axum::routing::post;
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

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening bare=http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/v1.0/event", post(accept))).await
}
