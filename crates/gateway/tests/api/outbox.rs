//! The outbox: what an account's own addresses are told.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use laneway_channel::Secret;
use laneway_channel::post::SigningKey;
use laneway_gateway::config::{Callback, Forward, ForwardFormat};
use laneway_gateway::outbox::{CONTENT_TYPE, Forwarded, PostId, PostKind, Told, callback_row, forward_row};
use laneway_journal::{Append, Change, ForwardBody, Queue, Settlement};
use laneway_model::{EventId, Person, PhoneNumber, Status};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::client::Client;
use crate::events_cm::READ;
use crate::node::{NOW, SALON, SHOP, SHOP_READ_ONLY, Setup, TestNode};

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
        Self::answering(Arc::new(Semaphore::new(POSTS_MAX))).await
    }

    /// Answers as many posts as there are permits.
    async fn answering(permits: Arc<Semaphore>) -> Self {
        let (post_tx, posts) = mpsc::channel(POSTS_MAX);
        let receive = async move |headers: HeaderMap, body: Bytes| {
            post_tx.send((headers, body)).await.unwrap();
            permits.acquire().await.unwrap().forget();
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

const HEADERS: [(&str, &str); 2] = [(CONTENT_TYPE, "application/json"), ("x-hub-signature-256", "sha256=00")];

/// Has these bytes passed on to an address of the shop's.
async fn pass_on(node: &TestNode, forward: &Forward, person: Option<&Person>, body: &[u8]) {
    let account = node.node.config.borrow().accounts[0].name.clone();
    let post = Forwarded {
        business: PhoneNumber::parse("316098765432").unwrap(),
        person: person.cloned(),
        headers: HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: body.into(),
    };
    let rows = vec![forward_row(&account, forward, &post, NOW)];
    let posts = node.node.outbox.admit(PostKind::Forward, rows);
    node.journal.append(Append { posts, ..Append::default() }).await.unwrap();
}

#[tokio::test]
async fn a_forward_goes_out_byte_for_byte() {
    let mut receiver = Receiver::start().await;
    let forward = Forward { url: receiver.url.clone(), format: ForwardFormat::Meta, secret: None };
    let node = node(vec![forward.clone()], Vec::new()).await;
    for body in [b"{\"n\":1}".as_slice(), b"\xff\x00", b""] {
        pass_on(&node, &forward, None, body).await;
        let (found, bytes) = receiver.next().await;
        assert_eq!(bytes, body);
        for (name, value) in HEADERS {
            assert_eq!(header(&found, name), value);
        }
    }
}

#[tokio::test]
async fn a_dead_letter_that_is_given_up_is_told_once_and_after_its_failure() {
    let mut receiver = Receiver::start().await;
    let wanted = [Status::Failed, Status::Discarded];
    let node = node(Vec::new(), vec![callback(&receiver.url, &wanted)]).await;
    let mut client = node.client().await;
    let event = client.post(SHOP, READ).await.event_id();
    let mut next = async || serde_json::from_slice::<Value>(&receiver.next().await.1).unwrap();
    assert_eq!(next().await["type"], "event.failed");
    let discard = format!("/api/v1/events/{event}/discard");
    let act = async |client: &mut Client| {
        client.send(Method::POST, &discard, &[("x-cm-producttoken", SHOP)], "").await
    };
    let state = act(&mut client).await.json();
    assert_eq!(state["status"], "discarded");
    let told = next().await;
    assert_eq!((&told["type"], &told["data"]), (&json!("event.discarded"), &state));
    assert_eq!(act(&mut client).await.status, StatusCode::CONFLICT);
    let posts = client.get("/api/v1/outbox", SHOP).await.json();
    assert_eq!(posts["posts"].as_array().unwrap().len(), 2, "{posts}");
}

#[tokio::test]
async fn what_was_erased_is_not_sent_from_memory() {
    let permits = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::answering(Arc::clone(&permits)).await;
    let forward = Forward { url: receiver.url.clone(), format: ForwardFormat::Meta, secret: None };
    let node = node(vec![forward.clone()], Vec::new()).await;
    let gone = Person::parse("+316012345678").unwrap();
    for (person, body) in [
        (None, "before"),
        (Some(&gone), "about the person alone"),
        (None, r#"{"from":"316012345678"},{"from":"316012345679"}"#),
        (None, "after"),
    ] {
        pass_on(&node, &forward, person, body.as_bytes()).await;
    }
    assert_eq!(receiver.next().await.1, "before", "the others wait behind it");
    let mut client = node.client().await;
    let path = format!("/api/v1/contacts/{gone}");
    let erased = client.send(Method::DELETE, &path, &[("x-cm-producttoken", SHOP)], "").await.json();
    assert_eq!((&erased["posts"], &erased["unsent"]), (&json!(2), &json!(1)), "{erased}");
    permits.add_permits(POSTS_MAX);
    let (_, after) = receiver.next().await;
    assert_eq!(after, "after");
    // What has ended and what was removed holds no bytes any more.
    let headers = HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let body = ForwardBody { url: receiver.url, headers, body: after.as_ref().into() }.encode();
    let (_, metrics) = node.node.telemetry.encode();
    let line = format!("laneway_outbox_open_bytes{{kind=\"forward\"}} {}\n", body.len());
    assert!(metrics.contains(&line), "{line} in {metrics}");
}

/// An address that answers nobody.
async fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// Has a stored callback end like this, as if it had been tried.
async fn end(node: &TestNode, id: &str, status: Status) {
    let sequence = PostId::parse(id).unwrap().id.sequence();
    let change = Change {
        sequence,
        status,
        due: NOW,
        reason: Some("no".to_owned()),
        superseded_by: None,
        possibly_duplicate: false,
        holds_lane: false,
    };
    let settlement = Settlement { at: NOW, changes: vec![change], ..Settlement::default() };
    let lease = node.journal.lease(Queue::Callbacks).await.unwrap()[0];
    node.journal.settle(lease, settlement).await.unwrap();
}

/// A node without couriers, whose shop has a callback that tells of an event, and the ids of both.
async fn node_with_post() -> (TestNode, Client, String, String) {
    let url = "https://example.com/laneway";
    let callbacks = vec![callback(url, &Callback::STATUSES)];
    let node = TestNode::with(Setup { callbacks: callbacks.clone(), ..Setup::default() }).await;
    let mut client = node.client().await;
    let event = client.post(SHOP, READ).await.event_id();
    let record = node.journal.get(Queue::Events, EventId::parse(&event).unwrap()).await.unwrap().unwrap();
    let told = Told::of(&record.row, Status::Failed);
    let rows = vec![callback_row(&record.row.account, &callbacks[0], &told, NOW)];
    let posts = node.node.outbox.admit(PostKind::Callback, rows);
    node.journal.append(Append { posts, ..Append::default() }).await.unwrap();
    let list = client.get("/api/v1/outbox", SHOP).await.json();
    let id = list["posts"][0]["id"].as_str().unwrap().to_owned();
    (node, client, event, id)
}

#[tokio::test]
async fn posts_are_listed_to_their_account_alone() {
    let (_node, mut client, event, id) = node_with_post().await;
    let post = client.get(&format!("/api/v1/outbox/{id}"), SHOP).await.json();
    assert_eq!(post["url"], "https://example.com/laneway");
    assert_eq!((&post["event"], &post["type"]), (&json!(event), &json!("event.failed")));
    assert_eq!(
        (&post["kind"], &post["status"], &post["attempts"]),
        (&json!("callback"), &json!("accepted"), &json!([]))
    );
    let count = async |client: &mut Client, query: &str, token: &str| {
        let answer = client.get(&format!("/api/v1/outbox{query}"), token).await.json();
        answer["posts"].as_array().unwrap().len()
    };
    for (query, posts) in [
        ("", 1),
        ("?kind=callback&status=open", 1),
        ("?status=final", 0),
        ("?kind=forward", 0),
        ("?from=0031600000000", 0),
        ("?until=2026-11-22T12:00:00Z", 0),
    ] {
        assert_eq!(count(&mut client, query, SHOP).await, posts, "{query}");
        assert_eq!(count(&mut client, query, SALON).await, 0, "{query}");
    }
    assert_eq!(client.get(&format!("/api/v1/outbox/{id}"), SALON).await.status, StatusCode::NOT_FOUND);
    for (path, status) in [
        ("/api/v1/outbox?kind=event", StatusCode::BAD_REQUEST),
        ("/api/v1/outbox?typo=1", StatusCode::BAD_REQUEST),
        ("/api/v1/outbox/ev_00000000010000000000000007", StatusCode::NOT_FOUND),
        ("/api/v1/outbox/cb_00000000010000000000000007", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(client.get(path, SHOP).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_tried_again() {
    let (node, mut client, _, id) = node_with_post().await;
    let act = async |client: &mut Client, path: &str, token: &str| {
        client.send(Method::POST, path, &[("x-cm-producttoken", token)], "").await
    };
    let retry = format!("/api/v1/outbox/{id}/retry");
    assert_eq!(act(&mut client, &retry, SHOP).await.status, StatusCode::CONFLICT, "it is open");
    for (status, expected) in
        [(Status::Failed, 200), (Status::Expired, 200), (Status::Discarded, 409), (Status::Confirmed, 409)]
    {
        let (node, mut client, _, id) = node_with_post().await;
        end(&node, &id, status).await;
        let answer = act(&mut client, &format!("/api/v1/outbox/{id}/retry"), SHOP).await;
        assert_eq!(answer.status.as_u16(), expected, "{status}");
        let after = client.get(&format!("/api/v1/outbox/{id}"), SHOP).await.json();
        let shown = if expected == 200 { Status::Retrying } else { status };
        assert_eq!(after["status"], shown.as_str(), "{status}");
    }
    end(&node, &id, Status::Failed).await;
    assert_eq!(act(&mut client, &retry, SALON).await.status, StatusCode::NOT_FOUND);
    assert_eq!(act(&mut client, &retry, SHOP_READ_ONLY).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        act(&mut client, "/api/v1/outbox/retry?status=confirmed", SHOP).await.status,
        StatusCode::BAD_REQUEST
    );
    for (token, query, count) in [
        (SALON, "", 0),
        (SHOP, "?kind=forward", 0),
        (SHOP, "?status=expired", 0),
        (SHOP, "", 1),
        (SHOP, "", 0),
    ] {
        let answer = act(&mut client, &format!("/api/v1/outbox/retry{query}"), token).await.json();
        assert_eq!(answer, json!({"count": count, "cursor": null}), "{query}");
    }
}

#[tokio::test]
async fn what_waits_for_a_dead_address_is_shown() {
    let node = node(Vec::new(), vec![callback(&dead_url().await, &Callback::STATUSES)]).await;
    let mut client = node.client().await;
    let event = client.post(SHOP, READ).await.event_id();
    let ended = client.get(&format!("/api/v1/events/{event}?wait=final"), SHOP).await.json();
    assert_eq!(ended["status"], "failed", "a dead address holds up no event");
    let list = client.get("/api/v1/outbox?status=open", SHOP).await.json();
    assert_eq!(list["posts"][0]["event"], json!(event), "{list}");
}
