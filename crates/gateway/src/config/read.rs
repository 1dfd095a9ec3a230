//! From the tables of the files to the types of the configuration, collecting every mistake on the way.
//!
//! Each method that reads a key answers `None` after it has noted a mistake, or when the key is not there; the caller
//! then goes on with the default, because a configuration with a mistake is never handed out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use laneway_channel::Secret;
use laneway_model::{AccountName, AppName, PhoneNumber, PhoneNumberId, Route, WabaId};
use toml::de::DeValue;

use super::include::Pattern;
use super::remark::{Mistakes, Place, Remark};
use super::schema::{self, Section};
use super::secret::{self, Origin};
use super::source::{Found, Source, Table};
use super::{
    Account, Accounts, CapturedClick, Config, DAY, Fingerprint, GiveUp, HOUR, Limits, Loaded, Retention,
    Rules, Store, TokenHash, duration,
};

mod account;
mod address;
mod app;
mod outbox;
mod route;

/// The most files that the patterns of `include` may stand for.
const INCLUDED_MAX: usize = 10_000;

/// What Meta takes in one call (Conversions API, "Using the API", documented).
const CONVERSIONS_PER_CALL_MAX: u64 = 1000;

/// See [`Config::load`].
pub(super) fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Mistakes> {
    let mut reader = Reader {
        env,
        mistakes: Vec::new(),
        warnings: Vec::new(),
        fingerprint: Fingerprint::default(),
        files: Vec::new(),
        claims: BTreeMap::new(),
        apps: BTreeSet::new(),
    };
    let config = reader.configuration(path);
    let Reader { mistakes, mut warnings, fingerprint, files, .. } = reader;
    match config {
        Some(config) if mistakes.is_empty() => {
            warnings.sort();
            Ok(Loaded { config, warnings, fingerprint, files })
        }
        _ => Err(Mistakes::new(mistakes, fingerprint)),
    }
}

/// What only one place of the configuration can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    App(AppName),
    Account(AccountName),
    Token(TokenHash),
    Waba(WabaId),
    Number(PhoneNumber),
    PhoneNumberId(PhoneNumberId),
}

struct Reader<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Remark>,
    warnings: Vec<Remark>,
    fingerprint: Fingerprint,
    files: Vec<PathBuf>,
    claims: BTreeMap<Claim, Place>,
    /// The names of the apps; they are read before the accounts.
    apps: BTreeSet<AppName>,
}

