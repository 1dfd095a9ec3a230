//! CM.com's events endpoint: an event is handed on as its client wrote it.
//!
//! The same way through as in [`crate::meta`]: [`encode`] writes the body, [`request`] addresses it, [`crate::http`]
//! carries it, and [`classify`] says what became of it, by the table in [`codes`]. CM.com takes one event per request, so
//! a call has one member.
//!
//! [`incoming`] is the other direction: what WhatsApp tells, in the forms that CM.com tells it in.

pub mod classify;
pub mod codes;
pub mod encode;
pub mod incoming;
pub mod request;

use laneway_model::{Answer, Event, Failure, FailureClass, Outcome, Timestamp};

use crate::{Secret, http};

/// Where and as whom events are handed to CM.com.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// CM.com's address, such as `https://gw.messaging.cm.com`.
    pub cm_url: String,
    /// The account's product token at CM.com.
    pub token: Secret,
}

/// Makes calls to CM.com. Clones share the connections.
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

    /// Hands one event on at `now`, and says what became of it. Every way to fail is an outcome. It is never repeated
    /// here once a byte of it may have left; `leaves` is called just before that, if it comes to that.
    pub async fn send(
        &self,
        target: &Target,
        event: &Event,
        now: Timestamp,
        leaves: impl FnOnce() + Send + 'static,
    ) -> Answer {
        match request::request(target, encode::encode(event)) {
            Ok(request) => classify::answer(target, now, self.http.call_noting(request, leaves).await),
            Err(error) => {
                let detail = format!("Nothing was sent: {error}.");
                let (class, scope) = (FailureClass::Unauthorized, error.scope());
                let failure = Failure { class, scope, code: None, subcode: None, detail };
                Answer::uniform(None, None, &Outcome::Failed(failure), 1)
            }
        }
    }
}
