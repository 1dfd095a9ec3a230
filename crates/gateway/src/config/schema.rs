//! Every key of the configuration file, so that an unknown one can be told, and the nearest known one named.

/// The least likeness (Jaro-Winkler, 0 to 1) of two keys for one to be offered in place of the other.
const LIKENESS_MIN: f64 = 0.8;

/// A table of the configuration.
#[derive(Debug)]
pub(super) struct Section {
    /// The tables it stands in and its own name; empty for the outermost.
    pub(super) path: &'static str,
    /// How it is written.
    pub(super) form: &'static str,
    /// Its keys.
    pub(super) keys: &'static [Key],
}

/// The name of a key.
pub(super) type Key = &'static str;

/// The outermost table of the main file.
pub(super) static ROOT: Section = Section {
    path: "",
    form: "the main file, before its first [table]",
    keys: &[
        "listen",
        "admin_listen",
        "admin_token",
        "store",
        "data_dir",
        "include",
        "limits",
        "retention",
        "rules",
        "give_up",
        "upstream",
        "app",
        "account",
    ],
};

/// `[limits]`.
pub(super) static LIMITS: Section = Section {
    path: "limits",
    form: "[limits]",
    keys: &["open_events", "open_events_per_number", "conversions_per_call"],
};

/// `[retention]`.
pub(super) static RETENTION: Section = Section {
    path: "retention",
    form: "[retention]",
    keys: &["final_events", "notifications", "contacts", "keys"],
};

/// `[rules]`.
pub(super) static RULES: Section = Section {
    path: "rules",
    form: "[rules]",
    keys: &[
        "self_block",
        "event_time_in_future",
        "event_time_too_old",
        "unlisted_currency",
        "block_window",
        "captured_click",
        "click_id_wait",
    ],
};

/// `[give_up]`.
pub(super) static GIVE_UP: Section = Section {
    path: "give_up",
    form: "[give_up]",
    keys: &["MarkAsRead", "Typing", "Block", "UnBlock", "conversions"],
};

/// `[upstream]`.
pub(super) static UPSTREAM: Section = Section { path: "upstream", form: "[upstream]", keys: &["cm_url"] };

/// `[[app]]`.
pub(super) static APP: Section =
    Section { path: "app", form: "[[app]]", keys: &["name", "app_secrets", "verify_token"] };

/// `[[account]]`.
pub(super) static ACCOUNT: Section = Section {
    path: "account",
    form: "[[account]]",
    keys: &[
        "name",
        "tokens",
        "country",
        "allow_restricted_country",
        "max_events_per_second",
        "on_dead_letter",
        "on_lost_answer",
        "cm_token",
        "route",
        "shadow",
        "cm_webhook_secrets",
        "forward",
        "callback",
        "waba",
    ],
};

/// `[[account.forward]]`.
pub(super) static FORWARD: Section =
    Section { path: "account.forward", form: "[[account.forward]]", keys: &["url", "format", "secret"] };

/// `[[account.callback]]`.
pub(super) static CALLBACK: Section =
    Section { path: "account.callback", form: "[[account.callback]]", keys: &["url", "secret", "statuses"] };

/// One of `account.tokens`.
pub(super) static TOKEN: Section = Section {
    path: "account.tokens",
    form: "tokens = [{ hash = \"sha256:…\", scopes = [\"send\"] }]",
    keys: &["hash", "scopes"],
};

/// `[[account.waba]]`.
pub(super) static WABA: Section = Section {
    path: "account.waba",
    form: "[[account.waba]]",
    keys: &[
        "id",
        "app",
        "access_token",
        "conversions_token",
        "dataset_id",
        "graph_url",
        "graph_version",
        "max_calls_per_second",
        "numbers",
    ],
};

/// One of `account.waba.numbers`.
pub(super) static NUMBER: Section = Section {
    path: "account.waba.numbers",
    form: "numbers = [{ number = \"+31…\", phone_number_id = \"…\" }]",
    keys: &["number", "phone_number_id"],
};

