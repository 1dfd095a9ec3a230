//! The page at `/` and what it is made of: its files, the live stream, the overview of chats, and notes on calls.

use std::net::SocketAddr;

use laneway_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use crate::{call, control, graph, options, start};

/// A listener to `GET /sandbox/live`.
struct Listener(Lines<BufReader<TcpStream>>);

impl Listener {
    /// Opens the stream and reads the head of its answer.
    async fn open(address: SocketAddr, query: &str) -> (Listener, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /sandbox/live{query} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut head = String::new();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            head.push_str(&line);
            head.push('\n');
        }
        (Listener(lines), head)
    }

    /// The marks of the next frame, or `None` at the end of the stream.
    async fn marks(&mut self) -> Option<Value> {
        while let Some(line) = self.0.next_line().await.unwrap() {
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
        None
    }

    /// The first marks in which `name` differs from what it was.
    async fn changed(&mut self, name: &str, was: &Value) -> Value {
        loop {
            let marks = self.marks().await.expect("the stream goes on");
            if &marks[name] != was {
                return marks;
            }
        }
    }
}

#[tokio::test]
async fn listeners_are_told_of_every_change_until_the_end() {
    let sandbox = start().await;
    let (mut listener, head) = Listener::open(sandbox.address(), "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
    let (mut other, _) = Listener::open(sandbox.address(), "").await;
    let first = listener.marks().await.unwrap();
    assert_eq!((&first["start"], &first["requests"]), (&json!(1), &json!(0)));
    assert_eq!((&first["gateway"], &first["offset_ms"]), (&Value::Null, &json!(0)));
    assert_eq!(first["world"], other.marks().await.unwrap()["world"]);

    sandbox.user_writes("+14155559876", "+316098765432", "Hello", false).unwrap();
    let written = listener.changed("world", &first["world"]).await;
    assert_eq!(other.changed("world", &first["world"]).await["world"], written["world"]);

    call(sandbox.address(), "GET /v26.0/1/messages", &[], "").await;
    let called = listener.changed("all", &written["all"]).await;
    assert_eq!((&called["requests"], &called["world"]), (&json!(1), &written["world"]));

    control(&sandbox, "POST /sandbox/clock", r#"{"advance":"25h"}"#).await;
    let advanced = listener.changed("offset_ms", &json!(0)).await;
    assert_eq!(advanced["offset_ms"], 90_000_000);
    assert!(advanced["now_ms"].as_u64() >= first["now_ms"].as_u64().map(|ms| ms + 90_000_000));

    sandbox.link_gateway("http://127.0.0.1:8080");
    sandbox.link_gateway("http://127.0.0.1:1");
    let linked = listener.changed("gateway", &Value::Null).await;
    assert_eq!(linked["gateway"], "http://127.0.0.1:8080");

    sandbox.stop().await.unwrap();
    while listener.marks().await.is_some() {}
}

#[tokio::test]
async fn the_stream_asks_for_the_control_token_and_the_page_does_not() {
    let guarded = Options { control_token: Some("open sesame".to_owned()), ..options() };
    let sandbox = Sandbox::start(guarded).await.unwrap();
    let address = sandbox.address();
    assert!(Listener::open(address, "").await.1.starts_with("HTTP/1.1 401"));
    assert!(Listener::open(address, "?control_token=open").await.1.starts_with("HTTP/1.1 401"));
    let (mut listener, head) = Listener::open(address, "?control_token=open%20sesame").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(listener.marks().await.unwrap()["start"], 1);
    for path in ["/", "/page/app.js", "/page/base.css"] {
        let answer = call(address, &format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 200, "{path}");
        for secret in ["open sesame", &sandbox.numbers()[0].access_token, "+316098765432"] {
            assert!(!answer.body.contains(secret), "{path} tells {secret}");
        }
    }
}

#[tokio::test]
async fn the_page_may_load_nothing_but_its_own() {
    let sandbox = start().await;
    let policy = async |path: &str| {
        let answer = call(sandbox.address(), &format!("GET {path}"), &[], "").await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let kind = answer.headers["content-type"].to_str().unwrap().to_owned();
        (answer.headers["content-security-policy"].to_str().unwrap().to_owned(), kind)
    };
    let (before, kind) = policy("/").await;
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(before.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{before}");
    assert!(before.contains("connect-src 'self';") && !before.contains("unsafe"), "{before}");
    sandbox.link_gateway("http://127.0.0.1:8080");
    assert!(policy("/").await.0.contains("connect-src 'self' http://127.0.0.1:8080;"));
    assert_eq!(policy("/page/app.js").await.1, "text/javascript; charset=utf-8");
    let unknown = call(sandbox.address(), "GET /page/none.js", &[], "").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn the_overview_shows_what_a_list_of_chats_shows() {
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    let chats = async |query: &str| control(&sandbox, &format!("GET /sandbox/chats{query}"), "").await.json();
    let write =
        |user: &str, text: &str| sandbox.user_writes(user, &business.number, text, false).unwrap().wamid;
    let first = chats("").await;
    assert_eq!((&first[0]["messages"], &first[0]["unread"]), (&json!(1), &json!(1)));
    assert_eq!((&first[0]["blocked_at"], &first[0]["typing_until"]), (&Value::Null, &Value::Null));

    let wamid = write("+14155559876", "Hello");
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid,
        "typing_indicator": {"type": "text"}});
    graph(&sandbox, business, &format!("POST /{}/messages", business.phone_number_id), &read).await;
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+316012345678"}]});
    graph(&sandbox, business, &format!("POST /{}/block_users", business.phone_number_id), &users).await;
    write("+316012345678", "Can you see this?");
    let both = chats("?business=316098765432").await;
    let of = |row: &Value| (row["user"].clone(), row["unread"].clone(), row["messages"].clone());
    assert_eq!(
        of(&both[0]),
        (json!("+14155559876"), json!(0), json!(1)),
        "a message that arrived moves a chat up"
    );
    assert_eq!(of(&both[1]), (json!("+316012345678"), json!(1), json!(2)));
    assert!(both[0]["typing_until"].is_string() && both[0]["blocked_at"].is_null());
    assert!(both[1]["blocked_at"].is_string());
    assert_eq!(both[1]["last"]["text"], "Hi", "what did not arrive is not shown");
    assert_eq!(both[1]["window_until"], first[0]["window_until"], "nor does it open the window");
    let one = chats("?user=14155559876").await;
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(chats("?wait=60s&count=2").await.as_array().unwrap().len(), 2);
    assert!(chats("?user=14155550000").await.as_array().unwrap().is_empty());
    let seen = async || chats("?user=14155559876").await[0]["unread_by_user"].clone();
    assert_eq!(seen().await, 0);
    let text =
        json!({"messaging_product": "whatsapp", "to": "14155559876", "type": "text", "text": {"body": "Hi"}});
    graph(&sandbox, business, &format!("POST /{}/messages", business.phone_number_id), &text).await;
    assert_eq!(seen().await, 1);
    let opened = json!({"user": "+14155559876", "business": business.number}).to_string();
    control(&sandbox, "POST /sandbox/messages/read", &opened).await;
    assert_eq!(seen().await, 0);
    let latest = control(&sandbox, "GET /sandbox/messages?user=316012345678&last=1", "").await.json();
    assert_eq!((latest.as_array().unwrap().len(), &latest[0]["text"]), (1, &json!("Can you see this?")));
}

#[tokio::test]
async fn a_call_bears_its_trace_id_and_the_callers_own() {
    let sandbox = start().await;
    let business = &sandbox.numbers()[0];
    let request = format!("GET /{}/phone_numbers", business.waba_id);
    let answer = graph(&sandbox, business, &request, &json!({})).await;
    let trace = answer.headers["x-fb-trace-id"].to_str().unwrap();
    let row = async || control(&sandbox, "GET /sandbox/requests", "").await.json()[0].clone();
    assert_eq!((&row().await["trace_id"], &row().await["events"]), (&json!(trace), &json!([])));
    assert!(row().await["at"].as_str().unwrap().ends_with('Z'));
    let (mut listener, _) = Listener::open(sandbox.address(), "").await;
    let marks = listener.marks().await.unwrap();
    sandbox.note_event("nobody's", "ev_1");
    sandbox.note_event(trace, "ev_2");
    listener.changed("all", &marks["all"]).await;
    assert_eq!(row().await["events"], json!(["ev_2"]));
}
