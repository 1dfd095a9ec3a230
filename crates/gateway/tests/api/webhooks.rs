//! `/webhooks`: the challenge, signatures, whose notifications are believed, and what is known afterwards.

use bytes::Bytes;
use http::Method;
use laneway_channel::Secret;
use laneway_channel::meta::webhook::sign;
use laneway_gateway::api::BodyLimits;
use laneway_gateway::config::{Accounts, App, Config, NumbersFrom};
use laneway_model::{AppName, Contact, Person, PhoneNumber, PhoneNumberId, WabaId};
use serde_json::json;

use crate::client::{Answer, Raw};
use crate::node::{NOW, Setup, TestNode};

pub(crate) const MAIN: &str = "/webhooks/meta/main";
pub(crate) const SECRET: &str = "0123456789abcdef";
const OLD_SECRET: &str = "fedcba9876543210";
pub(crate) const CM: &str = "/webhooks/cm/4cHpTqYxkq2u";
const SHOP: &str = "+316098765432";
const SALON: &str = "+316055555555";

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../wire/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn notification(name: &str) -> Vec<u8> {
    fixture(&format!("graph/client/notifications/{name}"))
}

/// Two apps; the shop's WABA is the fixtures' and of the app `main`, the salon's is the other of the batch.
pub(crate) fn apps(config: &mut Config) {
    let app = |name: &str, secrets: &[&str]| App {
        name: AppName::parse(name).unwrap(),
        app_secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
        verify_token: Secret::new(format!("verify-{name}")),
    };
    config.apps = vec![app("main", &[OLD_SECRET, SECRET]), app("other", &["another"])];
    let mut accounts = config.accounts.to_vec();
    let ids = [("102290129340398", "106540352242922"), ("203400239450409", "207650463353033")];
    for (account, (waba, number)) in accounts.iter_mut().zip(ids) {
        account.wabas[0].id = WabaId::parse(waba).unwrap();
        account.wabas[0].app = Some(AppName::parse("main").unwrap());
        account.wabas[0].numbers[0].phone_number_id = PhoneNumberId::parse(number).unwrap();
    }
    accounts[0].cm_webhook_secrets = vec![Secret::new("4cHpTqYxkq2u")];
    accounts[1].cm_webhook_secrets = vec![Secret::new("salon"), Secret::new("salon-new")];
    config.accounts = Accounts::new(accounts);
}

/// The same, with the salon's notifications received by the other app.
fn apart(config: &mut Config) {
    apps(config);
    let mut accounts = config.accounts.to_vec();
    accounts[1].wabas[0].app = Some(AppName::parse("other").unwrap());
    config.accounts = Accounts::new(accounts);
}

pub(crate) async fn node() -> TestNode {
    TestNode::with(Setup { change: apps, ..Setup::default() }).await
}

pub(crate) async fn notify(node: &TestNode, body: impl Into<Bytes>) -> Answer {
    let body = body.into();
    let signature = sign(&Secret::new(SECRET), &body);
    post(node, MAIN, Some(&signature), body).await
}

async fn post(node: &TestNode, path: &str, signature: Option<&str>, body: impl Into<Bytes>) -> Answer {
    let headers: Vec<_> = signature.map(|signature| ("x-hub-signature-256", signature)).into_iter().collect();
    node.client().await.send(Method::POST, path, &headers, body).await
}

async fn contact(node: &TestNode, business: &str, person: &str) -> Option<Contact> {
    let (business, person) = (PhoneNumber::parse(business).unwrap(), Person::parse(person).unwrap());
    node.journal.contact(business, &person).await.unwrap()
}

