//! `/api/v1/events`: one event, and lists of them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use laneway_journal::{Queue, Record, Sequence};
use laneway_model::EventId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::reader;
use super::listing::{LIMIT_DEFAULT, LIST_PARAMETERS, cursor_of, filter_of, limit_of, sequence_of};
use super::problem::{Problem, ProblemBody, ProblemCode, ReaderRefused, unavailable};
use super::query::{Query, quoted};
use super::state::EventState;
use crate::config::Account;
use crate::telemetry::Route;

/// How long `wait=final` waits when nothing else is asked, in seconds.
const WAIT_SECONDS_DEFAULT: u64 = 10;
/// The longest wait, in seconds.
const WAIT_SECONDS_MAX: u64 = 60;

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventList {
    /// The events. A page may be shorter than its limit and still have a next one, because the work per page is bounded.
    events: Vec<EventState>,
    /// Give it as `cursor` for the next page; null on the last.
    #[schema(required)]
    cursor: Option<String>,
}

/// The state of one event
///
/// With `wait=final` the answer comes when the event is final, or when the timeout is over; either way it is the state
/// at that moment.
#[utoipa::path(
    get, path = "/api/v1/events/{id}", tag = "events", operation_id = "get_event",
    params(
        ("id" = String, Path, description = "The event's id, from the receipt or its `Location`"),
        ("wait" = Option<String>, Query, description = "`final`: answer when the event is final"),
        ("timeout" = Option<String>, Query, description = "How long to wait, `1s` to `60s`; default `10s`"),
    ),
    responses(
        (status = 200, description = "The event's state", body = EventState),
        ReaderRefused,
        (status = 404, description = "No such event of this account", body = ProblemBody),
        (status = 500, description = "The event is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot answer now", body = ProblemBody),
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    // What is not UTF-8 is no event's id, and is answered like any other that is none.
    let id = id.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(id)| id);
    api.answer(Route::Event, one(&api, &id, &headers, &uri).await)
}

/// Events, newest first
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "list_events",
    params(
        ("status" = Option<String>, Query, description = "Statuses, separated by commas; also `open` and `final`"),
        ("type" = Option<String>, Query, description = "Event types, separated by commas, in any letter case"),
        ("from" = Option<String>, Query, description = "The business number, as `00…`, `+…` (written `%2B…`) or digits"),
        ("to" = Option<String>, Query, description = "The person's number in any of these forms, or their business-scoped user id"),
        ("reference" = Option<String>, Query, description = "The client's own word for the event"),
        ("since" = Option<String>, Query, description = "Accepted at or after: RFC 3339, or seconds since 1970"),
        ("until" = Option<String>, Query, description = "Accepted before: RFC 3339, or seconds since 1970"),
        ("limit" = Option<u32>, Query, description = "1 to 200 events; default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of events", body = EventList),
        ReaderRefused,
        (status = 500, description = "An event is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot answer now", body = ProblemBody),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap, uri: Uri) -> Response {
    api.answer(Route::Events, page(&api, &headers, &uri).await)
}

async fn one(api: &Api, id: &str, headers: &HeaderMap, uri: &Uri) -> Result<EventState, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    let wait = wait_of(&Query::read(uri, &["wait", "timeout"])?)?;
    let id = EventId::parse(id).map_err(|error| not_found(id).hint(error.to_string()))?;
    let mut record = find(api, account, id).await?;
    if let Some(timeout) = wait.filter(|_| record.status.is_open()) {
        // The wait is registered before the next look, so that an end between the two cannot be missed. Ids that are
        // nobody's, or final, are never waited for.
        let ended = api.node.driver.final_wait(id.sequence());
        record = find(api, account, id).await?;
        if record.status.is_open() {
            // Whether it ended or the time is over, the state at this moment is the answer.
            drop(tokio::time::timeout(timeout, ended.done()).await);
            record = find(api, account, id).await?;
        }
    }
    Ok(states(api, vec![record]).await?.remove(0))
}

async fn page(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<EventList, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    let query = Query::read(uri, &LIST_PARAMETERS)?;
    let filter = filter_of(account, &query)?;
    let limit = query.value("limit", limit_of)?.unwrap_or(LIMIT_DEFAULT);
    let before = query.value("cursor", sequence_of)?;
    let page = api.node.journal.list(Queue::Events, filter, before, limit).await;
    let page = page.map_err(|error| unavailable(api, &error))?;
    Ok(EventList { events: states(api, page.records).await?, cursor: page.next.map(cursor_of) })
}

/// The account's own record of that id. Another account's looks like none at all.
pub(super) async fn find(api: &Api, account: &Account, id: EventId) -> Result<Record, Problem> {
    let record = api.node.journal.get(Queue::Events, id).await.map_err(|error| unavailable(api, &error))?;
    record.filter(|record| record.row.account == account.name).ok_or_else(|| not_found(&id.to_string()))
}

/// The records as they are shown, each overlaid with what the driver knows of it.
pub(super) async fn states(api: &Api, records: Vec<Record>) -> Result<Vec<EventState>, Problem> {
    let open = records.iter().filter(|record| record.status.is_open());
    let open: Vec<Sequence> = open.map(|record| record.row.id.sequence()).collect();
    let mut live = if open.is_empty() { vec![] } else { api.node.driver.live(open).await }.into_iter();
    records
        .into_iter()
        .map(|record| {
            let live = if record.status.is_open() { live.next().flatten() } else { None };
            EventState::of(record, live).map_err(|error| {
                tracing::error!(event.id = %error.id, error = error.problem, "cannot read a stored event");
                let message = format!("event {} is stored in a form that cannot be read", error.id);
                Problem::new(ProblemCode::Unreadable, message)
                    .hint("it was written by a newer version of Laneway, or the store is damaged")
            })
        })
        .collect()
}

fn wait_of(query: &Query<'_>) -> Result<Option<Duration>, Problem> {
    let timeout = query.value("timeout", timeout_of)?;
    let wait = query.value("wait", |word| match word {
        "final" => Ok(()),
        other => Err(format!("is {}; the one thing to wait for is \"final\"", quoted(other))),
    })?;
    Ok(wait.map(|()| timeout.unwrap_or(Duration::from_secs(WAIT_SECONDS_DEFAULT))))
}

fn timeout_of(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text);
    match seconds.parse::<u64>() {
        Ok(seconds @ 1..=WAIT_SECONDS_MAX) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("is {}; it is whole seconds, 1s to {WAIT_SECONDS_MAX}s", quoted(text))),
    }
}

pub(super) fn not_found(id: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("this account has no event {}", quoted(id)))
}
