//! `cargo xtask bench`: first figures, from release builds and real processes on loopback.
//!
//! The journal measures itself (`cargo bench -p laneway-journal`). The product is measured from outside: `laneway serve`
//! delivers to `laneway sandbox`, and beside it runs a bare axum server that only parses the same JSON and answers. Load,
//! gateway and sandbox share one machine, so ratios within a run count, and figures of different machines do not compare.

mod load;
mod process;
mod report;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::shell;
use crate::stopwatch::Stopwatch;
use load::{Connection, Load};
use process::{Folder, Server};
use report::{median, quantile, row, shown};

/// The customers whose events are sent, each with a chat and a click of their own.
const CUSTOMERS: usize = 200;
/// The connections of a load, each with one request in flight.
const CONNECTIONS: usize = 64;
/// The requests of one load.
const REQUESTS: usize = 20_000;
/// The rounds of interleaved loads; their median is printed.
const ROUNDS: usize = 3;
/// The events whose way to `confirmed` is timed one by one.
const SINGLE_EVENTS: usize = 200;
/// The starts whose median is printed.
const STARTS: usize = 5;
/// How long the gateway may take to deliver one load.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it is asked whether it has.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// The product token, and its SHA-256 as the configuration wants it.
const TOKEN: &str = "0b5e6f0e-6e1e-4a2d-9d6c-6c616e657761";
const TOKEN_HASH: &str = "3b544c71a4ab5000a53017163825b02bafa7ec34af6023fb6bfa75374e5f576e";

/// Builds and measures; `false` when a benchmark failed.
pub(crate) fn run() -> Result<bool> {
    if !journal()? {
        return Ok(false);
    }
    for package in [&["-p", "laneway"][..], &["-p", "xtask", "--example", "bare_server"]] {
        let words = [&["build", "--release", "--locked"], package].concat();
        if !shell::passes(shell::cargo(&words))? {
            bail!("the release build failed");
        }
    }
    product()?;
    Ok(true)
}

fn journal() -> Result<bool> {
    if !shell::root().join("crates/journal/benches/journal.rs").exists() {
        println!("journal: skipped, crates/journal/benches/journal.rs is not there");
        return Ok(true);
    }
    shell::passes(shell::cargo(&["bench", "--locked", "-p", "laneway-journal", "--bench", "journal"]))
}

