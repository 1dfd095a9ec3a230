//! The disk is full: nothing is taken that cannot be kept, nothing that was taken is lost, and it goes on when there is
//! room again.

use serde_json::{Value, json};

use crate::harness::{Answer, Shop, SmallDisk, envelope, id_of};

/// Events in a row before the disk fills and after there is room again.
const EVENTS: usize = 20;
/// Requests until one is refused: what the log has allocated already takes some events more.
const REQUESTS_MAX: usize = 2_000;
/// Requests while the disk is full.
const REFUSED: usize = 20;

/// How often the disk fills.
const ROUNDS: usize = 3;

#[track_caller]
fn check_refusal(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    let body = answer.any_json();
    assert_eq!((&body["errorCode"], &body["error"]["code"]), (&json!(500), &json!("not_durable")), "{body}");
    let seconds: u64 = answer.header("retry-after").expect("it says when to come again").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds} s");
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::find("full_disk::a_full_disk_loses_nothing") else { return };
    let shop = Shop::open();
    let (serve, data) = shop.serve_on(disk);
    let user = "+316012300001";
    let written = shop.world.user_writes(user, "Hi");
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": written.wamid}});
    let events: [Value; 3] = [json!({"type": "Block"}), read, json!({"type": "UnBlock"})];
    let mut bodies = events.iter().map(|event| envelope(shop.world.number(), user, event)).cycle();
    let mut post = || serve.gateway.0.post("/v1.0/event", &bodies.next().unwrap());

    let mut acknowledged = Vec::new();
    for _ in 0..ROUNDS {
        acknowledged.extend((0..EVENTS).map(|_| id_of(&post())));
        data.fill();
        let mut refused = None;
        for _ in 0..REQUESTS_MAX {
            match post() {
                answer if answer.status == 200 => acknowledged.push(id_of(&answer)),
                answer => {
                    refused = Some(answer);
                    break;
                }
            }
        }
        check_refusal(&refused.expect("a full disk takes no end of events"));
        for _ in 0..REFUSED {
            check_refusal(&post());
        }
        // What needs no room still works.
        assert_eq!(serve.gateway.0.get("/healthz").status, 200);
        assert!(!serve.gateway.list("").is_empty());
        data.free();
        acknowledged.extend((0..EVENTS).map(|_| id_of(&post())));
    }
    for id in &acknowledged {
        let event = serve.gateway.ended(id);
        let status = event["status"].as_str().unwrap();
        assert!(["confirmed", "superseded"].contains(&status), "{event}");
    }
    assert_eq!(serve.gateway.list("status=open").len(), 0);
    assert_eq!(serve.gateway.every_event("").len(), acknowledged.len(), "what was refused is not there");
    let (code, log) = serve.process.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    shop.check_log(&log, &[]);
}
