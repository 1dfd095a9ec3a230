//! People: a user who moves to another number.

use laneway_wire::graph::server::{Happening, WamidDirection};

use super::accounts::fresh;
use super::{Place, World};
use crate::clock::Moment;
use crate::mint::Mint;
use crate::phone::Phone;

/// Why a user cannot move to another number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoveError {
    /// A number cannot be read.
    #[error("{member}: {error}")]
    Unreadable {
        /// Which of the two.
        member: &'static str,
        /// What is wrong with it.
        error: crate::phone::PhoneError,
    },
    /// Nobody with that number has written to a business.
    #[error("no user has the number {0}; a user is there once a chat is")]
    UnknownUser(Phone),
    /// The number belongs to a business or to a user already.
    #[error("to: {0} is in use already")]
    Taken(Phone),
}

impl World {
    /// A user moves to another number, and every business that has a chat with the user and has not blocked the user is
    /// told. Chats and clicks move along, and business-scoped ids are new (D). What becomes of a block is unknown (U):
    /// here it stays with the old number. Tells how many chats moved.
    ///
    /// # Errors
    /// [`MoveError`] if there is no such user, or the new number is in use.
    pub(crate) fn change_number(
        &mut self,
        mint: &mut Mint,
        old: &Phone,
        new: &Phone,
        now: Moment,
    ) -> Result<usize, MoveError> {
        let is_user = |user: &Phone| self.numbers.values().any(|number| number.chats.contains_key(user));
        if !is_user(old) {
            return Err(MoveError::UnknownUser(old.clone()));
        }
        if self.number_id(new).is_some() || is_user(new) {
            return Err(MoveError::Taken(new.clone()));
        }
        let with_chat = self.numbers.iter().filter(|(_, number)| number.chats.contains_key(old));
        let ids: Vec<String> = with_chat.map(|(id, _)| id.clone()).collect();
        // The notification is about the old number and its id, so it is noted before anything moves.
        for id in &ids {
            if !self.numbers[id].blocklist.contains(old) {
                let wamid = mint.wamid(old, WamidDirection::Inbound);
                let changed = Happening::ChangedNumber { new_wa_id: new.digits().to_owned() };
                self.notify(id, old, &wamid, now, changed);
            }
        }
        for id in &ids {
            let number = self.numbers.get_mut(id).expect("it was found a moment ago");
            let chat = number.chats.remove(old).expect("it was found a moment ago");
            for (index, wamid) in chat.wamids().enumerate() {
                number.messages.insert(wamid.into(), Place { user: new.clone(), index });
            }
            number.chats.insert(new.clone(), chat);
        }
        for waba in self.wabas.values_mut() {
            if let Some(id) = waba.people.remove(old) {
                waba.by_user_id.remove(&id);
                let id = fresh(|| mint.user_id(new), |id| !waba.by_user_id.contains_key(id));
                waba.by_user_id.insert(id.clone(), new.clone());
                waba.people.insert(new.clone(), id);
            }
            for click in waba.clicks.values_mut().filter(|click| click.user == *old) {
                click.user = new.clone();
            }
        }
        Ok(ids.len())
    }
}
