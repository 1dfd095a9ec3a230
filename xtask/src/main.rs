//! The workspace's own tasks: `cargo xtask test`, `tidy`, `bench`, `soak`.
//!
//! Nothing here is part of the product and no other crate depends on it. It stays small and light, because a fresh
//! clone compiles it before anything can be checked.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people prints")]

mod bench;
mod checks;
mod setup;
mod shell;
mod stopwatch;
mod tally;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <verb>

  test    set up the machine, then format, tidy, lint, docs and all tests; ends with their totals
  tidy    the house rules a compiler cannot see, every violation with its place
  bench [--quick] [journal|size|accept|confirm|deliver|ramp|open|notifications|outbox]…
          the named parts, or all: the journal alone, then the product's figures from real processes (release build)
  soak [--minutes N]
          half load for 10 minutes, or N from 3: fails when log, memory or latency grow
  soak --sim [--minutes N]
          fresh seeds of the simulator for 10 minutes, or N: fails when one does, with its replay command
  help    this text

exit code: 0, 1 (something failed), 2 (wrong usage)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => checks::run(),
        ["tidy"] => tidy::run(),
        ["bench", words @ ..] => match bench::Choice::read(words) {
            Ok(choice) => bench::run(&choice),
            Err(word) => return wrong_usage(&format!("`{word}` is no part of the benchmark")),
        },
        ["soak"] => bench::soak(bench::MINUTES),
        ["soak", "--minutes", minutes] => match minutes.parse() {
            Ok(minutes) if minutes >= bench::MINUTES_MIN => bench::soak(minutes),
            Ok(_) | Err(_) => return wrong_usage(&format!("a soak takes no {minutes:?} minutes")),
        },
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] => return wrong_usage("a verb is missing"),
        ["test" | "tidy", extra, ..] => {
            return wrong_usage(&format!("`{extra}` is one argument too many: this verb takes none"));
        }
        ["soak", "--sim"] => simulate(bench::MINUTES),
        ["soak", "--sim", "--minutes", minutes] => match minutes.parse() {
            Ok(minutes) => simulate(minutes),
            Err(_) => return wrong_usage(&format!("a soak takes no {minutes:?} minutes")),
        },
        ["soak", ..] => return wrong_usage("`soak` takes `--sim`, then `--minutes N`, and nothing else"),
        [verb, ..] => return wrong_usage(&format!("`{verb}` is not a verb")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Lets fresh seeds of the simulator live for so many minutes.
fn simulate(minutes: u64) -> anyhow::Result<bool> {
    let minutes = minutes.to_string();
    let words = ["run", "--release", "--locked", "-p", "laneway-sim", "--", "--minutes", &minutes];
    shell::passes(shell::cargo(&words))
}

fn wrong_usage(what: &str) -> ExitCode {
    eprintln!("xtask: {what}\n\n{USAGE}");
    ExitCode::from(2)
}
