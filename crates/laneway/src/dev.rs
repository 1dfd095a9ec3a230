//! `laneway dev`: gateway and sandbox in one process, for a newcomer's first minute and for work on an integration.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use laneway_gateway::clock::{Clock, SystemClock};
use laneway_gateway::config::{Account, Accounts, App, Config, Number, NumbersFrom, Secret, Store, Waba};
use laneway_gateway::driver::Ended;
use laneway_gateway::node::{self, Running};
use laneway_gateway::telemetry::Telemetry;
use laneway_model::{AccountName, AppName, DatasetId, PhoneNumber, PhoneNumberId, Timestamp, WabaId};
use laneway_sandbox::{NumberInfo, Sandbox, VirtualClock, Written};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::sandbox::WorldOptions;
use crate::signals::Signals;
use crate::{data, logs, say};

/// What `dev` takes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where the gateway listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where data is kept, the sandbox's world too
    #[arg(long, value_name = "DIRECTORY", default_value = "laneway-dev")]
    data_dir: PathBuf,
    /// What keeps the events: sqlite
    #[arg(long, value_name = "STORE", default_value = "sqlite", value_parser = data::store)]
    store: Store,
    #[command(flatten)]
    world: WorldOptions,
}

/// The sandbox's world within the data directory.
const WORLD: &str = "sandbox.json";
/// The customer who writes at every start: the user of CM.com's events page.
const CUSTOMER: &str = "+316012345678";
/// The name of the Meta app that stands for the sandbox, and what Meta would show to prove that it is subscribed to it.
const APP: &str = "dev";
const VERIFY_TOKEN: &str = "laneway-dev";
/// Where the gateway takes that app's notifications.
const CALLBACK: &str = "/webhooks/meta/dev";
/// Far more than one machine can do: in `dev` nothing has to be spared.
const CALLS_PER_SECOND: u32 = 100_000;
/// How often `dev` looks for numbers that were added to the sandbox.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The sandbox's clock, which the gateway shares, so that moving it moves both.
struct SharedClock(VirtualClock);

impl Clock for SharedClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now_ms())
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn moved(&self) -> Option<watch::Receiver<u64>> {
        Some(self.0.changed())
    }
}

pub(crate) async fn run(options: Options, logs: &logs::Options) -> anyhow::Result<ExitCode> {
    let started = SystemClock::new();
    logs.start("warn")?;
    say(format_args!("laneway {} dev. Nothing here reaches Meta.", env!("CARGO_PKG_VERSION")));
    data::claim_for_dev(&options.data_dir)?;
    let mut signals = Signals::listen()?;
    let sandbox = Sandbox::start(laneway_sandbox::Options {
        listen: free(options.world.sandbox_listen)?,
        seed: options.world.ids.seed,
        control_token: None,
        conversions: options.world.ids.conversions,
        state_file: Some(options.data_dir.join(WORLD)),
        // The customer writes once the gateway can be told of it.
        greeting: false,
    });
    let sandbox = sandbox.await?;
    let numbers = sandbox.numbers();
    let listen = free(options.listen)?;
    let configured = |numbers: &[NumberInfo]| configured(&options, listen, &sandbox, numbers);
    let (publish, config) = watch::channel(Arc::new(configured(&numbers)?));
    let clock = Arc::new(SharedClock(sandbox.clock()));
    let running = node::start(config, clock, Arc::new(Telemetry::new())).await?;
    let business = numbers.first().context("the sandbox has no business number")?;
    let callback = format!("http://{}{CALLBACK}", running.address());
    subscribe(&sandbox, &numbers, &callback)?;
    let written = sandbox.user_writes(CUSTOMER, &business.number, "Hi", true)?;
    sandbox.link_gateway(&format!("http://{}", running.address()));
    introduce(&running, &sandbox, business, &written);
    say(format_args!("ready in {} ms", started.monotonic().as_millis()));
    let ended = running.node().driver.ended();
    running
        .run_until(async {
            tokio::select! {
                () = signals.next() => {}
                () = show(&sandbox, ended) => {}
                () = follow_numbers(&sandbox, numbers, &callback, configured, publish) => {}
            }
        })
        .await?;
    sandbox.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// The address, or a free port of the same machine when the port is taken.
fn free(address: SocketAddr) -> anyhow::Result<SocketAddr> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            say(format_args!("note: {address} is taken; using a free port"));
            Ok(SocketAddr::new(address.ip(), 0))
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// A configuration that sends everything to the sandbox.
fn configured(
    options: &Options,
    listen: SocketAddr,
    sandbox: &Sandbox,
    numbers: &[NumberInfo],
) -> anyhow::Result<Config> {
    let graph_url = format!("http://{}", sandbox.address());
    let mut config = Config::new(options.data_dir.clone());
    config.listen = listen;
    config.admin_listen = None;
    config.page_port = Some(sandbox.address().port());
    config.store = options.store;
    config.apps = vec![App {
        name: AppName::parse(APP)?,
        app_secrets: numbers.iter().map(|number| Secret::new(number.app_secret.clone())).collect(),
        verify_token: Secret::new(VERIFY_TOKEN),
    }];
    config.accounts = Accounts::new(vec![Account {
        name: AccountName::parse("dev")?,
        tokens: Vec::new(),
        country: None,
        allow_restricted_country: false,
        wabas: numbers.iter().map(|number| waba(number, &graph_url)).collect::<anyhow::Result<_>>()?,
        cm_webhook_secrets: Vec::new(),
        forwards: Vec::new(),
        callbacks: Vec::new(),
        max_events_per_second: None,
        on_dead_letter: Default::default(),
        on_lost_answer: Default::default(),
        cm_token: None,
        route: Default::default(),
        shadow: Default::default(),
        open_access: true,
    }]);
    Ok(config)
}

fn waba(info: &NumberInfo, graph_url: &str) -> anyhow::Result<Waba> {
    let number = Number {
        number: PhoneNumber::parse(&info.number)?,
        phone_number_id: PhoneNumberId::parse(&info.phone_number_id)?,
    };
    Ok(Waba {
        id: WabaId::parse(&info.waba_id)?,
        app: Some(AppName::parse(APP)?),
        access_token: Secret::new(info.access_token.clone()),
        conversions_token: None,
        dataset_id: Some(DatasetId::parse(&info.dataset_id)?),
        looks_up_dataset: false,
        numbers_from: NumbersFrom::File,
        graph_url: graph_url.to_owned(),
        graph_version: Waba::GRAPH_VERSION.to_owned(),
        max_calls_per_second: CALLS_PER_SECOND,
        numbers: vec![number],
    })
}

/// Has the gateway told of what happens at the numbers, as far as nobody else is. What an earlier start had set is from
/// another port.
fn subscribe(sandbox: &Sandbox, numbers: &[NumberInfo], callback: &str) -> anyhow::Result<()> {
    for number in numbers {
        let is_ours = number.webhook.as_deref().is_none_or(|url| url.ends_with(CALLBACK));
        if is_ours && number.webhook.as_deref() != Some(callback) {
            sandbox.set_webhook(&number.number, callback, VERIFY_TOKEN)?;
        }
    }
    Ok(())
}

/// Lets the gateway know of numbers that are added to the sandbox while it runs.
async fn follow_numbers(
    sandbox: &Sandbox,
    mut known: Vec<NumberInfo>,
    callback: &str,
    configured: impl Fn(&[NumberInfo]) -> anyhow::Result<Config>,
    publish: watch::Sender<Arc<Config>>,
) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let numbers = sandbox.numbers();
        if numbers == known {
            continue;
        }
        match configured(&numbers) {
            Ok(config) => {
                publish.send_replace(Arc::new(config));
            }
            Err(error) => tracing::error!(%error, "the sandbox has a number that the gateway cannot use"),
        }
        if let Err(error) = subscribe(sandbox, &numbers, callback) {
            tracing::error!(%error, "the gateway is not told of what happens at a number");
        }
        known = numbers;
    }
}

