//! Logs: to stderr, as text for people or as JSON for machines.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How to log.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What to log: error, warn, info, debug or trace, or directives such as laneway_gateway=debug
    #[arg(long, env = "LANEWAY_LOG", value_name = "LEVEL", global = true, help_heading = HEADING)]
    log: Option<String>,
    /// For people, or one JSON object per line
    #[arg(
        long,
        env = "LANEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value_t = Format::Text,
        global = true,
        help_heading = HEADING
    )]
    log_format: Format,
}

/// Every verb takes these options, so that its own stand first, and these apart.
const HEADING: &str = "Logs";

// The variants have no help of their own: with it, clap would print the whole of `--help` in its long form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Options {
    /// Begins to log; `level` is what is logged unless the user says otherwise.
    pub(crate) fn start(&self, level: &str) -> anyhow::Result<()> {
        let directives = self.log.as_deref().unwrap_or(level);
        let filter = EnvFilter::try_new(directives).context("--log is not understood")?;
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let started = match self.log_format {
            Format::Text => logs.with_ansi(false).try_init(),
            Format::Json => logs.json().flatten_event(true).try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("logging cannot begin: {error}"))
    }
}
