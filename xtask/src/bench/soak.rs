//! `cargo xtask soak`: whether a gateway at half load stays as it is, minute by minute.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Bench;
use super::gateway::{Gateway, sandbox};
use super::http::Connection;
use super::load::{self, Amount, Load, Of};
use super::report::{Goal, shown};
use super::world::{TOKEN, World};
use crate::stopwatch::Stopwatch;

/// How long a soak takes unless it is told.
pub(crate) const MINUTES: u64 = 10;
/// Fewer cannot be compared.
pub(crate) const MINUTES_MIN: u64 = 3;
/// How long the full load is measured.
const FULL_SECONDS: u64 = 10;
/// The connections of a load.
const CONNECTIONS: usize = 64;
/// The shortest that the configuration allows, so that events are purged while the soak runs, if it runs for longer.
const RETENTION: &str = "1h";
/// How often the log and the memory are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the reader of lists rests between two pages.
const PAGE_EVERY: Duration = Duration::from_millis(100);
/// What the last minute may come to, as a multiple of the second.
const GROWTH: Goal = Goal::AtMost(1.2);

/// What a minute came to.
struct Minute {
    rate: f64,
    p99: Duration,
    /// The largest write-ahead log seen.
    log_mib: f64,
    /// The largest VmRSS seen.
    memory_mib: f64,
    open: u64,
    pages: u64,
}

/// Runs for so many minutes; `false` when something grew by more than it may.
pub(crate) fn run(minutes: u64) -> Result<bool> {
    super::build()?;
    let mut bench = Bench::new(false)?;
    bench.machine()?;
    let sandbox = sandbox()?;
    let mut world = World::of_sandbox(sandbox.addresses[0])?;
    world.retention = Some(RETENTION);
    let bodies = bench.bodies("read-marks", &world.read_marks(0..1))?;
    let gateway = Gateway::start(&bench.folder, &world, "soak")?;
    let load = Load {
        address: gateway.address,
        bodies: &bodies,
        connections: CONNECTIONS,
        amount: Amount::Seconds(FULL_SECONDS),
        rate: None,
        of: Of::Events,
    };
    let stopwatch = Stopwatch::start();
    let sent = load::run(&load)?.count(200);
    gateway.wait_until_confirmed(sent)?;
    let full = sent as f64 / stopwatch.elapsed().as_secs_f64();
    bench.report.row("full load", &format!("{full:.0}/s"), "read marks accepted and confirmed");
    let load = Load { amount: Amount::Seconds(60), rate: Some(full / 2.0), ..load };

    let (stop, pages) = (AtomicBool::new(false), AtomicU64::new(0));
    let soaked = thread::scope(|scope| {
        let reader = scope.spawn(|| read_lists(load.address, &stop, &pages));
        let measured: Result<Vec<Minute>> =
            (1..=minutes).map(|number| one_minute(&mut bench, &gateway, &load, &pages, number)).collect();
        stop.store(true, Ordering::Relaxed);
        reader.join().expect("the reader does not panic")?;
        measured
    });
    let is_steady = soaked.and_then(|soaked| compare(&mut bench, &soaked));
    print!("{}", bench.report.markdown());
    is_steady
}

fn one_minute(
    bench: &mut Bench,
    gateway: &Gateway,
    load: &Load<'_>,
    pages: &AtomicU64,
    number: u64,
) -> Result<Minute> {
    let pages_before = pages.load(Ordering::Relaxed);
    let (mut log_mib, mut memory_mib) = (0.0_f64, 0.0_f64);
    let stopwatch = Stopwatch::start();
    let under_way = load::start(load)?;
    while stopwatch.elapsed() < Duration::from_secs(60) {
        log_mib = log_mib.max(gateway.journal("log_bytes")? as f64 / 1_048_576.0);
        memory_mib = memory_mib.max(gateway.server.memory_mib()?);
        thread::sleep(LOOK_EVERY);
    }
    let figures = under_way.figures()?;
    let counts = gateway.counts()?;
    ensure!(counts.confirmed == counts.ended, "not all events were confirmed: {counts:?}");
    let minute = Minute {
        rate: figures.rate(),
        p99: figures.p99,
        log_mib,
        memory_mib,
        open: counts.open,
        pages: pages.load(Ordering::Relaxed) - pages_before,
    };
    let Minute { rate, p99, open, pages, .. } = &minute;
    bench.report.row(
        &format!("minute {number}"),
        &format!("log {log_mib:.0} MiB, memory {memory_mib:.0} MiB, p99 {}", shown(p99.as_secs_f64())),
        &format!("{rate:.0}/s accepted, {open} open at its end, {pages} pages of lists read"),
    );
    Ok(minute)
}

/// Reads lists from the newest event to the oldest, page by page, and again from the newest.
fn read_lists(gateway: SocketAddr, stop: &AtomicBool, pages: &AtomicU64) -> Result<()> {
    let mut connection = Connection::open(gateway)?;
    let mut cursor: Option<String> = None;
    while !stop.load(Ordering::Relaxed) {
        let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let path = format!("/api/v1/events?limit=200{after}");
        let page: Value = connection.send("GET", &path, TOKEN, "")?.json().context("a list")?;
        ensure!(page["events"].is_array(), "a list has no events");
        cursor = page["cursor"].as_str().map(str::to_owned);
        pages.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAGE_EVERY);
    }
    Ok(())
}

/// The last minute against the second; the first still fills caches.
fn compare(bench: &mut Bench, minutes: &[Minute]) -> Result<bool> {
    let (second, last) = (minutes.get(1).context("too short")?, minutes.last().context("too short")?);
    let seconds = |minute: &Minute| minute.p99.as_secs_f64();
    let parts = [
        ("log", last.log_mib / second.log_mib),
        ("memory", last.memory_mib / second.memory_mib),
        ("p99", seconds(last) / seconds(second)),
    ];
    let mut is_steady = true;
    for (name, ratio) in parts {
        is_steady &= GROWTH.is_met(ratio);
        let how = format!("minute {} against minute 2", minutes.len());
        bench.report.judged(&format!("{name}, growth"), &format!("{ratio:.2}"), (GROWTH, ratio), &how);
    }
    Ok(is_steady)
}
