//! `/api/v1/outbox`: what goes to an account's own addresses, and what became of it.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Uri};
use laneway_journal::{CallbackBody, Filter, FormatError, ForwardBody, Record};
use laneway_model::{Attempt, AttemptOutcome, Person, PhoneNumber, Status, Timestamp, WaitingFor};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{admitted, reader};
use super::instant::{self, Instant};
use super::listing::{LIMIT_DEFAULT, RETRIES_MAX, cursor_of, limit_of, retries_of, sequence_of, statuses_of};
use super::problem::{OperatorRefused, Problem, ProblemBody, ProblemCode, ReaderRefused, unavailable};
use super::query::{Query, quoted, without_body};
use super::{Api, state};
use crate::config::{Account, Scopes};
use crate::driver::Live;
use crate::outbox::{KEPT_FOR, PostId, PostKind};
use crate::telemetry::Route;

/// The parameters of lists.
const LIST_PARAMETERS: [&str; 8] = ["kind", "status", "from", "to", "since", "until", "limit", "cursor"];

/// A post: what it carries, where it stands, and every try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Post)]
pub(super) struct PostState {
    /// `cb_` or `fw_` and 26 characters; ids of one kind sort by time. A callback's is its `webhook-id`.
    id: String,
    /// What it is.
    #[schema(schema_with = kind)]
    kind: &'static str,
    /// Where it goes.
    url: String,
    /// The event that a callback tells of; null for forwards.
    #[schema(required)]
    event: Option<String>,
    /// What a callback tells, such as `event.failed`; null for forwards.
    #[serde(rename = "type")]
    #[schema(required)]
    tells: Option<String>,
    /// The bytes of a forward's body; null for callbacks, whose body is made when it is sent.
    #[schema(required)]
    bytes: Option<usize>,
    /// The business number, as + and digits.
    from: String,
    /// The person: + and digits, or a business-scoped user id. Null where it is about nobody, or about several.
    #[schema(required)]
    to: Option<String>,
    /// Where it stands: `confirmed` when the address took it.
    #[schema(schema_with = state::status)]
    status: &'static str,
    /// What it waits for, when it is not simply its turn: `operator` while the address is not in the configuration.
    #[schema(required, schema_with = state::waiting_for)]
    waiting_for: Option<&'static str>,
    /// Why it ended as it did.
    #[schema(required)]
    reason: Option<String>,
    /// When it became durable.
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Instant,
    /// When its status last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Instant,
    /// When it is tried next; null while a try is under way, and at the end.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Instant>,
    /// From this instant on it is given up.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
    /// Every try, oldest first.
    attempts: Vec<PostAttempt>,
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostAttempt {
    /// Counted from 1.
    n: u32,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Instant,
    /// When it ended.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    finished_at: Option<Instant>,
    /// What came of it.
    #[schema(required, schema_with = state::outcome)]
    outcome: Option<&'static str>,
    /// The HTTP status, if there was an answer.
    #[schema(required)]
    http_status: Option<u16>,
    /// One sentence for a person.
    #[schema(required)]
    detail: Option<String>,
}

/// A page of posts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostList {
    /// Newest first.
    posts: Vec<PostState>,
    /// Give it as `cursor` to get older ones; null when there are none.
    #[schema(required)]
    cursor: Option<String>,
}

/// What a bulk retry has done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostsRetried {
    /// How many posts are tried again.
    count: usize,
    /// Give it as `cursor` to go on with newer posts; null when there are none.
    #[schema(required)]
    cursor: Option<String>,
}

