//! Requests with a body of their own size that are not taken, and reading such a body.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;

use super::body::{self, BodyError, BodyLimits};
use super::problem::{Problem, ProblemCode};
use super::room::Place;
use super::{Api, RETRY_AFTER, answer};

/// Why a request is not taken.
pub(super) struct TurnedAway {
    pub(super) problem: Problem,
    /// Whether the connection is of no further use.
    pub(super) closes: bool,
}

/// Reads a body that may be larger than one event's, as soon as there is room for it; it keeps that until the place is
/// dropped. `too_large` says what it is longer than.
pub(super) async fn read_body(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
    too_large: &str,
) -> Result<(Bytes, Place), TurnedAway> {
    let Some(place) = api.room.enter(body::most(headers, &limits), limits.room_timeout).await else {
        let message = "too many long bodies are under way; send it again";
        let problem = Problem::new(ProblemCode::Unavailable, message).retry_after(RETRY_AFTER);
        return Err(TurnedAway { problem, closes: true });
    };
    let read = body::read(headers, body, &limits).await.map_err(|error| {
        let (code, message) = match error {
            BodyError::Encoded { .. } => {
                (ProblemCode::UnsupportedEncoding, "the body has a Content-Encoding")
            }
            BodyError::TooLarge { .. } => (ProblemCode::BodyTooLarge, too_large),
            BodyError::Slow => (ProblemCode::BodyTooSlow, "the body did not arrive in time"),
            BodyError::Broken => (ProblemCode::BodyTooSlow, "the body ended early"),
        };
        TurnedAway { problem: Problem::new(code, message), closes: error.closes() }
    });
    Ok((read?, place))
}

impl From<Problem> for TurnedAway {
    fn from(problem: Problem) -> Self {
        Self { problem, closes: false }
    }
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if self.closes {
            answer::close(&mut response);
        }
        response
    }
}
