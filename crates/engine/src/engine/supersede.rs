//! A later event makes an earlier one pointless: only the last word about a person counts.
//!
//! It is decided when the later event is durable, or when the earlier one comes back from a call. What is in a call is never
//! superseded, and the later event's own failure revives nothing. Two persons can share a hash, so whoever commits such a
//! decision compares the persons themselves, and reports those that are not alike (`Settled`).

use std::collections::BTreeSet;

use laneway_model::Status;

use crate::decide::Decision;
use crate::entries::Slot;
use crate::inputs::{Effect, Entry, Now, Reason};
use crate::policy::Supersedes;

use super::{Engine, Phase};

impl Engine {
    /// Compares events that have just been accepted with their like.
    pub(super) fn supersede(&mut self, now: Now, entries: &[Entry], effects: &mut Vec<Effect>) {
        if self.phase == Phase::Stopping {
            return;
        }
        let mut superseded = Vec::new();
        let mut lanes = BTreeSet::new();
        for entry in entries {
            // One that was redriven before its end was known here is taken only after that.
            let taken = self.sequences.get(entry.sequence);
            let Some(slot) = taken.filter(|slot| self.entries[*slot].order == entry.order) else { continue };
            match self.kind(slot).map(|kind| kind.supersedes) {
                Some(Supersedes::Lane) if lanes.insert(self.entries[slot].lane) => {
                    self.supersede_in_lane(slot, &mut superseded);
                }
                Some(Supersedes::Kind) => self.supersede_like(slot, entry.order, &mut superseded),
                Some(Supersedes::Older) if entry.rank > 0 => {
                    self.supersede_like(slot, entry.rank, &mut superseded);
                }
                Some(Supersedes::Lane | Supersedes::Older | Supersedes::Nothing) | None => {}
            }
        }
        self.decide_all(now, &superseded, effects);
    }

    /// Lets only the last of the events that wait in a lane stand.
    fn supersede_in_lane(&mut self, slot: Slot, superseded: &mut Vec<(Slot, Decision)>) {
        let lane = self.entries[slot].lane;
        let (Some(latest), earlier) = self.lanes.waiting(&self.entries, lane) else { return };
        for slot in earlier {
            if self.give_up(slot) {
                superseded.push((slot, self.superseded_by(latest)));
            }
        }
    }

    /// Lets only the latest event of its kind about a person stand. An event that names no person is like no other.
    fn supersede_like(&mut self, slot: Slot, lateness: u64, superseded: &mut Vec<(Slot, Decision)>) {
        let key = (self.entries[slot].kind, self.entries[slot].lane);
        if key.1 == 0 {
            return;
        }
        let (known_lateness, known) = *self.latest.entry(key).or_insert((lateness, slot));
        if known == slot || known_lateness == lateness {
            return;
        }
        let (earlier, later) = if known_lateness < lateness { (known, slot) } else { (slot, known) };
        self.latest.insert(key, (known_lateness.max(lateness), later));
        if self.give_up(earlier) {
            superseded.push((earlier, self.superseded_by(later)));
        }
    }

    /// Lets an event that comes back from a call be tried again, unless a later one has come meanwhile.
    pub(super) fn again_unless_superseded(&mut self, now: Now, slot: Slot, effects: &mut Vec<Effect>) {
        match self.later_than(slot).filter(|_| self.phase != Phase::Stopping) {
            Some(later) => {
                let decision = self.superseded_by(later);
                self.decide_all(now, &[(slot, decision)], effects);
            }
            None => self.again(now, slot),
        }
    }

    fn later_than(&self, slot: Slot) -> Option<Slot> {
        let open = &self.entries[slot];
        let latest = match self.kind(slot)?.supersedes {
            // How new its subject is, is not kept; to send it once more does no harm.
            Supersedes::Nothing | Supersedes::Older => None,
            Supersedes::Lane => self.lanes.waiting(&self.entries, open.lane).0,
            Supersedes::Kind => self.latest.get(&(open.kind, open.lane)).map(|(_, latest)| *latest),
        };
        latest.filter(|latest| *latest != slot && self.entries[*latest].order > open.order)
    }

    pub(super) fn is_latest_no_more(&mut self, slot: Slot) {
        let key = (self.entries[slot].kind, self.entries[slot].lane);
        if self.latest.get(&key).is_some_and(|(_, latest)| *latest == slot) {
            self.latest.remove(&key);
        }
    }

    fn superseded_by(&self, later: Slot) -> Decision {
        let by = self.entries[later].sequence;
        Decision::end(Status::Superseded, Reason::Superseded { by })
    }
}
