//! As many open events as there may be: what they weigh, what they slow down, and how long a start takes with them.

use std::path::Path;

use anyhow::{Result, ensure};

use super::accept::closed_port;
use super::gateway::Gateway;
use super::load::{self, Amount, Figures, Load, Of};
use super::report::{Goal, median, shown};
use super::world::World;
use super::{Bench, warm_up};

/// The most open events of the node, and of one number.
const OPEN_MAX: usize = 4_000_000;
const OPEN_OF_NUMBER_MAX: usize = 2_000_000;
/// The numbers: the first is filled to its limit, the others share the rest.
const NUMBERS: usize = 5;
/// The connections of a load.
const CONNECTIONS: usize = 64;
/// The requests of one measurement of the rate, on the full node and on an empty one.
const REQUESTS: usize = 60_000;
/// The requests beyond a limit, all of which should be refused.
const BEYOND: usize = 2_000;
/// The figures of `/metrics` have an event a moment after it was accepted, so the room that is reckoned from them may be
/// too much by what was accepted in between. A limit itself is never passed.
const TOLERANCE: u64 = 1_000;

const RATE: Goal = Goal::AtLeast(0.9);
const MEMORY_MIB: Goal = Goal::AtMost(500.0);
const START_SECONDS: Goal = Goal::AtMost(5.0);

/// Fills a node whose Meta is down, and starts it again.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut world = World::of_nobody(closed_port()?, NUMBERS);
    let (open_max, number_max) = (bench.scaled(OPEN_MAX), bench.scaled(OPEN_OF_NUMBER_MAX));
    world.limits = Some((open_max, number_max));
    let first = bench.bodies("first", &world.read_marks(0..1))?;
    let others = bench.bodies("others", &world.read_marks(1..NUMBERS))?;
    let gateway = Gateway::start(&bench.folder, &world, "open")?;

    let figures = fill(&gateway, &first, number_max + BEYOND)?;
    refused(bench, "one number full", &figures, 429, number_max)?;
    memory(bench, &gateway, number_max, None)?;

    // The rounds that compare the rates fill the node almost to its limit.
    let requests = bench.scaled(REQUESTS);
    let rounds = bench.rounds();
    let already = usize::try_from(gateway.counts()?.open)?;
    fill(&gateway, &others, (open_max - already).saturating_sub(rounds * requests + 2 * BEYOND))?;
    rates(bench, &gateway, &world, &others)?;

    let already = usize::try_from(gateway.counts()?.open)?;
    let room = open_max.saturating_sub(already);
    let figures = fill(&gateway, &others, room + BEYOND)?;
    refused(bench, "node full", &figures, 503, room)?;
    memory(bench, &gateway, open_max, Some(MEMORY_MIB))?;
    restart(bench, gateway, &world)
}

fn fill(gateway: &Gateway, bodies: &Path, requests: usize) -> Result<Figures> {
    load::run_to_refusal(&Load {
        address: gateway.address,
        bodies,
        connections: CONNECTIONS,
        amount: Amount::Requests(requests),
        rate: None,
        of: Of::Events,
    })
}

/// Sees that the limit held, and that beyond it everything was refused with this status and nothing else.
fn refused(bench: &mut Bench, what: &str, figures: &Figures, status: u16, room: usize) -> Result<()> {
    let (accepted, refused) = (figures.count(200), figures.count(status));
    let others = figures.statuses.keys().any(|found| *found != 200 && *found != status);
    let is_exact = (room as u64).checked_sub(accepted).is_some_and(|missing| missing <= TOLERANCE);
    let is_right = !others && refused > 0 && is_exact;
    ensure!(is_right, "{what}: room for {room}, answers by status {:?}", figures.statuses);
    let how = format!("{accepted} taken where {room} had room, at {:.0}/s", figures.rate());
    bench.report.row(&format!("{what}: {status} to all beyond"), &format!("{refused} refused"), &how);
    Ok(())
}

fn memory(bench: &mut Bench, gateway: &Gateway, events: usize, goal: Option<Goal>) -> Result<()> {
    let mebibytes = gateway.server.memory_mib()?;
    let what = format!("memory, {events} open events");
    let figure = format!("{mebibytes:.0} MiB");
    match goal {
        Some(goal) => bench.report.judged(&what, &figure, (goal, mebibytes), "VmRSS, while filling"),
        None => bench.report.row(&what, &figure, "VmRSS, while filling; all of one number"),
    }
    Ok(())
}

/// The same load to the full node and to an empty one, in turns.
fn rates(bench: &mut Bench, full: &Gateway, world: &World, bodies: &Path) -> Result<()> {
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let load = |address| Load {
            address,
            bodies,
            connections: CONNECTIONS,
            amount: Amount::Requests(bench.scaled(REQUESTS)),
            rate: None,
            of: Of::Events,
        };
        let empty = Gateway::start(&bench.folder, world, "empty")?;
        warm_up(bench, &load(empty.address))?;
        let yardstick = load::run(&load(empty.address))?.rate();
        drop(empty);
        bench.folder.remove("empty")?;
        let rate = load::run(&load(full.address))?.rate();
        ratios.push(rate / yardstick);
        rates.push(rate);
    }
    let ratio = median(&ratios);
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    let how = format!(
        "median of {} rounds' ratios, {lowest:.2} to {highest:.2}; {:.0}/s when full",
        ratios.len(),
        median(&rates)
    );
    bench.report.judged("accept rate, full against empty", &format!("{ratio:.2}"), (RATE, ratio), &how);
    Ok(())
}

fn restart(bench: &mut Bench, gateway: Gateway, world: &World) -> Result<()> {
    let open = gateway.counts()?.open;
    let bytes = gateway.journal("file_bytes")? as f64 / open as f64;
    bench.report.row("on disk per open event", &format!("{bytes:.0} bytes"), "all files, log included");
    let end = gateway.server.stop()?;
    let gateway = Gateway::start(&bench.folder, world, "open")?;
    let found = gateway.counts()?.open;
    ensure!(found == open, "{open} events were open before the restart, and {found} after it");
    let start = gateway.server.start_time.as_secs_f64();
    let how = format!("all {open} found again; the end after SIGTERM took {}", shown(end.as_secs_f64()));
    bench.report.judged("start to ready with them", &shown(start), (START_SECONDS, start), &how);
    let mebibytes = gateway.server.memory_mib()?;
    let figure = format!("{mebibytes:.0} MiB");
    bench.report.judged("memory after that start", &figure, (MEMORY_MIB, mebibytes), "VmRSS");
    drop(gateway);
    bench.folder.remove("open")
}
