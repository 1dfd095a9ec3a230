//! How many calls events take, counted by the sandbox: they share calls, and one event's failure is its own.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Shop, World};

/// Submits events in one batch and returns their ids.
#[track_caller]
fn submit(dev: &Dev, events: &[Value]) -> Vec<String> {
    let answer = dev.gateway.0.post("/api/v1/events", &json!({"events": events}).to_string()).json();
    assert_eq!(answer["errorCode"], 0, "{answer}");
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn event(business: &str, to: &str, kind: &str, custom: &Value) -> Value {
    json!({"channel": "WhatsApp", "event": {"type": kind, "custom": custom}, "from": {"number": business}, "to": {"number": to}})
}

fn lead(dev: &Dev, click: &str) -> Value {
    event(dev.world.number(), CUSTOMER, "LeadSubmitted", &json!({"ctwa_clid": click}))
}

/// The calls to an edge of the Graph API, such as `/events`.
#[track_caller]
fn calls(world: &World, edge: &str) -> usize {
    let requests = world.rows("/sandbox/requests");
    requests.iter().filter(|request| request["path"].as_str().unwrap().ends_with(edge)).count()
}

/// Waits until every event is final, and says how many ended how.
#[track_caller]
fn ends(dev: &Dev, ids: &[String]) -> (usize, usize) {
    for id in ids.iter().rev() {
        dev.gateway.ended(id);
    }
    let of = |status: &str| dev.gateway.every_event(&format!("status={status}")).len();
    (of("confirmed"), of("failed"))
}

#[test]
fn ten_thousand_conversions_in_batches_take_forty_calls_at_most() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    let batch = vec![lead(&dev, &click); 1000];
    for _ in 0..10 {
        submit(&dev, &batch);
    }
    let received = dev.world.rows("/sandbox/conversions?wait=60s&count=10000").len();
    let calls = calls(&dev.world, "/events");
    println!("{received} conversions in {calls} calls");
    assert_eq!(received, 10_000);
    assert!(calls <= 40, "{calls} calls");
}

#[test]
fn conversions_that_come_singly_share_calls_while_a_call_is_under_way() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    dev.world.host.post("/sandbox/faults", r#"{"call":"events","latency":"100ms"}"#);
    let body = lead(&dev, &click).to_string();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| (0..50).for_each(|_| drop(dev.gateway.0.post("/v1.0/event", &body))));
        }
    });
    let received = dev.world.rows("/sandbox/conversions?wait=30s&count=400").len();
    let calls = calls(&dev.world, "/events");
    println!("{received} conversions posted singly in {calls} calls of 100 ms");
    assert_eq!(received, 400);
    assert!(calls <= 200, "{calls} calls");
}

#[test]
fn two_thousand_blocks_take_forty_calls_at_most() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let users: Vec<String> = (0..2000).map(|n| format!("+3161{n:07}")).collect();
    for user in &users {
        let message = json!({"from": user, "to": dev.world.number(), "text": "Hi"});
        dev.world.host.post("/sandbox/messages", &message.to_string());
    }
    for users in users.chunks(500) {
        let blocks: Vec<_> =
            users.iter().map(|user| event(dev.world.number(), user, "Block", &json!({}))).collect();
        submit(&dev, &blocks);
    }
    let blocked = dev.world.rows("/sandbox/blocklist?wait=60s&count=2000").len();
    let calls = calls(&dev.world, "/block_users");
    println!("{blocked} users blocked in {calls} calls");
    assert_eq!(blocked, 2000);
    assert!(calls <= 40, "{calls} calls");
}

#[test]
fn one_poisoned_conversion_among_a_thousand_fails_alone() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    let mut batch = vec![lead(&dev, &click); 1000];
    batch[333] = lead(&dev, "nobody-clicked-this");
    let ids = submit(&dev, &batch);
    assert_eq!(ends(&dev, &ids), (999, 1));
    let poisoned = dev.gateway.ended(&ids[333]);
    assert_eq!(poisoned["status"], "failed", "{poisoned}");
    let attempts = poisoned["attempts"].as_array().unwrap();
    let (last, before) = attempts.split_last().unwrap();
    assert!(before.iter().all(|attempt| attempt["outcome"] == "refused_together"), "{poisoned}");
    assert_eq!(
        [&last["outcome"], &last["group_size"], &last["subcode"]],
        [&json!("rejected"), &json!(1), &json!(2_804_087)]
    );
    let calls = calls(&dev.world, "/events");
    println!("one poisoned conversion of 1000: {calls} calls");
    assert!(calls <= 25, "{calls} calls");
    assert_eq!(dev.world.rows("/sandbox/conversions").len(), 999, "none counts twice");
}

#[test]
fn a_batch_of_made_up_clicks_takes_a_bounded_number_of_calls() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let ids = submit(&dev, &vec![lead(&dev, "nobody-clicked-this"); 1000]);
    assert_eq!(ends(&dev, &ids), (0, 1000));
    let calls = calls(&dev.world, "/events");
    println!("1000 made-up clicks: {calls} calls");
    assert!(calls <= 1256, "{calls} calls");
}

#[test]
fn a_wrong_data_set_takes_one_call_and_raises_one_alarm() {
    let shop = Shop::open();
    let text = std::fs::read_to_string(shop.config()).unwrap();
    let own = format!("dataset_id = \"{}\"", shop.world.own("dataset_id"));
    assert!(text.contains(&own));
    std::fs::write(shop.config(), text.replace(&own, "dataset_id = \"4711\"")).unwrap();
    let serve = shop.serve();
    let click = shop.world.user_writes(CUSTOMER, "Saw your ad").click;
    let lead = event(shop.world.number(), CUSTOMER, "LeadSubmitted", &json!({"ctwa_clid": click}));
    let events = json!({"events": vec![lead; 500]}).to_string();
    let submit = || {
        let answer = serve.gateway.0.post("/api/v1/events", &events).json();
        answer["events"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(serve.gateway.tried(&submit())["status"], "retrying");
    let id = submit();
    let waits = serve.gateway.0.get(&format!("/api/v1/events/{id}")).json();
    assert_eq!((&waits["status"], &waits["waiting_for"]), (&json!("accepted"), &json!("credential")));
    assert_eq!(calls(&shop.world, "/events"), 1);
    let metrics = serve.admin.get("/metrics").body;
    let alarms: Vec<_> = metrics.lines().filter(|line| line.starts_with("laneway_alarms_total")).collect();
    assert_eq!(alarms, ["laneway_alarms_total 1"]);
}
