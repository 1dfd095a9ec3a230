//! The body of an event's row.
//!
//! What the row's columns already say (account, business number, person, kind, reference, instant of acceptance) is
//! not repeated. The first byte is the version of the format; a version is never changed or reused.
//!
//! Version 1, field after field; a text is its length in bytes and UTF-8, a number is LEB128, an optional field is a
//! byte 0, or a byte 1 and the field:
//!
//! | kind | fields |
//! |---|---|
//! | MarkAsRead, Typing | message id: text |
//! | Block, UnBlock | none |
//! | conversions | click id: text · captured: 0 or 1 · event time in milliseconds: number · event id: optional text · currency: optional text · value: optional text |
//! | then, for all | `custom`: optional text |
//!
//! Version 2 is that of a conversion that waits for its click id: version 1 without click id and captured. When the click
//! id is known, the body is written anew, in version 1.

use std::sync::Arc;

use laneway_model::{
    Action, Amount, ClickId, Conversion, ConversionName, CtwaClid, Currency, Event, EventKind, Reference,
    Timestamp, Wamid,
};

use crate::binary::{Decoder, Encoder, Problem};
use crate::{FormatError, Key, NewRow, Row};

const VERSION: u8 = 1;
/// The version of a conversion that waits for its click id.
const VERSION_WAITING: u8 = 2;

impl NewRow {
    /// The row of an event, its body in the current format.
    pub fn of_event(event: &Event, due: Timestamp, expires: Timestamp, keys: Vec<Key>) -> Self {
        Self {
            account: event.account.clone(),
            business: event.business,
            person: event.person.clone(),
            kind: event.kind().code(),
            reference: event.reference.clone(),
            accepted_at: event.accepted_at,
            due,
            expires,
            body: encode(event),
            keys,
        }
    }
}

impl Row {
    /// The event in this row.
    ///
    /// # Errors
    /// When the body is not in a format that this version knows; then the file is damaged or newer.
    pub fn event(&self) -> Result<Event, FormatError> {
        let (action, custom) =
            decode(self.kind, &self.body).map_err(|problem| FormatError { id: self.id, problem })?;
        Ok(Event {
            account: self.account.clone(),
            business: self.business,
            person: self.person.clone(),
            action,
            reference: self.reference.clone(),
            accepted_at: self.id.accepted_at(),
            custom,
        })
    }
}

/// Whether a body of this kind waits for something without which it cannot be sent.
pub(crate) fn lacks(kind: u8, body: &[u8]) -> bool {
    let is_conversion = matches!(EventKind::from_code(kind), Some(EventKind::Conversion(_)));
    is_conversion && body.first() == Some(&VERSION_WAITING)
}

fn encode(event: &Event) -> Arc<[u8]> {
    let waits = matches!(&event.action, Action::Conversion(conversion) if conversion.click.is_none());
    let mut body = Encoder::versioned(if waits { VERSION_WAITING } else { VERSION });
    match &event.action {
        Action::MarkAsRead { message_id } | Action::Typing { message_id } => body.text(message_id.as_str()),
        Action::Block | Action::UnBlock => {}
        Action::Conversion(conversion) => {
            let Conversion { name: _, click, event_time, event_id, currency, value } = &**conversion;
            if let Some(ClickId { value, captured }) = click {
                body.text(value.as_str());
                body.byte(u8::from(*captured));
            }
            body.instant(*event_time);
            body.option(event_id.as_ref().map(Reference::as_str), Encoder::text);
            body.option(currency.as_ref().map(Currency::as_str), Encoder::text);
            body.option(value.as_ref().map(Amount::as_str), Encoder::text);
        }
    }
    body.option(event.custom.as_deref(), Encoder::text);
    body.finish().into()
}

fn decode(kind: u8, body: &[u8]) -> Result<(Action, Option<Box<str>>), Problem> {
    let kind = EventKind::from_code(kind).ok_or("the kind is not known")?;
    let waits = lacks(kind.code(), body);
    let mut body = Decoder::versioned(body, if waits { VERSION_WAITING } else { VERSION })?;
    let action = match kind {
        EventKind::MarkAsRead => Action::MarkAsRead { message_id: message_id(&mut body)? },
        EventKind::Typing => Action::Typing { message_id: message_id(&mut body)? },
        EventKind::Block => Action::Block,
        EventKind::UnBlock => Action::UnBlock,
        EventKind::Conversion(name) => Action::Conversion(Box::new(conversion(name, waits, &mut body)?)),
    };
    let custom = body.option(Decoder::text)?.map(Into::into);
    body.finish()?;
    Ok((action, custom))
}

fn message_id(body: &mut Decoder<'_>) -> Result<Wamid, Problem> {
    Wamid::parse(body.text()?).map_err(|_| "the message id has no valid form")
}

