//! `GET /api/v1/events/stream`: every change of the account's events as it happens, as server-sent events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use hyper::body::Frame;
use laneway_model::{AccountName, Status};
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, watch};
use utoipa::ToSchema;

use super::auth::reader;
use super::health::Readiness;
use super::instant::Instant;
use super::listing::{kinds_of, statuses_of};
use super::problem::{Problem, ReaderRefused};
use super::query::Query;
use super::{Api, answer};
use crate::driver::Changed;
use crate::telemetry::Route;

/// How many changes wait for a reader before they wait for it in the driver's buffer, which is larger and shared.
const CHANGES_WAITING_MAX: usize = 64;
/// Something is sent at least so often, so that both sides see that the other is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A change of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = EventChange)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeState {
    /// The event's id.
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(schema_with = super::state::event_type)]
    kind: &'static str,
    /// The business number.
    from: String,
    /// The person.
    #[schema(required)]
    to: Option<String>,
    /// Where it stands now.
    #[schema(schema_with = super::state::status)]
    status: &'static str,
    /// Why, if it ended otherwise than well.
    #[schema(required)]
    reason: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
}

/// Which changes a reader wants.
struct Wanted {
    account: AccountName,
    statuses: Vec<Status>,
    kinds: Vec<u8>,
}

/// Follow events live
///
/// Server-sent events, one `data:` line with JSON per change, from now on. A reader that is too slow is told how many
/// changes of the node passed it by: `{"missed":n}`. Comments keep the connection alive; it ends when the node stops.
#[utoipa::path(
    get, path = "/api/v1/events/stream", tag = "events", operation_id = "follow_events",
    params(
        ("status" = Option<String>, Query, description = "Statuses, separated by commas; also `open` and `final`"),
        ("type" = Option<String>, Query, description = "Event types, separated by commas, in any letter case"),
    ),
    responses(
        (status = 200, description = "Changes as they happen", body = ChangeState, content_type = "text/event-stream"),
        ReaderRefused,
    )
)]
pub(super) async fn get(State(api): State<Arc<Api>>, headers: HeaderMap, uri: Uri) -> Response {
    let response = match wanted(&api, &headers, &uri) {
        Ok(wanted) => {
            let (lines, written) = mpsc::channel(CHANGES_WAITING_MAX);
            let (changes, readiness) = (api.node.driver.changed(), api.node.readiness.clone());
            tokio::spawn(follow(wanted, changes, readiness, lines));
            let mut response = answer::raw(StatusCode::OK, "text/event-stream", Body::new(Lines(written)));
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(problem) => problem.into_response(),
    };
    api.answered(Route::Stream, response)
}

fn wanted(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<Wanted, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?.name.clone();
    let query = Query::read(uri, &["status", "type"])?;
    let statuses = query.value("status", statuses_of)?.unwrap_or_default();
    let kinds = query.value("type", kinds_of)?.unwrap_or_default();
    Ok(Wanted { account, statuses, kinds })
}

/// Writes changes until the reader has gone or the node stops.
async fn follow(
    wanted: Wanted,
    mut changes: broadcast::Receiver<Arc<Changed>>,
    mut readiness: watch::Receiver<Readiness>,
    lines: mpsc::Sender<Bytes>,
) {
    let mut line = Bytes::from_static(b": following\n\n");
    loop {
        if lines.send(line).await.is_err() {
            return;
        }
        line = tokio::select! {
            biased;
            _ = readiness.wait_for(|readiness| *readiness == Readiness::Stopping) => return,
            () = lines.closed() => return,
            next = wanted.next(&mut changes) => match next {
                Some(line) => line,
                None => return,
            },
            () = tokio::time::sleep(KEEP_ALIVE) => Bytes::from_static(b":\n\n"),
        };
    }
}

impl Wanted {
    /// The next change that is wanted, as it is written; none when there will be no more.
    async fn next(&self, changes: &mut broadcast::Receiver<Arc<Changed>>) -> Option<Bytes> {
        loop {
            match changes.recv().await {
                Ok(changed) if self.wants(&changed) => return Some(data(&ChangeState::of(&changed))),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some(data(&serde_json::json!({ "missed": missed })));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn wants(&self, changed: &Changed) -> bool {
        changed.account == self.account
            && (self.statuses.is_empty() || self.statuses.contains(&changed.status))
            && (self.kinds.is_empty() || self.kinds.contains(&changed.kind.code()))
    }
}

fn data(body: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(body).expect("answers have text keys and no failing serializers");
    Bytes::from(format!("data: {json}\n\n"))
}

impl ChangeState {
    fn of(changed: &Changed) -> Self {
        Self {
            id: changed.id.to_string(),
            kind: changed.kind.as_str(),
            from: changed.business.to_string(),
            to: changed.person.as_ref().map(ToString::to_string),
            status: changed.status.as_str(),
            reason: changed.reason.clone(),
            at: Instant(changed.at),
        }
    }
}

/// A body that is written line by line.
struct Lines(mpsc::Receiver<Bytes>);

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
