//! What an outcome means for an event.

use laneway_engine::{Limits, LostAnswer, Now};
use laneway_model::{FailureClass, Outcome, Scope, Status};

/// What an outcome means.
pub(crate) enum Verdict {
    End(Status),
    Retry { least_ms: u64, most_ms: u64 },
}

/// What becomes of an event whose call came to this.
pub(crate) fn verdict(
    limits: &Limits,
    now: Now,
    lost: LostAnswer,
    attempts: u32,
    alone: bool,
    outcome: &Outcome,
) -> Verdict {
    let doubled = millis(limits.backoff_base) << (attempts - 1).min(31);
    let backoff_ms = doubled.min(millis(limits.backoff_max));
    let exactly = |ms| Verdict::Retry { least_ms: ms, most_ms: ms };
    let failure = match outcome {
        Outcome::Confirmed => return Verdict::End(Status::Confirmed),
        Outcome::Relayed => return Verdict::End(Status::Relayed),
        Outcome::Failed(failure) => failure,
    };
    match failure.class {
        FailureClass::NotSent if attempts == 1 => exactly(0),
        FailureClass::NotSent | FailureClass::Transient => {
            Verdict::Retry { least_ms: 0, most_ms: backoff_ms }
        }
        FailureClass::Unknown if lost == LostAnswer::Hold => Verdict::End(Status::InDoubt),
        FailureClass::Unknown => Verdict::Retry { least_ms: 0, most_ms: backoff_ms },
        FailureClass::Rejected => Verdict::End(Status::Failed),
        FailureClass::RefusedTogether if alone => Verdict::End(Status::Failed),
        FailureClass::RefusedTogether => exactly(0),
        FailureClass::Doubtful => Verdict::End(Status::InDoubt),
        FailureClass::Unauthorized if failure.scope == Scope::Event => exactly(millis(limits.probe)),
        FailureClass::Unauthorized => exactly(0),
        FailureClass::Throttled { until } => match until.filter(|until| *until > now.wall) {
            Some(until) => exactly(millis(until.since(now.wall))),
            None if failure.scope == Scope::Event => {
                let least_ms = millis(limits.pair_rate);
                Verdict::Retry { least_ms, most_ms: least_ms + backoff_ms }
            }
            None => exactly(millis(limits.throttle)),
        },
    }
}

pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
