//! A plain HTTP client: one connection per request, so that a process may come and go between two of them.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::process::PATIENCE;

/// Where a process listens, and the headers that every request to it bears.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    address: String,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Host {
    /// Takes an address as the binary prints it.
    #[track_caller]
    pub(crate) fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} is no address"));
        Self { address: address.to_owned(), headers: Vec::new() }
    }

    /// The same, with a header on every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut host = self.clone();
        host.headers.push((name.to_owned(), value.to_owned()));
        host
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").unwrap()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, body).unwrap()
    }

    /// Makes a request.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(&self.address)?;
        // Answers that are waited for take up to 10 s by themselves.
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Answer::read(String::from_utf8(bytes).map_err(io::Error::other)?)
    }
}

impl Answer {
    fn read(text: String) -> io::Result<Self> {
        let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut_off)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut_off)?;
        let answer = Self { status, head: head.to_owned(), body: body.to_owned() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        if length == Some(body.len()) { Ok(answer) } else { Err(cut_off()) }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body of an answer that says yes.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.any_json()
    }

    /// The body, whatever the answer says.
    #[track_caller]
    pub(crate) fn any_json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}
