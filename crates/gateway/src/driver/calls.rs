//! The calls under way: what they carry, and what the journal is told when they end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laneway_channel::cm;
use laneway_channel::meta::{self, Member, Verb, encode};
use laneway_engine::{Change, Reason};
use laneway_journal::{ContactTouch, EndedCall, MemberOutcome, Row, Sequence, Settlement};
use laneway_model::{
    Action, Answer, AttemptOutcome, EventKind, Failure, FailureClass, Outcome, Person, Route, Scope, Status,
    Timestamp, Touch,
};

use super::directory::{Directory, Target};

/// A call that the engine has opened.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    /// `None` if the number has just been taken out of the configuration.
    pub(super) target: Option<Target>,
    pub(super) members: Vec<Member>,
    /// Where each member stands in `members`.
    places: BTreeMap<Sequence, usize>,
    /// Members whose stored bodies cannot be read, with what is wrong.
    unreadable: Vec<(Sequence, String)>,
    /// The journal's number of it, once it is begun there.
    pub(super) begun: Option<laneway_journal::CallId>,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
    pub(super) answer: Option<Answer>,
}

impl Call {
    /// A call with these rows as members; `None` without rows.
    pub(super) fn new(
        rows: &[Arc<Row>],
        now: Timestamp,
        target: impl FnOnce(&Row, EventKind) -> Option<Target>,
    ) -> Option<Self> {
        let first = rows.first()?;
        let kind = EventKind::from_code(first.kind);
        let mut unreadable = Vec::new();
        let members = rows.iter().filter_map(|row| match row.event() {
            Ok(event) => Some(Member { id: row.id, event: Arc::new(event) }),
            Err(error) => {
                tracing::error!(event.id = %row.id, %error, "a stored event cannot be read");
                unreadable.push((row.id.sequence(), error.to_string()));
                None
            }
        });
        let members: Vec<_> = members.collect();
        Some(Self {
            places: places(&members),
            verb: kind.map_or(Verb::MarkAsRead, Verb::of),
            target: kind.and_then(|kind| target(first, kind)),
            members,
            unreadable,
            begun: None,
            started_at: now,
            finished_at: now,
            answer: None,
        })
    }

    /// Leaves out, from the end, the members for whom the body has no room, and says which.
    pub(super) fn leave_over(&mut self) -> Vec<Sequence> {
        let Some(Target::Meta(target)) = self.target.as_ref().filter(|_| self.members.len() > 1) else {
            return Vec::new();
        };
        let fits = encode::fitting(&target.waba_id, &self.members);
        let left_over: Vec<_> = self.members.drain(fits..).map(|member| member.id.sequence()).collect();
        self.places = places(&self.members);
        left_over
    }

    /// Leaves out members that have gone since their rows were loaded.
    pub(super) fn keep_only(&mut self, sequences: &[Sequence]) {
        if self.members.len() + self.unreadable.len() != sequences.len() {
            let kept: BTreeSet<_> = sequences.iter().collect();
            self.members.retain(|member| kept.contains(&member.id.sequence()));
            self.places = places(&self.members);
        }
    }

    /// Leaves out one member, and says whether none is left.
    pub(super) fn leave_out(&mut self, sequence: Sequence) -> bool {
        self.members.retain(|member| member.id.sequence() != sequence);
        self.places = places(&self.members);
        self.unreadable.retain(|(known, _)| *known != sequence);
        self.members.is_empty() && self.unreadable.is_empty()
    }

    /// Where to send it, or the answer to a call that cannot be made at all.
    pub(super) fn sendable(&self) -> Result<Target, Answer> {
        let detail = match &self.target {
            Some(Target::Cm(_)) if self.members.len() > 1 => {
                "Nothing was sent: the route was changed after its group was made, and CM.com takes events one by one."
            }
            Some(target) if self.unreadable.is_empty() => return Ok(target.clone()),
            Some(_) => "Nothing was sent: the stored event of another member of the call cannot be read.",
            None => "Nothing was sent: the business number is no longer in the configuration.",
        };
        Err(Answer::uniform(None, None, &failed(FailureClass::NotSent, detail), self.members.len()))
    }

