//! The largest notifications that Meta sends: how many are taken, what memory they take, and how long events wait meanwhile.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::bodies::BATCH_UPDATES;
use super::{closed, ratio_row};
use crate::bench::Bench;
use crate::bench::accept::closed_port;
use crate::bench::gateway::Gateway;
use crate::bench::load::{self, Amount, Figures, Load, Of};
use crate::bench::report::{median, shown};
use crate::bench::world::World;

/// Different ones; they are sent in turns.
const BODIES: usize = 24;
/// The connections that they come by, each with one under way.
const CONNECTIONS: usize = 16;
/// Those of one measurement.
const BATCHES: usize = 160;
const BATCHES_QUICK: usize = 32;
/// Events a second, and large notifications a second beside them: 15 MB and 5,000 updates.
const EVENTS_PER_SECOND: f64 = 5_000.0;
const BATCHES_PER_SECOND: f64 = 5.0;
/// The connections of the events.
const EVENT_CONNECTIONS: usize = 64;
/// How long events are watched.
const SECONDS: u64 = 8;
const SECONDS_QUICK: u64 = 2;

/// Measures them alone, and beside events.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let mut world = World::of_nobody(closed_port()?, 1);
    world.notified = true;
    let bodies = bench.bodies("large-bodies", &world.batches(0..BODIES))?;
    alone(bench, &world, &bodies)?;
    beside_events(bench, &world, &bodies)
}

fn alone(bench: &mut Bench, world: &World, bodies: &Path) -> Result<()> {
    let (mut figures, mut peaks, mut idle) = (Vec::new(), Vec::new(), 0.0);
    let batches = if bench.quick { BATCHES_QUICK } else { BATCHES };
    for _ in 0..bench.rounds() {
        let gateway = Gateway::start(&bench.folder, world, "large")?;
        idle = gateway.server.memory_mib()?;
        let load = closed(gateway.address, bodies, Amount::Requests(batches));
        figures.push(load::run(&Load { connections: CONNECTIONS, ..load })?);
        peaks.push(gateway.server.memory_peak_mib()?);
        drop(gateway);
        bench.folder.remove("large")?;
    }
    let of = |part: fn(&Figures) -> f64| median(&figures.iter().map(part).collect::<Vec<f64>>());
    let bytes = std::fs::metadata(bodies)?.len() as f64 / BODIES as f64;
    let rate = of(Figures::rate);
    let how = format!(
        "{:.0} MB/s, {:.0} updates/s; p50 {}, p99 {}; median of {}; bodies of {:.2} MB with {BATCH_UPDATES} messages",
        rate * bytes / 1e6,
        rate * BATCH_UPDATES as f64,
        shown(of(|figures| figures.p50.as_secs_f64())),
        shown(of(|figures| figures.p99.as_secs_f64())),
        figures.len(),
        bytes / 1e6,
    );
    bench.report.row(
        &format!("largest notifications, {CONNECTIONS} connections"),
        &format!("{rate:.1}/s"),
        &how,
    );
    let how = format!("VmHWM, median of {}; idle {idle:.0} MiB", peaks.len());
    bench.report.row("memory meanwhile, at most", &format!("{:.0} MiB", median(&peaks)), &how);
    Ok(())
}

/// The p99 of accepting events, with large notifications coming in and without, in turns.
fn beside_events(bench: &mut Bench, world: &World, bodies: &Path) -> Result<()> {
    let events = bench.bodies("large-events", &world.read_marks(0..1))?;
    let seconds = if bench.quick { SECONDS_QUICK } else { SECONDS };
    let (mut without, mut ratios, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.rounds() {
        let p99 = |batches: bool| -> Result<(f64, Option<Figures>)> {
            let gateway = Gateway::start(&bench.folder, world, "large")?;
            let events = Load {
                address: gateway.address,
                bodies: &events,
                connections: EVENT_CONNECTIONS,
                amount: Amount::Seconds(seconds),
                rate: Some(EVENTS_PER_SECOND),
                of: Of::Events,
            };
            load::run(&Load { amount: Amount::Seconds(1), ..events })?;
            let large = closed(gateway.address, bodies, Amount::Seconds(seconds));
            let large = Load { connections: CONNECTIONS, rate: Some(BATCHES_PER_SECOND), ..large };
            let under_way = batches.then(|| load::start(&large)).transpose()?;
            let figures = load::run(&events)?;
            let large = under_way.map(load::Running::figures).transpose()?;
            drop(gateway);
            bench.folder.remove("large")?;
            Ok((figures.p99.as_secs_f64(), large))
        };
        let (alone, _) = p99(false)?;
        let (beside, large) = p99(true)?;
        let large = large.with_context(|| format!("round {round} had no large notifications"))?;
        taken.push(large.p99.as_secs_f64());
        without.push(alone);
        ratios.push(beside / alone);
    }
    ratio_row(bench, "p99 of accepting events beside the largest notifications", " × without", &ratios);
    let how = format!(
        "{EVENTS_PER_SECOND:.0} events/s, number paused; {BATCHES_PER_SECOND:.0} notifications/s, whose own p99 is {}",
        shown(median(&taken))
    );
    bench.report.row("… without", &shown(median(&without)), &how);
    Ok(())
}
