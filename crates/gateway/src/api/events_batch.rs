//! `POST /api/v1/events`: many events at once.
//!
//! Each item is judged by itself, as one event is; those that pass become durable in one transaction, and so reach the
//! engine together, which sends them in as few calls as Meta allows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use laneway_journal::{Append, Appended, NewRow};
use laneway_model::{EventId, EventKind, PhoneNumber};
use laneway_wire::cm;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::auth::admitted;
use super::body::BodyLimits;
use super::problem::{Problem, ProblemBody, ProblemCode, unavailable};
use super::query::Query;
use super::room::Place;
use super::turned_away::{TurnedAway, read_body};
use super::{Api, answer, events_cm};
use crate::accept::{self, Refusal, RefusalCode};
use crate::config::{Account, Config, Scopes};
use crate::contacts;
use crate::driver::Room;
use crate::telemetry::{Admission, Route};

/// The most events of a batch.
const EVENTS_MAX: usize = 1000;
/// The most bytes of a batch.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// CM.com's number for a request of which some parts are refused
/// (<https://developers.cm.com/messaging/docs/responses-errors-json>, documented for messages).
const SOME_REFUSED: u16 = 201;

/// Many events.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read as raw items")]
pub(super) struct EventBatch {
    /// Events in the form of `POST /v1.0/event`, each with an `idempotency_key` of its own if wanted.
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<super::openapi::CmEvent>,
}

/// What became of each event of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct BatchReceipt {
    /// For people.
    details: String,
    /// 0: all were taken; 201: some or all were refused.
    error_code: u16,
    /// Always empty; CM.com's clients expect it.
    #[schema(max_items = 0)]
    messages: [String; 0],
    /// One per event, in the order they were sent.
    events: Vec<ItemReceipt>,
}

/// What became of one event of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemReceipt {
    /// Null if it was refused, and in a dry run.
    #[schema(required)]
    id: Option<String>,
    status: ItemStatus,
    /// True if it had been accepted before, under the same key: this is the first answer again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    repeated: Option<bool>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<ItemError>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ItemStatus {
    /// It is durable.
    Accepted,
    /// It would be taken; nothing was stored.
    Valid,
    /// It was not taken.
    Rejected,
}

/// Why an event was refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemError {
    /// One of a closed list, the same as of `POST /v1.0/event`.
    #[schema(schema_with = super::openapi::refusal_code)]
    code: &'static str,
    /// For people.
    message: String,
    /// The path of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
}

/// Nothing was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what is written as one or the other")]
pub(super) enum BatchRefusal {
    /// Every event was refused.
    Events(BatchReceipt),
    /// The request was.
    Request(ProblemBody),
}

/// One item on its way.
enum Item {
    Refused(Refusal),
    Checked(EventKind, Box<NewRow>),
    Taken(EventKind, Admission, EventId),
}

