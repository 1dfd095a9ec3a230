//! Decisions are committed, and take effect only then.

use crate::decide::Decision;
use crate::entries::{Open, Slot, State};
use crate::inputs::{Cause, Change, Effect, Now, SettlementId};

use super::Engine;

/// The most changes in one settlement that is not the answer to a call.
const DECISIONS_PER_SETTLEMENT_MAX: usize = 500;

impl Engine {
    /// Asks for the decisions to be committed; until they are, the events rest.
    pub(super) fn settle(
        &mut self,
        now: Now,
        cause: Cause,
        decisions: &[(Slot, Decision)],
        effects: &mut Vec<Effect>,
    ) {
        if decisions.is_empty() {
            return;
        }
        self.settlements_counted += 1;
        let settlement = self.settlements_counted;
        let mut changes = Vec::with_capacity(decisions.len());
        for (slot, decision) in decisions {
            let open = &mut self.entries[*slot];
            open.state = if decision.status.is_open() { State::Settling } else { State::Ending };
            open.due_ms = now.elapsed_after(decision.delay);
            changes.push(Change {
                sequence: open.sequence,
                status: decision.status,
                due: now.wall_after(decision.delay),
                reason: decision.reason,
                possibly_duplicate: decision.possibly_duplicate,
            });
        }
        self.settlements.insert(settlement, decisions.iter().map(|(slot, _)| *slot).collect());
        effects.push(Effect::Settle { settlement, cause, changes });
    }

    /// Ends events without a call, in settlements of bounded size. They must wait for nothing any more.
    pub(super) fn end_all(&mut self, now: Now, slots: &[Slot], end: Decision, effects: &mut Vec<Effect>) {
        for some in slots.chunks(DECISIONS_PER_SETTLEMENT_MAX) {
            let decisions: Vec<_> = some.iter().map(|slot| (*slot, end)).collect();
            self.settle(now, Cause::Decision, &decisions, effects);
        }
    }

    pub(super) fn settled(&mut self, now: Now, settlement: SettlementId) {
        for slot in self.settlements.remove(&settlement).unwrap_or_default() {
            match self.entries[slot].state {
                State::Ending => self.forget(now, slot),
                State::Settling => self.again(now, slot),
                State::Ready | State::Later | State::Lane | State::Called => {
                    unreachable!("an event rests until its settlement is committed")
                }
            }
        }
    }

    /// Lets an event be tried again, or its lane go on with an earlier one.
    fn again(&mut self, now: Now, slot: Slot) {
        // Its expiry may have been looked at while nothing could be done about it.
        self.list_expiry(slot);
        if !self.is_ordered(slot) {
            self.make_ready(now, slot);
        } else if let Some(next) = self.lanes.again(&mut self.entries, slot) {
            self.make_ready(now, next);
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
        let Open { sequence, number, .. } = self.entries[slot];
        self.count_open(number, |open| open - 1);
        self.sequences.remove(sequence);
        self.entries.remove(slot);
        if let Some(entry) = self.redriven.remove(&sequence) {
            self.accept(now, &entry);
        }
    }
}
