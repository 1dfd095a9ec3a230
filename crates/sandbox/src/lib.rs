//! WhatsApp as Meta runs it, for trying and testing.
//!
//! A [`Sandbox`] is a server with two sides. The Graph side answers the calls of Meta's Graph API that a business makes:
//! read marks, typing indicators, texts, block lists, conversion events, data sets, phone numbers, with and without a
//! version in the path. The control side, under `/sandbox`, is where a person or a test plays everybody else: customers
//! write, click on ads, time passes, and whatever WhatsApp and Events Manager now hold can be looked at.
//!
//! It is deterministic: ids come from a seed, the clock moves ahead on request, and nothing fails by chance: what is to
//! fail, a [`FaultRule`] says. Where nobody outside Meta knows what Meta does, one of the [`Switches`] decides. The
//! manual is docs/sandbox.md; tests keep its tables equal to this code.
//!
//! What is deliberately not here: anything about the gateway. The sandbox knows Meta's JSON and nothing else.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use laneway_sandbox::{Options, Sandbox};
//!
//! let options = Options { listen: "127.0.0.1:0".parse()?, seed: Some(1), ..Options::default() };
//! let sandbox = Sandbox::start(options).await?;
//! let business = &sandbox.numbers()[0];
//! let written = sandbox.user_writes("+316012345678", &business.number, "Hi", true)?;
//! assert!(written.wamid.starts_with("wamid."));
//! sandbox.stop().await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod body;
mod clock;
mod control;
mod duration;
mod faults;
mod graph;
mod limits;
mod live;
#[cfg(test)]
mod manual_tests;
mod mint;
mod page;
mod phone;
mod requests;
mod sandbox;
mod saver;
mod server;
mod shared;
mod state;
mod switches;
mod webhook;
mod world;

pub use clock::VirtualClock;
pub use faults::{Cut, FaultCall, FaultError, FaultRule, Preset, When};
pub use sandbox::{Options, Sandbox, StartError, StopError};
pub use switches::{
    BatchSize, BlockedText, ConversionNames, MissingToken, PageSize, PartialBlockStatus, ReadRefusalStatus,
    Repeat, SwitchError, Switches, WebhookText,
};
pub use webhook::WebhookError;
pub use world::{NumberInfo, WriteError, Written};

/// Runs the Rust example of the page on testing.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing-with-the-sandbox.md")]
pub struct TestingWithTheSandbox;
