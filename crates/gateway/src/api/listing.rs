//! What lists are asked by: filters, limits and cursors.

use std::str::FromStr;

use laneway_journal::{Filter, Sequence};
use laneway_model::{EventKind, Person, PhoneNumber, Reference, Status};

use super::instant;
use super::problem::Problem;
use super::query::{Query, nearest, quoted};
use crate::config::Account;

/// How many events a list shows when nothing else is asked.
pub(super) const LIMIT_DEFAULT: usize = 50;
/// The most events a list shows.
const LIMIT_MAX: usize = 200;
/// The most events that one call tries again.
pub(super) const RETRIES_MAX: usize = 1_000;

/// What a list, and whatever else takes its filters, is asked by.
pub(super) const LIST_PARAMETERS: [&str; 9] =
    ["status", "type", "from", "to", "reference", "since", "until", "limit", "cursor"];

pub(super) fn filter_of(account: &Account, query: &Query<'_>) -> Result<Filter, Problem> {
    Ok(Filter {
        account: Some(account.name.clone()),
        statuses: query.value("status", statuses_of)?.unwrap_or_default(),
        kinds: query.value("type", kinds_of)?.unwrap_or_default(),
        business: query.value("from", PhoneNumber::parse)?,
        person: query.value("to", Person::parse)?,
        reference: query.value("reference", Reference::parse)?,
        since: query.value("since", instant::parse)?,
        until: query.value("until", instant::parse)?,
    })
}

pub(super) fn statuses_of(text: &str) -> Result<Vec<Status>, String> {
    let mut statuses = Vec::new();
    for word in text.split(',') {
        match word {
            "open" => statuses.extend(Status::ALL.into_iter().filter(|status| status.is_open())),
            "final" => statuses.extend(Status::ALL.into_iter().filter(|status| !status.is_open())),
            word => statuses.push(Status::parse(word).ok_or_else(|| {
                let known = || ["open", "final"].into_iter().chain(Status::ALL.map(Status::as_str));
                not_a_word(word, "a status", nearest(word, known()), known())
            })?),
        }
    }
    Ok(statuses)
}

pub(super) fn kinds_of(text: &str) -> Result<Vec<u8>, String> {
    let kind = |word| {
        EventKind::parse(word).map(EventKind::code).ok_or_else(|| {
            let known = || EventKind::all().map(EventKind::as_str);
            not_a_word(word, "an event type", nearest(word, known()), known())
        })
    };
    text.split(',').map(kind).collect()
}

fn not_a_word(
    word: &str,
    what: &str,
    near: Option<&str>,
    known: impl Iterator<Item = &'static str>,
) -> String {
    let advice = near.map_or_else(
        || format!("it is one of {}", known.collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean {near:?}?"),
    );
    format!("{} is not {what}; {advice}", quoted(word))
}

pub(super) fn limit_of(text: &str) -> Result<usize, String> {
    match usize::from_str(text) {
        Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
        _ => Err(format!("is {}; it is 1 to {LIMIT_MAX}", quoted(text))),
    }
}

/// A cursor is a place in the queue. It has a form of its own, so that nobody mistakes it for a number to count with.
pub(super) fn cursor_of(sequence: Sequence) -> String {
    format!("c{sequence:x}")
}

pub(super) fn sequence_of(text: &str) -> Result<Sequence, &'static str> {
    let digits = text.strip_prefix('c').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    digits
        .and_then(|digits| Sequence::from_str_radix(digits, 16).ok())
        .ok_or("is not a cursor that this resource gave")
}

pub(super) fn retries_of(text: &str) -> Result<usize, String> {
    match usize::from_str(text) {
        Ok(limit @ 1..=RETRIES_MAX) => Ok(limit),
        _ => Err(format!("is {}; it is 1 to {RETRIES_MAX}", quoted(text))),
    }
}
