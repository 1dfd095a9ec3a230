//! The load generator of `cargo xtask bench`: events and notifications over HTTP/1.1 from one thread, cheap next to the
//! servers it shares the machine with.
//!
//! `load ADDRESS BODIES TOKEN NAME=VALUE…` posts the lines of the file `BODIES` to `/v1.0/event`, in turns, over
//! `connections=N`, each with one request in flight, until `requests=N` are sent or `seconds=N` are over. Without `rate=N`
//! it is a closed loop: a connection sends again as soon as it has its answer, and latency counts from the sending. With
//! `rate=N` so many a second are due whatever became of the earlier ones, and latency counts from the moment they were
//! due. With `until=final` each event is followed by `GET …?wait=final`, and the latency is that to `confirmed`. With
//! `app=NAME` and `secret=TEXT` the bodies are notifications: they go to that app's callback and are signed as Meta signs
//! them, all before the first one leaves.
//!
//! It prints one JSON object: the seconds it took, how many answers had which status, and latencies in microseconds.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod connection;
mod histogram;
#[path = "../../src/stopwatch.rs"]
mod stopwatch;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mio::{Events, Poll, Token};
use serde_json::json;
use sha2::Sha256;

use connection::{Answer, Connection};
use histogram::Histogram;
use stopwatch::Stopwatch;

/// When nothing at all is answered for so long, the load is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Sockets that are looked at together.
const EVENTS_AT_ONCE: usize = 1024;

/// What to send, and how.
struct Options {
    address: SocketAddr,
    token: String,
    bodies: Vec<String>,
    connections: usize,
    requests: u64,
    duration: Duration,
    /// Requests due per second; `None` for a closed loop.
    rate: Option<f64>,
    /// Whether an event counts when it is confirmed, and not when it is accepted.
    until_final: bool,
    /// The app whose notifications the bodies are, and the secret that they are signed with; empty for events.
    app: String,
    secret: String,
}

impl Options {
    fn read() -> Result<Options> {
        let mut words = std::env::args().skip(1);
        let mut next = |what: &str| words.next().with_context(|| format!("{what} is missing"));
        let address = next("the address")?.parse().context("the address is none")?;
        let bodies = std::fs::read_to_string(next("the file of bodies")?).context("no bodies")?;
        let mut options = Options {
            address,
            token: next("the token")?,
            bodies: bodies.lines().map(str::to_owned).collect(),
            connections: 64,
            requests: u64::MAX,
            duration: Duration::MAX,
            rate: None,
            until_final: false,
            app: String::new(),
            secret: String::new(),
        };
        for word in words {
            match word.split_once('=') {
                Some(("connections", count)) => options.connections = count.parse()?,
                Some(("requests", count)) => options.requests = count.parse()?,
                Some(("seconds", seconds)) => {
                    options.duration = Duration::try_from_secs_f64(seconds.parse()?)?
                }
                Some(("rate", rate)) => options.rate = Some(rate.parse()?),
                Some(("until", "final")) => options.until_final = true,
                Some(("app", name)) => options.app = name.to_owned(),
                Some(("secret", secret)) => options.secret = secret.to_owned(),
                _ => bail!("{word} is not understood"),
            }
        }
        ensure!(
            !options.bodies.is_empty() && options.connections > 0,
            "there is nothing to send, or to send by"
        );
        Ok(options)
    }

    /// The bytes of every request.
    fn posts(&self) -> Vec<Rc<[u8]>> {
        let Options { address, token, bodies, app, secret, .. } = self;
        let post = |body: &String| {
            let (path, header) = match app.as_str() {
                "" => ("/v1.0/event".to_owned(), format!("X-CM-PRODUCTTOKEN: {token}")),
                app => {
                    let signature = signature(secret, body);
                    (format!("/webhooks/meta/{app}"), format!("X-Hub-Signature-256: {signature}"))
                }
            };
            let length = body.len();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            Rc::from([head.as_bytes(), body.as_bytes()].concat())
        };
        bodies.iter().map(post).collect()
    }

    /// The request that answers when the event is final.
    fn wait(&self, id: &str) -> Rc<[u8]> {
        let Options { address, token, .. } = self;
        let path = format!("/api/v1/events/{id}?wait=final&timeout=10s");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nX-CM-PRODUCTTOKEN: {token}\r\n\r\n");
        Rc::from(head.into_bytes())
    }

    /// When the request with this number is due, if it is; times count from the start of the load.
    fn due(&self, number: u64, now: Duration) -> Option<Duration> {
        let at = self.rate.map_or(now, |rate| Duration::from_secs_f64(number as f64 / rate));
        (number < self.requests && at <= now && at < self.duration).then_some(at)
    }

    /// Whether no further request will ever be due.
    fn is_over(&self, number: u64, now: Duration) -> bool {
        let next = self.rate.map_or(now, |rate| Duration::from_secs_f64(number as f64 / rate));
        number >= self.requests || next >= self.duration
    }

