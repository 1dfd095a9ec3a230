//! Lanes: events of one person that do not commute leave one after the other.

use std::collections::BTreeMap;

use crate::entries::{Chain, Entries, List, Slot, State};

/// The lanes that have events, by the hash of business number and person. Two persons may share a hash; then they share
/// a lane, which is slower and never wrong.
///
/// Every open event of a kind that keeps order stands in its lane until it is forgotten. So an event that was given up
/// while it waited still holds back those behind it until that is committed.
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

    /// Says who may leave when this event is to be tried again: itself if it is the head, unless an earlier one has come
    /// meanwhile, which then takes its place.
    pub(crate) fn again(&mut self, entries: &mut Entries, slot: Slot) -> Option<Slot> {
        let lane = self.lanes.get_mut(&entries[slot].lane)?;
        if lane.head != slot {
            entries[slot].state = State::Lane;
            return None;
        }
        let order = entries[slot].order;
        let Some(earlier) = lane.waiting.first().filter(|first| entries[*first].order < order) else {
            return Some(slot);
        };
        entries.unlink(&mut lane.waiting, Chain::Waiting, earlier);
        lane.head = earlier;
        entries[slot].state = State::Lane;
        entries.insert_by_order(&mut lane.waiting, Chain::Waiting, slot);
        Self::unless_settling(entries, earlier)
    }

    /// Ends an event's time in its lane. If it was the head, the next one, if there is one, may leave now.
    pub(crate) fn leave(&mut self, entries: &mut Entries, slot: Slot) -> Option<Slot> {
        let hash = entries[slot].lane;
        let lane = self.lanes.get_mut(&hash)?;
        if lane.head != slot {
            entries.unlink(&mut lane.waiting, Chain::Waiting, slot);
            return None;
        }
        let Some(next) = entries.pop_front(&mut lane.waiting, Chain::Waiting) else {
            self.lanes.remove(&hash);
            return None;
        };
        lane.head = next;
        Self::unless_settling(entries, next)
    }

    /// A head whose own settlement is on its way leaves, or lets the next one leave, when that is committed.
    fn unless_settling(entries: &Entries, head: Slot) -> Option<Slot> {
        (entries[head].state == State::Lane).then_some(head)
    }
}
