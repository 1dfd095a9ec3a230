//! Whether the node lives, whether it can work, and what it counts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use laneway_journal::{Queue, Stats};
use serde::Serialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::pauses::PauseState;
use super::problem::{Problem, ProblemBody, ProblemCode};
use super::{Api, answer, auth};
use crate::config::{Config, NumbersFrom};
use crate::telemetry::Route;

/// What the node is doing, as whoever starts and stops it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Its parts are being started.
    #[default]
    Starting,
    /// It works.
    Ready,
    /// It is being shut down.
    Stopping,
}

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    /// Always `ok`: a process that cannot say so does not answer.
    status: &'static str,
}

/// Whether the node can work, and what there is to know of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeState {
    /// Whether it can work.
    status: NodeStatus,
    /// What is in the way of `ready`, in sentences.
    missing: Vec<&'static str>,
    /// The journal's own figures; null when it does not answer.
    #[schema(required)]
    journal: Option<JournalFigures>,
    /// What is paused now, with every account's; null when the delivery does not answer. A pause is no reason not to be
    /// ready.
    #[schema(required)]
    pauses: Option<Vec<PauseState>>,
    /// The WABAs of which the configuration leaves something out that Meta has not told yet. They are no reason not to be
    /// ready.
    awaited: Vec<Awaited>,
}

/// A WABA of which something is still asked of Meta.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Awaited {
    /// Its account.
    account: String,
    /// Its id.
    waba_id: String,
    /// What is not known, by the configuration's key: `numbers` (events for numbers that nobody has are turned away for the
    /// moment), `dataset_id` (conversions wait).
    keys: Vec<&'static str>,
}

/// `ready`, or what the node is doing instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NodeStatus {
    /// It takes events.
    Ready,
    /// Its parts are being started.
    Starting,
    /// It is being shut down.
    Stopping,
    /// It runs, and its store does not.
    NotReady,
}

/// The journal's own figures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JournalFigures)]
struct JournalFigures {
    /// Events that are not final.
    open_events: u64,
    /// Bytes of the write-ahead log that are in use.
    log_bytes: u64,
    /// Bytes of all files.
    file_bytes: u64,
    /// Operations that wait for the writer.
    ops_queued: u64,
    /// Events that the index of keys and persons does not have yet.
    rows_unindexed: u64,
}

/// Is the process alive?
#[utoipa::path(
    get, path = "/healthz", tag = "operation", operation_id = "health", security(()),
    responses((status = 200, description = "It is", body = Health))
)]
pub(super) async fn live(State(api): State<Arc<Api>>) -> Response {
    api.answered(Route::Health, answer::json(StatusCode::OK, &Health { status: "ok" }))
}

/// Can the node work? On `admin_listen`
#[utoipa::path(
    get, path = "/readyz", tag = "operation", operation_id = "ready", security((), ("bearer" = [])),
    responses(
        (status = 200, description = "It can", body = NodeState),
        (status = 401, description = "`admin_token` is missing or another", body = ProblemBody),
        (status = 503, description = "It cannot; `missing` says why", body = NodeState),
    )
)]
pub(super) async fn ready(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let response = match admitted(&api, &headers) {
        Ok(()) => {
            let state = readiness(&api).await;
            let is_ready = state.status == NodeStatus::Ready;
            let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            answer::json(status, &state)
        }
        Err(problem) => problem.into_response(),
    };
    api.answered(Route::Ready, response)
}

/// The node's metrics. On `admin_listen`
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "metrics", security((), ("bearer" = [])),
    responses(
        (status = 200, description = "OpenMetrics text", body = String,
            content_type = "application/openmetrics-text"),
        (status = 401, description = "`admin_token` is missing or another", body = ProblemBody),
    )
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let response = match admitted(&api, &headers) {
        Ok(()) => {
            // Throttles and outages end with time, which nobody is told of.
            if let Some(pauses) = api.node.driver.pauses().await {
                api.node.telemetry.delivery.paused(&pauses);
            }
            let (content_type, text) = api.node.telemetry.encode();
            answer::raw(StatusCode::OK, content_type, text)
        }
        Err(problem) => problem.into_response(),
    };
    api.answered(Route::Metrics, response)
}

async fn readiness(api: &Api) -> NodeState {
    let phase = *api.node.readiness.borrow();
    let journal = match api.node.journal.stats().await {
        Ok(stats) => Some(JournalFigures::of(&stats)),
        Err(error) => {
            api.journal_failed(&error);
            None
        }
    };
    let mut missing = Vec::new();
    match phase {
        Readiness::Starting => missing.push("the node is still starting"),
        Readiness::Stopping => missing.push("the node is stopping"),
        Readiness::Ready => {}
    }
    if journal.is_none() {
        missing.push("the journal does not answer");
    }
    let status = match (phase, &journal) {
        (Readiness::Starting, _) => NodeStatus::Starting,
        (Readiness::Stopping, _) => NodeStatus::Stopping,
        (Readiness::Ready, None) => NodeStatus::NotReady,
        (Readiness::Ready, Some(_)) => NodeStatus::Ready,
    };
    let pauses = api.node.driver.pauses().await;
    let pauses = pauses.map(|pauses| pauses.iter().map(PauseState::masked).collect());
    NodeState { status, missing, journal, pauses, awaited: awaited(&api.config()) }
}

fn awaited(config: &Config) -> Vec<Awaited> {
    let wabas = config.accounts.iter().flat_map(|account| account.wabas.iter().map(move |w| (account, w)));
    let awaited = wabas.map(|(account, waba)| {
        let numbers = waba.numbers_from == NumbersFrom::NotYet;
        let dataset = waba.looks_up_dataset && waba.dataset_id.is_none();
        let keys = [numbers.then_some("numbers"), dataset.then_some("dataset_id")];
        Awaited {
            account: account.name.as_str().to_owned(),
            waba_id: waba.id.to_string(),
            keys: keys.into_iter().flatten().collect(),
        }
    });
    awaited.filter(|awaited| !awaited.keys.is_empty()).collect()
}

impl JournalFigures {
    fn of(stats: &Stats) -> Self {
        let events = Queue::ALL.iter().zip(stats.open).find(|(queue, _)| **queue == Queue::Events);
        Self {
            open_events: events.map_or(0, |(_, open)| open),
            log_bytes: stats.log_bytes,
            file_bytes: stats.file_bytes,
            ops_queued: stats.ops_queued,
            rows_unindexed: stats.rows_unindexed,
        }
    }
}

/// Whether the request shows the operator's token, where the configuration has one.
fn admitted(api: &Api, headers: &HeaderMap) -> Result<(), Problem> {
    let config = api.config();
    let Some(expected) = &config.admin_token else { return Ok(()) };
    let Some(token) = auth::bearer_token(headers) else {
        let problem = Problem::new(ProblemCode::TokenMissing, "the admin token is needed");
        return Err(problem.hint("send it as Authorization: Bearer"));
    };
    let is_right = bool::from(token.as_bytes().ct_eq(expected.expose().as_bytes()));
    if is_right {
        Ok(())
    } else {
        Err(Problem::new(ProblemCode::TokenUnknown, "this is not the admin token"))
    }
}
