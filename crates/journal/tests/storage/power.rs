//! The power is cut, and cut again, at any request to the disk.
//!
//! After every cut the store is opened on what the disk may hold then. It must hold exactly what its twin holds: all
//! that was answered, and of the transaction that was under way everything or nothing. Then both go on.

use std::fs;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use fastrand::Rng;
use laneway_journal::sqlite::{Indexer, Store};

use super::disk::{Image, Mount};
use super::twin::{Twin, content, is_same, open, perform, template, told};
use super::workload::{Act, act};

/// How many runs an ordinary test makes, and where the runs of a long one begin.
const RUNS: u64 = 200;
const RUNS_VARIABLE: &str = "LANEWAY_POWER_RUNS";
const SEED_VARIABLE: &str = "LANEWAY_POWER_SEED";

/// Cuts in one run.
const CUTS: u64 = 10;
/// Acts between two cuts at most.
const ACTS: usize = 30;
/// Requests to the disk between two cuts at most; an act makes about ten.
const REQUESTS: u64 = 160;

/// A run: a store whose power is cut, and its twin.
struct Run {
    random: Rng,
    clock: u64,
    twin: Twin,
    mount: Mount,
    /// What was under way when the power was cut.
    in_doubt: Option<Act>,
    disk_forgets_syncs: bool,
}

impl Run {
    fn new(seed: u64, template: &Image, disk_forgets_syncs: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        // Now and then even the creation of the files is cut.
        let image = if random.u8(..8) == 0 { Image::new() } else { template.clone() };
        let mount = Mount::new(&image);
        Self { random, clock: 0, twin: Twin::new(template), mount, in_doubt: None, disk_forgets_syncs }
    }

    /// The whole run; says how often the power was cut.
    fn all(mut self) -> Result<u64, String> {
        for _ in 0..CUTS {
            self.until_the_cut()?;
            let image = self.mount.image(&mut self.random);
            self.mount = Mount::new(&image);
        }
        let (mut store, mut indexer) = open(&self.mount).map_err(|problem| format!("{problem:?}"))?;
        self.compare(&mut store, &mut indexer)?;
        Ok(CUTS)
    }

    /// From opening to the next cut.
    fn until_the_cut(&mut self) -> Result<(), String> {
        if self.disk_forgets_syncs {
            self.mount.forget_syncs();
        }
        if self.random.u8(..8) == 0 {
            // The index is made anew, in the midst of which the power may be cut, too.
            fs::write(self.mount.path().join("index.suspect"), "").map_err(|problem| problem.to_string())?;
        }
        let most = if self.random.bool() { REQUESTS } else { REQUESTS / 8 };
        self.mount.cut_at(self.random.u64(1..=most));
        let (mut store, mut indexer) = match open(&self.mount) {
            Ok(opened) => opened,
            Err(_) if self.mount.is_off() => return Ok(()),
            Err(problem) => return Err(format!("it cannot be opened: {problem:?}")),
        };
        self.compare(&mut store, &mut indexer)?;
        for _ in 0..ACTS {
            if self.mount.is_off() {
                return Ok(());
            }
            let act = act(&mut self.random, &mut self.clock);
            self.both(&mut store, &mut indexer, act)?;
        }
        self.mount.cut();
        Ok(())
    }

    /// Does the same to both, and compares the answers; when the power is cut meanwhile, the twin waits.
    fn both(&mut self, store: &mut Store, indexer: &mut Indexer, act: Act) -> Result<(), String> {
        let ours = perform(store, indexer, &act);
        if self.mount.is_off() {
            self.in_doubt = Some(act);
            return Ok(());
        }
        let twins = perform(&mut self.twin.store, &mut self.twin.indexer, &act);
        if !is_same(&ours, &twins) {
            return Err(format!("{act:?} is answered\n{ours:?}\ninstead of\n{twins:?}"));
        }
        Ok(())
    }

    /// Compares both after a cut. What was in doubt happened wholly or not at all.
    fn compare(&mut self, store: &mut Store, indexer: &mut Indexer) -> Result<(), String> {
        let is_off = |problem: String| if self.mount.is_off() { Ok(()) } else { Err(problem) };
        let ours = match content(self.mount.path()) {
            Ok(ours) => ours,
            Err(problem) => return is_off(format!("it cannot be read: {problem}")),
        };
        let mut twins = content(self.twin.mount.path()).unwrap();
        if let Some(act) = self.in_doubt.take() {
            if ours == twins {
                self.both(store, indexer, act)?;
                return if self.mount.is_off() { Ok(()) } else { self.compare(store, indexer) };
            }
            perform(&mut self.twin.store, &mut self.twin.indexer, &act).unwrap();
            twins = content(self.twin.mount.path()).unwrap();
        }
        if ours != twins {
            let lost = twins.iter().find(|row| !ours.contains(row));
            let added = ours.iter().find(|row| !twins.contains(row));
            return Err(format!("lost: {lost:?}\nadded: {added:?}"));
        }
        let twins = told(&self.twin.store).unwrap();
        match told(store) {
            Ok(ours) if ours == twins => {}
            Ok(ours) => return Err(format!("readers are told\n{ours:?}\ninstead of\n{twins:?}")),
            Err(problem) => return is_off(format!("readers are told {problem:?}")),
        }
        self.both(store, indexer, Act::Repeat(self.clock))
    }
}

/// Runs with these seeds on every processor; says how often the power was cut, or what the first loss was.
fn runs(first: u64, count: u64) -> Result<u64, String> {
    let (template, next, cuts) = (template(), AtomicU64::new(first), AtomicU64::new(0));
    let work = || -> Result<(), String> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return Ok(());
            }
            let run = panic::catch_unwind(|| Run::new(seed, &template, false).all());
            let lost = run.unwrap_or_else(|_| Err("it panicked".to_owned()));
            let replay = format!(
                "{SEED_VARIABLE}={seed} {RUNS_VARIABLE}=1 cargo test -p laneway-journal --test storage power"
            );
            cuts.fetch_add(
                lost.map_err(|lost| format!("{lost}\nreplay it with {replay}"))?,
                Ordering::Relaxed,
            );
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap())
    })?;
    Ok(cuts.into_inner())
}

/// A number from the environment.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |number| number.parse().unwrap())
}

#[test]
fn what_was_answered_survives_every_cut() {
    let (first, count) = (number(SEED_VARIABLE, 0), number(RUNS_VARIABLE, RUNS));
    match runs(first, count) {
        Ok(cuts) => println!("{count} runs from seed {first}: {cuts} cuts, nothing lost"),
        Err(lost) => panic!("{lost}"),
    }
}

#[test]
fn a_disk_that_forgets_syncs_is_found_out() {
    let template = template();
    let lost = (0..20).filter(|seed| Run::new(*seed, &template, true).all().is_err()).count();
    assert!(lost >= 10, "only {lost} of 20 runs lost something that was answered");
}
