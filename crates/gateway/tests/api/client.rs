//! A plain HTTP client that holds every answer against the OpenAPI document, so that no test can forget to.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::schema::Document;

static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::current);

/// An answer that is as documented.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Refuses to be made from what the document does not allow.
    #[track_caller]
    fn documented(method: &str, path: &str, status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        let content_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        DOCUMENT.check_answer(method, path, status.as_u16(), content_type, &body);
        Self { status, headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    /// The id in a receipt.
    #[track_caller]
    pub(crate) fn event_id(&self) -> String {
        self.json()["event"]["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.text())).to_owned()
    }
}

/// One kept-alive connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        // How the connection ends is seen by the request that was on it.
        tokio::spawn(async move { drop(connection.await) });
        Self { sender, address }
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method.clone()).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.sender.ready().await.unwrap();
        let (head, body) = self.sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer::documented(method.as_str(), path, head.status, head.headers, body)
    }

    pub(crate) async fn get(&mut self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, &[("x-cm-producttoken", token)], "").await
    }

    pub(crate) async fn post(&mut self, token: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/v1.0/event", &[("x-cm-producttoken", token)], body).await
    }
}

/// A bare socket, for what a well-behaved client never does.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The bytes up to the end of the next head, which need not be one of an answer to a documented request.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// The next answer, which answers this request.
    pub(crate) async fn answer(&mut self, method: &str, path: &str) -> Answer {
        let head = self.head().await;
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let length = headers["content-length"].to_str().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Answer::documented(method, path, status, headers, body.into())
    }

    /// So many bytes.
    pub(crate) async fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Reads exactly this.
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        self.0.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }

    /// Writes a byte every few milliseconds until the server closes the connection: what it said before.
    pub(crate) async fn dribble(mut self, byte: u8) -> String {
        const PACE: Duration = Duration::from_millis(3);
        let mut pace = tokio::time::interval(PACE);
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        let (mut reader, mut writer) = self.0.split();
        loop {
            tokio::select! {
                read = reader.read(&mut buffer) => match read {
                    // A connection that is closed with bytes under way is reset.
                    Ok(0) | Err(_) => return String::from_utf8(said).unwrap(),
                    Ok(bytes) => said.extend_from_slice(&buffer[..bytes]),
                },
                // Whether there still is a reader shows above.
                _ = pace.tick() => writer.write_all(&[byte]).await.unwrap_or_default(),
            }
        }
    }

    /// Everything until the server closes the connection; fails if it never does.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest).await {
            Ok(_) => {}
            // Closing with unread bytes resets the connection on some systems; closed is closed.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        String::from_utf8(rest).unwrap()
    }
}
