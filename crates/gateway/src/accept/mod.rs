//! From a client's event to a row of the journal: one function for single events, batches and imports.
//!
//! [`check`] is handed all that it judges by, the time included, and does nothing but judge. What it refuses, and in
//! whose name, is described in `docs/events.md`; the closed list of reasons is [`RefusalCode`]. Refusals that are a
//! judgement about Meta rather than about the form of the request each have a switch in [`Rules`].
//!
//! Fields are checked in a fixed order and the first mistake is the one that is told: channel, type, business number,
//! user, what the type needs, reference, idempotency key.

mod conversion;
mod currency;
mod event_type;
mod keys;
mod refusal;
#[cfg(test)]
mod tests;
mod told;

pub use refusal::{Refusal, RefusalCode};
pub use told::{Told, asks_about};

use std::time::Duration;

use laneway_journal::{Key, NewRow};
use laneway_model::{
    Action, Event, EventKind, IdError, Person, PersonError, PhoneNumber, Reference, Timestamp, Wamid,
};
use laneway_wire::cm::EventRequest;

use crate::config::{Account, NumbersFrom, Rules};
use refusal::quoted;

/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The only channel of events.
const CHANNEL: &str = "WhatsApp";

/// How many of an account's numbers a refusal lists.
const NUMBERS_SHOWN_MAX: usize = 10;

/// How a user is written.
const PERSON_FORMS: &str = "write the number as 00…, as +…, or as digits, country code first; \
    or give a business-scoped user id such as US.13491208655302741918";

/// What an event is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The tenant who sends it.
    pub account: &'a Account,
    /// The wall clock's time.
    pub now: Timestamp,
    /// Which judgements about Meta are made, and how long events are tried.
    pub rules: &'a Rules,
    /// How long its idempotency key is kept, unless it is a conversion.
    pub keys_kept: Duration,
    /// What notifications have told of its user.
    pub told: &'a Told,
}

/// An event that is taken: all that its row is made of.
#[derive(Debug)]
struct Accepted {
    event: Event,
    expires: Timestamp,
    keys: Vec<Key>,
}

/// Judges a request and makes the row that stands for it. `idempotency_key` is the header's; it goes before the one in
/// the body.
///
/// # Errors
/// The first reason not to take it, with the words for the client.
pub fn check(
    ctx: &Context<'_>,
    request: &EventRequest<'_>,
    idempotency_key: Option<&str>,
) -> Result<NewRow, Refusal> {
    let Accepted { event, expires, keys } = accept(ctx, request, idempotency_key)?;
    Ok(NewRow::of_event(&event, due(ctx.rules, &event), expires, keys))
}

fn accept(
    ctx: &Context<'_>,
    request: &EventRequest<'_>,
    idempotency_key: Option<&str>,
) -> Result<Accepted, Refusal> {
    check_channel(request)?;
    let kind = event_type::read(request.event_type.as_deref())?;
    let business = read_business(ctx.account, request.from.as_deref())?;
    let person = read_person(ctx.rules, kind, business, request.to.as_deref())?;
    let action = match kind {
        EventKind::MarkAsRead => Action::MarkAsRead { message_id: read_message_id(kind, request)? },
        EventKind::Typing => Action::Typing { message_id: read_message_id(kind, request)? },
        EventKind::Block => {
            ctx.told.check_window(ctx.rules, ctx.now)?;
            Action::Block
        }
        EventKind::UnBlock => Action::UnBlock,
        EventKind::Conversion(name) => {
            Action::Conversion(Box::new(conversion::read(ctx, name, business, &request.custom)?))
        }
    };
    let reference = read_reference(request.reference.as_deref())?;
    let idempotency_key = read_idempotency_key(idempotency_key, request.idempotency_key.as_deref())?;
    let event = Event {
        account: ctx.account.name.clone(),
        business,
        person,
        action,
        reference,
        accepted_at: ctx.now,
        custom: request.custom.text.as_deref().map(Into::into),
    };
    let keys = keys::keys(&event, idempotency_key, ctx.keys_kept);
    Ok(Accepted { expires: expires(ctx.rules, &event), event, keys })
}

/// When the event may leave, or until when it waits for its click id.
fn due(rules: &Rules, event: &Event) -> Timestamp {
    let waits = matches!(&event.action, Action::Conversion(conversion) if conversion.click.is_none());
    let wait = rules.click_id_wait.filter(|_| waits).unwrap_or_default();
    event.accepted_at.saturating_add(wait)
}

/// When the event can no longer work.
fn expires(rules: &Rules, event: &Event) -> Timestamp {
    let since = match &event.action {
        Action::Conversion(conversion) if rules.event_time_too_old => conversion.event_time,
        Action::Conversion(_)
        | Action::MarkAsRead { .. }
        | Action::Typing { .. }
        | Action::Block
        | Action::UnBlock => event.accepted_at,
    };
    since.saturating_add(rules.give_up.after(event.kind()))
}

fn check_channel(request: &EventRequest<'_>) -> Result<(), Refusal> {
    let problem = match request.channel.as_deref() {
        Some(channel) if channel.eq_ignore_ascii_case(CHANNEL) => return Ok(()),
        None | Some("") => (RefusalCode::ChannelMissing, "missing".to_owned()),
        Some(other) => (RefusalCode::UnknownChannel, format!("{} is not a channel of events", quoted(other))),
    };
    Err(Refusal::of_field(problem.0, "channel", problem.1).hint("the only channel of events is \"WhatsApp\""))
}

