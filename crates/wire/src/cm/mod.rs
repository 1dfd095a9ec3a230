//! CM.com: what its clients send to the events endpoint, what they are answered, and what CM.com itself posts about
//! incoming messages.
//!
//! The request is the envelope of CM.com's page <https://developers.cm.com/messaging/docs/events>, read with the
//! leniency that its samples ask for: [`parse`] takes strict JSON as it is, and gives everything else one more chance
//! with comments and trailing commas blanked. The answers, [`Receipt`] and [`ErrorBody`], keep the form of CM.com's
//! other endpoints, because the page documents no answer of its own.
//!
//! Nothing is judged here: whether a number is a number, or a type one of the known ones, is for the gateway to say.
//!
//! ```
//! let request = laneway_wire::cm::parse(br#"{"channel": "WhatsApp", /* pasted */ "event": {"Type": "Block"},}"#)?;
//! assert_eq!(request.event_type.as_deref(), Some("Block"));
//! # Ok::<(), laneway_wire::cm::ParseError>(())
//! ```

mod answer;
mod batch;
mod blank;
mod mo;
mod posts;
mod read;
mod relay;
mod request;

pub use answer::{ErrorBody, Receipt};
pub use batch::{NoBatch, parse_batch};
pub use mo::IncomingMessage;
pub use posts::{EventPost, LocationPost, MessagePost, StatusPost};
pub use read::{Defect, NESTING_MAX, ParseError, Place};
pub use relay::{ForwardedEvent, RelayAnswer};
pub use request::{Custom, EventRequest, ProductToken, parse, parse_item};
