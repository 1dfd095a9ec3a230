//! What an account's own addresses cost its events: dead ones nothing, callbacks something.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, ensure};

use super::{closed, ratio_row};
use crate::bench::Bench;
use crate::bench::accept::closed_port;
use crate::bench::gateway::{Gateway, sandbox};
use crate::bench::load::{self, Amount, Load, Of};
use crate::bench::process::Server;
use crate::bench::report::{median, shown};
use crate::bench::world::World;
use crate::stopwatch::Stopwatch;

/// The connections of a load of events.
const CONNECTIONS: usize = 64;
/// Notifications a second beside it, and the connections for them.
const NOTIFICATIONS_PER_SECOND: f64 = 200.0;
const NOTIFICATION_CONNECTIONS: usize = 8;
/// How long events are watched, and how long they come before that.
const SECONDS: u64 = 6;
const SECONDS_QUICK: u64 = 1;
const SECONDS_BEFORE: u64 = 2;
/// Events come at full load divided by this. Nearer to full load the p99 of equal runs differs tenfold, because what else the
/// machine does makes a queue of it.
const SHARE_OF_FULL: f64 = 8.0;

/// The events of a measurement at full load, and those before it. Callbacks about all of them are fewer than may wait for one
/// address.
const EVENTS: usize = 60_000;
const EVENTS_BEFORE: usize = 10_000;

/// Where notifications are passed on to, and where confirmed events are told.
#[derive(Clone, Copy)]
struct Addresses {
    forward: Option<SocketAddr>,
    callback: Option<SocketAddr>,
}

impl Addresses {
    const NONE: Addresses = Addresses { forward: None, callback: None };

    const fn forward(to: SocketAddr) -> Addresses {
        Addresses { forward: Some(to), callback: None }
    }

    const fn callback(to: SocketAddr) -> Addresses {
        Addresses { forward: None, callback: Some(to) }
    }
}

/// Measures what dead addresses change, and what live callbacks do.
pub(super) fn run(bench: &mut Bench, live: SocketAddr) -> Result<()> {
    let full = callbacks(bench, live)?;
    dead(bench, live, full / SHARE_OF_FULL)
}

/// Takes connections, reads nothing, answers nothing, and closes nothing while the benchmark runs.
fn black_hole() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || listener.incoming().map_while(Result::ok).collect::<Vec<_>>());
    Ok(address)
}

/// A gateway with a sandbox behind it, and what is sent to it.
struct Stage {
    _sandbox: Server,
    gateway: Gateway,
    events: PathBuf,
    notifications: PathBuf,
}

impl Stage {
    fn set(bench: &Bench, addresses: Addresses) -> Result<Stage> {
        let sandbox = sandbox()?;
        let mut world = World::of_sandbox(sandbox.addresses[0])?;
        world.notified = true;
        (world.forward, world.callback) = (addresses.forward, addresses.callback);
        let events = bench.bodies("outbox-events", &world.read_marks(0..1))?;
        let count = (NOTIFICATIONS_PER_SECOND as usize) * (SECONDS_BEFORE + SECONDS) as usize;
        let notifications = bench.bodies("outbox-notifications", &world.notifications(0..count))?;
        let gateway = Gateway::start(&bench.folder, &world, "outbox")?;
        Ok(Stage { _sandbox: sandbox, gateway, events, notifications })
    }

    fn load(&self, seconds: u64, rate: Option<f64>) -> Load<'_> {
        Load {
            address: self.gateway.address,
            bodies: &self.events,
            connections: CONNECTIONS,
            amount: Amount::Seconds(seconds),
            rate,
            of: Of::Events,
        }
    }

    fn clear(self, bench: &Bench) -> Result<()> {
        drop(self.gateway);
        bench.folder.remove("outbox")
    }
}

