//! One connection of the load: a request at a time, and what came back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// No answer is larger; those of events are a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A connection that is kept open between requests.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The request under way, and how much of it the system has taken.
    request: Rc<[u8]>,
    written: usize,
    /// What has been read of the answer.
    answer: Vec<u8>,
    read: usize,
    /// Since when the event under way counts.
    pub(crate) since: Duration,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects, and asks to be told when there is something to read, or room to write.
    pub(crate) fn open(address: SocketAddr, registry: &Registry, token: Token) -> Result<Connection> {
        let stream =
            std::net::TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Connection {
            stream,
            request: Rc::from([]),
            written: 0,
            answer: vec![0; ANSWER_BYTES_MAX],
            read: 0,
            since: Duration::ZERO,
        })
    }

    /// Sends a request, the only one under way. What the system has no room for is sent by [`Connection::go_on`].
    pub(crate) fn send(&mut self, request: Rc<[u8]>) -> Result<()> {
        (self.request, self.written, self.read) = (request, 0, 0);
        self.go_on()
    }

    /// Sends as much of what is left as there is room for.
    #[expect(clippy::disallowed_methods, reason = "a short write is gone on with when there is room again")]
    pub(crate) fn go_on(&mut self) -> Result<()> {
        while self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(0) => bail!("the connection takes nothing more"),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a request could not be sent"),
            }
        }
        Ok(())
    }

    /// Reads what is there; `None` while the answer is not whole.
    pub(crate) fn receive(&mut self) -> Result<Option<Answer<'_>>> {
        loop {
            ensure!(self.read < self.answer.len(), "an answer is larger than {ANSWER_BYTES_MAX} bytes");
            match self.stream.read(&mut self.answer[self.read..]) {
                Ok(0) => bail!("the connection was closed before the answer"),
                Ok(count) => self.read += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("no answer"),
            }
            if is_whole(&self.answer[..self.read])? {
                return parse(&self.answer[..self.read]);
            }
        }
    }
}

fn is_whole(answer: &[u8]) -> Result<bool> {
    Ok(parse(answer)?.is_some())
}

/// The answer, or `None` while a part of it is missing.
pub(crate) fn parse(answer: &[u8]) -> Result<Option<Answer<'_>>> {
    let Some(head_end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..head_end]).context("the head of an answer is no text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.with_context(|| format!("{first:?} is no status line"))?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("an answer has no Content-Length")?;
    let body = &answer[head_end + 4..];
    Ok((body.len() >= length).then_some(Answer { status, body }))
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        #[track_caller]
        fn check(answer: &str, expected: Option<(u16, &str)>) {
            let expected = expected.map(|(status, body)| Answer { status, body: body.as_bytes() });
            assert_eq!(parse(answer.as_bytes()).unwrap(), expected);
        }
        check("", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some((200, "{}")));
        check("HTTP/1.1 429 Too Many\r\nA: b\r\ncontent-length:0\r\n\r\n", Some((429, "")));
    }

    #[test]
    fn anything_else_is_an_error() {
        #[track_caller]
        fn check(answer: &str, expected: &str) {
            assert_eq!(parse(answer.as_bytes()).unwrap_err().to_string(), expected);
        }
        check("hello\r\n\r\n", "\"hello\" is no status line");
        check("HTTP/1.1 200 OK\r\n\r\n", "an answer has no Content-Length");
    }
}
