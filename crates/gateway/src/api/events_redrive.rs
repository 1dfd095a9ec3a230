//! `/api/v1/events/{id}/retry`, `/discard` and `/api/v1/events/retry`: what operators do with events, above all with dead
//! letters.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Uri};
use laneway_journal::{Queue, Record};
use laneway_model::{EventId, EventKind, Status, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::admitted;
use super::events::{find, not_found, states};
use super::listing::{LIST_PARAMETERS, RETRIES_MAX, cursor_of, filter_of, retries_of, sequence_of};
use super::pace::TOGETHER;
use super::problem::{OperatorRefused, Problem, ProblemBody, ProblemCode, unavailable};
use super::query::{Query, without_body};
use super::state::EventState;
use super::{Api, RETRY_AFTER};
use crate::config::{Account, Scopes};
use crate::driver::{Changed, Full, GivingUp, Room};
use crate::outbox::{Callbacks, PostKind, Told};
use crate::telemetry::Route;

/// How long a discard waits for its commit.
const DISCARD_PATIENCE: Duration = Duration::from_secs(10);
/// What is written to a dead letter that is given up; the engine's decisions say the same.
const DISCARDED: &str = "An operator gave it up.";

/// What a bulk retry has done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retried {
    /// How many events are tried again.
    count: usize,
    /// Give it as `cursor` to go on with newer events; null when there are none.
    #[schema(required)]
    cursor: Option<String>,
}

/// Try an event again
///
/// For `failed`, `in_doubt` and `discarded` events that have not expired. The event keeps its id, its attempts and its
/// `event_id`, and goes to the tail of its lane, or keeps its place there if it held the lane.
#[utoipa::path(
    post, path = "/api/v1/events/{id}/retry", tag = "events", operation_id = "retry_event",
    params(("id" = String, Path, description = "The event's id")),
    responses(
        (status = 200, description = "The event's state: it is open again", body = EventState),
        OperatorRefused,
        (status = 404, description = "No such event of this account", body = ProblemBody),
        (status = 409, description = "It is open, has expired, or needs no further try", body = ProblemBody),
        (status = 500, description = "The event is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot do it now, or there is no room", body = ProblemBody),
    )
)]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    api.answer(Route::Redrive, retried(&api, &id, &headers, &uri).await)
}

/// Give an event up
///
/// For `failed`, `in_doubt`, `accepted` and `retrying` events. A call that is under way is not stopped: 409.
#[utoipa::path(
    post, path = "/api/v1/events/{id}/discard", tag = "events", operation_id = "discard_event",
    params(("id" = String, Path, description = "The event's id")),
    responses(
        (status = 200, description = "The event's state: it is `discarded`", body = EventState),
        OperatorRefused,
        (status = 404, description = "No such event of this account", body = ProblemBody),
        (status = 409, description = "A call for it is under way, or it has ended", body = ProblemBody),
        (status = 500, description = "The event is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot do it now", body = ProblemBody),
    )
)]
pub(super) async fn discard(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    api.answer(Route::Redrive, discarded(&api, &id, &headers, &uri).await)
}

/// Try many events again
///
/// Those that a filter leaves, as in lists, but oldest first; `failed` ones when no status is given. At most 1,000 a call.
/// They are due 100 a second, in all calls of the account together. Expired ones are left as they are. Where the store or
/// the room for open events ends half way, the answer tells how far it came: `cursor` goes on from there.
#[utoipa::path(
    post, path = "/api/v1/events/retry", tag = "events", operation_id = "retry_events",
    params(
        ("status" = Option<String>, Query, description = "`failed`, `in_doubt`, `discarded`, separated by commas; default `failed`"),
        ("type" = Option<String>, Query, description = "Event types, separated by commas, in any letter case"),
        ("from" = Option<String>, Query, description = "The business number"),
        ("to" = Option<String>, Query, description = "The person's number, or their business-scoped user id"),
        ("reference" = Option<String>, Query, description = "The client's own word for the event"),
        ("since" = Option<String>, Query, description = "Accepted at or after: RFC 3339, or seconds since 1970"),
        ("until" = Option<String>, Query, description = "Accepted before: RFC 3339, or seconds since 1970"),
        ("limit" = Option<u32>, Query, description = "1 to 1,000 events; default 1,000", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the call before"),
    ),
    responses(
        (status = 200, description = "How many are tried again", body = Retried),
        OperatorRefused,
        (status = 500, description = "What is stored is damaged", body = ProblemBody),
        (status = 503, description = "The store cannot do it now, or there is no room; none is tried again", body = ProblemBody),
    )
)]
pub(super) async fn retry_many(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    api.answer(Route::Redrive, many_retried(&api, &head, !body.is_end_stream()).await)
}

