//! Latencies in a fixed number of buckets: recording one costs an addition, however many there are.

use std::time::Duration;

/// The lowest bits of a value that a bucket keeps beside its highest: buckets are at most 1/32 wide.
const KEPT_BITS: u32 = 5;
const KEPT: u64 = 1 << KEPT_BITS;
/// Enough for every number of microseconds.
const BUCKETS: usize = ((64 - KEPT_BITS as usize) + 1) << KEPT_BITS;

/// How many latencies fell into which bucket.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// Without any latency.
    pub(crate) fn new() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], count: 0 }
    }

    /// Counts a latency, in whole microseconds.
    pub(crate) fn record(&mut self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(microseconds)] += 1;
        self.count += 1;
    }

    /// The latency below which this share (0 to 1) of them lies, in microseconds, by nearest rank and at most 1/32 too
    /// large; zero when there are none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let rank = ((share * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return highest_of(bucket);
            }
        }
        0
    }
}

fn bucket(value: u64) -> usize {
    let shift = (64 - value.leading_zeros()).saturating_sub(KEPT_BITS + 1);
    (u64::from(shift) * KEPT + (value >> shift)) as usize
}

/// The largest value that falls into the bucket.
fn highest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / KEPT).saturating_sub(1);
    let kept = bucket - shift * KEPT;
    (kept << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BUCKETS, Histogram, bucket, highest_of};

    #[test]
    fn a_bucket_is_at_most_a_32nd_wide() {
        #[track_caller]
        fn check(value: u64) {
            let highest = highest_of(bucket(value));
            assert!(bucket(value) < BUCKETS);
            assert!(highest >= value && highest - value <= value / 32, "{value} is counted as {highest}");
            assert_eq!(bucket(highest), bucket(value));
        }
        (0..5_000).for_each(check);
        for bit in 0..64 {
            check(1 << bit);
            check((1 << bit) - 1);
            check((1 << bit) | 0b1011);
        }
        check(u64::MAX);
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        #[track_caller]
        fn check(latencies: std::ops::Range<u64>, share: f64, expected: u64) {
            let mut histogram = Histogram::new();
            latencies.map(Duration::from_micros).for_each(|latency| histogram.record(latency));
            assert_eq!(histogram.quantile(share), expected);
        }
        check(0..0, 0.5, 0);
        check(7..8, 0.0, 7);
        check(1..51, 0.5, 25);
        check(1..51, 0.99, 50);
        check(1..10_001, 0.5, 5_119);
    }
}
