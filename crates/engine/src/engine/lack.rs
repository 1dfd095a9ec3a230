//! Events that lack something without which they cannot be sent: it is sought for until their deadline.

use laneway_model::Status;

use crate::decide::Decision;
use crate::entries::{Chain, List, Slot, State};
use crate::inputs::{Effect, Entry, Now, Reason, Sequence};

use super::{Engine, Phase};
use crate::policy::{KindPolicy, Supersedes};

impl Engine {
    /// Whether what the event lacks is to be found first. It must be of a kind that has nothing to do with others of its
    /// kind: none is held back by it, and none supersedes it.
    pub(super) fn is_lacking(&self, slot: Slot, entry: &Entry) -> bool {
        let stands_alone = |kind: &KindPolicy| !kind.ordered && kind.supersedes == Supersedes::Nothing;
        entry.lacks && self.kind(slot).is_some_and(stands_alone)
    }

    /// Asks for what these events lack. Each waits for the answer; if it is known already, a second one follows, because
    /// what is asked for may have come after the first look.
    pub(super) fn seek(&mut self, sequences: &[Sequence], effects: &mut Vec<Effect>) {
        if self.phase == Phase::Stopping {
            return;
        }
        let mut sought = Vec::new();
        for sequence in sequences {
            let Some(slot) = self.sequences.get(*sequence) else { continue };
            match self.entries[slot].state {
                State::Lacking => {
                    self.unlist_later(slot);
                    self.entries[slot].state = State::Seeking;
                    sought.push(*sequence);
                }
                State::Seeking => drop(self.sought_again.insert(*sequence)),
                State::Ready
                | State::Part
                | State::Later
                | State::Lane
                | State::Called
                | State::Settling
                | State::Ending
                | State::Superseded
                | State::Failing
                | State::Held => {}
            }
        }
        ask(sought, effects);
    }

    /// Asks for what new events lack. They are in no list yet.
    pub(super) fn seek_new(&mut self, slots: &[Slot], effects: &mut Vec<Effect>) {
        for slot in slots {
            self.entries[*slot].state = State::Seeking;
        }
        if self.phase != Phase::Stopping {
            ask(self.sequences_of(slots), effects);
        }
    }

    /// What was sought for: found and committed, not known, or the event itself is gone.
    pub(super) fn sought(
        &mut self,
        now: Now,
        found: &[Sequence],
        unknown: &[Sequence],
        gone: &[Sequence],
        effects: &mut Vec<Effect>,
    ) {
        for slot in self.lacking(found) {
            self.entries[slot].due_ms = now.elapsed_ms;
            self.make_ready(now, slot);
        }
        for slot in self.lacking(gone) {
            self.forget(now, slot);
        }
        if self.phase == Phase::Stopping {
            return;
        }
        let (mut again, mut failed) = (Vec::new(), Vec::new());
        for slot in self.seeking(unknown) {
            if self.sought_again.remove(&self.entries[slot].sequence) {
                again.push(slot);
            } else if self.entries[slot].due_ms <= now.elapsed_ms {
                self.entries[slot].state = State::Ending;
                failed.push(slot);
            } else {
                self.wait_lacking(slot);
            }
        }
        self.seek_new(&again, effects);
        self.end_all(now, &failed, Decision::end(Status::Failed, Reason::Lacking), effects);
    }

    fn seeking(&self, sequences: &[Sequence]) -> Vec<Slot> {
        let slots = sequences.iter().filter_map(|sequence| self.sequences.get(*sequence));
        slots.filter(|slot| self.entries[*slot].state == State::Seeking).collect()
    }

    /// Those that lack something, taken from where they wait: the answer may be that to an earlier question.
    fn lacking(&mut self, sequences: &[Sequence]) -> Vec<Slot> {
        let mut lacking = Vec::new();
        for sequence in sequences {
            let Some(slot) = self.sequences.get(*sequence) else { continue };
            let state = self.entries[slot].state;
            if state == State::Lacking {
                self.unlist_later(slot);
            }
            if matches!(state, State::Lacking | State::Seeking) {
                self.sought_again.remove(sequence);
                self.entries[slot].state = State::Seeking;
                lacking.push(slot);
            }
        }
        lacking
    }

    fn wait_lacking(&mut self, slot: Slot) {
        let open = &mut self.entries[slot];
        open.state = State::Lacking;
        let list = self.later.entry(open.due_ms).or_insert(List::EMPTY);
        self.entries.push_back(list, Chain::Waiting, slot);
    }
}

fn ask(events: Vec<Sequence>, effects: &mut Vec<Effect>) {
    if !events.is_empty() {
        effects.push(Effect::Seek { events });
    }
}
