//! `laneway import`: many events from a file, CSV or NDJSON.
//!
//! A file is sent in batches, every line with an idempotency key of its own: the one it gives, or one made of the file's
//! content and the line's number. So an import that was interrupted, or is repeated, goes on without a duplicate. Refused
//! lines are written to a file beside it, in the form they came, with the reason.

mod lines;
mod refused;

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::{client, say};
use lines::{Line, Lines};
use refused::Refused;

/// What to import.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// The file; - is standard input
    file: PathBuf,
    /// How the file is written; by default its name says it, or else its first character
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The business number of lines that name none; a local dev's own if left out
    #[arg(long, env = "LANEWAY_FROM", value_name = "NUMBER")]
    from: Option<String>,
    /// Check every line, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Where refused lines go [default: FILE.refused.csv or FILE.refused.ndjson]
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    client: client::Options,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values with a header
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// The largest file.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// What the gateway takes at once (`POST /api/v1/events`), with some room for what stands around the events.
const BATCH_EVENTS_MAX: usize = 1000;
const BATCH_BYTES_MAX: usize = 7 << 20;
/// The wait before a batch is sent again that could not be taken, unless the gateway says how long.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// So many tries in a row without any success end the import.
const TRIES_MAX: u32 = 60;
/// How often progress is said where no terminal shows it on one line.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Refusals that pass by themselves: the line is sent again.
const PASSING: [&str; 4] = ["rate_limited", "number_full", "node_full", "numbers_not_known"];

/// What an import came to.
#[derive(Debug, Default)]
struct Tally {
    taken: u64,
    repeated: u64,
    refused: u64,
}

/// Sends a file.
pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let content = read(&options)?;
    let format = options.format.unwrap_or_else(|| format_of(&options.file, &content));
    let lines = Lines::read(&content, format, options.client.business(options.from.as_deref()))?;
    for note in lines.notes() {
        say(format_args!("note: {note}"));
    }
    let total = lines.len();
    let refused = Refused::new(refused_path(&options, format), format, lines.header());
    let mut import = Import {
        options: &options,
        refused,
        tally: Tally::default(),
        progress: Progress { total, started: now(), said: None },
        has_answer: false,
    };
    let (mut batch, mut bytes): (Vec<Line>, usize) = (Vec::new(), 0);
    for line in lines {
        if let Err(reason) = &line.event {
            import.refuse(&line, "unreadable", reason)?;
            continue;
        }
        if batch.len() == BATCH_EVENTS_MAX || bytes + line.bytes() > BATCH_BYTES_MAX {
            import.send(std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
        bytes += line.bytes();
        batch.push(line);
    }
    import.send(batch).await?;
    import.end()
}

struct Import<'a> {
    options: &'a Options,
    refused: Refused,
    tally: Tally,
    progress: Progress,
    /// Whether the gateway has answered at all.
    has_answer: bool,
}

