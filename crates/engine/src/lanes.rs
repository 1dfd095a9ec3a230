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
        let may_be_displaced = entries[head].state.waits_to_leave();
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

    /// The last event of the lane among those that wait, and those that wait before it. Whatever waited before an event that
    /// is being superseded was superseded with it, so the search ends there, and a lane of any length takes no longer than
    /// what has come since.
    pub(crate) fn waiting(&self, entries: &Entries, hash: u64) -> (Option<Slot>, Vec<Slot>) {
        let (mut latest, mut earlier) = (None, Vec::new());
        let Some(lane) = self.lanes.get(&hash) else { return (latest, earlier) };
        let mut at = lane.waiting.last();
        while let Some(slot) = at {
            match entries[slot].state {
                State::Lane if latest.is_none() => latest = Some(slot),
                State::Lane => earlier.push(slot),
                State::Superseded if latest.is_some() => break,
                State::Superseded
                | State::Ending
                | State::Ready
                | State::Part
                | State::Later
                | State::Lacking
                | State::Seeking
                | State::Called
                | State::Settling
                | State::Failing
                | State::Held => {}
            }
            at = entries.previous(Chain::Waiting, slot);
        }
        if entries[lane.head].state.waits_to_leave() {
            match latest {
                None => latest = Some(lane.head),
                Some(_) => earlier.push(lane.head),
            }
        }
        (latest, earlier)
    }

    /// Whether the lane is held by a dead letter.
    pub(crate) fn is_held(&self, entries: &Entries, hash: u64) -> bool {
        self.lanes.get(&hash).is_some_and(|lane| entries[lane.head].state == State::Held)
    }

    /// A head whose own settlement is on its way leaves, or lets the next one leave, when that is committed.
    fn unless_settling(entries: &Entries, head: Slot) -> Option<Slot> {
        (entries[head].state == State::Lane).then_some(head)
    }
}
