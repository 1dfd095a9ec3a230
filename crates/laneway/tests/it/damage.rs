//! Bytes of the data directory change by themselves: it is said which file is damaged and what to do, at the start or
//! when the damage is met, and never told as if it were right.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Process, Serve, Shop, shown};

/// What is said wherever the journal itself is damaged.
const REMEDY: &str = "restore the data directory from a backup";

/// Changes one bit of the byte before every place where this text stands in a file: an older copy of a row may still lie
/// beside it.
#[track_caller]
fn damage_before(path: &Path, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> = bytes
        .windows(text.len())
        .enumerate()
        .filter_map(|(at, window)| (window == text.as_bytes()).then_some(at))
        .collect();
    assert!(!places.is_empty(), "no {text:?} in {}", path.display());
    places.iter().for_each(|at| bytes[at - 1] ^= 1);
    fs::write(path, bytes).unwrap();
}

/// Starts the gateway, which must refuse in one line that says this.
#[track_caller]
fn refused(shop: &Shop, problem: &str) {
    let config = shop.config();
    let (code, said) = Process::start(&["serve", "--log=error", "--config", shown(&config)]).ended();
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    for part in ["journal.db is damaged: ", problem, REMEDY] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[track_caller]
fn stop(shop: &Shop, serve: Serve) -> String {
    let (code, log) = serve.process.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    shop.check_log(&log, &[]);
    log
}

#[test]
fn damage_that_is_met_at_the_start_is_named() {
    let shop = Shop::open();
    let journal = shop.path("data/journal.db");
    stop(&shop, shop.serve());
    let good = fs::read(&journal).unwrap();
    // The file's own header, and the page that says which tables there are.
    for at in [0, 21, 100] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        fs::write(&journal, bytes).unwrap();
        refused(&shop, "");
    }
    fs::write(&journal, good).unwrap();

    // An event that is still open is read at the start.
    shop.configure("http://127.0.0.1:1", "");
    let serve = shop.serve();
    let event = json!({"type": "MarkAsRead", "custom": {"message_id": "wamid.STILL-OPEN"}});
    let id = serve.gateway.submit(shop.world.number(), "", &event);
    serve.gateway.tried(&id);
    stop(&shop, serve);
    damage_before(&journal, "amid.STILL-OPEN");
    refused(&shop, "a row does not agree with its checksum");
}

#[test]
fn damage_that_is_met_later_is_named_and_not_told() {
    let shop = Shop::open();
    let user = "+316012300001";
    let written = shop.world.user_writes(user, "Hi");
    let serve = shop.serve();
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": written.wamid}});
    let damaged = serve.gateway.deliver(shop.world.number(), user, &read);
    let whole = serve.gateway.deliver(shop.world.number(), user, &json!({"type": "Block"}));
    assert_eq!((&damaged["status"], &whole["status"]), (&json!("confirmed"), &json!("confirmed")));
    stop(&shop, serve);
    damage_before(&shop.path("data/journal.db"), &written.wamid[1..]);

    let serve = shop.serve();
    let path = |event: &serde_json::Value| format!("/api/v1/events/{}", event["id"].as_str().unwrap());
    assert_eq!(serve.gateway.0.get(&path(&whole)).json(), whole, "what is whole is told as it was");
    for path in [path(&damaged), "/api/v1/events".to_owned()] {
        let answer = serve.gateway.0.get(&path);
        assert_eq!(answer.status, 500, "{path}: {}", answer.body);
        assert!(answer.body.contains(r#""unreadable""#), "{path}: {}", answer.body);
        assert!(!answer.body.contains("wamid"), "{path}: {}", answer.body);
    }
    // What does not touch it goes on.
    let unblock = serve.gateway.deliver(shop.world.number(), user, &json!({"type": "UnBlock"}));
    assert_eq!(unblock["status"], "confirmed");
    let log = stop(&shop, serve);
    let named = format!(
        "journal.db is damaged: a row does not agree with its checksum; stop the gateway and {REMEDY}"
    );
    assert!(log.contains(&named), "{log}");
}
