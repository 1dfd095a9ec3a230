//! Decisions are committed, and take effect only then.

use std::collections::BTreeSet;

use laneway_model::Status;

use crate::decide::Decision;
use crate::entries::{Open, Slot, State};
use crate::groups::Part;
use crate::inputs::{Cause, Change, Effect, Now, Sequence, SettlementId};
use crate::numbers::Track;

use super::{Engine, Parts, Settlement};

/// The most changes in one settlement that is not the answer to a call.
const DECISIONS_PER_SETTLEMENT_MAX: usize = 500;

impl Engine {
    /// Asks for the decisions to be committed; until they are, the events rest. Then those that stay open wait again, in
    /// these parts if there are any.
    pub(super) fn settle(
        &mut self,
        now: Now,
        cause: Cause,
        decisions: &[(Slot, Decision)],
        parts: Option<Parts>,
        effects: &mut Vec<Effect>,
    ) {
        if decisions.is_empty() {
            return;
        }
        self.settlements_counted += 1;
        let settlement = self.settlements_counted;
        let mut changes = Vec::with_capacity(decisions.len());
        for (slot, decision) in decisions {
            let holds_lane = decision.status == Status::Failed && self.would_hold(*slot);
            let open = &mut self.entries[*slot];
            open.state = match decision.status {
                status if status.is_open() => State::Settling,
                Status::Superseded => State::Superseded,
                Status::Failed if holds_lane => State::Failing,
                Status::Confirmed
                | Status::Relayed
                | Status::Expired
                | Status::Failed
                | Status::InDoubt
                | Status::Discarded
                | Status::Accepted
                | Status::Sending
                | Status::Retrying => State::Ending,
            };
            open.due_ms = now.elapsed_after(decision.delay);
            changes.push(Change {
                sequence: open.sequence,
                status: decision.status,
                due: now.wall_after(decision.delay),
                reason: decision.reason,
                possibly_duplicate: decision.possibly_duplicate,
                holds_lane,
            });
        }
        let slots = decisions.iter().map(|(slot, _)| *slot).collect();
        self.settlements.insert(settlement, Settlement { slots, parts });
        effects.push(Effect::Settle { settlement, cause, changes });
    }

    /// Ends events without a call, in settlements of bounded size. They must wait for nothing any more.
    pub(super) fn end_all(&mut self, now: Now, slots: &[Slot], end: Decision, effects: &mut Vec<Effect>) {
        let ends: Vec<_> = slots.iter().map(|slot| (*slot, end)).collect();
        self.decide_all(now, &ends, effects);
    }

    /// Commits decisions that no call led to, in settlements of bounded size.
    pub(super) fn decide_all(&mut self, now: Now, decisions: &[(Slot, Decision)], effects: &mut Vec<Effect>) {
        for some in decisions.chunks(DECISIONS_PER_SETTLEMENT_MAX) {
            self.settle(now, Cause::Decision, some, None, effects);
        }
    }

    /// The decisions are committed, but for those about events that are unlike the ones which were to supersede them.
    pub(super) fn settled(
        &mut self,
        now: Now,
        settlement: SettlementId,
        unlike: &[Sequence],
        effects: &mut Vec<Effect>,
    ) {
        let Settlement { slots, parts } = self.settlements.remove(&settlement).unwrap_or_default();
        let in_parts: BTreeSet<Slot> =
            parts.iter().flat_map(|parts| parts.members.iter().flatten().copied()).collect();
        for slot in slots {
            match self.entries[slot].state {
                State::Superseded if unlike.contains(&self.entries[slot].sequence) => {
                    // It never ended, so nobody can have taken it up again.
                    self.redriven.remove(&self.entries[slot].sequence);
                    self.again(now, slot);
                }
                State::Superseded | State::Ending => self.forget(now, slot),
                State::Failing => self.hold(now, slot),
                // Its expiry may have been looked at while nothing could be done about it.
                State::Settling if in_parts.contains(&slot) => self.list_expiry(slot),
                State::Settling => self.again_unless_superseded(now, slot, effects),
                State::Ready
                | State::Part
                | State::Later
                | State::Lacking
                | State::Seeking
                | State::Lane
                | State::Called
                | State::Held => {
                    unreachable!("an event rests until its settlement is committed")
                }
            }
        }
        if let Some(Parts { members, number, track, reroutes }) = parts {
            for part in members.into_iter().rev() {
                self.wait_in_part(now, (number, track), self.is_rerouted(number, reroutes), part);
            }
        }
    }

    /// Lets the members of a part wait for their call together; but a lane may go on with an earlier event, and members
    /// that may go different ways by now wait on their own.
    fn wait_in_part(&mut self, now: Now, (number, track): (u32, Track), is_rerouted: bool, part: Vec<Slot>) {
        let mut members = Vec::with_capacity(part.len());
        for slot in part {
            if !self.keeps_turn(now, slot) {
                continue;
            }
            if is_rerouted {
                self.make_ready(now, slot);
            } else {
                self.entries[slot].state = State::Part;
                members.push(slot);
            }
        }
        let due_ms = members.iter().map(|slot| self.entries[*slot].due_ms).max();
        let groups = self.numbers[number as usize].groups(track);
        match due_ms {
            Some(due_ms) => groups.push_part(Part { members, due_ms }),
            None => groups.part_ended(),
        }
        self.put_in_ring(number);
    }

    /// Whether an event that comes back from a call may be tried again now; otherwise its lane goes on with an earlier one.
    pub(super) fn keeps_turn(&mut self, now: Now, slot: Slot) -> bool {
        if !self.is_ordered(slot) {
            return true;
        }
        match self.lanes.again(&mut self.entries, slot) {
            Some(next) if next == slot => true,
            Some(earlier) => {
                self.make_ready(now, earlier);
                false
            }
            None => false,
        }
    }

    /// Lets an event be tried again, or its lane go on with an earlier one.
    pub(super) fn again(&mut self, now: Now, slot: Slot) {
        // Its expiry may have been looked at while nothing could be done about it.
        self.list_expiry(slot);
        if self.keeps_turn(now, slot) {
            self.make_ready(now, slot);
        }
    }

    /// Lets go of an event that waits for nothing but its lane and its expiry, and lets its lane go on.
    pub(super) fn forget(&mut self, now: Now, slot: Slot) {
        if self.is_ordered(slot)
            && let Some(next) = self.lanes.leave(&mut self.entries, slot)
        {
            self.make_ready(now, next);
        }
        self.unlist_expiry(slot);
        self.is_latest_no_more(slot);
        let Open { sequence, number, .. } = self.entries[slot];
        if !self.held.remove(&slot) {
            self.count_open(number, |open| open - 1);
        }
        self.sequences.remove(sequence);
        self.sought_again.remove(&sequence);
        self.entries.remove(slot);
        self.anew.extend(self.redriven.remove(&sequence));
    }
}
