//! `laneway token`: product tokens.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use laneway_gateway::config::token;
use serde_json::json;

use crate::print;

/// What `token` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a new token: the token for the client, its hash for the configuration
    New {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the hash of a token for the configuration
    Hash {
        /// The token; read from stdin if left out, so that it stays out of the shell's history
        token: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::New { json } => {
            let token = token::generate().context("the system gives no random numbers")?;
            let (token, hash) = (token.expose(), token::hash(token.expose()));
            match json {
                true => print(&json!({"token": token, "hash": hash.to_string()}).to_string()),
                false => print(&format!("token  {token}\nhash   {hash}")),
            }
        }
        Verb::Hash { token, json } => {
            let token = match token {
                Some(token) => token,
                None => from_stdin()?,
            };
            let token = token.trim();
            anyhow::ensure!(!token.is_empty(), "the token is empty");
            let hash = token::hash(token);
            match json {
                true => print(&json!({"hash": hash.to_string()}).to_string()),
                false => print(&hash.to_string()),
            }
        }
    }
}

fn from_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("cannot read the token from stdin")?;
    Ok(text)
}
