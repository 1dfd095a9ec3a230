//! The services that events are delivered to.
//!
//! A service takes a call, which is one [`Verb`](meta::Verb) and its members, performs it, and says what became of each
//! member as [`laneway_model::Answer`]. It decides nothing about time: when a call is made, whether it is made
//! again, and how many members share it is the engine's business.
//!
//! The services are [`meta`], Meta's Graph API, and [`cm`], CM.com's events endpoint. [`pass`] hands requests on as they are. [`post`]
//! is what goes to an account's own addresses. [`http`] says how connections are opened.

#![forbid(unsafe_code)]

pub mod cm;
pub mod http;
pub mod meta;
pub mod pass;
pub mod post;
mod secret;

pub use secret::Secret;
