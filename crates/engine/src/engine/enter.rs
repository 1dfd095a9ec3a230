//! Events come in, and stand where they wait.

use laneway_model::PhoneNumber;

use crate::entries::{Chain, List, Open, Slot, State};
use crate::inputs::{Effect, Entry, Now};
use crate::lanes::Joined;
use crate::numbers::Number;

use super::Engine;

impl Engine {
    pub(super) fn accept_all(&mut self, now: Now, entries: &[Entry], effects: &mut Vec<Effect>) {
        if entries.is_empty() {
            return;
        }
        let lacking: Vec<_> = entries.iter().filter_map(|entry| self.accept(now, entry)).collect();
        self.seek_new(&lacking, effects);
        self.supersede(now, entries, effects);
        self.settle_interrupted(now, effects);
    }

    /// Says which event lacks something, and stands nowhere yet.
    fn accept(&mut self, now: Now, entry: &Entry) -> Option<Slot> {
        if let Some(known) = self.sequences.get(entry.sequence) {
            // The journal lets an event be redriven as soon as its end is committed, and that may be heard of here before
            // the end itself is.
            let slot = known;
            let known = &self.entries[slot];
            let was_tried_since = !entry.holds_lane && entry.attempts.min(255) >= u32::from(known.attempts);
            match known.state {
                State::Ending | State::Superseded if entry.order > known.order => {
                    self.redriven.insert(entry.sequence, *entry);
                }
                State::Failing if was_tried_since => {
                    self.redriven.insert(entry.sequence, *entry);
                }
                State::Held if was_tried_since => self.redrive(now, slot, entry),
                State::Ready
                | State::Part
                | State::Later
                | State::Lacking
                | State::Seeking
                | State::Lane
                | State::Called
                | State::Settling
                | State::Ending
                | State::Superseded
                | State::Failing
                | State::Held => {}
            }
            return None;
        }
        if entry.holds_lane {
            self.accept_held(entry);
            return None;
        }
        let number = self.number(entry.business);
        self.count_open(number, |open| open + 1);
        let due_ms = now.elapsed_after(entry.due.since(now.wall));
        let slot = self.entries.insert(Open::new(entry, number, due_ms));
        self.sequences.insert(entry.sequence, slot);
        self.list_expiry(slot);
        match entry.interrupted {
            Some(journal_call) if self.kind(slot).is_some() => self.enter_interrupted(slot, journal_call),
            None if self.is_lacking(slot, entry) => return Some(slot),
            // What came of a call for an event of an unknown kind cannot be judged; it is held like all of its kind.
            Some(_) | None => self.enter(now, slot),
        }
        None
    }

    /// Lets an event stand in its lane if it has one, and makes it ready, now or later, if it may leave.
    fn enter(&mut self, now: Now, slot: Slot) {
        if !self.is_ordered(slot) || self.join_lane(slot) {
            self.make_ready(now, slot);
        }
    }

    /// Lets an event stand in its lane, where it holds the others back until its cut-off call is judged.
    fn enter_interrupted(&mut self, slot: Slot, journal_call: u64) {
        if self.is_ordered(slot) {
            self.join_lane(slot);
        }
        self.entries[slot].state = State::Settling;
        self.interrupted.entry(journal_call).or_default().push(slot);
    }

    /// Says whether the event is at the head of its lane.
    pub(super) fn join_lane(&mut self, slot: Slot) -> bool {
        match self.lanes.join(&mut self.entries, slot) {
            Joined::Waiting => return false,
            Joined::AtHead => {}
            Joined::BeforeHead(displaced) => {
                self.unlink_waiting(displaced);
                self.lanes.wait(&mut self.entries, displaced);
            }
        }
        true
    }

    /// Puts an event that stands in no list where it waits for its turn, or for its moment.
    pub(super) fn make_ready(&mut self, now: Now, slot: Slot) {
        let open = &mut self.entries[slot];
        if open.due_ms > now.elapsed_ms {
            open.state = State::Later;
            let due_ms = open.due_ms;
            let list = self.later.entry(due_ms).or_insert(List::EMPTY);
            self.entries.push_back(list, Chain::Waiting, slot);
            return;
        }
        open.state = State::Ready;
        let number = open.number;
        if let Some(track) = self.track(slot) {
            self.numbers[number as usize].push_ready(&mut self.entries, track, slot);
            self.put_in_ring(number);
        }
    }

    /// Takes a waiting event from where it waits, because it is given up. Says whether it was waiting at all.
    pub(super) fn give_up(&mut self, slot: Slot) -> bool {
        match self.entries[slot].state {
            State::Called
            | State::Settling
            | State::Ending
            | State::Superseded
            | State::Failing
            | State::Held => false,
            State::Ready | State::Part | State::Later | State::Lacking => {
                self.unlink_waiting(slot);
                self.entries[slot].state = State::Ending;
                true
            }
            State::Lane | State::Seeking => {
                self.entries[slot].state = State::Ending;
                true
            }
        }
    }

    /// Takes an event out of its number's queue, out of a part, or out of those that wait for their moment.
    fn unlink_waiting(&mut self, slot: Slot) {
        let Open { state, number, .. } = self.entries[slot];
        match state {
            State::Ready => {
                if let Some(track) = self.track(slot) {
                    self.numbers[number as usize].unlink_ready(&mut self.entries, track, slot);
                }
            }
            State::Part => {
                if let Some(track) = self.track(slot) {
                    self.numbers[number as usize].groups(track).leave_part(slot);
                    // With the last part, the halving is over.
                    self.put_in_ring(number);
                }
            }
            State::Later | State::Lacking => self.unlist_later(slot),
            State::Seeking
            | State::Lane
            | State::Called
            | State::Settling
            | State::Ending
            | State::Superseded
            | State::Failing
            | State::Held => {}
        }
    }

    /// Takes an event out of those that wait for their moment.
    pub(super) fn unlist_later(&mut self, slot: Slot) {
        let due_ms = self.entries[slot].due_ms;
        let list = self.later.get_mut(&due_ms).expect("an event that waits has a list");
        self.entries.unlink(list, Chain::Waiting, slot);
        if list.is_empty() {
            self.later.remove(&due_ms);
        }
    }

    /// The business number's place in the table; one that was never heard of gets one.
    pub(super) fn number(&mut self, business: PhoneNumber) -> u32 {
        if let Some(number) = self.number_of.get(&business) {
            return *number;
        }
        let number =
            u32::try_from(self.numbers.len()).expect("there are far fewer than 2^32 business numbers");
        self.numbers.push(Number::new(business, &self.policy.limits));
        self.number_of.insert(business, number);
        number
    }
}