/// Posts to the account's own addresses, newest first
#[utoipa::path(
    get, path = "/api/v1/outbox", tag = "outbox", operation_id = "list_posts",
    params(
        ("kind" = Option<String>, Query, description = "`callback` (the default) or `forward`"),
        ("status" = Option<String>, Query, description = "Statuses, separated by commas; also `open` and `final`"),
        ("from" = Option<String>, Query, description = "The business number, as `00…`, `+…` (written `%2B…`) or digits"),
        ("to" = Option<String>, Query, description = "The person's number in any of these forms, or their business-scoped user id"),
        ("since" = Option<String>, Query, description = "Stored at or after: RFC 3339, or seconds since 1970"),
        ("until" = Option<String>, Query, description = "Stored before: RFC 3339, or seconds since 1970"),
        ("limit" = Option<u32>, Query, description = "1 to 200 posts; default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of posts", body = PostList),
        ReaderRefused,
        (status = 500, description = "A post is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot answer now", body = ProblemBody),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap, uri: Uri) -> Response {
    api.answer(Route::Outbox, page(&api, &headers, &uri).await)
}

/// One post
#[utoipa::path(
    get, path = "/api/v1/outbox/{id}", tag = "outbox", operation_id = "get_post",
    params(("id" = String, Path, description = "The post's id")),
    responses(
        (status = 200, description = "The post", body = PostState),
        ReaderRefused,
        (status = 404, description = "No such post of this account", body = ProblemBody),
        (status = 500, description = "The post is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot answer now", body = ProblemBody),
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    api.answer(Route::Outbox, one(&api, &id, &headers, &uri).await)
}

/// Try a post again
///
/// For posts that are `failed` or `expired`. It keeps its id and its attempts, goes behind what waits for its address, and
/// has another 7 days.
#[utoipa::path(
    post, path = "/api/v1/outbox/{id}/retry", tag = "outbox", operation_id = "retry_post",
    params(("id" = String, Path, description = "The post's id")),
    responses(
        (status = 200, description = "The post: it is open again", body = PostState),
        OperatorRefused,
        (status = 404, description = "No such post of this account", body = ProblemBody),
        (status = 409, description = "It is open, or was taken", body = ProblemBody),
        (status = 500, description = "The post is stored in a form that cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot do it now", body = ProblemBody),
    )
)]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    api.answer(Route::Outbox, retried(&api, &id, &headers, &uri).await)
}

/// Try many posts again
///
/// Those that a filter leaves, as in lists, but oldest first, so that they keep their order; `failed` and `expired` ones when
/// no status is given. At most 1,000 a call.
#[utoipa::path(
    post, path = "/api/v1/outbox/retry", tag = "outbox", operation_id = "retry_posts",
    params(
        ("kind" = Option<String>, Query, description = "`callback` (the default) or `forward`"),
        ("status" = Option<String>, Query, description = "`failed`, `expired`, separated by a comma; default both"),
        ("from" = Option<String>, Query, description = "The business number"),
        ("to" = Option<String>, Query, description = "The person's number, or their business-scoped user id"),
        ("since" = Option<String>, Query, description = "Stored at or after: RFC 3339, or seconds since 1970"),
        ("until" = Option<String>, Query, description = "Stored before: RFC 3339, or seconds since 1970"),
        ("limit" = Option<u32>, Query, description = "1 to 1,000 posts; default 1,000", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the call before"),
    ),
    responses(
        (status = 200, description = "How many are tried again", body = PostsRetried),
        OperatorRefused,
        (status = 500, description = "What is stored is damaged", body = ProblemBody),
        (status = 503, description = "The store cannot do it now; none is tried again", body = ProblemBody),
    )
)]
pub(super) async fn retry_many(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    api.answer(Route::Outbox, many_retried(&api, &head, !body.is_end_stream()).await)
}

async fn page(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<PostList, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    let query = Query::read(uri, &LIST_PARAMETERS)?;
    let (kind, filter) = filter_of(account, &query)?;
    let limit = query.value("limit", limit_of)?.unwrap_or(LIMIT_DEFAULT);
    let before = query.value("cursor", sequence_of)?;
    let page = api.node.journal.list(kind.queue(), filter, before, limit).await;
    let page = page.map_err(|error| unavailable(api, &error))?;
    Ok(PostList { posts: states(api, kind, page.records).await?, cursor: page.next.map(cursor_of) })
}

