//! The outbox, through the real binary: what an account's own program is told, and what waits for it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Serve, Shop, TOKENS, run_with};

/// Somebody who has not written, so that nobody may block them.
const STRANGER: &str = "+316012399901";

/// What an account's own program was sent.
struct Posted {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Posted {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Takes one post on a connection of its own and answers 204.
#[track_caller]
fn receive(listener: &TcpListener) -> Posted {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    assert!(line().starts_with("POST /inbox "));
    let mut headers = Vec::new();
    while let Some((name, value)) = line().split_once(": ") {
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let mut posted = Posted { headers, body: Vec::new() };
    posted.body = vec![0; posted.header("content-length").parse().unwrap()];
    reader.read_exact(&mut posted.body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
    posted
}

impl Shop {
    /// Adds addresses to the account.
    fn add_addresses(&self, text: &str) {
        fs::write(self.path("callback"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        fs::write(self.path("forward"), "secret-of-parts").unwrap();
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), config + text).unwrap();
    }
}

fn callback_to(address: SocketAddr) -> String {
    format!("[[account.callback]]\nurl = \"http://{address}/inbox\"\nsecret = \"file:callback\"\n")
}

#[track_caller]
fn failed(serve: &Serve, shop: &Shop) -> Value {
    let event = serve.gateway.deliver(shop.world.number(), STRANGER, &json!({"type": "Block"}));
    assert_eq!(event["status"], "failed", "{event}");
    event
}

#[test]
fn a_dead_address_holds_up_nothing_and_is_told_everything_in_order_when_it_is_back() {
    let shop = Shop::open();
    // An address that is somebody's and where nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    shop.add_addresses(&callback_to(address));

    let serve = shop.serve();
    let mut told: Vec<Value> = (0..3).map(|_| failed(&serve, &shop)).collect();
    shop.world.user_writes(CUSTOMER, "Hi");
    let confirmed = serve.gateway.deliver(shop.world.number(), CUSTOMER, &json!({"type": "Block"}));
    assert_eq!(confirmed["status"], "confirmed", "a dead address holds up no event: {confirmed}");
    serve.process.kill();

    // It survives the crash, and so does the order.
    let serve = shop.serve();
    told.push(failed(&serve, &shop));
    let url = serve.gateway.0.url();
    let laneway =
        |args: &[&str]| run_with(args, &[("LANEWAY_URL", &url), ("LANEWAY_TOKEN", &TOKENS.all.text)], "");
    let open = laneway(&["outbox", "list", "--status=open", "--json"]).json();
    assert_eq!(open["posts"].as_array().unwrap().len(), told.len(), "{open}");

    let listener = TcpListener::bind(address).unwrap();
    let mut last = String::new();
    for event in &told {
        let posted = receive(&listener);
        let body = posted.json();
        assert_eq!((&body["type"], &body["data"]), (&json!("event.failed"), event));
        assert!(posted.header("webhook-signature").starts_with("v1,"));
        last = posted.header("webhook-id").to_owned();
    }
    let shown = laneway(&["outbox", "show", &last]);
    assert!(shown.stdout.contains("event.failed"), "{shown:?}");
    let again = laneway(&["outbox", "retry", &last]);
    assert_eq!(again.code, 1, "only what was given up is tried again: {again:?}");
    let (code, log) = serve.process.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn an_address_that_is_gone_is_told_again_when_an_operator_wishes() {
    let shop = Shop::open();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    shop.add_addresses(&callback_to(listener.local_addr().unwrap()));
    let serve = shop.serve();
    let event = failed(&serve, &shop);
    let (mut stream, _) = listener.accept().unwrap();
    let mut some = [0; 1024];
    assert!(stream.read(&mut some).unwrap() > 0);
    stream.write_all(b"HTTP/1.1 410 Gone\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
    drop(stream);

    // What is about the same person leaves when that answer is committed.
    let second = failed(&serve, &shop);
    assert_eq!(receive(&listener).json()["data"], second);
    let url = serve.gateway.0.url();
    let laneway =
        |args: &[&str]| run_with(args, &[("LANEWAY_URL", &url), ("LANEWAY_TOKEN", &TOKENS.all.text)], "");
    let gone = laneway(&["outbox", "list", "--status=failed", "--json"]).json();
    let id = gone["posts"][0]["id"].as_str().unwrap();
    assert_eq!((&gone["posts"][0]["event"], &gone["posts"][1]), (&event["id"], &Value::Null), "{gone}");
    let retried = laneway(&["outbox", "retry", id]);
    assert_eq!(retried.code, 0, "{retried:?}");
    let posted = receive(&listener);
    assert_eq!((posted.header("webhook-id"), &posted.json()["data"]), (id, &event));
}

#[test]
fn a_notification_is_passed_on_with_its_own_bytes_and_signature() {
    let shop = Shop::open();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    fs::write(shop.path("app_secret"), shop.world.own("app_secret")).unwrap();
    fs::write(shop.path("verify"), "verify").unwrap();
    let app =
        "[[app]]\nname = \"main\"\napp_secrets = [\"file:app_secret\"]\nverify_token = \"file:verify\"\n";
    shop.configure(&shop.world.host.url(), app);
    let config = fs::read_to_string(shop.config()).unwrap();
    fs::write(shop.config(), config.replace("[[account.waba]]\n", "[[account.waba]]\napp = \"main\"\n"))
        .unwrap();
    shop.add_addresses(&format!(
        "[[account.forward]]\nurl = \"http://{address}/inbox\"\nsecret = \"file:forward\"\n"
    ));
    let serve = shop.serve();
    let hook =
        json!({"url": format!("{}/webhooks/meta/main", serve.gateway.0.url()), "verify_token": "verify"});
    let path = format!("/sandbox/numbers/{}/webhook", shop.world.number().trim_start_matches('+'));
    let set = shop.world.host.send("PUT", &path, &hook.to_string()).unwrap();
    assert_eq!(set.status, 200);
    for text in ["Hi", "Is it there?"] {
        let written = shop.world.user_writes(CUSTOMER, text);
        let posted = receive(&listener);
        let sent = shop.world.rows("/sandbox/webhooks");
        let sent = sent.last().unwrap();
        assert!(posted.header("x-hub-signature-256").starts_with("sha256="), "{sent}");
        let message = &posted.json()["entry"][0]["changes"][0]["value"]["messages"][0];
        assert_eq!((&message["id"], &message["text"]["body"]), (&json!(written.wamid), &json!(text)));
    }
}
