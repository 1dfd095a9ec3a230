//! `cargo xtask test`: every check in order, each with its time, and the tests' own totals as the last line.
//!
//! Cheap steps come first. Lint and docs share their compiled dependencies (metadata only), the tests need code; no step
//! changes compiler flags, because that would compile every dependency once more.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::shell;
use crate::stopwatch::Stopwatch;
use crate::tally::Tally;
use crate::{setup, tidy};

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
    Skipped(&'static str),
    NotReached,
}

struct Step {
    name: &'static str,
    run: fn(&mut Tally) -> Result<Ending>,
}

const STEPS: [Step; 7] = [
    Step { name: "set-up", run: |_| setup::run().map(ending) },
    Step { name: "format", run: |_| run_cargo(&["fmt", "--all", "--check"]) },
    Step { name: "tidy", run: |_| tidy::run().map(ending) },
    Step {
        name: "lint",
        run: |_| {
            run_cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ])
        },
    },
    Step { name: "docs", run: |_| docs() },
    Step { name: "deny", run: |_| deny() },
    Step { name: "tests", run: tests },
];

/// Runs the steps up to the first that fails; `true` when all passed.
pub(crate) fn run() -> Result<bool> {
    let mut tally = Tally::default();
    let mut rows: Vec<(&str, f64, Ending)> = Vec::new();
    let mut failed = None;
    for step in &STEPS {
        if failed.is_some() {
            rows.push((step.name, 0.0, Ending::NotReached));
            continue;
        }
        println!("\n== {}", step.name);
        let stopwatch = Stopwatch::start();
        let ending = (step.run)(&mut tally).unwrap_or_else(|error| {
            println!("{}: {error:#}", step.name);
            Ending::Failed
        });
        let seconds = stopwatch.elapsed().as_secs_f64();
        println!("== {}: {} in {seconds:.1} s", step.name, shown(ending));
        rows.push((step.name, seconds, ending));
        if ending == Ending::Failed {
            failed = Some(step.name);
        }
    }
    println!("\nstep      seconds");
    for (name, seconds, ending) in rows {
        println!("{name:<8} {seconds:>8.1}  {}", shown(ending));
    }
    for unable in &tally.unable {
        println!("skipped: {unable}");
    }
    if let Some(name) = failed {
        println!("stopped at: {name}");
        if tally.failed == 0 {
            println!("no test failed, so the failed step is counted as one failure");
            tally.failed = 1;
        }
    }
    println!("{tally}");
    Ok(failed.is_none())
}

fn ending(passed: bool) -> Ending {
    if passed { Ending::Passed } else { Ending::Failed }
}

fn shown(ending: Ending) -> String {
    match ending {
        Ending::Passed => "passed".to_owned(),
        Ending::Failed => "FAILED".to_owned(),
        Ending::Skipped(reason) => format!("skipped: {reason}"),
        Ending::NotReached => "not reached".to_owned(),
    }
}

fn run_cargo(arguments: &[&str]) -> Result<Ending> {
    let command = shell::cargo(arguments);
    println!("{}", shell::shown(&command));
    shell::passes(command).map(ending)
}

fn docs() -> Result<Ending> {
    let mut command =
        shell::cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked", "--quiet"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    println!("RUSTDOCFLAGS=\"-D warnings\" {}", shell::shown(&command));
    shell::passes(command).map(ending)
}

fn deny() -> Result<Ending> {
    if !shell::works(shell::cargo(&["deny", "--version"])) {
        return Ok(Ending::Skipped(
            "cargo-deny is not installed; tidy has checked licences, bans and sources",
        ));
    }
    // Advisories need the network; this step asks only for what the repository itself says.
    run_cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"])
}

/// All tests, shown live while their results are added up, and then the snapshots that no test read.
fn tests(tally: &mut Tally) -> Result<Ending> {
    let target = shell::root().join("target");
    std::fs::create_dir_all(&target).context("cannot create the directory for what tests read")?;
    let references = target.join(format!("snapshots-read-{}", std::process::id()));
    let mut command = shell::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    println!("{}", shell::shown(&command));
    command.env("INSTA_UPDATE", "no").env("INSTA_SNAPSHOT_REFERENCES_FILE", &references);
    if shell::environment("CARGO_TERM_COLOR").is_none() && std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let passed = stream(command, tally)?;
    let unread = unread_snapshots(&references)?;
    if !passed {
        return Ok(Ending::Failed);
    }
    for snapshot in &unread {
        println!("{}: no test reads this snapshot: delete it", snapshot.display());
    }
    Ok(ending(unread.is_empty()))
}

/// Runs the command and copies its standard output line by line; `false` when it failed.
fn stream(mut command: Command, tally: &mut Tally) -> Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start the tests")?;
    let output = child.stdout.take().context("the tests have an output")?;
    let mut terminal = std::io::stdout().lock();
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("the tests' output broke off")? > 0 {
        terminal.write_all(&line).context("the output went away")?;
        tally.read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(child.wait().context("the tests were lost")?.success())
}

/// The snapshot files that are not in insta's list of those a test compared with. The list is removed.
fn unread_snapshots(references: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_to_string(references).unwrap_or_default();
    if !list.is_empty() {
        fs::remove_file(references).context("cannot remove the list of snapshots")?;
    }
    let read: BTreeSet<PathBuf> = list.lines().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mut unread = Vec::new();
    for folder in ["crates", "xtask"] {
        collect_snapshots(&shell::root().join(folder), &read, &mut unread)?;
    }
    Ok(unread)
}

fn collect_snapshots(folder: &Path, read: &BTreeSet<PathBuf>, unread: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect_snapshots(&path, read, unread)?;
        } else if path.extension().is_some_and(|extension| extension == "snap") {
            let canonical = fs::canonicalize(&path)?;
            if !read.contains(&canonical) {
                unread.push(path.strip_prefix(shell::root()).unwrap_or(&path).to_path_buf());
            }
        }
    }
    Ok(())
}
