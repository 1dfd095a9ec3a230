//! What it weighs: the binary, an idle gateway, an event on disk; and how fast it starts.

use std::fs;

use anyhow::Result;

use super::Bench;
use super::gateway::{Gateway, laneway, sandbox};
use super::load::{self, Amount, Load, Of};
use super::report::{median, shown};
use super::world::World;

/// The starts whose median is reported.
const STARTS: usize = 5;
/// The events of one kind that are settled before their files are weighed.
const EVENTS: usize = 50_000;
/// The connections of a load.
const CONNECTIONS: usize = 64;

/// Weighs everything.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let binary = fs::metadata(laneway())?.len() as f64 / 1_048_576.0;
    bench.report.row("binary", &format!("{binary:.1} MiB"), "gateway, sandbox and command line in one");
    let sandbox = sandbox()?;
    let world = World::of_sandbox(sandbox.addresses[0])?;
    let (mut times, mut memories) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let gateway = Gateway::start(&bench.folder, &world, "size")?;
        times.push(gateway.server.start_time.as_secs_f64());
        memories.push(gateway.server.memory_mib()?);
        gateway.server.stop()?;
        bench.folder.remove("size")?;
    }
    let how = format!("median of {STARTS}, fresh data directory");
    bench.report.row("start to ready", &shown(median(&times)), &how);
    bench.report.row(
        "memory, idle gateway",
        &format!("{:.1} MiB", median(&memories)),
        "VmRSS after the start",
    );
    for (kind, bodies) in [("MarkAsRead", world.read_marks(0..1)), ("Purchase", world.purchases())] {
        on_disk(bench, &world, kind, &bodies)?;
    }
    Ok(())
}

/// Settles many events of a kind and weighs the files that the gateway leaves behind.
fn on_disk(bench: &mut Bench, world: &World, kind: &str, lines: &str) -> Result<()> {
    let bodies = bench.bodies("size-bodies", lines)?;
    let events = bench.scaled(EVENTS);
    let gateway = Gateway::start(&bench.folder, world, "size")?;
    let load = Load {
        address: gateway.address,
        bodies: &bodies,
        connections: CONNECTIONS,
        amount: Amount::Requests(events),
        rate: None,
        of: Of::Events,
    };
    load::run(&load)?;
    gateway.wait_until_confirmed(events as u64)?;
    gateway.server.stop()?;
    let bytes = bench.folder.bytes("size")? as f64 / events as f64;
    bench.folder.remove("size")?;
    let body = lines.lines().next().map_or(0, str::len);
    let how = format!("{events} {kind}, bodies of {body} bytes; all files after a clean end");
    bench.report.row(&format!("on disk per confirmed {kind}"), &format!("{bytes:.0} bytes"), &how);
    Ok(())
}
