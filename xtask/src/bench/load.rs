//! Running the load generator, `xtask/examples/load`: a process of its own, built for release.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::world::{APP, APP_SECRET, TOKEN};
use crate::shell;

/// What to send, and how.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    /// A file of requests' bodies, one a line.
    pub(crate) bodies: &'a Path,
    pub(crate) connections: usize,
    pub(crate) amount: Amount,
    /// Requests due per second; `None` for a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) of: Of,
}

/// What the bodies are, and when one of them is done.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// Events, done when they are accepted.
    Events,
    /// Events, done when they are confirmed.
    EventsUntilFinal,
    /// Notifications of the app, done when they are stored.
    Notifications,
}

/// When a load ends.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    Requests(usize),
    Seconds(u64),
}

/// A load under way; it is ended when dropped.
pub(crate) struct Running(Option<Child>);

/// What a load came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    /// How many answers had which status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Figures {
    /// How many answers had this status.
    pub(crate) fn count(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    /// Events, or notifications, taken per second.
    pub(crate) fn rate(&self) -> f64 {
        self.count(200) as f64 / self.seconds
    }
}

/// The program.
pub(crate) fn program() -> PathBuf {
    shell::root().join("target/release/examples/load")
}

/// Runs a load to its end. Any answer but 200 is an error, since a rate of refusals means nothing.
pub(crate) fn run(load: &Load<'_>) -> Result<Figures> {
    start(load)?.figures()
}

/// Runs a load of which a part may be refused.
pub(crate) fn run_to_refusal(load: &Load<'_>) -> Result<Figures> {
    start(load)?.end()
}

/// Starts a load.
pub(crate) fn start(load: &Load<'_>) -> Result<Running> {
    let Load { address, bodies, connections, amount, rate, of } = load;
    let mut command = Command::new(program());
    command.arg(address.to_string()).arg(bodies).arg(TOKEN).arg(format!("connections={connections}"));
    match amount {
        Amount::Requests(count) => command.arg(format!("requests={count}")),
        Amount::Seconds(seconds) => command.arg(format!("seconds={seconds}")),
    };
    if let Some(rate) = rate {
        command.arg(format!("rate={rate}"));
    }
    match of {
        Of::Events => {}
        Of::EventsUntilFinal => drop(command.arg("until=final")),
        Of::Notifications => drop(command.args([format!("app={APP}"), format!("secret={APP_SECRET}")])),
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(Running(Some(command.spawn().context("cannot start the load generator")?)))
}

impl Running {
    /// Waits for the end, where every answer was a 200.
    pub(crate) fn figures(self) -> Result<Figures> {
        let figures = self.end()?;
        let is_all = figures.statuses.keys().all(|status| *status == 200);
        ensure!(is_all, "requests were refused; answers by status: {:?}", figures.statuses);
        Ok(figures)
    }

    fn end(mut self) -> Result<Figures> {
        let child = self.0.take().context("a load ends once")?;
        let output = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the load failed: {}", errors.trim());
        parse(&output.stdout).context("the load generator's report is not understood")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended already, and there is nobody left to tell.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn parse(report: &[u8]) -> Result<Figures> {
    let report: Value = serde_json::from_slice(report)?;
    let statuses = report["statuses"].as_object().context("no statuses")?;
    let statuses = statuses.iter().map(|(status, count)| Some((status.parse().ok()?, count.as_u64()?)));
    let latency = |name: &str| report[name].as_u64().map(Duration::from_micros).context("no latency");
    Ok(Figures {
        seconds: report["seconds"].as_f64().context("no seconds")?,
        statuses: statuses.collect::<Option<_>>().context("a status is no number")?,
        p50: latency("p50_us")?,
        p99: latency("p99_us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_report_is_read() {
        let report =
            br#"{"seconds":0.5,"statuses":{"200":10,"429":2},"p50_us":1500,"p99_us":9000,"max_us":9999}"#;
        let figures = parse(report).unwrap();
        assert_eq!((figures.count(200), figures.count(429), figures.count(503)), (10, 2, 0));
        assert!((figures.rate() - 20.0).abs() < 1e-9);
        assert_eq!((figures.p50.as_micros(), figures.p99.as_micros()), (1500, 9000));
        assert!(parse(b"{}").is_err());
    }
}
