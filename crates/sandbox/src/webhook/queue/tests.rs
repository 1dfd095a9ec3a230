//! When which notification goes, seen without a clock and without a connection.

use laneway_wire::graph::server::{Happening, NotifiedUser};

use super::*;
use crate::limits::WEBHOOK_RETRIES;
use crate::switches::BatchSize;

const NOW: Duration = Duration::from_secs(1_000);
const URL: &str = "http://127.0.0.1:1/";

fn notice(number_id: &str, text: &str) -> Notice {
    Notice {
        number_id: number_id.to_owned(),
        number: Phone::graph(&format!("31609876543{number_id}")).unwrap(),
        url: URL.to_owned(),
        app_secret: "secret".to_owned(),
        notification: Notification {
            waba_id: "102".to_owned(),
            display_phone_number: "316098765432".to_owned(),
            phone_number_id: number_id.to_owned(),
            user: NotifiedUser { name: String::new(), username: None, wa_id: None, user_id: None },
            wamid: text.to_owned(),
            at_seconds: 1,
            happening: Happening::Unsupported,
        },
    }
}

fn answered(status: u16) -> Attempt {
    Attempt { at: String::new(), status: Some(status), error: None }
}

fn pushed(switches: Switches, texts: &[&str]) -> Queue {
    let mut queue = Queue::default();
    texts.iter().for_each(|text| queue.push(notice("1", text), switches, NOW));
    queue
}

/// The wamids in a body, in order.
fn wamids(body: &[u8]) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let changes = body["entry"][0]["changes"].as_array().unwrap();
    let id = |change: &serde_json::Value| change["value"]["messages"][0]["id"].as_str().unwrap().to_owned();
    changes.iter().map(id).collect()
}

/// Delivers everything that is due by `now` with success, and tells the wamids body by body.
fn drained(queue: &mut Queue, switches: Switches, now: Duration) -> Vec<Vec<String>> {
    let mut bodies = Vec::new();
    loop {
        let deliveries = queue.next(switches, now, usize::MAX);
        if deliveries.is_empty() {
            return bodies;
        }
        for delivery in deliveries {
            bodies.push(wamids(&delivery.body));
            queue.ended(&delivery, Some(URL), answered(200), now);
        }
    }
}

#[track_caller]
fn check(switches: Switches, texts: &[&str], at_once: &[&[&str]], after_the_hold: &[&[&str]]) {
    let mut queue = pushed(switches, texts);
    assert_eq!(drained(&mut queue, switches, NOW + Duration::from_nanos(1)), at_once, "at once");
    assert_eq!(drained(&mut queue, switches, NOW + WEBHOOK_HOLD), after_the_hold, "after the hold");
    assert_eq!(queue.next_due(), None);
}

#[test]
fn the_order_of_delivery() {
    let plain = Switches::default();
    check(plain, &["a", "b", "c"], &[&["a"], &["b"], &["c"]], &[]);
    let duplicate = Switches { webhook_duplicate: true, ..plain };
    check(duplicate, &["a", "b"], &[&["a"], &["a"], &["b"], &["b"]], &[]);
    let disorder = Switches { webhook_disorder: true, ..plain };
    check(disorder, &["a", "b", "c"], &[&["b"], &["a"]], &[&["c"]]);
    let both = Switches { webhook_duplicate: true, ..disorder };
    check(both, &["a", "b"], &[&["b"], &["b"], &["a"], &["a"]], &[]);
    let batch = Switches { webhook_batch: BatchSize::try_from(2).unwrap(), ..plain };
    check(batch, &["a", "b", "c"], &[&["a", "b"]], &[&["c"]]);
}

