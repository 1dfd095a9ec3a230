//! Every sample of CM.com's events page (<https://developers.cm.com/messaging/docs/events>), byte for byte.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Dev, id_of};

/// The samples that the page's text and CM.com's newer pages hold, each with its type and how it ends: their
/// placeholders are no message and no click that Meta knows.
const SAMPLES: [(&str, &str, &str); 7] = [
    ("mark_as_read.json", "MarkAsRead", "failed"),
    ("mark_as_read_newer_page.json", "MarkAsRead", "failed"),
    ("typing.json", "Typing", "failed"),
    ("block.json", "Block", "confirmed"),
    ("unblock.json", "UnBlock", "confirmed"),
    ("meta_conversions.json", "ViewContent", "failed"),
    ("meta_conversions_with_value.json", "Purchase", "failed"),
];
/// The page's description of an event's structure, whose type is a placeholder.
const STRUCTURE: &str = "structure.json";

fn sample(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/fixtures/cm");
    fs::read_to_string(fixtures.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_sample_is_taken_as_it_stands() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    for (name, kind, status) in SAMPLES {
        let answer = dev.gateway.0.post("/v1.0/event", &sample(name));
        let id = id_of(&answer);
        let receipt = format!(
            r#"{{"details":"Created 1 event(s)","errorCode":0,"messages":[],"event":{{"id":"{id}","status":"accepted"}}}}"#
        );
        assert_eq!(answer.body, receipt, "{name}");
        assert_eq!(answer.header("location"), Some(format!("/api/v1/events/{id}").as_str()), "{name}");
        let event = dev.gateway.ended(&id);
        assert_eq!(event["type"], kind, "{name}");
        assert_eq!(event["status"], status, "{name}: {event}");
        assert_eq!(event["from"], dev.world.number(), "{name}");
    }
}

#[test]
fn the_structure_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let answer = dev.gateway.0.post("/v1.0/event", &sample(STRUCTURE));
    let refusal = answer.any_json();
    assert_eq!((answer.status, &refusal["errorCode"]), (400, &305.into()), "{refusal}");
    assert!(
        refusal["details"]
            .as_str()
            .unwrap()
            .contains("\"EventTypeHere\" is the placeholder of CM.com's page, not an event type"),
        "{refusal}"
    );
    assert_eq!(refusal["error"]["code"], "unknown_event_type", "{refusal}");
    assert_eq!(refusal["error"]["field"], "event.type", "{refusal}");
    assert_eq!(dev.gateway.list("").len(), 0);
}

#[test]
fn no_sample_is_left_out() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/fixtures/cm");
    let mut found: Vec<_> = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    let mut known: Vec<_> = SAMPLES.iter().map(|(name, ..)| *name).chain([STRUCTURE]).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}
