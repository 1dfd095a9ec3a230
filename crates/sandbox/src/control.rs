//! The control surface: what a person or a test does to the world, and what it reads from it.

mod answer;
mod people;
mod query;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State as Shares};
use axum::response::Response;
use axum::routing::{get, post, put};
use bytes::Bytes;
use laneway_wire::graph::server::Edge;
use serde::{Deserialize, Serialize};

pub(crate) use answer::ControlError;
use answer::json;
use query::{Filters, Query};

use crate::body;
use crate::duration;
use crate::faults::FaultRule;
use crate::limits::{ADVANCE_MAX, CONTROL_BODY_BYTES_MAX, STATE_BODY_BYTES_MAX};
use crate::shared::Shared;
use crate::state::State;
use crate::world::{Kind, NewNumber, TokenName, UserMessage};

type Answer = Result<Response, ControlError>;

/// Every control path with its methods and what it is for. The page and every 404 are made of it.
pub(crate) const ENDPOINTS: [(&str, &str, &str); 21] = [
    (
        "/sandbox/numbers",
        "GET, POST",
        "the business numbers with all a client needs; POST `{}` adds a fresh, separate one",
    ),
    (
        "/sandbox/messages",
        "GET, POST",
        r#"the chats, `?business=&user=&last=N`; POST `{"from","to","text","ad"}` lets a customer write, with `"ad":true` after a click on an ad, with `"type":"unsupported"` something that is no text"#,
    ),
    (
        "/sandbox/chats",
        "GET",
        "the latest 200 chats with window, block and what is unread, `?business=&user=`",
    ),
    (
        "/sandbox/messages/read",
        "POST",
        r#"`{"user","business"}`: a customer opens a chat, and the business's messages in it are read"#,
    ),
    (
        "/sandbox/people/{number}/change-number",
        "POST",
        r#"`{"to"}`: a customer moves to another number, and businesses with a chat are told"#,
    ),
    (
        "/sandbox/numbers/{number}/webhook",
        "PUT, DELETE",
        r#"`{"url","verify_token"}`: where a business number's notifications go; the address is challenged first"#,
    ),
    ("/sandbox/webhooks", "GET", "the notifications that went or wait, `?business=&since=N`"),
    ("/sandbox/webhooks/{n}/redeliver", "POST", "sends a notification again, the same bytes"),
    ("/sandbox/blocklist", "GET", "who is blocked, `?business=`"),
    ("/sandbox/conversions", "GET", "the conversion events received, `?dataset=&since=N`"),
    ("/sandbox/typing", "GET", "typing indicators shown now, `?business=&user=`"),
    ("/sandbox/requests", "GET", "every Graph call, numbered, `?since=N`"),
    ("/sandbox/clock", "GET, POST", r#"the clock; POST `{"advance":"25h"}` moves it ahead"#),
    (
        "/sandbox/switches",
        "GET, POST",
        "what to do where Meta's behaviour is unknown; POST changes the named ones",
    ),
    (
        "/sandbox/faults",
        "GET, POST, DELETE",
        r#"rules that make calls fail; POST `{"call":"messages","code":130429,"when":{"next":3}}` adds one, DELETE removes all or `?id=N`"#,
    ),
    (
        "/sandbox/tokens/revoke",
        "POST",
        r#"`{"number"}` or `{"access_token"}`: calls with the token answer 190 from now on"#,
    ),
    ("/sandbox/tokens/restore", "POST", "the same the other way"),
    (
        "/sandbox/reset",
        "POST",
        "forgets chats, blocks, clicks, conversions, faults, notifications and the log, and restores tokens; numbers, webhooks, switches and clock stay",
    ),
    ("/sandbox/state", "GET, PUT", "the whole world as JSON, to export and to import"),
    ("/sandbox/live", "GET", "tells of changes as they happen: server-sent events"),
    ("/", "GET", "this page"),
];

/// The routes of the control surface.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sandbox/numbers", get(numbers).post(add_number))
        .route("/sandbox/messages", get(messages).post(write_message))
        .route("/sandbox/chats", get(chats))
        .route("/sandbox/messages/read", post(people::read))
        .route("/sandbox/people/{number}/change-number", post(people::change_number))
        .route("/sandbox/numbers/{number}/webhook", put(webhooks::set).delete(webhooks::remove))
        .route("/sandbox/webhooks", get(webhooks::list))
        .route("/sandbox/webhooks/{n}/redeliver", post(webhooks::redeliver))
        .route("/sandbox/blocklist", get(blocklist))
        .route("/sandbox/conversions", get(conversions))
        .route("/sandbox/typing", get(typing))
        .route("/sandbox/requests", get(requests))
        .route("/sandbox/clock", get(clock).post(advance))
        .route("/sandbox/switches", get(switches).post(change_switches))
        .route("/sandbox/faults", get(faults).post(add_fault).delete(remove_faults))
        .route("/sandbox/tokens/revoke", post(|shared, body| set_revoked(shared, body, true)))
        .route("/sandbox/tokens/restore", post(|shared, body| set_revoked(shared, body, false)))
        .route("/sandbox/reset", post(reset))
        .route("/sandbox/state", get(export).put(import))
}

