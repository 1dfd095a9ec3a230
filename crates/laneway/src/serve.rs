//! `laneway serve`: the gateway in production.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use laneway_gateway::clock::SystemClock;
use laneway_gateway::config::reload::{self, Watcher};
use laneway_gateway::config::{Config, Loaded, Store};
use laneway_gateway::telemetry::Telemetry;
use laneway_gateway::{discovery, node};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::signals::Signals;
use crate::{data, logs, say};

/// What `serve` takes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where clients connect, instead of what the file says
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where data is kept, instead of what the file says
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// What keeps the events: sqlite
    #[arg(long, value_name = "STORE", value_parser = data::store)]
    store: Option<Store>,
}

/// How often the configuration's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: Options, logs: &logs::Options) -> anyhow::Result<ExitCode> {
    logs.start("info")?;
    let env = |name: &str| std::env::var(name).ok();
    let loaded = match Config::load(&options.config, &env) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            say(&mistakes);
            return Ok(ExitCode::FAILURE);
        }
    };
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let watcher = Watcher::new(options.config.clone(), Box::new(env), &loaded);
    let config = overridden(loaded, &options);
    data::refuse_of_dev(&config.data_dir)?;
    let (publish, config) = watch::channel(Arc::new(config));
    let mut signals = Signals::listen()?;
    let stop_watching = CancellationToken::new();
    let (config, discovering) = discovery::follow(config, stop_watching.clone());
    let running = node::start(config, Arc::new(SystemClock::new()), Arc::new(Telemetry::new())).await?;
    // What is found is remembered in the data directory, which is there by now.
    let discovering = tokio::spawn(discovering);
    say(format_args!("listening gateway=http://{}", running.address()));
    if let Some(admin) = running.admin_address() {
        say(format_args!("listening admin=http://{admin}"));
    }
    let watching = tokio::spawn(reload::watch(watcher, LOOK_EVERY, publish, stop_watching.clone()));
    running.run_until(signals.next()).await.context("the gateway had to stop")?;
    stop_watching.cancel();
    watching.await?.context("the configuration was not followed to the end")?;
    discovering.await.context("what the configuration leaves out was not looked up to the end")?;
    Ok(ExitCode::SUCCESS)
}

fn overridden(loaded: Loaded, options: &Options) -> Config {
    let mut config = loaded.config;
    config.listen = options.listen.unwrap_or(config.listen);
    config.store = options.store.unwrap_or(config.store);
    if let Some(directory) = &options.data_dir {
        config.data_dir.clone_from(directory);
    }
    config
}
