//! Figures: what many measurements come to.

use std::time::Duration;

/// The duration below which this share (0 to 1) of them lies, by nearest rank; zero when there are none.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// The middle of the values, or the mean of the two in the middle; zero when there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Prints one row: what was measured, the figure, and how it came about.
pub(crate) fn row(what: &str, figure: &str, how: &str) {
    println!("{what:<34} {figure:>24}   {how}");
}

/// A duration as people read it.
pub(crate) fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{median, quantile};

    #[test]
    fn quantiles_are_nearest_ranks() {
        #[track_caller]
        fn check(count: u64, share: f64, expected: u64) {
            let sorted: Vec<Duration> = (1..=count).map(Duration::from_millis).collect();
            assert_eq!(quantile(&sorted, share), Duration::from_millis(expected));
        }
        check(0, 0.5, 0);
        check(1, 0.0, 1);
        check(1, 0.99, 1);
        check(100, 0.5, 50);
        check(100, 0.99, 99);
        check(10, 0.99, 10);
        check(10, 1.0, 10);
    }

    #[test]
    fn the_median_is_the_middle() {
        #[track_caller]
        fn check(values: &[f64], expected: f64) {
            assert!((median(values) - expected).abs() < 1e-9, "{values:?}");
        }
        check(&[], 0.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
    }
}
