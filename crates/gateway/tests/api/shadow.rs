//! Shadows: what goes to CM.com is held against what Meta's route would have made of it.

use laneway_gateway::config::{Accounts, Config};
use laneway_model::{EventKind, Route};

use crate::events_cm::{BLOCK, PURCHASE, READ};
use crate::node::{SALON, SHOP, Setup, TestNode};
use crate::passthrough::Upstream;
use crate::relay::relay_all;

/// CM.com's yes, on a connection of its own.
const TAKEN: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Sends everything to CM.com, with shadows on Meta's route. The shop's is not on loopback for whoever looks at the
/// address, although it leads to the same socket.
fn shadow_all(config: &mut Config) {
    relay_all(config);
    let mut accounts = config.accounts.to_vec();
    for account in &mut accounts {
        account.shadow.second = EventKind::all().map(|kind| (kind, Route::Meta)).collect();
        if account.name.as_str() == "shop" {
            account.wabas[0].graph_url = account.wabas[0].graph_url.replace("127.0.0.1", "0.0.0.0");
        } else {
            account.wabas[0].dataset_id = Some(laneway_model::DatasetId::parse("1234567890").unwrap());
        }
    }
    config.accounts = Accounts::new(accounts);
}

fn graph_answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Has CM.com take an event, and looks at what it became.
async fn relayed(node: &TestNode, cm: &Upstream, token: &str, body: &str) {
    let body =
        if token == SALON { body.replace("00316098765432", "00316055555555") } else { body.to_owned() };
    let mut client = node.client().await;
    let submitted = async {
        let id = client.post(token, body).await.event_id();
        client.get(&format!("/api/v1/events/{id}?wait=final"), token).await.json()
    };
    let (event, _) = tokio::join!(submitted, cm.take(Some(TAKEN)));
    assert_eq!(event["status"], "relayed", "{event}");
    assert_eq!(event["attempts"].as_array().unwrap().len(), 1, "{event}");
    assert_eq!(event["attempts"][0]["route"], "cm", "{event}");
}

/// The counts of shadows that are not zero, sorted.
fn counts(node: &TestNode) -> Vec<String> {
    let (_, metrics) = node.node.telemetry.encode();
    let mut found: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("laneway_shadow_total"))
        .map(str::to_owned)
        .collect();
    found.retain(|line| !line.ends_with(" 0"));
    found.sort_unstable();
    found
}

#[tokio::test]
async fn what_cm_took_is_held_against_a_sandbox() {
    let (cm, graph) = (Upstream::listen().await, Upstream::listen().await);
    let node = TestNode::with(Setup {
        cm_url: Some(cm.url()),
        graph_url: Some(graph.url()),
        change: shadow_all,
        ..Setup::default()
    })
    .await;
    let unblock = BLOCK.replace("Block", "UnBlock");
    let typing = READ.replace("MarkAsRead", "Typing");

    // Neither conversions nor typing indicators are sent, and to the shop's address nothing is.
    for body in [PURCHASE, BLOCK, READ] {
        relayed(&node, &cm, SHOP, body).await;
    }
    relayed(&node, &cm, SALON, PURCHASE).await;
    relayed(&node, &cm, SALON, &typing).await;

    relayed(&node, &cm, SALON, BLOCK).await;
    let blocked = r#"{"messaging_product":"whatsapp","block_users":{"added_users":[{"input":"+316012345678","wa_id":"316012345678"}]}}"#;
    let (head, body) = graph.take(Some(&graph_answer("200 OK", blocked))).await;
    assert!(head.starts_with("POST /v26.0/106540352242922/block_users HTTP/1.1\r\n"), "{head}");
    assert_eq!(body["block_users"][0]["user"], "+316012345678", "{body}");

    relayed(&node, &cm, SALON, &unblock).await;
    let refused = r#"{"error":{"message":"(#100) Invalid parameter","type":"OAuthException","code":100}}"#;
    let (head, _) = graph.take(Some(&graph_answer("400 Bad Request", refused))).await;
    assert!(head.starts_with("DELETE "), "{head}");

    relayed(&node, &cm, SALON, READ).await;
    let (head, _) = graph.take(None).await;
    assert!(head.starts_with("POST /v26.0/106540352242922/messages HTTP/1.1\r\n"), "{head}");

    // Shadows are followed one by one, so all before the last call are counted.
    relayed(&node, &cm, SALON, BLOCK).await;
    graph.take(None).await;
    assert_eq!(
        counts(&node),
        [
            r#"{route="meta",type="Block",result="not_sent"} 1"#,
            r#"{route="meta",type="Block",result="same"} 1"#,
            r#"{route="meta",type="MarkAsRead",result="different"} 1"#,
            r#"{route="meta",type="MarkAsRead",result="not_sent"} 1"#,
            r#"{route="meta",type="Purchase",result="not_encodable"} 1"#,
            r#"{route="meta",type="Purchase",result="not_sent"} 1"#,
            r#"{route="meta",type="Typing",result="not_sent"} 1"#,
            r#"{route="meta",type="UnBlock",result="different"} 1"#,
        ]
    );
}