async fn retried(api: &Api, id: &str, headers: &HeaderMap, uri: &Uri) -> Result<EventState, Problem> {
    let config = api.config();
    let account = admitted(&config, headers, Scopes::OPERATE, "operate")?;
    Query::read(uri, &[])?;
    let record = own(api, account, id).await?;
    if !may_retry(record.status) {
        return Err(wrong_status(&record, "only failed, in_doubt and discarded events are tried again"));
    }
    let now = api.node.clock.wall();
    if record.row.expires <= now {
        return Err(wrong_status(&record, "it has expired, so that another try is pointless"));
    }
    let id = record.row.id;
    let _room = room(api, &record)?;
    let lease = api.node.driver.lease();
    let requeued = api.node.journal.requeue(lease, &[id.sequence()], now, None).await;
    if requeued.map_err(|error| unavailable(api, &error))?.is_empty() {
        let record = find(api, account, id).await?;
        return Err(wrong_status(&record, "somebody else was faster"));
    }
    Ok(states(api, vec![find(api, account, id).await?]).await?.remove(0))
}

async fn discarded(api: &Api, id: &str, headers: &HeaderMap, uri: &Uri) -> Result<EventState, Problem> {
    let config = api.config();
    let account = admitted(&config, headers, Scopes::OPERATE, "operate")?;
    Query::read(uri, &[])?;
    let record = own(api, account, id).await?;
    let id = record.row.id;
    if record.status.is_open() {
        return given_up(api, account, id).await;
    }
    let (lease, now) = (api.node.driver.lease(), api.node.clock.wall());
    let told = Callbacks::of(&config).rows(&account.name, &Told::of(&record.row, Status::Discarded), now);
    let posts = api.node.outbox.admit(PostKind::Callback, told);
    let dead = api.node.journal.discard(lease, &[id.sequence()], now, DISCARDED, posts).await;
    let dead = dead.map_err(|error| unavailable(api, &error))?;
    if dead.is_empty() {
        return Err(wrong_status(&record, "it has ended, and is no dead letter"));
    }
    // One that holds its lane lets it go on.
    api.node.driver.discard(dead).await;
    let record = find(api, account, id).await?;
    tell(api, &record);
    match record.status {
        Status::Discarded => Ok(states(api, vec![record]).await?.remove(0)),
        Status::Accepted
        | Status::Sending
        | Status::Retrying
        | Status::Confirmed
        | Status::Relayed
        | Status::Superseded
        | Status::Expired
        | Status::Failed
        | Status::InDoubt => Err(wrong_status(&record, "it was given up, and somebody had it tried again")),
    }
}

/// Has the engine give an open event up, and waits until that is committed.
async fn given_up(api: &Api, account: &Account, id: EventId) -> Result<EventState, Problem> {
    let driver = &api.node.driver;
    let ended = driver.final_wait(id.sequence());
    let wish = async {
        let stands = driver.give_up(id.sequence()).await;
        if stands == Some(GivingUp::Ending) {
            ended.done().await;
        }
        stands
    };
    // Whether it ended or the time is over, what it is then is told.
    let stands = tokio::time::timeout(DISCARD_PATIENCE, wish).await;
    let is_called = stands == Ok(Some(GivingUp::Called));
    let record = find(api, account, id).await?;
    match record.status {
        Status::Discarded => Ok(states(api, vec![record]).await?.remove(0)),
        Status::Accepted | Status::Sending | Status::Retrying if is_called => {
            let message = format!("event {id} is sending: a call for it is under way, and is not stopped");
            Err(Problem::new(ProblemCode::WrongStatus, message))
        }
        Status::Accepted | Status::Sending | Status::Retrying => {
            let message = "what becomes of the event cannot be stored now";
            Err(Problem::new(ProblemCode::Unavailable, message).retry_after(RETRY_AFTER))
        }
        Status::Confirmed
        | Status::Relayed
        | Status::Superseded
        | Status::Expired
        | Status::Failed
        | Status::InDoubt => Err(wrong_status(&record, "it ended before it could be given up")),
    }
}