/// The refusal of a path under `/sandbox` that does not exist.
pub(crate) fn unknown_path(path: &str) -> ControlError {
    let known: Vec<&str> = ENDPOINTS.iter().map(|(path, _, _)| *path).filter(|path| *path != "/").collect();
    ControlError::unknown(format!("there is no {path}"), format!("there is {}", known.join(", ")))
}

/// The refusal of a method that a control path does not have.
pub(crate) fn wrong_method(method: &str, path: &str) -> ControlError {
    // The page's own files are in no list.
    let methods =
        ENDPOINTS.iter().find(|(known, ..)| covers(known, path)).map_or("GET", |(_, methods, _)| *methods);
    ControlError::method(format!("{path} does not take {method}"), format!("it takes {methods}"))
}

/// Whether a path is of the kind of a known one, in which `{name}` stands for anything.
fn covers(known: &str, path: &str) -> bool {
    let is_same = |(known, given): (&str, &str)| known == given || known.starts_with('{');
    known.split('/').count() == path.split('/').count() && known.split('/').zip(path.split('/')).all(is_same)
}

/// The Graph side in a person's words, for the page.
pub(crate) fn graph_usage() -> impl Iterator<Item = &'static str> {
    Edge::ALL.into_iter().map(Edge::usage)
}

async fn numbers(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &[])?;
    query.wait(&shared, |shared| shared.inner().world.number_count()).await;
    json(&shared.inner().world.numbers())
}

async fn add_number(Shares(shared): Shares<Arc<Shared>>, body: Body) -> Answer {
    let bytes = body::read(body, CONTROL_BODY_BYTES_MAX).await?;
    let new: NewNumber = if bytes.trim_ascii().is_empty() { NewNumber::default() } else { parse(&bytes)? };
    let info = shared.change(|inner| inner.world.add_number(&mut inner.mint, &new));
    json(&info.map_err(|error| ControlError::invalid(error.to_string()))?)
}

async fn messages(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["business", "user", "last"])?;
    let Filters { business, user, .. } = query.filters(&shared)?;
    let last = query.last()?;
    query.wait(&shared, |shared| shared.inner().world.message_count(business.as_ref(), user.as_ref())).await;
    let rows = shared.inner().world.message_rows(business.as_ref(), user.as_ref());
    json(&&rows[rows.len().saturating_sub(last)..])
}

async fn chats(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["business", "user"])?;
    let Filters { business, user, .. } = query.filters(&shared)?;
    query.wait(&shared, |shared| shared.inner().world.chat_count(business.as_ref(), user.as_ref())).await;
    let now = shared.clock.now();
    let rows = shared.inner().world.chat_rows(business.as_ref(), user.as_ref(), now);
    json(&rows)
}

async fn write_message(Shares(shared): Shares<Arc<Shared>>, body: Body) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        from: String,
        to: String,
        #[serde(default)]
        text: String,
        #[serde(default)]
        ad: bool,
        #[serde(default, rename = "type")]
        kind: Kind,
    }
    let request: Request = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    let message = UserMessage {
        from: &request.from,
        to: &request.to,
        text: &request.text,
        ad: request.ad,
        kind: request.kind,
    };
    let now = shared.clock.now();
    let written = shared.change(|inner| inner.world.user_writes(&mut inner.mint, &message, now));
    json(&written?)
}

async fn blocklist(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["business"])?;
    let Filters { business, .. } = query.filters(&shared)?;
    query.wait(&shared, |shared| shared.inner().world.blocked_count(business.as_ref())).await;
    let rows = shared.inner().world.blocklist_rows(business.as_ref());
    json(&rows)
}

