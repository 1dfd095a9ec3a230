//! The words of Laneway.
//!
//! Everything the other crates talk about has its type here: who ([`PhoneNumber`], [`Person`]), what ([`Event`],
//! [`Action`], [`EventKind`]), in which order ([`LaneKey`]), what came of it ([`Outcome`], [`Attempt`], [`Status`]).
//! A value of one of these types is valid: the parsers refuse everything else, so that nobody checks twice.
//!
//! What is deliberately not here: JSON (see `laneway-wire`), input and output, and clocks. None of these types can be
//! serialised; whoever speaks to the outside converts them at its edge.

#![forbid(unsafe_code)]

mod attempt;
mod contact;
mod event;
mod event_id;
mod ids;
mod lane;
mod notification;
mod number;
mod person;
mod status;
mod time;

pub use attempt::{Answer, Attempt, AttemptOutcome, Failure, FailureClass, Outcome, Route, Scope};
pub use contact::{Click, Contact, MessageSeen, Touch};
pub use event::{
    Action, Amount, AmountError, ClickId, Conversion, ConversionName, Currency, Event, EventKind, Family,
    Reference,
};
pub use event_id::{EventId, EventIdError};
pub use ids::{
    AccountName, AppName, Bsuid, BsuidError, CtwaClid, DatasetId, IdError, PhoneNumberId, WabaId, Wamid,
};
pub use lane::LaneKey;
pub use notification::{Content, Identity, Location, Media, News, Notification, Progress, Update};
pub use number::{PhoneNumber, PhoneNumberError};
pub use person::{Person, PersonError};
pub use status::{Status, WaitingFor};
pub use time::Timestamp;
