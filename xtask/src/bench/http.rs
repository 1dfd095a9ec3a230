//! The benchmark's own questions to the servers: one at a time, beside the load.
//!
//! It is no general client: it knows answers with a `Content-Length`, which is what the servers measured here send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// How long a connection waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// No answer asked for here is larger.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A status and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The body of a 200; any other status is an error.
    pub(crate) fn text(self) -> Result<String> {
        ensure!(self.status == 200, "answered {}: {}", self.status, self.body);
        Ok(self.body)
    }

    /// The body of a 200 as JSON; any other status is an error.
    pub(crate) fn json(self) -> Result<Value> {
        serde_json::from_str(&self.text()?).context("the answer is no JSON")
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

    /// One request and its answer.
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
        Ok(Answer { status, body: String::from_utf8(body).context("the answer is no text")? })
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    use super::Connection;

    /// Answers each request with these bytes, until the client goes.
    fn serve(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            while stream.read(&mut request).unwrap_or(0) > 0 {
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn answers_are_read_whole() {
        #[track_caller]
        fn check(answer: &'static str, expected: Result<(u16, &str), &str>) {
            let mut connection = Connection::open(serve(answer)).unwrap();
            let found = connection.send("GET", "/", "token", "").map_err(|error| error.to_string());
            let found = found.map(|answer| (answer.status, answer.body));
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
}
