//! Requests that are passed on: how long nothing may move. The rest of it is tested where requests come in, at the gateway.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use laneway_channel::pass::{Client, Error, Limits};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The body moves at the beginning, and that must not count a second time.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "tokio's own clock, which stands still but for the timers")]
async fn a_service_that_does_not_answer_is_given_up_when_its_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let request = Request::post("/v1.0/message").body(Full::new(Bytes::from_static(b"hello"))).unwrap();
    let client = Client::new(Limits::default());
    let passed = tokio::spawn(async move { client.pass(&base, request).await.map(drop) });
    let mut service = listener.accept().await.unwrap().0;
    let mut received = Vec::new();
    while !received.ends_with(b"hello") {
        service.read_buf(&mut received).await.unwrap();
    }
    // From here on only time passes.
    tokio::time::pause();
    let started = Instant::now();
    let error = passed.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error}");
    let took = started.elapsed();
    assert!((Duration::from_secs(60)..Duration::from_secs(66)).contains(&took), "{took:?}");
}
