//! What can be found out about a configuration by asking Meta: one row per question, each with its answer and, where it is
//! wrong, with what to do. Questions change nothing at Meta.
//!
//! What cannot be told is said to be unknown. It is never guessed.

use std::time::Duration;

use laneway_channel::http::Limits;
use laneway_channel::meta;
use laneway_channel::meta::look_up::{Account, Error, ListedNumbers};

use crate::config::{Config, Number, Waba};

/// How long one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all of them may take; what is not answered by then is unknown.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How a row came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It cannot be told.
    Unknown,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a WABA, or a masked number.
    pub subject: String,
    /// The question.
    pub question: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// What to do about it.
    pub fix: Option<&'static str>,
}

impl Verdict {
    /// The word that people and programs read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Asks everything about every WABA, in the order of the configuration.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let client = meta::Client::new(Limits { call_timeout: QUESTION_TIMEOUT, ..Limits::default() });
    let mut findings = Vec::new();
    let asking = async {
        for waba in config.accounts.iter().flat_map(|account| &account.wabas) {
            Waba::examine(waba, &client, &mut findings).await;
        }
    };
    if tokio::time::timeout(TIMEOUT, asking).await.is_err() {
        findings.push(Finding {
            subject: "everything else".to_owned(),
            question: "in time",
            verdict: Verdict::Unknown,
            says: format!("{} s were over before it was asked.", TIMEOUT.as_secs()),
            fix: None,
        });
    }
    findings
}

const TOKEN: &str = "token works";
const TOKEN_LIFE: &str = "token scopes and expiry";
const NUMBER: &str = "number and id";
const DATASET: &str = "data set of the WABA";
const APPS: &str = "subscribed apps";
const CALLBACK: &str = "callback reachable";

impl Waba {
    async fn examine(&self, client: &meta::Client, findings: &mut Vec<Finding>) {
        let subject = format!("WABA {}", self.id);
        let mut row = |question, verdict, says: String, fix| {
            findings.push(Finding { subject: subject.clone(), question, verdict, says, fix });
        };
        let account = self.at_meta();
        let listed = client.numbers(&account, &self.access_token).await;
        match &listed {
            Ok(listed) => {
                let count = listed.numbers.len();
                row(TOKEN, Verdict::Good, format!("Meta lists {count} number(s) to it."), None);
            }
            Err(Error::Refused(told)) => {
                let fix = "give access_token a token of a system user that this WABA is assigned to";
                row(TOKEN, Verdict::Bad, told.clone(), Some(fix));
            }
            Err(Error::NoAnswer(told)) => row(TOKEN, Verdict::Unknown, told.clone(), None),
        }
        row(
            TOKEN_LIFE,
            Verdict::Unknown,
            "Cannot be told without writing the token into an address; Meta's Access Token Debugger shows both."
                .to_owned(),
            None,
        );
        let (verdict, says, fix) = self.dataset(client, &account).await;
        row(DATASET, verdict, says, fix);
        let cannot = "Cannot be told from here; the App Dashboard shows it.";
        row(APPS, Verdict::Unknown, cannot.to_owned(), None);
        let cannot = "Cannot be told: which address Meta calls is not in the configuration. The App Dashboard can send a test.";
        row(CALLBACK, Verdict::Unknown, cannot.to_owned(), None);
        findings.extend(self.numbers.iter().map(|number| compare(number, &listed)));
    }

    async fn dataset(
        &self,
        client: &meta::Client,
        account: &Account,
    ) -> (Verdict, String, Option<&'static str>) {
        let Some(configured) = &self.dataset_id else {
            if self.looks_up_dataset {
                let says =
                    "The configuration leaves it out; it is looked up, or made, when the gateway runs.";
                return (Verdict::Unknown, says.to_owned(), None);
            }
            return (Verdict::Good, "The configuration has none, and sends no conversions.".to_owned(), None);
        };
        let token = self.conversions_token.as_ref().unwrap_or(&self.access_token);
        match client.datasets(account, token).await {
            Ok(ids) if ids.iter().any(|id| id == configured.as_str()) => {
                (Verdict::Good, format!("{configured} is this WABA's."), None)
            }
            Ok(ids) if ids.is_empty() => (
                Verdict::Bad,
                format!("The WABA has no data set, so {configured} belongs to something else."),
                Some("connect the data set with this WABA in Events Manager, or correct dataset_id"),
            ),
            Ok(ids) => (
                Verdict::Bad,
                format!("The WABA's data set is {}, and dataset_id says {configured}.", ids.join(", ")),
                Some("correct dataset_id"),
            ),
            // Tokens that may send conversions may be refused this question, so a refusal proves nothing.
            Err(Error::Refused(told) | Error::NoAnswer(told)) => (Verdict::Unknown, told, None),
        }
    }
}

/// Whether Meta has the number under the same id.
fn compare(number: &Number, listed: &Result<ListedNumbers, Error>) -> Finding {
    let id = &number.phone_number_id;
    let (verdict, says, fix) = match listed {
        Err(_) => (Verdict::Unknown, "Meta did not list the WABA's numbers.".to_owned(), None),
        Ok(listed) => match listed.numbers.iter().find(|entry| entry.id == *id) {
            Some(entry) if entry.number == Some(number.number) => {
                (Verdict::Good, format!("{id} is this number's id."), None)
            }
            Some(entry) => match entry.number {
                Some(other) => (
                    Verdict::Bad,
                    format!("{id} is the id of {}.", other.masked()),
                    Some("correct number or phone_number_id"),
                ),
                None => (Verdict::Unknown, format!("Meta does not write the number of {id} readably."), None),
            },
            None if listed.is_whole => (
                Verdict::Bad,
                format!("The WABA has no number with the id {id}."),
                Some("correct phone_number_id, or move the number to the WABA that it belongs to"),
            ),
            None => {
                (Verdict::Unknown, format!("Meta's list goes on, and {id} is not on its first pages."), None)
            }
        },
    };
    Finding { subject: number.number.masked().to_string(), question: NUMBER, verdict, says, fix }
}
