//! The HTTP server: who may call, which side a call is for, and how answers look on the wire.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request, State as Shares};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use laneway_wire::graph::server::FIXED_HEADERS;
use subtle::ConstantTimeEq as _;

use crate::body::{self, BodyError};
use crate::control::{self, ControlError};
use crate::graph::{self, Call, GraphAnswer};
use crate::limits::GRAPH_BODY_BYTES_MAX;
use crate::page;
use crate::shared::Shared;

/// Every route of the sandbox. What is neither the page nor the control surface is the Graph API.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    control::routes()
        .route("/", get(page::page))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .fallback(graph_or_unknown)
        .with_state(shared)
}

/// Lets a control call pass if it presents the control token, or none is needed.
async fn guard(Shares(shared): Shares<Arc<Shared>>, request: Request, next: Next) -> Response {
    if is_allowed(&shared, request.headers(), request.uri().query()) {
        next.run(request).await
    } else {
        ControlError::unauthorized().into_response()
    }
}

fn is_allowed(shared: &Shared, headers: &HeaderMap, query: Option<&str>) -> bool {
    let Some(wanted) = &shared.control_token else { return true };
    let is_right = |given: &str| bool::from(given.as_bytes().ct_eq(wanted.as_bytes()));
    let by_header = text(headers, &header::AUTHORIZATION)
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .is_some_and(|(_, token)| is_right(token.trim()));
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query.unwrap_or_default()).unwrap_or_default();
    by_header || pairs.iter().any(|(name, value)| name == "control_token" && is_right(value))
}

async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> ControlError {
    control::wrong_method(method.as_str(), uri.path())
}

async fn graph_or_unknown(Shares(shared): Shares<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path == "/sandbox" || path.starts_with("/sandbox/") {
        return if is_allowed(&shared, &parts.headers, parts.uri.query()) {
            control::unknown_path(path).into_response()
        } else {
            ControlError::unauthorized().into_response()
        };
    }
    let body = match body::read(body, GRAPH_BODY_BYTES_MAX).await {
        Ok(body) => Some(body),
        Err(BodyError::TooLarge) => None,
        // Nobody is left to read an answer, and Meta would not act on half a request either.
        Err(BodyError::Broken) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let owned = |name: HeaderName| text(&parts.headers, &name).map(str::to_owned);
    let call = Call {
        method: parts.method.as_str().to_owned(),
        path: path.to_owned(),
        query: parts.uri.query().map(str::to_owned),
        content_type: owned(header::CONTENT_TYPE),
        authorization: owned(header::AUTHORIZATION),
        host: owned(header::HOST),
        body,
    };
    dressed(graph::answer(&shared, call))
}

/// The answer with the headers that Meta's carry.
fn dressed(answer: GraphAnswer) -> Response {
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in FIXED_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut insert = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    insert("facebook-api-version", answer.version);
    insert("x-fb-request-id", answer.trace.clone());
    insert("x-fb-trace-id", answer.trace);
    if let Some(usage) = answer.usage {
        insert("x-business-use-case-usage", usage);
    }
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