/// The files.
impl Reader<'_> {
    /// Reads the main file and everything it leads to. `None` if there is nothing to go on with.
    fn configuration(&mut self, path: &Path) -> Option<Config> {
        let source = self.source(path)?;
        let (entries, errors) = source.parse();
        let root = Table::root(&source, entries.get_ref(), &schema::ROOT);
        let included = self.included(&root);
        // What a broken file seems to say is not judged, only where the others are.
        let is_broken = !errors.is_empty();
        self.mistakes.extend(errors);
        let (config, accounts) = (!is_broken).then(|| (self.root(&root), self.accounts(&root))).unzip();
        let mut accounts = accounts.unwrap_or_default();
        for path in included {
            accounts.extend(self.included_file(&path));
        }
        if accounts.is_empty() && self.mistakes.is_empty() {
            self.warnings.push(root.remark("account", "there is none yet, so every event will be refused"));
        }
        if config.as_ref().is_some_and(|config| config.cm_url.is_none()) {
            self.require_cm_url(&root, &accounts);
        }
        config.map(|config| Config { accounts: Accounts::new(accounts), ..config })
    }

    /// Notes that it is not said where CM.com is, though an account needs it. An address with a mistake is said.
    fn require_cm_url(&mut self, root: &Table<'_>, accounts: &[Account]) {
        let does = |account: &Account| {
            let relays = !account.route.relayed.is_empty();
            let sends = relays.then_some("sends events to CM.com");
            sends.or(account.shadow.takes(Route::Cm).then_some("has shadows on CM.com's route"))
        };
        let Some((account, does)) = accounts.iter().find_map(|account| Some((account, does(account)?)))
        else {
            return;
        };
        let account = account.name.as_str();
        match root.get("upstream").map(|found| found.table(&schema::UPSTREAM)) {
            None => {
                let says =
                    format!("is missing, and the account {account:?} {does}; write [upstream] with cm_url");
                self.note(root.remark("upstream", says));
            }
            Some(Some(table)) if table.get("cm_url").is_none() => {
                self.note(table.remark("cm_url", format!("is missing, and the account {account:?} {does}")));
            }
            Some(Some(_) | None) => {}
        }
    }

    fn included_file(&mut self, path: &Path) -> Vec<Account> {
        let Some(source) = self.source(path) else { return Vec::new() };
        let (entries, errors) = source.parse();
        if !errors.is_empty() {
            self.mistakes.extend(errors);
            return Vec::new();
        }
        let root = Table::root(&source, entries.get_ref(), &schema::ROOT);
        self.check_keys(&root);
        for found in root.keys().filter(|found| found.name() != "account") {
            if schema::ROOT.keys.contains(&found.name()) {
                self.note(found.remark("belongs in the main file; an included file holds only [[account]]"));
            }
        }
        self.accounts(&root)
    }

    fn source(&mut self, path: &Path) -> Option<Source> {
        self.fingerprint.add(path);
        self.files.push(path.to_owned());
        let source = Source::read(path);
        source.map_err(|error| self.note(Remark::of_file(path, format!("cannot be read: {error}")))).ok()
    }

    /// The files that `include` stands for, each once, without the main file itself.
    fn included(&mut self, root: &Table<'_>) -> Vec<PathBuf> {
        const ALLOWED: &str = "a list of patterns such as [\"accounts.d/*.toml\"]";
        let Some(found) = root.get("include") else { return Vec::new() };
        let Some(items) = found.items() else {
            self.note(found.wrong_type(ALLOWED));
            return Vec::new();
        };
        let mut seen: BTreeSet<PathBuf> = fs::canonicalize(&found.source().path).into_iter().collect();
        let mut files = Vec::new();
        for item in items {
            let Some(text) = self.text(&item, ALLOWED) else { continue };
            match Pattern::parse(item.source().directory(), text) {
                Ok(pattern) => files.extend(self.matching(&item, pattern)),
                Err(error) => self.note(item.remark(format!("{} {error}", quoted(text)))),
            }
        }
        if files.len() > INCLUDED_MAX {
            let count = files.len();
            self.note(found.remark(format!("stands for {count} files; at most {INCLUDED_MAX} can be read")));
            return Vec::new();
        }
        files.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
        files
    }

    fn matching(&mut self, item: &Found<'_>, pattern: Pattern) -> Vec<PathBuf> {
        let files = pattern.files();
        self.fingerprint.add_pattern(pattern, files.as_ref().ok().cloned());
        files.unwrap_or_else(|error| {
            self.note(item.remark(format!("cannot be read: {error}")));
            Vec::new()
        })
    }
}

