//! The configuration in effect, for a person to read: every key with the value that counts and where it is from. Secrets
//! are named, never shown.

use std::io;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::remark::Place;
use super::schema::{self, Section};
use super::secret::Origin;
use super::source::{Found, Source, Table};
use super::{
    Account, App, Callback, CapturedClick, Config, Forward, ForwardFormat, GiveUp, Limits, Loaded,
    NumbersFrom, OnDeadLetter, Retention, Rules, Waba, duration,
};

#[cfg(test)]
mod tests;
mod text;

/// A table of the configuration in effect.
#[derive(Debug)]
pub struct Shown {
    section: &'static Section,
    /// Whether it is one of a list.
    is_listed: bool,
    lines: Vec<Line>,
    tables: Vec<Shown>,
}

/// A key of a table.
#[derive(Debug)]
struct Line {
    key: &'static str,
    is: Is,
}

/// What a key says.
#[derive(Debug)]
enum Is {
    /// This, by the file; or because the file leaves it out.
    Set(Value, Option<Place>),
    /// Nothing, and what follows from that.
    Unset(&'static str),
}

/// What follows from most keys that are left out.
const NOT_SET: &str = "is not set";

/// Why a configuration that was read cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// A file of it is gone since.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of it is another since.
    #[error("the configuration changed while it was read; ask again")]
    Changed,
}

impl Loaded {
    /// What it says, with every default.
    ///
    /// # Errors
    /// The files are read a second time, for where things stand; they may have changed since.
    pub fn show(&self) -> Result<Shown, ShowError> {
        let read = |path: &PathBuf| {
            Source::read(path).map_err(|source| ShowError::Unreadable { path: path.clone(), source })
        };
        let sources = self.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if self.fingerprint.taken_again() != self.fingerprint {
            return Err(ShowError::Changed);
        }
        let parsed: Vec<_> = sources.iter().map(|source| source.parse().0).collect();
        let roots: Vec<_> = (sources.iter().zip(&parsed))
            .map(|(source, entries)| Table::root(source, entries.get_ref(), &schema::ROOT))
            .collect();
        let Some(main) = roots.first() else { return Err(ShowError::Changed) };
        let accounts: Vec<_> =
            roots.iter().flat_map(|root| listed(root, "account", &schema::ACCOUNT)).collect();
        Ok(Shown::root(main, &accounts, &self.config))
    }
}

/// The tables.
impl Shown {
    fn of(section: &'static Section, is_listed: bool) -> Self {
        Self { section, is_listed, lines: Vec::new(), tables: Vec::new() }
    }

