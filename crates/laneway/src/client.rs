//! The command line's own HTTP client: how it talks to a running gateway.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Connections;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::say;

/// Which gateway, and as whom.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The gateway's address
    #[arg(long, env = "LANEWAY_URL", value_name = "URL", default_value = Options::LOCAL_DEV, value_parser = address)]
    pub(crate) url: String,
    /// The product token; a local dev needs none
    #[arg(long, env = "LANEWAY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An answer: its status, when it is worth asking again, and its JSON.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Value,
}

/// What comes of following a stream.
pub(crate) enum Followed {
    /// It is not given.
    Refused(Answer),
    /// Its lines.
    Lines(Lines),
}

/// The lines of an answer that goes on.
pub(crate) struct Lines {
    body: Incoming,
    pending: Vec<u8>,
}

/// A longer line is none of the gateway's.
const LINE_BYTES_MAX: usize = 1 << 20;

/// No answer of the gateway's is larger.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The longest that an answer may take; a wait for a final status takes up to 60 seconds.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(90);

impl Options {
    /// Where `laneway dev` listens unless told otherwise.
    pub(crate) const LOCAL_DEV: &'static str = "http://127.0.0.1:8080";
    /// The business number of `laneway dev`.
    const LOCAL_BUSINESS: &'static str = "+316098765432";

    /// The business number that is given, else that of a `laneway dev` at its usual address.
    pub(crate) fn business<'a>(&self, given: Option<&'a str>) -> Option<&'a str> {
        given.or((self.url == Self::LOCAL_DEV).then_some(Self::LOCAL_BUSINESS))
    }

    /// Makes one request; the body is JSON.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> anyhow::Result<Answer> {
        let exchange = async {
            let response = self.exchange(method, path, headers, body).await?;
            self.whole(response).await
        };
        match tokio::time::timeout(ANSWER_TIME_MAX, exchange).await {
            Ok(answer) => answer,
            Err(_) => bail!("{} gave no answer within {} s", self.url, ANSWER_TIME_MAX.as_secs()),
        }
    }

    /// Follows an answer that goes on.
    pub(crate) async fn follow(&self, path: &str) -> anyhow::Result<Followed> {
        let response = self.exchange(Method::GET, path, &[], String::new()).await?;
        if response.status() == StatusCode::OK {
            return Ok(Followed::Lines(Lines { body: response.into_body(), pending: Vec::new() }));
        }
        self.whole(response).await.map(Followed::Refused)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> anyhow::Result<Response<Incoming>> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let mut request =
            Request::builder().method(method).uri(&url).header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("x-cm-producttoken", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .context("--token or the idempotency key cannot be sent")?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        let connections = Connections::builder(TokioExecutor::new()).build(connector);
        connections.request(request).await.with_context(|| no_answer(&self.url))
    }

    async fn whole(&self, response: Response<Incoming>) -> anyhow::Result<Answer> {
        let status = response.status();
        let retry_after = response.headers().get(http::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = bytes.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        let body = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} answered {status}, but not with JSON", self.url))?;
        Ok(Answer { status, retry_after: retry_after.map(Duration::from_secs), body })
    }

    /// A `GET`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.request(Method::GET, path, &[], String::new()).await
    }
}

impl Lines {
    /// The next line without its end; none at the end of the answer.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.pending.len() > LINE_BYTES_MAX {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            self.pending.extend_from_slice(frame.data_ref()?);
        }
    }
}

impl Answer {
    /// Prints a refusal as a person reads it, or as it came.
    pub(crate) fn refused(&self, json: bool) -> anyhow::Result<ExitCode> {
        let error = &self.body["error"];
        // What cannot be asked for is wrong usage, although only the gateway knows it.
        let is_usage = matches!(error["code"].as_str(), Some("invalid_parameter" | "unknown_parameter"));
        let code = if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE };
        if json {
            crate::print(&self.body.to_string())?;
            return Ok(code);
        }
        let text = self.body["details"].as_str().or_else(|| error["message"].as_str());
        say(format_args!("error: {}", text.unwrap_or("the gateway refused, without saying why")));
        // The gateway speaks of headers, which nobody sets who types a command.
        let hint = match error["code"].as_str() {
            Some("token_missing" | "token_unknown") => {
                Some("give the account's token with --token or LANEWAY_TOKEN")
            }
            Some(_) | None => error["hint"].as_str(),
        };
        if let Some(hint) = hint {
            say(format_args!("\nhint: {hint}"));
        }
        Ok(code)
    }
}

fn address(text: &str) -> Result<String, &'static str> {
    let url: Option<http::Uri> = text.parse().ok();
    let is_address = |url: &http::Uri| matches!(url.scheme_str(), Some("http" | "https"));
    match url.filter(is_address) {
        Some(_) => Ok(text.to_owned()),
        None => Err("an address is like http://127.0.0.1:8080"),
    }
}

fn no_answer(url: &str) -> String {
    let hint =
        if url == Options::LOCAL_DEV { "; is `laneway dev` running? (another address: --url)" } else { "" };
    format!("no gateway answers at {url}{hint}")
}
