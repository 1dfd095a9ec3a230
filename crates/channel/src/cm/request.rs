//! A body to a request: address and token.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use laneway_model::Scope;

use super::Target;

/// The one call, as logs show it.
pub const LINE: &str = "POST /v1.0/event";

/// Why a call cannot be addressed. A person mends each of these in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `cm_url` makes no address.
    #[error("upstream.cm_url does not make an http or https address")]
    Address,
    /// The token has characters that no header can carry.
    #[error("cm_token contains characters that no token has")]
    Token,
}

impl Error {
    /// What it stops.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Address | Self::Token => Scope::Credential,
        }
    }
}

/// The request that carries a body to CM.com. The token goes in a header, as CM.com recommends, and nowhere else.
///
/// # Errors
/// [`Error`] when the target is not right.
pub fn request(target: &Target, body: String) -> Result<Request<Bytes>, Error> {
    let text = format!("{}/v1.0/event", target.cm_url.trim_end_matches('/'));
    let uri: Uri = text.parse().map_err(|_| Error::Address)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) {
        return Err(Error::Address);
    }
    let mut token = HeaderValue::try_from(target.token.expose()).map_err(|_| Error::Token)?;
    token.set_sensitive(true);
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert("x-cm-producttoken", token);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("laneway"));
    Ok(request)
}
