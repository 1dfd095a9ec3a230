//! What HTTP clients see: CM.com's endpoint for events, Laneway's own API, and the operator's pages.
//!
//! One file per resource. [`public`] is what clients reach, [`admin`] what operators reach, [`everything`] both on one
//! address. There is no middleware: a handler does all that its requests need, and nothing else runs on their way.

mod answer;
mod auth;
mod blocklist;
mod body;
mod console;
mod contacts;
mod events;
mod events_batch;
mod events_cm;
mod events_redrive;
mod events_stream;
mod health;
mod instant;
mod listing;
mod openapi;
mod outbox;
mod pace;
mod page;
mod passthrough;
mod pauses;
mod problem;
mod query;
mod rate;
mod room;
mod state;
mod turned_away;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing;
use http::StatusCode;

use laneway_channel::pass;
use serde::Serialize;

use crate::config::{Account, Config};
use crate::node::Node;
use crate::telemetry::Route;
use problem::{Problem, ProblemCode};

pub use body::BodyLimits;
pub use health::Readiness;
pub(crate) use instant::Instant;
pub use openapi::openapi_json;
pub(crate) use state::event_json;

/// When it is worth trying again after the store could not take or answer something.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What handlers work with.
struct Api {
    node: Node,
    limits: BodyLimits,
    rates: rate::Rates,
    paces: pace::Paces,
    room: room::Room,
    /// Carries what is passed on to CM.com.
    pass: pass::Client<Body>,
}

/// `/v1.0`, `/api`, `/webhooks`, `/healthz` and `/openapi.json`.
pub fn public(node: Node, limits: BodyLimits) -> Router {
    finish(public_routes(), node, limits)
}

/// `/readyz`, `/metrics`, `/healthz` and `/console`, with what the console asks for, `/api/v1/events`, and what operators may: `/api/v1/pauses` and `/api/v1/outbox`. Where the
/// configuration has an `admin_token`, the first two ask for it; events ask for a product token, as everywhere.
pub fn admin(node: Node) -> Router {
    finish(admin_routes(), node, BodyLimits::default())
}

/// [`public`] and [`admin`] on one address, as `dev` has them.
pub fn everything(node: Node, limits: BodyLimits) -> Router {
    finish(public_routes().merge(operator_routes()), node, limits)
}

fn public_routes() -> Router<Arc<Api>> {
    event_routes()
        .route("/v1.0/event", routing::post(events_cm::post))
        .route("/api/v1/events", routing::post(events_batch::post))
        .route("/api/v1/blocklist/{business}", routing::get(blocklist::get))
        .route("/api/v1/contacts/{user}", routing::delete(contacts::erase))
        .route("/api/v1/contacts/{business}/{user}", routing::get(contacts::get))
        .route("/webhooks/meta/{app}", routing::get(webhooks::challenge).post(webhooks::meta))
        .route("/webhooks/cm/{secret}", routing::post(webhooks::cm))
        .route("/healthz", routing::get(health::live))
}

/// What the console works with. It is where the console is, too, because a page may ask its own address only.
fn event_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/api/v1/events", routing::get(events::list))
        .route("/api/v1/events/{id}", routing::get(events::get))
        .route("/api/v1/events/stream", routing::get(events_stream::get))
        .route("/api/v1/events/retry", routing::post(events_redrive::retry_many))
        .route("/api/v1/events/{id}/retry", routing::post(events_redrive::retry))
        .route("/api/v1/events/{id}/discard", routing::post(events_redrive::discard))
        .route("/api/v1/pauses", routing::get(pauses::list))
        .route("/api/v1/outbox", routing::get(outbox::list))
        .route("/api/v1/outbox/{id}", routing::get(outbox::get))
        .route("/api/v1/outbox/retry", routing::post(outbox::retry_many))
        .route("/api/v1/outbox/{id}/retry", routing::post(outbox::retry))
        .route("/openapi.json", routing::get(openapi::get))
}

fn admin_routes() -> Router<Arc<Api>> {
    operator_routes().merge(event_routes()).route("/healthz", routing::get(health::live))
}

fn operator_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/readyz", routing::get(health::ready))
        .route("/metrics", routing::get(health::metrics))
        .merge(console::routes())
}

fn finish(routes: Router<Arc<Api>>, node: Node, limits: BodyLimits) -> Router {
    routes.method_not_allowed_fallback(method_not_allowed).fallback(not_found).with_state(Arc::new(Api {
        rates: rate::Rates::default(),
        paces: pace::Paces::default(),
        room: room::Room::new(limits.room_bytes),
        node,
        limits,
        pass: pass::Client::new(pass::Limits::default()),
    }))
}

async fn not_found(State(api): State<Arc<Api>>, request: Request) -> Response {
    if is_of_cm(&request) {
        return match &api.config().cm_url {
            Some(cm_url) => passthrough::pass(&api, request, cm_url).await,
            None => events_cm::not_found(&api, request).await,
        };
    }
    let problem = Problem::new(ProblemCode::NotFound, "there is nothing at this path")
        .hint("/openapi.json describes every path");
    turn_away(&api, request, problem).await
}

async fn method_not_allowed(State(api): State<Arc<Api>>, request: Request) -> Response {
    if is_of_cm(&request) {
        return events_cm::method_not_allowed(&api, request).await;
    }
    let problem = Problem::new(ProblemCode::MethodNotAllowed, "the path does not know this method");
    turn_away(&api, request, problem).await
}

/// Whether the client expects CM.com's form of errors.
fn is_of_cm(request: &Request) -> bool {
    let path = request.uri().path();
    path == "/v1.0" || path.starts_with("/v1.0/")
}

/// Answers a request whose body nobody wants, but reads it first, so that the client sees the answer.
async fn turn_away(api: &Api, request: Request, problem: Problem) -> Response {
    let (head, body) = request.into_parts();
    let is_whole = body::drain(&head.headers, body, &api.limits).await;
    let mut response = problem.into_response();
    if !is_whole {
        answer::close(&mut response);
    }
    api.answered(Route::Other, response)
}

impl Api {
    /// The configuration in force now.
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.node.config.borrow())
    }

    /// Counts events against the account's rate, if it has one, or says when to come back.
    fn within_rate(&self, account: &Account, events: usize) -> Result<(), Duration> {
        let Some(per_second) = account.max_events_per_second else { return Ok(()) };
        self.rates.take(&account.name, per_second, events, self.node.clock.monotonic())
    }

    /// Counts an answer, and passes it on.
    fn answered(&self, route: Route, response: Response) -> Response {
        self.node.telemetry.answered(route, response.status().as_u16());
        response
    }

    /// Counts the answer, with 200 and this body or with the problem.
    fn answer(&self, route: Route, result: Result<impl Serialize, Problem>) -> Response {
        let response = match result {
            Ok(body) => answer::json(StatusCode::OK, &body),
            Err(problem) => problem.into_response(),
        };
        self.answered(route, response)
    }

    /// Counts and logs a failure of the journal.
    fn journal_failed(&self, error: &laneway_journal::Error) {
        self.node.telemetry.journal_failed(error);
    }
}
