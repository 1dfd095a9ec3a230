//! A business's webhook: answers the challenge, and notifications with the statuses that a test gives it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What the challenge is told, whatever it asks.
#[derive(Clone, Copy)]
pub(crate) enum Challenge {
    /// What Meta wants to hear, if the token is `open sesame`.
    Right,
    /// A page.
    Page,
}

/// One notification as it came.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) signature: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Received {
    /// The value of its only change.
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        let mut body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["object"], "whatsapp_business_account");
        assert_eq!(body["entry"][0]["changes"].as_array().unwrap().len(), 1);
        assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
        body["entry"][0]["changes"][0]["value"].take()
    }
}

#[derive(Clone)]
struct Shared {
    challenge: Challenge,
    /// The statuses of the next answers; 200 after them.
    statuses: Arc<Mutex<VecDeque<u16>>>,
    received: mpsc::Sender<Received>,
}

/// A running webhook.
pub(crate) struct Receiver {
    pub(crate) url: String,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    received: mpsc::Receiver<Received>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        Receiver::answering(Challenge::Right).await
    }

    pub(crate) async fn answering(challenge: Challenge) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?of=shop", listener.local_addr().unwrap());
        let (tx, received) = mpsc::channel(64);
        let statuses = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Shared { challenge, statuses: Arc::clone(&statuses), received: tx };
        let router = Router::new().route("/hook", get(challenged).post(notified)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, statuses, received }
    }

    /// Answers the next notifications with these statuses.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    /// The next notification.
    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.received.recv());
        next.await.expect("a notification comes").expect("the receiver runs")
    }

    /// Whether none has come that was not looked at.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

async fn challenged(State(shared): State<Shared>, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query.unwrap_or_default()).unwrap();
    let get = |name: &str| {
        pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert_eq!((get("of"), get("hub.mode")), ("shop".to_owned(), "subscribe".to_owned()));
    match shared.challenge {
        Challenge::Page => (StatusCode::OK, "<html>Welcome</html>".to_owned()),
        Challenge::Right if get("hub.verify_token") == "open sesame" => {
            (StatusCode::OK, get("hub.challenge"))
        }
        Challenge::Right => (StatusCode::FORBIDDEN, String::new()),
    }
}

async fn notified(State(shared): State<Shared>, headers: HeaderMap, body: String) -> StatusCode {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let received =
        Received { signature: text("x-hub-signature-256"), content_type: text("content-type"), body };
    let status = shared.statuses.lock().unwrap().pop_front().unwrap_or(200);
    shared.received.send(received).await.unwrap();
    StatusCode::from_u16(status).unwrap()
}
