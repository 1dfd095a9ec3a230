//! What Meta has told, put into the configuration, and kept in a file.
//!
//! It asks nothing itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use laneway_model::{AccountName, DatasetId, PhoneNumber, PhoneNumberId, WabaId};
use serde_json::{Map, Value, json};

use crate::config::{Account, Accounts, Config, Number, NumbersFrom, Waba};

/// The version of the file's form.
const VERSION: u64 = 1;

/// What Meta has told of the WABAs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The data sets that were found.
    pub(super) datasets: BTreeMap<WabaId, DatasetId>,
    /// The numbers that were listed, at least one.
    pub(super) numbers: BTreeMap<WabaId, Vec<Number>>,
}

/// A number that Meta lists to one WABA, and that another has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// The number.
    pub number: PhoneNumber,
    /// Meta's id of it.
    pub phone_number_id: PhoneNumberId,
    /// Where it is left out.
    pub left_out: Owner,
    /// Where it stays.
    pub stays: Owner,
}

/// A WABA and its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: AccountName,
    /// The WABA.
    pub waba: WabaId,
}

impl fmt::Display for Contested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, phone_number_id, left_out, stays } = self;
        write!(
            f,
            "{} (id {phone_number_id}) is left out of {left_out}, because it, or its id, is that of {stays} already",
            number.masked()
        )
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the WABA {} of the account {:?}", self.waba, self.account.as_str())
    }
}

/// Whose each number and each id is.
#[derive(Default)]
struct Claims {
    numbers: BTreeMap<PhoneNumber, Owner>,
    ids: BTreeMap<PhoneNumberId, Owner>,
}

impl Claims {
    /// Takes a number for its WABA, or says whose it is already.
    fn claim(&mut self, number: &Number, owner: &Owner) -> Result<(), Owner> {
        let by_number = self.numbers.entry(number.number);
        let by_id = self.ids.entry(number.phone_number_id.clone());
        match (by_number, by_id) {
            (Entry::Vacant(number), Entry::Vacant(id)) => {
                number.insert(owner.clone());
                id.insert(owner.clone());
                Ok(())
            }
            (Entry::Occupied(claimed), _) => Err(claimed.get().clone()),
            (Entry::Vacant(_), Entry::Occupied(claimed)) => Err(claimed.get().clone()),
        }
    }
}

impl Known {
    /// The configuration with what is known put in. A number belongs to one WABA: the files go before Meta, and then the
    /// order of the files counts. What is left out for that is told.
    pub(super) fn complete(&self, config: &Arc<Config>) -> (Arc<Config>, Vec<Contested>) {
        if !config.accounts.iter().flat_map(|account| &account.wabas).any(|waba| self.tells_of(waba)) {
            return (Arc::clone(config), Vec::new());
        }
        let mut claims = Claims::default();
        for (owner, waba) in owners(&config.accounts) {
            for number in &waba.numbers {
                // The files have no number twice, which was checked when they were read.
                claims.claim(number, &owner).unwrap_or_default();
            }
        }
        let mut contested = Vec::new();
        let mut accounts = config.accounts.to_vec();
        for account in &mut accounts {
            let name = account.name.clone();
            for waba in account.wabas.iter_mut().filter(|waba| self.tells_of(waba)) {
                let owner = Owner { account: name.clone(), waba: waba.id.clone() };
                self.complete_waba(waba, &owner, &mut claims, &mut contested);
            }
        }
        let config = Config { accounts: Accounts::new(accounts), ..Config::clone(config) };
        (Arc::new(config), contested)
    }

    fn tells_of(&self, waba: &Waba) -> bool {
        (waba.looks_up_dataset && self.datasets.contains_key(&waba.id))
            || (waba.numbers_from != NumbersFrom::File && self.numbers.contains_key(&waba.id))
    }

    fn complete_waba(
        &self,
        waba: &mut Waba,
        owner: &Owner,
        claims: &mut Claims,
        contested: &mut Vec<Contested>,
    ) {
        if waba.looks_up_dataset {
            waba.dataset_id = self.datasets.get(&waba.id).cloned();
        }
        let Some(numbers) = self.numbers.get(&waba.id).filter(|_| waba.numbers_from != NumbersFrom::File)
        else {
            return;
        };
        waba.numbers_from = NumbersFrom::Meta;
        waba.numbers.clear();
        for number in numbers {
            match claims.claim(number, owner) {
                Ok(()) => waba.numbers.push(number.clone()),
                Err(stays) => contested.push(Contested {
                    number: number.number,
                    phone_number_id: number.phone_number_id.clone(),
                    left_out: owner.clone(),
                    stays,
                }),
            }
        }
    }