#[tokio::test]
async fn the_challenge_is_given_back_to_whoever_knows_the_token() {
    let node = node().await;
    for (query, expected) in [
        ("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-main", Ok("1158201444")),
        ("hub.verify_token=verify-main", Ok("")),
        (
            "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-other",
            Err("verify_token_invalid"),
        ),
        ("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=", Err("verify_token_invalid")),
        ("hub.mode=subscribe&hub.challenge=1158201444", Err("verify_token_invalid")),
        ("", Err("verify_token_invalid")),
        ("hub.challenges=1&hub.verify_token=verify-main", Err("unknown_parameter")),
        (
            &format!("hub.challenge={}&hub.verify_token=verify-main", "1".repeat(257)),
            Err("invalid_parameter"),
        ),
    ] {
        let answer = node.client().await.send(Method::GET, &format!("{MAIN}?{query}"), &[], "").await;
        let found = match answer.status.as_u16() {
            200 => Ok(answer.text().to_owned()),
            _ => Err(answer.json()["error"]["code"].as_str().unwrap().to_owned()),
        };
        assert_eq!(found, expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned), "{query}");
    }
    let answer =
        node.client().await.send(Method::GET, "/webhooks/meta/none?hub.verify_token=x", &[], "").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn only_what_is_signed_is_taken() {
    let node = node().await;
    let body = notification("text");
    let by = |secret: &str| sign(&Secret::new(secret), &body);
    let (right, old, other) = (by(SECRET), by(OLD_SECRET), by("another"));
    for (path, signature, body, status) in [
        (MAIN, Some(other.as_str()), body.clone(), 401),
        (MAIN, None, body.clone(), 401),
        (MAIN, Some("sha256="), body.clone(), 401),
        (MAIN, Some(&right[..60]), body.clone(), 401),
        (MAIN, Some(&right), b"{}".to_vec(), 401),
        ("/webhooks/meta/other", Some(&right), body.clone(), 401),
        ("/webhooks/meta/none", Some(&right), body.clone(), 404),
    ] {
        let answer = post(&node, path, signature, body).await;
        assert_eq!(answer.status, status, "{path} {signature:?}");
        assert!(!answer.text().contains(&right[10..]), "the right signature is told");
        assert!(answer.headers.get("www-authenticate").is_none());
    }
    assert_eq!(contact(&node, SHOP, "16505551234").await, None);
    for signature in [right.clone(), old, format!("sha256={}", right[7..].to_uppercase())] {
        assert_eq!(post(&node, MAIN, Some(&signature), body.clone()).await.status, 200, "{signature}");
    }
    assert!(contact(&node, SHOP, "16505551234").await.is_some());
}

#[tokio::test]
async fn every_fixture_is_taken() {
    let node = node().await;
    for (name, believed, strange) in [
        ("text", 1, 0),
        ("text-from-ad", 1, 0),
        ("text-from-ad-without-click-id", 1, 0),
        ("text-bsuid-only", 1, 0),
        ("status-read", 1, 0),
        ("status-failed", 1, 0),
        ("value-level-errors", 1, 0),
        ("message-level-errors-unsupported", 1, 0),
        ("system-user-changed-number", 1, 0),
        ("system-user-changed-user-id", 1, 0),
        ("batch-of-two-wabas", 3, 0),
        ("unknown-fields-and-types", 2, 0),
    ] {
        let answer = notify(&node, notification(name)).await;
        assert_eq!(answer.json(), json!({"believed": believed, "strange": strange}), "{name}");
    }
    let person = contact(&node, SHOP, "16505551234").await.unwrap();
    assert_eq!(person.last_message_in.map(|at| at.as_secs()), Some(1_750_275_993));
    let click = &person.clicks[0];
    assert_eq!(
        (click.ad_id.as_deref(), click.headline.as_deref()),
        (Some("120226305854810726"), Some("Chat with us"))
    );
    assert_eq!(person.messages.len(), 6);
    let (now, at) = person.became.unwrap();
    assert_eq!((now.to_string().as_str(), at.as_secs()), ("+12195555358", 1_750_269_342));
    let hidden = contact(&node, SHOP, "US.13491208655302741918").await.unwrap();
    assert_eq!(hidden.last_message_in.map(|at| at.as_secs()), Some(1_749_416_384));
    assert_eq!(hidden.phone.unwrap().0.to_string(), "+16505551234");
    let moved = contact(&node, SHOP, "+12195555358").await.unwrap();
    assert_eq!(moved.formerly.unwrap().0.to_string(), "+16505551234");
}