    /// Whether it could not be made for want of a data set that has become known meanwhile. What it stopped may then go
    /// on at once, as if the configuration had changed after the call.
    pub(super) fn is_outdated(&self, directory: &Directory) -> bool {
        let (Some(Target::Meta(then)), Some(member)) = (&self.target, self.members.first()) else {
            return false;
        };
        let now = || directory.target(member.event.business, member.event.kind());
        self.verb == Verb::Conversions
            && then.dataset_id.is_none()
            && matches!(now(), Some(Target::Meta(now)) if now.dataset_id.is_some())
    }

    /// One outcome per member that the engine named, in its order.
    pub(super) fn outcomes(&self, sequences: &[Sequence]) -> Vec<Outcome> {
        sequences.iter().map(|sequence| self.outcome(*sequence)).collect()
    }

    /// What became of one member.
    pub(super) fn outcome(&self, sequence: Sequence) -> Outcome {
        if let Some((_, problem)) = self.unreadable.iter().find(|(known, _)| *known == sequence) {
            return failed(FailureClass::Rejected, problem);
        }
        let place = self.places.get(&sequence);
        let outcomes = self.answer.as_ref().map(|answer| &answer.outcomes);
        place.and_then(|at| outcomes.and_then(|outcomes| outcomes.get(*at))).cloned().unwrap_or_else(|| {
            failed(FailureClass::Unknown, "The call ended without an answer for this event.")
        })
    }

    /// What the journal is told: the call, what came of it for each member, and what is now known of persons.
    pub(super) fn settlement(&self, now: Timestamp, changes: &[Change]) -> Settlement {
        let outcomes: Vec<_> = changes.iter().map(|change| self.outcome(change.sequence)).collect();
        let members = changes
            .iter()
            .zip(&outcomes)
            .map(|(change, outcome)| member_outcome(change.sequence, outcome))
            .collect();
        let touches = self.members.iter().filter_map(|member| {
            let is_blocked = match &member.event.action {
                Action::Block => true,
                Action::UnBlock => false,
                Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Conversion(_) => return None,
            };
            if self.outcome(member.id.sequence()) != Outcome::Confirmed {
                return None;
            }
            let person: Person = member.event.person.clone()?;
            let touch = Touch::Blocked { blocked: is_blocked, at: self.finished_at };
            Some(ContactTouch { business: member.event.business, person, touch })
        });
        let changed =
            changes.iter().zip(&outcomes).map(|(change, outcome)| journal_change(change, Some(outcome)));
        Settlement {
            at: now,
            touches: touches.collect(),
            changes: changed.collect(),
            call: Some(EndedCall {
                begun: self.begun,
                started_at: self.started_at,
                finished_at: self.finished_at,
                route: self.route(),
                http_status: self.answer.as_ref().and_then(|answer| answer.http_status),
                trace_id: self.trace_id(),
                members,
            }),
            posts: Vec::new(),
        }
    }

    /// Why the event stands where it stands after this call.
    pub(super) fn reason(&self, change: &Change) -> Option<String> {
        reason(change, Some(&self.outcome(change.sequence)))
    }

    /// The service's id for the call.
    pub(super) fn trace_id(&self) -> Option<String> {
        self.answer.as_ref().and_then(|answer| answer.trace_id.clone())
    }

    /// A member by its sequence.
    pub(super) fn member(&self, sequence: Sequence) -> Option<&Member> {
        self.places.get(&sequence).and_then(|at| self.members.get(*at))
    }

    /// Where it goes. A call without a target is never made.
    pub(super) fn route(&self) -> Route {
        self.target.as_ref().map_or(Route::Meta, Target::route)
    }

    /// The call in one line, as whoever watches sees it.
    pub(super) fn line(&self) -> Option<String> {
        let line = match self.target.as_ref()? {
            Target::Meta(target) => meta::request::line(target, self.verb),
            Target::Cm(_) => cm::request::LINE.to_owned(),
        };
        Some(match self.answer.as_ref()?.http_status {
            Some(status) => format!("{line} {status}"),
            None => format!("{line} without an answer"),
        })
    }
}