fn product() -> Result<()> {
    let release = shell::root().join("target/release");
    let laneway = release.join("laneway");
    let folder = Folder::make()?;
    let sandbox = Server::start(&laneway, &["sandbox", "--sandbox-listen", "127.0.0.1:0"], "sandbox")?;
    let world = World::make(sandbox.address)?;
    folder.write("token", &world.access_token)?;
    folder.write("laneway.toml", &world.configuration(sandbox.address))?;

    row(
        "binary",
        &format!("{:.1} MiB", fs::metadata(&laneway)?.len() as f64 / 1_048_576.0),
        "stripped of debug info",
    );
    let gateway = start_times(&laneway, &folder)?;
    row("memory, idle gateway", &mebibytes(gateway.memory_kib()?), "VmRSS just after the start");
    row("memory, idle sandbox", &mebibytes(sandbox.memory_kib()?), "VmRSS after the customers wrote");

    single_events(gateway.address, &world)?;
    let bare = Server::start(&release.join("examples/bare_server"), &[], "bare")?;
    interleaved_loads(gateway.address, bare.address, &world)?;
    row("memory, gateway after the load", &mebibytes(gateway.memory_kib()?), "VmRSS");
    Ok(())
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

/// Starts the gateway several times on a fresh directory each, and keeps the last one.
fn start_times(laneway: &Path, folder: &Folder) -> Result<Server> {
    let config = text(folder.path("laneway.toml"))?;
    let start = |number: usize| {
        let data = text(folder.path(&format!("data-{number}")))?;
        let arguments =
            ["--log", "error", "serve", "--config", &config, "--listen", "127.0.0.1:0", "--data-dir", &data];
        Server::start(laneway, &arguments, "gateway")
    };
    let mut times = Vec::new();
    for number in 1..STARTS {
        times.push(start(number)?.start_time);
    }
    let last = start(STARTS)?;
    times.push(last.start_time);
    times.sort();
    row(
        "start to listening",
        &shown(quantile(&times, 0.5)),
        &format!("median of {STARTS}, fresh data directory"),
    );
    Ok(last)
}

fn text(path: PathBuf) -> Result<String> {
    path.into_os_string().into_string().ok().context("the workspace's path is no text")
}

/// One event after the other: accepted, sent, confirmed.
fn single_events(gateway: SocketAddr, world: &World) -> Result<()> {
    let mut connection = Connection::open(gateway)?;
    let mut accepted = Vec::new();
    let mut confirmed = Vec::new();
    for body in world.read_marks().iter().cycle().take(SINGLE_EVENTS) {
        let stopwatch = Stopwatch::start();
        let answer = connection.send("POST", "/v1.0/event", TOKEN, body)?.json()?;
        accepted.push(stopwatch.elapsed());
        let id = answer["event"]["id"].as_str().context("an accepted event has an id")?;
        let path = format!("/api/v1/events/{id}?wait=final&timeout=10s");
        let state = connection.send("GET", &path, TOKEN, "")?.json()?;
        confirmed.push(stopwatch.elapsed());
        ensure!(
            state["status"] == "confirmed",
            "a read mark ended as {}: {}",
            state["status"],
            state["attempts"]
        );
    }
    for (what, mut times) in [("one event: accepted", accepted), ("one event: confirmed", confirmed)] {
        times.sort();
        let figure = format!("p50 {} p99 {}", shown(quantile(&times, 0.5)), shown(quantile(&times, 0.99)));
        row(what, &figure, &format!("{SINGLE_EVENTS} read marks, one at a time"));
    }
    Ok(())
}

/// The same bodies to the gateway and to the bare server, in turns.
fn interleaved_loads(gateway: SocketAddr, bare: SocketAddr, world: &World) -> Result<()> {
    let bodies = world.purchases();
    let load = |address| Load {
        address,
        token: TOKEN,
        connections: CONNECTIONS,
        bodies: &bodies,
        requests: REQUESTS,
    };
    let (mut accepts, mut deliveries, mut yardstick) = (Vec::new(), Vec::new(), Vec::new());
    let mut latencies = Vec::new();
    for _ in 0..ROUNDS {
        yardstick.push(load::run(&load(bare))?.rate);
        let stopwatch = Stopwatch::start();
        let figures = load::run(&load(gateway))?;
        wait_until_delivered(gateway)?;
        deliveries.push(REQUESTS as f64 / stopwatch.elapsed().as_secs_f64());
        accepts.push(figures.rate);
        latencies.push((figures.quantile(0.5), figures.quantile(0.99)));
    }
    latencies.sort();
    let (p50, p99) = latencies[ROUNDS / 2];
    let how = format!("median of {ROUNDS} x {REQUESTS} purchases, {CONNECTIONS} connections");
    row("accepted", &format!("{:.0}/s", median(&accepts)), &how);
    row(
        "accepted: latency",
        &format!("p50 {} p99 {}", shown(p50), shown(p99)),
        "of the round with the median p50",
    );
    row("accepted and confirmed", &format!("{:.0}/s", median(&deliveries)), "the same, until none is open");
    row(
        "bare axum server",
        &format!("{:.0}/s", median(&yardstick)),
        "same bodies, parsed and answered, nothing kept",
    );
    let ratio = median(&accepts) / median(&yardstick);
    row("accepted, share of bare", &format!("{:.0} %", ratio * 100.0), "while it also delivers");
    Ok(())
}

fn wait_until_delivered(gateway: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(gateway)?;
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < DELIVERY_TIMEOUT {
        let open = connection.send("GET", "/api/v1/events?status=open&limit=1", TOKEN, "")?.json()?;
        let open = open["events"].as_array().context("the list has no events")?;
        if open.is_empty() {
            let failed = connection.send("GET", "/api/v1/events?status=failed&limit=1", TOKEN, "")?.json()?;
            ensure!(failed["events"] == json!([]), "an event failed: {}", failed["events"]);
            return Ok(());
        }
        thread::sleep(ASK_EVERY);
    }
    bail!("events are still open after {} s", DELIVERY_TIMEOUT.as_secs());
}

/// The sandbox's first business number, and customers who wrote to it from an ad.
struct World {
    number: String,
    phone_number_id: String,
    waba_id: String,
    dataset_id: String,
    access_token: String,
    customers: Vec<Customer>,
}

struct Customer {
    number: String,
    wamid: String,
    click: String,
}

impl World {
    fn make(sandbox: SocketAddr) -> Result<World> {
        let mut connection = Connection::open(sandbox)?;
        let numbers = connection.send("GET", "/sandbox/numbers", TOKEN, "")?.json()?;
        let first = numbers.get(0).context("the sandbox has no number")?;
        let mut world = World {
            number: field(first, "number")?,
            phone_number_id: field(first, "phone_number_id")?,
            waba_id: field(first, "waba_id")?,
            dataset_id: field(first, "dataset_id")?,
            access_token: field(first, "access_token")?,
            customers: Vec::new(),
        };
        for index in 0..CUSTOMERS {
            let number = format!("+3160000{index:04}");
            let message = json!({"from": number, "to": world.number, "text": "Hi", "ad": true}).to_string();
            let written = connection.send("POST", "/sandbox/messages", TOKEN, &message)?.json()?;
            let (wamid, click) = (field(&written, "wamid")?, field(&written, "ctwa_clid")?);
            world.customers.push(Customer { number, wamid, click });
        }
        Ok(world)
    }

    fn configuration(&self, sandbox: SocketAddr) -> String {
        let World { number, phone_number_id, waba_id, dataset_id, .. } = self;
        format!(
            r#"admin_listen = "127.0.0.1:0"

[[account]]
name = "bench"
tokens = [{{ hash = "sha256:{TOKEN_HASH}", scopes = ["send", "read"] }}]

[[account.waba]]
id = "{waba_id}"
access_token = "file:token"
dataset_id = "{dataset_id}"
graph_url = "http://{sandbox}"
max_calls_per_second = 1000
numbers = [{{ number = "{number}", phone_number_id = "{phone_number_id}" }}]
"#
        )
    }

    /// One `MarkAsRead` per customer.
    fn read_marks(&self) -> Vec<String> {
        self.events("MarkAsRead", |customer| json!({"message_id": customer.wamid}))
    }

    /// One `Purchase` per customer.
    fn purchases(&self) -> Vec<String> {
        let custom =
            |customer: &Customer| json!({"ctwa_id": customer.click, "currency": "EUR", "value": "12.60"});
        self.events("Purchase", custom)
    }

    fn events(&self, kind: &str, custom: impl Fn(&Customer) -> Value) -> Vec<String> {
        let event = |customer: &Customer| {
            let envelope = json!({
                "channel": "WhatsApp",
                "event": {"type": kind, "custom": custom(customer)},
                "from": {"number": self.number},
                "to": {"number": customer.number},
            });
            envelope.to_string()
        };
        self.customers.iter().map(event).collect()
    }
}

fn field(object: &Value, name: &str) -> Result<String> {
    let text = object.get(name).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the sandbox's answer has no {name:?}"))
}
