//! What must hold of every notification, whatever it contains. Fuzzing looks for bodies that break it; an ordinary test
//! replays the corpus.

use std::collections::BTreeSet;

use laneway_channel::meta::webhook::{Body, decode};
use laneway_model::{News, PhoneNumberId, Timestamp, WabaId};
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
    // An entry that names its changes twice is not split, so that its owners can miss what they own.
    if read.entries.iter().all(|entry| entry.changes.is_empty() || entry.apart().is_some()) {
        check_parts(body, text.len());
    }
}

/// Whoever owns what: nobody is told anything that is not theirs, and nobody misses anything that is.
fn check_parts(body: &[u8], bytes: usize) {
    /// A rule without meaning, under which ids of any form have different owners, and some have none.
    fn whose(waba: &WabaId, number: Option<&PhoneNumberId>) -> Option<u8> {
        let last = |id: &str| id.bytes().last().unwrap_or_default() % 4;
        let owner = number.map_or_else(|| last(waba.as_str()), |number| last(number.as_str()));
        (owner != 3).then_some(owner)
    }
    let theirs = |body: &[u8], owner: u8| {
        let told = decode(body, NOW).expect("a part is a notification");
        let is_theirs =
            |waba: Option<&WabaId>, number| waba.and_then(|waba| whose(waba, number)) == Some(owner);
        let own =
            told.updates.iter().filter(|update| is_theirs(update.waba.as_ref(), update.number.as_ref()));
        let own: Vec<_> = own.cloned().collect();
        (own, told.updates)
    };
    let parts = Body::read(body).expect("it was read before").parts(whose);
    let owners: BTreeSet<u8> = parts.iter().map(|part| part.owner).collect();
    assert_eq!(owners.len(), parts.len(), "each owner has one part");
    for part in &parts {
        let (own, _) = theirs(body, part.owner);
        let (_, told) = theirs(part.body.as_ref().map_or(body, String::as_bytes), part.owner);
        assert_eq!(told, own, "a part tells what is its owner's and nothing else");
        assert!(part.body.as_ref().is_none_or(|part| part.len() <= bytes + 128));
    }
    for owner in (0..3).filter(|owner| !owners.contains(owner)) {
        assert_eq!(theirs(body, owner).0, [], "whoever has no part misses nothing");
    }
}
