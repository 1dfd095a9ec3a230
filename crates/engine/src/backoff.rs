//! How long to wait before the next try.

use std::time::Duration;

use crate::Limits;

/// A random wait between nothing and `base * 2^(attempt - 1)`, at most `max`: exponential with full jitter, so that
/// events which failed together do not come back together.
pub(crate) fn delay(limits: &Limits, random: &mut fastrand::Rng, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let ceiling = limits.backoff_base.saturating_mul(1 << doublings).min(limits.backoff_max);
    let ceiling_ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.u64(0..=ceiling_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_within_the_doubling_ceiling(seed: u64, attempt: u32) {
            let limits = Limits::default();
            let wait = delay(&limits, &mut fastrand::Rng::with_seed(seed), attempt);
            prop_assert!(wait <= limits.backoff_max);
            if attempt <= 1 {
                prop_assert!(wait <= limits.backoff_base);
            }
        }
    }

    #[test]
    fn uses_the_whole_range_and_repeats_with_the_seed() {
        let limits = Limits::default();
        let waits = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..1000).map(|_| delay(&limits, &mut random, 4)).collect::<Vec<_>>()
        };
        let all = waits(7);
        assert!(all.iter().any(|w| *w < Duration::from_secs(1)));
        assert!(all.iter().any(|w| *w > Duration::from_secs(7)));
        assert_eq!(all, waits(7));
        assert_ne!(all, waits(8));
    }
}