async fn one(api: &Api, id: &str, headers: &HeaderMap, uri: &Uri) -> Result<PostState, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    Query::read(uri, &[])?;
    let id = parsed(id)?;
    let record = find(api, account, id).await?;
    Ok(states(api, id.kind, vec![record]).await?.remove(0))
}

async fn retried(api: &Api, id: &str, headers: &HeaderMap, uri: &Uri) -> Result<PostState, Problem> {
    let config = api.config();
    let account = admitted(&config, headers, Scopes::OPERATE, "operate")?;
    Query::read(uri, &[])?;
    let id = parsed(id)?;
    let record = find(api, account, id).await?;
    if !may_retry(record.status) {
        return Err(wrong_status(id, record.status, "only failed and expired posts are tried again"));
    }
    if requeued(api, id.kind, &[record], api.node.clock.wall()).await? == 0 {
        let record = find(api, account, id).await?;
        return Err(wrong_status(id, record.status, "somebody else was faster"));
    }
    let record = find(api, account, id).await?;
    Ok(states(api, id.kind, vec![record]).await?.remove(0))
}

async fn many_retried(api: &Api, head: &Parts, has_body: bool) -> Result<PostsRetried, Problem> {
    let config = api.config();
    let account = admitted(&config, &head.headers, Scopes::OPERATE, "operate")?;
    without_body(has_body)?;
    let query = Query::read(&head.uri, &LIST_PARAMETERS)?;
    let (kind, mut filter) = filter_of(account, &query)?;
    if filter.statuses.is_empty() {
        filter.statuses = vec![Status::Failed, Status::Expired];
    }
    if let Some(status) = filter.statuses.iter().find(|status| !may_retry(**status)) {
        let message = format!("status: {status} posts are not tried again");
        let problem = Problem::new(ProblemCode::InvalidParameter, message).of("status");
        return Err(problem.hint("those that are: failed, expired"));
    }
    let limit = query.value("limit", retries_of)?.unwrap_or(RETRIES_MAX);
    let after = query.value("cursor", sequence_of)?;
    let page = api.node.journal.list_up(kind.queue(), filter, after, limit).await;
    let page = page.map_err(|error| unavailable(api, &error))?;
    let count = requeued(api, kind, &page.records, api.node.clock.wall()).await?;
    tracing::info!(account.name = account.name.as_str(), count, "an operator has posts tried again");
    Ok(PostsRetried { count, cursor: page.next.map(cursor_of) })
}

/// Opens posts again, with all of their time; answers how many.
async fn requeued(api: &Api, kind: PostKind, records: &[Record], now: Timestamp) -> Result<usize, Problem> {
    let sequences: Vec<_> = records.iter().map(|record| record.row.id.sequence()).collect();
    let (lease, expires) = (api.node.outbox.desk(kind).lease(), now.saturating_add(KEPT_FOR));
    let requeued = api.node.journal.requeue(lease, &sequences, now, Some(expires)).await;
    Ok(requeued.map_err(|error| unavailable(api, &error))?.len())
}

/// Whether a post that ended like this may be tried again.
const fn may_retry(status: Status) -> bool {
    match status {
        Status::Failed | Status::Expired => true,
        Status::Accepted
        | Status::Sending
        | Status::Retrying
        | Status::Confirmed
        | Status::Relayed
        | Status::Superseded
        | Status::InDoubt
        | Status::Discarded => false,
    }
}

fn filter_of(account: &Account, query: &Query<'_>) -> Result<(PostKind, Filter), Problem> {
    let kind = query.value("kind", |word| {
        let known = PostKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.ok_or_else(|| format!("is {}; it is \"callback\" or \"forward\"", quoted(word)))
    })?;
    let filter = Filter {
        account: Some(account.name.clone()),
        statuses: query.value("status", statuses_of)?.unwrap_or_default(),
        business: query.value("from", PhoneNumber::parse)?,
        person: query.value("to", Person::parse)?,
        since: query.value("since", instant::parse)?,
        until: query.value("until", instant::parse)?,
        ..Filter::default()
    };
    Ok((kind.unwrap_or(PostKind::Callback), filter))
}

