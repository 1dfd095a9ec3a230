//! The rest of CM.com's API: every path under `/v1.0` but the events endpoint is passed on, so that messages and events
//! can share one host.
//!
//! Nothing of a request is read here, least of all its token: it is CM.com's own, and CM.com says whether it is good.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use laneway_channel::pass;

use super::{Api, events_cm};
use crate::accept::{Refusal, RefusalCode};
use crate::server::Streamed;
use crate::telemetry::Route;

/// Streams the request to CM.com, and CM.com's answer back.
pub(super) async fn pass(api: &Api, request: Request, cm_url: &str) -> Response {
    let error = match api.pass.pass(cm_url, request).await {
        Ok(answer) => {
            let mut response = answer.map(Body::new);
            response.extensions_mut().insert(Streamed);
            return api.answered(Route::CmOther, response);
        }
        Err(error) => error,
    };
    let refusal = match &error {
        pass::Error::Client => {
            let details = "The body did not arrive in time; CM.com did not get the whole request";
            Refusal::new(RefusalCode::BodyTooSlow, details)
        }
        pass::Error::Address | pass::Error::NotSent(_) => {
            let details = "CM.com cannot be reached; nothing was sent";
            Refusal::new(RefusalCode::UpstreamUnreachable, details)
                .hint("it can be sent again without harm; upstream.cm_url says where CM.com is")
        }
        pass::Error::Lost(_) => {
            let details = "CM.com did not answer; the message may or may not have been sent";
            Refusal::new(RefusalCode::UpstreamNoAnswer, details)
                .hint("look it up at CM.com before it is sent again")
        }
    };
    tracing::warn!(%error, "a request was not passed on to CM.com, or its answer was lost");
    api.node.telemetry.refused(None, &refusal);
    // What is left of the body is not read.
    api.answered(Route::CmOther, events_cm::cut_short(refusal))
}
