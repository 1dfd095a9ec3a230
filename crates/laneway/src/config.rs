//! `laneway config`: the configuration, without running anything. `check` judges it, `show` tells what is in effect.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use laneway_gateway::config::{Config, Loaded, Mistakes, NumbersFrom, Remark};
use serde_json::{Value, json};

use crate::{print, say};

/// What `config` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Report every mistake of a configuration; offline
    Check {
        /// The configuration file
        #[arg(long, value_name = "FILE", default_value = "laneway.toml")]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the configuration in effect, defaults and included files and all, as one file; secrets are named, not shown
    Show {
        /// The configuration file
        #[arg(long, value_name = "FILE", default_value = "laneway.toml")]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Check { config, json } => check(&config, json),
        Verb::Show { config, json } => show(&config, json),
    }
}

fn load(path: &Path) -> Result<Loaded, Mistakes> {
    Config::load(path, &|name| std::env::var(name).ok())
}

fn show(path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let loaded = match load(path) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            mistakes.remarks().iter().for_each(|mistake| say(format_args!("{mistake}")));
            return Ok(ExitCode::FAILURE);
        }
    };
    let shown = loaded.show()?;
    let text = if as_json { shown.json().to_string() } else { shown.toml() };
    print(text.trim_end())
}

fn check(path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let (mistakes, warnings, config) = match load(path) {
        Ok(loaded) => (Vec::new(), loaded.warnings, Some(loaded.config)),
        Err(mistakes) => (mistakes.remarks().to_vec(), Vec::new(), None),
    };
    if as_json {
        let list = |remarks: &[Remark]| remarks.iter().map(remark).collect::<Vec<_>>();
        let asked = config.as_ref().map(asked).unwrap_or_default();
        let asked: Vec<_> = asked.iter().map(|(waba, what)| json!({"waba": waba, "what": what})).collect();
        let report =
            json!({"mistakes": list(&mistakes), "warnings": list(&warnings), "asked_of_meta": asked});
        print(&report.to_string())?;
    } else {
        warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
        mistakes.iter().for_each(|mistake| say(format_args!("{mistake}")));
        match config {
            Some(config) => {
                let numbers = config.accounts.iter().flat_map(|a| &a.wabas).map(|waba| waba.numbers.len());
                let (accounts, numbers) = (config.accounts.len(), numbers.sum::<usize>());
                print(&format!("{}: no mistakes; accounts {accounts}, numbers {numbers}", path.display()))?;
                for (waba, what) in asked(&config) {
                    print(&format!(
                        "Meta will be asked for the {what} of the WABA {waba}, when the gateway runs"
                    ))?;
                }
            }
            None => say(format_args!("mistakes: {}", mistakes.len())),
        }
    }
    Ok(if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the configuration leaves out, by WABA, so that Meta is asked for it: offline it can only be said.
fn asked(config: &Config) -> Vec<(String, &'static str)> {
    let wabas = config.accounts.iter().flat_map(|account| &account.wabas);
    let of_waba = wabas.flat_map(|waba| {
        let numbers = (waba.numbers_from != NumbersFrom::File).then_some("numbers");
        let dataset = waba.looks_up_dataset.then_some("data set");
        numbers.into_iter().chain(dataset).map(|what| (waba.id.to_string(), what))
    });
    of_waba.collect()
}

fn remark(remark: &Remark) -> Value {
    json!({
        "file": remark.file.display().to_string(),
        "line": remark.line,
        "key": remark.key,
        "says": remark.says,
    })
}
