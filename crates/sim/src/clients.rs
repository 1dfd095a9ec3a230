//! What clients post.

use std::time::Duration;

use fastrand::Rng;
use laneway_journal::{Key, NewRow};
use laneway_model::{
    AccountName, Action, ClickId, Conversion, ConversionName, CtwaClid, Event, EventId, Person, PhoneNumber,
    Timestamp, Wamid,
};

use crate::dice::{Dice, chance, pick};
use crate::meta::BAD;
use crate::setting::{Setting, business};

/// One event that a client wants delivered.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) row: NewRow,
    /// How long it may wait for its click id, if it lacks one.
    pub(crate) wait: Option<Duration>,
    pub(crate) state: Posted,
    /// The id under which the journal has it, whether or not the client was told.
    pub(crate) stored: Option<EventId>,
}

/// What the client knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It waits for an answer of this life of the process.
    Waits(u64),
    /// It was turned away, or the process ended; the client will try again.
    Unanswered,
    Acknowledged,
}

/// How long a key is remembered: longer than any world lives.
const KEY_LIFE: Duration = Duration::from_hours(24 * 28);

/// The `n`-th event that clients post.
pub(crate) fn draft(dice: &mut Dice, setting: &Setting, wall: Timestamp, n: usize) -> Post {
    let random = &mut dice.clients;
    let at = random.u64(..setting.numbers.len() as u64);
    let is_bad = at > 0 && chance(random, setting.rates.bad_events);
    let event = Event {
        account: AccountName::parse("shop").expect("a valid name"),
        business: business(at),
        person: person(random, setting, at),
        action: action(random, n, wall),
        reference: None,
        accepted_at: wall,
        custom: is_bad.then(|| BAD.into()),
    };
    let person = match event.action {
        Action::MarkAsRead { .. } | Action::Typing { .. } if chance(random, 500) => None,
        Action::MarkAsRead { .. }
        | Action::Typing { .. }
        | Action::Block
        | Action::UnBlock
        | Action::Conversion(_) => event.person.clone(),
    };
    let event = Event { person, ..event };
    let hash = u128::try_from(n).expect("few events").to_le_bytes();
    let key = Key { hash, fingerprint: Some(hash), until: wall.saturating_add(KEY_LIFE) };
    let expires = expiry(random, &event, at, wall);
    let (event, wait) = lacking(&mut dice.clicks, setting, event);
    let row = NewRow::of_event(&event, wall, expires, vec![key]);
    Post { row, wait, state: Posted::Unanswered, stored: None }
}

/// Takes the click id from some conversions, and says how long these wait for one.
fn lacking(random: &mut Rng, setting: &Setting, mut event: Event) -> (Event, Option<Duration>) {
    let Action::Conversion(conversion) = &mut event.action else { return (event, None) };
    if !chance(random, setting.lacking) {
        return (event, None);
    }
    conversion.click = None;
    let waits =
        [Duration::from_secs(1), Duration::from_secs(20), Duration::from_mins(5), Duration::from_hours(1)];
    let wait = pick(random, &waits);
    (event, Some(wait))
}

fn expiry(random: &mut Rng, event: &Event, at: u64, wall: Timestamp) -> Timestamp {
    let days = Duration::from_hours(24 * 7);
    let life = match event.action {
        Action::Typing { .. } if at > 0 => Duration::from_secs(25),
        Action::MarkAsRead { .. }
        | Action::Typing { .. }
        | Action::Block
        | Action::UnBlock
        | Action::Conversion(_)
            if at == 0 =>
        {
            days
        }
        Action::MarkAsRead { .. }
        | Action::Typing { .. }
        | Action::Block
        | Action::UnBlock
        | Action::Conversion(_) => pick(
            random,
            &[Duration::from_secs(2), Duration::from_mins(2), Duration::from_hours(2), days, days],
        ),
    };
    wall.saturating_add(life)
}

/// The untouched number has persons of its own; those of the others meet several of them.
pub(crate) fn person(random: &mut Rng, setting: &Setting, at: u64) -> Option<Person> {
    let of_number = if at == 0 { 49_170_000_000 } else { 49_180_000_000 };
    Some(Person::Phone(
        PhoneNumber::from_u64(of_number + random.u64(..setting.persons)).expect("eleven digits are a number"),
    ))
}

fn action(random: &mut Rng, n: usize, wall: Timestamp) -> Action {
    let message_id = Wamid::parse(&format!("wamid.{n}")).expect("a valid id");
    match random.u32(..10) {
        0..2 => Action::MarkAsRead { message_id },
        2 => Action::Typing { message_id },
        3..5 => Action::Block,
        5..7 => Action::UnBlock,
        _ => Action::Conversion(Box::new(Conversion {
            name: pick(random, &[ConversionName::LeadSubmitted, ConversionName::AddToCart]),
            click: Some(ClickId {
                value: CtwaClid::parse(&format!("click-{n}")).expect("a valid id"),
                captured: false,
            }),
            event_time: wall,
            event_id: None,
            currency: None,
            value: None,
        })),
    }
}
