//! What the tasks report, told to the engine.

use laneway_engine::{CallId, Input};
use laneway_journal::Sequence;

use super::{Done, Driver, Error, REPORTS_AT_ONCE};

impl Driver {
    /// Takes a report and those that wait behind it.
    pub(super) fn take_reports(&mut self, first: Done) -> Result<(), Error> {
        let mut next = Some(first);
        for _ in 0..REPORTS_AT_ONCE {
            let Some(done) = next else { break };
            self.take_report(done)?;
            next = self.reports.try_recv().ok();
        }
        match next {
            Some(done) => self.take_report(done),
            None => Ok(()),
        }
    }

    fn take_report(&mut self, done: Done) -> Result<(), Error> {
        let is_settled = matches!(done, Done::Settled { .. });
        let input = match done {
            Done::Loaded { call, members, rows, closed } => self.loaded(call, &members, &rows, closed),
            Done::Begun { call, begun } => {
                if let Some(known) = self.calls.get_mut(&call) {
                    known.begun = Some(begun);
                }
                Input::Begun { call }
            }
            Done::Left { call } => Input::Left { call },
            Done::NotOpen { call, sequence } => {
                self.leave_out(call, sequence);
                Input::Loaded { call, missing: vec![sequence], left_over: Vec::new(), closed: Vec::new() }
            }
            Done::Answered { call, members, answer } => {
                let is_outdated = self.calls.get(&call).is_some_and(|call| call.is_outdated(&self.directory));
                let input = self.answered(call, &members, answer);
                self.tell(input);
                if is_outdated {
                    self.configure();
                }
                return Ok(());
            }
            Done::Settled { settlement, rows, unlike } => {
                self.settled(settlement, &rows, &unlike);
                Input::Settled { settlement, unlike }
            }
            Done::Sought { found, unknown, gone } => {
                for sequence in found.iter().chain(&gone) {
                    self.lacking.remove(&self.shared, *sequence);
                }
                Input::Sought { found, unknown, gone }
            }
            Done::Lost(error) => return Err(Error::Journal(error)),
        };
        self.tell(input);
        if is_settled {
            self.look_at_wishes();
        }
        Ok(())
    }

    /// Takes a member that is final or gone out of a call, and forgets a call without members.
    fn leave_out(&mut self, call: CallId, sequence: Sequence) {
        let is_empty = self.calls.get_mut(&call).is_some_and(|call| call.leave_out(sequence));
        if is_empty {
            self.calls.remove(&call);
        }
    }
}