async fn conversions(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["dataset", "since"])?;
    let Filters { dataset, .. } = query.filters(&shared)?;
    let since = usize::try_from(query.since()?).unwrap_or(usize::MAX);
    let count = |shared: &Shared| shared.inner().world.conversion_count(dataset.as_deref());
    query.wait(&shared, |shared| count(shared).saturating_sub(since)).await;
    let rows = shared.inner().world.conversion_rows(dataset.as_deref(), since);
    json(&rows)
}

async fn typing(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["business", "user"])?;
    let Filters { business, user, .. } = query.filters(&shared)?;
    let rows = |shared: &Shared| {
        let now = shared.clock.now();
        shared.inner().world.typing_rows(business.as_ref(), user.as_ref(), now)
    };
    query.wait(&shared, |shared| rows(shared).len()).await;
    json(&rows(&shared))
}

async fn requests(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["since"])?;
    let since = query.since()?;
    query.wait(&shared, |shared| shared.log().count_since(since)).await;
    let rows = shared.log().rows_since(since);
    json(&rows)
}

async fn clock(Shares(shared): Shares<Arc<Shared>>) -> Answer {
    #[derive(Serialize)]
    struct Clock {
        now: String,
        now_ms: u64,
        offset_ms: u64,
    }
    let now = shared.clock.now();
    json(&Clock { now: now.to_string(), now_ms: now.0 / 1_000, offset_ms: shared.clock.offset_ms() })
}

async fn advance(shared: Shares<Arc<Shared>>, body: Body) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        advance: String,
    }
    let request: Request = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    let by = duration::parse(&request.advance)
        .map_err(|error| ControlError::invalid(format!("advance: {error}")))?;
    if by > ADVANCE_MAX {
        return Err(ControlError::invalid("advance: at most ten years at a time".to_owned()));
    }
    shared.clock.advance(by);
    shared.changed();
    clock(shared).await
}

async fn switches(Shares(shared): Shares<Arc<Shared>>) -> Answer {
    let switches = shared.inner().world.switches;
    json(&switches)
}

async fn change_switches(Shares(shared): Shares<Arc<Shared>>, body: Body) -> Answer {
    let bytes = body::read(body, CONTROL_BODY_BYTES_MAX).await?;
    let switches = shared.change(|inner| {
        let changed = inner.world.switches.with(&bytes)?;
        inner.world.switches = changed;
        Ok(changed)
    });
    json(&switches.map_err(ControlError::json)?)
}

async fn faults(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &[])?;
    query.wait(&shared, |shared| shared.faults.rows().len()).await;
    json(&shared.faults.rows())
}

async fn add_fault(Shares(shared): Shares<Arc<Shared>>, body: Body) -> Answer {
    let rule: FaultRule = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    json(&shared.add_fault(rule)?)
}

async fn remove_faults(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let id = Query::parse(query.as_deref(), &["id"])?.id()?;
    let removed = shared.remove_faults(id);
    match id {
        Some(id) if removed == 0 => Err(ControlError::unknown(
            format!("there is no fault {id}"),
            "GET /sandbox/faults lists those there are".to_owned(),
        )),
        Some(_) | None => json(&serde_json::json!({"removed": removed})),
    }
}

async fn set_revoked(Shares(shared): Shares<Arc<Shared>>, body: Body, revoked: bool) -> Answer {
    let token: TokenName = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    let waba_id = shared.change(|inner| inner.world.revoke(&token, revoked))?;
    json(&serde_json::json!({"waba_id": waba_id, "revoked": revoked}))
}

async fn reset(Shares(shared): Shares<Arc<Shared>>) -> Answer {
    shared.change(|inner| inner.world.reset());
    shared.remove_faults(None);
    shared.log().clear();
    shared.webhooks().clear();
    json(&serde_json::json!({"success": true}))
}

async fn export(Shares(shared): Shares<Arc<Shared>>) -> Answer {
    Ok(answer::json_bytes(Bytes::from(shared.state().encode())))
}

async fn import(Shares(shared): Shares<Arc<Shared>>, body: Body) -> Answer {
    let bytes = body::read(body, STATE_BODY_BYTES_MAX).await?;
    let state = State::decode(&bytes).map_err(|error| ControlError::state(&error))?;
    shared.import(state);
    json(&serde_json::json!({"success": true}))
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(bytes).map_err(ControlError::json)
}
