//! The disk is full, or fails, from any request on.
//!
//! What fails answers so and leaves nothing behind; what was answered before stays; and when the disk works again the
//! same store goes on. Only a sync that fails ends it: what is durable is then in doubt, and the process must end.

use fastrand::Rng;
use laneway_journal::sqlite::Store;
use laneway_journal::sqlite::step::Reply;
use laneway_journal::{Error, OpenError};
use rusqlite::ffi;

use super::disk::{Image, Mount, Trouble};
use super::twin::{Answer, Content, Told, Twin, content, fatal, is_same, open, perform, template, told};
use super::workload::{Act, script};

const ACTS: usize = 12;

/// Why the whole act failed, if it did.
fn failure(answer: &Answer) -> Option<&Error> {
    match answer {
        Err(problem) => Some(problem),
        Ok(replies) => replies.iter().find_map(|reply| match reply {
            Err(problem @ (Error::Full | Error::Closed | Error::Sqlite { .. } | Error::Damaged { .. })) => {
                Some(problem)
            }
            Err(Error::Busy | Error::Fenced | Error::NotOpen { .. }) | Ok(_) => None,
        }),
    }
}

/// SQLite's code, if the failure is one of SQLite's.
fn code(problem: &Error) -> Option<i32> {
    match problem {
        Error::Sqlite { doing: _, source } => source.sqlite_error().map(|failure| failure.extended_code),
        Error::Full
        | Error::Busy
        | Error::Fenced
        | Error::NotOpen { .. }
        | Error::Damaged { .. }
        | Error::Closed => None,
    }
}

#[track_caller]
fn check_failure(trouble: Trouble, answer: &Answer, problem: &Error) {
    let is_right = match trouble {
        Trouble::Full => matches!(problem, Error::Full),
        Trouble::Write => {
            [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE].map(Some).contains(&code(problem))
        }
        Trouble::Sync => code(problem) == Some(ffi::SQLITE_IOERR_FSYNC),
    };
    assert!(is_right, "{trouble:?} is answered {problem:?}");
    let alike = |reply: &Result<Reply, Error>| {
        reply.as_ref().is_err_and(|other| format!("{other:?}") == format!("{problem:?}"))
    };
    assert!(answer.as_ref().map_or(true, |replies| replies.iter().all(alike)), "{answer:?}");
}

/// A script, and what it does to a store on a disk that works.
struct Script {
    template: Image,
    acts: Vec<Act>,
    answers: Vec<Answer>,
    /// Before each act, and after the last.
    contents: Vec<Content>,
    told: Told,
}

impl Script {
    fn played(seed: u64) -> Self {
        let template = template();
        let Twin { mut store, mut indexer, mount } = Twin::new(&template);
        let acts = script(seed, ACTS);
        let mut contents = vec![content(mount.path()).unwrap()];
        let mut answers = Vec::new();
        for act in &acts {
            answers.push(perform(&mut store, &mut indexer, act));
            contents.push(content(mount.path()).unwrap());
        }
        let told = told(&store).unwrap();
        Self { template, acts, answers, contents, told }
    }

    #[track_caller]
    fn check_end(&self, store: &Store, mount: &Mount) {
        assert_eq!(&content(mount.path()).unwrap(), &self.contents[self.acts.len()]);
        assert_eq!(told(store).unwrap(), self.told);
    }
}

/// Lets something go wrong from that request on, until acts have failed so often. Says whether anything was refused.
fn check(script: &Script, (trouble, from): (Trouble, u64), failures: u32) -> bool {
    let Twin { mut store, mut indexer, mount } = Twin::new(&script.template);
    mount.fail_from(from, trouble);
    let mut left = failures;
    for (n, act) in script.acts.iter().enumerate() {
        loop {
            let answer = perform(&mut store, &mut indexer, act);
            let Some(problem) = failure(&answer) else {
                assert!(is_same(&answer, &script.answers[n]), "{act:?}: {answer:?}");
                break;
            };
            assert!(left > 0, "it does not go on: {problem:?}");
            check_failure(trouble, &answer, problem);
            assert_eq!(content(mount.path()).unwrap(), script.contents[n], "{act:?}");
            left -= 1;
            if left == 0 {
                mount.heal();
            }
        }
    }
    mount.heal();
    script.check_end(&store, &mount);
    drop((store, indexer));
    let (store, _indexer) = open(&mount).unwrap();
    script.check_end(&store, &mount);
    assert_eq!(fatal(), 0, "nothing of this is fatal");
    mount.refused() > 0
}

