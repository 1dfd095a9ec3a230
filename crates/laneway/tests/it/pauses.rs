//! Pauses through the real binary: what a refused token, a missing permission and a throttle stop, how that is told, and
//! how it ends by itself.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Host, Shop, envelope, id_of};

const ALARM: &str = "a token or a permission is refused";

/// That one alarm was raised, by the metrics; the log is told apart, for a process that still runs may not have said all.
#[track_caller]
fn check_one_alarm(admin: &Host) {
    let metrics = admin.get("/metrics").body;
    assert!(metrics.lines().any(|line| line == "laneway_alarms_total 1"), "{metrics}");
}

/// The pauses that an operator is shown by a node that is ready.
#[track_caller]
fn pauses(admin: &Host) -> Vec<Value> {
    let state = admin.get("/readyz").json();
    assert_eq!(state["status"], "ready", "{state}");
    state["pauses"].as_array().unwrap().clone()
}

/// The customer writes to a business number; the read mark of that message.
#[track_caller]
fn read_mark(sandbox: &Host, business: &str) -> Value {
    read_mark_of(CUSTOMER, sandbox, business)
}

/// The same of another user: a later read mark of the same chat would make one that waits pointless.
#[track_caller]
fn read_mark_of(user: &str, sandbox: &Host, business: &str) -> Value {
    let message = json!({"from": user, "to": business, "text": "Hi"});
    let written = sandbox.post("/sandbox/messages", &message.to_string()).json();
    json!({"type": "MarkAsRead", "custom": {"message_id": written["wamid"]}})
}

#[test]
fn forty_numbers_on_one_refused_token_raise_one_alarm_and_go_on_when_its_file_changes() {
    let shop = Shop::open();
    let sandbox = &shop.world.host;
    let numbers = shop.join(40);
    let refused = "EAAGnobodys0token0at0all";
    fs::write(shop.path("access_token"), refused).unwrap();

    let serve = shop.serve();
    let ids: Vec<_> = numbers
        .iter()
        .map(|one| {
            let business = one["number"].as_str().unwrap();
            serve.gateway.submit(business, CUSTOMER, &read_mark(sandbox, business))
        })
        .collect();
    let tried = serve.gateway.tried(&ids[0]);
    assert_eq!((&tried["status"], &tried["attempts"][0]["code"]), (&json!("retrying"), &json!(190)));
    let paused = pauses(&serve.admin);
    let told = paused[0].clone();
    assert_eq!(paused.len(), 1, "{paused:?}");
    for (name, value) in [
        ("scope", json!("credential")),
        ("class", json!("unauthorized")),
        ("numbers", json!(40)),
        ("code", json!(190)),
        ("secrets", json!(["account.waba.access_token"])),
    ] {
        assert_eq!(told[name], value, "{told}");
    }
    assert_eq!(serve.gateway.every_event("status=open").len(), 40, "every event is kept");

    fs::write(shop.path("access_token"), shop.world.own("access_token")).unwrap();
    for id in &ids {
        assert_eq!(serve.gateway.ended(id)["status"], "confirmed");
    }
    assert_eq!(pauses(&serve.admin), Vec::<Value>::new());
    check_one_alarm(&serve.admin);
    let (_, log) = serve.process.stop();
    assert_eq!(log.matches(ALARM).count(), 1, "{log}");
    // It says what to mend: forty numbers look alike when they are masked.
    let line: Value = log.lines().find(|line| line.contains(ALARM)).unwrap().parse().unwrap();
    for (name, value) in [
        ("account", &json!("shop")),
        ("waba", &shop.world.business["waba_id"]),
        ("scope", &json!("credential")),
        ("secret", &json!("account.waba.access_token")),
        ("code", &json!(190)),
    ] {
        assert_eq!(&line[name], value, "{line}");
    }
    shop.check_log(&log, &[refused]);
}