    /// What an earlier process found. A file that cannot be used is as good as none: all of it can be asked again.
    pub(super) fn read(path: &Path) -> Self {
        let Ok(text) = std::fs::read(path) else { return Self::default() };
        Self::parse(&text).unwrap_or_else(|| {
            tracing::warn!(path = %path.display(), "this file cannot be read, so what it told is asked again");
            Self::default()
        })
    }

    /// Files that were written before numbers were asked for have none.
    fn parse(text: &[u8]) -> Option<Self> {
        let file: Value = serde_json::from_slice(text).ok()?;
        let datasets = file.get("datasets").filter(|_| file["version"] == VERSION)?.as_object()?;
        let dataset = |(waba, id): (&String, &Value)| {
            Some((WabaId::parse(waba).ok()?, DatasetId::parse(id.as_str()?).ok()?))
        };
        let number = |row: &Value| {
            Some(Number {
                number: PhoneNumber::parse(row["number"].as_str()?).ok()?,
                phone_number_id: PhoneNumberId::parse(row["phone_number_id"].as_str()?).ok()?,
            })
        };
        let numbers = |(waba, rows): (&String, &Value)| {
            let rows: Vec<_> = rows.as_array()?.iter().filter_map(number).collect();
            Some((WabaId::parse(waba).ok()?, rows)).filter(|(_, rows)| !rows.is_empty())
        };
        let listed = file.get("numbers").and_then(Value::as_object).into_iter().flatten();
        Some(Self {
            datasets: datasets.iter().filter_map(dataset).collect(),
            numbers: listed.filter_map(numbers).collect(),
        })
    }

    /// Writes the file whole, or leaves the one before.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let datasets = self.datasets.iter().map(|(waba, id)| (waba.to_string(), Value::from(id.as_str())));
        let datasets: Map<_, _> = datasets.collect();
        let row = |Number { number, phone_number_id }: &Number| json!({"number": number.to_string(), "phone_number_id": phone_number_id.as_str()});
        let rows = |numbers: &Vec<Number>| Value::from_iter(numbers.iter().map(row));
        let numbers: Map<_, _> =
            self.numbers.iter().map(|(waba, numbers)| (waba.to_string(), rows(numbers))).collect();
        let beside = path.with_extension("json.new");
        let mut file = std::fs::File::create(&beside)?;
        writeln!(file, "{}", json!({"version": VERSION, "datasets": datasets, "numbers": numbers}))?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }
}

