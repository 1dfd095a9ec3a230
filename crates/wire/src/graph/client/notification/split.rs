//! A notification in parts: some of its entries, or some of an entry's changes, in the bytes that they came in.
//!
//! Nothing is written anew: a part is cut out of the text, with what stands around its list, so that what nobody here
//! knows stays where it was.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{NotificationBody, NotificationEntry, mended};
use crate::graph::client::answer::string;

/// What may stand around a list that is split. Meta's is some 60 bytes; whatever is longer is left out of every part
/// rather than repeated in each of them.
const AROUND_BYTES_MAX: usize = 4096;

/// An object with a list in it, and where in its text the list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Around<'a> {
    before: &'a str,
    after: &'a str,
}

/// The changes of an entry, one by one.
#[derive(Clone, Debug)]
pub struct ChangesApart<'a> {
    /// Each as it stands in the body, with its `value.metadata.phone_number_id`.
    pub changes: Vec<(&'a str, Option<String>)>,
    around: Option<Around<'a>>,
    waba: Option<String>,
}

impl<'a> Around<'a> {
    /// `list` is a slice of `text`. Gives nothing if there is too much around it.
    pub(super) fn of(text: &'a str, list: &'a str) -> Option<Self> {
        let start = list.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        let around = Self { before: text.get(..start)?, after: text.get(start + list.len()..)? };
        (around.before.len() + around.after.len() <= AROUND_BYTES_MAX).then_some(around)
    }

    fn with(self, members: &[&str]) -> String {
        [self.before, "[", &members.join(","), "]", self.after].concat()
    }
}

impl NotificationBody<'_> {
    /// The body with these entries and no others.
    pub fn with(&self, entries: &[&str]) -> String {
        const USUAL: Around<'_> =
            Around { before: r#"{"object":"whatsapp_business_account","entry":"#, after: "}" };
        self.around.unwrap_or(USUAL).with(entries)
    }
}

impl<'a> NotificationEntry<'a> {
    /// The entry's changes, for an entry that is to be split; nothing if it cannot be, because its text is ambiguous.
    pub fn apart(&self) -> Option<ChangesApart<'a>> {
        #[derive(Deserialize)]
        struct Entry<'a> {
            #[serde(borrow, default)]
            changes: Option<&'a RawValue>,
        }
        let entry: Entry<'a> = serde_json::from_str(self.text).ok()?;
        let list = entry.changes?.get();
        let changes = serde_json::from_str::<Vec<&'a RawValue>>(list).ok()?;
        let changes = changes.into_iter().map(|change| (change.get(), number_of(change.get()))).collect();
        Some(ChangesApart { changes, around: Around::of(self.text, list), waba: self.id.clone() })
    }
}

impl ChangesApart<'_> {
    /// The entry with these changes and no others.
    pub fn with(&self, changes: &[&str]) -> String {
        match self.around {
            Some(around) => around.with(changes),
            None => {
                let id = Value::from(self.waba.as_deref().unwrap_or_default());
                format!(r#"{{"id":{id},"changes":[{}]}}"#, changes.join(","))
            }
        }
    }
}

fn number_of(change: &str) -> Option<String> {
    let change: Value =
        serde_json::from_str(change).or_else(|_| serde_json::from_str(&mended(change))).ok()?;
    string(change.get("value")?.get("metadata")?.as_object()?, "phone_number_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#" {"object" :"whatsapp_business_account", "entry":[ {"id":"1","time":5,"changes":[{"a":1.50},7 , {"value":{"metadata":{"phone_number_id":"2"}}}],"x":"\ud83d"},
        {"id":"3"}, 8],"new":{"b":[]}}  "#;

    #[test]
    fn parts_keep_their_bytes() {
        let body = NotificationBody::read(BODY.as_bytes()).unwrap();
        let texts: Vec<_> = body.entries.iter().map(|entry| entry.text).collect();
        assert_eq!(texts[1..], [r#"{"id":"3"}"#, "8"]);
        assert_eq!(
            body.with(&texts[1..2]),
            r#" {"object" :"whatsapp_business_account", "entry":[{"id":"3"}],"new":{"b":[]}}  "#
        );
        assert_eq!(
            body.with(&[]),
            r#" {"object" :"whatsapp_business_account", "entry":[],"new":{"b":[]}}  "#
        );

        let apart = body.entries[0].apart().unwrap();
        assert_eq!(apart.changes[..2], [(r#"{"a":1.50}"#, None), ("7", None)]);
        assert_eq!(apart.changes[2].1.as_deref(), Some("2"));
        assert_eq!(
            apart.with(&[apart.changes[0].0, apart.changes[1].0]),
            r#"{"id":"1","time":5,"changes":[{"a":1.50},7],"x":"\ud83d"}"#
        );
        assert!(body.entries[1].apart().is_none() && body.entries[2].apart().is_none());
    }

    #[test]
    fn what_is_ambiguous_is_not_split() {
        let body = br#"{"entry":[{"id":"1","changes":[1],"changes":[2]}]}"#;
        assert!(NotificationBody::read(body).unwrap().entries[0].apart().is_none());
        assert_eq!(NotificationBody::read(br#"{"entry":[],"entry":[]}"#), None);
    }

    #[test]
    fn much_around_a_list_is_not_repeated() {
        let much = "x".repeat(AROUND_BYTES_MAX);
        let body = format!(r#"{{"entry":[{{"id":"1","much":"{much}","changes":[1,2]}}],"much":"{much}"}}"#);
        let body = NotificationBody::read(body.as_bytes()).unwrap();
        let entry = body.entries[0].apart().unwrap().with(&["2"]);
        assert_eq!(entry, r#"{"id":"1","changes":[2]}"#);
        assert_eq!(
            body.with(&[&entry]),
            format!(r#"{{"object":"whatsapp_business_account","entry":[{entry}]}}"#)
        );
    }
}
