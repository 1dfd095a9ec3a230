//! What is going on with one open event, for whoever asks.

use laneway_model::{Timestamp, WaitingFor};

use crate::entries::{Open, State};
use crate::inputs::{Now, Sequence};
use crate::pauses::{Gate, Obstacle, RestCause, Way};

use super::Engine;

/// What is going on with an open event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Whether a call for it is under way.
    pub sending: bool,
    /// What it waits for, when it is not simply its turn.
    pub waiting_for: Option<WaitingFor>,
    /// When it is tried next, if that is planned.
    pub next_attempt_at: Option<Timestamp>,
}

impl Live {
    const QUIET: Self = Self { sending: false, waiting_for: None, next_attempt_at: None };
}

/// Where the wish to give an open event up stands, once [`Control::Discard`](crate::Control::Discard) was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivingUp {
    /// Its end is being committed: by this wish, or by what came before it.
    Ending,
    /// A call carries it, and is not stopped.
    Called,
    /// What a call of it has led to is being committed; after that it can be given up, if it is open still.
    NotYet,
}

impl Engine {
    /// Where the wish to give the event up stands; `None` if it is not open.
    pub fn giving_up(&self, sequence: Sequence) -> Option<GivingUp> {
        match self.entries[self.sequences.get(sequence)?].state {
            State::Called => Some(GivingUp::Called),
            State::Ending | State::Failing => Some(GivingUp::Ending),
            State::Held => None,
            // What was superseded by an event about somebody else comes back.
            State::Settling
            | State::Superseded
            | State::Ready
            | State::Part
            | State::Later
            | State::Lacking
            | State::Seeking
            | State::Lane => Some(GivingUp::NotYet),
        }
    }

    /// What is going on with an open event; `None` if it is not open.
    pub fn live(&self, now: Now, sequence: Sequence) -> Option<Live> {
        let open = &self.entries[self.sequences.get(sequence)?];
        Some(match open.state {
            State::Called => Live { sending: true, ..Live::QUIET },
            State::Held => return None,
            State::Settling | State::Ending | State::Superseded | State::Failing => Live::QUIET,
            State::Lacking | State::Seeking => Live { waiting_for: Some(WaitingFor::ClickId), ..Live::QUIET },
            State::Lane if self.lanes.is_held(&self.entries, open.lane) => {
                Live { waiting_for: Some(WaitingFor::Operator), ..Live::QUIET }
            }
            State::Lane => Live { waiting_for: Some(WaitingFor::Lane), ..Live::QUIET },
            State::Ready | State::Part | State::Later => self.live_waiting(now, open),
        })
    }

    /// An event waits for its own moment and for the end of every pause that covers it.
    fn live_waiting(&self, now: Now, open: &Open) -> Live {
        let number = &self.numbers[open.number as usize];
        let (Some(setup), Some(kind)) = (&number.setup, self.policy.kinds.get(&open.kind)) else {
            return Live { waiting_for: Some(WaitingFor::Operator), ..Live::QUIET };
        };
        let way = Way { family: kind.family, route: number.route(open.kind) };
        let due_ms = (open.state == State::Later).then_some(open.due_ms);
        let (waiting_for, paused_until_ms) = match self.pauses.gate(now.elapsed_ms, open.number, way, setup) {
            Gate::Open(_) => (None, None),
            Gate::Probing => (Some(WaitingFor::Credential), None),
            Gate::Until(until_ms, obstacle) => (waiting_for(obstacle), Some(until_ms)),
        };
        let next_ms = due_ms.max(paused_until_ms);
        let next_attempt_at = next_ms.map(|ms| {
            Timestamp::from_millis(now.wall.as_millis().saturating_add(ms.saturating_sub(now.elapsed_ms)))
        });
        Live { sending: false, waiting_for, next_attempt_at }
    }
}

const fn waiting_for(obstacle: Obstacle) -> Option<WaitingFor> {
    match obstacle {
        Obstacle::Rest(RestCause::Throttle) => Some(WaitingFor::Throttle),
        Obstacle::Rest(RestCause::Outage) => None,
        Obstacle::Refused => Some(WaitingFor::Credential),
    }
}
