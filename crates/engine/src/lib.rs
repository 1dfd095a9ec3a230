//! Which events go out now, grouped how, and what an outcome means.
//!
//! The engine is a pure state machine: [`Engine::handle`] is given the time and one [`Input`], and appends the
//! [`Effect`]s that follow. It does no input or output, reads no clock, and takes its randomness from the seed it was
//! created with; so production, tests and the simulator run the very same code. It never fails: whatever can go wrong
//! outside comes back to it as an input.
//!
//! ```text
//!  Accepted ─▶ ready ─▶ Load ─▶ Loaded ─▶ (Begin ─▶ Begun) ─▶ Send ─▶ Answered ─▶ Settle ─▶ Settled ─▶ gone
//!                ▲                                                                            │
//!                └───────────────────────── due again ◀──────────── retrying ◀────────────────┘
//! ```
//!
//! * Every open event is one small entry here (module `entries`); its body stays in the journal until a call is built.
//! * Events that do not commute wait in a lane (module `lanes`): the next leaves only after its predecessor's outcome is
//!   committed, that is, after `Settled`.
//! * Events of one number and class share calls (module `groups`). One such call is under way at a time; what queues up
//!   meanwhile leaves together in the next. A group that is refused because of one of its events is halved.
//! * An event that makes an earlier one pointless supersedes it, unless that one is in a call (`engine/supersede.rs`).
//! * How many calls a business number may have under way, and how fast they may follow one another, is kept per number
//!   (module `numbers`); what a throttle, an outage or a dead credential stops, is kept per scope (module `pauses`).
//! * Delays run on monotonic time, expiry on wall time: both are in [`Now`].

#![forbid(unsafe_code)]

mod backoff;
mod decide;
mod engine;
pub(crate) mod entries;
mod groups;
mod inputs;
pub(crate) mod lanes;
pub(crate) mod numbers;
pub(crate) mod pauses;
mod policy;
mod sequences;

pub use engine::{Counts, Covers, Engine, GivingUp, Live, Paused, Why};
pub use inputs::{
    Alarm, CallId, Cause, Change, Control, Effect, Entry, Input, KindSet, Now, NumberSetup, Reason, ScopeId,
    Sequence, SettlementId,
};
pub use policy::{Class, KindPolicy, Limits, LostAnswer, Policy, Supersedes};
