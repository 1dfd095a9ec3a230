//! Events go out: which calls open now, and what a call goes through until it is made.

use laneway_model::Status;

use crate::decide::Decision;
use crate::entries::{Slot, State};
use crate::inputs::{CallId, Effect, Now, NumberSetup, Reason, Sequence};
use crate::pauses::{Gate, PauseKey};

use super::{Call, Engine, Phase, Step};

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
        if state.window_is_full() || !state.has_ready() {
            return false;
        }
        // No number takes more calls than it leaves to the others, so that slow ones cannot take them all.
        if state.in_flight as usize >= free {
            self.held_back.insert((state.in_flight, number));
            return false;
        }
        if let Some(until_ms) = state.paced_until(now.elapsed_ms, setup.calls_per_second_max) {
            self.look_again(number, until_ms);
            return false;
        }
        let Some((class, probes)) = self.choose_class(now, number, &setup) else { return false };
        let members = self.gather(now, number, class, effects);
        let Some(kind) = members.first().and_then(|slot| self.kind(*slot)).copied() else { return true };
        self.calls_counted += 1;
        let id = self.calls_counted;
        probes.iter().for_each(|key| self.pauses.begin_probe(*key, id));
        self.held_back.remove(&(self.numbers[number as usize].in_flight, number));
        self.numbers[number as usize].call_opened(now.elapsed_ms);
        effects.push(Effect::Load { call: id, members: self.sequences_of(&members) });
        let call =
            Call { number, family: kind.family, members, begin: kind.begin, step: Step::Loaded, probes };
        self.calls.insert(id, call);
        true
    }

    /// The first class, in turn, whose calls are not paused; otherwise the number is looked at again when a pause ends.
    fn choose_class(&mut self, now: Now, number: u32, setup: &NumberSetup) -> Option<(usize, Vec<PauseKey>)> {
        let mut again_ms: Option<u64> = None;
        for (class, slot) in self.numbers[number as usize].candidates() {
            let Some(kind) = self.policy.kinds.get(&self.entries[slot].kind) else { continue };
            match self.pauses.gate(now.elapsed_ms, number, kind.family, setup) {
                Gate::Open(probes) => return Some((class, probes)),
                Gate::Until(until_ms, _) => again_ms = Some(again_ms.map_or(until_ms, |ms| ms.min(until_ms))),
                Gate::Probing => {}
            }
        }
        if let Some(again_ms) = again_ms {
            self.look_again(number, again_ms);
        }
        None
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
    fn gather(&mut self, now: Now, number: u32, class: usize, effects: &mut Vec<Effect>) -> Vec<Slot> {
        let (mut members, mut expired) = (Vec::new(), Vec::new());
        while let Some(slot) = self.numbers[number as usize].pop_ready(&mut self.entries, class) {
            if self.entries[slot].expires_ms <= now.wall.as_millis() {
                expired.push(slot);
                continue;
            }
            self.entries[slot].state = State::Called;
            members.push(slot);
            if self.kind(slot).is_none_or(|kind| members.len() >= kind.group_max) {
                break;
            }
        }
        self.end_all(now, &expired, Decision::end(Status::Expired, Reason::Expired), effects);
        members
    }

    /// The bodies are at hand; or the journal would not begin the call because of members that are gone.
    pub(super) fn loaded(&mut self, now: Now, id: CallId, missing: &[Sequence], effects: &mut Vec<Effect>) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        let (gone, members): (Vec<_>, Vec<_>) =
            call.members.iter().partition(|slot| missing.contains(&self.entries[**slot].sequence));
        let goes_on = match call.step {
            Step::Loaded => true,
            Step::Begun => !gone.is_empty(),
            Step::Answered => false,
        };
        if !goes_on {
            self.calls.insert(id, call);
            return;
        }
        gone.into_iter().for_each(|slot| self.forget(now, slot));
        if members.is_empty() {
            self.probes_told_nothing(now, id, &call);
            self.close(&call);
            return;
        }
        let sequences = self.sequences_of(&members);
        call.members = members;
        if call.begin {
            call.step = Step::Begun;
            effects.push(Effect::Begin { call: id, members: sequences });
        } else {
            call.step = Step::Answered;
            effects.push(Effect::Send { call: id, members: sequences });
        }
        self.calls.insert(id, call);
    }

    pub(super) fn begun(&mut self, id: CallId, effects: &mut Vec<Effect>) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.step == Step::Begun) else { return };
        call.step = Step::Answered;
        let members = call.members.iter().map(|slot| self.entries[*slot].sequence).collect();
        effects.push(Effect::Send { call: id, members });
    }

    /// Frees what the call held of its number.
    pub(super) fn close(&mut self, call: &Call) {
        let state = &mut self.numbers[call.number as usize];
        self.held_back.remove(&(state.in_flight, call.number));
        state.in_flight -= 1;
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