fn read_business(account: &Account, given: Option<&str>) -> Result<PhoneNumber, Refusal> {
    let numbers = || account.wabas.iter().flat_map(|waba| &waba.numbers).map(|number| number.number);
    let refuse = |code, problem: String| {
        let shown: Vec<String> = numbers().take(NUMBERS_SHOWN_MAX).map(|number| number.to_string()).collect();
        let more = match numbers().count().saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let hint = format!("this account's numbers: {}{more}", shown.join(", "));
        Refusal::of_field(code, "from.number", problem).hint(hint)
    };
    let given = given.unwrap_or_default();
    let number = PhoneNumber::parse(given).map_err(|error| match error {
        PersonError::Empty => refuse(RefusalCode::FromMissing, "missing".to_owned()),
        PersonError::Character(_) | PersonError::Length(_) | PersonError::National => {
            refuse(RefusalCode::FromNotANumber, format!("{} is not a number: {error}", quoted(given)))
        }
    })?;
    if numbers().any(|known| known == number) {
        return Ok(number);
    }
    // What Meta has not told yet may be this number; what it has told may have changed since.
    if let Some(waba) = account.wabas.iter().find(|waba| waba.numbers_from == NumbersFrom::NotYet) {
        let problem = format!(
            "{number} is not known yet: Meta was asked for the numbers of the WABA {}, and has not told them",
            waba.id
        );
        let hint = "wait as long as Retry-After says; the log says why Meta does not tell, and numbers can be set instead";
        return Err(Refusal::of_field(RefusalCode::NumbersNotKnown, "from.number", problem).hint(hint));
    }
    Err(refuse(RefusalCode::FromUnknown, format!("{number} is no number of this account")))
}

fn read_person(
    rules: &Rules,
    kind: EventKind,
    business: PhoneNumber,
    given: Option<&str>,
) -> Result<Option<Person>, Refusal> {
    let given = given.unwrap_or_default();
    let person = match Person::parse(given) {
        Ok(person) => person,
        Err(PersonError::Empty) => {
            return match kind {
                EventKind::MarkAsRead | EventKind::Typing => Ok(None),
                EventKind::Block | EventKind::UnBlock | EventKind::Conversion(_) => {
                    let problem = format!("missing; {kind} needs the user it is about");
                    Err(Refusal::of_field(RefusalCode::ToMissing, "to.number", problem).hint(PERSON_FORMS))
                }
            };
        }
        Err(error @ (PersonError::Character(_) | PersonError::Length(_) | PersonError::National)) => {
            let problem = format!("{} is not a number: {error}", quoted(given));
            return Err(Refusal::of_field(RefusalCode::ToNotANumber, "to.number", problem).hint(PERSON_FORMS));
        }
    };
    if rules.self_block && kind == EventKind::Block && person == Person::Phone(business) {
        let problem = format!("{business} is the business number itself, which cannot be blocked");
        return Err(Refusal::of_field(RefusalCode::SelfBlock, "to.number", problem));
    }
    Ok(Some(person))
}

fn read_message_id(kind: EventKind, request: &EventRequest<'_>) -> Result<Wamid, Refusal> {
    const FIELD: &str = "event.custom.message_id";
    Wamid::parse(request.custom.message_id.as_deref().unwrap_or_default()).map_err(|error| match error {
        IdError::Empty => {
            let problem = format!("missing; {kind} needs the id of the user's message");
            Refusal::of_field(RefusalCode::MessageIdMissing, FIELD, problem)
                .hint("the id (wamid.…) came with the notification of the message")
        }
        IdError::TooLong { .. } | IdError::Character(_) => {
            Refusal::of_field(RefusalCode::MessageIdInvalid, FIELD, error.to_string())
        }
    })
}

fn read_reference(given: Option<&str>) -> Result<Option<Reference>, Refusal> {
    match given {
        None | Some("") => Ok(None),
        Some(text) => parse_reference(text)
            .map(Some)
            .map_err(|problem| Refusal::of_field(RefusalCode::ReferenceInvalid, "reference", problem)),
    }
}

/// A client's own word, or what is wrong with it.
fn parse_reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).map_err(|error| match error {
        IdError::TooLong { max } => format!("is longer than {max} characters"),
        IdError::Empty | IdError::Character(_) => error.to_string(),
    })
}

fn read_idempotency_key<'k>(
    header: Option<&'k str>,
    member: Option<&'k str>,
) -> Result<Option<&'k str>, Refusal> {
    let (field, key) = match (header, member) {
        (Some(key), _) => ("Idempotency-Key", key),
        (None, Some(key)) => ("idempotency_key", key),
        (None, None) => return Ok(None),
    };
    let problem = if key.is_empty() {
        IdError::Empty
    } else if key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        IdError::TooLong { max: IDEMPOTENCY_KEY_BYTES_MAX }
    } else if let Some(c) = key.chars().find(|c| c.is_control()) {
        IdError::Character(c)
    } else {
        return Ok(Some(key));
    };
    Err(Refusal::of_field(RefusalCode::IdempotencyKeyInvalid, field, problem.to_string()))
}
