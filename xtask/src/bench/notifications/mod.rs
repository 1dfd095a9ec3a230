//! Notifications: how many are made durable, what the largest ones cost, and that neither they nor an account's dead address
//! hold up events.

mod bodies;
mod large;
mod outbox;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::accept::closed_port;
use super::gateway::Gateway;
use super::load::{self, Amount, Figures, Load, Of};
use super::process::Server;
use super::report::{median, shown};
use super::world::World;
use super::{Bench, WARM_UP};
use crate::shell;
use crate::stopwatch::Stopwatch;

/// The connections of a load.
const CONNECTIONS: usize = 64;
/// The notifications of one measurement. With those before it they are fewer than may wait for one address.
const NOTIFICATIONS: usize = 50_000;
/// The numbers that they are about: forwards about one number leave one after another.
const NUMBERS: usize = 20;

/// The three of a round, in the order in which they are measured.
const SERVERS: [&str; 3] = [
    "bare axum server, notifications",
    "durable notifications",
    "durable notifications, passed on to a live address",
];

/// Measures how many notifications are taken, small and large ones.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let bare = bare()?;
    rates(bench, bare.addresses[0]).context("the rates of notifications")?;
    large::run(bench).context("large notifications")
}

/// Measures what an account's own addresses cost its events.
pub(crate) fn outbox(bench: &mut Bench) -> Result<()> {
    let bare = bare()?;
    outbox::run(bench, bare.addresses[0]).context("an account's own addresses")
}

/// The yardstick, and an account's live address.
fn bare() -> Result<Server> {
    Server::start(&shell::root().join("target/release/examples/bare_server"), &[], &["bare"])
}

/// Notifications a second, against the bare server.
fn rates(bench: &mut Bench, bare: SocketAddr) -> Result<()> {
    let mut world = World::of_nobody(closed_port()?, NUMBERS);
    world.notified = true;
    let (warm_up, measured) = (bench.scaled(WARM_UP), bench.scaled(NOTIFICATIONS));
    let before = bench.bodies("notification-bodies-before", &world.notifications(0..warm_up))?;
    let bodies = bench.bodies("notification-bodies", &world.notifications(warm_up..warm_up + measured))?;
    let both = |address| {
        load::run(&closed(address, &before, Amount::Requests(warm_up)))?;
        load::run(&closed(address, &bodies, Amount::Requests(measured)))
    };
    let mut rounds: [Vec<Figures>; 3] = Default::default();
    let mut passed_on = Vec::new();
    for _ in 0..bench.rounds() {
        rounds[0].push(both(bare)?);
        for (forward, rounds) in [None, Some(bare)].into_iter().zip(&mut rounds[1..]) {
            world.forward = forward;
            let gateway = Gateway::start(&bench.folder, &world, "notifications")?;
            let stopwatch = Stopwatch::start();
            rounds.push(both(gateway.address)?);
            let posts = gateway.posts("forward")?;
            ensure!(posts.left_out == 0, "forwards were left out: {posts:?}");
            if forward.is_some() {
                passed_on.push(posts.confirmed as f64 / stopwatch.elapsed().as_secs_f64());
            }
            drop(gateway);
            bench.folder.remove("notifications")?;
        }
    }
    let body = fs::metadata(&bodies)?.len() as f64 / measured as f64;
    for (index, (server, figures)) in SERVERS.iter().zip(&rounds).enumerate() {
        let more = match index {
            0 => format!("bodies of {body:.0} bytes"),
            1 => "each signed, with one message or status".to_owned(),
            _ => format!("{:.0}/s passed on meanwhile", median(&passed_on)),
        };
        rate_row(bench, server, figures, &more);
        if index > 0 {
            let ratios = figures.iter().zip(&rounds[0]).map(|(figures, bare)| figures.rate() / bare.rate());
            ratio_row(bench, "… share of bare", "", &ratios.collect::<Vec<f64>>());
        }
    }
    Ok(())
}

/// Notifications as fast as they are taken.
fn closed(address: SocketAddr, bodies: &Path, amount: Amount) -> Load<'_> {
    Load { address, bodies, connections: CONNECTIONS, amount, rate: None, of: Of::Notifications }
}

fn rate_row(bench: &mut Bench, what: &str, figures: &[Figures], more: &str) {
    let of = |part: fn(&Figures) -> f64| median(&figures.iter().map(part).collect::<Vec<f64>>());
    let p50 = shown(of(|figures| figures.p50.as_secs_f64()));
    let p99 = shown(of(|figures| figures.p99.as_secs_f64()));
    let how = format!("median of {}; p50 {p50}, p99 {p99}; {more}", figures.len());
    bench.report.row(what, &format!("{:.0}/s", of(Figures::rate)), &how);
}

fn ratio_row(bench: &mut Bench, what: &str, of_what: &str, ratios: &[f64]) {
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    let how = format!("median of {} rounds' ratios, {lowest:.2} to {highest:.2}", ratios.len());
    bench.report.row(what, &format!("{:.2}{of_what}", median(ratios)), &how);
}
