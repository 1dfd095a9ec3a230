//! Where an account's events go, and where their shadows do.

use std::collections::BTreeMap;

use laneway_model::{EventKind, Route};

use super::super::schema::{self, Section};
use super::super::source::{Found, Table};
use super::super::{Routing, Shadowing};
use super::{Reader, quoted};

/// What a file says per type, for all conversions, and for the rest.
type Words<T> = BTreeMap<&'static str, T>;

/// The word for the types that nothing else is said of.
const REST: &str = "default";

impl Reader<'_> {
    /// One word for every event, or a table of words.
    pub(super) fn route(&mut self, table: &Table<'_>) -> Routing {
        const ALLOWED: &str = "\"meta\" or \"cm\", or a table such as { default = \"meta\", Block = \"cm\" }";
        const WORD: &str = "\"meta\" or \"cm\"";
        let words = self.words(table, "route", &schema::ROUTE, [ALLOWED, WORD], route_of);
        let goes_to_cm = |kind: &EventKind| matches!(word(&words, *kind), Some((_, Route::Cm)));
        Routing { relayed: EventKind::all().filter(goes_to_cm).collect() }
    }

    /// The same for shadows. A word for several types leaves out those that take that route themselves; one that leaves
    /// out all of them was meant otherwise.
    pub(super) fn shadow(&mut self, table: &Table<'_>, route: &Routing) -> Shadowing {
        const ALLOWED: &str =
            "\"meta\", \"cm\" or \"none\", or a table such as { default = \"cm\", conversions = \"none\" }";
        const WORD: &str = "\"meta\", \"cm\" or \"none\"";
        let words = self.words(table, "shadow", &schema::SHADOW, [ALLOWED, WORD], |text| match text {
            "none" => Some(None),
            other => route_of(other).map(Some),
        });
        let mut idle: BTreeMap<_, _> =
            words.iter().filter_map(|(key, second)| Some((*key, (*second)?))).collect();
        let mut read = Shadowing::default();
        for kind in EventKind::all() {
            let Some((key, Some(second))) = word(&words, kind) else { continue };
            if second != route.of(kind) {
                idle.remove(key);
                read.second.insert(kind, second);
            }
        }
        // A word that others overrule for every type says nothing, and so nothing wrong.
        idle.retain(|key, _| {
            EventKind::all().any(|kind| word(&words, kind).is_some_and(|(of, _)| of == *key))
        });
        for (key, second) in idle {
            let what = if key == REST { "these events" } else { key };
            let says =
                format!("{:?} is the route of {what} already; a shadow takes the other one", second.as_str());
            self.note(table.remark_at("shadow", says));
        }
        read
    }

    /// Notes what would hand events to CM.com without a token.
    pub(super) fn require_cm_token(&mut self, table: &Table<'_>, route: &Routing, shadow: &Shadowing) {
        const NEEDED: &str = "which needs cm_token = \"file:PATH\" or \"env:NAME\"";
        if table.get("cm_token").is_some() {
            return;
        }
        if !route.relayed.is_empty() {
            self.note(table.remark_at("route", format!("sends events to CM.com, {NEEDED}")));
        }
        if shadow.takes(Route::Cm) {
            self.note(table.remark_at("shadow", format!("compares with CM.com's route, {NEEDED}")));
        }
    }

    /// A word for everything, or a table of words by [`Section`]; `allowed` describes the two.
    fn words<T: Copy>(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        section: &'static Section,
        allowed: [&'static str; 2],
        read: impl Fn(&str) -> Option<T>,
    ) -> Words<T> {
        let Some(found) = table.get(key) else { return Words::new() };
        let Some(inner) = found.table(section) else {
            return self.word(&found, allowed[0], &read).map(|word| (REST, word)).into_iter().collect();
        };
        self.check_keys(&inner);
        let mut words = Words::new();
        for found in inner.keys() {
            let known = section.keys.iter().find(|known| **known == found.name());
            words.extend(known.copied().zip(self.word(&found, allowed[1], &read)));
        }
        words
    }

    fn word<T>(
        &mut self,
        found: &Found<'_>,
        allowed: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(found, allowed)?;
        let word = read(text);
        if word.is_none() {
            self.note(found.remark(format!("found {}; write {allowed}", quoted(text))));
        }
        word
    }
}

/// The word that counts for a type, and its key: its own, that of all conversions, or that of the rest.
fn word<T: Copy>(words: &Words<T>, kind: EventKind) -> Option<(&'static str, T)> {
    let family = match kind {
        EventKind::Conversion(_) => "conversions",
        EventKind::MarkAsRead | EventKind::Typing | EventKind::Block | EventKind::UnBlock => REST,
    };
    let found = [kind.as_str(), family, REST].into_iter().find_map(|key| words.get_key_value(key));
    found.map(|(key, word)| (*key, *word))
}

fn route_of(text: &str) -> Option<Route> {
    match text {
        "meta" => Some(Route::Meta),
        "cm" => Some(Route::Cm),
        _ => None,
    }
}
