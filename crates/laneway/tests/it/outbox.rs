//! The outbox, through the real binary: what an account's own program is told, and what waits for it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Gateway, Posted, Serve, Shop, TOKENS, Written, receive, run_with};
use crate::manual;

const PAGE: &str = include_str!("../../../../docs/outbox.md");

/// The path of the shop's addresses.
const INBOX: &str = "/inbox";
/// What callbacks are signed with; also in the page's example.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Somebody who has not written, so that nobody may block them.
const STRANGER: &str = "+316012399901";

fn callback_to(address: SocketAddr) -> String {
    format!("[[account.callback]]\nurl = \"http://{address}/inbox\"\nsecret = \"file:callback\"\n")
}

/// What the page's example in shell makes of an id, a timestamp and a body; `None` on machines that cannot run it.
#[track_caller]
fn signature(id: &str, timestamp: &str, body: &str) -> Option<String> {
    if let Err(error) = Command::new("openssl").arg("version").output() {
        manual::skipped("the example in shell of docs/outbox.md", &format!("openssl: {error}"));
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-euc", manual::example(PAGE, "sh")]);
    shell.envs([("secret", SECRET), ("id", id), ("timestamp", timestamp), ("body", body)]);
    let ended = shell.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    Some(String::from_utf8(ended.stdout).unwrap().trim_end().to_owned())
}

#[test]
fn the_example_in_shell_prints_what_the_page_says() {
    let given = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#];
    assert!([SECRET].iter().chain(&given).all(|text| PAGE.contains(&format!("`{text}`"))));
    if let Some(printed) = signature(given[0], given[1], given[2]) {
        assert!(PAGE.contains(&format!("it prints `{printed}`")), "{printed}");
    }
}

/// Checks a callback, and returns what it tells.
#[track_caller]
fn told(posted: &Posted) -> Value {
    let (id, timestamp) = (posted.header("webhook-id"), posted.header("webhook-timestamp"));
    assert!(id.starts_with("cb_"), "{id}");
    if let Some(expected) = signature(id, timestamp, std::str::from_utf8(&posted.body).unwrap()) {
        assert_eq!(posted.header("webhook-signature"), expected);
    }
    posted.json()
}

/// A shop whose leads go to CM.com, whose carts are not sent again, and which is told of every end.
fn told_of_everything(listener: &TcpListener, cm: &TcpListener) -> Shop {
    let shop = Shop::open();
    let upstream = format!("[upstream]\ncm_url = \"http://{}\"", cm.local_addr().unwrap());
    shop.configure(&shop.world.host.url(), &upstream);
    fs::write(shop.path("cm_token"), "6f3c1a52-0000-4000-8000-000000000000").unwrap();
    let config = fs::read_to_string(shop.config()).unwrap();
    let policies = "name = \"shop\"\ncm_token = \"file:cm_token\"\nroute = { LeadSubmitted = \"cm\" }\n\
        on_lost_answer = { default = \"resend\", AddToCart = \"hold\" }";
    fs::write(shop.config(), config.replace("name = \"shop\"", policies)).unwrap();
    let all = ["confirmed", "relayed", "superseded", "expired", "failed", "in_doubt", "discarded"];
    let callback = callback_to(listener.local_addr().unwrap());
    fs::write(shop.path("callback"), SECRET).unwrap();
    shop.add(&format!("{callback}statuses = {all:?}\n"));
    shop
}

/// Makes events end in every way.
struct Ends<'a> {
    shop: &'a Shop,
    gateway: &'a Gateway,
    cm: &'a TcpListener,
    written: Written,
}

impl Ends<'_> {
    #[track_caller]
    fn submit(&self, to: &str, kind: &str, custom: Value) -> String {
        self.gateway.submit(self.shop.world.number(), to, &json!({"type": kind, "custom": custom}))
    }

    /// The same, and waits for its first try, which comes to nothing.
    #[track_caller]
    fn tried(&self, kind: &str) -> String {
        let id = self.submit(CUSTOMER, kind, json!({}));
        assert_eq!(self.gateway.tried(&id)["status"], "retrying");
        id
    }

    #[track_caller]
    fn fault(&self, rule: Value) {
        assert_eq!(self.shop.world.host.post("/sandbox/faults", &rule.to_string()).status, 200);
    }

    /// An event that ends, or has ended, in this status.
    #[track_caller]
    fn make(&self, status: &str) -> String {
        let click = &self.written.click;
        match status {
            "confirmed" => self.submit(CUSTOMER, "MarkAsRead", json!({"message_id": self.written.wamid})),
            "failed" => self.submit(STRANGER, "Block", json!({})),
            "relayed" => {
                let id = self.submit(CUSTOMER, "LeadSubmitted", json!({"ctwa_clid": click}));
                assert_eq!(receive(self.cm, "/v1.0/event").json()["event"]["type"], "LeadSubmitted");
                id
            }
            "in_doubt" => {
                self.fault(json!({"call": "events", "preset": "answer_lost", "when": {"next": 1}}));
                self.submit(CUSTOMER, "AddToCart", json!({"ctwa_clid": click}))
            }
            "superseded" => {
                self.fault(json!({"call": "block", "preset": "meta_down"}));
                self.fault(json!({"call": "unblock", "preset": "throttled"}));
                let block = self.tried("Block");
                self.tried("UnBlock");
                block
            }
            // The UnBlock that has superseded the Block.
            "discarded" => {
                let id = self.gateway.list("status=open")[0]["id"].as_str().unwrap().to_owned();
                assert_eq!(self.gateway.0.post(&format!("/api/v1/events/{id}/discard"), "").status, 200);
                id
            }
            "expired" => {
                self.fault(json!({"call": "events", "preset": "meta_down"}));
                // Meta takes conversions of the last seven days; this one can still be tried for some seconds.
                let now_ms = self.shop.world.host.get("/sandbox/clock").json()["now_ms"].as_u64().unwrap();
                let event_time = now_ms / 1000 - 7 * 24 * 60 * 60 + 3;
                let custom = json!({"ctwa_clid": click, "event_time": event_time});
                self.submit(CUSTOMER, "ViewContent", custom)
            }
            other => panic!("{other} is no end"),
        }
    }
}

