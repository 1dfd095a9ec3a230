//! A body to a request: address, method and token.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use laneway_model::{Family, Scope};
use laneway_wire::graph::client::Endpoint;

use super::{Target, Verb};
use crate::Secret;

/// Why a call cannot be addressed. A person mends each of these in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `graph_url` and the version make no address.
    #[error("graph_url and graph_version do not make an http or https address")]
    Address,
    /// The token has characters that no header can carry.
    #[error("the access token contains characters that no token has")]
    Token,
    /// A conversion needs a data set.
    #[error("no data set is known for the number's WhatsApp Business Account; set dataset_id")]
    NoDataset,
}

impl Error {
    /// What it stops.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Address => Scope::Waba,
            Self::Token => Scope::Credential,
            Self::NoDataset => Scope::NumberFamily,
        }
    }
}

/// The token that calls of this family are made with.
pub(super) const fn token(target: &Target, family: Family) -> &Secret {
    match (family, &target.conversions_token) {
        (Family::Conversions, Some(token)) => token,
        (Family::Messages | Family::Blocks | Family::Conversions, _) => &target.access_token,
    }
}

/// The request that carries a body to Meta. The token goes in a header, never in the address, so that no proxy's log
/// has it.
///
/// # Errors
/// [`Error`] when the target is not complete or not right.
pub fn request(target: &Target, verb: Verb, body: String) -> Result<Request<Bytes>, Error> {
    let endpoint = match verb {
        Verb::MarkAsRead | Verb::Typing => Endpoint::Messages(&target.phone_number_id),
        Verb::Block | Verb::UnBlock => Endpoint::BlockUsers(&target.phone_number_id),
        Verb::Conversions => Endpoint::Events(target.dataset_id.as_ref().ok_or(Error::NoDataset)?),
    };
    let method = match verb {
        Verb::MarkAsRead | Verb::Typing | Verb::Block | Verb::Conversions => Method::POST,
        Verb::UnBlock => Method::DELETE,
    };
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = address(&target.graph_url, &target.version, endpoint)?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, bearer(token(target, verb.family()))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("laneway"));
    Ok(request)
}

/// A request that only asks.
///
/// # Errors
/// [`Error`] when the target is not complete or not right.
pub(super) fn get(target: &Target, endpoint: Endpoint<'_>) -> Result<Request<Bytes>, Error> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = address(&target.graph_url, &target.version, endpoint)?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, bearer(&target.access_token)?);
    headers.insert(USER_AGENT, HeaderValue::from_static("laneway"));
    Ok(request)
}

pub(super) fn address(graph_url: &str, version: &str, endpoint: Endpoint<'_>) -> Result<Uri, Error> {
    let base = graph_url.trim_end_matches('/');
    let text = format!("{base}/{version}{}", endpoint.path());
    let uri: Uri = text.parse().map_err(|_| Error::Address)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if is_http && uri.host().is_some_and(|host| !host.is_empty()) { Ok(uri) } else { Err(Error::Address) }
}

pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The call in one line as logs may show it: the method, and the path with its id cut short.
pub fn line(target: &Target, verb: Verb) -> String {
    let (id, edge) = match verb {
        Verb::MarkAsRead | Verb::Typing => (target.phone_number_id.as_str(), "messages"),
        Verb::Block | Verb::UnBlock => (target.phone_number_id.as_str(), "block_users"),
        Verb::Conversions => (target.dataset_id.as_ref().map_or("", |id| id.as_str()), "events"),
    };
    let method = if verb == Verb::UnBlock { Method::DELETE } else { Method::POST };
    let id: String = id.chars().take(3).collect();
    format!("{method} /{id}…/{edge}")
}
