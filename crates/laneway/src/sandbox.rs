//! `laneway sandbox`: the WhatsApp sandbox alone, or around a command.

mod exec;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use laneway_sandbox::{ConversionNames, Sandbox};

use crate::signals::Signals;
use crate::{logs, say};

/// What a sandbox takes, alone or within `dev`.
#[derive(Args, Debug)]
pub(crate) struct WorldOptions {
    /// Where the sandbox listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub(crate) sandbox_listen: SocketAddr,
    #[command(flatten)]
    pub(crate) ids: Ids,
}

/// What decides which ids and which conversion names there are.
#[derive(Args, Debug)]
pub(crate) struct Ids {
    /// Makes its ids repeatable
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many of the conversion names it takes, since reports on Meta differ: 14, 5 or 2
    #[arg(long, value_name = "COUNT", default_value = "14", value_parser = conversions)]
    pub(crate) conversions: ConversionNames,
}

/// What `sandbox` takes.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    world: WorldOptions,
    /// What its control surface asks for; needed off loopback
    #[arg(long, env = "LANEWAY_CONTROL_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    control_token: Option<String>,
    /// Keeps its world in this file, so that a restart continues
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a command with a sandbox of its own: free port, and all it needs in its environment
    Exec(exec::Options),
}

fn conversions(text: &str) -> Result<ConversionNames, String> {
    match text {
        "14" => Ok(ConversionNames::Fourteen),
        "5" => Ok(ConversionNames::Five),
        "2" => Ok(ConversionNames::Two),
        _ => Err("14, 5 or 2".to_owned()),
    }
}

pub(crate) async fn run(options: Options, logs: &logs::Options) -> anyhow::Result<ExitCode> {
    let Options { verb, world, control_token, state } = options;
    if let Some(Verb::Exec(options)) = verb {
        return exec::run(options, logs).await;
    }
    logs.start("info")?;
    let mut signals = Signals::listen()?;
    let sandbox = Sandbox::start(laneway_sandbox::Options {
        listen: world.sandbox_listen,
        seed: world.ids.seed,
        control_token,
        conversions: world.ids.conversions,
        state_file: state,
        greeting: true,
    });
    let sandbox = sandbox.await.context("the sandbox cannot start")?;
    say(format_args!("listening sandbox=http://{}", sandbox.address()));
    signals.next().await;
    sandbox.stop().await?;
    Ok(ExitCode::SUCCESS)
}
