//! `laneway dev` ends when asked to and goes on where it was.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev};

fn texts(rows: &[Value], name: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_restart_goes_on() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let hello = dev.world.user_writes(CUSTOMER, "Hello");
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": hello.wamid}});
    for event in [&read, &json!({"type": "Block"})] {
        assert_eq!(dev.deliver(CUSTOMER, event)["status"], "confirmed");
    }
    let (events, chat, numbers) =
        (dev.gateway.list(""), dev.world.chat(CUSTOMER), dev.world.business.clone());
    let (code, said) = dev.process.stop();
    assert_eq!(code, Some(0), "{said}");

    let dev = Dev::start(directory.path());
    assert_eq!(dev.gateway.list(""), events);
    for name in ["number", "phone_number_id", "waba_id", "dataset_id", "access_token", "app_secret"] {
        assert_eq!(dev.world.own(name), numbers[name], "{name}");
    }
    assert_eq!(dev.world.blocked(), [CUSTOMER]);
    // At every start the customer writes "Hi".
    let chat_now = dev.world.chat(CUSTOMER);
    assert_eq!(chat_now[..chat.len()], chat);
    assert_eq!(texts(&chat_now, "wamid").len(), chat.len() + 1);

    let unblock = dev.deliver(CUSTOMER, &json!({"type": "UnBlock"}));
    assert_eq!(unblock["status"], "confirmed");
    assert!(dev.world.blocked().is_empty());
    assert!(!texts(&events, "id").contains(unblock["id"].as_str().unwrap()));
    assert_eq!(texts(&dev.gateway.list(""), "id").len(), 3);
}

#[test]
fn an_event_in_hand_at_the_end_is_not_lost() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let blocks: Vec<_> = (0..20)
        .map(|n| {
            let user = format!("+3160111111{n:02}");
            dev.world.user_writes(&user, "Hi");
            dev.gateway.submit(dev.world.number(), &user, &json!({"type": "Block"}))
        })
        .collect();
    let (code, said) = dev.process.stop();
    assert_eq!(code, Some(0), "{said}");
    let dev = Dev::start(directory.path());
    for id in blocks {
        assert_eq!(dev.gateway.ended(&id)["status"], "confirmed", "{id}");
    }
    assert_eq!(dev.world.blocked().len(), 20);
}
