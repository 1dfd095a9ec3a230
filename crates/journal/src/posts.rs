//! The bodies of the rows that go to an account's own addresses: callbacks and forwards.
//!
//! What the row's columns already say (account, business number, person, reference, when it was made) is not repeated. The
//! first byte is the version of the format; a version is never changed or reused.
//!
//! Version 1, field after field, written as the bodies of events are; bytes are their length and themselves:
//!
//! | queue | fields |
//! |---|---|
//! | callbacks | address: text · the event's id: instant of acceptance in milliseconds, partition, sequence, all numbers · the status that is told: its number |
//! | forwards | address: text · headers: their number, then name and value of each, all texts · body: bytes |

use std::sync::Arc;

use laneway_model::{EventId, Status, Timestamp};

use crate::binary::{Decoder, Encoder, Problem};
use crate::{FormatError, Row};

const VERSION: u8 = 1;

/// What became of an event, on its way to one address. What is sent is made when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackBody {
    /// The address. Whoever sends looks in the configuration what it is told there; this is for showing.
    pub url: String,
    /// The event.
    pub event: EventId,
    /// The final status that is told.
    pub status: Status,
}

/// A notification, or a part of one, on its way to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardBody {
    /// The address, for showing.
    pub url: String,
    /// The headers that go with the body, in this order; names in small letters.
    pub headers: Vec<(String, String)>,
    /// What is sent, byte for byte.
    pub body: Arc<[u8]>,
}

impl CallbackBody {
    /// The stored form.
    pub fn encode(&self) -> Arc<[u8]> {
        let mut body = Encoder::versioned(VERSION);
        body.text(&self.url);
        body.instant(self.event.accepted_at());
        body.number(self.event.partition().into());
        body.number(self.event.sequence());
        body.byte(self.status.code());
        body.finish().into()
    }

    /// What the body of a row of callbacks says.
    ///
    /// # Errors
    /// When it is not in a format that this version knows; then the file is damaged or newer.
    pub fn of(row: &Row) -> Result<Self, FormatError> {
        Self::decode(&row.body).map_err(|problem| FormatError { id: row.id, problem })
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Problem> {
        let mut body = Decoder::versioned(body, VERSION)?;
        let url = body.text()?.to_owned();
        let accepted_at: Timestamp = body.instant()?;
        let partition = u16::try_from(body.number()?).map_err(|_| "a partition has more than 16 bits")?;
        let event = EventId::new(accepted_at, partition, body.number()?);
        let status = Status::from_code(body.byte()?).ok_or("a status is not known")?;
        body.finish()?;
        Ok(Self { url, event, status })
    }
}

impl ForwardBody {
    /// The stored form.
    pub fn encode(&self) -> Arc<[u8]> {
        let mut body = Encoder::versioned(VERSION);
        body.text(&self.url);
        body.number(self.headers.len() as u64);
        for (name, value) in &self.headers {
            body.text(name);
            body.text(value);
        }
        body.bytes(&self.body);
        body.finish().into()
    }

    /// What the body of a row of forwards says.
    ///
    /// # Errors
    /// When it is not in a format that this version knows; then the file is damaged or newer.
    pub fn of(row: &Row) -> Result<Self, FormatError> {
        Self::decode(&row.body).map_err(|problem| FormatError { id: row.id, problem })
    }

    fn decode(body: &[u8]) -> Result<Self, Problem> {
        let mut body = Decoder::versioned(body, VERSION)?;
        let url = body.text()?.to_owned();
        let count = body.number()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            headers.push((body.text()?.to_owned(), body.text()?.to_owned()));
        }
        let bytes = body.bytes()?.into();
        body.finish()?;
        Ok(Self { url, headers, body: bytes })
    }
}

#[cfg(test)]
mod tests {
    use laneway_model::{AccountName, PhoneNumber};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn row(body: Arc<[u8]>) -> Row {
        Row {
            id: EventId::new(Timestamp::from_millis(0), 0, 1),
            account: AccountName::parse("shop").unwrap(),
            business: PhoneNumber::parse("+316098765432").unwrap(),
            person: None,
            kind: 1,
            reference: None,
            expires: Timestamp::MAX,
            body,
        }
    }

    proptest! {
        #[test]
        fn callbacks_come_back(
            url in ".{0,40}", millis in 0..1_u64 << 48, partition: u16, sequence: u64,
            status in select(Status::ALL.to_vec()),
        ) {
            let event = EventId::new(Timestamp::from_millis(millis), partition, sequence);
            let body = CallbackBody { url, event, status };
            let stored = body.encode();
            for end in 0..stored.len() {
                prop_assert!(CallbackBody::of(&row(stored[..end].into())).is_err(), "cut at {}", end);
            }
            prop_assert_eq!(CallbackBody::of(&row(stored)).unwrap(), body);
        }

        #[test]
        fn forwards_come_back(
            url in ".{0,40}", headers in vec((".{0,10}", ".{0,20}"), 0..4), body: Vec<u8>,
        ) {
            let body = ForwardBody { url, headers, body: body.into() };
            let stored = body.encode();
            for end in 0..stored.len() {
                prop_assert!(ForwardBody::of(&row(stored[..end].into())).is_err(), "cut at {}", end);
            }
            prop_assert_eq!(ForwardBody::of(&row(stored)).unwrap(), body);
        }

        #[test]
        fn any_bytes_are_answered(body: Vec<u8>) {
            let _answered = (CallbackBody::decode(&body), ForwardBody::decode(&body));
        }
    }

    #[test]
    fn damage_is_named_and_shows_no_body() {
        let newer = [VERSION + 1].as_slice();
        let of_format = "the body is in a format that this version does not know";
        assert_eq!(CallbackBody::of(&row(newer.into())).unwrap_err().problem, of_format);
        assert_eq!(ForwardBody::of(&row(newer.into())).unwrap_err().problem, of_format);
        let unknown = [VERSION, 0, 0, 0, 0, 0].as_slice();
        assert_eq!(
            CallbackBody::of(&row(unknown.into())).unwrap_err().to_string(),
            "row ev_00000000000000000000000001: a status is not known"
        );
        let crowd = [VERSION, 0, 0xff, 0xff, 0xff, 0xff, 0x0f].as_slice();
        assert_eq!(ForwardBody::decode(crowd).unwrap_err(), "the body ends too early");
    }
}
