//! Chance: one generator for each concern, so that a change in one leaves the others as they were.

use fastrand::Rng;

/// The generators of one world.
#[derive(Debug)]
pub(crate) struct Dice {
    /// What the world is like.
    pub(crate) setting: Rng,
    /// What clients and operators do.
    pub(crate) clients: Rng,
    /// What the service answers.
    pub(crate) meta: Rng,
    /// How long everything takes.
    pub(crate) delays: Rng,
    /// When the process ends.
    pub(crate) crashes: Rng,
    /// What the journal's threads do when.
    pub(crate) journal: Rng,
    /// What lacks its click id, and who clicks.
    pub(crate) clicks: Rng,
    /// What goes wrong on which way.
    pub(crate) routes: Rng,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut seeds = Rng::with_seed(seed);
        let mut next = || Rng::with_seed(seeds.u64(..));
        Self {
            setting: next(),
            clients: next(),
            meta: next(),
            delays: next(),
            crashes: next(),
            journal: next(),
            clicks: next(),
            routes: next(),
        }
    }
}

/// Whether something happens that happens so many times in a thousand.
pub(crate) fn chance(random: &mut Rng, per_mille: u32) -> bool {
    random.u32(..1000) < per_mille
}

/// One of these.
pub(crate) fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}
