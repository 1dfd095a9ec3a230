//! What must hold of every notification, whatever it contains. Fuzzing looks for bodies that break it; an ordinary test
//! replays the corpus.

use laneway_channel::meta::webhook::decode;
use laneway_model::{News, Timestamp};
use laneway_wire::cm::IncomingMessage;
use laneway_wire::graph::client::NotificationBody;
use serde_json::value::RawValue;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

/// Reads the body and holds what it says against all that must be true of it.
pub(crate) fn check(body: &[u8]) {
    // CM.com's incoming messages are read from the same bytes: any are answered.
    drop(IncomingMessage::read(body));
    let (Some(read), Some(notification)) = (NotificationBody::read(body), decode(body, NOW)) else {
        assert!(decode(body, NOW).is_none() && NotificationBody::read(body).is_none());
        return;
    };
    let text = std::str::from_utf8(body).expect("JSON is UTF-8");
    assert!(serde_json::from_str::<&RawValue>(text).is_ok_and(|json| json.get().starts_with('{')));
    for update in &notification.updates {
        assert!(update.news.at().is_none_or(|at| at <= NOW), "nothing happened after it was told");
        if let News::MessageIn { at, click: Some(click), .. } = &update.news {
            assert_eq!(click.at, *at, "a click is as old as its message");
        }
    }
    let changes: usize = read.entries.iter().map(|entry| entry.changes.len()).sum();
    assert!(notification.updates.len() >= changes, "every change is told");

    // Whoever passes on some of the entries passes on what they say.
    let mut parts = Vec::new();
    for entry in &read.entries {
        assert!(text.contains(entry.text), "an entry is part of the body");
        let alone = format!("{{\"entry\":[{}]}}", entry.text);
        let alone = decode(alone.as_bytes(), NOW).expect("an entry can stand alone");
        parts.extend(alone.updates);
    }
    assert_eq!(parts, notification.updates, "the entries alone say what they say together");
}
