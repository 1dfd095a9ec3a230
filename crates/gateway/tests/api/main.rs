//! The HTTP surface, through the real router on a real socket. Every answer is held against the OpenAPI document.

#![expect(clippy::unwrap_used, reason = "in a test, what goes wrong is a failure")]

mod client;
mod contacts;
mod events;
mod events_batch;
mod events_cm;
mod events_redrive;
mod forwards;
mod node;
mod openapi;
mod operator;
mod outbox;
mod passthrough;
mod pauses;
mod relay;
mod schema;
mod server;
mod shadow;
mod webhooks;
