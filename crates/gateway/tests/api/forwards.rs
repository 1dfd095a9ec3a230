//! What is passed on of a notification, and to whom: the rows that become durable together with it.

use bytes::Bytes;
use http::Method;
use laneway_channel::Secret;
use laneway_channel::meta::webhook::{sign, verify};
use laneway_gateway::config::{Accounts, Config, Forward, ForwardFormat};
use laneway_journal::{Filter, ForwardBody, Queue, Record};
use laneway_model::{AppName, Person, PhoneNumber, PhoneNumberId};
use serde_json::{Value, json};

use crate::node::{Setup, TestNode};
use crate::webhooks::{self, notification, notify};

const META: &str = "https://inbox.example/meta";
const CM: &str = "https://inbox.example/cm";
const SALON: &str = "https://salon.example/meta";
const BUSINESS: &str = "+316098765432";
const ALEX: &str = "+16505551234";

fn forward(url: &str, format: ForwardFormat, secret: Option<&str>) -> Forward {
    Forward { url: url.to_owned(), format, secret: secret.map(Secret::new) }
}

/// The accounts of the webhooks' tests; the shop has an address of either form, the salon one of Meta's.
fn forwarding(config: &mut Config) {
    webhooks::apps(config);
    let mut accounts = config.accounts.to_vec();
    accounts[0].forwards =
        vec![forward(META, ForwardFormat::Meta, Some("the shop's")), forward(CM, ForwardFormat::Cm, None)];
    accounts[1].forwards = vec![forward(SALON, ForwardFormat::Meta, Some("the salon's"))];
    config.accounts = Accounts::new(accounts);
}

/// The same, with the salon's notifications received by the other app, and a second number of the salon's.
fn apart(config: &mut Config) {
    forwarding(config);
    let mut accounts = config.accounts.to_vec();
    accounts[1].wabas[0].app = Some(AppName::parse("other").unwrap());
    let mut second = accounts[1].wabas[0].numbers[0].clone();
    second.number = PhoneNumber::parse("+316055555556").unwrap();
    second.phone_number_id = PhoneNumberId::parse("777").unwrap();
    accounts[1].wabas[0].numbers.push(second);
    config.accounts = Accounts::new(accounts);
}

async fn node() -> TestNode {
    TestNode::with(Setup { change: forwarding, ..Setup::default() }).await
}

/// A row of the queue, opened.
#[derive(Debug)]
struct Forwarded {
    url: String,
    signature: Option<String>,
    body: Bytes,
    business: String,
    person: Option<Person>,
}

