//! The Meta apps whose notifications are received.

use laneway_model::AppName;

use super::super::source::Table;
use super::super::{App, schema};
use super::{Claim, Reader, quoted};

const NAME: &str = "a name for the app: letters, digits, dots, dashes and underscores";

impl Reader<'_> {
    /// Every `[[app]]`; afterwards their names are known.
    pub(super) fn apps(&mut self, root: &Table<'_>) -> Vec<App> {
        let tables = self.tables(root, "app", &schema::APP);
        tables.iter().filter_map(|table| self.app(table)).collect()
    }

    fn app(&mut self, table: &Table<'_>) -> Option<App> {
        const SECRETS: &str =
            "a list such as [\"file:secrets/app\"]: the app's secret, and the old one while it is rotated";
        const TOKEN: &str = "\"file:PATH\" or \"env:NAME\": a word of your own, which Meta asks for";
        self.require(table, "name", NAME);
        let name = self.parsed(table, "name", NAME, |text| match AppName::parse(text) {
            Ok(name) if name.as_str() == App::CM => {
                Err(format!("{} stands for CM.com; write another name", quoted(text)))
            }
            Ok(name) => Ok(name),
            Err(error) => Err(format!("{} {error}; write {NAME}", quoted(text))),
        });
        if let Some(name) = &name {
            self.claim(Claim::App(name.clone()), table, "name");
            self.apps.insert(name.clone());
        }
        self.require(table, "app_secrets", SECRETS);
        if table.is_empty_list("app_secrets") {
            let says = format!("no notification could be believed; write {SECRETS}");
            self.note(table.remark_at("app_secrets", says));
        }
        let app_secrets = self.secrets(table, "app_secrets");
        self.require(table, "verify_token", TOKEN);
        let verify_token = self.secret(table, "verify_token");
        Some(App { name: name?, app_secrets, verify_token: verify_token? })
    }

    /// The app of a WABA, which must be one of the file's.
    pub(super) fn app_of(&mut self, waba: &Table<'_>) -> Option<AppName> {
        let known = self.apps.clone();
        self.parsed(waba, "app", NAME, |text| {
            let name = AppName::parse(text).ok().filter(|name| known.contains(name));
            name.ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(AppName::as_str).collect();
                match names.as_slice() {
                    [] => format!("{} is no app: there is no [[app]] in the main file", quoted(text)),
                    names => format!("{} is no app; the apps are {}", quoted(text), names.join(", ")),
                }
            })
        })
    }
}