#[test]
fn a_revoked_token_is_tried_every_five_minutes_and_delivery_goes_on_when_it_works_again() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let (host, business) = (&dev.world.host, dev.world.number());
    let number = json!({"number": business}).to_string();
    host.post("/sandbox/tokens/revoke", &number).json();
    let read = |user: &str| dev.gateway.submit(business, user, &read_mark_of(user, host, business));
    let first = read(CUSTOMER);
    dev.gateway.tried(&first);
    let ids = [first, read("+316012300001"), read("+316012300002")];
    assert_eq!(pauses(&dev.gateway.0).len(), 1);
    host.post("/sandbox/tokens/restore", &number).json();
    host.post("/sandbox/clock", r#"{"advance":"5m"}"#).json();
    for id in &ids {
        assert_eq!(dev.gateway.ended(id)["status"], "confirmed");
    }
    assert_eq!(pauses(&dev.gateway.0), Vec::<Value>::new());
    check_one_alarm(&dev.gateway.0);
    let (_, log) = dev.process.stop();
    assert_eq!(log.matches(ALARM).count(), 1, "{log}");
}

#[test]
fn a_missing_permission_for_conversions_stops_no_read_marks() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let (host, business) = (&dev.world.host, dev.world.number());
    host.post("/sandbox/faults", r#"{"call":"events","code":200}"#).json();
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    let lead = json!({"type": "LeadSubmitted", "custom": {"ctwa_clid": click}});
    let id = id_of(&dev.gateway.0.post("/v1.0/event", &envelope(business, CUSTOMER, &lead)));
    let waits = dev.gateway.tried(&id);
    assert_eq!((&waits["status"], &waits["waiting_for"]), (&json!("retrying"), &json!("credential")));
    assert_eq!(dev.deliver(CUSTOMER, &read_mark(host, business))["status"], "confirmed");
    assert_eq!(dev.deliver(CUSTOMER, &json!({"type": "Block"}))["status"], "confirmed");
    let paused = pauses(&dev.gateway.0);
    assert_eq!((paused.len(), &paused[0]["family"]), (1, &json!("conversions")), "{paused:?}");
}

#[test]
fn the_minutes_that_meta_names_are_waited() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let (host, business) = (&dev.world.host, dev.world.number());
    let throttle = json!({"call": "messages", "number": business, "preset": "throttled", "regain_minutes": 7, "when": {"next": 1}});
    host.post("/sandbox/faults", &throttle.to_string()).json();
    let id = dev.gateway.submit(business, CUSTOMER, &read_mark(host, business));
    let throttled = dev.gateway.tried(&id);
    assert_eq!(
        (&throttled["attempts"][0]["outcome"], &throttled["waiting_for"]),
        (&json!("throttled"), &json!("throttle"))
    );
    // Without these minutes it would be tried again after 5 seconds.
    host.post("/sandbox/clock", r#"{"advance":"6m"}"#).json();
    let other = "+316012300001";
    let behind = dev.gateway.submit(business, other, &read_mark_of(other, host, business));
    let waits = dev.gateway.0.get(&format!("/api/v1/events/{behind}")).json();
    assert_eq!(
        (&waits["status"], &waits["waiting_for"]),
        (&json!("accepted"), &json!("throttle")),
        "{waits}"
    );
    let paused = pauses(&dev.gateway.0);
    assert_eq!(
        (paused.len(), &paused[0]["class"], &paused[0]["code"]),
        (1, &json!("throttled"), &json!(130_429)),
        "{paused:?}"
    );
    host.post("/sandbox/clock", r#"{"advance":"61s"}"#).json();
    for id in [id, behind] {
        assert_eq!(dev.gateway.ended(&id)["status"], "confirmed");
    }
    assert_eq!(pauses(&dev.gateway.0), Vec::<Value>::new());
}

#[test]
fn a_throttled_number_stops_no_other_of_its_account() {
    let shop = Shop::open();
    let numbers = shop.join(2);
    let (host, serve) = (&shop.world.host, shop.serve());
    let [throttled, other] = [&numbers[0], &numbers[1]].map(|one| one["number"].as_str().unwrap());
    let throttle =
        json!({"number": throttled, "call": "messages", "preset": "throttled", "regain_minutes": 7});
    host.post("/sandbox/faults", &throttle.to_string()).json();
    let id = serve.gateway.submit(throttled, CUSTOMER, &read_mark(host, throttled));
    assert_eq!(serve.gateway.tried(&id)["waiting_for"], "throttle");
    assert_eq!(serve.gateway.deliver(other, CUSTOMER, &read_mark(host, other))["status"], "confirmed");
    let paused = pauses(&serve.admin);
    let told = ["scope", "class", "numbers"].map(|name| paused[0][name].clone());
    assert_eq!(told, [json!("number"), json!("throttled"), json!(1)], "{paused:?}");
}
