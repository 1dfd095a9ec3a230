//! Wishes to give an event up, and how they are answered.

use laneway_engine::{Control, GivingUp, Input};
use laneway_journal::Sequence;
use tokio::sync::oneshot;

use super::Driver;

/// Somebody wants one event given up, and to know where that stands.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) sequence: Sequence,
    /// `None`: it is not open.
    pub(super) answer: oneshot::Sender<Option<GivingUp>>,
}

impl Driver {
    /// Gives the event up, or answers why not. While what a call led to is being committed, the wish waits for that.
    pub(super) fn give_up(&mut self, wish: Wish) {
        self.tell(Input::Control(Control::Discard(vec![wish.sequence])));
        match self.engine.giving_up(wish.sequence) {
            Some(GivingUp::NotYet) => self.wishes.push(wish),
            // Whoever asked may have gone away.
            stands @ (Some(GivingUp::Ending | GivingUp::Called) | None) => {
                wish.answer.send(stands).unwrap_or_default();
            }
        }
    }

    /// Something was committed: looks at the wishes that waited.
    pub(super) fn look_at_wishes(&mut self) {
        for wish in std::mem::take(&mut self.wishes) {
            if !wish.answer.is_closed() {
                self.give_up(wish);
            }
        }
    }
}
