//! The HTTP server: who may call, which side a call is for, and how answers look on the wire.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{OriginalUri, Request, State as Shares};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Frame;
use laneway_wire::graph::server::FIXED_HEADERS;
use subtle::ConstantTimeEq as _;

use crate::body::{self, BodyError};
use crate::control::{self, ControlError};
use crate::graph::{self, Call, GraphAnswer, Reply};
use crate::limits::GRAPH_BODY_BYTES_MAX;
use crate::live;
use crate::page;
use crate::shared::Shared;

/// Every route of the sandbox. What is neither the page nor the control surface is the Graph API.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    control::routes()
        .route("/sandbox/live", get(live::live))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        // The page itself holds nothing of the world; it presents the control token when it asks for that.
        .merge(page::routes().method_not_allowed_fallback(wrong_method))
        .fallback(graph_or_unknown)
        .with_state(shared)
}

/// Lets a control call pass if it presents the control token, or none is needed.
async fn guard(Shares(shared): Shares<Arc<Shared>>, request: Request, next: Next) -> Response {
    match admitted(&shared, request.headers(), request.uri().query()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether a control call may pass: with a control token, if it presents the token; without one, if no page of another
/// site can be behind it.
fn admitted(shared: &Shared, headers: &HeaderMap, query: Option<&str>) -> Result<(), ControlError> {
    match &shared.control_token {
        None => from_this_machine(headers),
        Some(wanted) if presents(wanted, headers, query) => Ok(()),
        Some(_) => Err(ControlError::unauthorized()),
    }
}

/// Refuses what a browser sends on behalf of another site. A site can make its own name resolve to a loopback address
/// and so read answers (DNS rebinding): then `Host` has that name. Or it can just send, blindly: then `Origin` has it.
fn from_this_machine(headers: &HeaderMap) -> Result<(), ControlError> {
    if let Some(host) = headers.get(header::HOST)
        && !host.to_str().is_ok_and(is_loopback)
    {
        return Err(ControlError::foreign("this sandbox is not reached under that name".to_owned()));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    if authority.is_some_and(is_loopback) {
        Ok(())
    } else {
        Err(ControlError::foreign("a page of another site may not control this sandbox".to_owned()))
    }
}

/// Whether `host` or `host:port` is this machine, by its own name or address.
fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the call presents the control token, in a header or in the query.
fn presents(wanted: &str, headers: &HeaderMap, query: Option<&str>) -> bool {
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
        let admitted = admitted(&shared, &parts.headers, parts.uri.query());
        return admitted
            .map_or_else(ControlError::into_response, |()| control::unknown_path(path).into_response());
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
    let Reply { answer, latency } = graph::answer(&shared, call);
    if !latency.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(latency) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
    // hyper sends no byte of a head before it has asked for the body, and closes the connection when that fails.
    answer.map_or_else(|| Response::new(Body::new(NoBody)), dressed)
}

/// The body of an answer that is not to be sent at all.
struct NoBody;

/// The connection is cut on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault rule cuts this connection")]
struct CutOnRequest;

impl HttpBody for NoBody {
    type Data = Bytes;
    type Error = CutOnRequest;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOnRequest>>> {
        Poll::Ready(Some(Err(CutOnRequest)))
    }
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