fn introduce(running: &Running, sandbox: &Sandbox, business: &NumberInfo, written: &Written) {
    let (gateway, sandbox) =
        (format!("http://{}", running.address()), format!("http://{}", sandbox.address()));
    say(format_args!("listening gateway={gateway} sandbox={sandbox}"));
    say(format_args!("  phone     {sandbox}/          be the customer; open this first"));
    say(format_args!("  console   {gateway}/console   what became of each event"));
    say(format_args!(
        "  business  {}     customer {CUSTOMER} wrote \"Hi\" from an ad just now",
        business.number
    ));
    say("  token     any, or none");
    let curl = |title: &str, kind: &str, custom: Option<Value>| {
        let mut event = json!({"type": kind});
        if let Some(custom) = custom {
            event["custom"] = custom;
        }
        let body = json!({
            "channel": "WhatsApp",
            "event": event,
            "from": {"number": business.number},
            "to": {"number": CUSTOMER},
        });
        say(format_args!("{title}:\n  curl -s {gateway}/v1.0/event -d '{body}'"));
    };
    curl("Turn the ticks blue", "MarkAsRead", Some(json!({"message_id": written.wamid})));
    curl("Block the customer", "Block", None);
    curl("Unblock the customer", "UnBlock", None);
    let click = written.ctwa_clid.as_deref().unwrap_or_default();
    let purchase = json!({"ctwa_clid": click, "currency": "EUR", "value": "12.60"});
    curl("Report a purchase", "Purchase", Some(purchase));
}

/// Prints a line for every event that ends, and tells the sandbox which call was its.
async fn show(sandbox: &Sandbox, mut ended: broadcast::Receiver<Ended>) {
    loop {
        match ended.recv().await {
            Ok(event) => {
                say(line(&event));
                if let Some(trace_id) = &event.trace_id {
                    sandbox.note_event(trace_id, &event.id.to_string());
                }
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                say(format_args!("… {missed} events not shown"))
            }
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn line(event: &Ended) -> String {
    let took = event.at.since(event.id.accepted_at()).as_millis();
    let mut line = format!("{} {} {}", time_of_day(event.at), event.id, event.kind);
    if let Some(person) = &event.person {
        line.push_str(&format!(" {person}"));
    }
    line.push_str(&format!(" {} in {took} ms", event.status));
    for more in [&event.call, &event.reason].into_iter().flatten() {
        line.push_str(&format!(" · {more}"));
    }
    line
}

/// `12:04:31.207`, in UTC.
fn time_of_day(at: Timestamp) -> String {
    let ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let text =
        jiff::Timestamp::from_millisecond(ms).map(|instant| format!("{instant:.3}")).unwrap_or_default();
    text.split_once('T').map_or(text.as_str(), |(_, time)| time.trim_end_matches('Z')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_short() {
        assert_eq!(time_of_day(Timestamp::from_millis(1_795_000_000_207)), "11:06:40.207");
    }
}