impl Import<'_> {
    /// Sends lines until each is taken or refused.
    async fn send(&mut self, mut lines: Vec<Line>) -> anyhow::Result<()> {
        let path = if self.options.dry_run { "/api/v1/events?dry_run=true" } else { "/api/v1/events" };
        let mut tries = 0;
        while !lines.is_empty() {
            let events: Vec<&str> = lines.iter().filter_map(|line| line.event.as_deref().ok()).collect();
            let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
            let answer = self.options.client.request(Method::POST, path, &[], body).await;
            self.has_answer |= answer.is_ok();
            let wait = match answer {
                Ok(answer) if answer.body["events"].is_array() => {
                    let before = lines.len();
                    lines = self.judge(lines, &answer.body["events"])?;
                    tries = if lines.len() < before { 0 } else { tries + 1 };
                    answer.retry_after
                }
                Ok(answer) if is_passing(answer.status) => {
                    tries += 1;
                    answer.retry_after
                }
                Ok(answer) => {
                    let message = answer.body["error"]["message"].as_str().unwrap_or("without saying why");
                    bail!("the gateway refused the import: {message}");
                }
                // Where nothing has ever answered, nothing was begun that would have to be gone on with.
                Err(error) if self.has_answer && tries < TRIES_MAX => {
                    say(format_args!("{error:#}; it is tried again"));
                    tries += 1;
                    None
                }
                Err(error) => return Err(error),
            };
            self.progress.say(self.tally.all());
            if tries > TRIES_MAX {
                bail!("the gateway has taken nothing for a while; run the same import again to go on");
            }
            if !lines.is_empty() {
                tokio::time::sleep(wait.unwrap_or(RETRY_AFTER)).await;
            }
        }
        Ok(())
    }

    /// Counts what became of the lines, and returns those that are worth sending again.
    fn judge(&mut self, lines: Vec<Line>, answers: &Value) -> anyhow::Result<Vec<Line>> {
        let mut again = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            let answer = &answers[at];
            match (answer["status"].as_str(), answer["error"]["code"].as_str()) {
                (Some("accepted" | "valid"), _) => {
                    self.tally.taken += 1;
                    self.tally.repeated += u64::from(answer["repeated"] == true);
                }
                (_, Some(code)) if PASSING.contains(&code) && !self.options.dry_run => again.push(line),
                (_, code) => {
                    let reason = answer["error"]["message"].as_str().unwrap_or("no reason was given");
                    self.refuse(&line, code.unwrap_or("refused"), reason)?;
                }
            }
        }
        Ok(again)
    }

    fn refuse(&mut self, line: &Line, code: &str, reason: &str) -> anyhow::Result<()> {
        self.tally.refused += 1;
        if self.options.dry_run {
            let row = serde_json::json!({"line": line.number, "code": code, "reason": reason});
            let text = format!("line {}: {reason}", line.number);
            return crate::print(&if self.options.client.json { row.to_string() } else { text }).map(drop);
        }
        self.refused.write(line, code, reason)
    }

    fn end(mut self) -> anyhow::Result<ExitCode> {
        self.progress.end();
        let Tally { taken, repeated, refused } = self.tally;
        let taken_text = match self.options.dry_run {
            // Whether a key is known, nobody asks when nothing is stored.
            true => format!("{taken} would be taken"),
            false => format!("{taken} taken ({repeated} of them had been taken before)"),
        };
        let place = self.refused.close()?;
        if self.options.client.json {
            let path = place.as_ref().map(|path| path.display().to_string());
            let report = serde_json::json!({"taken": taken, "repeated": repeated, "refused": refused, "refused_file": path});
            crate::print(&report.to_string())?;
        } else {
            say(format_args!("{taken_text}, {refused} refused"));
            if let Some(path) = place {
                say(format_args!("refused lines with their reasons: {}", path.display()));
            }
        }
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Tally {
    fn all(&self) -> u64 {
        self.taken + self.refused
    }
}

/// How far the import is, for a person.
struct Progress {
    total: usize,
    started: Instant,
    said: Option<Instant>,
}

impl Progress {
    fn say(&mut self, done: u64) {
        let is_terminal = std::io::stderr().is_terminal();
        if !is_terminal && self.said.unwrap_or(self.started).elapsed() < PROGRESS_EVERY {
            return;
        }
        self.said = Some(now());
        let text = progress(done, self.total as u64, self.started.elapsed());
        if is_terminal {
            use std::io::Write as _;
            let mut stderr = std::io::stderr().lock();
            // There is nobody left to tell when stderr is closed.
            write!(stderr, "\r{text}\x1b[K").and_then(|()| stderr.flush()).unwrap_or_default();
        } else {
            say(text);
        }
    }

    fn end(&self) {
        if self.said.is_some() && std::io::stderr().is_terminal() {
            say("");
        }
    }
}

/// A bar, the rate and the time left.
fn progress(done: u64, total: u64, elapsed: Duration) -> String {
    const BAR: u64 = 24;
    let filled = (done * BAR).checked_div(total).unwrap_or(BAR).min(BAR);
    let bar: String = (0..BAR).map(|at| if at < filled { '█' } else { '░' }).collect();
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { 0.0 };
    format!("{bar} {done} of {total} · {rate:.0}/s · {left:.0} s left")
}

fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::REQUEST_TIMEOUT
    )
}

#[expect(clippy::disallowed_methods, reason = "a person watches the real time pass")]
fn now() -> Instant {
    Instant::now()
}

fn read(options: &Options) -> anyhow::Result<Vec<u8>> {
    let shown = options.file.display();
    let mut content = Vec::new();
    let mut limited =
        |source: &mut dyn std::io::Read| source.take(FILE_BYTES_MAX + 1).read_to_end(&mut content);
    if options.file.as_os_str() == "-" {
        limited(&mut std::io::stdin().lock()).context("cannot read standard input")?;
    } else {
        let mut file = std::fs::File::open(&options.file).with_context(|| format!("cannot open {shown}"))?;
        limited(&mut file).with_context(|| format!("cannot read {shown}"))?;
    }
    if content.len() as u64 > FILE_BYTES_MAX {
        bail!("{shown} is larger than 2 GiB; split it");
    }
    Ok(content)
}

fn format_of(file: &std::path::Path, content: &[u8]) -> Format {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Format::Csv,
        "ndjson" | "jsonl" | "json" => Format::Ndjson,
        _ if content.trim_ascii_start().starts_with(b"{") => Format::Ndjson,
        _ => Format::Csv,
    }
}

fn refused_path(options: &Options, format: Format) -> PathBuf {
    options.refused.clone().unwrap_or_else(|| {
        let ending = if format == Format::Csv { "refused.csv" } else { "refused.ndjson" };
        let stem = if options.file.as_os_str() == "-" { "import".into() } else { options.file.clone() };
        let mut name = stem.into_os_string();
        name.push(format!(".{ending}"));
        name.into()
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, progress};

    #[test]
    fn progress_says_how_much_is_left() {
        let text = progress(250, 1000, Duration::from_secs(5));
        assert_eq!(text, "██████░░░░░░░░░░░░░░░░░░ 250 of 1000 · 50/s · 15 s left");
        assert!(progress(0, 0, Duration::ZERO).ends_with("0 of 0 · 0/s · 0 s left"));
    }
}
