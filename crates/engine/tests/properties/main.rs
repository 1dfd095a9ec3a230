//! The engine against a model: random inputs in any order, and after each of them everything that must hold.
//!
//! [`steps`] says what can happen, [`world`] plays it to the engine and performs the effects in any order, [`shadow`]
//! knows what should be true of every event and [`verdict`] what an outcome means for it, [`numbers`] what each business
//! number may do at the moment, and [`questions`] what is asked about events that lack something.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod expected;
mod numbers;
mod questions;
mod shadow;
mod steps;
mod verdict;
mod world;

use proptest::prelude::*;

use world::World;

proptest! {
    #[test]
    fn whatever_happens_every_event_is_kept_in_order_in_time_and_within_the_limits(
        setting in steps::setting(),
        steps in proptest::collection::vec(steps::step(), 0..80),
    ) {
        let mut world = World::new(&setting);
        for step in &steps {
            world.take(step);
        }
        world.finish();
    }
}
