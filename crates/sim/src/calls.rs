//! What the journal is told of calls and decisions: the driver's part of the bookkeeping.

use std::collections::BTreeMap;

use laneway_engine::{Change, Reason, Sequence};
use laneway_journal::{CallId, ContactTouch, EndedCall, MemberOutcome, Settlement};
use laneway_model::{Action, AttemptOutcome, Outcome, Route, Timestamp, Touch};

use crate::meta::{Member, lost};

/// A call that the engine has opened.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) members: Vec<Member>,
    pub(crate) route: Route,
    /// The journal's number of it, once it is begun there.
    pub(crate) begun: Option<CallId>,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Timestamp,
    pub(crate) told: BTreeMap<Sequence, Outcome>,
}

impl Call {
    /// What the journal is told when it has ended.
    pub(crate) fn settlement(&self, now: Timestamp, changes: &[Change]) -> Settlement {
        let touches = self.members.iter().filter_map(|member| {
            let is_block = match member.event.action {
                Action::Block => true,
                Action::UnBlock => false,
                Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Conversion(_) => return None,
            };
            let is_confirmed = self.told.get(&member.sequence) == Some(&Outcome::Confirmed);
            let person = member.event.person.clone().filter(|_| is_confirmed)?;
            let touch = Touch::Blocked { blocked: is_block, at: self.finished_at };
            Some(ContactTouch { business: member.event.business, person, touch })
        });
        let members = changes
            .iter()
            .filter_map(|change| Some(member_outcome(change.sequence, self.told.get(&change.sequence)?)));
        Settlement {
            at: now,
            touches: touches.collect(),
            changes: changes.iter().map(journal_change).collect(),
            call: Some(EndedCall {
                begun: self.begun,
                started_at: self.started_at,
                finished_at: self.finished_at,
                route: self.route,
                http_status: None,
                trace_id: None,
                members: members.collect(),
            }),
            posts: Vec::new(),
        }
    }
}

/// What the journal is told of a decision that no call led to.
pub(crate) fn decided(now: Timestamp, changes: &[Change]) -> Settlement {
    Settlement { at: now, changes: changes.iter().map(journal_change).collect(), ..Settlement::default() }
}

/// What the journal is told of a call whose end nobody saw.
pub(crate) fn interrupted(now: Timestamp, call: CallId, changes: &[Change]) -> Settlement {
    let ended = EndedCall {
        begun: Some(call),
        started_at: now,
        finished_at: now,
        route: Route::Meta,
        http_status: None,
        trace_id: None,
        members: changes.iter().map(|change| member_outcome(change.sequence, &lost())).collect(),
    };
    Settlement { call: Some(ended), ..decided(now, changes) }
}

fn member_outcome(sequence: Sequence, outcome: &Outcome) -> MemberOutcome {
    let outcome = AttemptOutcome::from(outcome);
    MemberOutcome { sequence, outcome, code: None, subcode: None, detail: None }
}

fn journal_change(change: &Change) -> laneway_journal::Change {
    let superseded_by = match change.reason {
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
    };
    laneway_journal::Change {
        sequence: change.sequence,
        status: change.status,
        due: change.due,
        reason: None,
        superseded_by,
        possibly_duplicate: change.possibly_duplicate,
        holds_lane: change.holds_lane,
    }
}
