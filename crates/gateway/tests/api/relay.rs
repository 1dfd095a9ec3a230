//! Events that go to CM.com: handed on in its own envelope, with its own token, and told apart from what went to Meta.

use laneway_channel::Secret;
use laneway_gateway::config::{Accounts, Config};
use laneway_model::EventKind;
use serde_json::Value;

use crate::events_cm::{BLOCK, PURCHASE};
use crate::node::{SHOP, Setup, TestNode};
use crate::passthrough::Upstream;

const CM_TOKEN: &str = "33333333-3333-4333-8333-333333333333";

/// Sends everything of every account to CM.com.
pub(crate) fn relay_all(config: &mut Config) {
    let mut accounts = config.accounts.to_vec();
    for account in &mut accounts {
        account.cm_token = Some(Secret::new(CM_TOKEN));
        account.route.relayed = EventKind::all().collect();
        account.wabas[0].dataset_id = None;
    }
    config.accounts = Accounts::new(accounts);
}

impl Upstream {
    /// A node that relays to it, and whose Meta nobody plays.
    async fn relaying(&self) -> TestNode {
        TestNode::with(Setup {
            cm_url: Some(self.url()),
            graph_url: Some("http://127.0.0.1:9".to_owned()),
            change: relay_all,
            ..Setup::default()
        })
        .await
    }

    /// Takes one event, answers it, and returns head and body; without an answer it cuts the connection.
    pub(crate) async fn take(&self, answer: Option<&str>) -> (String, Value) {
        let mut service = self.accept().await;
        let head = service.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body = service.read(length.parse().unwrap()).await;
        if let Some(answer) = answer {
            service.write(answer).await;
        }
        (head, serde_json::from_slice(&body).unwrap())
    }
}

/// Submits an event and follows it to its end.
async fn deliver(node: &TestNode, body: &str) -> Value {
    let mut client = node.client().await;
    let id = client.post(SHOP, body.to_owned()).await.event_id();
    client.get(&format!("/api/v1/events/{id}?wait=final"), SHOP).await.json()
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 62\r\n\r\n{\"details\":\"Created 1 message(s)\",\"errorCode\":0,\"messages\":[]}";

#[tokio::test]
async fn an_event_is_relayed_in_its_own_envelope() {
    let upstream = Upstream::listen().await;
    let node = upstream.relaying().await;
    let ((head, body), event) = tokio::join!(upstream.take(Some(TAKEN)), deliver(&node, PURCHASE));
    assert!(head.starts_with("POST /v1.0/event HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-cm-producttoken: {CM_TOKEN}\r\n")), "{head}");
    assert!(!head.contains(SHOP));
    let mut sent: Value = serde_json::from_str(PURCHASE).unwrap();
    sent.as_object_mut().unwrap().remove("authentication");
    assert_eq!(body, sent, "no token is in it, and nothing else is missing");
    assert_eq!(
        (event["status"].as_str(), event["possibly_duplicate"].as_bool()),
        (Some("relayed"), Some(false))
    );
    let attempt = &event["attempts"][0];
    let found = (attempt["route"].as_str(), attempt["outcome"].as_str(), attempt["http_status"].as_u64());
    assert_eq!(found, (Some("cm"), Some("relayed"), Some(200)));
}

#[tokio::test]
async fn a_conversion_whose_answer_was_lost_is_held() {
    let upstream = Upstream::listen().await;
    let node = upstream.relaying().await;
    let (_, event) = tokio::join!(upstream.take(None), deliver(&node, PURCHASE));
    assert_eq!(event["status"], "in_doubt", "{event}");
    assert_eq!(event["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(event["attempts"][0]["outcome"], "unknown");
    assert_eq!(event["attempts"][0]["route"], "cm");
}

#[tokio::test]
async fn a_refusal_is_a_dead_letter_with_cm_s_words() {
    let upstream = Upstream::listen().await;
    let node = upstream.relaying().await;
    let body = r#"{"details":"Created 0 message(s)","errorCode":201,"messages":[{"messageDetails":"Gsm is not a number.","messageErrorCode":303}]}"#;
    let answer = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (_, event) = tokio::join!(upstream.take(Some(&answer)), deliver(&node, BLOCK));
    assert_eq!(event["status"], "failed");
    assert_eq!(event["attempts"][0]["code"], 303);
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.ends_with("CM.com says: Gsm is not a number."), "{reason}");
}
