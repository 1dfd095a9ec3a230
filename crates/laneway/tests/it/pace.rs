//! `max_calls_per_second` through the real binary: however much is waiting, a number makes no more calls than that, all
//! families together, and leaves the rest of its limit at Meta to the business's own messages.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Shop;

/// What the number under test is allowed.
const CALLS_PER_SECOND: usize = 12;
/// Read marks, which share no calls.
const READ_MARKS: usize = 40;
/// How unevenly a busy machine may deliver calls that left in time: between the sandbox's clock and the gateway's pace
/// are sockets and two schedulers.
const JITTER: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);

/// When something was, by the member of that name, in the form that the sandbox and the gateway share.
fn instant(row: &Value, name: &str) -> Duration {
    let at = row[name].as_str().unwrap();
    let at: jiff::Timestamp = at.parse().unwrap();
    Duration::from_millis(u64::try_from(at.as_millisecond()).unwrap())
}

/// Refuses instants of which more than the limit lie within so short a time.
#[track_caller]
fn check_windows(mut instants: Vec<Duration>, shortest: Duration) {
    instants.sort_unstable();
    for (first, after) in instants.iter().zip(&instants[CALLS_PER_SECOND..]) {
        let within = *after - *first;
        assert!(within >= shortest, "{} calls within {within:?}: {instants:?}", CALLS_PER_SECOND + 1);
    }
}

#[expect(clippy::disallowed_methods, reason = "the pace is held against the machine's own clock")]
#[test]
fn no_second_has_more_calls_of_a_number_than_it_is_allowed() {
    let shop = Shop::open();
    let text = fs::read_to_string(shop.config()).unwrap();
    fs::write(shop.config(), format!("{text}max_calls_per_second = {CALLS_PER_SECOND}\n")).unwrap();
    let serve = shop.serve();
    let from = shop.world.number();
    let event = |to: &str, kind: &str, custom: Value| json!({"channel": "WhatsApp", "event": {"type": kind, "custom": custom}, "from": {"number": from}, "to": {"number": to}});
    let users: Vec<_> = (0..READ_MARKS).map(|n| format!("+3161230{n:04}")).collect();
    let written: Vec<_> = users.iter().map(|user| (user, shop.world.user_writes(user, "Hi"))).collect();
    let events: Vec<_> = written
        .iter()
        .flat_map(|(user, written)| {
            let read = event(user, "MarkAsRead", json!({"message_id": written.wamid}));
            let lead = event(user, "LeadSubmitted", json!({"ctwa_clid": written.click}));
            [read, lead, event(user, "Block", json!({}))]
        })
        .collect();

    let began = Instant::now();
    let batches = events.chunks(events.len() / 4).map(|events| {
        let answer = serve.gateway.0.post("/api/v1/events", &json!({"events": events}).to_string()).json();
        assert_eq!(answer["errorCode"], 0, "{answer}");
        answer["events"].as_array().unwrap().clone()
    });
    let ids: Vec<_> = batches.flatten().collect();
    let ended: Vec<_> = ids.iter().map(|event| serve.gateway.ended(event["id"].as_str().unwrap())).collect();
    let took = began.elapsed();

    assert!(ended.iter().all(|event| event["status"] == "confirmed"), "{ended:?}");
    let calls = shop.world.rows("/sandbox/requests");
    let [reads, blocks, conversions] = ["/messages", "/block_users", "/events"]
        .map(|edge| calls.iter().filter(|call| call["path"].as_str().unwrap().ends_with(edge)).count());
    println!("{reads} + {blocks} + {conversions} calls in {took:?}");
    assert!(
        reads == READ_MARKS && blocks > 0 && conversions > 0 && calls.len() == reads + blocks + conversions
    );

    // Whatever happened on the way: the last call left no sooner than the limit allows after the first.
    let full_seconds = u32::try_from((calls.len() - 1) / CALLS_PER_SECOND).unwrap();
    assert!(took >= SECOND * full_seconds, "{} calls took only {took:?}", calls.len());
    check_windows(calls.iter().map(|call| instant(call, "at")).collect(), SECOND - JITTER);
    let reads = ended.iter().filter(|event| event["type"] == "MarkAsRead");
    check_windows(reads.map(|read| instant(&read["attempts"][0], "started_at")).collect(), SECOND);
}
