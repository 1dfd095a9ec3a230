//! `laneway serve` and `laneway sandbox` as the benchmark runs them: release builds, on loopback, with files below
//! `target`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::http::{Answer, Connection};
use super::process::{Folder, Server};
use super::world::{TOKEN, World};
use crate::shell;
use crate::stopwatch::Stopwatch;

/// How long the gateway may take to confirm what it has accepted.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it is asked whether it has.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
}

/// The counts of `/metrics` that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) open: u64,
    pub(crate) ended: u64,
    pub(crate) confirmed: u64,
}

/// What `/metrics` say of the posts of one kind, `callback` or `forward`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Posts {
    pub(crate) open: u64,
    pub(crate) confirmed: u64,
    pub(crate) left_out: u64,
}

/// The binary that is measured.
pub(crate) fn laneway() -> PathBuf {
    shell::root().join("target/release/laneway")
}

/// A fresh sandbox.
pub(crate) fn sandbox() -> Result<Server> {
    Server::start(&laneway(), &["--log", "error", "sandbox", "--sandbox-listen", "127.0.0.1:0"], &["sandbox"])
}

impl Gateway {
    /// Starts a gateway for this world on the folder `data`, which may hold events of an earlier start.
    pub(crate) fn start(folder: &Folder, world: &World, data: &str) -> Result<Gateway> {
        folder.write("token", &world.access_token)?;
        for (file, secret) in World::SECRETS {
            folder.write(file, secret)?;
        }
        folder.write("laneway.toml", &world.configuration())?;
        let (config, data) = (folder.text("laneway.toml")?, folder.text(data)?);
        let arguments =
            ["--log", "error", "serve", "--config", &config, "--listen", "127.0.0.1:0", "--data-dir", &data];
        let server = Server::start(&laneway(), &arguments, &["gateway", "admin"])?;
        let [address, admin] = server.addresses[..] else { bail!("the gateway has two addresses") };
        Ok(Gateway { server, address, admin })
    }

    /// On a connection of its own: the gateway closes those that say nothing for a while.
    fn ask(&self, path: &str) -> Result<Answer> {
        Connection::open(self.admin)?.send("GET", path, TOKEN, "")
    }

    /// The counts at this moment.
    pub(crate) fn counts(&self) -> Result<Counts> {
        let metrics = self.ask("/metrics")?.text()?;
        counts(&metrics).context("the metrics are not understood")
    }

    /// The posts of a kind at this moment.
    pub(crate) fn posts(&self, kind: &str) -> Result<Posts> {
        let metrics = self.ask("/metrics")?.text()?;
        posts(&metrics, kind).context("the metrics are not understood")
    }

    /// Waits until so many posts of a kind are open: those that were stored, and none of them gone.
    pub(crate) fn wait_until_open(&self, kind: &str, posts: u64) -> Result<()> {
        let stopwatch = Stopwatch::start();
        let mut found = self.posts(kind)?;
        while found.open != posts {
            let is_late = stopwatch.elapsed() >= CONFIRM_TIMEOUT || found.open > posts;
            ensure!(!is_late, "of {kind} posts {posts} should be open: {found:?}");
            thread::sleep(ASK_EVERY);
            found = self.posts(kind)?;
        }
        Ok(())
    }

    /// The journal's figures at this moment.
    pub(crate) fn journal(&self, name: &str) -> Result<u64> {
        let state: Value = self.ask("/readyz")?.json()?;
        state["journal"][name].as_u64().with_context(|| format!("/readyz has no journal.{name}"))
    }

    /// Waits until so many events have ended since the start, and sees that all of them are confirmed.
    pub(crate) fn wait_until_confirmed(&self, events: u64) -> Result<()> {
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < CONFIRM_TIMEOUT {
            let counts = self.counts()?;
            ensure!(counts.confirmed == counts.ended, "not all events were confirmed: {counts:?}");
            if counts.ended >= events {
                return Ok(());
            }
            thread::sleep(ASK_EVERY);
        }
        bail!("after {} s not all of {events} events are confirmed", CONFIRM_TIMEOUT.as_secs());
    }
}

fn counts(metrics: &str) -> Option<Counts> {
    let mut counts = Counts { open: u64::MAX, ..Counts::default() };
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        match name {
            "laneway_open_events" => counts.open = value.parse().ok()?,
            "laneway_events_ended_total" => {
                let value: u64 = value.parse().ok()?;
                counts.ended += value;
                if labels.contains(r#"status="confirmed""#) {
                    counts.confirmed += value;
                }
            }
            _ => {}
        }
    }
    (counts.open != u64::MAX).then_some(counts)
}

fn posts(metrics: &str, kind: &str) -> Option<Posts> {
    let kind = format!(r#"kind="{kind}""#);
    let (mut posts, mut is_known) = (Posts::default(), false);
    for line in metrics.lines().filter(|line| !line.starts_with('#') && line.contains(&kind)) {
        let (series, value) = line.rsplit_once(' ')?;
        match series.split_once('{')? {
            ("laneway_outbox_open", _) => (posts.open, is_known) = (value.parse().ok()?, true),
            ("laneway_outbox_ended_total", labels) if labels.contains(r#"status="confirmed""#) => {
                posts.confirmed += value.parse::<u64>().ok()?;
            }
            ("laneway_outbox_left_out_total", _) => posts.left_out = value.parse().ok()?,
            _ => {}
        }
    }
    is_known.then_some(posts)
}

#[cfg(test)]
mod tests {
    use super::{Counts, Posts, counts, posts};

    #[test]
    fn posts_are_counted_by_kind() {
        let metrics = "# TYPE laneway_outbox_open gauge\nlaneway_outbox_open{kind=\"callback\"} 3\n\
            laneway_outbox_open{kind=\"forward\"} 4\n\
            laneway_outbox_ended_total{kind=\"forward\",status=\"confirmed\"} 7\n\
            laneway_outbox_ended_total{kind=\"forward\",status=\"expired\"} 1\n\
            laneway_outbox_left_out_total{kind=\"forward\"} 2\n# EOF\n";
        assert_eq!(posts(metrics, "forward"), Some(Posts { open: 4, confirmed: 7, left_out: 2 }));
        assert_eq!(posts(metrics, "callback"), Some(Posts { open: 3, confirmed: 0, left_out: 0 }));
        assert_eq!(posts("# EOF\n", "callback"), None);
    }

    #[test]
    fn counts_are_summed_over_types() {
        let metrics = "# TYPE laneway_open_events gauge\nlaneway_open_events 3\n\
            laneway_events_ended_total{type=\"Block\",status=\"confirmed\"} 2\n\
            laneway_events_ended_total{type=\"MarkAsRead\",status=\"confirmed\"} 5\n\
            laneway_events_ended_total{type=\"MarkAsRead\",status=\"expired\"} 1\n# EOF\n";
        assert_eq!(counts(metrics), Some(Counts { open: 3, ended: 8, confirmed: 7 }));
        assert_eq!(counts("# EOF\n"), None);
    }
}
