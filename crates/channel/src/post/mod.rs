//! Posts to an account's own addresses: what became of its events, and the notifications about its numbers.
//!
//! A post is a POST with some headers and a body; any 2xx is a yes, and [`classify`] says what else means what. [`SigningKey`]
//! is how callbacks are signed.

pub mod classify;
mod sign;

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use laneway_model::{Answer, FailureClass, Timestamp};

use crate::http as connections;

pub use sign::{SigningKey, SigningKeyError};

/// What a post may take. An address that answers slowly holds its own posts only.
pub const LIMITS: connections::Limits = connections::Limits {
    connect_timeout: Duration::from_secs(5),
    call_timeout: Duration::from_secs(15),
    idle_timeout: Duration::from_secs(30),
    idle_connections_max: 4,
    answer_bytes_max: 64 * 1024,
    reach: connections::Reach::Anywhere,
};

/// Makes posts. Clones share the connections; nothing else does.
#[derive(Clone, Debug)]
pub struct Client {
    http: connections::Client,
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(limits: connections::Limits) -> Self {
        Self { http: connections::Client::new(limits) }
    }

    /// Makes one post at `now`, and says what became of it. Every way to fail is an outcome.
    pub async fn send(&self, url: &str, headers: &[(String, String)], body: Bytes, now: Timestamp) -> Answer {
        match request(url, headers, body) {
            Some(request) => classify::answer(now, self.http.call(request).await),
            None => {
                let detail = "Nothing was sent: the address, or a header, cannot stand in a request.";
                classify::told(None, FailureClass::NotSent, detail.to_owned())
            }
        }
    }
}

fn request(url: &str, headers: &[(String, String)], body: Bytes) -> Option<Request<Bytes>> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.parse::<Uri>().ok()?;
    let own = request.headers_mut();
    own.insert(USER_AGENT, HeaderValue::from_static("laneway"));
    for (name, value) in headers {
        own.insert(name.parse::<HeaderName>().ok()?, value.parse().ok()?);
    }
    Some(request)
}
