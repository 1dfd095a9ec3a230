//! `laneway outbox`: what goes to the account's own addresses.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::events::{attempt_line, each, escape, print_page, query, retry_all, text};
use crate::{client, print};

/// What `outbox` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List posts, newest first
    List(List),
    /// Show one post and every try
    Show {
        /// The post's id
        id: String,
        #[command(flatten)]
        client: client::Options,
    },
    /// Try posts again: these, or all of one kind that failed or expired
    Retry(Retry),
}

/// Which posts to list.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// callback or forward
    #[arg(long, default_value = "callback")]
    kind: String,
    /// Only this status: accepted, sending, retrying, confirmed, failed, expired, or open, or final
    #[arg(long)]
    status: Option<String>,
    /// Only this business number's
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Only this person's
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u16>,
    /// Go on where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    client: client::Options,
}

/// Which posts to try again.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The posts' ids
    #[arg(value_name = "ID", required_unless_present = "kind", conflicts_with = "kind")]
    ids: Vec<String>,
    /// Every callback, or every forward, that failed or expired
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    client: client::Options,
}

pub(crate) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::List(list) => run_list(list).await,
        Verb::Show { id, client } => {
            let answer = client.get(&format!("/api/v1/outbox/{}", escape(&id))).await?;
            if !answer.status.is_success() {
                return answer.refused(client.json);
            }
            print(&if client.json { answer.body.to_string() } else { shown(&answer.body) })
        }
        Verb::Retry(Retry { ids, kind: None, client }) => each("outbox", &ids, "retry", &client).await,
        Verb::Retry(Retry { kind: Some(kind), client, .. }) => {
            retry_all("outbox", &query([("kind", &Some(kind))]), &client).await
        }
    }
}

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let (kind, limit) = (Some(list.kind), list.limit.map(|limit| limit.to_string()));
    let query = query([
        ("kind", &kind),
        ("status", &list.status),
        ("from", &list.from),
        ("to", &list.to),
        ("limit", &limit),
        ("cursor", &list.cursor),
    ]);
    print_page(("outbox", "posts"), &query, line, &list.client).await
}

/// One post on one line.
fn line(post: &Value) -> String {
    let about = if post["event"].is_null() { text(post, "to") } else { text(post, "event") };
    let [at, id, status, url] = ["accepted_at", "id", "status", "url"].map(|name| text(post, name));
    format!("{at}  {id}  {about:>29}  {status:<9}  {url}")
}

/// One post for a person.
fn shown(post: &Value) -> String {
    let mut lines = Vec::new();
    for name in [
        "id",
        "kind",
        "url",
        "type",
        "event",
        "bytes",
        "from",
        "to",
        "status",
        "waiting_for",
        "reason",
        "accepted_at",
        "updated_at",
        "next_attempt_at",
        "expires_at",
    ] {
        if !post[name].is_null() {
            lines.push(format!("{name:<16} {}", text(post, name)));
        }
    }
    for attempt in post["attempts"].as_array().into_iter().flatten() {
        lines.push(format!("attempt {:<8} {}", text(attempt, "n"), attempt_line(attempt)));
    }
    lines.join("\n")
}
