//! What goes to an account's own addresses: callbacks, which tell what became of its events, and forwards, the notifications
//! about its numbers. Each kind has a queue of its own in the journal.
//!
//! [`callback_row`] and [`forward_row`] make the rows of the two queues.

mod post;

pub use post::{AddressId, CONTENT_TYPE, Forwarded, KEPT_FOR, Told, callback_row, forward_row};