/// Submit many events
///
/// Up to 1,000 events and 8 MiB. Each is judged by itself; those that are taken become durable together. The answer has
/// one entry for each, in their order; it is 400 when none was taken.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events", operation_id = "submit_events",
    params(("dry_run" = Option<bool>, Query, description = "`true`: all checks, nothing stored")),
    request_body(content = EventBatch, description = "Any `Content-Type` will do"),
    responses(
        (status = 200, description = "Some or all are durable (or, in a dry run, would be taken)", body = BatchReceipt),
        (status = 400, description = "None was taken, each with its reason; or the body is no batch",
            body = BatchRefusal),
        (status = 401, description = "The token is missing or unknown", body = ProblemBody),
        (status = 403, description = "The token lacks the scope `send`", body = ProblemBody),
        (status = 408, description = "The body did not come in time", body = ProblemBody),
        (status = 413, description = "The body is longer than 8 MiB", body = ProblemBody),
        (status = 415, description = "The body is compressed", body = ProblemBody),
        (status = 429, description = "The account sends faster than it may; see `Retry-After`", body = ProblemBody),
        (status = 503, description = "They cannot be made durable now; see `Retry-After`", body = ProblemBody),
    )
)]
pub(super) async fn post(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let response = match batch(&api, &head.headers, &head.uri, body).await {
        Ok(receipt) => {
            let none = receipt.events.iter().all(|item| item.status == ItemStatus::Rejected);
            answer::json(if none { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &receipt)
        }
        Err(away) => away.into_response(),
    };
    api.answered(Route::Events, response)
}

async fn batch(api: &Api, headers: &HeaderMap, uri: &Uri, body: Body) -> Result<BatchReceipt, TurnedAway> {
    let started = api.node.clock.monotonic();
    let (body, _place) = read(api, headers, body).await?;
    let config = api.config();
    let account = admitted(&config, headers, Scopes::SEND, "send")?;
    let is_dry_run = Query::read(uri, &["dry_run"])?.value("dry_run", flag_of)?.unwrap_or(false);
    let raw = items_of(&body)?;
    if !is_dry_run && let Err(delay) = api.within_rate(account, raw.len()) {
        let problem = Problem::new(ProblemCode::RateLimited, "the account sends faster than it may");
        return Err(problem.retry_after(delay).into());
    }
    let mut items = Vec::new();
    for item in &raw {
        items.push(check(api, &config, account, item).await?);
    }
    if !is_dry_run {
        store(api, account, &mut items).await?;
    }
    let elapsed = api.node.clock.monotonic().saturating_sub(started);
    for item in &items {
        match item {
            Item::Refused(refusal) => api.node.telemetry.refused(Some(account.name.as_str()), refusal),
            Item::Checked(kind, _) => api.node.telemetry.admitted(*kind, Admission::Checked, elapsed),
            Item::Taken(kind, admission, _) => api.node.telemetry.admitted(*kind, *admission, elapsed),
        }
    }
    Ok(receipt(&items, is_dry_run))
}

async fn read(api: &Api, headers: &HeaderMap, body: Body) -> Result<(Bytes, Place), TurnedAway> {
    let limits = BodyLimits {
        event_bytes: BATCH_BYTES_MAX,
        dropped_bytes: api.limits.dropped_bytes.max(2 * BATCH_BYTES_MAX),
        ..api.limits
    };
    read_body(api, headers, body, limits, "the body is longer than 8 MiB").await
}

fn flag_of(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false"),
    }
}

fn items_of(body: &[u8]) -> Result<Vec<Cow<'_, RawValue>>, Problem> {
    let invalid = |message: String| {
        let problem = Problem::new(ProblemCode::InvalidBody, message);
        problem.hint("send {\"events\":[…]}, each event in the form of POST /v1.0/event")
    };
    let events = cm::parse_batch(body).map_err(|error| invalid(error.to_string()))?;
    match events.len() {
        0 => Err(invalid("the batch has no events".to_owned())),
        1..=EVENTS_MAX => Ok(events),
        many => {
            Err(invalid(format!("the batch has {many} events, and {EVENTS_MAX} at most may be sent at once")))
        }
    }
}

/// Judges one item as a single event is judged.
async fn check(api: &Api, config: &Config, account: &Account, item: &RawValue) -> Result<Item, Problem> {
    if item.get().len() > api.limits.event_bytes {
        let details = format!("The event is longer than {} bytes", api.limits.event_bytes);
        return Ok(Item::Refused(Refusal::new(RefusalCode::BodyTooLarge, details)));
    }
    let request = match cm::parse_item(item) {
        Ok(request) => request,
        Err(error) => return Ok(Item::Refused(error.into())),
    };
    let told = contacts::told(&api.node, &config.rules, &request).await;
    let told = told.map_err(|error| unavailable(api, &error))?;
    let context = accept::Context {
        account,
        now: api.node.clock.wall(),
        rules: &config.rules,
        keys_kept: config.retention.keys,
        told: &told,
    };
    Ok(match accept::check(&context, &request, None) {
        Ok(row) => {
            let kind = EventKind::from_code(row.kind).expect("a checked event has one of the known kinds");
            Item::Checked(kind, Box::new(row))
        }
        Err(refusal) => Item::Refused(refusal),
    })
}

