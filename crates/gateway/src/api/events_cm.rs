//! `/v1.0`: the endpoint that CM.com's clients know.
//!
//! The order of things: read the body within its limits, parse it, find out whose it is, check it, see that there is
//! room, make it durable, answer. Nothing is answered 200 before the journal has it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri, header};
use laneway_journal::{Append, Appended, NewRow};
use laneway_model::{EventId, EventKind};
use laneway_wire::cm;

use super::auth::{self, Stranger};
use super::body::{self, BodyError};
use super::{Api, RETRY_AFTER, answer, page};
use crate::accept::{self, Refusal, RefusalCode};
use crate::config::Scopes;
use crate::contacts;
use crate::driver::Full;
use crate::telemetry::{Admission, Route};

/// Where a client finds its event.
const EVENTS: &str = "/api/v1/events/";

/// A refusal on its way to the client.
struct Refused {
    refusal: Refusal,
    retry_after: Option<Duration>,
    /// Whether the connection is of no further use.
    closes: bool,
}

/// Submit one event
///
/// The envelope of CM.com's events endpoint: `channel`, `event.type`, `event.custom`, `from.number`, `to.number`. The
/// token is sent in the header `X-CM-PRODUCTTOKEN`, or in the body as `authentication.productToken`, at the root or
/// under `messages`. The answer 200 means that the event is durable.
#[utoipa::path(
    post, path = "/v1.0/event", tag = "cm", operation_id = "submit_event", security((), ("product_token" = [])),
    params(
        ("dry_run" = Option<bool>, Query, description = "`true`: all checks, nothing stored"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Up to 255 bytes: the same key and event get the first answer again"),
    ),
    request_body(content = super::openapi::CmEvent, description = "Any `Content-Type` will do"),
    responses(
        (status = 200, description = "The event is durable (or, in a dry run, would be taken)",
            body = super::openapi::CmReceipt,
            headers(("Location" = String, description = "Where the event's state is found; not in a dry run"))),
        (status = 400, description = "Refused; `errorCode` and `error.code` say why", body = super::openapi::CmError),
        (status = 408, description = "The body did not come in time", body = super::openapi::CmError),
        (status = 409, description = "The key was used for another event", body = super::openapi::CmError),
        (status = 413, description = "The body is longer than 64 KiB", body = super::openapi::CmError),
        (status = 415, description = "The body is compressed", body = super::openapi::CmError),
        (status = 429, description = "This number has too many open events; see `Retry-After`",
            body = super::openapi::CmError),
        (status = 503, description = "It cannot be made durable now; see `Retry-After`",
            body = super::openapi::CmError),
    )
)]
pub(super) async fn post(State(api): State<Arc<Api>>, request: Request) -> Response {
    let page = page::reader(api.config().page_port, request.headers());
    let mut response = match accept(&api, request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    };
    page::admit(page, &mut response);
    api.answered(Route::CmEvent, response)
}

/// Every other path of CM.com's API.
pub(super) async fn not_found(api: &Api, request: Request) -> Response {
    let refusal =
        Refusal::new(RefusalCode::NotFound, "There is nothing at this path; events go to POST /v1.0/event");
    let hint = "messages and all else of CM.com's API go to CM.com itself: without upstream.cm_url nothing is passed on";
    turn_away(api, request, refusal.hint(hint)).await
}

/// Another method than the path's; the router adds `Allow`.
pub(super) async fn method_not_allowed(api: &Api, request: Request) -> Response {
    let details = "The path does not know this method";
    turn_away(
        api,
        request,
        Refusal::new(RefusalCode::MethodNotAllowed, details).hint("send events with POST"),
    )
    .await
}

/// Refuses a request whose body nobody wants, but reads it, so that the client sees the answer.
async fn turn_away(api: &Api, request: Request, refusal: Refusal) -> Response {
    let (head, body) = request.into_parts();
    let closes = !body::drain(&head.headers, body, &api.limits).await;
    api.node.telemetry.refused(None, &refusal);
    api.answered(Route::CmOther, Refused { refusal, retry_after: None, closes }.into_response())
}

/// A refusal of a request whose body was not read to its end.
pub(super) fn cut_short(refusal: Refusal) -> Response {
    Refused { refusal, retry_after: None, closes: true }.into_response()
}

