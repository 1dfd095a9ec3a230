//! Which way events go: to Meta or to CM.com, by their kind and their number's setup, and what a new setup changes.

use crate::entries::Slot;
use crate::inputs::{KindSet, Now};
use crate::numbers::Track;

use super::Engine;

impl Engine {
    /// Where an event stands when it is ready; `None` for kinds that are never sent.
    pub(super) fn track(&self, slot: Slot) -> Option<Track> {
        let open = &self.entries[slot];
        let kind = self.policy.kinds.get(&open.kind)?;
        Some(Track::of(kind.class, self.numbers[open.number as usize].route(open.kind)))
    }

    /// Whether a number's routes have changed since they had changed so often.
    pub(super) fn is_rerouted(&self, number: u32, reroutes: u32) -> bool {
        self.numbers[number as usize].reroutes != reroutes
    }

    /// Takes over which kinds of a number are relayed. What is ready goes to where it stands now, and parts of refused
    /// groups fall into their members, which may go different ways. Calls under way end as they were begun.
    pub(super) fn reroute(&mut self, now: Now, number: u32, relayed: KindSet) {
        let state = &mut self.numbers[number as usize];
        if state.relayed == relayed {
            return;
        }
        let mut moved = Vec::new();
        for track in Track::all() {
            while let Some(slot) = state.pop_ready(&mut self.entries, track) {
                moved.push(slot);
            }
            while let Some(part) = state.groups(track).take_any_part() {
                moved.extend(part);
                state.groups(track).part_ended();
            }
        }
        (state.relayed, state.reroutes) = (relayed, state.reroutes.wrapping_add(1));
        moved.into_iter().for_each(|slot| self.make_ready(now, slot));
    }
}
