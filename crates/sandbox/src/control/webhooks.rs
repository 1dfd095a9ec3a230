//! Webhooks: where a number's notifications go, what went, and sending it again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State as Shares};
use serde::Deserialize;
use serde_json::json;

use super::answer::json;
use super::query::{Filters, Query};
use super::{Answer, ControlError, parse};
use crate::body;
use crate::limits::CONTROL_BODY_BYTES_MAX;
use crate::phone::{Phone, PhoneError};
use crate::shared::Shared;
use crate::webhook::{self, WebhookError};
use crate::world::Webhook;

/// Challenges the address, and takes it if it answers well.
pub(super) async fn set(
    Shares(shared): Shares<Arc<Shared>>,
    Path(number): Path<String>,
    body: Body,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        url: String,
        #[serde(default)]
        verify_token: String,
        #[serde(default = "yes")]
        challenge: bool,
    }
    let request: Request = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    let business = business(&number)?;
    webhook::check_url(&request.url)?;
    if shared.inner().world.number_id(&business).is_none() {
        // Without a number nobody is to be called.
        let known = shared.inner().world.business_phones();
        return Err(WebhookError::UnknownNumber { number: business.to_string(), known }.into());
    }
    if request.challenge {
        let challenge = shared.inner().mint.challenge();
        shared.webhook_client.verify(&request.url, &request.verify_token, &challenge).await?;
    }
    let answer = json(&json!({"number": business.to_string(), "webhook": request.url}));
    let webhook = Webhook { url: request.url, verify_token: request.verify_token };
    shared.set_webhook(&business, Some(webhook))?;
    answer
}

/// Serde takes a default from a function only.
fn yes() -> bool {
    true
}

/// Removes the address.
pub(super) async fn remove(Shares(shared): Shares<Arc<Shared>>, Path(number): Path<String>) -> Answer {
    let business = business(&number)?;
    shared.set_webhook(&business, None)?;
    json(&json!({"number": business.to_string(), "webhook": null}))
}

fn business(number: &str) -> Result<Phone, WebhookError> {
    Phone::lenient(number).map_err(|PhoneError| WebhookError::Number)
}

/// What went and what waits. `wait` counts what was tried.
pub(super) async fn list(Shares(shared): Shares<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["business", "since"])?;
    let (Filters { business, .. }, since) = (query.filters(&shared)?, query.since()?);
    query.wait(&shared, |shared| shared.webhooks().tried_count(since, business.as_ref())).await;
    let rows = shared.webhooks().rows(since, business.as_ref(), |due| shared.wall(due));
    json(&rows)
}

/// Sends a notification again and shows what came of it.
pub(super) async fn redeliver(Shares(shared): Shares<Arc<Shared>>, Path(n): Path<String>) -> Answer {
    let n = n.parse().map_err(|_| ControlError::invalid(format!("{n} is no notification's number")))?;
    json(&webhook::redeliver(&shared, n).await?)
}
