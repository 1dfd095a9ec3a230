//! What WhatsApp tells of a person, what follows for their events, and how all of it is erased: through the real binary.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Finished, envelope, run};

/// Runs a verb against this `dev`.
fn verb(dev: &Dev, args: &[&str]) -> Finished {
    run(&[args, &["--url", &dev.gateway.0.url()]].concat())
}

/// Waits until the gateway has been told of so many things.
#[track_caller]
fn told(dev: &Dev, count: usize) {
    let rows = dev.world.rows(&format!("/sandbox/webhooks?wait=20s&count={count}"));
    let statuses: Vec<_> = rows.iter().map(|row| &row["attempts"][0]["status"]).collect();
    assert_eq!(statuses, vec![&json!(200); count]);
}

#[track_caller]
fn refused(dev: &Dev, event: &Value) -> Value {
    let answer = dev.gateway.0.post("/v1.0/event", &envelope(dev.world.number(), CUSTOMER, event));
    assert_eq!(answer.status, 400);
    answer.any_json()["error"]["code"].clone()
}

#[test]
fn a_person_is_known_by_what_whatsapp_tells() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    // Notifications tell the second, and of two clicks in the same one neither is the newer.
    assert_eq!(dev.world.host.post("/sandbox/clock", r#"{"advance":"2s"}"#).status, 200);
    let message = dev.world.user_writes(CUSTOMER, "From another ad");
    told(&dev, 2);
    let shown = verb(&dev, &["contacts", "show", dev.world.number(), CUSTOMER, "--json"]).json();
    assert_eq!(shown["click_ids"][0]["value"], message.click.as_str());
    assert_eq!(shown["click_ids"].as_array().unwrap().len(), 2);

    // A purchase without a click id finds the person's own, and Events Manager sees it.
    let purchase = json!({"type": "Purchase", "custom": {"currency": "EUR", "value": "12.60"}});
    let event = dev.deliver(CUSTOMER, &purchase);
    assert_eq!((&event["status"], &event["click_id"]["captured"]), (&json!("confirmed"), &json!(true)));
    let text = verb(&dev, &["events", "show", event["id"].as_str().unwrap()]).stdout;
    assert!(text.contains(&format!("{}  (captured)\n", message.click)), "{text}");
    let conversions = dev.world.rows("/sandbox/conversions");
    assert_eq!(conversions[0]["user_data"]["ctwa_clid"], message.click.as_str());

    // A day later somebody else writes: now it is proven that this person has not.
    assert_eq!(dev.world.host.post("/sandbox/clock", r#"{"advance":"25h"}"#).status, 200);
    dev.world.user_writes("+316087654321", "Hello");
    told(&dev, 3);
    assert_eq!(refused(&dev, &json!({"type": "Block"})), "window_closed");
    let text = verb(&dev, &["contacts", "show", dev.world.number(), CUSTOMER]).stdout;
    assert!(text.contains("window_open_until"), "{text}");
}

#[test]
fn a_block_whose_window_closes_while_it_waits_expires_and_is_not_sent() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let advance = |time: &str| {
        let body = json!({"advance": time}).to_string();
        assert_eq!(dev.world.host.post("/sandbox/clock", &body).status, 200);
    };
    told(&dev, 1);
    dev.world.host.post("/sandbox/faults", r#"{"preset":"meta_down"}"#).json();
    let block = dev.gateway.submit(dev.world.number(), CUSTOMER, &json!({"type": "Block"}));
    assert_eq!(dev.gateway.tried(&block)["status"], "retrying");
    // The window is over, but nothing has happened since that would prove it.
    advance("25h");
    dev.world.user_writes("+316087654321", "Hello");
    told(&dev, 2);
    assert_eq!(dev.world.host.send("DELETE", "/sandbox/faults", "").unwrap().status, 200);
    advance("1h");
    let event = dev.gateway.ended(&block);
    assert_eq!(event["status"], "expired", "{event}");
    assert!(event["reason"].as_str().unwrap().contains("131047"), "{event}");
    let calls = dev.world.rows("/sandbox/requests");
    assert!(calls.iter().all(|call| call["status"] != 200 && call["status"] != 400), "{calls:?}");
}

/// Meta marks all earlier messages of a chat as read with a later one, so an earlier mark that still waits is pointless.
#[test]
fn a_read_mark_of_a_newer_message_supersedes_one_that_waits() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    // Notifications tell the second.
    let tick = || assert_eq!(dev.world.host.post("/sandbox/clock", r#"{"advance":"2s"}"#).status, 200);
    tick();
    let first = dev.world.user_writes(CUSTOMER, "one");
    tick();
    let second = dev.world.user_writes(CUSTOMER, "two");
    told(&dev, 3);
    assert_eq!(
        dev.world.host.post("/sandbox/faults", r#"{"call":"messages","preset":"throttled"}"#).status,
        200
    );
    let mark = |wamid: &str| {
        let event = json!({"type": "MarkAsRead", "custom": {"message_id": wamid}});
        dev.gateway.submit(dev.world.number(), CUSTOMER, &event)
    };
    let newer = mark(&second.wamid);
    dev.gateway.tried(&newer);
    let older = dev.gateway.ended(&mark(&first.wamid));
    assert_eq!((&older["status"], &older["superseded_by"]), (&json!("superseded"), &json!(newer)), "{older}");
    assert_eq!(dev.world.host.send("DELETE", "/sandbox/faults", "").unwrap().status, 200);
    assert_eq!(dev.world.host.post("/sandbox/clock", r#"{"advance":"1m"}"#).status, 200);
    assert_eq!(dev.gateway.ended(&newer)["status"], "confirmed");
    assert!(dev.world.chat(CUSTOMER).iter().all(|row| row["read_at"].is_string()));
}

#[test]
fn an_erased_person_is_gone_and_nothing_of_theirs_is_delivered() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    told(&dev, 1);
    let done = dev.deliver(CUSTOMER, &json!({"type": "Block"}));
    assert_eq!(done["status"], "confirmed");
    assert_eq!(dev.world.host.post("/sandbox/faults", r#"{"preset":"meta_down"}"#).status, 200);
    let waiting = dev.gateway.submit(dev.world.number(), CUSTOMER, &json!({"type": "UnBlock"}));
    dev.gateway.tried(&waiting);

    let report = verb(&dev, &["erase", CUSTOMER, "--json"]).json();
    let counts = [&report["events"], &report["notifications"]];
    assert_eq!(counts, [&json!(2), &json!(1)], "{report}");
    assert!(report["users"].as_array().unwrap().contains(&json!(CUSTOMER)), "{report}");
    assert_eq!(dev.gateway.list("").len(), 0);
    assert_eq!(dev.gateway.0.get(&format!("/api/v1/events/{waiting}")).status, 404);
    let unknown = verb(&dev, &["contacts", "show", dev.world.number(), CUSTOMER]);
    assert!(unknown.stderr.contains("nothing is known of +316012345678"), "{unknown:?}");

    // Whoever reads the ledger of calls finds that the unblock was given up: nothing more is sent, whatever time it is.
    assert_eq!(dev.world.host.send("DELETE", "/sandbox/faults", "").unwrap().status, 200);
    assert_eq!(dev.world.host.post("/sandbox/clock", r#"{"advance":"1h"}"#).status, 200);
    let other = dev.deliver("+316087654321", &json!({"type": "UnBlock"}));
    assert_eq!(other["status"], "confirmed");
    assert_eq!(dev.world.blocked(), [CUSTOMER]);
}

#[test]
fn drift_of_the_block_list_is_shown_and_mended_on_request() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let (other, business) = ("+316087654321", dev.world.number());
    dev.world.user_writes(other, "Hello");
    assert_eq!(dev.deliver(CUSTOMER, &json!({"type": "Block"}))["status"], "confirmed");
    assert_eq!(verb(&dev, &["blocklist", "sync", business]).stdout.trim(), "no drift");

    // Somebody uses the Graph API beside Laneway.
    let graph = dev.world.host.with("authorization", &format!("Bearer {}", dev.world.own("access_token")));
    let graph = graph.with("content-type", "application/json");
    let path = format!("/v26.0/{}/block_users", dev.world.own("phone_number_id"));
    for (method, user) in [("DELETE", CUSTOMER), ("POST", other)] {
        let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": user}]});
        assert_eq!(graph.send(method, &path, &users.to_string()).unwrap().status, 200, "{method}");
    }
    let list = verb(&dev, &["blocklist", "list", business, "--json"]).json();
    let drift = json!({"missing": [CUSTOMER], "unwanted": [], "unknown": [other], "hidden": []});
    assert_eq!(
        (&list["wanted"], &list["actual"], &list["drift"]),
        (&json!([CUSTOMER]), &json!([other]), &drift)
    );
    assert_eq!(verb(&dev, &["blocklist", "sync", business, "--json"]).json(), drift);
    assert_eq!(dev.world.blocked(), [other], "nothing is changed without --apply");

    let applied = verb(&dev, &["blocklist", "sync", business, "--apply"]);
    let id = applied.stderr.trim().rsplit(' ').next().unwrap();
    assert_eq!(
        (dev.gateway.ended(id)["status"].as_str(), applied.code),
        (Some("confirmed"), 0),
        "{applied:?}"
    );
    let mut blocked = dev.world.blocked();
    blocked.sort();
    assert_eq!(blocked, [CUSTOMER, other]);
}

#[test]
fn whoever_is_blocked_by_id_is_found_on_metas_list_by_number() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let business = dev.world.number();
    let id = dev.world.chat(CUSTOMER)[0]["user_id"].as_str().unwrap().to_owned();
    let shows = |rows: &str| {
        let switch = json!({"blocklist_of_user_ids": rows}).to_string();
        assert_eq!(dev.world.host.post("/sandbox/switches", &switch).status, 200);
        let list = verb(&dev, &["blocklist", "list", business, "--json"]).json();
        let drift = &list["drift"];
        let parts = ["missing", "unwanted", "unknown", "hidden"].map(|part| drift[part].clone());
        (list["wanted"].clone(), parts)
    };
    told(&dev, 1);
    assert_eq!(dev.deliver(&id, &json!({"type": "Block"}))["status"], "confirmed");
    let none = || json!([]);
    assert_eq!(shows("user_id"), (json!([id]), [none(), none(), none(), none()]));
    assert_eq!(shows("wa_id"), (json!([CUSTOMER]), [none(), none(), none(), none()]));
    assert_eq!(shows("left_out"), (json!([id]), [none(), none(), none(), json!([id])]));
}
