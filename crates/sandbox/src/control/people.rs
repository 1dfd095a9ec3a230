//! People: what a customer does besides writing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State as Shares};
use serde::Deserialize;
use serde_json::json;

use super::answer::json;
use super::{Answer, parse};
use crate::body;
use crate::limits::CONTROL_BODY_BYTES_MAX;
use crate::phone::Phone;
use crate::shared::Shared;
use crate::world::MoveError;

/// The customer opens a chat and so reads it.
pub(super) async fn read(Shares(shared): Shares<Arc<Shared>>, body: Body) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        user: String,
        business: String,
    }
    let request: Request = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    let now = shared.clock.now();
    let read = shared.change(|inner| inner.world.user_reads(&request.user, &request.business, now))?;
    json(&json!({"read": read}))
}

/// The customer moves to another number.
pub(super) async fn change_number(
    Shares(shared): Shares<Arc<Shared>>,
    Path(number): Path<String>,
    body: Body,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        to: String,
    }
    let request: Request = parse(&body::read(body, CONTROL_BODY_BYTES_MAX).await?)?;
    let phone =
        |member, text: &str| Phone::lenient(text).map_err(|error| MoveError::Unreadable { member, error });
    let (old, new) = (phone("number", &number)?, phone("to", &request.to)?);
    let now = shared.clock.now();
    let chats = shared.change(|inner| inner.world.change_number(&mut inner.mint, &old, &new, now))?;
    json(&json!({"from": old.to_string(), "to": new.to_string(), "chats": chats}))
}
