//! Webhooks out: the one place where the sandbox opens connections.
//!
//! Any address may be called, also one on this machine, because whoever plays with the sandbox gives it. Redirects are
//! answers like any other. Every call has a limit of time and one of size.

mod deliver;
mod queue;
mod signature;

use std::error::Error as StdError;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

pub(crate) use deliver::{redeliver, run};
pub(crate) use queue::{Queue, RedeliverError};

use crate::limits::{WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_CALL_TIMEOUT, WEBHOOK_URL_BYTES_MAX};

/// The name under which Meta's servers call (C).
const USER_AGENT: &str = "facebookexternalua";

/// Why an address cannot be a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The number cannot be read.
    #[error("number: a phone number has 7 to 15 digits, country code first, written 00…, +… or bare")]
    Number,
    /// No business has the number.
    #[error("no business has the number {number}; there is {}", known.join(", "))]
    UnknownNumber {
        /// The number asked for.
        number: String,
        /// The numbers there are.
        known: Vec<String>,
    },
    /// It is not an address.
    #[error("url: an address is http://host… or https://host…, of at most {WEBHOOK_URL_BYTES_MAX} bytes")]
    Url,
    /// It did not answer the challenge.
    #[error("url: the address did not answer: {0}")]
    Unreachable(String),
    /// It answered the challenge with another status than 200.
    #[error(
        "url: the address answered the challenge with {0}, and 200 is wanted; is its verify token another one?"
    )]
    Status(u16),
    /// It answered the challenge with another text.
    #[error("url: the address answered the challenge with 200 but not with hub.challenge as the whole body")]
    Echo,
}

/// The client of all webhooks. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Client {
    pool: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Default for Client {
    fn default() -> Client {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // A connection of its own for every call: a receiver in a test comes and goes.
        let pool = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Client { pool }
    }
}

impl Client {
    /// Makes one call and reads its answer. What went wrong is told in a sentence.
    async fn call(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
        let exchange = async {
            let answer = self.pool.request(request).await.map_err(|error| chain(&error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, WEBHOOK_ANSWER_BYTES_MAX).collect().await;
            Ok((parts.status, body.map_err(|error| chain(error.as_ref()))?.to_bytes()))
        };
        let late = |_| format!("no answer within {} s", WEBHOOK_CALL_TIMEOUT.as_secs());
        tokio::time::timeout(WEBHOOK_CALL_TIMEOUT, exchange).await.map_err(late)?
    }

    /// Posts a signed notification and tells the answer's status.
    async fn post(&self, url: &str, body: Bytes, signature: &str) -> Result<u16, String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, USER_AGENT)
            .header("x-hub-signature-256", signature)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        self.call(request).await.map(|(status, _)| status.as_u16())
    }

    /// Asks an address whether it wants notifications, as Meta does before the first: it has to answer `challenge` (D).
    ///
    /// # Errors
    /// [`WebhookError`] says what it did instead.
    pub(crate) async fn verify(
        &self,
        url: &str,
        verify_token: &str,
        challenge: &str,
    ) -> Result<(), WebhookError> {
        let pairs =
            [("hub.mode", "subscribe"), ("hub.challenge", challenge), ("hub.verify_token", verify_token)];
        let query = serde_urlencoded::to_string(pairs).map_err(|_| WebhookError::Url)?;
        let joint = if url.contains('?') { '&' } else { '?' };
        let request = Request::builder()
            .uri(format!("{url}{joint}{query}"))
            .header(header::USER_AGENT, USER_AGENT)
            .body(Full::default())
            .map_err(|_| WebhookError::Url)?;
        match self.call(request).await.map_err(WebhookError::Unreachable)? {
            (StatusCode::OK, body) if body == challenge.as_bytes() => Ok(()),
            (StatusCode::OK, _) => Err(WebhookError::Echo),
            (status, _) => Err(WebhookError::Status(status.as_u16())),
        }
    }
}

/// Refuses what is no absolute address with a host.
///
/// # Errors
/// [`WebhookError::Url`].
pub(crate) fn check_url(url: &str) -> Result<(), WebhookError> {
    let uri: Uri = url.parse().map_err(|_| WebhookError::Url)?;
    let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if is_known && has_host && url.len() <= WEBHOOK_URL_BYTES_MAX { Ok(()) } else { Err(WebhookError::Url) }
}

/// The error and all that caused it, in one line.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for url in
            ["http://127.0.0.1:8080/webhooks/meta/dev", "https://shop.example/hook?of=1", "http://[::1]:1"]
        {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        let long = format!("http://a/{}", "b".repeat(WEBHOOK_URL_BYTES_MAX));
        for url in ["", "shop.example/hook", "/hook", "ftp://shop.example", "http://", "http:///hook", &long]
        {
            assert_eq!(check_url(url), Err(WebhookError::Url), "{url}");
        }
    }
}