async fn accept(api: &Api, request: Request) -> Result<Response, Refused> {
    let started = api.node.clock.monotonic();
    let (head, body) = request.into_parts();
    let (row, is_dry_run) = checked(api, &head.headers, &head.uri, body).await?;
    let kind = EventKind::from_code(row.kind).expect("a checked event has one of the known kinds");
    let (admission, receipt, id) = if is_dry_run {
        (Admission::Checked, cm::Receipt::valid(), None)
    } else {
        let (admission, id) = stored(api, row).await?;
        (admission, cm::Receipt::accepted(id), Some(id))
    };
    let mut response = answer::json(StatusCode::OK, &receipt);
    if let Some(id) = id {
        answer::set_header(&mut response, header::LOCATION, &format!("{EVENTS}{id}"));
    }
    api.node.telemetry.admitted(kind, admission, api.node.clock.monotonic().saturating_sub(started));
    Ok(response)
}

/// The row of an event that passed every check, and whether no more than that was asked for.
async fn checked(api: &Api, headers: &HeaderMap, uri: &Uri, body: Body) -> Result<(NewRow, bool), Refused> {
    let refused = |account: Option<&str>, refusal: Refusal| {
        api.node.telemetry.refused(account, &refusal);
        Refused { refusal, retry_after: None, closes: false }
    };
    let body = match body::read(headers, body, &api.limits).await {
        Ok(body) => body,
        Err(error) => {
            let closes = error.closes();
            return Err(Refused { closes, ..refused(None, refusal_of(&error, api)) });
        }
    };
    let is_dry_run = dry_run(uri).map_err(|refusal| refused(None, refusal))?;
    let request = cm::parse(&body).map_err(|error| refused(None, error.into()))?;
    let config = api.config();
    let token = auth::header_token(headers).or(request.product_token.as_ref().map(cm::ProductToken::expose));
    let caller = auth::caller(&config, token).map_err(|stranger| refused(None, stranger.into()))?;
    let account = caller.account;
    let refused = |refusal| refused(Some(account.name.as_str()), refusal);
    if !caller.scopes.contain(Scopes::SEND) {
        return Err(refused(scope_missing()));
    }
    if !is_dry_run && let Err(retry_after) = api.within_rate(account, 1) {
        return Err(Refused { retry_after: Some(retry_after), ..refused(rate_limited()) });
    }
    let key = idempotency_key(headers).map_err(refused)?;
    let told = contacts::told(&api.node, &config.rules, &request).await.map_err(|error| {
        api.journal_failed(&error);
        Refused { retry_after: Some(RETRY_AFTER), ..refused(not_durable()) }
    })?;
    let context = accept::Context {
        account,
        now: api.node.clock.wall(),
        rules: &config.rules,
        keys_kept: config.retention.keys,
        told: &told,
    };
    let row = accept::check(&context, &request, key).map_err(|refusal| {
        let may_pass = refusal.code == RefusalCode::NumbersNotKnown;
        Refused { retry_after: may_pass.then_some(RETRY_AFTER), ..refused(refusal) }
    })?;
    Ok((row, is_dry_run))
}

/// Makes the event durable, if there is room for it.
async fn stored(api: &Api, row: NewRow) -> Result<(Admission, EventId), Refused> {
    let account = row.account.clone();
    let refused = |refusal: Refusal, retry_after: Option<Duration>| {
        api.node.telemetry.refused(Some(account.as_str()), &refusal);
        Refused { refusal, retry_after, closes: false }
    };
    let appended = match api.node.driver.room(row.business, 1) {
        Ok(room) => {
            let append = Append { events: vec![row], ..Append::default() };
            api.node.journal.append(append).await.map(|appended| {
                let first = *appended.first().expect("the journal answers once per event");
                if let Appended::Accepted(id) = first {
                    room.accepted([id.sequence()]);
                }
                first
            })
        }
        // What was accepted before gets its first answer, full or not.
        Err(full) => match api.node.journal.recall(row).await.transpose() {
            Some(known) => known,
            None => {
                let (refusal, retry_after) = refusal_of_full(full);
                return Err(refused(refusal, Some(retry_after)));
            }
        },
    };
    match appended {
        Ok(Appended::Accepted(id)) => Ok((Admission::Accepted, id)),
        Ok(Appended::Replay(id)) => Ok((Admission::Replayed, id)),
        Ok(Appended::Conflict(id)) => Err(refused(conflict("Idempotency-Key", id), None)),
        Err(error) => {
            api.journal_failed(&error);
            Err(refused(not_durable(), Some(RETRY_AFTER)))
        }
    }
}

