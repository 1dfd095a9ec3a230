//! The tables of an account.

use std::fmt::Display;

use laneway_model::{
    AccountName, ConversionName, DatasetId, PhoneNumber, PhoneNumberError, PhoneNumberId, WabaId,
};

use super::super::source::{Found, Table};
use super::super::{
    Account, Country, LostAnswer, Number, NumbersFrom, OnDeadLetter, OnLostAnswer, Scopes, Token, TokenHash,
    Waba, schema,
};
use super::{Claim, Reader, quoted};

/// The most that `max_calls_per_second` may say. Meta's own ceiling is 1,000 (documented); that read marks count towards
/// it is unknown, and the sandbox has none, so this one only bounds what is remembered of a number.
const CALLS_PER_SECOND_MAX: u64 = 100_000;

/// The most that `max_events_per_second` may say; more than one node takes.
const EVENTS_PER_SECOND_MAX: u64 = 1_000_000;

impl Reader<'_> {
    /// Every `[[account]]` of a file.
    pub(super) fn accounts(&mut self, root: &Table<'_>) -> Vec<Account> {
        let tables = self.tables(root, "account", &schema::ACCOUNT);
        tables.iter().filter_map(|table| self.account(table)).collect()
    }

    fn account(&mut self, table: &Table<'_>) -> Option<Account> {
        const NAME: &str = "a name for the account: letters, digits, dots, dashes and underscores";
        const COUNTRY: &str = "a country's code of two letters, such as \"US\"";
        self.require(table, "name", NAME);
        let name = self.parsed(table, "name", NAME, |text| {
            AccountName::parse(text).map_err(|error| format!("{} {error}; write {NAME}", quoted(text)))
        });
        if let Some(name) = &name {
            self.claim(Claim::Account(name.clone()), table, "name");
        }
        let tokens = self.tokens(table);
        let country = self.choice(table, "country", COUNTRY, Country::parse);
        let allow_restricted_country = self.flag(table, "allow_restricted_country").unwrap_or(false);
        let per_second = self.count(table, "max_events_per_second", 1..=EVENTS_PER_SECOND_MAX);
        let on_dead_letter = self.on_dead_letter(table);
        let on_lost_answer = self.on_lost_answer(table);
        let cm_token = self.secret(table, "cm_token");
        let route = self.route(table);
        let shadow = self.shadow(table, &route);
        self.require_cm_token(table, &route, &shadow);
        let cm_webhook_secrets = self.secrets(table, "cm_webhook_secrets");
        let (forwards, callbacks) = (self.forwards(table), self.callbacks(table));
        let wabas = self.wabas(table);
        Some(Account {
            name: name?,
            tokens,
            country,
            allow_restricted_country,
            wabas,
            cm_webhook_secrets,
            forwards,
            callbacks,
            max_events_per_second: per_second.and_then(|count| u32::try_from(count).ok()),
            on_dead_letter,
            on_lost_answer,
            cm_token,
            route,
            shadow,
            open_access: false,
        })
    }

    fn on_dead_letter(&mut self, table: &Table<'_>) -> OnDeadLetter {
        const ALLOWED: &str = "\"continue\" or \"hold\"";
        let read = self.choice(table, "on_dead_letter", ALLOWED, |text| match text {
            "continue" => Some(OnDeadLetter::Continue),
            "hold" => Some(OnDeadLetter::Hold),
            _ => None,
        });
        read.unwrap_or_default()
    }

    /// One word for every conversion, or a table of words by their names.
    fn on_lost_answer(&mut self, table: &Table<'_>) -> OnLostAnswer {
        const ALLOWED: &str =
            "\"resend\" or \"hold\", or a table such as { default = \"resend\", Purchase = \"hold\" }";
        let mut read = OnLostAnswer::default();
        let Some(found) = table.get("on_lost_answer") else { return read };
        let Some(words) = found.table(&schema::ON_LOST_ANSWER) else {
            read.default = self.lost_answer(&found, ALLOWED);
            return read;
        };
        self.check_keys(&words);
        for word in words.keys() {
            let name = ConversionName::ALL.into_iter().find(|known| known.as_str() == word.name());
            match (name, self.lost_answer(&word, "\"resend\" or \"hold\"")) {
                (Some(name), Some(answer)) => {
                    read.by_name.insert(name, answer);
                }
                (None, Some(answer)) if word.name() == "default" => read.default = Some(answer),
                _ => {}
            }
        }
        read
    }

    fn lost_answer(&mut self, found: &Found<'_>, allowed: &'static str) -> Option<LostAnswer> {
        let answer = match self.text(found, allowed)? {
            "resend" => LostAnswer::Resend,
            "hold" => LostAnswer::Hold,
            other => {
                self.note(found.remark(format!("found {}; write {allowed}", quoted(other))));
                return None;
            }
        };
        Some(answer)
    }

    fn tokens(&mut self, account: &Table<'_>) -> Vec<Token> {
        let tables = self.tables(account, "tokens", &schema::TOKEN);
        let tokens: Vec<_> = tables.iter().filter_map(|table| self.token(table)).collect();
        let is_whole = tokens.len() == tables.len();
        if account.get("tokens").is_none() || account.is_empty_list("tokens") {
            let form = schema::TOKEN.form;
            self.note(
                account.remark_at("tokens", format!("no client could send for this account; write {form}")),
            );
        } else if is_whole
            && !tables.is_empty()
            && !tokens.iter().any(|token| token.scopes.contain(Scopes::SEND))
        {
            self.note(account.remark_at("tokens", "no token may send; give one the scope \"send\""));
        }
        tokens
    }

    fn token(&mut self, table: &Table<'_>) -> Option<Token> {
        const HASH: &str = "\"sha256:\" and 64 hexadecimal digits, as `laneway token new` prints them";
        self.require(table, "hash", HASH);
        let hash = self.parsed(table, "hash", HASH, |text| {
            // The text is not shown: it may be the token itself.
            match TokenHash::parse(text) {
                Some(hash) if hash.is_of_nothing() => {
                    Err(format!("is the hash of an empty token; write {HASH}"))
                }
                Some(hash) => Ok(hash),
                None => Err(format!("is not a token's hash; write {HASH}")),
            }
        });
        if let Some(hash) = hash {
            self.claim(Claim::Token(hash), table, "hash");
        }
        let scopes = self.scopes(table);
        Some(Token { hash: hash?, scopes: scopes? })
    }

    fn scopes(&mut self, table: &Table<'_>) -> Option<Scopes> {
        const ALLOWED: &str = "a list of \"send\", \"read\", \"operate\" and \"erase\", at least one of them";
        self.require(table, "scopes", ALLOWED);
        let found = table.get("scopes")?;
        let Some(items) = found.items() else {
            self.note(found.wrong_type(ALLOWED));
            return None;
        };
        let mut scopes = Some(Scopes::NONE);
        for item in &items {
            let scope = self.text(item, ALLOWED).and_then(|word| {
                let scope = Scopes::parse(word);
                if scope.is_none() {
                    self.note(item.remark(format!("found {}; write {ALLOWED}", quoted(word))));
                }
                scope
            });
            scopes = scopes.zip(scope).map(|(all, one)| all | one);
        }
        if items.is_empty() {
            self.note(found.remark(format!("is empty; write {ALLOWED}")));
            return None;
        }
        scopes
    }

    fn wabas(&mut self, account: &Table<'_>) -> Vec<Waba> {
        let tables = self.tables(account, "waba", &schema::WABA);
        if account.get("waba").is_none() || account.is_empty_list("waba") {
            let says =
                "this account could send nothing; write [[account.waba]] with its WhatsApp Business Account";
            self.note(account.remark_at("waba", says));
        }
        tables.iter().filter_map(|table| self.waba(table)).collect()
    }

    fn waba(&mut self, table: &Table<'_>) -> Option<Waba> {
        const SECRET: &str = "\"file:PATH\" or \"env:NAME\"";
        const VERSION: &str = "a version of the Graph API in the form \"v26.0\"";
        let id = self.meta_id(table, "id", "the WABA's id at Meta, digits only", WabaId::parse);
        if let Some(id) = &id {
            self.claim(Claim::Waba(id.clone()), table, "id");
        }
        let app = self.app_of(table);
        self.require(table, "access_token", SECRET);
        let access_token = self.secret(table, "access_token");
        let conversions_token = self.secret(table, "conversions_token");
        let dataset_id = self.dataset_id(table);
        let graph_url = self.graph_url(table);
        let graph_version = self.choice(table, "graph_version", VERSION, graph_version);
        let max_calls = self.count(table, "max_calls_per_second", 1..=CALLS_PER_SECOND_MAX);
        let numbers = self.numbers(table);
        let numbers_from =
            if table.get("numbers").is_some() { NumbersFrom::File } else { NumbersFrom::NotYet };
        Some(Waba {
            id: id?,
            app,
            access_token: access_token?,
            conversions_token,
            dataset_id,
            looks_up_dataset: table.get("dataset_id").is_none(),
            graph_url: graph_url.unwrap_or_else(|| Waba::GRAPH_URL.to_owned()),
            graph_version: graph_version.unwrap_or_else(|| Waba::GRAPH_VERSION.to_owned()),
            max_calls_per_second: max_calls
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(Waba::MAX_CALLS_PER_SECOND),
            numbers,
            numbers_from,
        })
    }

    /// To leave it out means "look it up", so that "there is none" has to be said.
    fn dataset_id(&mut self, table: &Table<'_>) -> Option<DatasetId> {
        const ALLOWED: &str =
            "the data set's id at Meta, digits only, or \"none\" if this WABA sends no conversions";
        self.parsed(table, "dataset_id", ALLOWED, |text| match text {
            "none" => Ok(None),
            id => DatasetId::parse(id).map(Some).map_err(|error| refusal(id, error, ALLOWED)),
        })
        .flatten()
    }

    /// To leave them out means "ask Meta", so that an empty list is more likely a mistake.
    fn numbers(&mut self, waba: &Table<'_>) -> Vec<Number> {
        let tables = self.tables(waba, "numbers", &schema::NUMBER);
        if waba.is_empty_list("numbers") {
            let form = schema::NUMBER.form;
            let says = format!("is empty; leave it out, and Meta is asked, or write {form}");
            self.note(waba.remark_at("numbers", says));
        }
        tables.iter().filter_map(|table| self.number(table)).collect()
    }

    fn number(&mut self, table: &Table<'_>) -> Option<Number> {
        const NUMBER: &str = "a phone number with its country code, as 00… or +…";
        const ID: &str = "Meta's id of the number, digits only";
        self.require(table, "number", NUMBER);
        let number = self.parsed(table, "number", NUMBER, |text| {
            PhoneNumber::parse(text).map_err(|error| match error {
                PhoneNumberError::National => format!("{} is {error}", quoted(text)),
                PhoneNumberError::Empty | PhoneNumberError::Character(_) | PhoneNumberError::Length(_) => {
                    format!("{}: {error}; write {NUMBER}", quoted(text))
                }
            })
        });
        if let Some(number) = number {
            self.claim(Claim::Number(number), table, "number");
        }
        let phone_number_id = self.meta_id(table, "phone_number_id", ID, PhoneNumberId::parse);
        if let Some(id) = &phone_number_id {
            self.claim(Claim::PhoneNumberId(id.clone()), table, "phone_number_id");
        }
        Some(Number { number: number?, phone_number_id: phone_number_id? })
    }

    /// One of Meta's ids, which has to be there.
    fn meta_id<T, E: Display>(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.require(table, key, allowed);
        self.parsed(table, key, allowed, |text| parse(text).map_err(|error| refusal(text, error, allowed)))
    }
}

fn refusal(text: &str, error: impl Display, allowed: &str) -> String {
    format!("{} {error}; write {allowed}", quoted(text))
}

/// Reads `v26.0`: one to three digits, a dot, one or two digits.
fn graph_version(text: &str) -> Option<String> {
    let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
    let is_digits =
        |part: &str, max| part.len() <= max && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (is_digits(major, 3) && is_digits(minor, 2)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in [
            ("v26.0", true),
            ("v2.12", true),
            ("v100.0", true),
            ("26.0", false),
            ("V26.0", false),
            ("v26", false),
            ("v26.", false),
            ("v.0", false),
            ("v26.0/", false),
            ("v1000.0", false),
            ("v26.000", false),
            ("", false),
        ] {
            assert_eq!(graph_version(text).is_some(), expected, "{text:?}");
        }
    }
}
