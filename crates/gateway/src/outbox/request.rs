//! What is sent: headers and body of a post, made when it is sent.

use bytes::Bytes;
use laneway_channel::post::SigningKey;
use laneway_journal::{CallbackBody, Error, ForwardBody, Journal, Queue, Row};
use laneway_model::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{CONTENT_TYPE, PostId, PostKind};
use crate::api;
use crate::driver::{self, durably};

/// A post that can be made.
pub(super) struct Request {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// Why there is nothing to send.
pub(super) enum Nothing {
    /// It will never be otherwise; a sentence for a person.
    Ever(String),
    /// The journal failed for good.
    Lost(Error),
}

/// The body of a callback, as Standard Webhooks recommends it.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    timestamp: api::Instant,
    data: &'a RawValue,
}

/// The request of a forward: what is stored, as it is.
pub(super) fn forward(row: &Row) -> Result<Request, Nothing> {
    match ForwardBody::of(row) {
        Ok(ForwardBody { url: _, headers, body }) => Ok(Request { headers, body: Bytes::from_owner(body) }),
        Err(error) => Err(Nothing::Ever(format!("Nothing was sent: {error}."))),
    }
}

/// The request of a callback: the event as it stands now, signed at `now`.
pub(super) async fn callback(
    row: &Row,
    key: &SigningKey,
    journal: &Journal,
    events: &driver::Handle,
    now: Timestamp,
) -> Result<Request, Nothing> {
    let unreadable = |error: laneway_journal::FormatError| {
        tracing::error!(post.id = %row.id, %error, "a stored callback or its event cannot be read");
        Nothing::Ever(format!("Nothing was sent: {error}."))
    };
    let told = CallbackBody::of(row).map_err(unreadable)?;
    let read = || journal.get(Queue::Events, told.event);
    let Some(record) = durably::until_done("reading an event", read).await.map_err(Nothing::Lost)? else {
        return Err(Nothing::Ever("Nothing was sent: the event is no longer kept.".to_owned()));
    };
    let live = match record.status.is_open() {
        true => events.live(vec![told.event.sequence()]).await.into_iter().flatten().next(),
        false => None,
    };
    let data = api::event_json(record, live).map_err(unreadable)?;
    let timestamp = api::Instant(row.id.accepted_at());
    let body = Body { r#type: format!("event.{}", told.status), timestamp, data: &data };
    let body = serde_json::to_vec(&body).expect("text and JSON can be written as JSON");
    let id = PostId { kind: PostKind::Callback, id: row.id }.to_string();
    let seconds = now.as_millis() / 1000;
    let signature = key.sign(&id, seconds, &body);
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Request { headers, body: body.into() })
}
