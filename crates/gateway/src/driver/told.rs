//! What is told of events when their settlements are committed: to those who wait or watch, to the log, and to shadows.

use laneway_engine::{Change, SettlementId};
use laneway_journal::{Row, Sequence};
use laneway_model::{EventKind, Status, Timestamp};

use super::calls::{self, Call};
use super::{Changed, Driver, Ended, shadow};

/// What is said of an event when its settlement is committed.
pub(super) struct Outcome {
    pub(super) change: Change,
    ended: Option<Ended>,
    changed: Option<Changed>,
    shadow: Option<shadow::Job>,
}

impl Driver {
    /// What there is to say of a change once it is committed.
    pub(super) fn outcome(&self, now: Timestamp, call: Option<&Call>, change: Change) -> Outcome {
        let member = call.and_then(|call| call.member(change.sequence));
        let ended = member.filter(|_| !change.status.is_open()).map(|member| {
            self.telemetry.delivery.ended(
                member.event.kind(),
                change.status,
                now.since(member.event.accepted_at),
            );
            Ended {
                id: member.id,
                kind: member.event.kind(),
                person: member.event.person.as_ref().map(laneway_model::Person::masked),
                status: change.status,
                at: now,
                call: call.and_then(Call::line),
                trace_id: call.and_then(Call::trace_id),
                reason: call.and_then(|call| call.reason(&change)),
            }
        });
        let changed = member.filter(|_| self.shared.is_followed()).map(|member| Changed {
            id: member.id,
            account: member.event.account.clone(),
            kind: member.event.kind(),
            business: member.event.business,
            person: member.event.person.clone(),
            status: change.status,
            reason: call.filter(|_| !change.status.is_open()).and_then(|call| call.reason(&change)),
            at: now,
        });
        let shadow = member.zip(call).and_then(|(member, call)| {
            let second = self.directory.shadow(member.event.business, member.event.kind())?;
            shadow::Job::new(member, change.status, call.outcome(change.sequence), second)
        });
        Outcome { change, ended, changed, shadow }
    }

    /// Tells a change of a row that no call carried.
    pub(super) fn changed_without_call(
        &self,
        row: &Row,
        status: Status,
        reason: Option<String>,
    ) -> Option<Changed> {
        Some(Changed {
            id: row.id,
            account: row.account.clone(),
            kind: EventKind::from_code(row.kind)?,
            business: row.business,
            person: row.person.clone(),
            status,
            reason,
            at: self.clock.wall(),
        })
    }

    fn ended_without_call(&self, row: &Row, change: &Change) -> Option<Ended> {
        Some(Ended {
            id: row.id,
            kind: EventKind::from_code(row.kind)?,
            person: row.person.as_ref().map(laneway_model::Person::masked),
            status: change.status,
            at: self.clock.wall(),
            call: None,
            trace_id: None,
            reason: calls::reason(change, None),
        })
    }

    /// Tells of a settlement that is committed, whoever wants to know.
    pub(super) fn settled(&mut self, settlement: SettlementId, rows: &[Row], unlike: &[Sequence]) {
        let mut outcomes = self.settling.remove(&settlement).unwrap_or_default();
        outcomes.retain(|outcome| !unlike.contains(&outcome.change.sequence));
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.ended.is_none()) {
            let row = rows.iter().find(|row| row.id.sequence() == outcome.change.sequence);
            outcome.ended = row.and_then(|row| self.ended_without_call(row, &outcome.change));
            outcome.changed = outcome.changed.take().or_else(|| {
                let reason = outcome.ended.as_ref().and_then(|ended| ended.reason.clone());
                self.changed_without_call(row?, outcome.change.status, reason)
            });
        }
        for outcome in &mut outcomes {
            outcome.changed.take().into_iter().for_each(|changed| self.shared.tell_changed(changed));
            outcome.shadow.take().into_iter().for_each(|job| self.shadows.follow(job));
        }
        let finals = outcomes.iter().filter(|outcome| !outcome.change.status.is_open());
        self.shared.settled(finals.map(|outcome| outcome.change.sequence));
        for ended in outcomes.into_iter().filter_map(|outcome| outcome.ended) {
            tracing::debug!(
                event.id = %ended.id,
                event.r#type = %ended.kind,
                person = ended.person.as_deref(),
                status = %ended.status,
                call = ended.call.as_deref(),
                reason = ended.reason.as_deref(),
                "an event ended"
            );
            if self.shared.is_watched() {
                self.shared.announce(ended);
            }
        }
    }
}
