//! Outcomes come back: what they mean for the events, for the number, and for wider scopes.

use laneway_model::{Failure, FailureClass, Outcome, Route, Scope, Timestamp};

use crate::backoff::{self, Jitter};
use crate::decide::{self, Decision, Tried};
use crate::entries::Slot;
use crate::inputs::{Alarm, CallId, Cause, Effect, Now};
use crate::numbers::Tells;
use crate::pauses::{Began, PauseKey, RestCause, Way};

use super::{Call, Engine, Parts, Phase, Step};

impl Engine {
    pub(super) fn answered(
        &mut self,
        now: Now,
        id: CallId,
        mut outcomes: Vec<Outcome>,
        effects: &mut Vec<Effect>,
    ) {
        self.left(now, id);
        if self.calls.get(&id).is_none_or(|call| call.step != Step::Answered) {
            return;
        }
        let Some(call) = self.calls.remove(&id) else { return };
        // Whatever left no outcome may have had its effect.
        outcomes.resize_with(call.members.len(), lost);
        self.judge_scopes(now, id, &call, &outcomes, effects);
        let alone = call.members.len() == 1;
        let jitter = Jitter::draw(&mut self.random);
        let members = call.members.iter().zip(&outcomes);
        let decisions: Vec<_> =
            members.map(|(slot, outcome)| (*slot, self.decide(now, jitter, *slot, alone, outcome))).collect();
        let members = self.divide(&call, &outcomes, &decisions);
        let parts = (!members.is_empty()).then_some(Parts {
            members,
            number: call.number,
            track: call.track,
            reroutes: call.reroutes,
        });
        self.close(&call);
        self.settle(now, Cause::Call(id), &decisions, parts, effects);
    }

    /// Judges the calls that the end of the process cut off, once all their members have been told. An engine that stops
    /// leaves them to the next process.
    pub(super) fn settle_interrupted(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        for (journal_call, slots) in std::mem::take(&mut self.interrupted) {
            let jitter = Jitter::draw(&mut self.random);
            let decisions: Vec<_> =
                slots.iter().map(|slot| (*slot, self.decide(now, jitter, *slot, false, &lost()))).collect();
            self.settle(now, Cause::Interrupted(journal_call), &decisions, None, effects);
        }
    }

    fn decide(&mut self, now: Now, jitter: Jitter, slot: Slot, alone: bool, outcome: &Outcome) -> Decision {
        let open = &mut self.entries[slot];
        open.attempts = open.attempts.saturating_add(1);
        let tried = Tried {
            attempts: u32::from(self.entries[slot].attempts),
            expires: Timestamp::from_millis(self.entries[slot].expires_ms),
            lost_answer: self.lost_answer(slot),
            alone,
        };
        decide::decide(&self.policy.limits, jitter, now, tried, outcome)
    }

    /// Into which parts a group falls that was refused because of one of its events. A part that came to nothing for
    /// another reason stays one.
    fn divide(
        &mut self,
        call: &Call,
        outcomes: &[Outcome],
        decisions: &[(Slot, Decision)],
    ) -> Vec<Vec<Slot>> {
        let is_refused = |outcome: &Outcome| match outcome {
            Outcome::Failed(failure) => failure.class == FailureClass::RefusedTogether,
            Outcome::Confirmed | Outcome::Relayed => false,
        };
        let size = call.members.len();
        let group_max = self.kind(call.members[0]).map_or(1, |kind| kind.group_max);
        let groups = self.numbers[call.number as usize].groups(call.track);
        let again: Vec<Slot> = decisions
            .iter()
            .filter(|(_, decision)| decision.status.is_open())
            .map(|(slot, _)| *slot)
            .collect();
        if size > 1 && !again.is_empty() && outcomes.iter().any(is_refused) {
            let piece = groups.refused(again.len(), call.is_part);
            return again.chunks(piece).map(<[Slot]>::to_vec).collect();
        }
        let is_dealt_with =
            outcomes.iter().any(|outcome| matches!(outcome, Outcome::Confirmed | Outcome::Relayed));
        if is_dealt_with {
            groups.passed(size, group_max);
        }
        if call.is_part && again.len() == size {
            return vec![again];
        }
        self.end_part(call);
        Vec::new()
    }

