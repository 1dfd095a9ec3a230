//! `laneway blocklist`: a number's block list beside Meta's.

use std::process::ExitCode;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::events::escape;
use crate::{client, print, say};

/// What `blocklist` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show whom a business number has blocked, and how Meta's own list differs
    List {
        /// The business number
        #[arg(value_name = "BUSINESS")]
        business: String,
        #[command(flatten)]
        client: client::Options,
    },
    /// Show how Meta's list differs; with --apply, submit the blocks and unblocks that make it the same
    Sync {
        /// The business number
        #[arg(value_name = "BUSINESS")]
        business: String,
        /// Submit the events; without it nothing is changed
        #[arg(long)]
        apply: bool,
        #[command(flatten)]
        client: client::Options,
    },
}

/// The ways in which the lists differ, and what each means.
const DRIFT: [(&str, &str); 4] = [
    ("missing", "wanted, and not on Meta's list"),
    ("unwanted", "on Meta's list, although last unblocked"),
    ("unknown", "on Meta's list, and not by an event that is known here; left as they are"),
    ("hidden", "wanted by an id that Meta's list does not tell"),
];

pub(crate) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let (business, client, sync) = match verb {
        Verb::List { business, client } => (business, client, None),
        Verb::Sync { business, apply, client } => (business, client, Some(apply)),
    };
    let answer = client.get(&format!("/api/v1/blocklist/{}", escape(&business))).await?;
    if !answer.status.is_success() {
        return answer.refused(client.json);
    }
    let list = answer.body;
    match sync {
        None => print(&if client.json { list.to_string() } else { listed(&list) }),
        Some(apply) => {
            print(&if client.json { list["drift"].to_string() } else { drift(&list) })?;
            if apply { apply_all(&client, &list).await } else { Ok(ExitCode::SUCCESS) }
        }
    }
}

fn listed(list: &Value) -> String {
    let mut lines = Vec::new();
    for name in ["wanted", "actual"] {
        lines.extend(texts(&list[name]).map(|user| format!("{name:<10} {user}")));
    }
    lines.push(drift(list));
    lines.join("\n")
}

fn drift(list: &Value) -> String {
    let mut lines = Vec::new();
    for (name, meaning) in DRIFT {
        lines.extend(texts(&list["drift"][name]).map(|user| format!("{name:<10} {user}  ({meaning})")));
    }
    if lines.is_empty() { "no drift".to_owned() } else { lines.join("\n") }
}

/// Submits a block for each who is missing and an unblock for each who is unwanted.
async fn apply_all(client: &client::Options, list: &Value) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (name, kind) in [("missing", "Block"), ("unwanted", "UnBlock")] {
        for user in texts(&list["drift"][name]) {
            let event = json!({"channel": "WhatsApp", "event": {"type": kind},
                "from": {"number": list["business"]}, "to": {"number": user}});
            let answer = client.request(Method::POST, "/v1.0/event", &[], event.to_string()).await?;
            match answer.body["event"]["id"].as_str() {
                Some(id) => say(format_args!("{kind} {user}: {id}")),
                None => {
                    say(format_args!("{kind} {user}:"));
                    code = answer.refused(false)?;
                }
            }
        }
    }
    Ok(code)
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
