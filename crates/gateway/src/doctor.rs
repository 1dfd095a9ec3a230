//! What can be found out about a configuration by asking Meta: one row per question, each with its answer and, where it is
//! wrong, with what to do. Questions change nothing at Meta.
//!
//! What cannot be told is said to be unknown. It is never guessed.

mod token;

use std::sync::Arc;
use std::time::Duration;

use laneway_channel::http::Limits;
use laneway_channel::meta;
use laneway_channel::meta::look_up::{Account, App, Error, ListedNumbers};

use crate::config::{self, Config, Number, NumbersFrom, Waba};
use crate::discovery::{self, Contested};

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

/// What may be asked beyond what always is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether Meta is asked about the tokens themselves, which writes them into an address.
    pub ask_token: bool,
    /// The address under which Meta reaches `listen`, without a slash at its end.
    pub callback_url: Option<String>,
}

/// Asks everything about every WABA, in the order of the configuration. What the configuration leaves out is taken from
/// what an earlier process was told.
pub async fn examine(config: &Arc<Config>, options: &Options) -> Vec<Finding> {
    let read = config;
    let config = discovery::remembered(read);
    let client = meta::Client::new(Limits { call_timeout: QUESTION_TIMEOUT, ..Limits::default() });
    let (mut findings, mut listed) = (Vec::new(), Vec::new());
    let asking = async {
        for waba in config.accounts.iter().flat_map(|account| &account.wabas) {
            let app = config.apps.iter().find(|app| Some(&app.name) == waba.app.as_ref());
            let examination = Examination { waba, app, account: waba.at_meta(), client: &client, options };
            let numbers = examination.run(&mut findings).await;
            listed.extend(numbers.map(|numbers| (waba.id.clone(), numbers)));
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
    findings.extend(discovery::contested(read, &listed).iter().map(of_two));
    findings
}

const TOKEN: &str = "token works";
const NUMBER: &str = "number and id";
const DATASET: &str = "data set of the WABA";
const APPS: &str = "subscribed apps";
const CALLBACK: &str = "callback reachable";
const OWNER: &str = "number of one WABA";

/// What a callback is to give back; any text would do.
const CHALLENGE: &str = "1158201444";

/// How a question came out, what was found, and what to do about it.
type Answer = (Verdict, String, Option<&'static str>);

fn good(says: impl Into<String>) -> Answer {
    (Verdict::Good, says.into(), None)
}

fn bad(says: impl Into<String>, fix: &'static str) -> Answer {
    (Verdict::Bad, says.into(), Some(fix))
}

fn unknown(says: impl Into<String>) -> Answer {
    (Verdict::Unknown, says.into(), None)
}

/// One WABA, and whom to ask about it.
struct Examination<'a> {
    waba: &'a Waba,
    /// The app that its notifications are believed from.
    app: Option<&'a config::App>,
    account: Account,
    client: &'a meta::Client,
    options: &'a Options,
}

impl Examination<'_> {
    /// Asks everything about it, and returns the numbers that Meta lists to it.
    async fn run(&self, findings: &mut Vec<Finding>) -> Option<ListedNumbers> {
        let subject = format!("WABA {}", self.waba.id);
        let mut row = |question, (verdict, says, fix): Answer| {
            findings.push(Finding { subject: subject.clone(), question, verdict, says, fix });
        };
        let token = &self.waba.access_token;
        let listed = self.client.numbers(&self.account, token).await;
        row(
            TOKEN,
            match &listed {
                Ok(listed) => good(format!("Meta lists {} number(s) to it.", listed.numbers.len())),
                Err(Error::Refused(told)) => bad(
                    told,
                    "give access_token a token of a system user that this WABA is assigned to, with \
                     whatsapp_business_management",
                ),
                Err(Error::NoAnswer(told)) => unknown(told),
            },
        );
        for (question, answer) in self.tokens().await {
            row(question, answer);
        }
        row(DATASET, self.dataset().await);
        let subscribed = self.client.subscribed_apps(&self.account, token).await;
        // A token that cannot say whose it is leaves the rest to be told all the same.
        let own = self.client.app(&self.account, token).await.ok();
        row(APPS, self.subscribed(&subscribed, own.as_ref()));
        row(CALLBACK, self.callback(&subscribed, own.as_ref()).await);
        if self.waba.numbers.is_empty() {
            row(NUMBER, none_written(&listed));
        }
        let from = self.waba.numbers_from;
        findings.extend(self.waba.numbers.iter().map(|number| compare(number, from, &listed)));
        listed.ok()
    }

    async fn dataset(&self) -> Answer {
        let Some(dataset) = &self.waba.dataset_id else {
            if self.waba.looks_up_dataset {
                return unknown(
                    "The configuration leaves it out; it is looked up, or made, when the gateway runs.",
                );
            }
            return good("The configuration has none, and sends no conversions.");
        };
        let is_remembered = self.waba.looks_up_dataset;
        let (source, fix) = if is_remembered {
            ("what was looked up before", "remove discovered.json from data_dir and start the gateway again")
        } else {
            ("dataset_id", "correct dataset_id, or leave it out and it is looked up")
        };
        let token = self.waba.conversions_token.as_ref().unwrap_or(&self.waba.access_token);
        match self.client.datasets(&self.account, token).await {
            Ok(ids) if ids.iter().any(|id| id == dataset.as_str()) => {
                good(format!("{dataset} is this WABA's."))
            }
            Ok(ids) if ids.is_empty() => bad(
                format!("The WABA has no data set, so {dataset}, from {source}, belongs to something else."),
                fix,
            ),
            Ok(ids) => {
                bad(format!("The WABA's data set is {}; {source} says {dataset}.", ids.join(", ")), fix)
            }
            // Tokens that may send conversions may be refused this question, so a refusal proves nothing.
            Err(Error::Refused(told) | Error::NoAnswer(told)) => unknown(told),
        }
    }

    /// Whether any app hears of what happens in the WABA. Which of them is the gateway's can be told only of the app that
    /// the token is of; the notifications may well be another's.
    fn subscribed(&self, subscribed: &Result<Vec<App>, Error>, own: Option<&App>) -> Answer {
        let apps = match subscribed {
            Ok(apps) => apps,
            // Tokens that may send messages may be refused this question, so a refusal proves nothing.
            Err(Error::Refused(told) | Error::NoAnswer(told)) => return unknown(told),
        };
        if apps.is_empty() {
            return match self.app {
                Some(_) => bad(
                    "No app is subscribed, so Meta tells nobody what happens here.",
                    "subscribe the app: POST /{waba_id}/subscribed_apps with a token of that app",
                ),
                None => good(
                    "No app is subscribed, and the configuration names none that should be (account.waba.app).",
                ),
            };
        }
        let names = apps.iter().map(named).collect::<Vec<_>>().join(", ");
        match own {
            Some(own) if self.app.is_some() && !apps.iter().any(|app| app.id == own.id) => unknown(format!(
                "{names}; the token's own app, {}, is not among them. Check that one of them is the app of the configuration.",
                named(own)
            )),
            Some(_) | None => good(format!("{names}.")),
        }
    }

    /// Whether the callback answers as Meta wants it. Where Meta calls is told only of a WABA that has an address of its
    /// own; the app's is not to be asked for with the tokens there are.
    async fn callback(&self, subscribed: &Result<Vec<App>, Error>, own: Option<&App>) -> Answer {
        let Some(app) = self.app else {
            return good("The configuration receives no notifications about it (account.waba.app).");
        };
        let path = format!("/webhooks/meta/{}", app.name.as_str());
        let apps = subscribed.iter().flatten();
        let special =
            apps.filter(|app| own.is_some_and(|own| own.id == app.id)).find_map(|app| app.callback.clone());
        let given =
            self.options.callback_url.as_ref().map(|url| format!("{}{path}", url.trim_end_matches('/')));
        let Some(address) = special.or(given) else {
            return unknown(format!(
                "Where Meta calls cannot be asked. Check by hand: in the App Dashboard, WhatsApp > Configuration, the \
                 callback is this gateway's {path}, and the test of the field \"messages\" arrives; or name the \
                 gateway's address with --callback-url."
            ));
        };
        match self.client.challenge(&address, &app.verify_token, CHALLENGE).await {
            Ok(()) => good(format!("{address} answers Meta's challenge, asked from here.")),
            Err(Error::Refused(told)) => bad(
                format!("{address}: {told}"),
                "make that address lead to this gateway's listen, and give app.verify_token the word of the App Dashboard",
            ),
            // Meta may reach what this machine does not.
            Err(Error::NoAnswer(told)) => unknown(format!("{address}, asked from here: {told}")),
        }
    }
}

/// An app by its name and id.
fn named(app: &App) -> String {
    match &app.name {
        Some(name) => format!("{name} ({})", app.id),
        None => app.id.clone(),
    }
}

/// What becomes of a WABA for which there are no numbers yet.
fn none_written(listed: &Result<ListedNumbers, Error>) -> Answer {
    match listed {
        Err(_) => unknown("The configuration leaves the numbers out, and Meta did not list them."),
        Ok(listed) if listed.numbers.is_empty() => bad(
            "The configuration leaves the numbers out, and Meta lists none.",
            "add a number to the WABA in WhatsApp Manager, or correct account.waba.id",
        ),
        Ok(listed) => {
            let shown = listed.numbers.iter().take(SHOWN_MAX).map(|entry| match entry.number {
                Some(number) => format!("{} ({})", number.masked(), entry.id),
                None => format!("not readable ({})", entry.id),
            });
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = match listed.numbers.len().saturating_sub(SHOWN_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            good(format!("The configuration leaves the numbers out; Meta lists {shown}{more}."))
        }
    }
}

/// How many numbers one row shows.
const SHOWN_MAX: usize = 10;

/// Whether Meta has the number under the same id.
fn compare(number: &Number, from: NumbersFrom, listed: &Result<ListedNumbers, Error>) -> Finding {
    let id = &number.phone_number_id;
    let again = "start the gateway, which asks Meta again; it was told otherwise before";
    let fix = |written| match from {
        NumbersFrom::File => written,
        NumbersFrom::Meta | NumbersFrom::NotYet => again,
    };
    let (verdict, says, fix) = match listed {
        Err(_) => unknown("Meta did not list the WABA's numbers."),
        Ok(listed) => match listed.numbers.iter().find(|entry| entry.id == *id) {
            Some(entry) if entry.number == Some(number.number) => good(format!("{id} is this number's id.")),
            Some(entry) => match entry.number {
                Some(other) => bad(
                    format!("{id} is the id of {}.", other.masked()),
                    fix("correct number or phone_number_id"),
                ),
                None => unknown(format!("Meta does not write the number of {id} readably.")),
            },
            None if listed.is_whole => bad(
                format!("The WABA has no number with the id {id}."),
                fix("correct phone_number_id, or move the number to the WABA that it belongs to"),
            ),
            None => unknown(format!("Meta's list goes on, and {id} is not on its first pages.")),
        },
    };
    Finding { subject: number.number.masked().to_string(), question: NUMBER, verdict, says, fix }
}

/// A number that Meta lists to one WABA, and that another has already. Nothing is sent for it by the first.
fn of_two(contested: &Contested) -> Finding {
    let (verdict, says, fix) = bad(
        format!("{contested}."),
        "write each WABA's numbers into the configuration (account.waba.numbers), every number and every id once",
    );
    Finding { subject: contested.number.masked().to_string(), question: OWNER, verdict, says, fix }
}

#[cfg(test)]
mod tests;
