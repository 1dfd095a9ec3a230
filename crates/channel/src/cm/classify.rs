//! An answer to an outcome.
//!
//! CM.com documents no answer of its events endpoint. The one client in public code takes every 2xx for a success, and so
//! does this module, unless the body names an error that is in the table of [`codes`]. Otherwise the code decides, and
//! only where there is no known code does the status. An answer that was lost is in doubt: CM.com is not known to
//! deduplicate.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header};
use laneway_model::{Answer, Failure, FailureClass, Outcome, Scope, Timestamp};
use laneway_wire::cm::RelayAnswer;

use super::Target;
use super::codes::{self, Class};
use crate::http::{Error, Reply};
use crate::meta::classify::{told, without};

/// The most characters of CM.com's own words that are kept.
const WORDS_CHARS_MAX: usize = 400;
/// The longest wait that `Retry-After` is believed.
const RETRY_AFTER_MAX: u64 = 24 * 60 * 60;

/// What became of an event that was sent at `now`.
pub(super) fn answer(target: &Target, now: Timestamp, reply: Result<Reply, Error>) -> Answer {
    let (status, outcome) = match reply {
        Err(error @ Error::NotSent(_)) => (None, failed(FailureClass::NotSent, told(&error))),
        Err(error @ Error::Lost { status, .. }) => (status, failed(FailureClass::Unknown, told(&error))),
        Ok(reply) => (Some(reply.status), complete(target, now, reply.status, &reply.headers, &reply.body)),
    };
    Answer::uniform(status.map(|status| status.as_u16()), None, &outcome, 1)
}

/// What a complete answer means.
pub fn complete(
    target: &Target,
    now: Timestamp,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Outcome {
    let answer = RelayAnswer::read(body).unwrap_or_default();
    let row = answer.code.and_then(codes::find);
    let (class, scope, meaning) = match row {
        Some(row) => (row.class, row.scope, row.meaning),
        None if status.is_success() => return Outcome::Relayed,
        None => {
            let (class, scope, _, meaning) = codes::by_status(status.as_u16());
            (class, scope, meaning)
        }
    };
    let class = match class {
        Class::Transient => FailureClass::Transient,
        Class::Rejected => FailureClass::Rejected,
        Class::Unauthorized => FailureClass::Unauthorized,
        Class::Unknown => FailureClass::Unknown,
        Class::Throttled => {
            FailureClass::Throttled { until: retry_after(headers).map(|wait| now.saturating_add(wait)) }
        }
    };
    let detail = match &answer.details {
        None => meaning.to_owned(),
        Some(words) => {
            let words = without(&target.token, words);
            let mut short: String = words.chars().take(WORDS_CHARS_MAX).collect();
            if short.len() < words.len() {
                short.push('…');
            }
            format!("{meaning} CM.com says: {short}")
        }
    };
    Outcome::Failed(Failure { class, scope, code: answer.code, subcode: None, detail })
}

/// `Retry-After` in seconds, the one form that is of use here. CM.com documents none (unknown).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds <= RETRY_AFTER_MAX).then(|| Duration::from_secs(seconds))
}

fn failed(class: FailureClass, detail: String) -> Outcome {
    Outcome::Failed(Failure { class, scope: Scope::Event, code: None, subcode: None, detail })
}

#[cfg(test)]
mod tests;