/// Tells those who follow live of what the driver has no part in.
fn tell(api: &Api, record: &Record) {
    if let Some(kind) = EventKind::from_code(record.row.kind) {
        api.node.driver.tell_changed(Changed {
            id: record.row.id,
            account: record.row.account.clone(),
            kind,
            business: record.row.business,
            person: record.row.person.clone(),
            status: record.status,
            reason: record.reason.clone(),
            at: record.updated_at,
        });
    }
}

async fn many_retried(api: &Api, head: &Parts, has_body: bool) -> Result<Retried, Problem> {
    let config = api.config();
    let account = admitted(&config, &head.headers, Scopes::OPERATE, "operate")?;
    without_body(has_body)?;
    let query = Query::read(&head.uri, &LIST_PARAMETERS)?;
    let mut filter = filter_of(account, &query)?;
    if filter.statuses.is_empty() {
        filter.statuses = vec![Status::Failed];
    }
    if let Some(status) = filter.statuses.iter().find(|status| !may_retry(**status)) {
        let message = format!("status: {status} events are not tried again");
        let problem = Problem::new(ProblemCode::InvalidParameter, message).of("status");
        return Err(problem.hint("those that are: failed, in_doubt, discarded"));
    }
    let limit = query.value("limit", retries_of)?.unwrap_or(RETRIES_MAX);
    let after = query.value("cursor", sequence_of)?;
    let page = api.node.journal.list_up(Queue::Events, filter, after, limit).await;
    let page = page.map_err(|error| unavailable(api, &error))?;
    let now = api.node.clock.wall();
    let mut records: Vec<Record> = page.records;
    records.retain(|record| record.row.expires > now);
    let (mut count, mut cursor) = (0, page.next);
    let mut last_done = None;
    for records in records.chunks(TOGETHER) {
        match requeued(api, account, records, now).await {
            Ok(requeued) => count += requeued,
            // What was done is done, and the client must know of it.
            Err(problem) if last_done.is_none() => return Err(problem),
            Err(_) => {
                cursor = last_done;
                break;
            }
        }
        last_done = records.last().map(|record| record.row.id.sequence());
    }
    tracing::info!(account.name = account.name.as_str(), count, "an operator has events tried again");
    Ok(Retried { count, cursor: cursor.map(cursor_of) })
}

/// Opens events again that are due at the account's next moment; answers how many.
async fn requeued(
    api: &Api,
    account: &Account,
    records: &[Record],
    now: Timestamp,
) -> Result<usize, Problem> {
    let _rooms = records.iter().map(|record| room(api, record)).collect::<Result<Vec<_>, _>>()?;
    let sequences: Vec<_> = records.iter().map(|record| record.row.id.sequence()).collect();
    let wait = api.paces.next(&account.name, api.node.clock.monotonic());
    let (lease, due) = (api.node.driver.lease(), now.saturating_add(wait));
    let requeued = api.node.journal.requeue_later(lease, &sequences, now, due).await;
    // They keep their room until they are counted.
    api.node.driver.caught_up().await;
    Ok(requeued.map_err(|error| unavailable(api, &error))?.len())
}

/// Whether an event that ended like this may be tried again.
const fn may_retry(status: Status) -> bool {
    match status {
        Status::Failed | Status::InDoubt | Status::Discarded => true,
        Status::Accepted
        | Status::Sending
        | Status::Retrying
        | Status::Confirmed
        | Status::Relayed
        | Status::Superseded
        | Status::Expired => false,
    }
}

async fn own(api: &Api, account: &Account, id: &str) -> Result<Record, Problem> {
    let id = EventId::parse(id).map_err(|error| not_found(id).hint(error.to_string()))?;
    find(api, account, id).await
}

/// Room for an event that becomes open again, until the driver counts it.
fn room(api: &Api, record: &Record) -> Result<Room, Problem> {
    api.node.driver.room(record.row.business, 1).map_err(|full| {
        let (Full::Number { retry_after } | Full::Node { retry_after }) = full;
        let problem = Problem::new(ProblemCode::Unavailable, "there are as many open events as there may be");
        problem.retry_after(retry_after)
    })
}

fn wrong_status(record: &Record, why: &str) -> Problem {
    let message = format!("event {} is {}: {why}", record.row.id, record.status);
    Problem::new(ProblemCode::WrongStatus, message)
}
