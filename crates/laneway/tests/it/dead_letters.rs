//! Dead letters, through the real binary: why they ended, and what operators do with them.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Dev, run_with};

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