    fn root(root: &Table<'_>, accounts: &[Table<'_>], config: &Config) -> Self {
        let mut shown = Self::of(&schema::ROOT, false);
        let from = Some(root);
        shown.put(from, "listen", config.listen.to_string());
        shown.put_some(from, "admin_listen", config.admin_listen.map(|address| address.to_string()));
        shown.put_secret(root, "admin_token");
        shown.put(from, "store", config.store.to_string());
        shown.put(from, "data_dir", absolute(&config.data_dir));
        let table = |key, section| root.get(key).and_then(|found| found.table(section));
        shown.tables = vec![
            Self::limits(table("limits", &schema::LIMITS).as_ref(), config.limits),
            Self::retention(table("retention", &schema::RETENTION).as_ref(), config.retention),
            Self::rules(table("rules", &schema::RULES).as_ref(), &config.rules),
            Self::give_up(table("give_up", &schema::GIVE_UP).as_ref(), config.rules.give_up),
            Self::upstream(table("upstream", &schema::UPSTREAM).as_ref(), config.cm_url.as_deref()),
        ];
        let apps = listed(root, "app", &schema::APP);
        shown.tables.extend(apps.iter().zip(&config.apps).map(|(table, app)| Self::app(table, app)));
        let accounts = accounts.iter().zip(config.accounts.iter());
        shown.tables.extend(accounts.map(|(table, account)| Self::account(table, account)));
        shown
    }

    fn limits(from: Option<&Table<'_>>, limits: Limits) -> Self {
        let Limits { open_events, open_events_per_number, conversions_per_call } = limits;
        let mut shown = Self::of(&schema::LIMITS, false);
        shown.put(from, "open_events", open_events);
        shown.put(from, "open_events_per_number", open_events_per_number);
        shown.put(from, "conversions_per_call", conversions_per_call);
        shown
    }

    fn retention(from: Option<&Table<'_>>, retention: Retention) -> Self {
        let Retention { final_events, notifications, contacts, keys } = retention;
        let mut shown = Self::of(&schema::RETENTION, false);
        shown.put_durations(
            from,
            [
                ("final_events", final_events),
                ("notifications", notifications),
                ("contacts", contacts),
                ("keys", keys),
            ],
        );
        shown
    }

    fn rules(from: Option<&Table<'_>>, rules: &Rules) -> Self {
        let Rules {
            give_up: _,
            self_block,
            event_time_in_future,
            event_time_too_old,
            unlisted_currency,
            block_window,
            captured_click,
            click_id_wait,
        } = *rules;
        let mut shown = Self::of(&schema::RULES, false);
        shown.put(from, "self_block", self_block);
        shown.put(from, "event_time_in_future", event_time_in_future);
        shown.put(from, "event_time_too_old", event_time_too_old);
        shown.put(from, "unlisted_currency", unlisted_currency);
        shown.put(from, "block_window", block_window);
        let click = match captured_click {
            CapturedClick::Newest => "newest",
            CapturedClick::Oldest => "oldest",
            CapturedClick::Off => "off",
        };
        shown.put(from, "captured_click", click);
        let wait = click_id_wait.map_or_else(|| "off".to_owned(), duration::written);
        shown.put(from, "click_id_wait", wait);
        shown
    }

    fn give_up(from: Option<&Table<'_>>, give_up: GiveUp) -> Self {
        let GiveUp { mark_as_read, typing, block, unblock, conversions } = give_up;
        let mut shown = Self::of(&schema::GIVE_UP, false);
        shown.put_durations(
            from,
            [
                ("MarkAsRead", mark_as_read),
                ("Typing", typing),
                ("Block", block),
                ("UnBlock", unblock),
                ("conversions", conversions),
            ],
        );
        shown
    }

    fn upstream(from: Option<&Table<'_>>, cm_url: Option<&str>) -> Self {
        let mut shown = Self::of(&schema::UPSTREAM, false);
        shown.put_some(from, "cm_url", cm_url);
        shown
    }

    fn app(from: &Table<'_>, app: &App) -> Self {
        let mut shown = Self::of(&schema::APP, true);
        shown.put(Some(from), "name", app.name.as_str());
        shown.put_secrets(from, "app_secrets");
        shown.put_secret(from, "verify_token");
        shown
    }

    fn account(table: &Table<'_>, account: &Account) -> Self {
        let mut shown = Self::of(&schema::ACCOUNT, true);
        let from = Some(table);
        shown.put(from, "name", account.name.as_str());
        let tokens = account.tokens.iter().map(|token| {
            json!({"hash": token.hash.to_string(), "scopes": token.scopes.words().collect::<Vec<_>>()})
        });
        shown.put(from, "tokens", tokens.collect::<Vec<_>>());
        shown.put_some(from, "country", account.country.map(|country| country.as_str().to_owned()));
        shown.put(from, "allow_restricted_country", account.allow_restricted_country);
        shown.put_some(from, "max_events_per_second", account.max_events_per_second);
        let on_dead_letter = match account.on_dead_letter {
            OnDeadLetter::Continue => "continue",
            OnDeadLetter::Hold => "hold",
        };
        shown.put(from, "on_dead_letter", on_dead_letter);
        shown.put(from, "on_lost_answer", on_lost_answer(table, account));
        shown.put_secret(table, "cm_token");
        shown.put(from, "route", words(table, "route", "meta"));
        shown.put(from, "shadow", words(table, "shadow", "none"));
        shown.put_secrets(table, "cm_webhook_secrets");
        let forwards = listed(table, "forward", &schema::FORWARD);
        shown.tables.extend(forwards.iter().zip(&account.forwards).map(|(t, f)| Self::forward(t, f)));
        let callbacks = listed(table, "callback", &schema::CALLBACK);
        shown.tables.extend(callbacks.iter().zip(&account.callbacks).map(|(t, c)| Self::callback(t, c)));
        let wabas = listed(table, "waba", &schema::WABA);
        shown.tables.extend(wabas.iter().zip(&account.wabas).map(|(table, waba)| Self::waba(table, waba)));
        shown
    }

    fn forward(table: &Table<'_>, forward: &Forward) -> Self {
        let mut shown = Self::of(&schema::FORWARD, true);
        shown.put(Some(table), "url", forward.url.as_str());
        let format = match forward.format {
            ForwardFormat::Meta => "meta",
            ForwardFormat::Cm => "cm",
        };
        shown.put(Some(table), "format", format);
        shown.put_secret(table, "secret");
        shown
    }

    fn callback(table: &Table<'_>, callback: &Callback) -> Self {
        let mut shown = Self::of(&schema::CALLBACK, true);
        shown.put(Some(table), "url", callback.url.as_str());
        shown.put_secret(table, "secret");
        let statuses: Vec<_> = callback.statuses.iter().map(|status| status.as_str()).collect();
        shown.put(Some(table), "statuses", statuses);
        shown
    }

    fn waba(table: &Table<'_>, waba: &Waba) -> Self {
        let mut shown = Self::of(&schema::WABA, true);
        let from = Some(table);
        shown.put(from, "id", waba.id.as_str());
        shown.put_some(from, "app", waba.app.as_ref().map(|app| app.as_str()));
        shown.put_secret(table, "access_token");
        shown.put_secret(table, "conversions_token");
        if waba.looks_up_dataset {
            shown.leave("dataset_id", "is asked of Meta");
        } else {
            shown.put(from, "dataset_id", waba.dataset_id.as_ref().map_or("none", |id| id.as_str()));
        }
        shown.put(from, "graph_url", waba.graph_url.as_str());
        shown.put(from, "graph_version", waba.graph_version.as_str());
        shown.put(from, "max_calls_per_second", waba.max_calls_per_second);
        match waba.numbers_from {
            NumbersFrom::File => {
                let numbers = waba.numbers.iter().map(|number| {
                    json!({"number": number.number.to_string(), "phone_number_id": number.phone_number_id.as_str()})
                });
                shown.put(from, "numbers", numbers.collect::<Vec<_>>());
            }
            NumbersFrom::Meta | NumbersFrom::NotYet => shown.leave("numbers", "are asked of Meta"),
        }
        shown
    }
}

