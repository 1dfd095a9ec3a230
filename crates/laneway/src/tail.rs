//! `laneway tail`: follows events live.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::{client, print, say};

/// Which events to follow.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// Only these statuses, separated by commas; also open and final
    #[arg(long)]
    status: Option<String>,
    /// Only these types, separated by commas
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    client: client::Options,
}

/// The first wait before a lost connection is tried again; each further one is twice as long.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
const RECONNECT_AFTER_MAX: Duration = Duration::from_secs(10);

/// Prints changes until it is interrupted, or refused.
pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let filter = [("status", &options.status), ("type", &options.kind)];
    let filter: Vec<_> = filter.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
    let path = format!("/api/v1/events/stream?{}", serde_urlencoded::to_string(filter)?);
    let (mut wait, mut was_connected) = (RECONNECT_AFTER, false);
    loop {
        match options.client.follow(&path).await {
            Ok(client::Followed::Refused(answer)) => return answer.refused(options.client.json),
            Ok(client::Followed::Lines(mut lines)) => {
                say(match was_connected {
                    false => "following",
                    true => "following again; what happened meanwhile is shown by `laneway events list`",
                });
                (wait, was_connected) = (RECONNECT_AFTER, true);
                while let Some(line) = lines.next().await {
                    if let Some(data) = line.strip_prefix("data: ") {
                        show(data, options.client.json)?;
                    }
                }
                say("the connection has ended");
            }
            Err(error) if !was_connected => return Err(error),
            Err(error) => say(format_args!("{error:#}")),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RECONNECT_AFTER_MAX);
    }
}

fn show(data: &str, json: bool) -> anyhow::Result<()> {
    if json {
        return print(data).map(drop);
    }
    let change: Value = serde_json::from_str(data)?;
    if let Some(missed) = change["missed"].as_u64() {
        say(format_args!("{missed} changes came too fast and are not shown"));
        return Ok(());
    }
    print(&line(&change)).map(drop)
}

/// A change as a person reads it.
fn line(change: &Value) -> String {
    let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
    let at = text("at");
    let time = at.split_once('T').map_or(at.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let mut line = format!("{time} {} {}", text("id"), text("type"));
    if let Some(to) = change["to"].as_str() {
        line.push_str(&format!(" {to}"));
    }
    line.push_str(&format!(" {}", text("status")));
    if let Some(reason) = change["reason"].as_str() {
        line.push_str(&format!(" · {reason}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn a_change_is_one_line() {
        let change = json!({"id": "ev_1", "type": "Block", "from": "+31", "to": "+316012345678", "status": "failed",
            "reason": "No.", "at": "2026-11-22T12:00:00.207Z"});
        assert_eq!(line(&change), "12:00:00.207 ev_1 Block +316012345678 failed · No.");
        let change = json!({"id": "ev_1", "type": "MarkAsRead", "to": null, "status": "confirmed", "reason": null,
            "at": "2026-11-22T12:00:00.207Z"});
        assert_eq!(line(&change), "12:00:00.207 ev_1 MarkAsRead confirmed");
    }
}
