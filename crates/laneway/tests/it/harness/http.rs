//! A plain HTTP client: one connection per request, so that a process may come and go between two of them; or one
//! connection that is kept, for many requests in a row and for bytes that are no proper request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

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

/// The error of an answer that ends before it is whole.
fn cut_off() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// A connection that is kept, on which anything may be written.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// The lines that begin every request of [`Connection::post`].
    headers: String,
}

impl Connection {
    #[track_caller]
    pub(crate) fn open(host: &Host) -> Self {
        Self::try_open(host).unwrap()
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) fn try_open(host: &Host) -> io::Result<Self> {
        let stream = TcpStream::connect(&host.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut headers = format!("host: {}\r\n", host.address);
        for (name, value) in &host.headers {
            headers.push_str(&format!("{name}: {value}\r\n"));
        }
        Ok(Self { stream: BufReader::new(stream), headers })
    }

    /// Writes all of it; what the server says meanwhile is not read.
    ///
    /// # Errors
    /// When the server has closed the connection.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Posts a body and reads the answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\n{}content-length: {length}\r\n\r\n", self.headers);
        self.write(&[head.as_bytes(), body].concat())?;
        self.answer()
    }

    /// Reads the next answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let mut body = vec![0; answer.length().ok_or_else(cut_off)?];
        self.stream.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(answer)
    }

    /// Reads the next answer as far as its head, which is all that a HEAD request gets.
    ///
    /// # Errors
    /// When no whole head comes.
    pub(crate) fn head(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(cut_off());
            }
        }
        Answer::of_head(head.trim_end())
    }

    /// Tells the server that nothing more will be written.
    #[track_caller]
    pub(crate) fn finish(&self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Waits until the server closes the connection, and refuses anything that it says before.
    #[track_caller]
    pub(crate) fn closed(mut self) {
        let mut rest = String::new();
        match self.stream.read_to_string(&mut rest) {
            Ok(_) => assert_eq!(rest, ""),
            // A server that closes with bytes unread resets the connection; closed is closed.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

impl Answer {
    fn read(text: String) -> io::Result<Self> {
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut_off)?;
        let answer = Self { body: body.to_owned(), ..Self::of_head(head)? };
        if answer.length() == Some(body.len()) { Ok(answer) } else { Err(cut_off()) }
    }

    fn of_head(head: &str) -> io::Result<Self> {
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut_off)?;
        Ok(Self { status, head: head.to_owned(), body: String::new() })
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").and_then(|length| length.parse().ok())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
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
