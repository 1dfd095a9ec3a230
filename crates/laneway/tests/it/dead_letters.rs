//! Dead letters, through the real binary: why they ended, and what operators do with them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Dev, Gateway, Shop, run_with};

/// Somebody who has not written yet, which Meta wants of whoever is blocked.
const STRANGER: &str = "+316012399901";

#[test]
fn a_dead_letter_says_why_and_is_tried_again_under_its_own_id() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let url = dev.gateway.0.url();
    let laneway = |args: &[&str]| run_with(args, &[("LANEWAY_URL", &url)], "");

    let failed = dev.deliver(STRANGER, &json!({"type": "Block"}));
    let id = failed["id"].as_str().unwrap();
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["reason"].is_string(), "{failed}");
    let attempt = &failed["attempts"][0];
    assert!(attempt["code"].is_u64() && attempt["detail"].is_string(), "{attempt}");

    dev.world.user_writes(STRANGER, "Hi");
    let retried = laneway(&["events", "retry", id]);
    assert_eq!((retried.code, retried.stdout.split(' ').next()), (0, Some(id)), "{retried:?}");
    let confirmed = dev.gateway.ended(id);
    assert_eq!(confirmed["status"], "confirmed", "{confirmed}");
    assert_eq!(confirmed["attempts"].as_array().unwrap().len(), 2, "{confirmed}");
    assert_eq!(dev.world.blocked(), [STRANGER]);

    let again = laneway(&["events", "retry", id]);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""));
    assert!(again.stderr.contains("is confirmed"), "{}", again.stderr);
}

#[test]
fn many_are_tried_again_by_a_filter_and_others_given_up() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let url = dev.gateway.0.url();
    let laneway = |args: &[&str]| run_with(args, &[("LANEWAY_URL", &url)], "");
    let strangers: Vec<String> = (10..15).map(|n| format!("+3160123999{n}")).collect();
    let ids: Vec<String> = strangers
        .iter()
        .map(|user| {
            let failed = dev.deliver(user, &json!({"type": "Block"}));
            assert_eq!(failed["status"], "failed", "{failed}");
            failed["id"].as_str().unwrap().to_owned()
        })
        .collect();

    let discarded = laneway(&["events", "discard", &ids[0], "--json"]);
    assert_eq!((discarded.code, &discarded.json()["status"]), (0, &json!("discarded")));
    assert_eq!(laneway(&["events", "discard", &ids[0]]).code, 1);

    strangers.iter().for_each(|user| drop(dev.world.user_writes(user, "Hi")));
    let retried = laneway(&["events", "retry", "--status=failed", "--type=Block"]);
    assert_eq!((retried.code, retried.stdout.as_str()), (0, "4 are tried again\n"), "{retried:?}");
    for id in &ids[1..] {
        assert_eq!(dev.gateway.ended(id)["status"], "confirmed");
    }
    assert_eq!(dev.gateway.ended(&ids[0])["status"], "discarded");
    assert_eq!(dev.world.blocked().len(), 4);
    // Neither ids nor a filter: called wrongly.
    assert_eq!(laneway(&["events", "retry"]).code, 2);
}

/// What the gateway says of an event.
#[track_caller]
fn state(gateway: &Gateway, id: &str) -> Value {
    gateway.0.get(&format!("/api/v1/events/{id}")).json()
}

/// An operator does something with an event: status and answer.
#[track_caller]
fn act(gateway: &Gateway, id: &str, action: &str) -> (u16, Value) {
    let answer = gateway.0.post(&format!("/api/v1/events/{id}/{action}"), "");
    (answer.status, answer.any_json())
}