/// Lets something go wrong from the first request on, then from a later one, and so on to the last.
#[track_caller]
fn check_requests(trouble: Trouble, step: usize) {
    for (seed, failures) in [(1, 1), (2, 3)] {
        let script = Script::played(seed);
        let from = (1..).step_by(step);
        let refused = from.take_while(|from| check(&script, (trouble, *from), failures)).count() * step;
        assert!(refused > 80, "the script makes only {refused} requests");
    }
}

#[test]
fn a_full_disk_is_answered_and_survived_at_every_request() {
    check_requests(Trouble::Full, 1);
}

#[test]
fn a_disk_that_cannot_write_is_answered_and_survived_at_any_request() {
    check_requests(Trouble::Write, 5);
}

/// Lets every sync fail from that request on. Says whether one did that matters.
fn check_lost_sync(script: &Script, from: u64) -> bool {
    let Twin { mut store, mut indexer, mount } = Twin::new(&script.template);
    mount.fail_from(from, Trouble::Sync);
    for (n, act) in script.acts.iter().enumerate() {
        let answer = perform(&mut store, &mut indexer, act);
        let Some(problem) = failure(&answer) else { continue };
        check_failure(Trouble::Sync, &answer, problem);
        if matches!(act, Act::Index) {
            assert_eq!(fatal(), 0, "the index can be made anew");
            continue;
        }
        assert_eq!(fatal(), 1, "{act:?} lost a sync");
        mount.heal();
        let before = content(mount.path()).unwrap();
        for act in script.acts.iter().filter(|act| !matches!(act, Act::Index)) {
            let answer = perform(&mut store, &mut indexer, act);
            assert!(matches!(failure(&answer), Some(Error::Closed)), "{act:?}: {answer:?}");
        }
        assert_eq!(content(mount.path()).unwrap(), before, "nothing is done though the disk would work");
        assert_eq!(fatal(), 0, "it is said once");
        mount.cut();
        let lost_power = Mount::new(&mount.image(&mut Rng::with_seed(from)));
        for mount in [lost_power, Mount::new(&mount.seen())] {
            let _opened = open(&mount).unwrap();
            let found = content(mount.path()).unwrap();
            assert!(script.contents[n..n + 2].contains(&found), "{act:?}: {found:?}");
        }
        return true;
    }
    false
}

#[test]
fn after_a_sync_that_failed_nothing_is_done_and_nothing_answered_is_lost() {
    let script = Script::played(3);
    let failed = (1..).take_while(|from| check_lost_sync(&script, *from)).count();
    assert!(failed > 80, "only {failed} requests came before the last sync");
}

#[test]
fn a_disk_in_trouble_is_named_when_opening_and_survived() {
    let template = template();
    let empty = content(Mount::new(&template).path()).unwrap();
    for (image, trouble) in [
        (Image::new(), Trouble::Full),
        (Image::new(), Trouble::Write),
        (Image::new(), Trouble::Sync),
        (template.clone(), Trouble::Full),
        (template.clone(), Trouble::Sync),
    ] {
        let mut refused = 0;
        for from in 1.. {
            let mount = Mount::new(&image);
            mount.fail_from(from, trouble);
            let opened = open(&mount);
            if mount.refused() == 0 {
                break;
            }
            if let Err(problem) = opened {
                refused += 1;
                assert!(matches!(problem, OpenError::Sqlite { .. }), "{problem:?}");
            }
            mount.heal();
            let _opened = open(&mount).unwrap();
            assert_eq!(content(mount.path()).unwrap(), empty);
        }
        assert!(refused > 0, "{trouble:?} was never named");
    }
}