/// What has a route: every type, all conversions, and the rest.
const ROUTED: &[Key] = &[
    "default",
    "MarkAsRead",
    "Typing",
    "Block",
    "UnBlock",
    "conversions",
    "Purchase",
    "LeadSubmitted",
    "InitiateCheckout",
    "AddToCart",
    "ViewContent",
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCanceled",
    "OrderReturned",
    "CartAbandoned",
    "QualifiedLead",
    "RatingProvided",
    "ReviewProvided",
];

/// `account.route`, as a table. It is described with its key, and so is none of the [`SECTIONS`].
pub(super) static ROUTE: Section =
    Section { path: "account.route", form: "route = { default = \"meta\", Block = \"cm\" }", keys: ROUTED };

/// `account.shadow`, as a table. It is described with its key, and so is none of the [`SECTIONS`].
pub(super) static SHADOW: Section = Section {
    path: "account.shadow",
    form: "shadow = { default = \"cm\", conversions = \"none\" }",
    keys: ROUTED,
};

/// `account.on_lost_answer`, as a table. It is described with its key, and so is none of the [`SECTIONS`].
pub(super) static ON_LOST_ANSWER: Section = Section {
    path: "account.on_lost_answer",
    form: "on_lost_answer = { default = \"resend\", Purchase = \"hold\" }",
    keys: &[
        "default",
        "Purchase",
        "LeadSubmitted",
        "InitiateCheckout",
        "AddToCart",
        "ViewContent",
        "OrderCreated",
        "OrderShipped",
        "OrderDelivered",
        "OrderCanceled",
        "OrderReturned",
        "CartAbandoned",
        "QualifiedLead",
        "RatingProvided",
        "ReviewProvided",
    ],
};

/// All of them.
pub(super) static SECTIONS: [&Section; 13] = [
    &ROOT, &LIMITS, &RETENTION, &RULES, &GIVE_UP, &UPSTREAM, &APP, &ACCOUNT, &TOKEN, &FORWARD, &CALLBACK,
    &WABA, &NUMBER,
];

impl Section {
    /// The key with the tables it stands in.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// What to say of a key that is not known here: the one that was probably meant, else the ones there are.
    pub(super) fn nearest(&self, key: &str) -> String {
        let homes = SECTIONS.into_iter().filter(|section| section.keys.contains(&key));
        if let [home] = homes.collect::<Vec<_>>()[..] {
            return format!("is not a key of this table; it belongs in {}", home.form);
        }
        let small = key.to_ascii_lowercase();
        let likeness = |known: &str| strsim::jaro_winkler(&small, &known.to_ascii_lowercase());
        let near = self.keys.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match near.filter(|known| likeness(known) >= LIKENESS_MIN) {
            Some(known) => format!("is not a known key; did you mean {known:?}?"),
            None => format!("is not a known key; known here are {}", self.keys.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(section: &Section, key: &str, expected: &str) {
        let found = section.nearest(key);
        assert!(found.contains(expected), "{key}: {found}");
    }

    #[test]
    fn the_nearest_key_is_named() {
        check(&ROOT, "listn", "did you mean \"listen\"?");
        check(&ROOT, "accounts", "did you mean \"account\"?");
        check(&ROOT, "Data-Dir", "did you mean \"data_dir\"?");
        check(&ROOT, "access_token", "it belongs in [[account.waba]]");
        check(&ROOT, "zzz", "known here are listen, admin_listen");
        check(&ROOT, "", "known here are listen");
        check(&ACCOUNT, "token", "did you mean \"tokens\"?");
        check(&ACCOUNT, "wabas", "did you mean \"waba\"?");
        check(&ACCOUNT, "listen", "it belongs in the main file, before");
        check(&WABA, "acess_token", "did you mean \"access_token\"?");
        check(&WABA, "conversion_token", "did you mean \"conversions_token\"?");
        check(&RULES, "self_blocked", "did you mean \"self_block\"?");
        check(&RULES, "allow_restricted_country", "it belongs in [[account]]");
        check(&GIVE_UP, "markasread", "did you mean \"MarkAsRead\"?");
        check(&GIVE_UP, "Purchase", "known here are MarkAsRead, Typing, Block, UnBlock, conversions");
        check(&NUMBER, "phone_id", "did you mean \"phone_number_id\"?");
    }
}
