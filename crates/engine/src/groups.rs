//! Groups: how events of one number and one class that go the same way share calls.
//!
//! Grouping adds no waiting. One call is under way at a time; what queues up meanwhile leaves together in the next, and a
//! further call opens only for a full group.
//!
//! A group that is refused because of one of its events is halved until the bad event stands alone. The halves, here
//! called parts, are sent as they are and never topped up; until the last of them has ended, no other group leaves. Then
//! the size restarts at the last size that passed and doubles with every full group that passes.
//!
//! Halving a group in which everything is bad would take twice as many calls as it has events. So it has a budget, one
//! call for every [`EVENTS_PER_HALVING_CALL`] events; beyond that, what is refused falls into single events at once. `n`
//! events therefore never take more than about `1.25 n` calls, and one bad event among `n` takes about `2 log2(n)`.

use std::collections::VecDeque;

use crate::entries::Slot;

/// How many events of a refused group pay for one call that looks for the bad one.
pub(crate) const EVENTS_PER_HALVING_CALL: usize = 4;

/// A part of a refused group.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) members: Vec<Slot>,
    /// Before this moment it is not sent. Monotonic, milliseconds.
    pub(crate) due_ms: u64,
}

/// What one number and track know of their groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Calls under way.
    in_flight: u32,
    /// Parts that wait for their call.
    waiting: VecDeque<Part>,
    halving: Option<Halving>,
    /// The size that groups may have again after a halving; `None` when it is over.
    size_max: Option<usize>,
}

/// Refused groups whose parts have not all ended.
#[derive(Debug, Default)]
struct Halving {
    /// Parts that wait here, are in a call, or wait for a settlement to be committed.
    parts: usize,
    /// Events in the groups that were refused first.
    events: usize,
    /// Halves made so far; each takes a call.
    halves: usize,
    /// The size of the last part that passed.
    passed: usize,
}

impl Groups {
    /// How many events the next group may have, with so many ready, if one may leave now.
    pub(crate) fn next_size(&self, ready: usize, group_max: usize) -> Option<usize> {
        if self.halving.is_some() {
            return None;
        }
        let size = self.size_max.unwrap_or(group_max).min(group_max);
        (group_max == 1 || self.in_flight == 0 || ready >= size).then_some(size)
    }

    /// The first event of the part that may leave now.
    pub(crate) fn due_part(&self, now_ms: u64) -> Option<Slot> {
        let part = self.waiting.iter().find(|part| part.due_ms <= now_ms)?;
        part.members.first().copied()
    }

