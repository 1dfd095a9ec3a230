//! The rows of the two queues. A row's reference is its address's id, so that the address is known without its body.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use laneway_engine::Policy;
use laneway_journal::{CallbackBody, ForwardBody, NewRow, Queue, Row};
use laneway_model::{AccountName, EventId, Person, PhoneNumber, Reference, Status, Timestamp};
use sha2::{Digest, Sha256};

use crate::config::{Callback, Forward};

/// How long a post is tried; after that it is `expired`. As long as Meta itself goes on (documented).
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What an event's id begins with.
const EVENT_PREFIX: &str = "ev_";

/// The name of the header that says what a body is.
pub const CONTENT_TYPE: &str = "content-type";

/// A kind of post; each has a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostKind {
    /// What became of an event.
    Callback,
    /// A notification that is passed on.
    Forward,
}

/// A post's id, as users see it: `cb_` or `fw_`, and then as the id of an event, by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostId {
    /// Its kind.
    pub kind: PostKind,
    /// Its id in its queue.
    pub id: EventId,
}

/// An address of an account's own. It stays the same as long as the account's name and the address do, whatever else the
/// configuration says, so that what waits for it outlives every change of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressId([u8; 8]);

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event.
    pub event: EventId,
    /// Its business number.
    pub business: PhoneNumber,
    /// The person it is about. Callbacks of one person keep their order.
    pub person: Option<Person>,
    /// The final status.
    pub status: Status,
}

/// A notification, or a part of one, as it is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The business number that it is about, the first if there are several. Forwards of one number keep their order.
    pub business: PhoneNumber,
    /// The person that it is about, if it is about one: an erasure of that person removes it.
    pub person: Option<Person>,
    /// The headers that go with it, [`CONTENT_TYPE`] and the signature among them; names in small letters.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Arc<[u8]>,
}

impl Told {
    /// That this event ended in this status.
    pub fn of(event: &Row, status: Status) -> Self {
        Self { event: event.id, business: event.business, person: event.person.clone(), status }
    }
}

impl PostKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Callback, Self::Forward];

    /// Its queue.
    pub const fn queue(self) -> Queue {
        match self {
            Self::Callback => Queue::Callbacks,
            Self::Forward => Queue::Forwards,
        }
    }

    /// The word that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Forward => "forward",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Callback => "cb_",
            Self::Forward => "fw_",
        }
    }
}

impl PostId {
    /// Reads an id as it is written; letters after the prefix in any case.
    pub fn parse(text: &str) -> Option<Self> {
        PostKind::ALL.into_iter().find_map(|kind| {
            let digits = text.strip_prefix(kind.prefix())?;
            Some(Self { kind, id: EventId::parse(&format!("{EVENT_PREFIX}{digits}")).ok()? })
        })
    }
}

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.to_string();
        write!(f, "{}{}", self.kind.prefix(), id.strip_prefix(EVENT_PREFIX).unwrap_or(&id))
    }
}

impl AddressId {
    /// The id of an account's address.
    pub fn of(account: &AccountName, url: &str) -> Self {
        let hash =
            Sha256::new().chain_update(account.as_str()).chain_update([0]).chain_update(url).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Self(id)
    }

    /// The id as the rows of its posts have it.
    pub fn reference(self) -> Reference {
        Reference::parse(&self.to_string()).expect("sixteen hexadecimal digits are a reference")
    }
}

impl fmt::Display for AddressId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The row of a callback. Whether this status is told at this address is for the caller to know.
pub fn callback_row(account: &AccountName, callback: &Callback, told: &Told, now: Timestamp) -> NewRow {
    let body = CallbackBody { url: callback.url.clone(), event: told.event, status: told.status };
    row(account, &callback.url, (told.business, told.person.clone()), body.encode(), now)
}

/// The row of a forward.
pub fn forward_row(account: &AccountName, forward: &Forward, post: &Forwarded, now: Timestamp) -> NewRow {
    let Forwarded { business, person, headers, body } = post;
    let (headers, body) = (headers.clone(), Arc::clone(body));
    let stored = ForwardBody { url: forward.url.clone(), headers, body };
    row(account, &forward.url, (*business, person.clone()), stored.encode(), now)
}

fn row(
    account: &AccountName,
    url: &str,
    (business, person): (PhoneNumber, Option<Person>),
    body: Arc<[u8]>,
    now: Timestamp,
) -> NewRow {
    NewRow {
        account: account.clone(),
        business,
        person,
        kind: Policy::POST,
        reference: Some(AddressId::of(account, url).reference()),
        accepted_at: now,
        due: now,
        expires: now.saturating_add(KEPT_FOR),
        body,
        keys: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_their_kind() {
        for (kind, expected) in [
            (PostKind::Callback, "cb_00000000020000000000000007"),
            (PostKind::Forward, "fw_00000000020000000000000007"),
        ] {
            let id = PostId { kind, id: EventId::new(Timestamp::from_millis(1 << 1), 0, 7) };
            assert_eq!(id.to_string(), expected);
            assert_eq!(PostId::parse(expected), Some(id));
        }
        for text in ["", "cb_", "ev_00000000010000000000000007", "cb_ev_00000000010000000000000007"] {
            assert_eq!(PostId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_known_by_account_and_url() {
        let account = |name: &str| AccountName::parse(name).unwrap();
        // As `printf 'shop\0https://example.com/laneway' | sha256sum` says: ids are stored, and so never change.
        let id = AddressId::of(&account("shop"), "https://example.com/laneway");
        assert_eq!(id.to_string(), "e8e632057093f06f");
        assert_eq!(id.reference().as_str(), id.to_string());
        assert_ne!(AddressId::of(&account("salon"), "https://example.com/laneway"), id);
        assert_ne!(AddressId::of(&account("shop"), "https://example.com/laneway/"), id);
        assert_ne!(AddressId::of(&account("sho"), "phttps://example.com/laneway"), id);
    }
}
