//! The server side: requests as the sandbox receives them, answers as it gives them.
//!
//! A request is decoded the way Meta's servers do it: parameters come from the query, from a JSON body or from a form
//! body, unknown ones are ignored, and lists may be written as JSON inside a string. An answer is encoded byte for byte
//! as in Meta's documented and captured bodies: compact, keys in the documented order.
//!
//! Sources, with the confidence labels used throughout (D: documented by Meta, C: seen in captured traffic or field
//! reports, I: inferred, U: unknown): Meta's pages *Mark messages as read*, *Typing indicators*, *Block users*,
//! *Business-scoped user IDs*, *Conversions API for Business Messaging*, *Error codes*, and the captured answers of
//! Meta's official Cloud API Postman collection.
//!
//! What is deliberately not here: deciding whether a request succeeds. The sandbox's world does that, and names the
//! outcome with a [`Refusal`] or one of the answers.

mod answer;
mod cursor;
mod notification;
mod parameters;
mod path;
mod refusal;
mod request;
mod requested;
mod wamid;

pub use answer::{
    AppRef, BlockAnswer, BlockVerb, BlockedRow, ContactRef, FIXED_HEADERS, Paging, PagingCursors,
    PhoneNumberRow, UsageKind, app_answer, block_answer, blocklist_answer, dataset_answer, datasets_answer,
    dead_token_answer, debug_token_answer, events_answer, message_answer, phone_numbers_answer,
    subscribed_apps_answer, success_answer, usage_header,
};
pub use cursor::{Cursor, decode_id, encode_id};
pub use notification::{
    DeliveryStatus, Happening, Notification, NotificationText, NotifiedUser, Referral, WelcomeMessage,
    notification_body,
};
pub use parameters::Parameters;
pub use path::{DEFAULT_VERSION, Edge, Operation, Path};
pub use refusal::{ConversionRefusal, MissingTokenCode, Refusal, UserRefusal};
pub use request::{
    BlockEntry, BlocklistQuery, ConversionBatch, ConversionFields, EVENTS_PER_REQUEST_MAX, EventTime,
    IdQuery, MessageRequest, Recipient, USERS_PER_REQUEST_MAX, block_request, blocklist_query,
    conversion_batch, id_query, message_request,
};
pub use requested::{KNOWN_ERRORS, KnownError, RequestedError};
pub use wamid::{WamidDirection, wamid};