/// Whether only the checks are wanted. Parameters that are not known are ignored here, as unknown keys are; but another
/// spelling of this one is refused, because whoever wrote it wanted nothing to be sent.
fn dry_run(uri: &Uri) -> Result<bool, Refusal> {
    let Some(query) = uri.query() else { return Ok(false) };
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let spelt = |name: &str| name.replace(['_', '-'], "").eq_ignore_ascii_case("dryrun");
    if pairs.iter().any(|(name, _)| name != "dry_run" && spelt(name)) {
        return Err(Refusal::of_field(RefusalCode::InvalidParameter, "dry_run", "is spelt like this"));
    }
    match pairs.iter().find(|(name, _)| name == "dry_run").map(|(_, value)| value.as_str()) {
        None | Some("false") => Ok(false),
        Some("true" | "") => Ok(true),
        Some(_) => {
            Err(Refusal::of_field(RefusalCode::InvalidParameter, "dry_run", "is neither true nor false"))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| {
        let problem = "has a character that is not visible ASCII";
        Refusal::of_field(RefusalCode::IdempotencyKeyInvalid, "Idempotency-Key", problem)
            .hint("use up to 255 letters, digits and punctuation marks, such as a UUID")
    })
}

impl From<Stranger> for Refusal {
    /// In CM.com's own words (documented for an unknown token, observed for a missing one).
    fn from(stranger: Stranger) -> Self {
        match stranger {
            Stranger::Missing => Self::new(RefusalCode::TokenMissing, "No authentication method found.")
                .hint("send the product token in the header X-CM-PRODUCTTOKEN, or as authentication.productToken"),
            Stranger::Unknown => {
                Self::new(RefusalCode::TokenUnknown, "No account found for the given authentication")
                    .hint("the hash of this token must be among an account's tokens")
            }
        }
    }
}

fn rate_limited() -> Refusal {
    Refusal::new(RefusalCode::RateLimited, "The account sends faster than it may")
        .hint("wait as long as Retry-After says, or raise the account's max_events_per_second")
}

fn scope_missing() -> Refusal {
    Refusal::new(RefusalCode::ScopeMissing, "The token does not have the scope \"send\"")
        .hint("add \"send\" to the token's scopes in the configuration, or use another token")
}

fn refusal_of(error: &BodyError, api: &Api) -> Refusal {
    match error {
        BodyError::Encoded { .. } => {
            Refusal::new(RefusalCode::UnsupportedEncoding, "The body has a Content-Encoding")
                .hint("send it as it is, without compression")
        }
        BodyError::TooLarge { .. } => {
            let details = format!("The body is longer than {} bytes", api.limits.event_bytes);
            Refusal::new(RefusalCode::BodyTooLarge, details).hint("a request carries one event")
        }
        BodyError::Slow => Refusal::new(RefusalCode::BodyTooSlow, "The body did not arrive in time"),
        BodyError::Broken => Refusal::new(RefusalCode::NotJson, "The body ended early"),
    }
}

pub(super) fn refusal_of_full(full: Full) -> (Refusal, Duration) {
    let (code, details, retry_after) = match full {
        Full::Number { retry_after } => {
            (RefusalCode::NumberFull, "This number has as many open events as it may have", retry_after)
        }
        Full::Node { retry_after } => {
            (RefusalCode::NodeFull, "There are as many open events as there may be", retry_after)
        }
    };
    (Refusal::new(code, details), retry_after)
}

fn not_durable() -> Refusal {
    Refusal::new(RefusalCode::NotDurable, "The event cannot be stored now; nothing was accepted")
}

pub(super) fn conflict(field: &str, earlier: EventId) -> Refusal {
    let problem = format!("stands for another event, {earlier}");
    Refusal::of_field(RefusalCode::IdempotencyConflict, field, problem).hint("a new event needs a new key")
}

impl Refused {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.refusal.code.http_status()).expect("the table has valid statuses");
        let mut response = answer::json(status, &self.refusal.body());
        if let Some(delay) = self.retry_after {
            answer::set_retry_after(&mut response, delay);
        }
        if self.closes {
            answer::close(&mut response);
        }
        response
    }
}