/// The main file.
impl Reader<'_> {
    /// Everything but the accounts.
    fn root(&mut self, root: &Table<'_>) -> Config {
        self.check_keys(root);
        let data_dir = self.data_dir(root).unwrap_or_else(|| Config::DATA_DIR.into());
        let directory = root.directory().to_owned();
        let mut config = Config::new(directory.join(data_dir));
        config.store = self.store(root);
        config.admin_token = self.secret(root, "admin_token");
        self.addresses(root, &mut config);
        if let Some(table) = self.table(root, "limits", &schema::LIMITS) {
            config.limits = self.limits(&table);
        }
        if let Some(table) = self.table(root, "retention", &schema::RETENTION) {
            config.retention = self.retention(&table);
        }
        if let Some(table) = self.table(root, "upstream", &schema::UPSTREAM) {
            config.cm_url = self.cm_url(&table);
        }
        if let Some(table) = self.table(root, "give_up", &schema::GIVE_UP) {
            config.rules.give_up = self.give_up(&table);
        }
        if let Some(table) = self.table(root, "rules", &schema::RULES) {
            self.rules(&table, &mut config.rules);
        }
        config.apps = self.apps(root);
        config
    }

    fn data_dir(&mut self, root: &Table<'_>) -> Option<PathBuf> {
        const ALLOWED: &str = "the path of a directory";
        self.choice(root, "data_dir", ALLOWED, |text| (!text.is_empty()).then(|| text.into()))
    }

    /// A store other than SQLite is not shown, because its address may contain a password.
    fn store(&mut self, root: &Table<'_>) -> Store {
        const ALLOWED: &str = "\"sqlite\"";
        let Some(found) = root.get("store") else { return Store::default() };
        match self.text(&found, ALLOWED) {
            Some("sqlite") | None => {}
            Some(text) if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                self.note(found.remark(format!("PostgreSQL is not yet supported; write {ALLOWED}")));
            }
            Some(_) => self.note(found.remark(format!("is no kind of store; write {ALLOWED}"))),
        }
        Store::Sqlite
    }

    fn limits(&mut self, table: &Table<'_>) -> Limits {
        let Limits { open_events, open_events_per_number, conversions_per_call } = Limits::default();
        Limits {
            open_events: self.count(table, "open_events", 1..=open_events).unwrap_or(open_events),
            open_events_per_number: self
                .count(table, "open_events_per_number", 1..=open_events_per_number)
                .unwrap_or(open_events_per_number),
            conversions_per_call: self
                .count(table, "conversions_per_call", 1..=CONVERSIONS_PER_CALL_MAX)
                .unwrap_or(conversions_per_call),
        }
    }

    fn retention(&mut self, table: &Table<'_>) -> Retention {
        let Retention { final_events, notifications, contacts, keys } = Retention::default();
        let mut kept = |key, range, default| self.duration(table, key, range).unwrap_or(default);
        Retention {
            final_events: kept("final_events", HOUR..=3650 * DAY, final_events),
            notifications: kept("notifications", HOUR..=3650 * DAY, notifications),
            contacts: kept("contacts", 7 * DAY..=3650 * DAY, contacts),
            keys: kept("keys", HOUR..=Retention::CONVERSION_KEYS, keys),
        }
    }

    fn rules(&mut self, table: &Table<'_>, rules: &mut Rules) {
        const CLICKS: &str = "\"newest\", \"oldest\" or \"off\"";
        let Rules {
            give_up: _,
            self_block,
            event_time_in_future,
            event_time_too_old,
            unlisted_currency,
            block_window,
            captured_click,
            click_id_wait,
        } = rules;
        for (key, switch) in [
            ("self_block", self_block),
            ("event_time_in_future", event_time_in_future),
            ("event_time_too_old", event_time_too_old),
            ("unlisted_currency", unlisted_currency),
            ("block_window", block_window),
        ] {
            *switch = self.flag(table, key).unwrap_or(*switch);
        }
        let click = self.choice(table, "captured_click", CLICKS, |text| match text {
            "newest" => Some(CapturedClick::Newest),
            "oldest" => Some(CapturedClick::Oldest),
            "off" => Some(CapturedClick::Off),
            _ => None,
        });
        *captured_click = click.unwrap_or(*captured_click);
        *click_id_wait = self.click_id_wait(table).unwrap_or(*click_id_wait);
        if click_id_wait.is_some() && *captured_click == CapturedClick::Off {
            let says = "needs captured click ids; with captured_click = \"off\", write \"off\"".to_owned();
            self.note(table.remark_at("click_id_wait", says));
        }
    }

    fn click_id_wait(&mut self, table: &Table<'_>) -> Option<Option<Duration>> {
        const RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Rules::EVENT_AGE_MAX;
        const ALLOWED: &str =
            "\"off\", or a duration from \"1s\" to \"7d\": a whole number with s, m, h or d";
        self.choice(table, "click_id_wait", ALLOWED, |text| match text {
            "off" => Some(None),
            _ => duration::parse(text).filter(|found| RANGE.contains(found)).map(Some),
        })
    }

    fn give_up(&mut self, table: &Table<'_>) -> GiveUp {
        const SECOND: Duration = Duration::from_secs(1);
        let default = GiveUp::default();
        let mut read = |key, max, default| self.duration(table, key, SECOND..=max).unwrap_or(default);
        GiveUp {
            mark_as_read: read("MarkAsRead", 30 * DAY, default.mark_as_read),
            typing: read("Typing", default.typing, default.typing),
            block: read("Block", 30 * DAY, default.block),
            unblock: read("UnBlock", 30 * DAY, default.unblock),
            conversions: read("conversions", default.conversions, default.conversions),
        }
    }
}

