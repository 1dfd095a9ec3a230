//! `laneway events`: what became of events.

use std::process::ExitCode;

use clap::{Args, Subcommand};
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

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let limit = list.limit.map(|limit| limit.to_string());
    let filters = [
        ("status", &list.status),
        ("type", &list.kind),
        ("from", &list.from),
        ("to", &list.to),
        ("reference", &list.reference),
        ("since", &list.since),
        ("until", &list.until),
        ("limit", &limit),
        ("cursor", &list.cursor),
    ];
    let given =
        filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?))));
    let query = given.collect::<Vec<_>>().join("&");
    let answer = list.client.get(&format!("/api/v1/events?{query}")).await?;
    if !answer.status.is_success() {
        return answer.refused(list.client.json);
    }
    if list.client.json {
        return print(&answer.body.to_string());
    }
    let events = answer.body["events"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    for event in events {
        print(&line(event))?;
    }
    if let Some(cursor) = answer.body["cursor"].as_str() {
        crate::say(format_args!("more: --cursor {cursor}"));
    }
    if events.is_empty() {
        crate::say("no events");
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
        lines.push(format!("{:<16} {click}", "click_id"));
    }
    if !event["custom"].is_null() {
        lines.push(format!("{:<16} {}", "custom", event["custom"]));
    }
    for attempt in event["attempts"].as_array().into_iter().flatten() {
        lines.push(format!("attempt {:<8} {}", text(attempt, "n"), attempt_line(attempt)));
    }
    lines.join("\n")
}

fn attempt_line(attempt: &Value) -> String {
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
fn text(value: &Value, name: &str) -> String {
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