/// The keys.
impl Shown {
    fn put(&mut self, from: Option<&Table<'_>>, key: &'static str, value: impl Into<Value>) {
        let place = from.and_then(|table| table.get(key)).map(|found| found.place());
        self.lines.push(Line { key, is: Is::Set(value.into(), place) });
    }

    fn leave(&mut self, key: &'static str, says: &'static str) {
        self.lines.push(Line { key, is: Is::Unset(says) });
    }

    fn put_some(&mut self, from: Option<&Table<'_>>, key: &'static str, value: Option<impl Into<Value>>) {
        match value {
            Some(value) => self.put(from, key, value),
            None => self.leave(key, NOT_SET),
        }
    }

    fn put_durations<const N: usize>(
        &mut self,
        from: Option<&Table<'_>>,
        durations: [(&'static str, Duration); N],
    ) {
        for (key, value) in durations {
            self.put(from, key, duration::written(value));
        }
    }

    fn put_secret(&mut self, from: &Table<'_>, key: &'static str) {
        let origin = from.get(key).and_then(|found| origin(&found));
        self.put_some(Some(from), key, origin);
    }

    /// A list of secrets; one that stands alone is a list, too.
    fn put_secrets(&mut self, from: &Table<'_>, key: &'static str) {
        let found = from.get(key).map(|found| found.items().unwrap_or_else(|| vec![found]));
        let origins: Option<Vec<_>> = found.map(|found| found.iter().filter_map(origin).collect());
        self.put_some(Some(from), key, origins);
    }
}

/// Where a secret is, in a way that holds in whatever directory what is shown is put.
fn origin(found: &Found<'_>) -> Option<String> {
    match Origin::parse(found.value.as_str()?).ok()? {
        Origin::Env(name) => Some(format!("env:{name}")),
        Origin::File(path) => Some(format!("file:{}", absolute(&found.source().directory().join(path)))),
    }
}

fn absolute(path: &Path) -> String {
    path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The tables of a list.
fn listed<'f>(table: &Table<'f>, key: &'static str, section: &'static Section) -> Vec<Table<'f>> {
    let items = table.get(key).and_then(|found| found.items()).unwrap_or_default();
    items.iter().filter_map(|item| item.table(section)).collect()
}

/// One word, or a table of words; what nothing is said of has the default.
fn words(table: &Table<'_>, key: &'static str, default: &str) -> Value {
    match table.get(key).map(|found| found.value) {
        Some(DeValue::String(word)) => json!(word),
        Some(DeValue::Table(words)) => {
            let mut all = Map::from_iter([("default".to_owned(), json!(default))]);
            let words = words.iter().filter_map(|(key, word)| Some((key, word.get_ref().as_str()?)));
            all.extend(words.map(|(key, word)| (key.get_ref().to_string(), json!(word))));
            Value::Object(all)
        }
        _ => json!(default),
    }
}

/// Where the file has no word for the rest, it depends on the route, so that each type that is held is named.
fn on_lost_answer(table: &Table<'_>, account: &Account) -> Value {
    if account.on_lost_answer.default.is_some() {
        return words(table, "on_lost_answer", "resend");
    }
    let held: Vec<_> = account.on_lost_answer.held(&account.route).collect();
    if held.is_empty() {
        return json!("resend");
    }
    let rest = [("default".to_owned(), json!("resend"))];
    Value::Object(
        rest.into_iter().chain(held.iter().map(|kind| (kind.as_str().to_owned(), json!("hold")))).collect(),
    )
}
