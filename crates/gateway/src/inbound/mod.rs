//! What notifications mean for what is known of persons.
//!
//! A notification is believed only for the WABAs that the configuration gives to its app, and only about their numbers.
//! What is believed becomes touches of contacts, which may be told twice and in any order; the bytes themselves are kept
//! beside them for a while. Nothing here is judged by when it came, but by when it happened. What of a notification is
//! passed on to whom is told in the same transaction.

mod cm;
mod forwards;
mod last;
mod meta;
#[cfg(test)]
mod tests;

pub use cm::{hear_cm, is_early};
pub use forwards::{Posts, forward_cm, forward_meta};
pub use last::{LastHeard, LastMessages};
pub use meta::hear_meta;

use laneway_journal::ContactTouch;
use laneway_model::{PhoneNumber, Timestamp};

use crate::config::Config;

/// The most updates of one notification that are read. Meta sends up to 1,000 (documented: "not guaranteed").
pub const UPDATES_MAX: usize = 20_000;

/// What a notification tells those that it is believed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What is now known of persons.
    pub touches: Vec<ContactTouch>,
    /// When the last of it happened, per business number.
    pub latest: Vec<(PhoneNumber, Timestamp)>,
    /// Updates that are believed.
    pub believed: usize,
    /// Updates that concern nobody of this app's or this account's.
    pub strange: usize,
    /// Whether the body could not be read at all.
    pub is_unreadable: bool,
}

/// Whether it is some WABA's number already.
fn is_known(config: &Config, number: PhoneNumber) -> bool {
    let mut numbers =
        config.accounts.iter().flat_map(|account| &account.wabas).flat_map(|waba| &waba.numbers);
    numbers.any(|known| known.number == number)
}

impl Heard {
    /// What a body tells that cannot be read: nothing.
    pub const fn unreadable() -> Self {
        Self { touches: Vec::new(), latest: Vec::new(), believed: 0, strange: 0, is_unreadable: true }
    }

    /// Believes one update.
    fn believe(&mut self, business: PhoneNumber, at: Option<Timestamp>) {
        self.believed += 1;
        if let Some(at) = at {
            match self.latest.iter_mut().find(|(number, _)| *number == business) {
                Some((_, latest)) => *latest = at.max(*latest),
                None => self.latest.push((business, at)),
            }
        }
    }
}
