//! `/api/v1/pauses`: which calls are paused now, and why. `/readyz` shows the same of all accounts.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use laneway_engine::Why;
use laneway_model::{Family, PhoneNumber, Route as Sent, Scope};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::Api;
use super::auth::reader;
use super::instant::Instant;
use super::problem::{Problem, ProblemBody, ProblemCode};
use super::query::Query;
use super::state::{words, words_or_null};
use crate::config::Account;
use crate::driver::Pause;
use crate::telemetry::Route;

/// The pauses in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pauses {
    pauses: Vec<PauseState>,
}

/// A pause in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Pause)]
pub(super) struct PauseState {
    /// How far it reaches.
    #[schema(schema_with = scope)]
    scope: &'static str,
    /// Where the calls go that it stops; nothing that goes elsewhere is stopped.
    #[schema(schema_with = route)]
    route: &'static str,
    /// The family of these calls, where it is only one.
    #[schema(required, schema_with = family)]
    family: Option<&'static str>,
    /// The accounts of the numbers that it covers.
    #[schema(value_type = Vec<String>)]
    accounts: BTreeSet<String>,
    /// Their WABAs.
    #[schema(value_type = Vec<String>)]
    waba_ids: BTreeSet<String>,
    /// How many numbers it covers.
    numbers: usize,
    /// The number, where it is only one.
    #[schema(required)]
    number: Option<String>,
    /// The configuration's keys for the credential that it is about, where it is about one.
    #[schema(value_type = Vec<String>)]
    secrets: BTreeSet<&'static str>,
    /// Why: `unauthorized` (a token or a permission was refused, and a person must act), `throttled` or `outage`.
    #[schema(schema_with = class)]
    class: &'static str,
    /// The service's code in the answer that it began with.
    #[schema(required)]
    code: Option<u32>,
    /// And its subcode.
    #[schema(required)]
    subcode: Option<u32>,
    /// What that answer means.
    #[schema(required)]
    reason: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    since: Instant,
    /// When calls are made again; after a refusal one call, which tries. Null while that one is under way.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Instant>,
    /// Events that would have their turn now. Those behind others of their lane, and those that are due later themselves,
    /// are not counted. Null in the view of an account that is not the only one that it covers.
    #[schema(required)]
    waiting_events: Option<usize>,
}

/// What is paused now
///
/// The pauses that cover a number of the account. They end by themselves: a throttle or an outage with time, a refusal when
/// a call works again.
#[utoipa::path(
    get, path = "/api/v1/pauses", tag = "operation", operation_id = "list_pauses",
    responses(
        (status = 200, description = "The pauses in force, often none", body = Pauses),
        (status = 400, description = "A parameter is not known", body = ProblemBody),
        (status = 401, description = "The token is missing or unknown", body = ProblemBody),
        (status = 403, description = "The token lacks the scope `read`", body = ProblemBody),
        (status = 503, description = "The node is stopping", body = ProblemBody),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap, uri: Uri) -> Response {
    api.answer(Route::Pauses, of_account(&api, &headers, &uri).await.map(|pauses| Pauses { pauses }))
}

async fn of_account(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<Vec<PauseState>, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    Query::read(uri, &[])?;
    let pauses = api.node.driver.pauses().await;
    let pauses = pauses.ok_or_else(|| Problem::new(ProblemCode::Unavailable, "the node is stopping"))?;
    Ok(pauses.into_iter().filter_map(|pause| PauseState::own(pause, account)).collect())
}

impl PauseState {
    /// The pause as an operator sees it: numbers are masked.
    pub(super) fn masked(pause: &Pause) -> Self {
        Self::of(pause, PhoneNumber::masked)
    }

    /// The pause as an account sees it, if it covers one of the account's numbers: of the others it learns nothing.
    fn own(mut pause: Pause, account: &Account) -> Option<Self> {
        let all = pause.covered.len();
        pause.covered.retain(|covered| covered.account == account.name);
        let is_shared = pause.covered.len() < all;
        let state = Self::of(&pause, |number| number.to_string());
        let waiting_events = state.waiting_events.filter(|_| !is_shared);
        (!pause.covered.is_empty()).then_some(Self { waiting_events, ..state })
    }

    fn of(pause: &Pause, shown: impl Fn(PhoneNumber) -> String) -> Self {
        let covered = &pause.covered;
        Self {
            scope: pause.scope.as_str(),
            route: pause.route.as_str(),
            family: pause.family.map(Family::as_str),
            accounts: covered.iter().map(|covered| covered.account.to_string()).collect(),
            waba_ids: covered.iter().map(|covered| covered.waba.to_string()).collect(),
            numbers: covered.len(),
            number: covered.first().filter(|_| covered.len() == 1).map(|covered| shown(covered.business)),
            secrets: pause.secrets.clone(),
            class: pause.why.as_str(),
            code: pause.code,
            subcode: pause.subcode,
            reason: pause.detail.clone(),
            since: Instant(pause.since),
            next_attempt_at: pause.until.map(Instant),
            waiting_events: Some(pause.waiting),
        }
    }
}

fn scope() -> Object {
    let wider = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Event);
    words("How far it reaches.", wider.map(Scope::as_str))
}

fn route() -> Object {
    words("Where the calls go.", [Sent::Meta, Sent::Cm].into_iter().map(Sent::as_str))
}

fn family() -> Object {
    words_or_null(
        "The family of these calls, where it is only one.",
        [Family::Messages, Family::Blocks, Family::Conversions].into_iter().map(Family::as_str),
    )
}

fn class() -> Object {
    words("Why.", Why::ALL.into_iter().map(Why::as_str))
}
