//! The client side: requests that leave, answers that come back, and notifications that come of their own accord.
//!
//! Requests are written to the exact compact bytes of Meta's pages, keys in the documented order. Answers are read as
//! tolerantly as possible: what is not known is skipped, what has an unexpected type counts as absent, and nothing in
//! them can make a reader fail, because whoever reads them has already sent the request and must say what became of it.
//!
//! Fixtures with their sources: `fixtures/graph/client/SOURCES.md`.

mod answer;
mod custom;
mod notification;
mod object;
mod request;

pub use answer::{
    AppAnswer, AppEntry, BlockListAnswer, BlockUsersAnswer, BlockedUser, DatasetAnswer, EventsAnswer,
    GrantedScope, GraphError, MessagesAnswer, PhoneNumberEntry, PhoneNumbersAnswer, SubscribedAppsAnswer,
    TokenAnswer, minutes_to_regain_access,
};
pub use custom::{is_known_custom, known_custom};
pub use notification::{
    ChangesApart, NotificationBody, NotificationChange, NotificationEntry, NotifiedContact, NotifiedContent,
    NotifiedLocation, NotifiedMedia, NotifiedMessage, NotifiedStatus, Referral, SystemNews,
};
pub use request::{
    Endpoint, PARTNER_AGENT, block_user, block_users, challenge_query, conversion, events, mark_as_read,
    typing,
};