/// Every WABA with whose it is.
pub(super) fn owners(accounts: &[Account]) -> impl Iterator<Item = (Owner, &Waba)> {
    accounts.iter().flat_map(|account| {
        account
            .wabas
            .iter()
            .map(|waba| (Owner { account: account.name.clone(), waba: waba.id.clone() }, waba))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn waba_id(id: &str) -> WabaId {
        WabaId::parse(id).unwrap()
    }

    fn number(number: &str, id: &str) -> Number {
        Number {
            number: PhoneNumber::parse(number).unwrap(),
            phone_number_id: PhoneNumberId::parse(id).unwrap(),
        }
    }

    #[test]
    fn what_was_found_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("discovered.json");
        assert_eq!(Known::read(&path), Known::default());
        let dataset = (waba_id("102290129340398"), DatasetId::parse("1148840052710187").unwrap());
        let numbers = vec![number("+316098765432", "106"), number("+14155550100", "107")];
        let known = Known {
            datasets: BTreeMap::from([dataset]),
            numbers: BTreeMap::from([(waba_id("102290129340399"), numbers)]),
        };
        known.write(&path).unwrap();
        assert_eq!(Known::read(&path), known);
        for text in ["", "{", "[]", r#"{"version":2,"datasets":{}}"#, r#"{"version":1}"#] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Known::read(&path), Known::default(), "{text}");
        }
    }

    fn waba(id: &str, numbers: &[Number]) -> Waba {
        Waba {
            id: waba_id(id),
            app: None,
            access_token: Secret::new("token"),
            conversions_token: None,
            dataset_id: None,
            looks_up_dataset: true,
            graph_url: Waba::GRAPH_URL.to_owned(),
            graph_version: Waba::GRAPH_VERSION.to_owned(),
            max_calls_per_second: Waba::MAX_CALLS_PER_SECOND,
            numbers: numbers.to_vec(),
            numbers_from: if numbers.is_empty() { NumbersFrom::NotYet } else { NumbersFrom::File },
        }
    }

    /// Two accounts: `a` with the WABAs 1, 2 and 3, of which the file has the numbers of the second; `b` with 4.
    fn config(of_file: &[Number]) -> Arc<Config> {
        let account = |name: &str, wabas| Account {
            name: AccountName::parse(name).unwrap(),
            tokens: Vec::new(),
            country: None,
            allow_restricted_country: false,
            max_events_per_second: None,
            on_dead_letter: Default::default(),
            on_lost_answer: Default::default(),
            cm_token: None,
            route: Default::default(),
            shadow: Default::default(),
            forwards: Vec::new(),
            callbacks: Vec::new(),
            wabas,
            cm_webhook_secrets: Vec::new(),
            open_access: false,
        };
        let a = account("a", vec![waba("1", &[]), waba("2", of_file), waba("3", &[])]);
        let accounts = Accounts::new(vec![a, account("b", vec![waba("4", &[])])]);
        Arc::new(Config { accounts, ..Config::new("data".into()) })
    }

    /// Completes that configuration: the ids of each WABA's numbers, where they are from, and what was left out.
    #[track_caller]
    fn check(known: &[(&str, &[Number])], expected: [(&[&str], NumbersFrom); 4], left_out: &[&str]) {
        let numbers = known.iter().map(|(waba, numbers)| (waba_id(waba), numbers.to_vec()));
        let known = Known { numbers: numbers.collect(), ..Known::default() };
        let (complete, contested) = known.complete(&config(&[number("+31600000002", "12")]));
        let found: Vec<_> = owners(&complete.accounts)
            .map(|(_, waba)| {
                let ids = waba.numbers.iter().map(|number| number.phone_number_id.to_string());
                (ids.collect::<Vec<_>>(), waba.numbers_from)
            })
            .collect();
        let expected = expected.map(|(ids, from)| (ids.iter().map(|id| (*id).to_owned()).collect(), from));
        assert_eq!(found, expected.to_vec());
        let said: Vec<_> = contested.iter().map(ToString::to_string).collect();
        assert_eq!(said, left_out);
    }

    #[test]
    fn a_number_is_put_into_one_waba_only() {
        use NumbersFrom::{File, Meta, NotYet};
        let (one, three, four) =
            (number("+31600000001", "11"), number("+31600000003", "13"), number("+31600000004", "14"));
        check(&[], [(&[], NotYet), (&["12"], File), (&[], NotYet), (&[], NotYet)], &[]);
        check(
            &[("1", &[one.clone(), three.clone()]), ("4", std::slice::from_ref(&four))],
            [(&["11", "13"], Meta), (&["12"], File), (&[], NotYet), (&["14"], Meta)],
            &[],
        );
        // What is told of a WABA whose numbers the file has is not asked for, and not used.
        check(
            &[("2", std::slice::from_ref(&one))],
            [(&[], NotYet), (&["12"], File), (&[], NotYet), (&[], NotYet)],
            &[],
        );
        let said = |number: &str, id: &str, left_out: &str, stays: &str| {
            format!(
                "{number} (id {id}) is left out of {left_out}, because it, or its id, is that of {stays} already"
            )
        };
        let (a1, a2, b4) = (
            r#"the WABA 1 of the account "a""#,
            r#"the WABA 2 of the account "a""#,
            r#"the WABA 4 of the account "b""#,
        );
        // The file goes before Meta, the first before the second, an id counts as the number does.
        check(
            &[
                ("1", &[one.clone(), number("+31600000002", "99")]),
                ("4", &[four, one, number("+31600000009", "11")]),
            ],
            [(&["11"], Meta), (&["12"], File), (&[], NotYet), (&["14"], Meta)],
            &[
                &said("+31…0002", "99", a1, a2),
                &said("+31…0001", "11", b4, a1),
                &said("+31…0009", "11", b4, a1),
            ],
        );
        // A WABA that is left with nothing has been told of all the same.
        check(
            &[("1", std::slice::from_ref(&three)), ("3", std::slice::from_ref(&three))],
            [(&["13"], Meta), (&["12"], File), (&[], Meta), (&[], NotYet)],
            &[&said("+31…0003", "13", r#"the WABA 3 of the account "a""#, a1)],
        );
    }

    #[test]
    fn an_older_file_has_no_numbers_and_a_damaged_row_counts_for_nothing() {
        let older = br#"{"version":1,"datasets":{"102":"1148840052710187"}}"#;
        let known = Known::parse(older).unwrap();
        assert_eq!((known.datasets.len(), known.numbers.len()), (1, 0));
        let rows =
            r#"[{"number":"06","phone_number_id":"1"},{"number":"+316098765432","phone_number_id":"106"},7]"#;
        let file = format!(
            r#"{{"version":1,"datasets":{{}},"numbers":{{"102":{rows},"x":[],"103":[],"104":{{}}}}}}"#
        );
        let known = Known::parse(file.as_bytes()).unwrap();
        assert_eq!(known.numbers, BTreeMap::from([(waba_id("102"), vec![number("+316098765432", "106")])]));
    }
}
