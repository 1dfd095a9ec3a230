//! From accept to `confirmed`: how many a second, how long it takes, and what it costs.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Bench;
use super::gateway::{Gateway, sandbox};
use super::http::Connection;
use super::load::{self, Amount, Load, Of};
use super::process::Server;
use super::report::{median, shown};
use super::world::{TOKEN, World};
use crate::stopwatch::Stopwatch;

/// The connections of a load.
const CONNECTIONS: usize = 64;
/// How long a load takes.
const SECONDS: u64 = 8;
const SECONDS_QUICK: u64 = 1;
/// Events a second whose way is timed from outside, beside the load, and the connections for them.
const PROBES_PER_SECOND: f64 = 100.0;
const PROBE_CONNECTIONS: usize = 256;

/// What a round came to.
struct Round {
    /// As fast as events are taken; what waits meanwhile is part of it.
    full: Cost,
    /// Half of what was confirmed a second at full load.
    half: Cost,
}

/// What the events of a load cost, and how long they took from the request to `confirmed`.
struct Cost {
    /// Confirmed per second, until none was open any more.
    rate: f64,
    p50: Duration,
    p99: Duration,
    /// Processor time per event.
    gateway: Duration,
    sandbox: Duration,
}

/// Measures a sandbox that answers at once, and one that takes 100 ms.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    for latency in [None, Some("100ms")] {
        let mut rounds = Vec::new();
        for round in 0..bench.rounds() {
            rounds.push(one_round(bench, latency).with_context(|| format!("round {round}"))?);
        }
        report(bench, latency, &rounds);
    }
    Ok(())
}

fn one_round(bench: &Bench, latency: Option<&str>) -> Result<Round> {
    let sandbox = sandbox()?;
    let world = World::of_sandbox(sandbox.addresses[0])?;
    if let Some(latency) = latency {
        let rule = serde_json::json!({"call": "any", "latency": latency, "when": "always"}).to_string();
        Connection::open(sandbox.addresses[0])?.send("POST", "/sandbox/faults", TOKEN, &rule)?.json()?;
    }
    let bodies = bench.bodies("read-marks", &world.read_marks(0..1))?;
    let gateway = Gateway::start(&bench.folder, &world, "confirm")?;
    let full = Load {
        address: gateway.address,
        bodies: &bodies,
        connections: CONNECTIONS,
        amount: Amount::Seconds(if bench.quick { SECONDS_QUICK } else { SECONDS }),
        rate: None,
        of: Of::Events,
    };
    // The first load finds the pace that the gateway keeps with this number.
    measured(&gateway, &sandbox, &full)?;
    let full_cost = measured(&gateway, &sandbox, &full)?;
    let half = Load { rate: Some(full_cost.rate / 2.0), ..full };
    let half_cost = measured(&gateway, &sandbox, &half)?;
    drop(gateway);
    bench.folder.remove("confirm")?;
    Ok(Round { full: full_cost, half: half_cost })
}

/// Runs the load, with probes beside it, until everything is confirmed.
fn measured(gateway: &Gateway, sandbox: &Server, load: &Load<'_>) -> Result<Cost> {
    let ended = gateway.counts()?.ended;
    let (gateway_before, sandbox_before) = (gateway.server.cpu_time()?, sandbox.cpu_time()?);
    let stopwatch = Stopwatch::start();
    let under_way = load::start(load)?;
    let probe = Load {
        rate: Some(PROBES_PER_SECOND),
        connections: PROBE_CONNECTIONS,
        of: Of::EventsUntilFinal,
        ..*load
    };
    let probes = load::run(&probe)?;
    let events = under_way.figures()?.count(200) + probes.count(200);
    gateway.wait_until_confirmed(ended + events)?;
    let seconds = stopwatch.elapsed().as_secs_f64();
    let each = u32::try_from(events)?;
    Ok(Cost {
        rate: events as f64 / seconds,
        p50: probes.p50,
        p99: probes.p99,
        gateway: (gateway.server.cpu_time()? - gateway_before) / each,
        sandbox: (sandbox.cpu_time()? - sandbox_before) / each,
    })
}

fn report(bench: &mut Bench, latency: Option<&str>, rounds: &[Round]) {
    let meta = latency.map_or_else(|| "at once".to_owned(), |latency| format!("after {latency}"));
    for name in ["full", "half"] {
        let of = |part: fn(&Cost) -> f64| {
            let cost = |round: &Round| part(if name == "full" { &round.full } else { &round.half });
            median(&rounds.iter().map(cost).collect::<Vec<f64>>())
        };
        let rate = of(|cost| cost.rate);
        let p50 = shown(of(|cost| cost.p50.as_secs_f64()));
        let p99 = shown(of(|cost| cost.p99.as_secs_f64()));
        let gateway = of(|cost| cost.gateway.as_secs_f64() * 1e6);
        let sandbox = of(|cost| cost.sandbox.as_secs_f64() * 1e6);
        bench.report.row(
            &format!("confirmed at {name} load, sandbox answers {meta}"),
            &format!("{rate:.0}/s"),
            &format!(
                "median of {}; p50 {p50}, p99 {p99} from request to confirmed; CPU per event: gateway {gateway:.0} µs, \
                 sandbox {sandbox:.0} µs",
                rounds.len()
            ),
        );
    }
}
