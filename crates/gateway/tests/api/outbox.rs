//! The outbox: what an account's own addresses are told.

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use laneway_channel::Secret;
use laneway_channel::post::SigningKey;
use laneway_gateway::config::{Callback, Forward, ForwardFormat};
use laneway_gateway::outbox::{CONTENT_TYPE, Forwarded, PostKind, forward_row};
use laneway_journal::Append;
use laneway_model::{PhoneNumber, Status};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::events_cm::READ;
use crate::node::{NOW, SHOP, Setup, TestNode};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Posted = (HeaderMap, Bytes);

/// Posts that a test does not look at.
const POSTS_MAX: usize = 64;

/// An account's own program.
struct Receiver {
    url: String,
    posts: mpsc::Receiver<Posted>,
}

impl Receiver {
    async fn start() -> Self {
        let (post_tx, posts) = mpsc::channel(POSTS_MAX);
        let receive = async move |headers: HeaderMap, body: Bytes| {
            post_tx.send((headers, body)).await.unwrap();
            StatusCode::NO_CONTENT
        };
        let router = Router::new().route("/", post(receive));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posts }
    }

    async fn next(&mut self) -> Posted {
        self.posts.recv().await.unwrap()
    }
}

/// A Graph API that refuses every message for good.
async fn refusing_graph() -> String {
    let refusal = json!({"error": {"message": "(#131026) Message undeliverable", "code": 131_026}});
    let router = Router::new().route(
        "/{version}/{id}/messages",
        post(async move || (StatusCode::BAD_REQUEST, axum::Json(refusal.clone()))),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn callback(url: &str, statuses: &[Status]) -> Callback {
    let secret = SigningKey::parse(&Secret::new(SECRET)).unwrap();
    Callback { url: url.to_owned(), secret, statuses: statuses.iter().copied().collect() }
}

/// A node whose shop has these addresses.
async fn node(forwards: Vec<Forward>, callbacks: Vec<Callback>) -> TestNode {
    let graph_url = Some(refusing_graph().await);
    TestNode::with(Setup { forwards, callbacks, graph_url, ..Setup::default() }).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn a_callback_tells_what_the_api_tells_and_is_signed() {
    let mut receiver = Receiver::start().await;
    let other = Receiver::start().await;
    let callbacks = vec![
        callback(&receiver.url, &Callback::STATUSES),
        callback(&format!("{}?other", other.url), &[Status::Confirmed]),
    ];
    let node = node(Vec::new(), callbacks).await;
    let mut client = node.client().await;
    let event = client.post(SHOP, READ).await.event_id();
    let (headers, body) = receiver.next().await;
    let state = client.get(&format!("/api/v1/events/{event}"), SHOP).await.json();
    assert_eq!(state["status"], "failed");
    let told: Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({"type": "event.failed", "timestamp": "2026-11-22T12:00:00.000Z", "data": state});
    assert_eq!(told, expected);
    let key = SigningKey::parse(&Secret::new(SECRET)).unwrap();
    let id = header(&headers, "webhook-id");
    assert!(id.starts_with("cb_"), "{id}");
    let seconds = NOW.as_millis() / 1000;
    assert_eq!(header(&headers, "webhook-timestamp"), seconds.to_string());
    assert_eq!(header(&headers, "webhook-signature"), key.sign(id, seconds, &body));
    assert_eq!(header(&headers, "content-type"), "application/json");
    // The other address wants to know of other ends.
    assert!({ other }.posts.try_recv().is_err());
}

#[tokio::test]
async fn a_forward_goes_out_byte_for_byte() {
    let mut receiver = Receiver::start().await;
    let forward = Forward { url: receiver.url.clone(), format: ForwardFormat::Meta, secret: None };
    let node = node(vec![forward.clone()], Vec::new()).await;
    let account = node.node.config.borrow().accounts[0].name.clone();
    for body in [b"{\"n\":1}".as_slice(), b"\xff\x00", b""] {
        let headers = [(CONTENT_TYPE, "application/json"), ("x-hub-signature-256", "sha256=00")];
        let post = Forwarded {
            business: PhoneNumber::parse("316098765432").unwrap(),
            person: None,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: body.into(),
        };
        let rows = vec![forward_row(&account, &forward, &post, NOW)];
        let posts = node.node.outbox.admit(PostKind::Forward, rows);
        node.journal.append(Append { posts, ..Append::default() }).await.unwrap();
        let (found, bytes) = receiver.next().await;
        assert_eq!(bytes, body);
        for (name, value) in headers {
            assert_eq!(header(&found, name), value);
        }
    }
}
