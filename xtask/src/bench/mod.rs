//! `cargo xtask bench` and `cargo xtask soak`: figures from release builds and real processes on loopback.
//!
//! The journal measures itself (`cargo bench -p laneway-journal`). The product is measured from outside: `laneway serve`,
//! `laneway sandbox`, the load generator and a bare axum server are processes of their own, started and ended here. They
//! share one machine, so ratios within a round count, and figures of different machines do not compare. Every comparison
//! is made of rounds, in each of which everything that is compared is measured in turn; the median of the rounds counts.

mod accept;
mod confirm;
mod deliver;
mod gateway;
mod http;
mod load;
mod notifications;
mod open;
mod process;
mod report;
mod size;
mod soak;
mod world;

use std::path::PathBuf;
use std::{fs, thread};

use anyhow::{Context as _, Result, bail};

use crate::shell;
use load::{Amount, Load};
use process::Folder;
use report::Report;

pub(crate) use soak::{MINUTES, MINUTES_MIN, run as soak};

/// The rounds whose median counts.
const ROUNDS: usize = 5;
/// `--quick` measures a hundredth.
const QUICK_SHARE: usize = 100;
/// The fewest requests that show anything.
const SCALED_MIN: usize = 10_000;
/// The requests before a measurement that are not counted: by then the journal's log has got the size that it keeps.
const WARM_UP: usize = 40_000;

/// A part of the benchmark, by the name it is chosen with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Journal,
    Size,
    Accept,
    Confirm,
    Deliver,
    Ramp,
    Open,
    Notifications,
    Outbox,
}

impl Part {
    const ALL: [(&str, Part); 9] = [
        ("journal", Part::Journal),
        ("size", Part::Size),
        ("accept", Part::Accept),
        ("confirm", Part::Confirm),
        ("deliver", Part::Deliver),
        ("ramp", Part::Ramp),
        ("open", Part::Open),
        ("notifications", Part::Notifications),
        ("outbox", Part::Outbox),
    ];
}

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    parts: Vec<Part>,
    quick: bool,
}

/// A run of the benchmark.
struct Bench {
    folder: Folder,
    report: Report,
    quick: bool,
}

impl Choice {
    /// Reads the arguments; without a part, all are meant. The error is the argument that is none.
    pub(crate) fn read<'a>(words: &[&'a str]) -> Result<Choice, &'a str> {
        let mut choice = Choice { parts: Vec::new(), quick: false };
        for word in words {
            match Part::ALL.iter().find(|(name, _)| name == word) {
                Some((_, part)) => choice.parts.push(*part),
                None if *word == "--quick" => choice.quick = true,
                None => return Err(word),
            }
        }
        if choice.parts.is_empty() {
            choice.parts = Part::ALL.map(|(_, part)| part).to_vec();
        }
        Ok(choice)
    }
}

impl Bench {
    fn new(quick: bool) -> Result<Bench> {
        Ok(Bench { folder: Folder::make()?, report: Report::default(), quick })
    }

    /// Reports what all of it runs on, and how busy that is with something else.
    fn machine(&mut self) -> Result<()> {
        let memory = fs::read_to_string("/proc/meminfo")?;
        let mebibytes = process::kib_of(&memory, "MemTotal:").context("no MemTotal")? / 1024;
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().context("no load average")?;
        let cores = thread::available_parallelism()?;
        let how = format!("{mebibytes} MiB of memory; load average of the minute before: {load}");
        self.report.row("machine", &format!("{cores} cores"), &how);
        Ok(())
    }

    /// How many rounds there are.
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { ROUNDS }
    }

    /// A count, smaller when it should be quick.
    fn scaled(&self, count: usize) -> usize {
        if self.quick { (count / QUICK_SHARE).max(SCALED_MIN.min(count)) } else { count }
    }

    /// A file of requests' bodies for the load generator.
    fn bodies(&self, name: &str, lines: &str) -> Result<PathBuf> {
        self.folder.write(name, lines)?;
        Ok(self.folder.path(name))
    }
}

/// Builds and measures; `false` when a benchmark failed. The figures come as text on standard error while they are
/// measured, and as a Markdown table on standard output at the end. A goal that is missed is said, and is no failure:
/// another machine may miss it for its own reasons.
pub(crate) fn run(choice: &Choice) -> Result<bool> {
    if choice.parts.contains(&Part::Journal) && !journal()? {
        return Ok(false);
    }
    if choice.parts == [Part::Journal] {
        return Ok(true);
    }
    build()?;
    let mut bench = Bench::new(choice.quick)?;
    bench.machine()?;
    let mut outcome = Ok(());
    for part in &choice.parts {
        outcome = match part {
            Part::Journal => Ok(()),
            Part::Size => size::run(&mut bench),
            Part::Accept => accept::run(&mut bench),
            Part::Confirm => confirm::run(&mut bench),
            Part::Deliver => deliver::run(&mut bench),
            Part::Ramp => deliver::ramp(&mut bench),
            Part::Open => open::run(&mut bench),
            Part::Notifications => notifications::run(&mut bench),
            Part::Outbox => notifications::outbox(&mut bench),
        };
        if outcome.is_err() {
            break;
        }
    }
    // What was measured before a failure is worth having.
    print!("{}", bench.report.markdown());
    outcome.map(|()| true)
}

fn journal() -> Result<bool> {
    shell::passes(shell::cargo(&["bench", "--locked", "-p", "laneway-journal", "--bench", "journal"]))
}

/// Builds everything that is run here, as it is shipped.
fn build() -> Result<()> {
    for package in [&["-p", "laneway"][..], &["-p", "xtask", "--examples"]] {
        let words = [&["build", "--release", "--locked"], package].concat();
        if !shell::passes(shell::cargo(&words))? {
            bail!("the release build failed");
        }
    }
    Ok(())
}

/// A load of the same kind, so that nothing is measured for the first time.
fn warm_up(bench: &Bench, load: &Load<'_>) -> Result<()> {
    load::run(&Load { amount: Amount::Requests(bench.scaled(WARM_UP)), ..*load }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Choice, Part};

    #[test]
    fn parts_are_chosen_by_name() {
        #[track_caller]
        fn check(words: &[&str], expected: Result<(&[Part], bool), &str>) {
            let expected = expected.map(|(parts, quick)| Choice { parts: parts.to_vec(), quick });
            assert_eq!(Choice::read(words), expected);
        }
        check(&["open"], Ok((&[Part::Open], false)));
        check(&["size", "--quick", "accept"], Ok((&[Part::Size, Part::Accept], true)));
        let all = [
            Part::Journal,
            Part::Size,
            Part::Accept,
            Part::Confirm,
            Part::Deliver,
            Part::Ramp,
            Part::Open,
            Part::Notifications,
            Part::Outbox,
        ];
        check(&[], Ok((&all, false)));
        check(&["--quick"], Ok((&all, true)));
        check(&["opne"], Err("opne"));
    }
}