fn parsed(id: &str) -> Result<PostId, Problem> {
    PostId::parse(id).ok_or_else(|| not_found(id).hint("a post's id is cb_ or fw_ and 26 letters and digits"))
}

/// The account's own post of that id. Another account's looks like none at all.
async fn find(api: &Api, account: &Account, id: PostId) -> Result<Record, Problem> {
    let record = api.node.journal.get(id.kind.queue(), id.id).await;
    let record = record.map_err(|error| unavailable(api, &error))?;
    record.filter(|record| record.row.account == account.name).ok_or_else(|| not_found(&id.to_string()))
}

fn not_found(id: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("this account has no post {}", quoted(id)))
}

fn wrong_status(id: PostId, status: Status, why: &str) -> Problem {
    Problem::new(ProblemCode::WrongStatus, format!("post {id} is {status}: {why}"))
}

/// The posts as they are shown, each overlaid with what the courier knows of it.
async fn states(api: &Api, kind: PostKind, records: Vec<Record>) -> Result<Vec<PostState>, Problem> {
    let open = records.iter().filter(|record| record.status.is_open());
    let open: Vec<_> = open.map(|record| record.row.id.sequence()).collect();
    let live = if open.is_empty() { vec![] } else { api.node.outbox.desk(kind).live(open).await };
    let mut live = live.into_iter();
    let shown = records.into_iter().map(|record| {
        let live = if record.status.is_open() { live.next().flatten() } else { None };
        PostState::of(kind, record, live)
    });
    shown.collect::<Result<_, _>>().map_err(|error| {
        tracing::error!(post.id = %error.id, error = error.problem, "cannot read a stored post");
        Problem::new(ProblemCode::Unreadable, "a post is stored in a form that cannot be read")
            .hint("it was written by a newer version of Laneway, or the store is damaged")
    })
}

impl PostState {
    fn of(kind: PostKind, record: Record, live: Option<Live>) -> Result<Self, FormatError> {
        let row = &record.row;
        let (url, event, tells, bytes) = match kind {
            PostKind::Callback => {
                let CallbackBody { url, event, status } = CallbackBody::of(row)?;
                (url, Some(event.to_string()), Some(format!("event.{status}")), None)
            }
            PostKind::Forward => {
                let ForwardBody { url, headers: _, body } = ForwardBody::of(row)?;
                (url, None, None, Some(body.len()))
            }
        };
        let status = match live {
            Some(Live { sending: true, .. }) => Status::Sending,
            Some(_) | None => record.status,
        };
        let planned = live.map_or(Some(record.due), |live| live.next_attempt_at);
        let waits = status.is_open() && status != Status::Sending;
        let waiting_for = live.and_then(|live| live.waiting_for).filter(|_| status.is_open());
        Ok(Self {
            id: PostId { kind, id: row.id }.to_string(),
            kind: kind.as_str(),
            url,
            event,
            tells,
            bytes,
            from: row.business.to_string(),
            to: row.person.as_ref().map(ToString::to_string),
            status: status.as_str(),
            waiting_for: waiting_for.map(WaitingFor::as_str),
            reason: record.reason,
            accepted_at: Instant(row.id.accepted_at()),
            updated_at: Instant(record.updated_at),
            next_attempt_at: planned.filter(|_| waits).map(Instant),
            expires_at: Instant(row.expires),
            attempts: record.attempts.into_iter().map(PostAttempt::of).collect(),
        })
    }
}

impl PostAttempt {
    fn of(attempt: Attempt) -> Self {
        Self {
            n: attempt.n,
            started_at: Instant(attempt.started_at),
            finished_at: attempt.finished_at.map(Instant),
            outcome: attempt.outcome.map(AttemptOutcome::as_str),
            http_status: attempt.http_status,
            detail: attempt.detail,
        }
    }
}

fn kind() -> utoipa::openapi::schema::Object {
    state::words("What it is.", PostKind::ALL.into_iter().map(PostKind::as_str))
}
