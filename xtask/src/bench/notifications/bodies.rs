//! Notifications as Meta writes them, about the numbers of a [`World`]: each about a person and a message of its own.

use std::ops::Range;

use serde_json::{Value, json};

use crate::bench::world::World;

/// The updates of a large notification, and the most bytes that it has. Meta: up to 1,000 updates, up to 3 MB (documented).
pub(super) const BATCH_UPDATES: usize = 1_000;
pub(super) const BATCH_BYTES_MAX: usize = 3_000_000;
/// What an update of such a notification has beside its text, at most.
const UPDATE_BYTES: usize = 520;
/// When everything happened, in seconds: lately, and long enough ago for every clock.
const DATED: &str = "1790000000";
/// Every so many-th message comes from an ad.
const FROM_AD_EVERY: usize = 25;

impl World {
    /// One notification a line, each with one update, for these places in an endless row of them: messages and statuses in
    /// turns.
    pub(super) fn notifications(&self, places: Range<usize>) -> String {
        let mut lines = String::new();
        for place in places {
            let update = if place % 2 == 0 {
                self.message(place, "Hello! Can I get more info on this?")
            } else {
                self.status(place)
            };
            let notification = self.notification(&[update]);
            lines.push_str(&format!("{notification}\n"));
        }
        lines
    }

    /// One notification a line, each with as many messages, and nearly as many bytes, as Meta ever sends at once.
    pub(super) fn batches(&self, places: Range<usize>) -> String {
        let text = "x".repeat(BATCH_BYTES_MAX / BATCH_UPDATES - UPDATE_BYTES);
        let mut lines = String::new();
        for place in places {
            let first = place * BATCH_UPDATES;
            let updates: Vec<Value> =
                (first..first + BATCH_UPDATES).map(|place| self.message(place, &text)).collect();
            let notification = self.notification(&updates);
            lines.push_str(&format!("{notification}\n"));
        }
        lines
    }

    fn notification(&self, changes: &[Value]) -> Value {
        json!({"object": "whatsapp_business_account", "entry": [{"id": self.waba_id(), "changes": changes}]})
    }

    fn message(&self, place: usize, text: &str) -> Value {
        let (metadata, person) = self.who(place);
        let mut message = json!({
            "from": person,
            "id": wamid(place, "EhggRjE0QjJDNkQ5RTNBN0I1MTAA"),
            "timestamp": DATED,
            "type": "text",
            "text": {"body": text},
        });
        if place.is_multiple_of(FROM_AD_EVERY) {
            message["referral"] = json!({
                "source_url": "https://fb.me/3cr4Wqqkv",
                "source_id": "120226305854810726",
                "source_type": "ad",
                "headline": "Chat with us",
                "ctwa_clid": format!("ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7J{place:08}"),
            });
        }
        json!({"field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": metadata,
            "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": person}],
            "messages": [message],
        }})
    }

    fn status(&self, place: usize) -> Value {
        let (metadata, person) = self.who(place);
        let progress = ["sent", "delivered", "read"][place / 2 % 3];
        json!({"field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": metadata,
            "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": person}],
            "statuses": [{
                "id": wamid(place, "ERggRjE0QjJDNkQ5RTNBN0I1MTAA"),
                "status": progress,
                "timestamp": DATED,
                "recipient_id": person,
                "pricing": {"billable": true, "pricing_model": "PMP", "type": "regular", "category": "utility"},
            }],
        }})
    }

    /// The number that an update is about, as Meta names it, and the person.
    fn who(&self, place: usize) -> (Value, String) {
        let numbers = self.numbers();
        let (number, id) = &numbers[place / 2 % numbers.len()];
        let metadata = json!({"display_phone_number": number.trim_start_matches('+'), "phone_number_id": id});
        (metadata, format!("316{place:08}"))
    }
}

fn wamid(place: usize, end: &str) -> String {
    format!("wamid.HBgLMzE2MDAw{place:08}FQIA{end}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{BATCH_BYTES_MAX, BATCH_UPDATES};
    use crate::bench::world::World;

    #[test]
    fn each_is_about_somebody_else_and_every_number_is_told_of() {
        let world = World::of_nobody("127.0.0.1:1".parse().unwrap(), 5);
        let lines = world.notifications(0..100);
        let updates: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let values = || updates.iter().map(|update| &update["entry"][0]["changes"][0]["value"]);
        let person = |value: &Value| value["contacts"][0]["wa_id"].as_str().unwrap().to_owned();
        assert_eq!(values().map(person).collect::<BTreeSet<_>>().len(), 100);
        let of_messages = |value: &&Value| value["messages"].is_array();
        assert_eq!(values().filter(of_messages).count(), 50);
        for (messages, name) in [(true, "messages"), (false, "statuses")] {
            let about = values().filter(|value| of_messages(value) == messages);
            let numbers: BTreeSet<_> =
                about.map(|value| value["metadata"]["phone_number_id"].to_string()).collect();
            assert_eq!(numbers.len(), 5, "{name}");
        }
    }

    #[test]
    fn a_batch_is_as_large_as_metas_largest() {
        let world = World::of_nobody("127.0.0.1:1".parse().unwrap(), 1);
        let lines = world.batches(0..2);
        for line in lines.lines() {
            assert!(
                (BATCH_BYTES_MAX * 9 / 10..=BATCH_BYTES_MAX).contains(&line.len()),
                "{} bytes",
                line.len()
            );
            let body: Value = serde_json::from_str(line).unwrap();
            assert_eq!(body["entry"][0]["changes"].as_array().unwrap().len(), BATCH_UPDATES);
        }
    }
}
