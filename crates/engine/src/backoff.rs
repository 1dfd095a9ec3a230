//! How long to wait before the next try.

use std::time::Duration;

use crate::Limits;

/// A random share, one for every call, so that calls which failed together do not come back together, and the events of
/// one call do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn draw(random: &mut fastrand::Rng) -> Self {
        Self(random.u64(..1 << 32))
    }

    /// A number from 0 to `most_ms`.
    fn of(self, most_ms: u64) -> u64 {
        u64::try_from(((u128::from(most_ms) + 1) * u128::from(self.0)) >> 32).unwrap_or(most_ms)
    }
}

/// A wait between nothing and `base * 2^(attempt - 1)`, at most `max`: exponential with full jitter.
pub(crate) fn delay(limits: &Limits, jitter: Jitter, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let ceiling = limits.backoff_base.saturating_mul(1 << doublings).min(limits.backoff_max);
    Duration::from_millis(jitter.of(u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_within_the_doubling_ceiling(seed: u64, attempt: u32) {
            let limits = Limits::default();
            let jitter = Jitter::draw(&mut fastrand::Rng::with_seed(seed));
            let wait = delay(&limits, jitter, attempt);
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
            (0..1000).map(|_| delay(&limits, Jitter::draw(&mut random), 4)).collect::<Vec<_>>()
        };
        let all = waits(7);
        assert!(all.iter().any(|w| *w < Duration::from_secs(1)));
        assert!(all.iter().any(|w| *w > Duration::from_secs(7)));
        assert_eq!(all, waits(7));
        assert_ne!(all, waits(8));
    }
}