impl Forwarded {
    fn of(record: Record) -> Self {
        let ForwardBody { url, headers, body } = ForwardBody::of(&record.row).unwrap();
        let header =
            |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(header("content-type").as_deref(), Some("application/json"));
        let signature = header("x-hub-signature-256");
        assert_eq!(headers.len(), 1 + usize::from(signature.is_some()));
        let (business, person) = (record.row.business.to_string(), record.row.person);
        Self { url, signature, body: Bytes::copy_from_slice(&body), business, person }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn is_signed_with(&self, secret: &str) {
        verify(&[Secret::new(secret)], self.signature.as_deref(), &self.body).unwrap();
    }
}

/// What waits to be sent, in the order in which it came.
async fn forwards(node: &TestNode) -> Vec<Forwarded> {
    let page = node.journal.list(Queue::Forwards, Filter::default(), None, 100).await.unwrap();
    page.records.into_iter().rev().map(Forwarded::of).collect()
}

async fn of_url(node: &TestNode, url: &str) -> Vec<Forwarded> {
    forwards(node).await.into_iter().filter(|forward| forward.url == url).collect()
}

#[tokio::test]
async fn all_of_one_account_goes_as_it_came() {
    for name in [
        "text",
        "text-from-ad",
        "text-from-ad-without-click-id",
        "text-bsuid-only",
        "status-read",
        "status-failed",
        "value-level-errors",
        "message-level-errors-unsupported",
        "system-user-changed-number",
        "system-user-changed-user-id",
        "unknown-fields-and-types",
    ] {
        let node = node().await;
        let body = notification(name);
        assert_eq!(notify(&node, body.clone()).await.status, 200);
        let meta = of_url(&node, META).await;
        assert_eq!(meta.len(), 1, "{name}");
        assert_eq!(meta[0].body, body, "{name}");
        meta[0].is_signed_with(webhooks::SECRET);
        assert_eq!(meta[0].business, BUSINESS, "{name}");
        assert_eq!(of_url(&node, SALON).await.len(), 0, "{name}");
        let updates = if name == "unknown-fields-and-types" { 2 } else { 1 };
        assert_eq!(of_url(&node, CM).await.len(), updates, "{name}");
    }
}

#[tokio::test]
async fn two_accounts_in_one_body_do_not_see_each_other() {
    let node = node().await;
    assert_eq!(notify(&node, notification("batch-of-two-wabas")).await.status, 200);
    let (shop, salon) = (of_url(&node, META).await, of_url(&node, SALON).await);
    let ([shop], [salon]) = (&shop[..], &salon[..]) else { panic!("{shop:?} {salon:?}") };
    shop.is_signed_with("the shop's");
    salon.is_signed_with("the salon's");
    let own = |forward: &Forwarded, own: &[&str], others: &[&str]| {
        let text = std::str::from_utf8(&forward.body).unwrap();
        assert!(own.iter().all(|word| text.contains(word)), "{text}");
        assert!(!others.iter().any(|word| text.contains(word)), "{text}");
        assert_eq!(forward.json()["object"], "whatsapp_business_account");
        assert_eq!(forward.json()["entry"].as_array().unwrap().len(), 1);
    };
    let of_shop = ["102290129340398", "106540352242922", "16505551234", "Sheena Nelson", "Q0RgC="];
    let of_salon = ["203400239450409", "207650463353033", "16315551181", "Pablo", "24230790383178626"];
    own(shop, &of_shop, &of_salon);
    own(salon, &of_salon, &of_shop);
    // The emoji stays the escape that it was.
    assert!(shop.body.windows(12).any(|bytes| bytes == br"\ud83d\udc4d"));
    assert_eq!((shop.business.as_str(), salon.business.as_str()), (BUSINESS, "+316055555555"));
    assert_eq!(shop.person, Person::parse(ALEX).ok(), "an erasure of its person removes it");

    // In CM.com's form, one post per message, in their order, and only the shop's own.
    let posts = of_url(&node, CM).await;
    let ids: Vec<_> = posts.iter().map(|post| post.json()["messageContext"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0].as_str().unwrap().ends_with("Q0RgA=") && ids[1].as_str().unwrap().ends_with("Q0RgC="));
    for post in &posts {
        assert_eq!(post.signature, None);
        assert_eq!(post.json()["to"]["number"], "00316098765432");
        assert_eq!(post.person, Person::parse(ALEX).ok());
    }
}

#[tokio::test]
async fn what_is_nobodys_is_passed_on_to_nobody() {
    let node = TestNode::with(Setup { change: apart, ..Setup::default() }).await;
    // The salon's part came to an app that is not the salon's.
    assert_eq!(notify(&node, notification("batch-of-two-wabas")).await.json()["strange"], 1);
    assert_eq!(of_url(&node, SALON).await.len(), 0);
    let shop = of_url(&node, META).await;
    assert!(!std::str::from_utf8(&shop[0].body).unwrap().contains("16315551181"));
    shop[0].is_signed_with("the shop's");

    let text = String::from_utf8(notification("text")).unwrap();
    for (body, meta) in [
        // Another account's number.
        (text.replace("106540352242922", "777"), 1),
        // A WABA that nobody has, or none.
        (text.replace("102290129340398", "999"), 1),
        (text.replace(r#""id":"102290129340398","#, ""), 1),
        ("not json".to_owned(), 1),
        (r#"{"entry":[]}"#.to_owned(), 1),
        // A number of the WABA's that nobody has configured is its account's.
        (text.replace("106540352242922", "888"), 2),
        // A repetition is passed on again.
        (text.clone(), 3),
        (text, 4),
    ] {
        assert_eq!(notify(&node, body.clone()).await.status, 200);
        assert_eq!(of_url(&node, META).await.len(), meta, "{body}");
    }
    assert_eq!(of_url(&node, SALON).await.len(), 0);
}

#[tokio::test]
async fn what_is_not_signed_is_not_passed_on() {
    let node = node().await;
    let body = notification("text");
    let wrong = sign(&Secret::new("another"), &body);
    for signature in [Some(wrong.as_str()), None] {
        let headers: Vec<_> = signature.map(|one| ("x-hub-signature-256", one)).into_iter().collect();
        let mut client = node.client().await;
        assert_eq!(client.send(Method::POST, webhooks::MAIN, &headers, body.clone()).await.status, 401);
    }
    let to_cm = node.client().await.send(Method::POST, "/webhooks/cm/other", &[], "{}").await;
    assert_eq!(to_cm.status, 401);
    assert_eq!(forwards(&node).await.len(), 0);
}

#[tokio::test]
async fn what_cm_posts_goes_as_it_came_to_addresses_of_its_form() {
    let node = node().await;
    let from_ad = webhooks::fixture("cm_mo/from_ad");
    for body in [from_ad.as_slice(), b"not json"] {
        assert_eq!(
            node.client().await.send(Method::POST, webhooks::CM, &[], body.to_vec()).await.status,
            200
        );
    }
    let found = forwards(&node).await;
    let told: Vec<_> = found.iter().map(|forward| (forward.url.as_str(), &forward.body[..])).collect();
    assert_eq!(told, [(CM, from_ad.as_slice()), (CM, b"not json".as_slice())]);
    assert_eq!(
        (found[0].person.clone(), found[1].person.clone()),
        (Person::parse("+316012345678").ok(), None)
    );
    assert_eq!(found[1].business, BUSINESS);
}

#[tokio::test]
async fn several_persons_in_one_post_are_no_one_person() {
    let node = node().await;
    let status = |to: &str| json!({"id": "wamid.A", "status": "read", "timestamp": "1", "recipient_id": to});
    let metadata = json!({"phone_number_id": "106540352242922"});
    let value = json!({"metadata": metadata, "statuses": [status("16505551234"), status("16505551235")]});
    let change = json!({"field": "messages", "value": value});
    let body = json!({"entry": [{"id": "102290129340398", "changes": [change]}]}).to_string();
    assert_eq!(notify(&node, body).await.status, 200);
    assert_eq!(of_url(&node, META).await[0].person, None);
    let posts = of_url(&node, CM).await;
    let persons: Vec<_> = posts.iter().map(|post| post.person.clone()).collect();
    assert_eq!(persons, [Person::parse(ALEX).ok(), Person::parse("+16505551235").ok()]);
    assert_eq!(posts[0].json()["messages"]["msg"]["status"]["code"], "4");
}
