//! `laneway events`: what became of events.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::{client, print};

/// What `events` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List events, newest first
    List(List),
    /// Show one event and every attempt to deliver it
    Show {
        /// The event's id
        id: String,
        /// Wait until the event is final, for up to this long, such as 10s
        #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10s")]
        wait: Option<String>,
        #[command(flatten)]
        client: client::Options,
    },
    /// Try events again: these, or all that a filter leaves
    Retry(Retry),
    /// Give events up
    Discard {
        /// The events' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        client: client::Options,
    },
}

/// Which events to try again.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The events' ids
    #[arg(value_name = "ID", required_unless_present = "status", conflicts_with = "filter")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: RetryFilter,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    client: client::Options,
}

/// Which events to try again when none is named.
#[derive(Args, Debug)]
#[group(id = "filter", multiple = true)]
struct RetryFilter {
    /// Every event of this status: failed, in_doubt, discarded
    #[arg(long)]
    status: Option<String>,
    /// Of them, only this type
    #[arg(long = "type", value_name = "TYPE", requires = "status")]
    kind: Option<String>,
    /// Of them, only this business number's
    #[arg(long, value_name = "NUMBER", requires = "status")]
    from: Option<String>,
    /// Of them, only this person's
    #[arg(long, value_name = "NUMBER", requires = "status")]
    to: Option<String>,
    /// Of them, only with this reference
    #[arg(long, requires = "status")]
    reference: Option<String>,
    /// Of them, only accepted at or after this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT", requires = "status")]
    since: Option<String>,
    /// Of them, only accepted before this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT", requires = "status")]
    until: Option<String>,
}

/// Which events to list.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only this status: accepted, sending, retrying, confirmed, …, or open, or final
    #[arg(long)]
    status: Option<String>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only this business number's
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Only this person's
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// Only with this reference
    #[arg(long)]
    reference: Option<String>,
    /// Only accepted at or after this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    since: Option<String>,
    /// Only accepted before this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u16>,
    /// Go on where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    client: client::Options,
}

pub(crate) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::List(list) => run_list(list).await,
        Verb::Retry(retry) if retry.ids.is_empty() => retry_many(retry).await,
        Verb::Retry(Retry { ids, client, .. }) => each("events", &ids, "retry", &client).await,
        Verb::Discard { ids, client } => each("events", &ids, "discard", &client).await,
        Verb::Show { id, wait, client } => {
            let query = wait.map(|timeout| format!("?wait=final&timeout={}", escape(&timeout)));
            let path = format!("/api/v1/events/{}{}", escape(&id), query.unwrap_or_default());
            let answer = client.get(&path).await?;
            if !answer.status.is_success() {
                return answer.refused(client.json);
            }
            print(&if client.json { answer.body.to_string() } else { shown(&answer.body) })
        }
    }
}

/// Does one thing with each of these events, or posts; fails if it could not be done with one of them.
pub(crate) async fn each(
    resource: &str,
    ids: &[String],
    action: &str,
    client: &client::Options,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        let path = format!("/api/v1/{resource}/{}/{action}", escape(id));
        let answer = client.request(Method::POST, &path, &[], String::new()).await?;
        if answer.status.is_success() {
            let line = format!("{} {}", text(&answer.body, "id"), text(&answer.body, "status"));
            print(&if client.json { answer.body.to_string() } else { line })?;
        } else {
            code = answer.refused(client.json)?;
        }
    }
    Ok(code)
}

async fn retry_many(retry: Retry) -> anyhow::Result<ExitCode> {
    let Retry { filter, yes, client, .. } = retry;
    let query = query([
        ("status", &filter.status),
        ("type", &filter.kind),
        ("from", &filter.from),
        ("to", &filter.to),
        ("reference", &filter.reference),
        ("since", &filter.since),
        ("until", &filter.until),
    ]);
    if !yes && std::io::stdin().is_terminal() && !confirmed("Try all of these events again? [y/N] ")? {
        return Ok(ExitCode::FAILURE);
    }
    retry_all("events", &query, &client).await
}

