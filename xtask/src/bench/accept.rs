//! How many events a second are made durable, against a server that only parses and answers.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result};

use super::gateway::{Gateway, sandbox};
use super::load::{self, Amount, Figures, Load, Of};
use super::process::Server;
use super::report::{Goal, median, shown};
use super::world::World;
use super::{Bench, warm_up};
use crate::shell;

/// The requests of one measurement.
const REQUESTS: usize = 80_000;
/// The share of the bare server's rate that the gateway should reach.
const SHARE: Goal = Goal::AtLeast(0.6);

/// The three servers of a round, in the order in which they are measured.
const SERVERS: [&str; 3] =
    ["bare axum server", "durable accept, number paused", "durable accept while delivering"];

/// Measures each number of connections.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let bare = Server::start(&shell::root().join("target/release/examples/bare_server"), &[], &["bare"])?;
    for connections in [64, 256] {
        let mut rounds: [Vec<Figures>; 3] = Default::default();
        for round in 0..bench.rounds() {
            let figures = one_round(bench, bare.addresses[0], connections)
                .with_context(|| format!("round {round} with {connections} connections"))?;
            for (rounds, figures) in rounds.iter_mut().zip(figures) {
                rounds.push(figures);
            }
        }
        report(bench, connections, &rounds);
    }
    Ok(())
}

fn one_round(bench: &Bench, bare: SocketAddr, connections: usize) -> Result<[Figures; 3]> {
    let paused = World::of_nobody(closed_port()?, 1);
    let bodies = bench.bodies("read-marks", &paused.read_marks(0..1))?;
    let load = |address| Load {
        address,
        bodies: &bodies,
        connections,
        amount: Amount::Requests(bench.scaled(REQUESTS)),
        rate: None,
        of: Of::Events,
    };
    warm_up(bench, &load(bare))?;
    let yardstick = load::run(&load(bare))?;

    let gateway = Gateway::start(&bench.folder, &paused, "accept-paused")?;
    warm_up(bench, &load(gateway.address))?;
    let paused = load::run(&load(gateway.address))?;
    drop(gateway);
    bench.folder.remove("accept-paused")?;

    let sandbox = sandbox()?;
    let world = World::of_sandbox(sandbox.addresses[0])?;
    let gateway = Gateway::start(&bench.folder, &world, "accept-delivering")?;
    let bodies = bench.bodies("read-marks-delivered", &world.read_marks(0..1))?;
    let load = Load { bodies: &bodies, ..load(gateway.address) };
    warm_up(bench, &load)?;
    let delivering = load::run(&load)?;
    drop(gateway);
    bench.folder.remove("accept-delivering")?;
    Ok([yardstick, paused, delivering])
}

fn report(bench: &mut Bench, connections: usize, rounds: &[Vec<Figures>; 3]) {
    let count = rounds[0].len();
    for (index, (server, figures)) in SERVERS.iter().zip(rounds).enumerate() {
        let of = |part: fn(&Figures) -> f64| median(&figures.iter().map(part).collect::<Vec<f64>>());
        let rate = of(Figures::rate);
        let latency = format!(
            "p50 {}, p99 {}",
            shown(of(|figures| figures.p50.as_secs_f64())),
            shown(of(|figures| figures.p99.as_secs_f64()))
        );
        let what = format!("{server}, {connections} connections");
        let how = format!("median of {count}; {latency}");
        bench.report.row(&what, &format!("{rate:.0}/s"), &how);
        if index == 0 {
            continue;
        }
        let ratios: Vec<f64> =
            figures.iter().zip(&rounds[0]).map(|(figures, bare)| figures.rate() / bare.rate()).collect();
        let ratio = median(&ratios);
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let figure = format!("{ratio:.2}");
        let how = format!("median of the rounds' ratios, {lowest:.2} to {highest:.2}");
        match index {
            1 => bench.report.judged("… share of bare", &figure, (SHARE, ratio), &how),
            _ => bench.report.row("… share of bare", &figure, &how),
        }
    }
}

/// An address where nothing listens.
pub(crate) fn closed_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
