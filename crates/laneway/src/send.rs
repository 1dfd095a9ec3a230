//! `laneway send`: one event, from the shell.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use crate::{client, events, print};

/// What `send` takes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(subcommand)]
    event: Event,
}

#[derive(Debug, Subcommand)]
enum Event {
    /// Mark a message, and all before it, as read
    MarkAsRead(Message),
    /// Show that an answer to a message is being written
    Typing(Message),
    /// Block a user
    Block(User),
    /// Unblock a user
    Unblock(User),
    /// Tell Meta that an ad led to something
    Conversion(Conversion),
}

/// What every event takes.
#[derive(Args, Debug)]
struct Common {
    /// The business number; a local dev's own if left out
    #[arg(long, env = "LANEWAY_FROM", value_name = "NUMBER")]
    from: Option<String>,
    /// Your own word for the event
    #[arg(long)]
    reference: Option<String>,
    /// A second event with this key is not sent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Only check, store nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until the event is final, for up to this long, such as 10s
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10s")]
    wait: Option<String>,
    #[command(flatten)]
    client: client::Options,
}

#[derive(Args, Debug)]
struct Message {
    /// The message, wamid.…
    #[arg(long, value_name = "WAMID")]
    message_id: String,
    /// The user who wrote it
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct User {
    /// The user, by number or business-scoped id
    #[arg(long, value_name = "NUMBER")]
    to: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct Conversion {
    /// Purchase, LeadSubmitted, …
    #[arg(value_name = "TYPE")]
    name: String,
    /// The user
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The click that it is attributed to
    #[arg(long, value_name = "ID")]
    ctwa_clid: Option<String>,
    /// What it is worth, such as 12.60
    #[arg(long)]
    value: Option<String>,
    /// In which currency, such as EUR
    #[arg(long)]
    currency: Option<String>,
    /// Your own id of it
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// When it happened, in Unix seconds or RFC 3339; now if left out
    #[arg(long, value_name = "TIME")]
    event_time: Option<String>,
    /// More about it, such as order_id=A-17
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    custom: Vec<(String, String)>,
    #[command(flatten)]
    common: Common,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let (kind, to, custom, common) = match options.event {
        Event::MarkAsRead(message) => {
            ("MarkAsRead".to_owned(), message.to, message_id(&message.message_id), message.common)
        }
        Event::Typing(message) => {
            ("Typing".to_owned(), message.to, message_id(&message.message_id), message.common)
        }
        Event::Block(user) => ("Block".to_owned(), Some(user.to), Map::new(), user.common),
        Event::Unblock(user) => ("UnBlock".to_owned(), Some(user.to), Map::new(), user.common),
        Event::Conversion(conversion) => {
            let custom = conversion_custom(&conversion);
            (conversion.name, Some(conversion.to), custom, conversion.common)
        }
    };
    let from = common.client.business(common.from.as_deref());
    let mut event = json!({"channel": "WhatsApp", "event": {"type": kind}});
    if !custom.is_empty() {
        event["event"]["custom"] = Value::Object(custom);
    }
    for (place, number) in [("from", from), ("to", to.as_deref())] {
        if let Some(number) = number {
            event[place] = json!({"number": number});
        }
    }
    if let Some(reference) = &common.reference {
        event["reference"] = json!(reference);
    }
    submit(&event, &common).await
}

async fn submit(event: &Value, common: &Common) -> anyhow::Result<ExitCode> {
    let client = &common.client;
    let path = if common.dry_run { "/v1.0/event?dry_run=true" } else { "/v1.0/event" };
    let key = common.idempotency_key.as_deref().map(|key| ("idempotency-key", key));
    let headers: Vec<_> = key.into_iter().collect();
    let answer = client.request(Method::POST, path, &headers, event.to_string()).await?;
    if !answer.status.is_success() {
        return answer.refused(client.json);
    }
    let created = &answer.body["event"];
    let (Some(wait), Some(id)) = (&common.wait, created["id"].as_str()) else {
        let status = created["status"].as_str().unwrap_or_default();
        let line = created["id"].as_str().map_or_else(|| status.to_owned(), |id| format!("{id} {status}"));
        return print(&if client.json { answer.body.to_string() } else { line });
    };
    let timeout = events::escape(wait);
    let ended = client.get(&format!("/api/v1/events/{id}?wait=final&timeout={timeout}")).await?;
    if !ended.status.is_success() {
        return ended.refused(client.json);
    }
    print(&if client.json { ended.body.to_string() } else { events::shown(&ended.body) })?;
    let worked = matches!(ended.body["status"].as_str(), Some("confirmed" | "relayed" | "superseded"));
    Ok(if worked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn message_id(id: &str) -> Map<String, Value> {
    Map::from_iter([("message_id".to_owned(), json!(id))])
}

fn conversion_custom(conversion: &Conversion) -> Map<String, Value> {
    let texts = [
        ("ctwa_clid", &conversion.ctwa_clid),
        ("currency", &conversion.currency),
        ("value", &conversion.value),
        ("event_id", &conversion.event_id),
        ("event_time", &conversion.event_time),
    ];
    let mut custom: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
        .collect();
    custom.extend(conversion.custom.iter().map(|(name, value)| (name.clone(), json!(value))));
    custom
}