#[tokio::test]
async fn neither_order_nor_repetition_matters() {
    let names =
        ["text-from-ad", "system-user-changed-number", "batch-of-two-wabas", "text", "text-bsuid-only"];
    let orders: [&[usize]; 3] = [&[0, 1, 2, 3, 4], &[4, 3, 2, 1, 0], &[2, 2, 4, 0, 3, 1, 0, 1, 4]];
    let mut states = Vec::new();
    for order in orders {
        let node = node().await;
        for at in order {
            assert_eq!(notify(&node, notification(names[*at])).await.status, 200);
        }
        let mut state = Vec::new();
        for person in ["16505551234", "+12195555358", "US.13491208655302741918", "US.20000000000000000001"] {
            state.push(contact(&node, SHOP, person).await);
        }
        state.push(contact(&node, SALON, "16315551181").await);
        assert!(state.iter().all(Option::is_some), "{state:?}");
        states.push(state);
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:#?}");
}

#[tokio::test]
async fn two_accounts_in_one_body_do_not_see_each_other() {
    let node = node().await;
    assert_eq!(notify(&node, notification("batch-of-two-wabas")).await.json()["believed"], 3);
    let known = |business, person| contact(&node, business, person);
    assert!(known(SHOP, "16505551234").await.is_some() && known(SALON, "16315551181").await.is_some());
    assert!(known(SHOP, "16315551181").await.is_none() && known(SALON, "16505551234").await.is_none());
}

#[tokio::test]
async fn an_app_is_believed_for_its_own_wabas_only() {
    let node = TestNode::with(Setup { change: apart, ..Setup::default() }).await;
    let answer = notify(&node, notification("batch-of-two-wabas")).await;
    assert_eq!(answer.json(), json!({"believed": 2, "strange": 1}));
    assert_eq!(contact(&node, SALON, "16315551181").await, None);
    let metrics = node.client().await.send(Method::GET, "/metrics", &[], "").await;
    let line = "laneway_notification_updates_total{source=\"meta\",outcome=\"strange\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());

    // A number that is not the WABA's is as strange.
    let body = String::from_utf8(notification("text")).unwrap().replace("106540352242922", "207650463353033");
    assert_eq!(notify(&node, body).await.json(), json!({"believed": 0, "strange": 1}));
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_all_the_same() {
    let node = node().await;
    for body in ["", "not json", "[]", "{\"entry\":7}"] {
        assert_eq!(notify(&node, body).await.json(), json!({"believed": 0, "strange": 0}), "{body}");
    }
    let kept = node.journal.purge_notifications(laneway_model::Timestamp::MAX, 99).await.unwrap();
    assert_eq!(kept, 4);
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_durable() {
    let node = node().await;
    node.journal.clone().close().await;
    for answer in
        [notify(&node, notification("text")).await, post(&node, CM, None, fixture("cm_mo/from_ad")).await]
    {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    }
    assert_eq!(node.node.heard.of(PhoneNumber::parse(SHOP).unwrap()), None);
}

/// The shop's numbers are left out of the file, and Meta has not told them yet.
fn not_yet(config: &mut Config) {
    apps(config);
    let mut accounts = config.accounts.to_vec();
    accounts[0].wabas[0].numbers.clear();
    accounts[0].wabas[0].numbers_from = NumbersFrom::NotYet;
    config.accounts = Accounts::new(accounts);
}

/// The same, and the number that the notifications are about is the salon's by the file.
fn taken(config: &mut Config) {
    not_yet(config);
    let mut accounts = config.accounts.to_vec();
    accounts[1].wabas[0].numbers[0].number = PhoneNumber::parse("15550783881").unwrap();
    config.accounts = Accounts::new(accounts);
}

#[tokio::test]
async fn a_notification_tells_its_number_before_discovery_has() {
    let node = TestNode::with(Setup { change: not_yet, ..Setup::default() }).await;
    let answer = notify(&node, notification("text")).await;
    assert_eq!(answer.json(), json!({"believed": 1, "strange": 0}));
    assert!(contact(&node, "15550783881", "16505551234").await.is_some());

    let node = TestNode::with(Setup { change: taken, ..Setup::default() }).await;
    let answer = notify(&node, notification("text")).await;
    assert_eq!(answer.json(), json!({"believed": 0, "strange": 1}));
}

#[tokio::test]
async fn numbers_that_are_not_known_yet_are_waited_for() {
    let node = TestNode::with(Setup { change: not_yet, ..Setup::default() }).await;
    let event = json!({"channel": "WhatsApp", "event": {"type": "Block"}, "from": {"number": SHOP},
        "to": {"number": "+316012345678"}});
    let mut client = node.client().await;
    let answer = client.post(crate::node::SHOP, event.to_string()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "numbers_not_known");
    assert_eq!(answer.header("retry-after"), "5");
    let answer = client.get(&format!("/api/v1/contacts/{SHOP}/+316012345678"), crate::node::SHOP).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
}

#[tokio::test]
async fn a_thousand_updates_in_three_megabytes() {
    let node = node().await;
    let filler = "x".repeat(2_900);
    let messages: Vec<_> = (0..1_000)
        .map(|n| {
            json!({"from": (16_505_550_000_u64 + n).to_string(), "id": format!("wamid.{n}"),
                "timestamp": "1750275992", "type": "text", "text": {"body": filler}})
        })
        .collect();
    let metadata = json!({"display_phone_number": "15550783881", "phone_number_id": "106540352242922"});
    let value = json!({"messaging_product": "whatsapp", "metadata": metadata, "messages": messages});
    let body = json!({"object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}]});
    let body = body.to_string();
    assert!((2_900_000..3_145_728).contains(&body.len()), "{}", body.len());
    assert_eq!(notify(&node, body).await.json(), json!({"believed": 1_000, "strange": 0}));
    assert!(contact(&node, SHOP, "16505550999").await.is_some());

    let too_long = vec![b' '; 4 * 1024 * 1024 + 1];
    assert_eq!(notify(&node, too_long).await.status, 413);
    let encoded = [("content-encoding", "gzip")];
    assert_eq!(node.client().await.send(Method::POST, MAIN, &encoded, "x").await.status, 415);
}

#[tokio::test]
async fn long_notifications_wait_for_room_and_short_ones_do_not() {
    const LONG: usize = 150_000;
    let room_timeout = std::time::Duration::from_millis(20);
    let body_limits = BodyLimits { room_bytes: 200_000, room_timeout, ..BodyLimits::default() };
    let node = TestNode::with(Setup { change: apps, body_limits, ..Setup::default() }).await;
    let head =
        format!("POST {MAIN} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {LONG}\r\n\r\n");
    let mut first = Raw::connect(node.address).await;
    first.write(&head).await;
    assert!(first.head().await.starts_with("HTTP/1.1 100"), "it is being read, so it has its room");

    let mut second = Raw::connect(node.address).await;
    second.write(&head).await;
    let answer = second.answer("POST", MAIN).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after"), answer.header("connection")),
        (503, "5", "close")
    );
    assert_eq!(notify(&node, notification("text")).await.status, 200);

    first.write(vec![b' '; LONG]).await;
    assert_eq!(first.answer("POST", MAIN).await.status, 401);
    let long = [notification("text"), vec![b' '; LONG]].concat();
    assert_eq!(notify(&node, long).await.status, 200, "whoever is answered leaves their room to others");
}

#[tokio::test]
async fn incoming_messages_of_cm() {
    let node = node().await;
    for path in ["/webhooks/cm/other", "/webhooks/cm/4cHpTqYxkq2", "/webhooks/cm/%FF"] {
        assert_eq!(post(&node, path, None, fixture("cm_mo/from_ad")).await.status, 401, "{path}");
    }
    for (path, name, believed, strange) in [
        // To another number than the account's.
        (CM, "cm_mo/documented", 0, 1),
        ("/webhooks/cm/salon", "cm_mo/from_ad", 0, 1),
        ("/webhooks/cm/salon-new", "cm_mo/from_ad", 0, 1),
        (CM, "cm_mo/from_ad", 1, 0),
        (CM, "cm_mo/from_ad", 1, 0),
    ] {
        let answer = post(&node, path, None, fixture(name)).await;
        assert_eq!(answer.json(), json!({"believed": believed, "strange": strange}), "{path} {name}");
    }
    assert_eq!(post(&node, CM, None, "not json").await.status, 200);
    let person = contact(&node, SHOP, "+316012345678").await.unwrap();
    assert_eq!(person.last_message_in, Some(NOW));
    assert_eq!((person.clicks.len(), person.messages.len()), (1, 1));
    assert_eq!(person.clicks[0].headline.as_deref(), Some("Chat with us"));
    assert_eq!(node.node.heard.of(PhoneNumber::parse(SHOP).unwrap()), Some(NOW));
}

#[tokio::test]
async fn messages_to_numbers_that_are_not_known_yet_have_to_come_again() {
    let change = |config: &mut Config| {
        apps(config);
        let mut accounts = config.accounts.to_vec();
        let waba = &mut accounts[1].wabas[0];
        (waba.numbers_from, waba.looks_up_dataset, waba.dataset_id) = (NumbersFrom::NotYet, true, None);
        waba.numbers.clear();
        config.accounts = Accounts::new(accounts);
    };
    let node = TestNode::with(Setup { change, ..Setup::default() }).await;
    for (path, name, status) in [
        ("/webhooks/cm/salon", "cm_mo/documented", 503),
        // The shop's numbers are all known, and so is whose this one is.
        (CM, "cm_mo/documented", 200),
        ("/webhooks/cm/salon", "cm_mo/from_ad", 200),
        (CM, "cm_mo/from_ad", 200),
    ] {
        let answer = post(&node, path, None, fixture(name)).await;
        assert_eq!(answer.status, status, "{path} {name}");
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{path} {name}");
    }
    let state = node.client().await.send(Method::GET, "/readyz", &[], "").await.json();
    let waba = json!({"account": "salon", "waba_id": "203400239450409", "keys": ["numbers", "dataset_id"]});
    assert_eq!(state["awaited"], json!([waba]), "{state}");
}
