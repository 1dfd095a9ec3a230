//! Effects that must follow from an input, once.

use std::collections::BTreeSet;

use laneway_engine::{Alarm, CallId, Effect, Sequence};
use laneway_model::Outcome;

/// What the input at hand must lead to.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) settle: Option<(CallId, Vec<(Sequence, Outcome)>)>,
    pub(crate) go_on: Option<Effect>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) discards: Vec<Sequence>,
    /// Events that fail because what they lack did not become known.
    pub(crate) failures: BTreeSet<Sequence>,
    /// Events that are ended because the service must refuse them.
    pub(crate) closed: BTreeSet<Sequence>,
    /// Lanes in which only the last word may wait.
    pub(crate) lanes: Vec<u64>,
}

impl Expected {
    /// All of it has come; lanes are looked at by whoever knows the events.
    pub(crate) fn check(&self) {
        assert!(self.settle.is_none(), "an answered call is not settled");
        assert!(self.go_on.is_none(), "a call does not go on");
        assert!(self.alarms.is_empty(), "no alarm: {:?}", self.alarms);
        assert!(self.failures.is_empty(), "in vain: {:?}", self.failures);
        assert!(self.closed.is_empty(), "hopeless: {:?}", self.closed);
        assert!(self.discards.is_empty(), "not discarded: {:?}", self.discards);
    }
}