/// Makes the items that passed durable, in one transaction.
async fn store(api: &Api, account: &Account, items: &mut [Item]) -> Result<(), Problem> {
    let rooms = make_room(api, account, items).await?;
    let rows = items.iter().filter_map(|item| match item {
        Item::Checked(_, row) => Some(NewRow::clone(row)),
        Item::Refused(_) | Item::Taken(..) => None,
    });
    let append = Append { events: rows.collect(), ..Append::default() };
    if append.events.is_empty() {
        return Ok(());
    }
    let appended = api.node.journal.append(append).await;
    let mut appended = appended.map_err(|error| unavailable(api, &error))?.into_iter();
    let mut accepted: BTreeMap<PhoneNumber, Vec<u64>> = BTreeMap::new();
    for item in items.iter_mut() {
        let Item::Checked(kind, row) = item else { continue };
        let became = appended.next().expect("the journal answers once per event");
        if let Appended::Accepted(id) = became {
            accepted.entry(row.business).or_default().push(id.sequence());
        }
        *item = item_of(*kind, became);
    }
    for (business, room) in rooms {
        room.accepted(accepted.remove(&business).unwrap_or_default());
    }
    Ok(())
}

fn item_of(kind: EventKind, became: Appended) -> Item {
    match became {
        Appended::Accepted(id) => Item::Taken(kind, Admission::Accepted, id),
        Appended::Replay(id) => Item::Taken(kind, Admission::Replayed, id),
        Appended::Conflict(id) => Item::Refused(events_cm::conflict("idempotency_key", id)),
    }
}

/// Holds room for the items of each business number. Where there is none for all of a number's, what was accepted before
/// gets its first answer, and the rest is refused.
async fn make_room(
    api: &Api,
    account: &Account,
    items: &mut [Item],
) -> Result<BTreeMap<PhoneNumber, Room>, Problem> {
    let mut counts: BTreeMap<PhoneNumber, usize> = BTreeMap::new();
    for item in items.iter() {
        if let Item::Checked(_, row) = item {
            *counts.entry(row.business).or_default() += 1;
        }
    }
    let mut rooms = BTreeMap::new();
    for (business, count) in counts {
        let full = match api.node.driver.room(business, count) {
            Ok(room) => {
                rooms.insert(business, room);
                continue;
            }
            Err(full) => full,
        };
        tracing::debug!(account = account.name.as_str(), count, "a batch met a full number or node");
        for item in items.iter_mut() {
            let Item::Checked(kind, row) = &*item else { continue };
            if row.business != business {
                continue;
            }
            let known = api.node.journal.recall(NewRow::clone(row)).await;
            *item = match known.map_err(|error| unavailable(api, &error))? {
                Some(known) => item_of(*kind, known),
                None => Item::Refused(events_cm::refusal_of_full(full).0),
            };
        }
    }
    Ok(rooms)
}

fn receipt(items: &[Item], is_dry_run: bool) -> BatchReceipt {
    let events: Vec<_> = items.iter().map(item_receipt).collect();
    let taken = events.iter().filter(|item| item.status != ItemStatus::Rejected).count();
    let details = match is_dry_run {
        true => format!("Checked {taken} event(s), nothing stored"),
        false => format!("Created {taken} event(s)"),
    };
    let error_code = if taken == events.len() { 0 } else { SOME_REFUSED };
    BatchReceipt { details, error_code, messages: [], events }
}

fn item_receipt(item: &Item) -> ItemReceipt {
    match item {
        Item::Taken(_, admission, id) => {
            let repeated = (*admission == Admission::Replayed).then_some(true);
            ItemReceipt { id: Some(id.to_string()), status: ItemStatus::Accepted, repeated, error: None }
        }
        Item::Checked(..) => ItemReceipt { id: None, status: ItemStatus::Valid, repeated: None, error: None },
        Item::Refused(Refusal { code, details, field, hint }) => {
            let error = ItemError {
                code: code.as_str(),
                message: details.clone(),
                field: field.clone(),
                hint: hint.clone(),
            };
            ItemReceipt { id: None, status: ItemStatus::Rejected, repeated: None, error: Some(error) }
        }
    }
}
