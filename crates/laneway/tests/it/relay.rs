//! Beside CM.com, through the real binary: what is passed on, and events that go there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Connection, Serve, Shop};

const CM_TOKEN: &str = "33333333-3333-4333-8333-333333333333";

/// Takes a request's head from a socket.
fn head_from(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(char::from(byte[0]));
    }
    head
}

/// Changes the configuration file.
#[track_caller]
fn change(shop: &Shop, from: &str, to: &str) {
    let config = fs::read_to_string(shop.config()).unwrap();
    assert!(config.contains(from), "{from} is in {config}");
    fs::write(shop.config(), config.replace(from, to)).unwrap();
}

#[test]
fn messages_and_events_share_one_host() {
    let cm = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", cm.local_addr().unwrap());
    let shop = Shop::open();
    shop.configure(&shop.world.host.url(), &format!("[upstream]\ncm_url = \"{url}\""));
    let serve = shop.serve();
    let service = thread::spawn(move || {
        let mut stream = cm.accept().unwrap().0;
        let head = head_from(&mut stream);
        let mut first = [0; 5];
        stream.read_exact(&mut first).unwrap();
        // It answers before the rest of the request is there.
        let body = r#"{"details":"Created 1 message(s)"}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut rest = [0; 6];
        stream.read_exact(&mut rest).unwrap();
        (head, [first.as_slice(), &rest].concat())
    });
    let mut client = Connection::open(&serve.gateway.0);
    client.write(b"POST /v1.0/message HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\nfirst").unwrap();
    let answer = client.answer().unwrap();
    client.write(b"second").unwrap();
    let (head, body) = service.join().unwrap();
    assert_eq!(body, b"firstsecond");
    assert!(head.starts_with("POST /v1.0/message HTTP/1.1\r\n"), "{head}");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"details":"Created 1 message(s)"}"#));

    // CM.com is gone now, and the answer says what that means.
    let lost = serve.gateway.0.post("/v1.0/message", "{}");
    assert_eq!(lost.status, 502, "{}", lost.body);
    assert_eq!(lost.any_json()["error"]["code"], "upstream_unreachable");
}

#[test]
fn blocks_go_to_cm_and_keep_their_order_over_both_routes() {
    let cm = TcpListener::bind("127.0.0.1:0").unwrap();
    let shop = Shop::open();
    let upstream = format!("[upstream]\ncm_url = \"http://{}\"", cm.local_addr().unwrap());
    shop.configure(&shop.world.host.url(), &upstream);
    fs::write(shop.path("cm_token"), CM_TOKEN).unwrap();
    change(
        &shop,
        "name = \"shop\"",
        "name = \"shop\"\ncm_token = \"file:cm_token\"\nroute = { Block = \"cm\" }",
    );
    let written = shop.world.user_writes(CUSTOMER, "Hi");
    let serve = shop.serve();
    let gateway = &serve.gateway;
    let from = shop.world.number();

    let block = gateway.submit(from, CUSTOMER, &json!({"type": "Block"}));
    let mut stream = cm.accept().unwrap().0;
    let head = head_from(&mut stream);
    assert!(head.starts_with("POST /v1.0/event HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-cm-producttoken: {CM_TOKEN}\r\n")), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["event"], json!({"type": "Block"}));
    assert_eq!(body["to"]["number"], CUSTOMER.replace('+', "00"));

    // The answer is still to come, so what follows in the lane waits, and what is in none does not.
    let unblock = gateway.submit(from, CUSTOMER, &json!({"type": "UnBlock"}));
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": written.wamid}});
    assert_eq!(gateway.deliver(from, CUSTOMER, &read)["attempts"][0]["route"], "meta");
    assert_eq!(gateway.0.get(&format!("/api/v1/events/{unblock}")).json()["waiting_for"], "lane");
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let block = gateway.ended(&block);
    assert_eq!((&block["status"], &block["attempts"][0]["route"]), (&json!("relayed"), &json!("cm")));
    let unblock = gateway.ended(&unblock);
    assert_eq!((&unblock["status"], &unblock["attempts"][0]["route"]), (&json!("confirmed"), &json!("meta")));

    let (_, log) = serve.process.stop();
    shop.check_log(&log, &[CM_TOKEN]);
}

/// Has CM.com take an event, and returns what became of it.
#[track_caller]
fn relayed(serve: &Serve, cm: &TcpListener, from: &str, event: &Value) -> Value {
    let id = serve.gateway.submit(from, CUSTOMER, event);
    let mut stream = cm.accept().unwrap().0;
    let head = head_from(&mut stream);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
    let event = serve.gateway.ended(&id);
    assert_eq!(
        (&event["status"], &event["attempts"][0]["route"]),
        (&json!("relayed"), &json!("cm")),
        "{event}"
    );
    assert_eq!(event["attempts"].as_array().unwrap().len(), 1, "{event}");
    event
}

#[test]
fn a_shadow_reaches_a_sandbox_and_nothing_else() {
    let cm = TcpListener::bind("127.0.0.1:0").unwrap();
    let shop = Shop::open();
    let sandbox = shop.world.host.url();
    let upstream = format!("[upstream]\ncm_url = \"http://{}\"", cm.local_addr().unwrap());
    fs::write(shop.path("cm_token"), CM_TOKEN).unwrap();
    let written = shop.world.user_writes(CUSTOMER, "Hi");
    let purchase =
        json!({"type": "Purchase", "custom": {"ctwa_id": written.click, "currency": "EUR", "value": "1"}});
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": written.wamid}});
    let from = shop.world.number();
    let set_up = |graph_url: &str| {
        shop.configure(graph_url, &upstream);
        let shadow = "name = \"shop\"\ncm_token = \"file:cm_token\"\nroute = \"cm\"\nshadow = \"meta\"";
        change(&shop, "name = \"shop\"", shadow);
        shop.serve()
    };

    // The same socket by an address that is not loopback.
    let serve = set_up(&sandbox.replace("127.0.0.1", "0.0.0.0"));
    relayed(&serve, &cm, from, &json!({"type": "Block"}));
    relayed(&serve, &cm, from, &read);
    let (_, log) = serve.process.stop();
    shop.check_log(&log, &[CM_TOKEN]);
    assert!(shop.world.rows("/sandbox/requests").is_empty());

    let serve = set_up(&sandbox);
    relayed(&serve, &cm, from, &purchase);
    relayed(&serve, &cm, from, &read);
    let calls = shop.world.rows("/sandbox/requests?wait=5s&count=1");
    assert_eq!(calls[0]["path"], format!("/v26.0/{}/messages", shop.world.own("phone_number_id")));
    relayed(&serve, &cm, from, &json!({"type": "Block"}));
    shop.world.rows("/sandbox/requests?wait=5s&count=2");
    assert_eq!(shop.world.blocked(), [CUSTOMER]);
    // Shadows are followed one by one: a third call means that the first two are counted.
    relayed(&serve, &cm, from, &json!({"type": "UnBlock"}));
    let calls = shop.world.rows("/sandbox/requests?wait=5s&count=3");
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(shop.world.rows("/sandbox/conversions").is_empty());
    let metrics = serve.admin.get("/metrics").body;
    for (kind, result) in [("Purchase", "not_sent"), ("MarkAsRead", "same"), ("Block", "same")] {
        let line = format!("laneway_shadow_total{{route=\"meta\",type=\"{kind}\",result=\"{result}\"}} 1\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let (_, log) = serve.process.stop();
    shop.check_log(&log, &[CM_TOKEN]);
}
