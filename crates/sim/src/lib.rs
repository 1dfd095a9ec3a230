//! A seeded world for the engine and the journal: workload, faults, crashes, and an auditor that knows what must be true.
//!
//! It runs the production engine and the journal's step function in virtual time. Everything that happens follows from
//! the seed, so that a failing one is replayed by its number. It is no part of the product.
//!
//! * `setting` says what a world is like, and what will go wrong in it.
//! * `world` is virtual time and what happens in it; `driver` performs the engine's effects as the product's driver does,
//!   without its tasks; `node` is one life of the process, `calls` what the journal is told of calls.
//! * `clients` and `operators` want something, `meta` is the service with its own memory; `clicks` are told by it and found by
//!   the conversions that wait for them.
//! * `shadow` keeps the books and objects.

#![forbid(unsafe_code)]

mod calls;
mod clicks;
mod clients;
mod dice;
mod driver;
mod meta;
mod node;
mod operators;
mod setting;
mod shadow;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use world::World;

/// What a world came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Virtual time that passed.
    pub simulated: Duration,
    /// Events that were accepted.
    pub events: u64,
    /// Of these, conversions that lacked their click ids.
    pub lacking: u64,
    /// Of those, the ones that were completed.
    pub completed: u64,
    /// Calls that reached the services.
    pub calls: u64,
    /// Of these, relays.
    pub relays: u64,
    /// Lives of the process.
    pub lives: u64,
    /// Alarms that were raised or taken back.
    pub alarms: u64,
    /// A hash of all that happened: the same seed gives the same.
    pub digest: u64,
}

/// What the auditor objects to.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The world.
    pub seed: u64,
    /// What is wrong.
    pub problems: Vec<String>,
    /// The last things that happened, oldest first.
    pub trace: Vec<String>,
}

/// Lets the world of this seed live from its beginning to its end.
///
/// # Errors
/// [`Finding`] when something is not as it must be.
pub fn run(seed: u64) -> Result<Report, Box<Finding>> {
    let mut world = World::new(seed);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let mut problems = std::mem::take(&mut world.shadow.problems);
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        problems.push(format!("it panicked: {}", text.unwrap_or("without a word")));
    }
    if problems.is_empty() {
        return Ok(world.report);
    }
    Err(Box::new(Finding { seed, problems, trace: world.trace.iter().cloned().collect() }))
}

impl fmt::Display for Finding {
    /// What is wrong, and how to see it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} failed:", self.seed)?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        write!(f, "replay: cargo run -p laneway-sim -- --seed {}", self.seed)
    }
}