    /// What the answer says of the number's window and of wider scopes.
    fn judge_scopes(
        &mut self,
        now: Now,
        id: CallId,
        call: &Call,
        outcomes: &[Outcome],
        effects: &mut Vec<Effect>,
    ) {
        let mut tells = Tells { works: false, throttled: false, nothing: true };
        let mut refused: Vec<PauseKey> = Vec::new();
        for outcome in outcomes {
            let Outcome::Failed(failure) = outcome else {
                (tells.works, tells.nothing) = (true, false);
                continue;
            };
            match failure.class {
                FailureClass::NotSent | FailureClass::Unknown | FailureClass::Transient => continue,
                FailureClass::Rejected | FailureClass::RefusedTogether | FailureClass::Doubtful => {
                    tells.works = true;
                }
                // A limit on messages to one person says nothing about all others.
                FailureClass::Throttled { .. } if failure.scope == Scope::Event => tells.works = true,
                FailureClass::Throttled { until } => {
                    tells.throttled = true;
                    self.throttle(now, call, failure, until);
                }
                FailureClass::Unauthorized => {
                    refused.extend(self.refuse(now, call, failure, effects));
                }
            }
            tells.nothing = false;
        }
        self.numbers[call.number as usize].call_answered(call.way.route, tells, &self.policy.limits);
        if tells.nothing {
            self.told_nothing(now, call.number, call.way.route);
        }
        self.end_probes(now, id, call, tells.works, &refused, effects);
    }

    fn throttle(&mut self, now: Now, call: &Call, failure: &Failure, until: Option<Timestamp>) {
        if let Some(key) = self.pause_key(call, failure.scope) {
            let wait = decide::named_wait(now, until).unwrap_or(self.policy.limits.throttle);
            let (until_ms, began) = (now.elapsed_after(wait), Began::with(now, failure));
            self.pauses.rest(now.elapsed_ms, key, RestCause::Throttle, until_ms, began);
        }
    }

    fn refuse(
        &mut self,
        now: Now,
        call: &Call,
        failure: &Failure,
        effects: &mut Vec<Effect>,
    ) -> Option<PauseKey> {
        let key = self.pause_key(call, failure.scope)?;
        let probe_at_ms = now.elapsed_after(self.policy.limits.probe);
        if self.pauses.refuse(key, probe_at_ms, Began::with(now, failure)) {
            let business = self.numbers[call.number as usize].business;
            let (Way { family, route }, scope) = (call.way, key.scope());
            let (code, subcode) = (failure.code, failure.subcode);
            let alarm = Alarm::Unauthorized { business, family, route, scope, code, subcode };
            effects.push(Effect::Alarm(alarm));
        }
        Some(key)
    }

    /// None for a failure of one event, and none for a number that has lost its setup: nothing of it is sent anyway.
    fn pause_key(&self, call: &Call, scope: Scope) -> Option<PauseKey> {
        let setup = self.numbers[call.number as usize].setup.as_ref()?;
        PauseKey::of(scope, call.number, call.way, setup)
    }

    /// After a few calls in a row that told nothing, the number rests before the next to the same service, longer each
    /// time.
    fn told_nothing(&mut self, now: Now, number: u32, route: Route) {
        let key = PauseKey::Number(number, route);
        if self.pauses.is_resting(now.elapsed_ms, key) {
            return;
        }
        let limits = self.policy.limits;
        let in_a_row = self.numbers[number as usize].count_inconclusive(route);
        if let Some(rests) = in_a_row.checked_sub(limits.outage_calls).filter(|rests| *rests > 0) {
            let rest = backoff::delay(&limits, Jitter::draw(&mut self.random), rests).min(limits.outage_max);
            let until_ms = now.elapsed_after(rest);
            self.pauses.rest(now.elapsed_ms, key, RestCause::Outage, until_ms, Began::in_silence(now));
        }
    }

    /// Ends the refusals that the call was to try, if it shows that they are over.
    fn end_probes(
        &mut self,
        now: Now,
        id: CallId,
        call: &Call,
        works: bool,
        refused: &[PauseKey],
        effects: &mut Vec<Effect>,
    ) {
        let business = self.numbers[call.number as usize].business;
        for key in &call.probes {
            if refused.contains(key) {
                self.pauses.end_probe(*key, id, now.elapsed_ms);
            } else if !works {
                self.pauses.end_probe(*key, id, now.elapsed_after(self.policy.limits.throttle));
            } else if self.pauses.recover(*key) {
                let (Way { family, route }, scope) = (call.way, key.scope());
                effects.push(Effect::Alarm(Alarm::Recovered { business, family, route, scope }));
            }
        }
        // Others have waited for what this call would show.
        if !call.probes.is_empty() {
            self.put_all_in_ring();
        }
    }

    /// The call that was to try refused scopes came to nothing.
    pub(super) fn probes_told_nothing(&mut self, now: Now, id: CallId, call: &Call) {
        self.end_probes(now, id, call, false, &[], &mut Vec::new());
    }
}

/// A call that was sent and whose answer nobody saw.
const fn lost() -> Outcome {
    Outcome::Failed(Failure {
        class: FailureClass::Unknown,
        scope: Scope::Event,
        code: None,
        subcode: None,
        detail: String::new(),
    })
}
