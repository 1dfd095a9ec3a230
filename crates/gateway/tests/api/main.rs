//! The HTTP surface, through the real router on a real socket. Every answer is held against the OpenAPI document.

#![expect(missing_docs, reason = "tests have no readers of documentation")]

mod client;
mod events;
mod events_cm;
mod node;
mod openapi;
mod operator;
mod schema;
mod server;
