//! The world: everything WhatsApp and Events Manager would remember.
//!
//! One plain structure. Its methods take the time and the source of ids from outside, do no input or output and never
//! wait, so the server keeps the whole world behind one lock and holds it for moments only. Everything that a call looks
//! up has an index: no call becomes slower because much happened before it.
//!
//! The world is also what the state file holds: indexes are left out of it and rebuilt on loading.

mod accounts;
mod blocklist;
mod chats;
mod conversions;
mod people;
mod webhooks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::phone::Phone;
use crate::switches::Switches;

pub use accounts::NumberInfo;
pub(crate) use accounts::{NewNumber, TokenError, TokenName};
use blocklist::Blocklist;
use chats::Chat;
pub(crate) use chats::{Kind, UserMessage};
pub use chats::{WriteError, Written};
use conversions::{Click, Ledger};
pub(crate) use people::MoveError;
pub(crate) use webhooks::{AD, Notice, Webhook};

/// The state of everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct World {
    /// The choices in force.
    pub(crate) switches: Switches,
    /// The WhatsApp Business accounts, by their id.
    wabas: BTreeMap<String, Waba>,
    /// The business numbers, by their phone number id.
    numbers: BTreeMap<String, Number>,
    /// Every conversion event received, in order.
    ledger: Ledger,
    #[serde(skip)]
    index: Index,
    /// What businesses are still to be told.
    #[serde(skip)]
    notices: Vec<Notice>,
}

/// A WhatsApp Business account with what belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waba {
    access_token: String,
    app_secret: String,
    /// The data set the account has, or gets with the first `POST /{waba_id}/dataset`.
    dataset_id: String,
    dataset_made: bool,
    /// Whether the access token was revoked.
    #[serde(default)]
    revoked: bool,
    /// Whether the account's app was unsubscribed from its webhooks.
    #[serde(default)]
    unsubscribed: bool,
    /// The business-scoped id of every user the account has met.
    people: BTreeMap<Phone, String>,
    /// The clicks on the account's ads, by click id.
    clicks: BTreeMap<String, Click>,
    #[serde(skip)]
    by_user_id: BTreeMap<String, Phone>,
}

/// A business number with its chats.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Number {
    phone: Phone,
    waba_id: String,
    chats: BTreeMap<Phone, Chat>,
    blocklist: Blocklist,
    /// Where its notifications go, if anywhere.
    #[serde(default)]
    webhook: Option<Webhook>,
    /// Where each message is, by wamid.
    #[serde(skip)]
    messages: BTreeMap<Box<str>, Place>,
}

/// Where a message is found: in whose chat, and as which of its messages.
#[derive(Clone, Debug)]
struct Place {
    user: Phone,
    index: usize,
}

/// What is looked up across accounts.
#[derive(Clone, Debug, Default)]
struct Index {
    waba_by_token: BTreeMap<String, String>,
    waba_by_dataset: BTreeMap<String, String>,
    number_by_phone: BTreeMap<Phone, String>,
    message_count: usize,
}

/// A state that cannot be a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DamagedWorld {
    /// A number names an account that is not there.
    #[error("a number belongs to no account")]
    NumberWithoutAccount,
    /// Something that exists once is there twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
}

impl World {
    /// Rebuilds every index after loading, and checks what they rely on.
    ///
    /// # Errors
    /// [`DamagedWorld`] if the parts do not fit together.
    pub(crate) fn rebuild(&mut self) -> Result<(), DamagedWorld> {
        let mut index = Index::default();
        for (waba_id, waba) in &mut self.wabas {
            let seen = index.waba_by_token.insert(waba.access_token.clone(), waba_id.clone());
            unique(seen.is_none(), "an access token")?;
            let seen = index.waba_by_dataset.insert(waba.dataset_id.clone(), waba_id.clone());
            unique(seen.is_none(), "a data set")?;
            waba.by_user_id = waba.people.iter().map(|(phone, id)| (id.clone(), phone.clone())).collect();
            unique(waba.by_user_id.len() == waba.people.len(), "a business-scoped user id")?;
        }
        for (id, number) in &mut self.numbers {
            if !self.wabas.contains_key(&number.waba_id) {
                return Err(DamagedWorld::NumberWithoutAccount);
            }
            let seen = index.number_by_phone.insert(number.phone.clone(), id.clone());
            unique(seen.is_none(), "a business number")?;
            index.message_count += number.rebuild()?;
        }
        self.ledger.rebuild();
        self.index = index;
        Ok(())
    }

    /// Forgets every chat, block, click and conversion. Accounts, numbers and switches stay, revoked tokens are
    /// restored and apps are subscribed again, so that whoever is configured with them keeps working.
    pub(crate) fn reset(&mut self) {
        for waba in self.wabas.values_mut() {
            waba.people.clear();
            waba.by_user_id.clear();
            waba.clicks.clear();
            waba.revoked = false;
            waba.unsubscribed = false;
        }
        for number in self.numbers.values_mut() {
            number.chats.clear();
            number.messages.clear();
            number.blocklist = Blocklist::default();
        }
        self.ledger = Ledger::default();
        self.notices.clear();
        self.index.message_count = 0;
    }
}

impl Number {
    /// Rebuilds the number's indexes and tells how many messages it has.
    fn rebuild(&mut self) -> Result<usize, DamagedWorld> {
        self.messages.clear();
        let mut count = 0;
        for (user, chat) in &mut self.chats {
            chat.rebuild();
            for (index, wamid) in chat.wamids().enumerate() {
                self.messages.insert(wamid.into(), Place { user: user.clone(), index });
                count += 1;
            }
        }
        unique(self.messages.len() == count, "a message")?;
        self.blocklist.rebuild()?;
        Ok(count)
    }
}

/// Refuses what is there twice.
fn unique(holds: bool, what: &'static str) -> Result<(), DamagedWorld> {
    if holds { Ok(()) } else { Err(DamagedWorld::Twice(what)) }
}

#[cfg(test)]
mod tests;