    /// When the next part may leave, if there is one.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.waiting.iter().map(|part| part.due_ms).min()
    }

    /// Takes the part that [`Groups::due_part`] named.
    pub(crate) fn take_part(&mut self, now_ms: u64) -> Option<Vec<Slot>> {
        let at = self.waiting.iter().position(|part| part.due_ms <= now_ms)?;
        self.waiting.remove(at).map(|part| part.members)
    }

    /// Takes a part that waits, whenever it is due.
    pub(crate) fn take_any_part(&mut self) -> Option<Vec<Slot>> {
        self.waiting.pop_front().map(|part| part.members)
    }

    /// Lets a part wait, before those that wait already: the search for one bad event is finished before the next begins.
    pub(crate) fn push_part(&mut self, part: Part) {
        self.waiting.push_front(part);
    }

    /// Takes an event out of the part it waits in. A part without members has ended.
    pub(crate) fn leave_part(&mut self, slot: Slot) {
        let Some(at) = self.waiting.iter().position(|part| part.members.contains(&slot)) else { return };
        let members = &mut self.waiting[at].members;
        members.retain(|member| *member != slot);
        if members.is_empty() {
            self.waiting.remove(at);
            self.part_ended();
        }
    }

    /// Whether parts wait.
    pub(crate) fn has_parts(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many events wait in parts, and one of them.
    pub(crate) fn in_parts(&self) -> (usize, Option<Slot>) {
        let first = self.waiting.front().and_then(|part| part.members.first().copied());
        (self.waiting.iter().map(|part| part.members.len()).sum(), first)
    }

    /// A call was opened.
    pub(crate) fn opened(&mut self) {
        self.in_flight += 1;
    }

    /// A call has ended.
    pub(crate) fn closed(&mut self) {
        self.in_flight -= 1;
    }

    /// A group of this size was refused because of one of its events. Says into pieces of which size it falls.
    pub(crate) fn refused(&mut self, size: usize, is_part: bool) -> usize {
        let halving = self.halving.get_or_insert_default();
        if is_part {
            halving.parts -= 1;
        } else {
            halving.events += size;
        }
        // The first two halves are free, so that small groups are halved as well.
        let is_within_budget = halving.halves <= halving.events / EVENTS_PER_HALVING_CALL;
        let piece = if is_within_budget { size.div_ceil(2) } else { 1 };
        halving.halves += 2 * usize::from(is_within_budget);
        halving.parts += size.div_ceil(piece);
        piece
    }

    /// A group of this size passed: the service dealt with its events one by one.
    pub(crate) fn passed(&mut self, size: usize, group_max: usize) {
        if let Some(halving) = &mut self.halving {
            halving.passed = size;
        } else if let Some(size_max) = self.size_max.filter(|size_max| size >= *size_max) {
            self.size_max = Some(size_max * 2).filter(|doubled| *doubled < group_max);
        }
    }

    /// A part has become two, because one call had no room for all of it.
    pub(crate) fn part_divided(&mut self) {
        self.halving.get_or_insert_default().parts += 1;
    }

    /// A part has ended; with the last one, the halving is over.
    pub(crate) fn part_ended(&mut self) {
        let Some(halving) = &mut self.halving else { return };
        halving.parts -= 1;
        if halving.parts == 0 {
            self.size_max = Some(halving.passed.max(1));
            self.halving = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a group of `events` events, of which those that `is_bad` are, until every part has ended; returns the calls.
    fn calls_for(events: usize, is_bad: impl Fn(usize) -> bool) -> usize {
        let mut groups = Groups::default();
        let all: Vec<Slot> = (0..events).map(Slot::new).collect();
        let mut calls = 0;
        let mut sent = vec![(all, false)];
        while let Some((members, is_part)) = sent.pop() {
            calls += 1;
            groups.opened();
            groups.closed();
            let bad =
                members.iter().any(|slot| is_bad((0..events).position(|n| Slot::new(n) == *slot).unwrap()));
            if bad && members.len() > 1 {
                let piece = groups.refused(members.len(), is_part);
                for part in members.chunks(piece) {
                    groups.push_part(Part { members: part.to_vec(), due_ms: 0 });
                }
            } else {
                if !bad {
                    groups.passed(members.len(), 500);
                }
                if is_part {
                    groups.part_ended();
                }
            }
            sent.extend(groups.take_part(0).map(|members| (members, true)));
        }
        assert!(groups.halving.is_none(), "every part has ended");
        calls
    }

    #[test]
    fn halving_takes_few_calls_for_one_bad_event_and_a_bounded_number_for_many() {
        for at in [0, 1, 249, 250, 498, 499] {
            assert!(calls_for(500, |n| n == at) <= 19, "{at}: {}", calls_for(500, |n| n == at));
        }
        assert_eq!(calls_for(500, |_| false), 1);
        for step in [1, 2, 3, 7, 50, 100] {
            let calls = calls_for(500, |n| n % step == 0);
            assert!(calls <= 500 + 500 / EVENTS_PER_HALVING_CALL + 2, "every {step}th is bad: {calls}");
        }
    }

    #[test]
    fn after_a_halving_the_size_restarts_at_the_last_that_passed_and_doubles() {
        let mut groups = Groups::default();
        assert_eq!(groups.next_size(3, 500), Some(500));
        assert_eq!(groups.refused(500, false), 250);
        assert_eq!(groups.next_size(500, 500), None, "until the last part has ended, no other group leaves");
        groups.passed(250, 500);
        groups.part_ended();
        groups.passed(100, 500);
        groups.part_ended();
        let sizes: Vec<_> = (0..4)
            .map(|_| {
                let size = groups.next_size(1000, 500).unwrap();
                groups.passed(size, 500);
                size
            })
            .collect();
        assert_eq!(sizes, [100, 200, 400, 500]);
    }

    #[test]
    fn a_further_call_opens_only_for_a_full_group() {
        let mut groups = Groups::default();
        groups.opened();
        assert_eq!(groups.next_size(499, 500), None);
        assert_eq!(groups.next_size(500, 500), Some(500));
        assert_eq!(groups.next_size(1, 1), Some(1), "what is not grouped waits for nothing");
        groups.closed();
        assert_eq!(groups.next_size(1, 500), Some(500));
    }
}
