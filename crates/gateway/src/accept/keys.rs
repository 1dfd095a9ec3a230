//! The names under which a repetition of an event is recognised.

use std::time::Duration;

use laneway_journal::Key;
use laneway_model::{Action, Event};
use sha2::{Digest, Sha256};

use crate::config::Retention;

/// The keys of an event: the client's idempotency key, which is kept for `kept` unless it is a conversion's, and a
/// conversion's event id if the client gave one.
pub(super) fn keys(event: &Event, idempotency_key: Option<&str>, kept: Duration) -> Vec<Key> {
    let mut keys = Vec::new();
    if let Some(key) = idempotency_key {
        let kept = match &event.action {
            Action::Conversion(_) => Retention::CONVERSION_KEYS,
            Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => kept,
        };
        keys.push(Key {
            hash: Hash::new("key").part(event.account.as_str()).part(key).finish(),
            fingerprint: Some(fingerprint(event)),
            until: event.accepted_at.saturating_add(kept),
        });
    }
    if let Action::Conversion(conversion) = &event.action
        && let Some(event_id) = &conversion.event_id
    {
        keys.push(Key {
            hash: Hash::new("event_id")
                .part(event.account.as_str())
                .part(&event.business.digits())
                .part(conversion.name.as_str())
                .part(event_id.as_str())
                .finish(),
            fingerprint: None,
            until: event.accepted_at.saturating_add(Retention::CONVERSION_KEYS),
        });
    }
    keys
}

/// What was asked for, in 16 bytes. Nothing of it depends on the moment of the request: message id, click id, currency,
/// value, time and event id are all in `custom`, as the client wrote them, whereas the time that is filled in is not.
fn fingerprint(event: &Event) -> [u8; 16] {
    let person = event.person.as_ref().map(ToString::to_string);
    Hash::new("event")
        .part(event.account.as_str())
        .part(&event.business.digits())
        .optional_part(person.as_deref())
        .part(event.kind().as_str())
        .optional_part(event.custom.as_deref())
        .optional_part(event.reference.as_ref().map(|reference| reference.as_str()))
        .finish()
}

/// A hash over parts that cannot run into each other: each is preceded by its length.
struct Hash(Sha256);

impl Hash {
    fn new(purpose: &str) -> Self {
        Self(Sha256::new()).part(purpose)
    }

    fn part(self, text: &str) -> Self {
        Self(self.0.chain_update((text.len() as u64).to_be_bytes()).chain_update(text))
    }

    /// A part that may be absent, which is not the same as empty.
    fn optional_part(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => Self(self.0.chain_update([1])).part(text),
            None => Self(self.0.chain_update([0])),
        }
    }

    fn finish(self) -> [u8; 16] {
        let hash = <[u8; 32]>::from(self.0.finalize());
        *hash.first_chunk().expect("32 bytes begin with 16")
    }
}
