//! `laneway sandbox exec`: a sandbox for as long as a command runs, most often somebody's tests.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::Ipv4Addr;
use std::process::{ExitCode, ExitStatus};

use anyhow::Context as _;
use clap::Args;
use laneway_sandbox::{NumberInfo, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Ids;
use crate::{logs, say};

/// What `sandbox exec` takes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    ids: Ids,
    /// The command and its arguments. It finds GRAPH_URL, ACCESS_TOKEN, PHONE_NUMBER_ID, WABA_ID, DATASET_ID,
    /// APP_SECRET, SANDBOX_URL and BUSINESS_NUMBER in its environment, gets the signals that come here, and its exit code
    /// is returned
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The exit codes of a shell for a command that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;
/// What a shell adds to the number of a signal.
const BY_SIGNAL: i32 = 128;
/// Signals that wait to be passed on; more of them would tell the command nothing new.
const SIGNALS_WAITING_MAX: usize = 16;

/// The signals that are passed on.
const PASSED_ON: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];

pub(crate) async fn run(options: Options, logs: &logs::Options) -> anyhow::Result<ExitCode> {
    logs.start("warn")?;
    let signals = listen()?;
    let sandbox = Sandbox::start(laneway_sandbox::Options {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        seed: options.ids.seed,
        conversions: options.ids.conversions,
        ..laneway_sandbox::Options::default()
    });
    let sandbox = sandbox.await.context("the sandbox cannot start")?;
    let numbers = sandbox.numbers();
    let business = numbers.first().context("the sandbox has no business number")?;
    let (program, arguments) = options.command.split_first().context("a command is needed")?;
    let mut command = Command::new(program);
    command.args(arguments).envs(environment(&sandbox, business)).kill_on_drop(true);
    let code = match command.spawn() {
        Ok(child) => code(attend(child, signals).await.context("the command was lost")?),
        Err(error) => {
            say(format_args!("error: {} cannot be run: {error}", program.display()));
            if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN }
        }
    };
    sandbox.stop().await?;
    Ok(ExitCode::from(code))
}

/// What the command finds in its environment.
fn environment(sandbox: &Sandbox, business: &NumberInfo) -> [(&'static str, String); 8] {
    let url = format!("http://{}", sandbox.address());
    [
        ("GRAPH_URL", url.clone()),
        ("ACCESS_TOKEN", business.access_token.clone()),
        ("PHONE_NUMBER_ID", business.phone_number_id.clone()),
        ("WABA_ID", business.waba_id.clone()),
        ("DATASET_ID", business.dataset_id.clone()),
        ("APP_SECRET", business.app_secret.clone()),
        ("SANDBOX_URL", url),
        ("BUSINESS_NUMBER", business.number.clone()),
    ]
}

/// Takes over the signals that are passed on; from now on they end nothing by themselves.
fn listen() -> anyhow::Result<mpsc::Receiver<Signal>> {
    let (tx, signals) = mpsc::channel(SIGNALS_WAITING_MAX);
    for passed_on in PASSED_ON {
        let kind = SignalKind::from_raw(passed_on.as_raw());
        let mut arrivals = signal(kind).context("cannot listen for signals")?;
        let tx = tx.clone();
        tokio::spawn(
            async move { while arrivals.recv().await.is_some() && tx.send(passed_on).await.is_ok() {} },
        );
    }
    Ok(signals)
}

/// Waits for the command's end and passes on signals meanwhile.
async fn attend(mut child: Child, mut signals: mpsc::Receiver<Signal>) -> std::io::Result<ExitStatus> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // A terminal sends these to everybody in front of it, so the command has them already.
    let is_at_terminal = std::io::stdin().is_terminal();
    let has_it = |passed_on| is_at_terminal && [Signal::INT, Signal::QUIT].contains(&passed_on);
    loop {
        tokio::select! {
            status = child.wait() => return status,
            Some(passed_on) = signals.recv() => {
                if let Some(pid) = pid.filter(|_| !has_it(passed_on)) {
                    // It may have ended just now, which `wait` tells.
                    kill_process(pid, passed_on).unwrap_or_default();
                }
            }
        }
    }
}

/// The exit code as a shell has it.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|number| BY_SIGNAL + number));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_RUN)
}
