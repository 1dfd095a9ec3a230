//! Kept seeds, a few fixed ones, and that a seed repeats.

use laneway_sim::run;

/// Seeds that once failed, one a line, each with what it found.
const KEPT: &str = include_str!("kept.txt");
/// Seeds that every test run lets live: enough that each kind of trouble comes up.
const FIXED: std::ops::Range<u64> = 100..115;

fn check(seed: u64, why: &str) {
    if let Err(finding) = run(seed) {
        panic!("{finding}\n{why}");
    }
}

#[test]
fn kept_seeds_live_to_their_end() {
    let lines = KEPT.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (seed, found) = line.split_once(' ').expect("a seed and what it found");
        check(seed.parse().expect("a seed is a number"), found);
    }
}

#[test]
fn fixed_seeds_live_to_their_end() {
    FIXED.for_each(|seed| check(seed, "a fixed seed"));
}

#[test]
fn a_seed_repeats_to_the_last_detail() {
    for seed in [3, 54] {
        let [first, second] = [run(seed), run(seed)].map(|lived| lived.expect("it lives"));
        assert_eq!(first, second);
        assert!(first.events > 10 && first.calls > 5 && first.lives > 0, "{first:?}");
    }
}
