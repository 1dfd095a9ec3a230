//! Lanes: events of one person that do not commute leave one after the other.

use std::collections::BTreeMap;

use crate::entries::{Chain, Entries, List, Slot, State};

/// The lanes that have events, by the hash of business number and person. Two persons may share a hash; then they share
/// a lane, which is slower and never wrong.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<u64, Lane>,
}

#[derive(Debug)]
struct Lane {
    /// The only event of the lane that may leave.
    head: Slot,
    /// The others, in order.
    waiting: List,
}

/// Where an event came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It may leave.
    AtHead,
    /// Others are before it.
    Waiting,
    /// It belongs before the head, which has not left yet and now waits behind it: the caller takes that one back.
    BeforeHead(Slot),
}

impl Lanes {
    pub(crate) fn join(&mut self, entries: &mut Entries, slot: Slot) -> Joined {
        let hash = entries[slot].lane;
        let Some(lane) = self.lanes.get_mut(&hash) else {
            self.lanes.insert(hash, Lane { head: slot, waiting: List::EMPTY });
            return Joined::AtHead;
        };
        let head = lane.head;
        let may_be_displaced = matches!(entries[head].state, State::Ready | State::Later);
        if may_be_displaced && entries[slot].order < entries[head].order {
            lane.head = slot;
            return Joined::BeforeHead(head);
        }
        entries[slot].state = State::Lane;
        entries.insert_by_order(&mut lane.waiting, Chain::Waiting, slot);
        Joined::Waiting
    }

    /// Puts a displaced head behind the new one. It must stand in no list.
    pub(crate) fn wait(&mut self, entries: &mut Entries, slot: Slot) {
        if let Some(lane) = self.lanes.get_mut(&entries[slot].lane) {
            entries[slot].state = State::Lane;
            entries.insert_by_order(&mut lane.waiting, Chain::Waiting, slot);
        }
    }

    /// Takes an event that waits behind others out of its lane.
    pub(crate) fn withdraw(&mut self, entries: &mut Entries, slot: Slot) {
        if let Some(lane) = self.lanes.get_mut(&entries[slot].lane) {
            entries.unlink(&mut lane.waiting, Chain::Waiting, slot);
        }
    }

    /// Ends the head's time in the lane; the next one, if there is one, may leave now.
    pub(crate) fn leave(&mut self, entries: &mut Entries, slot: Slot) -> Option<Slot> {
        let hash = entries[slot].lane;
        let lane = self.lanes.get_mut(&hash).filter(|lane| lane.head == slot)?;
        match entries.pop_front(&mut lane.waiting, Chain::Waiting) {
            Some(next) => {
                lane.head = next;
                Some(next)
            }
            None => {
                self.lanes.remove(&hash);
                None
            }
        }
    }
}
