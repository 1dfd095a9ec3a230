//! The addresses of an account's own: where notifications are passed on to, and where it is told what became of its events.

use std::collections::BTreeSet;

use http::Uri;
use laneway_channel::post::SigningKey;
use laneway_model::Status;

use super::super::source::{Found, Table};
use super::super::{Account, Callback, Forward, ForwardFormat, schema};
use super::address::is_loopback;
use super::{Reader, quoted};

/// The longest address, in bytes.
const URL_BYTES_MAX: usize = 2048;

const URL: &str = "an address such as \"https://example.com/laneway\"";

impl Reader<'_> {
    /// Every `[[account.forward]]`.
    pub(super) fn forwards(&mut self, account: &Table<'_>) -> Vec<Forward> {
        let tables = self.tables(account, "forward", &schema::FORWARD);
        self.check_addresses(account, "forward", &tables);
        tables.iter().filter_map(|table| self.forward(table)).collect()
    }

    /// Every `[[account.callback]]`.
    pub(super) fn callbacks(&mut self, account: &Table<'_>) -> Vec<Callback> {
        let tables = self.tables(account, "callback", &schema::CALLBACK);
        self.check_addresses(account, "callback", &tables);
        tables.iter().filter_map(|table| self.callback(table)).collect()
    }

    /// Notes too many addresses, and those that are there twice.
    fn check_addresses(&mut self, account: &Table<'_>, key: &'static str, tables: &[Table<'_>]) {
        const MAX: usize = Account::ADDRESSES_MAX;
        if tables.len() > MAX {
            let says = format!("found {} addresses; an account has at most {MAX} of a kind", tables.len());
            self.note(account.remark_at(key, says));
        }
        let mut seen = BTreeSet::new();
        for table in tables {
            let url = table.get("url").and_then(|found| found.value.as_str());
            if url.is_some_and(|url| !seen.insert(url)) {
                self.note(table.remark_at("url", "is already an address of this account; leave it out here"));
            }
        }
    }

    fn forward(&mut self, table: &Table<'_>) -> Option<Forward> {
        const FORMAT: &str = "\"meta\" or \"cm\"";
        const SECRET: &str = "\"file:PATH\" or \"env:NAME\": what a part of a notification is signed with, when the \
            rest is about others";
        let url = self.post_url(table);
        let format = self.choice(table, "format", FORMAT, |text| match text {
            "meta" => Some(ForwardFormat::Meta),
            "cm" => Some(ForwardFormat::Cm),
            _ => None,
        });
        let is_bad = table.get("format").is_some() && format.is_none();
        let format = format.unwrap_or_default();
        match format {
            ForwardFormat::Meta if !is_bad => self.require(table, "secret", SECRET),
            ForwardFormat::Cm if table.get("secret").is_some() => {
                let says = "is not used with format \"cm\", in which nothing is signed; leave it out";
                self.note(table.remark_at("secret", says));
            }
            ForwardFormat::Meta | ForwardFormat::Cm => {}
        }
        let secret = self.secret(table, "secret");
        Some(Forward { url: url?, format, secret })
    }

    fn callback(&mut self, table: &Table<'_>) -> Option<Callback> {
        const SECRET: &str = "\"file:PATH\" or \"env:NAME\" of a secret with \"whsec_\" and the base 64 of 24 to 64 random bytes";
        let url = self.post_url(table);
        self.require(table, "secret", SECRET);
        let key = self.secret(table, "secret").map(|secret| SigningKey::parse(&secret));
        let key = key.and_then(|key| {
            key.map_err(|error| self.note(table.remark_at("secret", format!("{error}; write {SECRET}")))).ok()
        });
        let statuses = match table.get("statuses") {
            None => Callback::STATUSES.into(),
            Some(found) => self.statuses(&found),
        };
        Some(Callback { url: url?, secret: key?, statuses })
    }

    fn statuses(&mut self, found: &Found<'_>) -> BTreeSet<Status> {
        let finals = || Status::ALL.into_iter().filter(|status| !status.is_open());
        let words = finals().map(|status| format!("{:?}", status.as_str())).collect::<Vec<_>>().join(", ");
        let allowed = format!("a list of {words}, at least one of them");
        let Some(items) = found.items() else {
            self.note(found.wrong_type(&allowed));
            return BTreeSet::new();
        };
        if items.is_empty() {
            self.note(found.remark(format!("is empty, so nothing would be told; write {allowed}")));
        }
        let mut statuses = BTreeSet::new();
        for item in &items {
            let Some(word) = self.text(item, &allowed) else { continue };
            match finals().find(|status| status.as_str() == word) {
                Some(status) => drop(statuses.insert(status)),
                None => self.note(item.remark(format!("found {}; write {allowed}", quoted(word)))),
            }
        }
        statuses
    }

    fn post_url(&mut self, table: &Table<'_>) -> Option<String> {
        self.require(table, "url", URL);
        let PostUrl { url, is_in_clear } = self.parsed(table, "url", URL, post_url)?;
        if is_in_clear {
            let says = format!("what is sent to {} travels in clear; https:// closes it", quoted(&url));
            self.warnings.push(table.remark_at("url", says));
        }
        Some(url)
    }
}

