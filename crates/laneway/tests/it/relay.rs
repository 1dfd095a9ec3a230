//! Beside CM.com, through the real binary: what is passed on, and events that go there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Connection, Serve, Shop};

const CM_TOKEN: &str = "33333333-3333-4333-8333-333333333333";

/// A CM.com that knows one product token. It ends with the test's process.
struct Cm {
    url: String,
    /// Product token and event of every request, as they came.
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Cm {
    fn that_knows(token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let cm = Self { url, seen: Arc::clone(&seen) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = head_from(&mut stream);
                let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                let mut body = vec![0; header("content-length: ").parse().unwrap()];
                stream.read_exact(&mut body).unwrap();
                let (used, body) =
                    (header("x-cm-producttoken: ").to_owned(), serde_json::from_slice(&body).unwrap());
                let status = if used == token { "200 OK" } else { "401 Unauthorized" };
                seen.lock().unwrap().push((used, body));
                write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
            }
        });
        cm
    }

    /// How many requests bore this token.
    fn count(&self, token: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|(used, _)| used == token).count()
    }
}

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
fn a_block_that_cm_took_is_wanted_until_meta_confirms_otherwise() {
    let cm = Cm::that_knows(CM_TOKEN);
    let shop = Shop::open();
    shop.configure(&shop.world.host.url(), &format!("[upstream]\ncm_url = \"{}\"", cm.url));
    fs::write(shop.path("cm_token"), CM_TOKEN).unwrap();
    let route = "name = \"shop\"\ncm_token = \"file:cm_token\"\nroute = { Block = \"cm\" }";
    change(&shop, "name = \"shop\"", route);
    shop.world.user_writes(CUSTOMER, "Hi");
    let serve = shop.serve();
    let gateway = &serve.gateway;
    let from = shop.world.number();
    let list = || gateway.0.get(&format!("/api/v1/blocklist/{}", from.trim_start_matches('+'))).json();
    assert_eq!(gateway.deliver(from, CUSTOMER, &json!({"type": "Block"}))["status"], "relayed");
    let told = list();
    assert_eq!((&told["wanted"], &told["drift"]["missing"]), (&json!([CUSTOMER]), &json!([CUSTOMER])));
    assert_eq!(gateway.deliver(from, CUSTOMER, &json!({"type": "UnBlock"}))["status"], "confirmed");
    assert_eq!(list()["wanted"], json!([]));
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

#[test]
fn a_refused_cm_token_stops_what_goes_there_and_nothing_else_until_its_file_changes() {
    const REFUSED: &str = "44444444-4444-4444-8444-444444444444";
    let (cm, shop) = (Cm::that_knows(CM_TOKEN), Shop::open());
    shop.configure(&shop.world.host.url(), &format!("[upstream]\ncm_url = \"{}\"", cm.url));
    fs::write(shop.path("cm_token"), REFUSED).unwrap();
    let route = "route = { Block = \"cm\", Purchase = \"cm\" }";
    change(&shop, "name = \"shop\"", &format!("name = \"shop\"\ncm_token = \"file:cm_token\"\n{route}"));
    let serve = shop.serve();
    let (gateway, from) = (&serve.gateway, shop.world.number());
    let users: Vec<_> = (0..6).map(|n| format!("+31612300{n:03}")).collect();
    let written: Vec<_> = users.iter().map(|user| shop.world.user_writes(user, "Hi")).collect();
    let event = |user: usize, event: Value| gateway.submit(from, &users[user], &event);
    let purchase = |user: usize| {
        let custom = json!({"ctwa_clid": written[user].click, "currency": "EUR", "value": "1"});
        json!({"type": "Purchase", "custom": custom})
    };

    let first = event(0, purchase(0));
    assert_eq!(gateway.tried(&first)["status"], "retrying");
    let mut relayed = vec![first];
    relayed.extend((1..users.len()).map(|user| event(user, purchase(user))));
    relayed.extend((0..users.len()).map(|user| event(user, json!({"type": "Block"}))));

    // The same number's events that go to Meta go on.
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": written[1].wamid}});
    let lead = json!({"type": "LeadSubmitted", "custom": {"ctwa_clid": written[2].click}});
    for (user, other) in [(1, read), (2, lead)] {
        let ended = gateway.deliver(from, &users[user], &other);
        assert_eq!((&ended["status"], &ended["attempts"][0]["route"]), (&json!("confirmed"), &json!("meta")));
    }

    // One pause, told to the operator and to the account.
    let ready = serve.admin.get("/readyz").json();
    assert_eq!(ready["status"], "ready", "{ready}");
    let told = [&ready, &gateway.0.get("/api/v1/pauses").json()].map(|state| state["pauses"].clone());
    for (name, value) in [
        ("scope", json!("credential")),
        ("route", json!("cm")),
        ("class", json!("unauthorized")),
        ("numbers", json!(1)),
        ("secrets", json!(["account.cm_token"])),
    ] {
        for pauses in &told {
            let [pause] = &pauses.as_array().unwrap()[..] else { panic!("{pauses}") };
            assert_eq!(pause[name], value, "{pause}");
        }
    }
    let open = gateway.every_event("status=open");
    let kept: Vec<_> = open.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(kept, relayed, "every event that goes to CM.com is kept, and no other is open");
    assert!(open.iter().all(|event| event["waiting_for"] == "credential"), "{open:?}");
    assert_eq!((cm.count(REFUSED), cm.count(CM_TOKEN)), (1, 0), "one call shows it");

    fs::write(shop.path("cm_token"), CM_TOKEN).unwrap();
    for id in &relayed {
        assert_eq!(gateway.ended(id)["status"], "relayed");
    }
    assert_eq!((cm.count(REFUSED), cm.count(CM_TOKEN)), (1, relayed.len()), "each is taken once");
    assert_eq!(serve.admin.get("/readyz").json()["pauses"], json!([]));
    let metrics = serve.admin.get("/metrics").body;
    assert!(metrics.lines().any(|line| line == "laneway_alarms_total 1"), "{metrics}");
    let (_, log) = serve.process.stop();
    assert_eq!(log.matches("a token or a permission is refused").count(), 1, "{log}");
    shop.check_log(&log, &[CM_TOKEN, REFUSED]);
}
