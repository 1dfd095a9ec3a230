//! `laneway contacts` and `erase`: what is known of persons, and how all of it is removed.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::events::escape;
use crate::{client, print};

/// What `contacts` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what is known of a person: their last message, the 24-hour window, blocked or not, ad clicks
    Show {
        /// The business number
        #[arg(value_name = "BUSINESS")]
        business: String,
        /// The person: a number, or a business-scoped user id
        #[arg(value_name = "USER")]
        user: String,
        #[command(flatten)]
        client: client::Options,
    },
}

/// Whose data is to be removed.
#[derive(Args, Debug)]
pub(crate) struct Erase {
    /// The person: a number, or a business-scoped user id
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    client: client::Options,
}

/// Removes everything about a person and reports what it was.
pub(crate) async fn erase(options: Erase) -> anyhow::Result<ExitCode> {
    let Erase { user, client } = options;
    let path = format!("/api/v1/contacts/{}", escape(&user));
    let answer = client.request(Method::DELETE, &path, &[], String::new()).await?;
    if !answer.status.is_success() {
        return answer.refused(client.json);
    }
    print(&if client.json { answer.body.to_string() } else { erased(&answer.body) })
}

fn erased(report: &Value) -> String {
    let users = report["users"].as_array().into_iter().flatten();
    let mut lines: Vec<String> =
        users.map(|user| format!("{:<18} {}", "user", user.as_str().unwrap_or_default())).collect();
    for name in ["events", "posts", "unsent", "notifications", "contacts"] {
        lines.push(format!("{name:<18} {}", report[name]));
    }
    lines.join("\n")
}

pub(crate) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Show { business, user, client } => {
            let path = format!("/api/v1/contacts/{}/{}", escape(&business), escape(&user));
            let answer = client.get(&path).await?;
            if !answer.status.is_success() {
                return answer.refused(client.json);
            }
            print(&if client.json { answer.body.to_string() } else { shown(&answer.body) })
        }
    }
}

/// A person, for a person.
fn shown(contact: &Value) -> String {
    let mut lines = Vec::new();
    let names = ["business", "user", "phone", "user_id", "formerly", "became"];
    for name in names.into_iter().chain(["last_message_in", "window_open_until"]) {
        if let Some(text) = contact[name].as_str() {
            lines.push(format!("{name:<18} {text}"));
        }
    }
    let blocked = &contact["blocked"];
    for (name, label) in [("wanted", "block wanted"), ("confirmed", "blocked at Meta")] {
        if let Some(is_blocked) = blocked[name].as_bool() {
            let since = blocked["confirmed_at"].as_str().filter(|_| name == "confirmed");
            let since = since.map(|at| format!(", confirmed {at}")).unwrap_or_default();
            lines.push(format!("{label:<18} {}{since}", if is_blocked { "yes" } else { "no" }));
        }
    }
    for click in contact["click_ids"].as_array().into_iter().flatten() {
        let text = |name: &str| click[name].as_str().unwrap_or_default();
        lines.push(format!("{:<18} {}  {}", "click", text("at"), text("value")));
        for (name, label) in [("ad_id", "ad"), ("headline", "headline")] {
            if !text(name).is_empty() {
                lines.push(format!("{:<18} {label} {}", "", text(name)));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_erasure_is_reported() {
        let report = json!({"users": ["+316012345678", "US.1"], "events": 3, "posts": 4, "unsent": 1, "notifications": 2, "contacts": 2});
        let expected = "\
user               +316012345678
user               US.1
events             3
posts              4
unsent             1
notifications      2
contacts           2";
        assert_eq!(erased(&report), expected);
    }

    #[test]
    fn only_what_is_known_is_shown() {
        let contact = json!({"business": "+316098765432", "user": "US.1", "phone": "+316012345678", "user_id": null,
            "formerly": null, "became": null, "last_message_in": "2026-11-22T12:00:00.000Z",
            "window_open_until": "2026-11-23T12:00:00.000Z",
            "blocked": {"wanted": null, "confirmed": true, "confirmed_at": "2026-11-22T12:00:01.000Z"},
            "click_ids": [{"value": "Aff", "at": "2026-11-22T12:00:00.000Z", "ad_id": "12", "headline": null}]});
        let expected = "\
business           +316098765432
user               US.1
phone              +316012345678
last_message_in    2026-11-22T12:00:00.000Z
window_open_until  2026-11-23T12:00:00.000Z
blocked at Meta    yes, confirmed 2026-11-22T12:00:01.000Z
click              2026-11-22T12:00:00.000Z  Aff
                   ad 12";
        assert_eq!(shown(&contact), expected);
    }
}
