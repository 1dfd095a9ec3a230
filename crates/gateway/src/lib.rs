//! The running node: it accepts events, answers questions about them, and drives their delivery.
//!
//! Where to start: [`accept`] turns a client's event into one of ours and makes it durable; [`driver`] carries the
//! engine's decisions out; [`api`] is what HTTP clients see; [`node`] puts the parts together.

#![forbid(unsafe_code)]

pub mod accept;
pub mod api;
pub mod clock;
pub mod config;
pub mod contacts;
pub mod discovery;
pub mod doctor;
pub mod driver;
pub mod inbound;
pub mod node;
pub mod outbox;
pub mod server;
pub mod telemetry;
