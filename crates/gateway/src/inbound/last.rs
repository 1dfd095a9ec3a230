//! Until when each business number's notifications are known to have come.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use laneway_model::{PhoneNumber, Timestamp};

/// When the last thing happened that a notification told of, per business number: proof that the number's notifications
/// reach this node. It begins empty with the process, so that nothing is taken for proven that was not seen.
#[derive(Debug, Default)]
pub struct LastHeard(Mutex<BTreeMap<PhoneNumber, Timestamp>>);

impl LastHeard {
    /// Notes what has become durable.
    pub fn note(&self, latest: &[(PhoneNumber, Timestamp)]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (business, at) in latest {
            let last = known.entry(*business).or_insert(*at);
            *last = (*last).max(*at);
        }
    }

    /// When the last thing happened at this number that is known of.
    pub fn of(&self, business: PhoneNumber) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&business).copied()
    }
}
