//! Bytes of the files change by themselves.
//!
//! In the journal's own file it is named when the file is opened or when it is touched; no row is ever told otherwise
//! than it was, and no open row is ever missing. What reading cannot see, a finished row that is missing without a trace,
//! is found by reading everything. Whatever happens to the index, it is made anew.

use std::collections::BTreeMap;
use std::panic;

use fastrand::Rng;
use laneway_journal::sqlite::{Indexer, Mode, Store};
use laneway_journal::{Error, OpenError};

use super::disk::{Image, Mount};
use super::power::number;
use super::twin::{Told, Twin, open, perform, template, told};
use super::workload::{Act, STEP_MILLIS, script};

const ACTS: usize = 60;
/// In how many ways an ordinary test damages each file, and how to ask for more of them.
const DAMAGES: u64 = 250;
const DAMAGES_VARIABLE: &str = "LANEWAY_DAMAGES";
const SEED_VARIABLE: &str = "LANEWAY_DAMAGE_SEED";
const JOURNAL: &str = "journal.db";
const INDEX: &str = "index.db";
const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;

/// A store in which much has happened: its files, and what it tells.
struct Original {
    image: Image,
    told: Told,
    keys: String,
}

/// What became of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Opening names it.
    Refused,
    /// What touches it names it.
    Named,
    /// Everything is told as it was.
    Harmless,
    /// Something is not told any more; reading everything names it.
    Missing,
}

/// What every key is known for. Asking changes the store, so it is asked last.
fn keys(store: &mut Store, indexer: &mut Indexer) -> Result<String, Error> {
    let now = ACTS as u64 * STEP_MILLIS;
    let answers = perform(store, indexer, &Act::Repeat(now))?;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{answers:?}"))
}

impl Original {
    fn new() -> Self {
        let Twin { mut store, mut indexer, mount } = Twin::new(&template());
        for act in script(6, ACTS) {
            perform(&mut store, &mut indexer, &act).unwrap();
        }
        indexer.catch_up().unwrap();
        store.checkpoint(Mode::Truncate).unwrap();
        let told = told(&store).unwrap();
        let lacks = |lacks: bool| told.open.iter().flat_map(|page| &page.rows).any(|row| row.lacks == lacks);
        assert!(lacks(true) && lacks(false), "damage is to befall both: {:?}", told.open);
        drop((store, indexer));
        let image = mount.seen();
        let (mut store, mut indexer) = open(&mount).unwrap();
        store.reader().unwrap().verify().unwrap();
        let keys = keys(&mut store, &mut indexer).unwrap();
        Self { image, told, keys }
    }

    /// The files with this one changed.
    fn with(&self, file: &str, damaged: &[u8]) -> Mount {
        let mut image = self.image.clone();
        image.insert(file.to_owned(), damaged.to_vec());
        Mount::new(&image)
    }

    /// Opens the files, and sees what comes of it.
    fn fate(&self, mount: &Mount) -> Fate {
        let (mut store, mut indexer) = match open(mount) {
            Ok(opened) => opened,
            Err(
                OpenError::Damaged { path, .. } | OpenError::Foreign { path } | OpenError::Newer { path, .. },
            ) => {
                assert!(path.ends_with(JOURNAL), "the index is no reason to refuse: {path:?}");
                return Fate::Refused;
            }
            Err(problem) => panic!("it is refused as {problem:?}"),
        };
        let found = told(&store).and_then(|told| Ok((told, keys(&mut store, &mut indexer)?)));
        match found {
            Err(Error::Damaged { .. }) => Fate::Named,
            Err(problem) => panic!("it is answered {problem:?}"),
            Ok((told, keys)) if told == self.told && keys == self.keys => Fate::Harmless,
            Ok((told, _)) => {
                assert_eq!(told.open, self.told.open, "open rows cannot be missing");
                for (found, original) in told.records.iter().zip(&self.told.records) {
                    assert!(found.iter().all(|record| original.contains(record)), "a row is told otherwise");
                }
                Fate::Missing
            }
        }
    }

    /// Damages a file, sees what comes of it, and what reading everything says of that.
    fn damaged(&self, file: &str, seed: u64) -> (Fate, Mount) {
        let bytes = damage(self.image[file].clone(), &mut Rng::with_seed(seed));
        let mount = self.with(file, &bytes);
        let fate = self.fate(&mount);
        match fate {
            Fate::Missing => {
                let mount = self.with(file, &bytes);
                let (store, _indexer) = open(&mount).unwrap();
                let verified = store.reader().unwrap().verify();
                assert!(matches!(verified, Err(Error::Damaged { .. })), "{verified:?}");
                (Fate::Missing, mount)
            }
            Fate::Refused | Fate::Named | Fate::Harmless => (fate, mount),
        }
    }
}

/// Changes some bytes of a file, or cuts off its end.
fn damage(mut bytes: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let at = random.usize(..bytes.len());
    let page = at / PAGE_BYTES * PAGE_BYTES;
    let sector = bytes.chunks_mut(SECTOR_BYTES).nth(at / SECTOR_BYTES).unwrap_or_default();
    match random.u8(..8) {
        0 => bytes.truncate(at),
        1 => sector.fill(0),
        2 => random.fill(sector),
        // Where a page says what is in it.
        3 | 4 => bytes[page + at % 16] ^= 1 << random.u8(..8),
        _ => bytes[at] ^= 1 << random.u8(..8),
    }
    bytes
}

/// Damages a file in many ways; says how often each fate befell it.
fn check(file: &str, after: impl Fn(&Original, Fate, &Mount) + panic::RefUnwindSafe) -> BTreeMap<Fate, u64> {
    let original = Original::new();
    let mut fates = BTreeMap::new();
    let (first, count) = (number(SEED_VARIABLE, 0), number(DAMAGES_VARIABLE, DAMAGES));
    for seed in first..first + count {
        let fate = panic::catch_unwind(|| {
            let (fate, mount) = original.damaged(file, seed);
            after(&original, fate, &mount);
            fate
        });
        let fate = fate.unwrap_or_else(|_| panic!("this came of seed {seed}"));
        *fates.entry(fate).or_default() += 1;
    }
    fates
}

#[test]
fn damage_of_the_journal_is_named() {
    let fates = check(JOURNAL, |_, _, _| ());
    println!("{JOURNAL}: {fates:?}");
    for fate in [Fate::Refused, Fate::Named, Fate::Harmless, Fate::Missing] {
        assert!(fates.contains_key(&fate), "{fate:?} never happened: {fates:?}");
    }
}

#[test]
fn an_index_in_which_damage_was_found_is_made_anew() {
    let fates = check(INDEX, |original, fate, mount| match fate {
        Fate::Refused | Fate::Harmless => {}
        Fate::Named | Fate::Missing => assert_eq!(original.fate(mount), Fate::Harmless),
    });
    println!("{INDEX}: {fates:?}");
    assert!(!fates.contains_key(&Fate::Refused), "{fates:?}");
    assert!(fates.contains_key(&Fate::Named), "{fates:?}");
}