    /// How long to wait for answers before looking whether something is due.
    fn patience(&self, number: u64, now: Duration, is_idle: bool) -> Duration {
        match self.rate {
            Some(rate) if is_idle => Duration::from_secs_f64(number as f64 / rate).saturating_sub(now),
            Some(_) | None => ANSWER_TIMEOUT,
        }
    }
}

/// `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits (Meta, "Create a webhook endpoint", documented).
fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("an HMAC takes keys of every length");
    let digits = mac.chain_update(body).finalize().into_bytes();
    digits.iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// What an answer means for its connection.
enum Next {
    /// The event is done, with this status.
    Done(u16),
    /// Ask when it is final.
    Wait(String),
}

fn main() -> Result<()> {
    let options = Options::read()?;
    let posts = options.posts();
    let mut poll = Poll::new()?;
    let open = |index| Connection::open(options.address, poll.registry(), Token(index));
    let mut connections: Vec<Connection> = (0..options.connections).map(open).collect::<Result<_>>()?;
    // In turns, because the gateway closes connections that say nothing.
    let mut idle: VecDeque<usize> = (0..connections.len()).collect();
    let mut events = Events::with_capacity(EVENTS_AT_ONCE);
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut latencies = Histogram::new();
    let mut sent = 0;
    let stopwatch = Stopwatch::start();
    loop {
        while let Some(&index) = idle.front() {
            let Some(since) = options.due(sent, stopwatch.elapsed()) else { break };
            idle.pop_front();
            connections[index].since = since;
            connections[index].send(Rc::clone(&posts[(sent % posts.len() as u64) as usize]))?;
            sent += 1;
        }
        let now = stopwatch.elapsed();
        if idle.len() == connections.len() && options.is_over(sent, now) {
            break;
        }
        let patience = options.patience(sent, now, !idle.is_empty() && !options.is_over(sent, now));
        poll.poll(&mut events, Some(patience))?;
        ensure!(
            !events.is_empty() || patience < ANSWER_TIMEOUT,
            "nothing was answered for {ANSWER_TIMEOUT:?}"
        );
        for event in &events {
            let Token(index) = event.token();
            let connection = &mut connections[index];
            if event.is_writable() {
                connection.go_on()?;
            }
            let Some(answer) = connection.receive()? else { continue };
            match next(&answer, options.until_final)? {
                Next::Done(status) => {
                    latencies.record(stopwatch.elapsed().saturating_sub(connection.since));
                    *statuses.entry(status).or_default() += 1;
                    idle.push_back(index);
                }
                Next::Wait(id) => connection.send(options.wait(&id))?,
            }
        }
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    let quantiles = [("p50_us", 0.5), ("p99_us", 0.99), ("max_us", 1.0)];
    let mut report = json!({"seconds": seconds, "statuses": statuses});
    quantiles.iter().for_each(|(name, share)| report[*name] = latencies.quantile(*share).into());
    println!("{report}");
    Ok(())
}

fn next(answer: &Answer<'_>, until_final: bool) -> Result<Next> {
    if !until_final || answer.status != 200 {
        return Ok(Next::Done(answer.status));
    }
    let body = std::str::from_utf8(answer.body).context("an answer is no text")?;
    let member = |name: &str| body.split_once(name).and_then(|(_, rest)| rest.split('"').next());
    let id = member(r#""id":""#).context("an answer has no id")?;
    match member(r#""status":""#) {
        Some("confirmed") => Ok(Next::Done(answer.status)),
        Some("accepted" | "sending" | "retrying") => Ok(Next::Wait(id.to_owned())),
        status => bail!("the event {id} ended as {status:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Next, next, signature};

    #[test]
    fn an_event_is_asked_for_until_it_is_confirmed() {
        #[track_caller]
        fn check(body: &str, until_final: bool, expected: Result<&str, &str>) {
            let found = match next(&Answer { status: 200, body: body.as_bytes() }, until_final) {
                Ok(Next::Done(status)) => Ok(status.to_string()),
                Ok(Next::Wait(id)) => Ok(id),
                Err(error) => Err(error.to_string()),
            };
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
        }
        let accepted = r#"{"details":"Created 1 event(s)","event":{"id":"ev_1","status":"accepted"}}"#;
        check(accepted, false, Ok("200"));
        check(accepted, true, Ok("ev_1"));
        check(r#"{"id":"ev_1","status":"sending"}"#, true, Ok("ev_1"));
        check(r#"{"id":"ev_1","status":"confirmed"}"#, true, Ok("200"));
        check(r#"{"id":"ev_1","status":"failed"}"#, true, Err("the event ev_1 ended as Some(\"failed\")"));
        check("{}", true, Err("an answer has no id"));
    }

    #[test]
    fn signatures_are_metas() {
        // `printf '{"a":"\\u00e4"}' | openssl dgst -sha256 -hmac secret` says the same.
        let expected = "sha256=b78ab4033415318a0fa14a82d6f5ca348bb74e377eed416f314566864d116718";
        assert_eq!(signature("secret", r#"{"a":"\u00e4"}"#), expected);
    }
}
