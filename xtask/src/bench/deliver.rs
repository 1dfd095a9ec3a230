//! What delivery does with many events: groups against single calls, one number's trouble beside another's traffic, and how
//! fast an idle number gets up to speed.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Bench;
use super::gateway::{Gateway, sandbox};
use super::http::Connection;
use super::load::{self, Amount, Load, Of};
use super::report::{median, shown};
use super::world::{TOKEN, World};
use crate::stopwatch::Stopwatch;

/// The connections of a load.
const CONNECTIONS: usize = 64;
/// Conversions in a measurement of groups.
const CONVERSIONS: usize = 50_000;
/// Events that wait at the number in trouble.
const WAITING: usize = 1_000_000;
/// Events of one person that do not commute.
const LANE: usize = 100_000;
/// Events a second at the number whose latency is watched, and for how many seconds.
const WATCHED_PER_SECOND: f64 = 200.0;
const WATCHED_SECONDS: u64 = 8;
const WATCHED_SECONDS_QUICK: u64 = 1;
/// Rounds of the watched number, each of which fills the other number anew.
const WATCHED_ROUNDS: usize = 3;
/// Calls a second that an idle number is to reach, with answers after 600 ms, and how long it is watched.
const RAMP_PER_SECOND: f64 = 1000.0;
const RAMP_OFFERED_PER_SECOND: f64 = 1500.0;
const RAMP_SECONDS: u64 = 15;

/// Measures groups against single events, and neighbours in trouble.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    for latency in [None, Some("100ms")] {
        groups(bench, latency)?;
    }
    for trouble in [Trouble::Slow, Trouble::Throttled, Trouble::Lane] {
        beside(bench, trouble).with_context(|| format!("beside {trouble:?}"))?;
    }
    Ok(())
}

fn fault(sandbox: SocketAddr, rule: &serde_json::Value) -> Result<()> {
    Connection::open(sandbox)?.send("POST", "/sandbox/faults", TOKEN, &rule.to_string())?.json()?;
    Ok(())
}

/// Conversions confirmed a second, in groups and one by one, in turns.
fn groups(bench: &mut Bench, latency: Option<&str>) -> Result<()> {
    let (mut grouped, mut single, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let rate = |per_call: usize| -> Result<f64> {
            let sandbox = sandbox()?;
            let mut world = World::of_sandbox(sandbox.addresses[0])?;
            world.conversions_per_call = Some(per_call);
            if let Some(latency) = latency {
                fault(sandbox.addresses[0], &json!({"call": "events", "latency": latency}))?;
            }
            let bodies = bench.bodies("purchases", &world.purchases())?;
            let gateway = Gateway::start(&bench.folder, &world, "groups")?;
            let events = bench.scaled(CONVERSIONS);
            let stopwatch = Stopwatch::start();
            load::run(&closed(&gateway, &bodies, events))?;
            gateway.wait_until_confirmed(events as u64)?;
            let rate = events as f64 / stopwatch.elapsed().as_secs_f64();
            drop(gateway);
            bench.folder.remove("groups")?;
            Ok(rate)
        };
        let (of_500, of_1) = (rate(500)?, rate(1)?);
        grouped.push(of_500);
        single.push(of_1);
        ratios.push(of_500 / of_1);
    }
    let meta = latency.map_or_else(|| "at once".to_owned(), |latency| format!("after {latency}"));
    bench.report.row(
        &format!("conversions confirmed in groups, sandbox answers {meta}"),
        &format!("{:.0}/s", median(&grouped)),
        &format!("posted singly over {CONNECTIONS} connections; one by one {:.0}/s", median(&single)),
    );
    let how = format!("median of {} rounds' ratios", ratios.len());
    bench.report.row("… against one by one", &format!("{:.2}", median(&ratios)), &how);
    Ok(())
}

fn closed<'a>(gateway: &Gateway, bodies: &'a std::path::Path, events: usize) -> Load<'a> {
    Load {
        address: gateway.address,
        bodies,
        connections: CONNECTIONS,
        amount: Amount::Requests(events),
        rate: None,
        of: Of::Events,
    }
}

/// What is wrong with the other number.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Slow,
    Throttled,
    Lane,
}

