//! What is passed on to CM.com: unchanged, streamed both ways, and honest about what was sent.

use std::time::Duration;

use laneway_gateway::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Raw;
use crate::node::{Setup, TestNode};

/// CM.com as a test plays it: a socket that answers what the test says.
pub(crate) struct Upstream(TcpListener);

impl Upstream {
    pub(crate) async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(crate) async fn accept(&self) -> Raw {
        Raw(self.0.accept().await.unwrap().0)
    }

    /// A node that passes on to it.
    async fn node(&self) -> TestNode {
        self.node_with(Limits::default()).await
    }

    async fn node_with(&self, server_limits: Limits) -> TestNode {
        TestNode::with(Setup { cm_url: Some(self.url()), server_limits, ..Setup::default() }).await
    }
}

#[tokio::test]
async fn a_request_and_its_answer_pass_unchanged() {
    let upstream = Upstream::listen().await;
    let node = upstream.node().await;
    let mut client = Raw::connect(node.address).await;
    client
        .write(
            "PUT /v1.0/message%20s/..;x?a=1&b=%2F HTTP/1.1\r\nHost: gw.messaging.cm.com\r\nContent-Length: 11\r\n\
             X-CM-PRODUCTTOKEN: cm-token\r\nContent-Encoding: gzip\r\nX-Twice: 1\r\nX-Twice: 2\r\n\
             Connection: X-Hop\r\nX-Hop: gone\r\nTE: trailers\r\n\r\nhello\0world",
        )
        .await;
    let mut service = upstream.accept().await;
    let head = service.head().await;
    service.expect("hello\0world").await;
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "PUT /v1.0/message%20s/..;x?a=1&b=%2F HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", upstream.url().trim_start_matches("http://"));
    let expected = [
        "content-encoding: gzip",
        "content-length: 11",
        &host,
        "x-cm-producttoken: cm-token",
        "x-twice: 1",
        "x-twice: 2",
    ];
    assert_eq!(lines, expected);

    service
        .write(
            "HTTP/1.1 418 Short And Stout\r\nX-Made-By: cm\r\nContent-Type: text/odd\r\nKeep-Alive: timeout=9\r\n\
             Content-Length: 6\r\n\r\n{\"a\":1",
        )
        .await;
    let answer = client.head().await.to_lowercase();
    client.expect("{\"a\":1").await;
    assert!(answer.starts_with("http/1.1 418 "), "{answer}");
    for line in ["x-made-by: cm", "content-type: text/odd", "content-length: 6"] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    assert!(!answer.contains("keep-alive"), "{answer}");

    // The connections are kept on both sides.
    client.write("GET /v1.0/again HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(service.head().await.starts_with("GET /v1.0/again HTTP/1.1"));
    service.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let upstream = Upstream::listen().await;
    let node = upstream.node().await;
    let mut client = Raw::connect(node.address).await;
    client
        .write("POST /v1.0/message HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await;
    let mut service = upstream.accept().await;
    assert!(service.head().await.contains("transfer-encoding: chunked"));
    // Each piece is there before the next one is sent.
    service.expect("5\r\nfirst\r\n").await;
    client.write("6\r\nsecond\r\n").await;
    service.expect("6\r\nsecond\r\n").await;
    client.write("0\r\n\r\n").await;
    service.expect("0\r\n\r\n").await;
    service.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client.expect("3\r\none\r\n").await;
    service.write("3\r\ntwo\r\n0\r\n\r\n").await;
    client.expect("3\r\ntwo\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_body_larger_than_any_event_is_never_held_whole() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 64;
    let upstream = Upstream::listen().await;
    let node = upstream.node().await;
    let (reader, mut writer) = TcpStream::connect(node.address).await.unwrap().into_split();
    let sending = tokio::spawn(async move {
        let length = PIECE * PIECES;
        let head = format!("POST /v1.0/message HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        for piece in 0..PIECES {
            writer.write_all(&vec![u8::try_from(piece).unwrap(); PIECE]).await.unwrap();
        }
        writer
    });
    let mut service = upstream.accept().await;
    service.head().await;
    // A service that does not read stops the client: what is under way has no room beyond the sockets' buffers.
    assert!(!sending.is_finished());
    let mut piece = vec![0; PIECE];
    for expected in 0..PIECES {
        service.0.read_exact(&mut piece).await.unwrap();
        assert!(piece.iter().all(|byte| usize::from(*byte) == expected));
    }
    service.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let mut client = Raw(sending.await.unwrap().reunite(reader).unwrap());
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client.expect("ok").await;
}

#[tokio::test]
async fn a_slow_answer_outlasts_the_time_a_connection_may_idle() {
    const PIECES: usize = 10;
    let idle_timeout = Duration::from_millis(10);
    let upstream = Upstream::listen().await;
    let node = upstream.node_with(Limits { idle_timeout, ..Limits::default() }).await;
    let mut client = Raw::connect(node.address).await;
    client.write("GET /v1.0/slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut service = upstream.accept().await;
    service.head().await;
    service.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
    client.head().await;
    let mut pace = tokio::time::interval(idle_timeout);
    for _ in 0..PIECES {
        pace.tick().await;
        service.write(".").await;
        client.expect(".").await;
    }
}

/// What the client reads when its request was not answered by CM.com.
#[track_caller]
fn check(answer: &crate::client::Answer, code: &str, details: &str) {
    let json = answer.json();
    assert_eq!(
        (json["error"]["code"].as_str(), json["errorCode"].as_u64()),
        (Some(code), Some(500)),
        "{json}"
    );
    assert!(json["details"].as_str().unwrap().contains(details), "{json}");
    assert!(json["messages"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_says_that_it_may_have_been_sent() {
    let upstream = Upstream::listen().await;
    let node = upstream.node().await;
    let mut client = Raw::connect(node.address).await;
    client.write("POST /v1.0/message HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
    let mut service = upstream.accept().await;
    service.head().await;
    service.expect("{}").await;
    drop(service);
    check(
        &client.answer("POST", "/v1.0/message").await,
        "upstream_no_answer",
        "the message may or may not have been sent",
    );
}

#[tokio::test]
async fn an_unreachable_service_says_that_nothing_was_sent() {
    let gone = Upstream::listen().await.url();
    let node = TestNode::with(Setup { cm_url: Some(gone), ..Setup::default() }).await;
    for request in [
        "POST /v1.0/message HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "GET /v1.0/message HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut client = Raw::connect(node.address).await;
        client.write(request).await;
        let method = request.split(' ').next().unwrap();
        check(&client.answer(method, "/v1.0/message").await, "upstream_unreachable", "nothing was sent");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    let upstream = Upstream::listen().await;
    let node = upstream.node().await;
    let mut client = Raw::connect(node.address).await;
    client.write("GET /v1.0/message HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut service = upstream.accept().await;
    service.head().await;
    service.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    client.head().await;
    client.expect("half").await;
    drop(service);
    assert_eq!(client.rest().await, "", "and no made-up end");
}

#[tokio::test]
async fn events_are_never_passed_on() {
    let upstream = Upstream::listen().await;
    let node = upstream.node().await;
    let mut client = node.client().await;
    let taken = client.post(crate::node::SHOP, crate::events_cm::READ).await;
    assert_eq!(taken.status, 200);
    let other = client.send(http::Method::GET, "/v1.0/event", &[], "").await;
    assert_eq!(other.status, 405);
}
