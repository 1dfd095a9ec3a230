//! What of a notification is whose.
//!
//! A notification can bring news of several WABAs, and those can be of several owners. Each owner's part is cut out of
//! the bytes as they came: entries whole, and an entry whose changes are of several owners by its changes. What is
//! nobody's is in no part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use laneway_model::{PhoneNumberId, WabaId};
use laneway_wire::graph::client::NotificationEntry;

use super::Body;

/// What of a notification is one owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<O> {
    /// The owner.
    pub owner: O,
    /// Their part of the body; `None` if all of it is theirs, so that it can go as it came, with its signature.
    pub body: Option<String>,
}

impl Body<'_> {
    /// Splits the body by who owns what. `whose` is asked for each entry or change by its WABA, and by its business number
    /// where it names one. What cannot be read, and what names no WABA, is nobody's. Time and memory are linear in the
    /// body.
    pub fn parts<O: Ord>(
        &self,
        whose: impl Fn(&WabaId, Option<&PhoneNumberId>) -> Option<O>,
    ) -> Vec<Part<O>> {
        let mut cut = Cut { pieces: BTreeMap::new(), is_whole: true };
        for entry in &self.0.entries {
            cut.entry(entry, &whose);
        }
        let Cut { pieces, is_whole } = cut;
        let is_original = is_whole && pieces.len() == 1;
        let part = |(owner, pieces): (O, Vec<Cow<'_, str>>)| {
            let pieces: Vec<&str> = pieces.iter().map(AsRef::as_ref).collect();
            Part { owner, body: (!is_original).then(|| self.0.with(&pieces)) }
        };
        pieces.into_iter().map(part).collect()
    }
}

/// A body that is being cut.
struct Cut<'a, O> {
    /// Each owner's entries.
    pieces: BTreeMap<O, Vec<Cow<'a, str>>>,
    /// Whether every entry so far is somebody's as a whole.
    is_whole: bool,
}

impl<'a, O: Ord> Cut<'a, O> {
    fn entry(
        &mut self,
        entry: &NotificationEntry<'a>,
        whose: &impl Fn(&WabaId, Option<&PhoneNumberId>) -> Option<O>,
    ) {
        let waba = entry.id.as_deref().and_then(|id| WabaId::parse(id).ok());
        let owner = |number: Option<&str>| {
            let number = number.and_then(|id| PhoneNumberId::parse(id).ok());
            whose(waba.as_ref()?, number.as_ref())
        };
        let mut owners = entry.changes.iter().map(|change| owner(change.phone_number_id.as_deref()));
        let first = owners.next().unwrap_or_else(|| owner(None));
        if owners.all(|other| other == first) {
            match first {
                Some(owner) => self.add(owner, Cow::Borrowed(entry.text)),
                None => self.is_whole = false,
            }
            return;
        }
        self.is_whole = false;
        let Some(apart) = entry.apart() else { return };
        let mut changes: BTreeMap<O, Vec<&str>> = BTreeMap::new();
        for (text, number) in &apart.changes {
            if let Some(owner) = owner(number.as_deref()) {
                changes.entry(owner).or_default().push(text);
            }
        }
        for (owner, changes) in changes {
            self.add(owner, Cow::Owned(apart.with(&changes)));
        }
    }

    fn add(&mut self, owner: O, piece: Cow<'a, str>) {
        self.pieces.entry(owner).or_default().push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(waba: &str, numbers: &[&str]) -> String {
        let change = |number: &&str| match *number {
            "" => r#"{"field":"account_update","value":{"new":1.50}}"#.to_owned(),
            number => format!(
                r#"{{"field":"messages","value":{{"metadata":{{"phone_number_id":"{number}"}},"in {number}":[]}}}}"#
            ),
        };
        let changes: Vec<_> = numbers.iter().map(change).collect();
        format!(r#"{{"id":"{waba}","time":5,"changes":[{}]}}"#, changes.join(","))
    }

    fn body(entries: &[&str]) -> String {
        format!(r#"{{"object":"whatsapp_business_account","entry":[{}],"new":[]}}"#, entries.join(","))
    }

    /// WABA 1 is a's but for number 12, which is b's; WABA 2 is b's; WABA 3 is c's and number 39 of it nobody's.
    fn whose(waba: &WabaId, number: Option<&PhoneNumberId>) -> Option<char> {
        match (waba.as_str(), number.map(PhoneNumberId::as_str)) {
            ("1", Some("12")) | ("2", _) => Some('b'),
            ("1", _) => Some('a'),
            ("3", Some("39")) => None,
            ("3", _) => Some('c'),
            _ => None,
        }
    }

    #[track_caller]
    fn check(entries: &[&str], expected: &[(char, Option<&[&str]>)]) {
        let body = self::body(entries);
        let found = Body::read(body.as_bytes()).unwrap().parts(whose);
        let expected: Vec<_> = expected
            .iter()
            .map(|(owner, entries)| Part { owner: *owner, body: entries.map(self::body) })
            .collect();
        assert_eq!(found, expected, "{entries:?}");
    }

    #[test]
    fn each_owner_gets_what_is_theirs_and_nothing_else() {
        let [a, a_whole] = [entry("1", &["11"]), entry("1", &["11", "", "13"])];
        let [b, c, nobody] = [entry("2", &["21", "22"]), entry("3", &[""]), entry("9", &["91"])];
        // All of it is one owner's.
        check(&[&a], &[('a', None)]);
        check(&[&a, &a_whole, &a], &[('a', None)]);
        check(&[&c], &[('c', None)]);
        check(&[r#"{"id":"1"}"#], &[('a', None)]);
        check(&[r#"{"id":"1","changes":[7,"?"]}"#], &[('a', None)]);
        // Entries of several owners.
        check(&[&b, &a, &c, &b], &[('a', Some(&[&a])), ('b', Some(&[&b, &b])), ('c', Some(&[&c]))]);
        // What is nobody's goes to nobody, and is not told to the others.
        check(&[&nobody, &a], &[('a', Some(&[&a]))]);
        check(&[&a, "7"], &[('a', Some(&[&a]))]);
        check(&[&a, r#"{"changes":[]}"#], &[('a', Some(&[&a]))]);
        check(&[&nobody], &[]);
        check(&[], &[]);
    }

    #[test]
    fn an_entry_of_several_owners_is_split_by_its_changes() {
        let mixed = entry("1", &["11", "12", "", "12"]);
        let (of_a, of_b) = (entry("1", &["11", ""]), entry("1", &["12", "12"]));
        check(&[&mixed], &[('a', Some(&[&of_a])), ('b', Some(&[&of_b]))]);
        let b = entry("2", &[""]);
        check(&[&b, &mixed], &[('a', Some(&[&of_a])), ('b', Some(&[&b, &of_b]))]);
        check(&[&entry("3", &["31", "39"])], &[('c', Some(&[&entry("3", &["31"])]))]);
        check(&[&entry("3", &["39"])], &[]);
        // An entry that a reader could understand in two ways is nobody's.
        let twice = mixed.replace("\"time\":5", "\"changes\":[]");
        check(&[&twice], &[]);
    }

    #[test]
    fn what_cannot_be_read_is_nobodys() {
        for body in [r#"{"entry":7}"#, r#"{"entry":null}"#, "{}"] {
            assert_eq!(Body::read(body.as_bytes()).unwrap().parts(whose), [], "{body}");
        }
        for body in ["", "[]", "not json", r#"{"entry":[],"entry":[]}"#] {
            assert!(Body::read(body.as_bytes()).is_none(), "{body}");
        }
    }
}
