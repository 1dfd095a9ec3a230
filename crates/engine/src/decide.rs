//! What an outcome means for one event.

use std::time::Duration;

use laneway_model::{Failure, FailureClass, Outcome, Scope, Status, Timestamp};

use crate::backoff::{self, Jitter};
use crate::inputs::{Now, Reason};
use crate::policy::{Limits, LostAnswer};

/// What becomes of one event after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) status: Status,
    /// The wait before the next try; only for `Retrying`.
    pub(crate) delay: Duration,
    pub(crate) reason: Reason,
    pub(crate) possibly_duplicate: bool,
}

impl Decision {
    pub(crate) const fn end(status: Status, reason: Reason) -> Self {
        Self { status, delay: Duration::ZERO, reason, possibly_duplicate: false }
    }

    const fn retry(delay: Duration) -> Self {
        Self { status: Status::Retrying, delay, reason: Reason::Answer, possibly_duplicate: false }
    }
}

/// What the engine knows of the event when its call ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    /// Calls that have carried it, this one included.
    pub(crate) attempts: u32,
    pub(crate) expires: Timestamp,
    pub(crate) lost_answer: LostAnswer,
    /// Whether the call was its alone.
    pub(crate) alone: bool,
}

pub(crate) fn decide(limits: &Limits, jitter: Jitter, now: Now, tried: Tried, outcome: &Outcome) -> Decision {
    let decision = match outcome {
        Outcome::Confirmed => Decision::end(Status::Confirmed, Reason::Answer),
        Outcome::Relayed => Decision::end(Status::Relayed, Reason::Answer),
        Outcome::Failed(failure) => after_failure(limits, jitter, now, tried, failure),
    };
    if decision.status == Status::Retrying && now.wall_after(decision.delay) >= tried.expires {
        let reason = if now.wall >= tried.expires { Reason::Expired } else { Reason::ExpiresBeforeRetry };
        return Decision::end(Status::Expired, reason);
    }
    decision
}

fn after_failure(limits: &Limits, jitter: Jitter, now: Now, tried: Tried, failure: &Failure) -> Decision {
    let backoff = || backoff::delay(limits, jitter, tried.attempts);
    match failure.class {
        // A connection that was stale says nothing about the service: once more at once, on a fresh one.
        FailureClass::NotSent if tried.attempts <= 1 => Decision::retry(Duration::ZERO),
        FailureClass::NotSent | FailureClass::Transient => Decision::retry(backoff()),
        FailureClass::Throttled { until } => Decision::retry(match (failure.scope, named_wait(now, until)) {
            (_, Some(wait)) => wait,
            (Scope::Event, None) => limits.pair_rate.saturating_add(backoff()),
            (Scope::NumberFamily | Scope::Number | Scope::Waba | Scope::Credential | Scope::App, None) => {
                limits.throttle
            }
        }),
        // A pause of the scope holds the event back; where nothing is paused, the event itself has to wait.
        FailureClass::Unauthorized if failure.scope == Scope::Event => Decision::retry(limits.probe),
        FailureClass::Unauthorized => Decision::retry(Duration::ZERO),
        FailureClass::Rejected => Decision::end(Status::Failed, Reason::Answer),
        FailureClass::RefusedTogether if tried.alone => Decision::end(Status::Failed, Reason::Answer),
        FailureClass::RefusedTogether => {
            Decision { reason: Reason::Halved, ..Decision::retry(Duration::ZERO) }
        }
        FailureClass::Doubtful => Decision::end(Status::InDoubt, Reason::Answer),
        FailureClass::Unknown => match tried.lost_answer {
            LostAnswer::Repeat => Decision::retry(backoff()),
            LostAnswer::Resend => {
                Decision { reason: Reason::Resend, possibly_duplicate: true, ..Decision::retry(backoff()) }
            }
            LostAnswer::Hold => Decision::end(Status::InDoubt, Reason::AnswerLost),
        },
    }
}

/// How long the service says to wait. An end that is over already says nothing: to believe it would mean to call again
/// at once, which is what the service just asked not to do.
pub(crate) fn named_wait(now: Now, until: Option<Timestamp>) -> Option<Duration> {
    until.map(|until| until.since(now.wall)).filter(|wait| !wait.is_zero())
}
