//! Events go out: which calls open now, and what a call goes through until it is made.

use std::collections::BTreeSet;

use laneway_model::Status;

use crate::decide::Decision;
use crate::entries::{Open, Slot, State};
use crate::groups::Part;
use crate::inputs::{CallId, Effect, Now, NumberSetup, Reason, Sequence};
use crate::numbers::{Candidate, Pace, Track};
use crate::pauses::{Gate, PauseKey, Way};

use super::{Call, Engine, Phase, Step};

/// What a number sends next.
struct Choice {
    track: Track,
    /// Whether it is a part of a refused group.
    is_part: bool,
    /// How many events it may have.
    size: usize,
    /// The refused scopes that it tries.
    probes: Vec<PauseKey>,
}

impl Engine {
    /// Opens calls, one number after the other, until nothing may leave any more.
    pub(super) fn dispatch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        while self.calls_free() > 0 {
            let Some(number) = self.next_number() else { return };
            if self.open_call(now, number, effects) && self.numbers[number as usize].has_ready() {
                self.put_in_ring(number);
            }
        }
    }

    /// How many more calls may be under way, all numbers together.
    fn calls_free(&self) -> usize {
        self.policy.limits.calls_in_flight_max.saturating_sub(self.calls.len())
    }

    /// The number whose turn it is. When all have had theirs, it is the turn of the one that was held back with the fewest
    /// calls under way, if there is more room now.
    fn next_number(&mut self) -> Option<u32> {
        if let Some(number) = self.ring.pop_front() {
            self.numbers[number as usize].in_ring = false;
            return Some(number);
        }
        let (in_flight, number) = *self.held_back.first()?;
        if in_flight as usize >= self.calls_free() {
            return None;
        }
        self.held_back.pop_first();
        Some(number)
    }

    /// Opens one call of this number if one may be made, and says whether to look at the number again at once. If it is
    /// only too early, the number is looked at again when it is not.
    fn open_call(&mut self, now: Now, number: u32, effects: &mut Vec<Effect>) -> bool {
        let free = self.calls_free();
        let state = &mut self.numbers[number as usize];
        let Some(setup) = state.setup else { return false };
        if !state.has_ready() {
            return false;
        }
        // No number takes more calls than it leaves to the others, so that slow ones cannot take them all.
        if state.in_flight as usize >= free {
            self.held_back.insert((state.in_flight, number));
            return false;
        }
        match state.pace(now.elapsed_ms, setup.calls_per_second_max) {
            Pace::Now => {}
            Pace::At(until_ms) => {
                self.look_again(number, until_ms);
                return false;
            }
            Pace::AfterLeaving => return false,
        }
        let Some(choice) = self.choose(now, number, &setup) else { return false };
        let members = self.gather(now, number, &choice, effects);
        let Some(kind) = members.first().and_then(|slot| self.kind(*slot)).copied() else { return true };
        self.calls_counted += 1;
        let id = self.calls_counted;
        choice.probes.iter().for_each(|key| self.pauses.begin_probe(*key, id));
        let state = &mut self.numbers[number as usize];
        self.held_back.remove(&(state.in_flight, number));
        state.call_opened(choice.track);
        let reroutes = state.reroutes;
        effects.push(Effect::Load { call: id, members: self.sequences_of(&members) });
        let call = Call {
            number,
            track: choice.track,
            reroutes,
            way: Way { family: kind.family, route: choice.track.route() },
            members,
            is_part: choice.is_part,
            begin: kind.begin,
            step: Step::Loaded,
            probes: choice.probes,
        };
        self.calls.insert(id, call);
        true
    }

    /// The first track, in turn, that may send a group and whose calls are not paused; otherwise the number is looked at
    /// again when a pause ends, or when a part of a refused group is due.
    fn choose(&mut self, now: Now, number: u32, setup: &NumberSetup) -> Option<Choice> {
        let state = &self.numbers[number as usize];
        let mut again_ms: Option<u64> = state.next_part_due_ms().filter(|due_ms| *due_ms > now.elapsed_ms);
        let mut chosen = None;
        for candidate in state.candidates(now.elapsed_ms) {
            let Candidate { track, first, is_part, ready } = candidate;
            let Some(kind) = self.kind(first) else { continue };
            let group_max = self.group_max(first, setup);
            let size = if is_part { Some(group_max) } else { state.next_size(track, ready, group_max) };
            let Some(size) = size else { continue };
            let way = Way { family: kind.family, route: track.route() };
            match self.pauses.gate(now.elapsed_ms, number, way, setup) {
                Gate::Open(probes) => {
                    chosen = Some(Choice { track, is_part, size, probes });
                    break;
                }
                Gate::Until(until_ms, _) => again_ms = Some(again_ms.map_or(until_ms, |ms| ms.min(until_ms))),
                Gate::Probing => {}
            }
        }
        if let Some(again_ms) = again_ms {
            self.look_again(number, again_ms);
        }
        chosen
    }

    /// Plans to look at the number again, unless that is planned for sooner.
    fn look_again(&mut self, number: u32, again_ms: u64) {
        let planned = &mut self.numbers[number as usize].again_ms;
        if planned.is_some_and(|planned_ms| planned_ms <= again_ms) {
            return;
        }
        if let Some(planned_ms) = planned.replace(again_ms) {
            self.gates.remove(&(planned_ms, number));
        }
        self.gates.insert((again_ms, number));
    }

    /// Takes the events of the next call; those whose time is over are settled instead.
    fn gather(&mut self, now: Now, number: u32, choice: &Choice, effects: &mut Vec<Effect>) -> Vec<Slot> {
        self.numbers[number as usize].end_turn(choice.track);
        let (mut members, mut expired) = (Vec::new(), Vec::new());
        if choice.is_part {
            self.take_part(now, number, choice, &mut members, &mut expired);
        } else {
            self.take_ready(now, number, choice, &mut members, &mut expired);
        }
        for slot in &members {
            self.entries[*slot].state = State::Called;
        }
        self.end_all(now, &expired, Decision::end(Status::Expired, Reason::Expired), effects);
        members
    }

    fn take_ready(
        &mut self,
        now: Now,
        number: u32,
        choice: &Choice,
        members: &mut Vec<Slot>,
        expired: &mut Vec<Slot>,
    ) {
        while members.len() < choice.size
            && let Some(slot) = self.numbers[number as usize].pop_ready(&mut self.entries, choice.track)
        {
            if self.is_over(now, slot) {
                expired.push(slot);
            } else {
                members.push(slot);
            }
        }
    }

    /// Takes a part of a refused group. If a new configuration allows less in one call, it is a part no more.
    fn take_part(
        &mut self,
        now: Now,
        number: u32,
        choice: &Choice,
        members: &mut Vec<Slot>,
        expired: &mut Vec<Slot>,
    ) {
        let part = self.numbers[number as usize].groups(choice.track).take_part(now.elapsed_ms);
        (*expired, *members) =
            part.unwrap_or_default().into_iter().partition(|slot| self.is_over(now, *slot));
        if members.len() > choice.size {
            members.drain(..).for_each(|slot| self.back_to_front(slot));
        }
        if members.is_empty() {
            self.numbers[number as usize].groups(choice.track).part_ended();
        }
    }

    fn is_over(&self, now: Now, slot: Slot) -> bool {
        self.entries[slot].expires_ms <= now.wall.as_millis()
    }

    /// Puts an event before all others that are ready.
    fn back_to_front(&mut self, slot: Slot) {
        let Open { number, .. } = self.entries[slot];
        self.entries[slot].state = State::Ready;
        if let Some(track) = self.track(slot) {
            self.numbers[number as usize].push_ready_first(&mut self.entries, track, slot);
        }
    }

    /// The bodies are at hand; or the journal would not begin the call because of members that are gone.
    pub(super) fn loaded(
        &mut self,
        now: Now,
        id: CallId,
        [missing, left_over, closed]: [&[Sequence]; 3],
        effects: &mut Vec<Effect>,
    ) {
        let goes_on = self.calls.get(&id).is_some_and(|call| match call.step {
            Step::Loaded => true,
            Step::Begun => self.sequences_of(&call.members).iter().any(|member| missing.contains(member)),
            Step::Left | Step::Answered => false,
        });
        if !goes_on {
            return;
        }
        let Some(mut call) = self.calls.remove(&id) else { return };
        // What it was opened for may go another way now: that way has its own window and its own pauses.
        let is_rerouted = self.is_rerouted(call.number, call.reroutes);
        let [missing, left_over, closed] =
            [missing, left_over, closed].map(|named| named.iter().collect::<BTreeSet<_>>());
        let (mut members, mut later, mut expired, mut hopeless) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slot in std::mem::take(&mut call.members) {
            let sequence = self.entries[slot].sequence;
            if missing.contains(&sequence) {
                self.forget(now, slot);
            } else if is_rerouted || left_over.contains(&sequence) {
                later.push(slot);
            } else if self.is_over(now, slot) {
                // It may have taken long until its body was there.
                expired.push(slot);
            } else if closed.contains(&sequence) {
                hopeless.push(slot);
            } else {
                members.push(slot);
            }
        }
        self.put_back(now, &call, later);
        self.end_all(now, &expired, Decision::end(Status::Expired, Reason::Expired), effects);
        self.end_all(now, &hopeless, Decision::end(Status::Expired, Reason::Closed), effects);
        if members.is_empty() {
            self.probes_told_nothing(now, id, &call);
            self.end_part(&call);
            self.close(&call);
            return;
        }
        let sequences = self.sequences_of(&members);
        call.members = members;
        if call.begin {
            call.step = Step::Begun;
            effects.push(Effect::Begin { call: id, members: sequences });
            self.calls.insert(id, call);
        } else {
            self.calls.insert(id, call);
            self.send(id, effects);
        }
    }

    /// Lets members for whom a call has no room wait for the next; but a lane may go on with an earlier event.
    fn put_back(&mut self, now: Now, call: &Call, slots: Vec<Slot>) {
        let mut members = Vec::with_capacity(slots.len());
        for slot in slots {
            // Its expiry may have been looked at while nothing could be done about it.
            self.list_expiry(slot);
            members.extend(self.keeps_turn(now, slot).then_some(slot));
        }
        if members.is_empty() {
            return;
        }
        if !call.is_part || self.is_rerouted(call.number, call.reroutes) {
            members.into_iter().rev().for_each(|slot| self.back_to_front(slot));
            // By now they may go another way than the call.
            self.put_in_ring(call.number);
            return;
        }
        for slot in &members {
            self.entries[*slot].state = State::Part;
        }
        let groups = self.numbers[call.number as usize].groups(call.track);
        groups.part_divided();
        groups.push_part(Part { members, due_ms: 0 });
    }

    pub(super) fn begun(&mut self, id: CallId, effects: &mut Vec<Effect>) {
        if self.calls.get(&id).is_some_and(|call| call.step == Step::Begun) {
            self.send(id, effects);
        }
    }

    fn send(&mut self, id: CallId, effects: &mut Vec<Effect>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.step = Step::Left;
        let members = call.members.iter().map(|slot| self.entries[*slot].sequence).collect();
        effects.push(Effect::Send { call: id, members });
    }

    /// From now on the call's place in the number's rate frees itself with time.
    pub(super) fn left(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.step == Step::Left) else { return };
        call.step = Step::Answered;
        let number = call.number;
        self.numbers[number as usize].call_left(now.elapsed_ms);
        // The rate may have waited for this.
        self.put_in_ring(number);
    }

    /// Ends the part of a refused group that the call was made for, if it was.
    pub(super) fn end_part(&mut self, call: &Call) {
        if call.is_part {
            self.numbers[call.number as usize].groups(call.track).part_ended();
        }
    }

    /// Frees what the call held of its number.
    pub(super) fn close(&mut self, call: &Call) {
        let state = &mut self.numbers[call.number as usize];
        self.held_back.remove(&(state.in_flight, call.number));
        state.call_ended(call.track, call.step == Step::Answered);
        self.put_in_ring(call.number);
    }

    pub(super) fn put_in_ring(&mut self, number: u32) {
        let state = &mut self.numbers[number as usize];
        if !state.in_ring {
            state.in_ring = true;
            self.ring.push_back(number);
        }
    }

    pub(super) fn put_all_in_ring(&mut self) {
        for number in 0..self.numbers.len() {
            self.put_in_ring(u32::try_from(number).expect("numbers are counted in 32 bits"));
        }
    }
}
