//! An answer to an outcome. There is no table of codes: what stands at an account's own address is anybody's program, and
//! all that is believed of it is the HTTP status. So a post is given up for good only where HTTP itself says that the
//! address is gone.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use laneway_model::{Answer, Failure, FailureClass, Outcome, Scope, Timestamp};

use crate::http::{Error, Reply};
use crate::meta::classify::told as chain;

/// The longest wait that `Retry-After` is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// What became of a post that was made at `now`.
pub(super) fn answer(now: Timestamp, reply: Result<Reply, Error>) -> Answer {
    match reply {
        Ok(reply) => complete(now, reply.status, &reply.headers),
        // The status says it all; what was to follow is not even looked at.
        Err(Error::Lost { status: Some(status), .. }) => complete(now, status, &HeaderMap::new()),
        Err(error @ Error::Lost { status: None, .. }) => told(None, FailureClass::Unknown, chain(&error)),
        Err(error @ Error::NotSent(_)) => told(None, FailureClass::NotSent, chain(&error)),
    }
}

/// What an answer means.
pub fn complete(now: Timestamp, status: StatusCode, headers: &HeaderMap) -> Answer {
    if status.is_success() {
        return Answer::uniform(Some(status.as_u16()), None, &Outcome::Confirmed, 1);
    }
    let until = retry_after(headers).map(|wait| now.saturating_add(wait));
    let (class, more) = match status {
        StatusCode::GONE => (FailureClass::Rejected, ": it is gone, and what was to go there is given up"),
        StatusCode::TOO_MANY_REQUESTS => (FailureClass::Throttled { until }, ": it wants fewer posts"),
        StatusCode::SERVICE_UNAVAILABLE if until.is_some() => {
            (FailureClass::Throttled { until }, ": it wants to be asked later")
        }
        status if status.is_redirection() => {
            (FailureClass::Transient, ": it leads elsewhere, which is not followed")
        }
        _ => (FailureClass::Transient, ""),
    };
    told(Some(status), class, format!("The address answered {}{more}.", status.as_u16()))
}

/// An answer that says no. What is throttled is the address; everything else is about the one post.
pub(super) fn told(status: Option<StatusCode>, class: FailureClass, detail: String) -> Answer {
    let scope = match class {
        FailureClass::Throttled { .. } => Scope::Number,
        FailureClass::NotSent
        | FailureClass::Unknown
        | FailureClass::Transient
        | FailureClass::Rejected
        | FailureClass::RefusedTogether
        | FailureClass::Doubtful
        | FailureClass::Unauthorized => Scope::Event,
    };
    let failure = Failure { class, scope, code: None, subcode: None, detail };
    Answer::uniform(status.map(|status| status.as_u16()), None, &Outcome::Failed(failure), 1)
}

/// `Retry-After` in seconds, the one form that is of use here; a longer wait than [`RETRY_AFTER_MAX`] is cut to it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::{Rejected, Throttled, Transient};

    #[test]
    fn answers() {
        let now = Timestamp::from_millis(1_000_000);
        let after = |seconds| Throttled { until: Some(now.saturating_add(Duration::from_secs(seconds))) };
        for (status, retry_after, expected) in [
            (200, None, None),
            (204, None, None),
            (299, Some("7"), None),
            (301, None, Some(Transient)),
            (302, Some("7"), Some(Transient)),
            (304, None, Some(Transient)),
            (400, None, Some(Transient)),
            (401, None, Some(Transient)),
            (404, Some("7"), Some(Transient)),
            (410, None, Some(Rejected)),
            (429, None, Some(Throttled { until: None })),
            (429, Some("7"), Some(after(7))),
            (429, Some("Wed, 21 Oct 2026 07:28:00 GMT"), Some(Throttled { until: None })),
            (429, Some("86400"), Some(after(3600))),
            (500, Some("7"), Some(Transient)),
            (503, None, Some(Transient)),
            (503, Some("7"), Some(after(7))),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(retry_after.map(|value| (header::RETRY_AFTER, value.parse().unwrap())));
            let answer = complete(now, StatusCode::from_u16(status).unwrap(), &headers);
            assert_eq!(answer.http_status, Some(status));
            let found = match &answer.outcomes[..] {
                [Outcome::Confirmed] => None,
                [Outcome::Failed(failure)] => {
                    assert!(failure.detail.contains(&status.to_string()), "{}", failure.detail);
                    let is_throttled = matches!(failure.class, Throttled { .. });
                    assert_eq!(failure.scope == Scope::Number, is_throttled, "{status}");
                    Some(failure.class)
                }
                other => panic!("{status}: {other:?}"),
            };
            assert_eq!(found, expected, "{status} {retry_after:?}");
        }
    }
}