/// The latency of one number, alone and beside another in trouble.
fn beside(bench: &mut Bench, trouble: Trouble) -> Result<()> {
    let (mut alone, mut ratios, mut waiting) = (Vec::new(), Vec::new(), 0);
    let rounds = if bench.quick { 1 } else { WATCHED_ROUNDS };
    for _ in 0..rounds {
        let sandbox = sandbox()?;
        let address = sandbox.addresses[0];
        let mut troubled = World::of_sandbox(address)?;
        let watched = troubled.another_number(address)?;
        let watched_bodies = bench.bodies("watched", &watched.read_marks(0..1))?;
        let gateway = Gateway::start(&bench.folder, &troubled, "beside")?;
        let seconds = if bench.quick { WATCHED_SECONDS_QUICK } else { WATCHED_SECONDS };
        let watch = Load {
            rate: Some(WATCHED_PER_SECOND),
            amount: Amount::Seconds(seconds),
            of: Of::EventsUntilFinal,
            ..closed(&gateway, &watched_bodies, 0)
        };
        load::run(&watch)?;
        let before = load::run(&watch)?;
        let number = troubled.number();
        let (lines, events) = match trouble {
            Trouble::Slow => {
                fault(address, &json!({"call": "any", "number": number, "latency": "600ms"}))?;
                (troubled.read_marks(0..1), WAITING)
            }
            Trouble::Throttled => {
                fault(address, &json!({"call": "any", "number": number, "preset": "throttled"}))?;
                (troubled.read_marks(0..1), WAITING)
            }
            Trouble::Lane => {
                fault(address, &json!({"call": "any", "number": number, "latency": "600ms"}))?;
                (troubled.blocks_of_one_person(), LANE)
            }
        };
        let bodies = bench.bodies("troubled", &lines)?;
        let events = bench.scaled(events);
        load::run(&closed(&gateway, &bodies, events))?;
        waiting = gateway.counts()?.open;
        let after = load::run(&watch)?;
        alone.push(before.p99.as_secs_f64());
        ratios.push(after.p99.as_secs_f64() / before.p99.as_secs_f64());
        drop(gateway);
        bench.folder.remove("beside")?;
    }
    let what = match trouble {
        Trouble::Slow => "a number whose answers take 600 ms",
        Trouble::Throttled => "a throttled number",
        Trouble::Lane => "one person's 100,000 blocks and unblocks, answers after 600 ms",
    };
    bench.report.row(
        &format!("another number's p99 beside {what}"),
        &format!("{:.2} × alone", median(&ratios)),
        &format!(
            "request to confirmed, {WATCHED_PER_SECOND:.0}/s; alone {}; {waiting} events open at the other number; median of {rounds}",
            shown(median(&alone))
        ),
    );
    Ok(())
}

/// How soon an idle number makes as many calls a second as it is asked to.
pub(crate) fn ramp(bench: &mut Bench) -> Result<()> {
    let sandbox = sandbox()?;
    let world = World::of_sandbox(sandbox.addresses[0])?;
    fault(sandbox.addresses[0], &json!({"call": "any", "latency": "600ms"}))?;
    let bodies = bench.bodies("ramp-bodies", &world.read_marks(0..1))?;
    let gateway = Gateway::start(&bench.folder, &world, "ramp")?;
    let load = Load {
        rate: Some(RAMP_OFFERED_PER_SECOND),
        amount: Amount::Seconds(RAMP_SECONDS),
        ..closed(&gateway, &bodies, 0)
    };
    let stopwatch = Stopwatch::start();
    let under_way = load::start(&load)?;
    let (mut reached, mut best, mut ended, mut at) = (None, 0.0_f64, 0, Duration::ZERO);
    while stopwatch.elapsed() < Duration::from_secs(RAMP_SECONDS) {
        thread::sleep(Duration::from_millis(500));
        let (now, count) = (stopwatch.elapsed(), gateway.counts()?.ended);
        let rate = (count - ended) as f64 / (now - at).as_secs_f64();
        best = best.max(rate);
        if rate >= RAMP_PER_SECOND && reached.is_none() {
            reached = Some(now);
        }
        (ended, at) = (count, now);
    }
    under_way.figures()?;
    let figure =
        reached.map_or_else(|| "not reached".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()));
    bench.report.row(
        "an idle number reaches 1,000 calls a second",
        &figure,
        &format!("answers after 600 ms, {RAMP_OFFERED_PER_SECOND:.0} events a second offered; best half second {best:.0}/s; goal ≤ 10 s"),
    );
    drop(gateway);
    bench.folder.remove("ramp")
}
