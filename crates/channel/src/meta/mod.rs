//! Meta's Graph API: events become calls, answers become outcomes.
//!
//! One way through: [`encode`] writes the body, [`request`] addresses it, [`crate::http`] carries it, and [`classify`]
//! says what became of each member, by the table in [`codes`]. [`look_up`] asks what is known of a WABA.

pub mod blocklist;
pub mod classify;
pub mod codes;
pub mod encode;
pub mod look_up;
pub mod request;
pub mod webhook;

use std::sync::Arc;

use laneway_model::{
    Answer, DatasetId, Event, EventId, EventKind, Failure, FailureClass, Family, Outcome, PhoneNumberId,
    Scope, Timestamp, WabaId,
};

use crate::{Secret, http};

/// Where and as whom a business number's calls are made.
#[derive(Clone, Debug)]
pub struct Target {
    /// The Graph API's address, such as `https://graph.facebook.com`; a path is kept, a slash at its end is not.
    pub graph_url: String,
    /// The version in the path, such as `v26.0`.
    pub version: String,
    /// Meta's id of the business number.
    pub phone_number_id: PhoneNumberId,
    /// The WhatsApp Business Account that the number belongs to.
    pub waba_id: WabaId,
    /// The WABA's data set; conversions cannot be sent without.
    pub dataset_id: Option<DatasetId>,
    /// The token for read marks, typing indicators and blocks; for conversions, too, unless they have their own.
    pub access_token: Secret,
    /// The token for conversions, which often belongs to another system user.
    pub conversions_token: Option<Secret>,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Mark one message as read.
    MarkAsRead,
    /// Show that an answer to one message is being written.
    Typing,
    /// Block users.
    Block,
    /// Unblock users.
    UnBlock,
    /// Send conversions.
    Conversions,
}

impl Verb {
    /// The verb of the call that events of this type are sent with.
    pub const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::MarkAsRead => Self::MarkAsRead,
            EventKind::Typing => Self::Typing,
            EventKind::Block => Self::Block,
            EventKind::UnBlock => Self::UnBlock,
            EventKind::Conversion(_) => Self::Conversions,
        }
    }

    /// The family it belongs to, which decides the endpoint and the token.
    pub const fn family(self) -> Family {
        match self {
            Self::MarkAsRead | Self::Typing => Family::Messages,
            Self::Block | Self::UnBlock => Family::Blocks,
            Self::Conversions => Family::Conversions,
        }
    }

    /// The most members that one call can have. Meta, "Block users" and "Conversions API, using the API" (documented):
    /// 1,000 users, 1,000 events.
    pub const fn members_max(self) -> usize {
        match self {
            Self::MarkAsRead | Self::Typing => 1,
            Self::Block | Self::UnBlock | Self::Conversions => 1000,
        }
    }
}

/// An event that takes part in a call.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id; a conversion without an `event_id` of the client's is sent with it.
    pub id: EventId,
    /// The event.
    pub event: Arc<Event>,
}

/// One call: a verb, and the events that it is made for.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What it asks for; each member's event is of this verb ([`Verb::of`]).
    pub verb: Verb,
    /// One or more, at most [`Verb::members_max`].
    pub members: &'a [Member],
    /// When it is made. The end of a throttle that the answer names is counted from here.
    pub now: Timestamp,
}

/// Makes calls to Meta. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: http::Client,
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(limits: http::Limits) -> Self {
        Self { http: http::Client::new(limits) }
    }

    /// Makes one call and says what became of each member, in their order. Every way to fail is an outcome. It is never
    /// repeated here once a byte of it may have left; `leaves` is called just before that, if it comes to that.
    pub async fn send(
        &self,
        target: &Target,
        call: Call<'_>,
        leaves: impl FnOnce() + Send + 'static,
    ) -> Answer {
        let request = match encode::encode(&target.waba_id, call) {
            Ok(encoded) => request::request(target, call.verb, encoded.body),
            Err(error) => return unsendable(call, FailureClass::Rejected, Scope::Event, &error),
        };
        match request {
            Ok(request) => classify::answer(target, call, self.http.call_noting(request, leaves).await),
            Err(error) => unsendable(call, FailureClass::Unauthorized, error.scope(), &error),
        }
    }
}

/// The answer to a call that could not even be written.
fn unsendable(call: Call<'_>, class: FailureClass, scope: Scope, error: &dyn std::error::Error) -> Answer {
    let detail = format!("Nothing was sent: {error}.");
    let failure = Failure { class, scope, code: None, subcode: None, detail };
    Answer::uniform(None, None, &Outcome::Failed(failure), call.members.len())
}