/// Events confirmed a second at full load, with callbacks about all of them and without, in turns; the rate without.
fn callbacks(bench: &mut Bench, live: SocketAddr) -> Result<f64> {
    let (mut without, mut with, mut ratios, mut told) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let rate = |addresses| -> Result<(f64, f64)> {
            let stage = Stage::set(bench, addresses)?;
            let gateway = &stage.gateway;
            let (before, events) = (bench.scaled(EVENTS_BEFORE), bench.scaled(EVENTS));
            let load = stage.load(0, None);
            load::run(&Load { amount: Amount::Requests(before), ..load })?;
            gateway.wait_until_confirmed(before as u64)?;
            let told = gateway.posts("callback")?.confirmed;
            let stopwatch = Stopwatch::start();
            load::run(&Load { amount: Amount::Requests(events), ..load })?;
            gateway.wait_until_confirmed((before + events) as u64)?;
            let seconds = stopwatch.elapsed().as_secs_f64();
            let posts = gateway.posts("callback")?;
            ensure!(posts.left_out == 0, "callbacks were left out: {posts:?}");
            stage.clear(bench)?;
            Ok((events as f64 / seconds, (posts.confirmed - told) as f64 / seconds))
        };
        let (none, _) = rate(Addresses::NONE)?;
        let (all, calls) = rate(Addresses::callback(live))?;
        without.push(none);
        with.push(all);
        told.push(calls);
        ratios.push(all / none);
    }
    let (without, with, told) = (median(&without), median(&with), median(&told));
    let how =
        format!("median of {}; {told:.0} callbacks/s meanwhile; {without:.0}/s without any", ratios.len());
    bench.report.row("confirmed at full load, a callback about each event", &format!("{with:.0}/s"), &how);
    ratio_row(bench, "… against none", "", &ratios);
    Ok(without)
}

/// The p99 of accepting events at an eighth of full load, by what the account's addresses do, in turns.
fn dead(bench: &mut Bench, live: SocketAddr, rate: f64) -> Result<()> {
    let (closed, silent) = (closed_port()?, black_hole()?);
    let arms = [
        Addresses::NONE,
        Addresses::forward(closed),
        Addresses::forward(silent),
        Addresses::callback(live),
        Addresses::callback(closed),
        Addresses::callback(silent),
    ];
    let mut rounds: Vec<[f64; 6]> = Vec::new();
    for round in 0..bench.rounds() {
        let mut p99 = [0.0; 6];
        // Each round begins with another, so that what went before is not always before the same one.
        for turn in 0..arms.len() {
            let arm = (round + turn) % arms.len();
            let is_dead = arms[arm].callback != Some(live);
            p99[arm] = watched(bench, arms[arm], is_dead, rate).with_context(|| format!("round {round}"))?;
        }
        rounds.push(p99);
    }
    let alone = median(&rounds.iter().map(|p99| p99[0]).collect::<Vec<f64>>());
    let how = format!(
        "{rate:.0} events/s and {NOTIFICATIONS_PER_SECOND:.0} notifications/s, median of {}",
        rounds.len()
    );
    bench.report.row("p99 of accepting events at an eighth of full load, no forwards", &shown(alone), &how);
    for (arm, base, what, of_what) in [
        (1, 0, "… forwards to an address where nothing listens", " × without"),
        (2, 0, "… forwards to one that never answers", " × without"),
        (3, 0, "… callbacks about all events to a live address", " × without"),
        (4, 3, "… the same where nothing listens", " × to a live one"),
        (5, 3, "… the same to one that never answers", " × to a live one"),
    ] {
        ratio_row(bench, what, of_what, &rounds.iter().map(|p99| p99[arm] / p99[base]).collect::<Vec<f64>>());
    }
    Ok(())
}

/// The p99 of accepting events while notifications come in. Sees that all events are confirmed nevertheless, and that what a
/// dead address should have waits for it.
fn watched(bench: &Bench, addresses: Addresses, is_dead: bool, rate: f64) -> Result<f64> {
    let stage = Stage::set(bench, addresses)?;
    let gateway = &stage.gateway;
    let seconds = if bench.quick { SECONDS_QUICK } else { SECONDS };
    let notifications = Load {
        connections: NOTIFICATION_CONNECTIONS,
        rate: Some(NOTIFICATIONS_PER_SECOND),
        ..closed(gateway.address, &stage.notifications, Amount::Seconds(SECONDS_BEFORE + seconds))
    };
    let under_way = load::start(&notifications)?;
    let before = load::run(&stage.load(SECONDS_BEFORE, Some(rate)))?;
    let figures = load::run(&stage.load(seconds, Some(rate)))?;
    let notified = under_way.figures()?.count(200);
    let events = before.count(200) + figures.count(200);
    gateway.wait_until_confirmed(events)?;
    for (kind, address, posts) in
        [("forward", addresses.forward, notified), ("callback", addresses.callback, events)]
    {
        if address.is_some() && is_dead {
            gateway.wait_until_open(kind, posts)?;
        }
    }
    stage.clear(bench)?;
    Ok(figures.p99.as_secs_f64())
}
