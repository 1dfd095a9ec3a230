//! A server that does to each connection what its script says.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done to a connection, one step after the other; after the last it is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Reads one whole request.
    Read,
    /// Reads one byte.
    ReadByte,
    /// Writes a 200 with this body.
    Answer(&'static str),
    /// Writes these bytes.
    Write(&'static str),
    /// Waits until the client closes the connection.
    Stall,
}

/// A running server.
pub(crate) struct Server {
    address: String,
    task: JoinHandle<Vec<String>>,
}

/// The answer that confirms a read mark.
pub(crate) const SUCCESS: Step = Step::Answer(r#"{"success":true}"#);

impl Server {
    /// Serves as many connections as there are scripts, one after the other.
    pub(crate) async fn start(scripts: &'static [&'static [Step]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            let mut requests = Vec::new();
            for script in scripts {
                let (mut stream, _) = listener.accept().await.unwrap();
                for step in *script {
                    perform(*step, &mut stream, &mut requests).await;
                }
            }
            requests
        });
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The requests that were read, once every script is through.
    pub(crate) async fn requests(self) -> Vec<String> {
        self.task.await.unwrap()
    }
}

async fn perform(step: Step, stream: &mut TcpStream, requests: &mut Vec<String>) {
    match step {
        Step::Read => requests.push(read_request(stream).await),
        Step::ReadByte => {
            stream.read_u8().await.unwrap();
        }
        Step::Answer(body) => {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Step::Write(text) => stream.write_all(text.as_bytes()).await.unwrap(),
        Step::Stall => while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {},
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            assert!(count > 0, "the connection ended within a request");
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if body.len() >= length.parse().unwrap() {
            return request;
        }
        assert!(count > 0, "the connection ended within a body");
    }
}
