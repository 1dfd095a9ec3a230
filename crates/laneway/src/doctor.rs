//! `laneway doctor`: a configuration, held against what Meta says.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use laneway_gateway::config::Config;
use laneway_gateway::doctor::{self, Finding, Verdict};
use serde_json::{Value, json};

use crate::{print, say};

/// What `doctor` takes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "laneway.toml")]
    config: PathBuf,
    /// Ask for the tokens' scopes and expiry, which writes each token into the address of a call to Meta
    #[arg(long)]
    ask_token: bool,
    /// Where Meta reaches the gateway's listen, to be asked as Meta asks it
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let loaded = match Config::load(&options.config, &|name| std::env::var(name).ok()) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            say(&mistakes);
            return Ok(ExitCode::FAILURE);
        }
    };
    let asked = doctor::Options { ask_token: options.ask_token, callback_url: options.callback_url };
    let findings = doctor::examine(&Arc::new(loaded.config), &asked).await;
    if options.json {
        print(&json!({"checks": findings.iter().map(object).collect::<Vec<_>>()}).to_string())?;
    } else {
        let width = |of: fn(&Finding) -> usize| findings.iter().map(of).max().unwrap_or_default();
        let subjects = width(|finding| finding.subject.chars().count());
        let questions = width(|finding| finding.question.len());
        for Finding { subject, question, verdict, says, fix } in &findings {
            let verdict = verdict.as_str();
            print(&format!("{verdict:<8} {subject:<subjects$}  {question:<questions$}  {says}"))?;
            if let Some(fix) = fix {
                print(&format!("{:<8} {:<subjects$}  {:<questions$}  fix: {fix}", "", "", ""))?;
            }
        }
    }
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn object(finding: &Finding) -> Value {
    json!({
        "subject": finding.subject,
        "check": finding.question,
        "result": finding.verdict.as_str(),
        "says": finding.says,
        "fix": finding.fix,
    })
}
