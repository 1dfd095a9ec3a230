//! How fast each account may send events.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use laneway_model::AccountName;

/// So much of its rate an account may use at once after a rest.
const BURST: Duration = Duration::from_secs(1);

/// Until when each account has used its rate, on the monotonic clock. A batch is taken whole, and what it uses beyond the
/// rate is made up for afterwards.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<BTreeMap<AccountName, Duration>>);

impl Rates {
    /// Takes so many events of an account, or says when to come back.
    pub(super) fn take(
        &self,
        account: &AccountName,
        per_second: u32,
        events: usize,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = used.entry(account.clone()).or_default();
        let from = (*until).max(now);
        if let Some(late) = (from - now).checked_sub(BURST).filter(|late| !late.is_zero()) {
            return Err(late);
        }
        *until = from + Duration::from_secs_f64(events as f64 / f64::from(per_second.max(1)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_rate_and_a_second_of_it_at_once() {
        let (rates, shop) = (Rates::default(), AccountName::parse("shop").unwrap());
        let at = |ms: u64| Duration::from_secs(100) + Duration::from_millis(ms);
        let taken = |ms: u64| (0..100).take_while(|_| rates.take(&shop, 10, 1, at(ms)).is_ok()).count();
        assert_eq!(taken(0), 11, "a second's worth, and the next");
        assert_eq!(taken(99), 0);
        assert_eq!(rates.take(&shop, 10, 1, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(taken(500), 5);
        assert_eq!(taken(60_000), 11);
        let salon = AccountName::parse("salon").unwrap();
        assert_eq!(rates.take(&salon, 10, 100, at(60_000)), Ok(()), "a batch is taken whole");
        assert_eq!(rates.take(&salon, 10, 1, at(61_000)), Err(Duration::from_secs(8)));
    }
}