/// An address that posts go to.
#[derive(Debug)]
struct PostUrl {
    url: String,
    /// Whether whoever is on the way to it can read what is sent.
    is_in_clear: bool,
}

/// Reads an address with whatever path and query. It may be a private one, for whoever writes the file decides what the
/// node may reach.
fn post_url(text: &str) -> Result<PostUrl, String> {
    let refusal = |what: &str| format!("{} {what}; write {URL}", quoted(text));
    if text.len() > URL_BYTES_MAX {
        return Err(refusal(&format!("is longer than {URL_BYTES_MAX} bytes")));
    }
    let uri: Result<Uri, _> = text.parse();
    let authority = uri.as_ref().ok().and_then(Uri::authority).map_or(text, |authority| authority.as_str());
    if authority.contains('@') {
        // The address is not shown, because what stands before the @ may be a password.
        return Err(format!("contains a user, and so perhaps a password; write {URL}"));
    }
    let uri = uri.map_err(|_| refusal("is not an address"))?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refusal("is not an address"))?;
    let is_in_clear = match uri.scheme_str() {
        Some("https") => false,
        Some("http") => !is_loopback(host),
        Some(_) | None => return Err(refusal("is not http or https")),
    };
    if text.contains('#') {
        return Err(refusal("has a fragment, which is never sent"));
    }
    Ok(PostUrl { url: text.to_owned(), is_in_clear })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Result<bool, &str>| match (post_url(text), expected) {
            (Ok(found), Ok(is_in_clear)) => {
                assert_eq!((found.url.as_str(), found.is_in_clear), (text, is_in_clear));
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text:?}: {found}"),
            (found, expected) => panic!("{text:?}: {found:?} instead of {expected:?}"),
        };
        check("https://example.com", Ok(false));
        check("https://example.com/laneway?from=gateway&to=@me", Ok(false));
        check("https://example.com/@shop", Ok(false));
        check("http://127.0.0.1:3000/whatsapp", Ok(false));
        check("http://[::1]:3000/", Ok(false));
        check("http://inbox.internal:3000/whatsapp", Ok(true));
        check("http://10.0.0.7/", Ok(true));
        check("https://user:hunter2@example.com/", Err("contains a user"));
        check("user@example.com", Err("contains a user"));
        check("https://example.com/#top", Err("has a fragment"));
        check("ftp://example.com/", Err("not http or https"));
        check("example.com", Err("not http or https"));
        check("/laneway", Err("is not an address"));
        check("https://", Err("is not an address"));
        check("https://:443/", Err("is not an address"));
        check("https://exämple.com/", Err("is not an address"));
        check("https://example.com/a b", Err("is not an address"));
        check("", Err("is not an address"));
        check(&format!("https://example.com/{}", "x".repeat(URL_BYTES_MAX)), Err("longer than 2048 bytes"));
        assert!(!post_url("https://user:hunter2@example.com/").unwrap_err().contains("hunter2"));
    }
}
