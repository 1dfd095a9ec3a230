//! What is asked about events that lack something: once when they come in, once when there is news or their time is over, and
//! once more when there was news while a question was open.

use std::collections::BTreeSet;

use laneway_engine::Sequence;

/// The questions that are open, and those that must be put.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    open: BTreeSet<Sequence>,
    /// News came after the question was put.
    outdated: BTreeSet<Sequence>,
    /// The input at hand must lead to these.
    owed: BTreeSet<Sequence>,
}

impl Questions {
    /// An event came in, is due, or there is news of it.
    pub(crate) fn owe(&mut self, sequence: Sequence) {
        if self.open.contains(&sequence) {
            self.outdated.insert(sequence);
        } else {
            self.owed.insert(sequence);
        }
    }

    pub(crate) fn ask(&mut self, sequence: Sequence, is_due: bool) {
        assert!(self.open.insert(sequence), "{sequence} is asked for already");
        assert!(self.owed.remove(&sequence) || is_due, "{sequence} is asked for without a reason");
    }

    /// It is not known. Says whether that counts: if there was news meanwhile, it must be asked again.
    pub(crate) fn answer_unknown(&mut self, sequence: Sequence) -> bool {
        let was_open = self.open.remove(&sequence);
        let is_outdated = self.outdated.remove(&sequence);
        if was_open && is_outdated {
            self.owed.insert(sequence);
        }
        was_open && !is_outdated
    }

    /// The event waits for nothing any more.
    pub(crate) fn end(&mut self, sequence: Sequence) {
        for questions in [&mut self.open, &mut self.outdated, &mut self.owed] {
            questions.remove(&sequence);
        }
    }

    pub(crate) fn is_open(&self, sequence: Sequence) -> bool {
        self.open.contains(&sequence)
    }

    /// Nothing is owed after an input.
    pub(crate) fn check(&self) {
        assert!(self.owed.is_empty(), "not asked for: {:?}", self.owed);
    }

    /// Nothing is asked any more.
    pub(crate) fn stop(&mut self) {
        self.owed.clear();
    }
}
