//! `laneway-sim`: lets seeded worlds live, and says how many did and for how long.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people prints")]

use std::process::ExitCode;
use std::time::Duration;

use laneway_sim::{Report, run};

const USAGE: &str = "\
usage: laneway-sim [--seed N] [--seeds N] [--minutes N]

  --seed N     the first seed; alone, only this one, and with a trace if it fails
  --seeds N    so many seeds, one after the other
  --minutes N  seeds until that many minutes are over

Without `--seed` the first seed comes from the clock.
";

/// What is to be done.
#[derive(Debug, Default)]
struct Wanted {
    seed: Option<u64>,
    seeds: Option<u64>,
    minutes: Option<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(wanted) = read(&arguments) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    if live(&wanted) { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn read(arguments: &[String]) -> Option<Wanted> {
    let mut wanted = Wanted::default();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return None };
        let value = Some(value.parse().ok()?);
        match name.as_str() {
            "--seed" => wanted.seed = value,
            "--seeds" => wanted.seeds = value,
            "--minutes" => wanted.minutes = value,
            _ => return None,
        }
    }
    Some(wanted)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it may run, and where it begins, is of the real world"
)]
fn live(wanted: &Wanted) -> bool {
    let begun = std::time::Instant::now();
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let first = wanted.seed.unwrap_or_else(|| clock().map_or(0, |since| since.as_millis() as u64));
    let seeds = wanted.seeds.or_else(|| wanted.minutes.is_none().then_some(1)).unwrap_or(u64::MAX);
    let limit = wanted.minutes.map_or(Duration::MAX, |minutes| Duration::from_secs(60 * minutes));
    let with_trace = seeds == 1;
    let (mut total, mut failed, mut count) = (Report::default(), 0_u64, 0_u64);
    for seed in (0..seeds).map(|n| first.wrapping_add(n)) {
        if begun.elapsed() >= limit {
            break;
        }
        count += 1;
        match run(seed) {
            Ok(report) => add(&mut total, &report),
            Err(finding) => {
                failed += 1;
                if with_trace {
                    finding.trace.iter().for_each(|line| println!("{line}"));
                }
                println!("{finding}");
            }
        }
    }
    let hours = total.simulated.as_secs_f64() / 3_600.0;
    let Report { events, lacking, completed, calls, relays, lives, .. } = total;
    println!(
        "{count} seeds from {first}, {failed} failed: {hours:.1} simulated hours, {events} events ({lacking} lacked \
         their click ids, {completed} found them), {calls} calls ({relays} relays), {lives} lives of the process, in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    failed == 0
}

fn add(total: &mut Report, report: &Report) {
    total.simulated += report.simulated;
    total.events += report.events;
    total.lacking += report.lacking;
    total.completed += report.completed;
    total.calls += report.calls;
    total.relays += report.relays;
    total.lives += report.lives;
    total.alarms += report.alarms;
}