#[test]
fn a_held_lane_waits_over_a_restart_until_its_dead_letter_is_retried_or_discarded() {
    const USERS: [&str; 3] = ["+316012399921", "+316012399922", "+316012399923"];
    let shop = Shop::open();
    let config = fs::read_to_string(shop.config()).unwrap();
    let hold = "name = \"shop\"\non_dead_letter = \"hold\"";
    fs::write(shop.config(), config.replace("name = \"shop\"", hold)).unwrap();
    let from = shop.world.number();
    let serve = shop.serve();
    let dead = USERS.map(|user| {
        let failed = serve.gateway.deliver(from, user, &json!({"type": "Block"}));
        assert_eq!(failed["status"], "failed", "{failed}");
        failed["id"].as_str().unwrap().to_owned()
    });
    let [retried, discarded, alone] = &dead;
    let behind =
        [USERS[0], USERS[1]].map(|user| serve.gateway.submit(from, user, &json!({"type": "UnBlock"})));
    let is_held = |gateway: &Gateway| {
        for id in &behind {
            let waiting = state(gateway, id);
            let found = (&waiting["status"], &waiting["waiting_for"]);
            assert_eq!(found, (&json!("accepted"), &json!("operator")), "{waiting}");
        }
        assert_eq!(shop.world.rows("/sandbox/requests").len(), USERS.len(), "nothing has left behind them");
    };
    is_held(&serve.gateway);
    serve.process.kill();
    let serve = shop.serve();
    let gateway = &serve.gateway;
    is_held(gateway);

    // Discarded, it lets the lane go on.
    assert_eq!(act(gateway, discarded, "discard").1["status"], "discarded");
    let freed = gateway.ended(&behind[1]);
    assert_eq!(freed["attempts"].as_array().unwrap().len(), 1, "{freed}");
    // Retried, it is pointless by now: the last word about the person waits behind it.
    assert_eq!(act(gateway, retried, "retry").0, 200);
    let pointless = gateway.ended(retried);
    let found = (&pointless["status"], &pointless["superseded_by"]);
    assert_eq!(found, (&json!("superseded"), &json!(behind[0])), "{pointless}");
    let freed = gateway.ended(&behind[0]);
    assert_eq!(freed["attempts"].as_array().unwrap().len(), 1, "{freed}");
    // With nothing behind it, it is tried again.
    shop.world.user_writes(USERS[2], "Hi");
    assert_eq!(act(gateway, alone, "retry").0, 200);
    let confirmed = gateway.ended(alone);
    assert_eq!(confirmed["status"], "confirmed", "{confirmed}");
    assert_eq!(confirmed["attempts"].as_array().unwrap().len(), 2, "{confirmed}");
    assert_eq!(shop.world.blocked(), [USERS[2]]);
    let unblocks =
        shop.world.rows("/sandbox/requests").iter().filter(|call| call["method"] == "DELETE").count();
    assert_eq!(unblocks, 2);
}

/// Takes the next call as Meta would, and leaves it without an answer for now.
#[track_caller]
fn call(meta: &TcpListener) -> TcpStream {
    let mut stream = meta.accept().unwrap().0;
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(char::from(byte[0]));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    stream
}

#[test]
fn an_open_event_is_given_up_unless_a_call_carries_it() {
    let meta = TcpListener::bind("127.0.0.1:0").unwrap();
    let shop = Shop::open();
    shop.configure(&format!("http://{}", meta.local_addr().unwrap()), "");
    let serve = shop.serve();
    let (gateway, from) = (&serve.gateway, shop.world.number());
    let block = gateway.submit(from, STRANGER, &json!({"type": "Block"}));
    let mut stream = call(&meta);
    let (status, refused) = act(gateway, &block, "discard");
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("wrong_status")), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("is sending"), "{refused}");

    let behind = gateway.submit(from, STRANGER, &json!({"type": "UnBlock"}));
    assert_eq!(state(gateway, &behind)["status"], "accepted");
    assert_eq!(act(gateway, &behind, "discard").1["status"], "discarded");

    // Throttled for longer than the test takes.
    let throttled =
        r#"{"error":{"message":"(#130429) Rate limit hit","type":"OAuthException","code":130429}}"#;
    let length = throttled.len();
    write!(stream, "HTTP/1.1 400 Bad Request\r\nContent-Length: {length}\r\n\r\n{throttled}").unwrap();
    assert_eq!(gateway.tried(&block)["status"], "retrying");
    let (status, given_up) = act(gateway, &block, "discard");
    assert_eq!((status, &given_up["status"]), (200, &json!("discarded")), "{given_up}");
    assert_eq!(gateway.ended(&block)["attempts"].as_array().unwrap().len(), 1);
}
