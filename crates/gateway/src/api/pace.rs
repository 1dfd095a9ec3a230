//! When events that are tried again in bulk are due.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use laneway_model::AccountName;

/// So many of an account's events are due at the same moment.
pub(super) const TOGETHER: usize = 50;
/// How much later the next ones are due: with [`TOGETHER`], 100 events a second.
const APART: Duration = Duration::from_millis(500);

/// Until when each account's moments are taken, on the monotonic clock. It is the same for all calls of an account, so
/// that many calls are no faster than one.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<BTreeMap<AccountName, Duration>>);

impl Paces {
    /// Takes the account's next moment: how long from now.
    pub(super) fn next(&self, account: &AccountName, now: Duration) -> Duration {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = taken.entry(account.clone()).or_default();
        let moment = (*until).max(now);
        *until = moment + APART;
        moment - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_each_other_and_a_rest_is_not_saved() {
        let (paces, shop) = (Paces::default(), AccountName::parse("shop").unwrap());
        let ms = Duration::from_millis;
        for (now, expected) in [(0, 0), (0, 500), (100, 900), (1_500, 0), (60_000, 0), (60_000, 500)] {
            assert_eq!(paces.next(&shop, ms(now)), ms(expected), "{now}");
        }
        let salon = AccountName::parse("salon").unwrap();
        assert_eq!(paces.next(&salon, ms(60_000)), ms(0), "each account has its own");
    }
}
