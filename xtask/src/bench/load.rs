//! A small load generator: HTTP/1.1 over plain sockets, one thread and one request in flight per connection.
//!
//! It is no general client: it knows answers with a `Content-Length`, which is what the servers measured here send.
//! Blocking threads keep it free of dependencies, and cheap next to the servers it shares the machine with.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::report::quantile;
use crate::stopwatch::Stopwatch;

/// How long a connection waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// No answer measured here is larger.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A status and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body of a 200 as JSON; any other status is an error.
    pub(crate) fn json(&self) -> Result<Value> {
        ensure!(self.status == 200, "answered {}: {}", self.status, String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).context("the answer is no JSON")
    }
}

/// One connection, kept open between requests.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects; an answer that takes longer than 30 s is an error.
    pub(crate) fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Connection { address, stream: BufReader::new(stream) })
    }

    /// One request and its answer. The token is the one of the benchmark's configuration.
    pub(crate) fn send(&mut self, method: &str, path: &str, token: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nX-CM-PRODUCTTOKEN: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).context("the request could not be sent")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("{first:?} is no status line"))?;
        let mut length = None;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let length = length.context("the answer has no Content-Length")?;
        ensure!(length <= ANSWER_BYTES_MAX, "the answer has {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).context("the answer broke off")?;
        Ok(Answer { status, body })
    }

    /// A line without its end; an empty one ends the header.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("no answer")? == 0 {
            bail!("the connection was closed before the answer");
        }
        Ok(line.trim_end().to_owned())
    }
}

/// What to send, and how much at once.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) token: &'a str,
    pub(crate) connections: usize,
    /// The requests' bodies; request `n` carries body `n` modulo their number.
    pub(crate) bodies: &'a [String],
    pub(crate) requests: usize,
}

/// What a load came to.
pub(crate) struct Figures {
    /// Answered requests per second.
    pub(crate) rate: f64,
    /// From the request's first byte to the answer's last, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Figures {
    /// The latency below which this share of the answers came.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        quantile(&self.latencies, share)
    }
}

/// Posts all requests to `/v1.0/event`; anything but a 200 is an error, since a rate of refusals means nothing.
pub(crate) fn run(load: &Load<'_>) -> Result<Figures> {
    ensure!(!load.bodies.is_empty(), "there is nothing to send");
    let connections: Vec<Connection> =
        (0..load.connections).map(|_| Connection::open(load.address)).collect::<Result<_>>()?;
    let next = AtomicUsize::new(0);
    let stopwatch = Stopwatch::start();
    let measured: Result<Vec<Vec<Duration>>> = thread::scope(|scope| {
        let next = &next;
        let start = |connection| scope.spawn(move || send_all(connection, load, next));
        let workers: Vec<_> = connections.into_iter().map(start).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let seconds = stopwatch.elapsed().as_secs_f64();
    let mut latencies = measured?.concat();
    latencies.sort();
    Ok(Figures { rate: latencies.len() as f64 / seconds, latencies })
}

fn send_all(mut connection: Connection, load: &Load<'_>, next: &AtomicUsize) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= load.requests {
            return Ok(latencies);
        }
        let stopwatch = Stopwatch::start();
        let body = &load.bodies[number % load.bodies.len()];
        let answer = connection.send("POST", "/v1.0/event", load.token, body)?;
        latencies.push(stopwatch.elapsed());
        answer.json().context("an event was not accepted")?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::{Connection, Load, run};

    /// Answers each request on each connection with these bytes, until the client goes.
    fn serve(connections: usize, answer: &'static str) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..connections {
            let listener = listener.try_clone().unwrap();
            thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                while stream.read(&mut request).unwrap_or(0) > 0 {
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
        address
    }

    #[test]
    fn answers_are_read_whole() {
        #[track_caller]
        fn check(answer: &'static str, expected: Result<(u16, &str), &str>) {
            let mut connection = Connection::open(serve(1, answer)).unwrap();
            let found = connection.send("GET", "/", "token", "").map_err(|error| error.to_string());
            let found = found.map(|answer| (answer.status, String::from_utf8(answer.body).unwrap()));
            assert_eq!(
                found,
                expected.map(|(status, body)| (status, body.to_owned())).map_err(str::to_owned)
            );
        }
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok((200, "{}")));
        check("HTTP/1.1 429 Too Many\r\nA: b\r\ncontent-length:0\r\n\r\n", Ok((429, "")));
        check("HTTP/1.1 200 OK\r\n\r\n", Err("the answer has no Content-Length"));
        check("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", Err("the answer has 99999999 bytes"));
        check("hello\r\n", Err("\"hello\" is no status line"));
    }

    #[test]
    fn every_request_is_sent_once() {
        let bodies = ["{}".to_owned()];
        let load = |answer, requests| {
            let address = serve(3, answer);
            run(&Load { address, token: "token", connections: 3, bodies: &bodies, requests })
        };
        let figures = load("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 20).unwrap();
        assert_eq!(figures.latencies.len(), 20);
        assert!(figures.rate > 0.0 && figures.quantile(0.5) <= figures.quantile(1.0));
        assert!(load("HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n", 1).is_err());
    }
}