/// What the journal is told of a decision that no call led to.
pub(crate) fn decided(now: Timestamp, changes: &[Change]) -> Settlement {
    let changes = changes.iter().map(|change| journal_change(change, None)).collect();
    Settlement { at: now, changes, ..Settlement::default() }
}

/// What the journal is told of a call whose end nobody saw.
pub(super) fn interrupted(now: Timestamp, call: laneway_journal::CallId, changes: &[Change]) -> Settlement {
    let lost = failed(FailureClass::Unknown, "The process ended before the answer was seen.");
    let members = changes.iter().map(|change| member_outcome(change.sequence, &lost)).collect();
    Settlement {
        at: now,
        call: Some(EndedCall {
            begun: Some(call),
            started_at: now,
            finished_at: now,
            // The journal knows where it went since it was begun.
            route: Route::Meta,
            http_status: None,
            trace_id: None,
            members,
        }),
        changes: changes.iter().map(|change| journal_change(change, Some(&lost))).collect(),
        ..Settlement::default()
    }
}

fn places(members: &[Member]) -> BTreeMap<Sequence, usize> {
    members.iter().enumerate().map(|(at, member)| (member.id.sequence(), at)).collect()
}

fn failed(class: FailureClass, detail: &str) -> Outcome {
    Outcome::Failed(Failure {
        class,
        scope: Scope::Event,
        code: None,
        subcode: None,
        detail: detail.to_owned(),
    })
}

/// What a call meant for one member, as the journal keeps it.
pub(crate) fn member_outcome(sequence: Sequence, outcome: &Outcome) -> MemberOutcome {
    let (code, subcode, detail) = match outcome {
        Outcome::Confirmed | Outcome::Relayed => (None, None, None),
        Outcome::Failed(failure) => (failure.code, failure.subcode, Some(failure.detail.clone())),
    };
    MemberOutcome { sequence, outcome: AttemptOutcome::from(outcome), code, subcode, detail }
}

/// What becomes of one member, as the journal keeps it.
pub(crate) fn journal_change(change: &Change, outcome: Option<&Outcome>) -> laneway_journal::Change {
    laneway_journal::Change {
        sequence: change.sequence,
        status: change.status,
        due: change.due,
        reason: reason(change, outcome),
        superseded_by: match change.reason {
            Reason::Superseded { by } => Some(by),
            Reason::Answer
            | Reason::Expired
            | Reason::ExpiresBeforeRetry
            | Reason::Closed
            | Reason::AnswerLost
            | Reason::Resend
            | Reason::Halved
            | Reason::Discarded
            | Reason::Lacking => None,
        },
        possibly_duplicate: change.possibly_duplicate,
        holds_lane: change.holds_lane,
    }
}

/// Why the event stands where it stands, for a person.
pub(super) fn reason(change: &Change, outcome: Option<&Outcome>) -> Option<String> {
    let fixed = match change.reason {
        Reason::Answer => {
            return match outcome {
                Some(Outcome::Failed(failure))
                    if matches!(change.status, Status::Failed | Status::InDoubt) =>
                {
                    Some(failure.detail.clone())
                }
                Some(_) | None => None,
            };
        }
        Reason::Resend => "The answer to a call was lost; it is sent again and may count twice.",
        Reason::Halved => {
            "Its group was refused because of one of its events; it is tried again in a smaller one."
        }
        Reason::Superseded { .. } => "A later event made it pointless.",
        Reason::Expired => "Its time was over before it could be delivered.",
        Reason::ExpiresBeforeRetry => "Its time would have been over before the next try.",
        Reason::Closed => {
            "Its user has not written for more than 24 hours, and Meta blocks nobody who has not (131047)."
        }
        Reason::AnswerLost => {
            "It was sent and the answer was lost; it is held, because a repetition could count twice."
        }
        Reason::Discarded => "An operator gave it up.",
        Reason::Lacking => "No click id of its user became known in time.",
    };
    Some(fixed.to_owned())
}