/// Has all events, or posts, tried again that a filter leaves, call by call.
pub(crate) async fn retry_all(
    resource: &str,
    query: &str,
    client: &client::Options,
) -> anyhow::Result<ExitCode> {
    let (mut total, mut cursor) = (0, String::new());
    loop {
        let path = format!("/api/v1/{resource}/retry?{query}&cursor={cursor}");
        let answer = client.request(Method::POST, &path, &[], String::new()).await?;
        if !answer.status.is_success() {
            crate::say(format_args!("{total} are tried again so far"));
            return answer.refused(client.json);
        }
        total += answer.body["count"].as_u64().unwrap_or_default();
        match answer.body["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
        crate::say(format_args!("{total} so far"));
    }
    print(&if client.json { format!("{{\"count\":{total}}}") } else { format!("{total} are tried again") })
}

/// Asks the person at the terminal.
fn confirmed(question: &str) -> anyhow::Result<bool> {
    std::io::stderr().write_all(question.as_bytes())?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// The filters that are given, as a query string.
pub(crate) fn query<const N: usize>(filters: [(&str, &Option<String>); N]) -> String {
    let given =
        filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?))));
    given.collect::<Vec<_>>().join("&")
}

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let limit = list.limit.map(|limit| limit.to_string());
    let query = query([
        ("status", &list.status),
        ("type", &list.kind),
        ("from", &list.from),
        ("to", &list.to),
        ("reference", &list.reference),
        ("since", &list.since),
        ("until", &list.until),
        ("limit", &limit),
        ("cursor", &list.cursor),
    ]);
    print_page(("events", "events"), &query, line, &list.client).await
}

/// Prints a page of a resource, whose list has that name, each on a line.
pub(crate) async fn print_page(
    (resource, name): (&str, &str),
    query: &str,
    line: fn(&Value) -> String,
    client: &client::Options,
) -> anyhow::Result<ExitCode> {
    let answer = client.get(&format!("/api/v1/{resource}?{query}")).await?;
    if !answer.status.is_success() {
        return answer.refused(client.json);
    }
    if client.json {
        return print(&answer.body.to_string());
    }
    let items = answer.body[name].as_array().map_or(&[] as &[Value], Vec::as_slice);
    for item in items {
        print(&line(item))?;
    }
    if let Some(cursor) = answer.body["cursor"].as_str() {
        crate::say(format_args!("more: --cursor {cursor}"));
    }
    if items.is_empty() {
        crate::say(format_args!("no {name}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// One event on one line.
fn line(event: &Value) -> String {
    format!(
        "{}  {}  {:<16} {:>16}  {}{}",
        text(event, "accepted_at"),
        text(event, "id"),
        text(event, "type"),
        text(event, "to"),
        text(event, "status"),
        event["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default(),
    )
}

/// One event for a person: what it is, where it stands, and every attempt.
pub(crate) fn shown(event: &Value) -> String {
    let mut lines = Vec::new();
    for name in ["id", "type", "from", "to", "reference", "status", "waiting_for", "reason", "accepted_at"] {
        if !event[name].is_null() {
            lines.push(format!("{name:<16} {}", text(event, name)));
        }
    }
    for name in ["updated_at", "next_attempt_at", "expires_at", "superseded_by", "possibly_duplicate"] {
        if !event[name].is_null() && event[name] != Value::Bool(false) {
            lines.push(format!("{name:<16} {}", text(event, name)));
        }
    }
    if let Some(click) = event["click_id"]["value"].as_str() {
        let captured = event["click_id"]["captured"] == true;
        lines.push(format!("{:<16} {click}{}", "click_id", if captured { "  (captured)" } else { "" }));
    }
    if !event["custom"].is_null() {
        lines.push(format!("{:<16} {}", "custom", event["custom"]));
    }
    for attempt in event["attempts"].as_array().into_iter().flatten() {
        lines.push(format!("attempt {:<8} {}", text(attempt, "n"), attempt_line(attempt)));
    }
    lines.join("\n")
}

/// One attempt, or one try of a post.
pub(crate) fn attempt_line(attempt: &Value) -> String {
    let mut line = format!("{}  {}", text(attempt, "started_at"), text(attempt, "outcome"));
    for (name, label) in
        [("http_status", "HTTP"), ("code", "code"), ("subcode", "subcode"), ("trace_id", "trace")]
    {
        if !attempt[name].is_null() {
            line.push_str(&format!("  {label} {}", text(attempt, name)));
        }
    }
    if let Some(detail) = attempt["detail"].as_str() {
        line.push_str(&format!("\n{:<16} {detail}", ""));
    }
    line
}

/// A field as a person reads it: text without quotes, nothing as a dash.
pub(crate) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    }
}

/// A value as it may stand in a path or a query.
pub(crate) fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_for_addresses() {
        assert_eq!(escape("+31 6/é?"), "%2B31%206%2F%C3%A9%3F");
        assert_eq!(escape("ev_01K-a.b~"), "ev_01K-a.b~");
    }
}