/// Single values.
impl Reader<'_> {
    fn note(&mut self, mistake: Remark) {
        self.mistakes.push(mistake);
    }

    /// Notes every key that the table does not have.
    fn check_keys(&mut self, table: &Table<'_>) {
        for found in table.keys().filter(|found| !table.section.keys.contains(&found.name())) {
            let says = table.section.nearest(found.name());
            self.note(found.remark(says));
        }
    }

    /// Notes a key that has to be there and is not.
    fn require(&mut self, table: &Table<'_>, key: &'static str, allowed: &str) {
        if table.get(key).is_none() {
            self.note(table.remark(key, format!("is missing; write {allowed}")));
        }
    }

    fn text<'f>(&mut self, found: &Found<'f>, allowed: &str) -> Option<&'f str> {
        let text = found.value.as_str();
        if text.is_none() {
            self.note(found.wrong_type(allowed));
        }
        text
    }

    /// A text that `parse` makes a value of; its error is the whole sentence.
    fn parsed<T>(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = table.get(key)?;
        let text = self.text(&found, allowed)?;
        parse(text).map_err(|says| self.note(found.remark(says))).ok()
    }

    /// A text that `parse` makes a value of or refuses.
    fn choice<T>(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.parsed(table, key, allowed, |text| {
            parse(text).ok_or_else(|| format!("found {}; write {allowed}", quoted(text)))
        })
    }

    fn duration(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let (min, max) = (duration::written(*range.start()), duration::written(*range.end()));
        let allowed = format!("a duration from \"{min}\" to \"{max}\": a whole number with s, m, h or d");
        self.choice(table, key, &allowed, |text| duration::parse(text).filter(|found| range.contains(found)))
    }

    fn count(&mut self, table: &Table<'_>, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let found = table.get(key)?;
        let DeValue::Integer(integer) = found.value else {
            self.note(found.wrong_type(&allowed));
            return None;
        };
        let count = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let count = count.filter(|count| range.contains(count));
        if count.is_none() {
            self.note(found.remark(format!("found {integer}; write {allowed}")));
        }
        count
    }

    fn flag(&mut self, table: &Table<'_>, key: &'static str) -> Option<bool> {
        let found = table.get(key)?;
        let flag = found.value.as_bool();
        if flag.is_none() {
            self.note(found.wrong_type("true or false"));
        }
        flag
    }

    fn secret(&mut self, table: &Table<'_>, key: &'static str) -> Option<Secret> {
        let found = table.get(key)?;
        self.secret_at(&found)
    }

    /// A list of secrets; one that stands alone is a list, too.
    fn secrets(&mut self, table: &Table<'_>, key: &'static str) -> Vec<Secret> {
        let Some(found) = table.get(key) else { return Vec::new() };
        match found.items() {
            Some(items) => items.iter().filter_map(|item| self.secret_at(item)).collect(),
            None => self.secret_at(&found).into_iter().collect(),
        }
    }

    fn secret_at(&mut self, found: &Found<'_>) -> Option<Secret> {
        let text = self.text(found, "\"file:PATH\" or \"env:NAME\"")?;
        let secret = Origin::parse(text).and_then(|origin| match origin {
            Origin::Env(name) => {
                self.warnings.push(found.remark(format!(
                    "env:{name} is read at start only, a change needs a restart; file:PATH is followed"
                )));
                secret::from_env(name, self.env)
            }
            Origin::File(path) => {
                let path = found.source().directory().join(path);
                self.fingerprint.add(&path);
                let read = secret::from_file(&path)?;
                if let Some(mode) = read.open_to_all {
                    let path = path.display();
                    self.warnings.push(found.remark(format!(
                        "{path} is open to every user of this machine (mode {mode:04o}); `chmod o= {path}` closes it"
                    )));
                }
                Ok(read.secret)
            }
        });
        secret.map_err(|error| self.note(found.remark(error.to_string()))).ok()
    }

    fn table<'f>(
        &mut self,
        table: &Table<'f>,
        key: &'static str,
        section: &'static Section,
    ) -> Option<Table<'f>> {
        let found = table.get(key)?;
        let inner = found.table(section);
        match &inner {
            Some(inner) => self.check_keys(inner),
            None => self.note(found.wrong_type(section.form)),
        }
        inner
    }

    /// The tables of a list.
    fn tables<'f>(
        &mut self,
        table: &Table<'f>,
        key: &'static str,
        section: &'static Section,
    ) -> Vec<Table<'f>> {
        let Some(found) = table.get(key) else { return Vec::new() };
        let Some(items) = found.items() else {
            self.note(found.wrong_type(section.form));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match item.table(section) {
                Some(table) => tables.push(table),
                None => self.note(item.wrong_type(section.form)),
            }
        }
        for table in &tables {
            self.check_keys(table);
        }
        tables
    }

    /// Notes a second use of what only one place can have.
    fn claim(&mut self, claim: Claim, table: &Table<'_>, key: &'static str) {
        let Some(found) = table.get(key) else { return };
        let what = match &claim {
            Claim::App(name) => format!("the app {:?}", name.as_str()),
            Claim::Account(name) => format!("the account {:?}", name.as_str()),
            Claim::Token(_) => "this token".to_owned(),
            Claim::Waba(id) => format!("the WABA {id}"),
            Claim::Number(number) => format!("the number {}", number.masked()),
            Claim::PhoneNumberId(id) => format!("the phone number id {id}"),
        };
        match self.claims.get(&claim) {
            Some(first) => self.note(found.remark(format!("{what} is already at {first}"))),
            None => {
                self.claims.insert(claim, found.place());
            }
        }
    }
}

/// A text as a mistake shows it: escaped, and not longer than a line.
fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    if text.chars().count() > CHARS_MAX {
        let head: String = text.chars().take(CHARS_MAX).collect();
        format!("{:?}", head + "…")
    } else {
        format!("{text:?}")
    }
}