#[test]
fn every_end_is_told_as_the_api_tells_it() {
    let [listener, cm] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let shop = told_of_everything(&listener, &cm);
    let serve = shop.serve();
    let gateway = &serve.gateway;
    let written = shop.world.user_writes(CUSTOMER, "Saw your ad");
    let ends = Ends { shop: &shop, gateway, cm: &cm, written };
    for status in ["confirmed", "failed", "relayed", "in_doubt", "superseded", "discarded", "expired"] {
        let event = gateway.ended(&ends.make(status));
        assert_eq!(event["status"], status, "{event}");
        let told = told(&receive(&listener, INBOX));
        assert_eq!((&told["type"], &told["data"]), (&json!(format!("event.{status}")), &event));
        assert_eq!(told["timestamp"], event["updated_at"], "{status}");
    }
    // An operator gives the dead letter up, and nothing else was told meanwhile.
    let dead = gateway.list("status=failed")[0]["id"].as_str().unwrap().to_owned();
    let state = gateway.0.post(&format!("/api/v1/events/{dead}/discard"), "").json();
    let told = told(&receive(&listener, INBOX));
    assert_eq!((&told["type"], &told["data"]), (&json!("event.discarded"), &state));
    let (_, log) = serve.process.stop();
    shop.check_log(&log, &[SECRET]);
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
    fs::write(shop.path("callback"), SECRET).unwrap();
    shop.add(&callback_to(address));

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
        let posted = receive(&listener, INBOX);
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
    fs::write(shop.path("callback"), SECRET).unwrap();
    shop.add(&callback_to(listener.local_addr().unwrap()));
    let serve = shop.serve();
    let event = failed(&serve, &shop);
    let (mut stream, _) = listener.accept().unwrap();
    let mut some = [0; 1024];
    assert!(stream.read(&mut some).unwrap() > 0);
    stream.write_all(b"HTTP/1.1 410 Gone\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
    drop(stream);

    // What is about the same person leaves when that answer is committed.
    let second = failed(&serve, &shop);
    assert_eq!(receive(&listener, INBOX).json()["data"], second);
    let url = serve.gateway.0.url();
    let laneway =
        |args: &[&str]| run_with(args, &[("LANEWAY_URL", &url), ("LANEWAY_TOKEN", &TOKENS.all.text)], "");
    let gone = laneway(&["outbox", "list", "--status=failed", "--json"]).json();
    let id = gone["posts"][0]["id"].as_str().unwrap();
    assert_eq!((&gone["posts"][0]["event"], &gone["posts"][1]), (&event["id"], &Value::Null), "{gone}");
    let retried = laneway(&["outbox", "retry", id]);
    assert_eq!(retried.code, 0, "{retried:?}");
    let posted = receive(&listener, INBOX);
    assert_eq!((posted.header("webhook-id"), &posted.json()["data"]), (id, &event));
}

/// Erasing gives open events up, which is an end like others: it must not leave a word of the person behind.
#[test]
fn an_erasure_leaves_no_callback_behind() {
    let shop = Shop::open();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    fs::write(shop.path("callback"), SECRET).unwrap();
    shop.add(&(callback_to(address) + "statuses = [\"failed\", \"discarded\"]\n"));
    let serve = shop.serve();
    failed(&serve, &shop);
    let throttled = json!({"call": "unblock", "preset": "throttled"}).to_string();
    assert_eq!(shop.world.host.post("/sandbox/faults", &throttled).status, 200);
    let open = serve.gateway.submit(shop.world.number(), STRANGER, &json!({"type": "UnBlock"}));
    assert_eq!(serve.gateway.tried(&open)["status"], "retrying");
    let url = serve.gateway.0.url();
    let environment = [("LANEWAY_URL", url.as_str()), ("LANEWAY_TOKEN", &TOKENS.all.text)];
    let report = run_with(&["erase", STRANGER, "--json"], &environment, "").json();
    assert_eq!((&report["events"], &report["posts"]), (&json!(2), &json!(2)), "{report}");
    assert_eq!(serve.gateway.0.get("/api/v1/outbox").json()["posts"], json!([]));
}