fn conversion(name: ConversionName, waits: bool, body: &mut Decoder<'_>) -> Result<Conversion, Problem> {
    let click = if waits {
        None
    } else {
        let value = CtwaClid::parse(body.text()?).map_err(|_| "the click id has no valid form")?;
        Some(ClickId { value, captured: body.flag()? })
    };
    Ok(Conversion {
        name,
        click,
        event_time: body.instant()?,
        event_id: body
            .option(|d| Reference::parse(d.text()?).map_err(|_| "the event id has no valid form"))?,
        currency: body.option(|d| Currency::parse(d.text()?).ok_or("the currency has no valid form"))?,
        value: body.option(|d| Amount::parse(d.text()?).map_err(|_| "the value has no valid form"))?,
    })
}

#[cfg(test)]
mod tests {
    use laneway_model::{AccountName, EventId, Person, PhoneNumber};
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn stored(row: NewRow, sequence: u64) -> Row {
        Row {
            id: EventId::new(row.accepted_at, 0, sequence),
            account: row.account,
            business: row.business,
            person: row.person,
            kind: row.kind,
            reference: row.reference,
            expires: row.expires,
            body: row.body,
        }
    }

    fn actions() -> impl Strategy<Value = Action> {
        let ids = || "[!-~é]{1,40}".prop_map(|text| Wamid::parse(&text).unwrap());
        let conversions = (
            (0..ConversionName::ALL.len(), of("[!-~]{1,40}"), any::<bool>(), 0..=i64::MAX as u64),
            (of(".{1,64}"), of("[A-Z]{3}"), of("[1-9][0-9]{0,14}([.][0-9]{1,8})?")),
        )
            .prop_map(|((name, click, captured, time), (event_id, currency, value))| {
                Action::Conversion(Box::new(Conversion {
                    name: ConversionName::ALL[name],
                    click: click.map(|click| ClickId { value: CtwaClid::parse(&click).unwrap(), captured }),
                    event_time: Timestamp::from_millis(time),
                    event_id: event_id.and_then(|text| Reference::parse(&text).ok()),
                    currency: currency.map(|text| Currency::parse(&text).unwrap()),
                    value: value.map(|text| Amount::parse(&text).unwrap()),
                }))
            });
        prop_oneof![
            ids().prop_map(|message_id| Action::MarkAsRead { message_id }),
            ids().prop_map(|message_id| Action::Typing { message_id }),
            Just(Action::Block),
            Just(Action::UnBlock),
            conversions,
        ]
    }

    proptest! {
        #[test]
        fn an_event_comes_back_as_it_was(
            action in actions(),
            custom in of(".*"),
            reference in of("[a-z]{1,64}"),
            person in of(1_000_000_u64..999_999_999_999_999),
            accepted_at in 0..1_u64 << 48,
        ) {
            let event = Event {
                account: AccountName::parse("shop").unwrap(),
                business: PhoneNumber::parse("+316098765432").unwrap(),
                person: person.map(|digits| Person::Phone(PhoneNumber::from_u64(digits).unwrap())),
                action,
                reference: reference.map(|text| Reference::parse(&text).unwrap()),
                accepted_at: Timestamp::from_millis(accepted_at),
                custom: custom.map(Into::into),
            };
            let row = NewRow::of_event(&event, Timestamp::from_millis(1), Timestamp::MAX, Vec::new());
            prop_assert_eq!((row.due, row.expires), (Timestamp::from_millis(1), Timestamp::MAX));
            let row = stored(row, 9);
            prop_assert_eq!(row.event().unwrap(), event);
            for end in 0..row.body.len() {
                let cut = Row { body: row.body[..end].into(), ..row.clone() };
                prop_assert!(cut.event().is_err(), "cut at {}", end);
            }
        }

        #[test]
        fn any_bytes_are_answered(kind: u8, body: Vec<u8>) {
            let _answered = decode(kind, &body);
        }
    }

    #[test]
    fn damage_is_named_and_shows_no_body() {
        let row = Row {
            id: EventId::new(Timestamp::from_millis(0), 0, 1),
            account: AccountName::parse("shop").unwrap(),
            business: PhoneNumber::parse("+316098765432").unwrap(),
            person: None,
            kind: EventKind::MarkAsRead.code(),
            reference: None,
            expires: Timestamp::MAX,
            body: [VERSION, 0, 0].as_slice().into(),
        };
        assert_eq!(
            row.event().unwrap_err().to_string(),
            "row ev_00000000000000000000000001: the message id has no valid form"
        );
        let newer = Row { body: [VERSION + 1].as_slice().into(), ..row.clone() };
        assert_eq!(
            newer.event().unwrap_err().problem,
            "the body is in a format that this version does not know"
        );
        let waiting = Row { kind: EventKind::Conversion(ConversionName::ALL[0]).code(), ..newer };
        assert_eq!(waiting.event().unwrap_err().problem, "the body ends too early");
        assert_eq!(Row { kind: 0, ..row }.event().unwrap_err().problem, "the kind is not known");
    }
}
