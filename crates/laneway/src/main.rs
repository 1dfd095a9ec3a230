//! The Laneway command line. Thin: every verb says here what it takes, does its work through the other crates, and
//! prints data to stdout and everything else to stderr.
//!
//! Exit codes: 0 it worked, 1 it failed, 2 it was called wrongly.

#![forbid(unsafe_code)]

mod blocklist;
mod client;
mod config;
mod contacts;
mod data;
mod descriptors;
mod dev;
mod doctor;
mod events;
mod import;
mod logs;
mod outbox;
mod sandbox;
mod send;
mod serve;
mod signals;
mod tail;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The WhatsApp events gateway that you run yourself.
#[derive(Debug, Parser)]
#[command(name = "laneway", version, about, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    logs: logs::Options,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run gateway and sandbox with no configuration. Nothing reaches Meta
    Dev(dev::Options),
    /// Run the gateway in production
    Serve(serve::Options),
    /// Run the WhatsApp sandbox alone
    Sandbox(sandbox::Options),
    /// Submit one event
    Send(send::Options),
    /// Look at events
    #[command(subcommand)]
    Events(events::Verb),
    /// Follow events live
    Tail(tail::Options),
    /// Submit many events from a file
    Import(import::Options),
    /// Look at what is known of persons
    #[command(subcommand)]
    Contacts(contacts::Verb),
    /// Hold a number's block list against Meta's
    #[command(subcommand)]
    Blocklist(blocklist::Verb),
    /// Look at what goes to the account's own addresses
    #[command(subcommand)]
    Outbox(outbox::Verb),
    /// Remove everything about a person
    Erase(contacts::Erase),
    /// Check a configuration, and show what is in effect
    #[command(subcommand)]
    Config(config::Verb),
    /// Hold a configuration against what Meta says
    Doctor(doctor::Options),
    /// Make and hash product tokens
    #[command(subcommand)]
    Token(token::Verb),
    /// Print the OpenAPI document of the API
    Openapi,
    /// Print what a shell needs to complete this command line
    Completions {
        /// The shell
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start")),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { logs, verb } = cli;
    if matches!(verb, Verb::Dev(_) | Verb::Serve(_) | Verb::Sandbox(_)) {
        descriptors::take_all();
    }
    match verb {
        Verb::Dev(options) => Box::pin(dev::run(options, &logs)).await,
        Verb::Serve(options) => Box::pin(serve::run(options, &logs)).await,
        Verb::Sandbox(options) => Box::pin(sandbox::run(options, &logs)).await,
        Verb::Send(options) => send::run(options).await,
        Verb::Events(verb) => events::run(verb).await,
        Verb::Tail(options) => tail::run(options).await,
        Verb::Import(options) => import::run(options).await,
        Verb::Contacts(verb) => contacts::run(verb).await,
        Verb::Blocklist(verb) => blocklist::run(verb).await,
        Verb::Outbox(verb) => outbox::run(verb).await,
        Verb::Erase(options) => contacts::erase(options).await,
        Verb::Config(verb) => config::run(verb),
        Verb::Doctor(options) => Box::pin(doctor::run(options)).await,
        Verb::Token(verb) => token::run(verb),
        Verb::Completions { shell } => print(completions(shell)?.trim_end()),
        Verb::Openapi => print(laneway_gateway::api::openapi_json().trim_end()),
    }
}

/// What a shell needs, from the description of the command line itself.
fn completions(shell: Shell) -> anyhow::Result<String> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "laneway", &mut text);
    Ok(String::from_utf8(text)?)
}

/// Prints data.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    match writeln!(std::io::stdout().lock(), "{text}") {
        // Whoever read the output has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// Says something to the person at the terminal.
fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;
    // There is nobody left to tell when stderr is closed.
    writeln!(std::io::stderr().lock(), "{text}").unwrap_or_default();
}

fn fail(error: &anyhow::Error) -> ExitCode {
    say(format_args!("error: {error:#}"));
    ExitCode::FAILURE
}