#[test]
fn a_failure_steps_aside_and_is_repeated_less_and_less_often() {
    let switches = Switches::default();
    let mut queue = pushed(switches, &["a", "b"]);
    let mut now = NOW;
    for (nth, pause) in WEBHOOK_RETRIES.into_iter().enumerate() {
        let [delivery] = queue.next(switches, now, 9).try_into().unwrap();
        assert_eq!(delivery.n, 1);
        assert_eq!(queue.next(switches, now, 9), [], "one at a time");
        queue.ended(&delivery, Some(URL), answered(500), now);
        if nth == 1 {
            // The other one did not wait for the retry at once, which is due at the same time, and is done now.
            assert_eq!(drained(&mut queue, switches, now), [["b"]]);
        }
        now += pause;
        if nth != 0 {
            assert_eq!(queue.next_due(), Some(now));
        }
    }
    assert!(now - NOW <= Duration::from_secs(7 * 86_400));
    let [delivery] = queue.next(switches, now, 9).try_into().unwrap();
    queue.ended(&delivery, Some(URL), answered(201), now);
    let row = queue.row(1, |_| Moment(0)).unwrap();
    assert_eq!(
        (row.state, row.attempts.len(), row.next_attempt_at),
        ("given_up", WEBHOOK_RETRIES.len() + 1, None)
    );
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_number_waits_for_no_other() {
    let switches = Switches::default();
    let mut queue = pushed(switches, &["a"]);
    let slow = queue.next(switches, NOW, 9);
    queue.push(notice("1", "b"), switches, NOW);
    queue.push(notice("2", "c"), switches, NOW);
    assert_eq!(drained(&mut queue, switches, NOW), [["c"]]);
    queue.ended(&slow[0], Some(URL), answered(200), NOW);
    assert_eq!(queue.next(switches, NOW, 0), [], "no more than is free");
    assert_eq!(drained(&mut queue, switches, NOW), [["b"]]);
}

#[test]
fn what_is_redelivered_by_hand() {
    let switches = Switches::default();
    let mut queue = pushed(switches, &["a"]);
    assert_eq!(queue.again(2), Err(RedeliverError::Unknown(2)));
    let [delivery] = queue.next(switches, NOW, 9).try_into().unwrap();
    queue.ended(&delivery, Some(URL), answered(500), NOW);
    assert_eq!(queue.again(1).unwrap(), delivery, "the same bytes and signature");
    queue.redelivered(1, URL, answered(404));
    assert_eq!(queue.next_due(), Some(NOW), "a failure by hand leaves the retry where it was");
    queue.redelivered(1, "http://elsewhere/", answered(200));
    assert_eq!(queue.next_due(), None, "a success by hand ends the retries");
    let row = queue.row(1, |_| Moment(0)).unwrap();
    assert_eq!((row.state, row.url.as_str(), row.attempts.len()), ("delivered", "http://elsewhere/", 3));
}

#[test]
fn without_an_address_nothing_is_repeated() {
    let switches = Switches::default();
    let mut queue = pushed(switches, &["a"]);
    let [delivery] = queue.next(switches, NOW, 9).try_into().unwrap();
    let nobody = Attempt { at: String::new(), status: None, error: Some("gone".to_owned()) };
    queue.ended(&delivery, None, nobody, NOW);
    assert_eq!((queue.row(1, |_| Moment(0)).unwrap().state, queue.next_due()), ("given_up", None));
}

#[test]
fn what_is_too_much_is_dropped_and_what_is_old_forgotten() {
    let switches = Switches::default();
    let room = Room { waiting: 3, rows: 5, bytes: 10_000 };
    let mut queue = Queue { room, ..Queue::default() };
    let write = |queue: &mut Queue, times: usize| {
        (0..times).for_each(|_| queue.push(notice("1", "a"), switches, NOW));
    };
    write(&mut queue, 4);
    let row = queue.row(4, |_| Moment(0)).unwrap();
    assert_eq!((row.state, row.body.as_str()), ("dropped", ""));
    assert_eq!(queue.again(4), Err(RedeliverError::Dropped(4)));
    assert_eq!(drained(&mut queue, switches, NOW).len(), 3);
    write(&mut queue, 3);
    assert_eq!(drained(&mut queue, switches, NOW).len(), 3);
    let left: Vec<u64> = queue.rows(0, None, |_| Moment(0)).iter().map(|row| row.n).collect();
    assert_eq!(left, [2, 3, 5, 6, 7], "the first to be done is the first to go");

    queue.room.bytes = queue.rows[&7].body.len();
    write(&mut queue, 1);
    assert_eq!(drained(&mut queue, switches, NOW).len(), 0, "nothing waits beyond twice the room");
    assert_eq!(queue.rows.len(), 2, "one body, and the dropped one");
    assert_eq!(queue.bytes, queue.rows.values().map(|row| row.body.len()).sum::<usize>());
}
