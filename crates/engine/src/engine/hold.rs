//! Dead letters that hold their lanes, and what lets the lanes go on.

use crate::entries::{Open, Slot, State};
use crate::inputs::{Entry, Now};

use super::Engine;

impl Engine {
    /// Whether the event, were it a dead letter, would hold its lane.
    pub(super) fn would_hold(&self, slot: Slot) -> bool {
        let setup = self.numbers[self.entries[slot].number as usize].setup;
        self.is_ordered(slot) && setup.is_some_and(|setup| setup.holds_lanes)
    }

    /// The event is a dead letter, and that is committed: from now on it only holds its lane.
    pub(super) fn hold(&mut self, now: Now, slot: Slot) {
        if !self.would_hold(slot) {
            self.forget(now, slot);
            return;
        }
        self.unlist_expiry(slot);
        self.entries[slot].state = State::Held;
        self.held.insert(slot);
        self.count_open(self.entries[slot].number, |open| open - 1);
        self.anew.extend(self.redriven.remove(&self.entries[slot].sequence));
    }

    /// A dead letter that holds its lane is found at start. If dead letters of its number hold lanes no more, it is left
    /// aside.
    pub(super) fn accept_held(&mut self, entry: &Entry) {
        let number = self.number(entry.business);
        let kind = self.policy.kinds.get(&entry.kind);
        let lets_go = self.numbers[number as usize].setup.is_some_and(|setup| !setup.holds_lanes);
        if lets_go || !kind.is_some_and(|kind| kind.ordered) {
            return;
        }
        let slot = self.entries.insert(Open::new(entry, number, 0));
        self.sequences.insert(entry.sequence, slot);
        self.join_lane(slot);
        self.entries[slot].state = State::Held;
        self.held.insert(slot);
    }

    /// A dead letter that held its lane is open again, in its old place.
    pub(super) fn redrive(&mut self, now: Now, slot: Slot, entry: &Entry) {
        if self.held.remove(&slot) {
            self.count_open(self.entries[slot].number, |open| open + 1);
        }
        let open = &mut self.entries[slot];
        open.due_ms = now.elapsed_after(entry.due.since(now.wall));
        self.unlist_expiry(slot);
        self.entries[slot].expires_ms = entry.expires.as_millis();
        self.again(now, slot);
    }

    /// Lets the lanes go on of numbers whose dead letters hold them no more.
    pub(super) fn release_lanes(&mut self, now: Now) {
        let released: Vec<Slot> = self
            .held
            .iter()
            .copied()
            .filter(|slot| {
                let setup = self.numbers[self.entries[*slot].number as usize].setup;
                setup.is_some_and(|setup| !setup.holds_lanes)
            })
            .collect();
        released.into_iter().for_each(|slot| self.forget(now, slot));
    }
}
