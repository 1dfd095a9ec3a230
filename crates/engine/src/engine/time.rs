//! Time passes: what becomes due, what may be looked at again, and what expires.

use laneway_model::{Status, Timestamp};

use crate::decide::Decision;
use crate::entries::{Chain, List, Open, Slot, State};
use crate::inputs::{Effect, Now, Reason};

use super::{Engine, Phase};

/// Expiry is looked at once a second; before every try it is compared exactly.
const EXPIRY_STEP_MS: u64 = 1000;

impl Engine {
    /// The monotonic moment, in milliseconds, at which the engine wants a [`Input::Tick`](crate::Input::Tick) if nothing
    /// else happens and the wall clock does not step. `None` while it is not running: then no time makes a difference.
    pub fn next_wake(&self, now: Now) -> Option<u64> {
        if self.phase != Phase::Running {
            return None;
        }
        let later = self.later.keys().next().copied();
        let gate = self.gates.first().map(|(at_ms, _)| *at_ms);
        let expiry = self
            .expiring
            .keys()
            .next()
            .map(|wall_ms| now.elapsed_ms.saturating_add(wall_ms.saturating_sub(now.wall.as_millis())));
        [later, gate, expiry].into_iter().flatten().min()
    }

    pub(super) fn time_passes(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut lacking = Vec::new();
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now.elapsed_ms) {
            let mut list = entry.remove();
            while let Some(slot) = self.entries.pop_front(&mut list, Chain::Waiting) {
                if self.entries[slot].state == State::Lacking {
                    lacking.push(slot);
                } else {
                    self.make_ready(now, slot);
                }
            }
        }
        self.seek_new(&lacking, effects);
        while let Some((at_ms, number)) =
            self.gates.first().copied().filter(|(at_ms, _)| *at_ms <= now.elapsed_ms)
        {
            self.gates.remove(&(at_ms, number));
            self.numbers[number as usize].again_ms = None;
            self.put_in_ring(number);
        }
        if self.phase == Phase::Running {
            self.expire(now, effects);
        }
    }

    fn expire(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut expired = Vec::new();
        while let Some(entry) =
            self.expiring.first_entry().filter(|entry| *entry.key() <= now.wall.as_millis())
        {
            let mut list = entry.remove();
            while let Some(slot) = self.entries.pop_front(&mut list, Chain::Expiring) {
                self.entries[slot].expiring_listed = false;
                // An event in a call is judged by its outcome. If it is to be tried again, it is listed again.
                if self.give_up(slot) {
                    expired.push(slot);
                }
            }
        }
        self.end_all(now, &expired, Decision::end(Status::Expired, Reason::Expired), effects);
    }

    /// Lists an event by its expiry, unless it is listed or never expires.
    pub(super) fn list_expiry(&mut self, slot: Slot) {
        let open = &mut self.entries[slot];
        if !open.expiring_listed && open.expires_ms < Timestamp::MAX.as_millis() {
            open.expiring_listed = true;
            let list = self.expiring.entry(expiry_step(open)).or_insert(List::EMPTY);
            self.entries.push_back(list, Chain::Expiring, slot);
        }
    }

    pub(super) fn unlist_expiry(&mut self, slot: Slot) {
        if !self.entries[slot].expiring_listed {
            return;
        }
        let step = expiry_step(&self.entries[slot]);
        let list = self.expiring.get_mut(&step).expect("a listed event has a list");
        self.entries.unlink(list, Chain::Expiring, slot);
        if list.is_empty() {
            self.expiring.remove(&step);
        }
        self.entries[slot].expiring_listed = false;
    }
}

const fn expiry_step(open: &Open) -> u64 {
    open.expires_ms.div_ceil(EXPIRY_STEP_MS) * EXPIRY_STEP_MS
}
