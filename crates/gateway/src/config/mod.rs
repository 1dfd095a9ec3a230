//! The configuration: what `laneway.toml` and the files it includes say, read once and complete.
//!
//! Where to start: [`Config::load`] reads the files and answers with a [`Config`] or with every mistake they have;
//! [`token`] is how clients are let in; [`reload`] follows changes while the node runs. Every key is described in
//! `docs/configuration.md`, which a test holds against the keys that are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use laneway_channel::Secret;
use laneway_channel::meta::look_up;
use laneway_channel::post::SigningKey;
use laneway_model::{
    AccountName, AppName, ConversionName, DatasetId, EventKind, PhoneNumber, PhoneNumberId, Route, Status,
    WabaId,
};

mod accounts;
mod country;
mod duration;
mod fingerprint;
mod include;
mod read;
pub mod reload;
mod remark;
mod rules;
mod schema;
mod secret;
mod show;
mod source;
#[cfg(test)]
mod tests;
pub mod token;

pub use accounts::Accounts;
pub use country::Country;
pub use fingerprint::Fingerprint;
pub use remark::{Mistakes, Remark};
pub use rules::{CapturedClick, Rules};
pub use show::{ShowError, Shown};
pub use token::{Scopes, Token, TokenHash};

/// Everything that a node is told. A value of this type is consistent: no number, token or WABA is in it twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where clients connect: `/v1.0`, `/api` and `/healthz`. Default [`Config::LISTEN`]. Fixed while the node runs.
    pub listen: SocketAddr,
    /// Where operators connect: `/console`, `/metrics` and `/readyz`. `None` puts them on `listen`, as `dev` does; the
    /// file cannot say that. Default [`Config::ADMIN_LISTEN`]. Fixed while the node runs.
    pub admin_listen: Option<SocketAddr>,
    /// What an operator has to show on `admin_listen`. Always there when that is not a loopback address.
    pub admin_token: Option<Secret>,
    /// What keeps the events. Fixed while the node runs.
    pub store: Store,
    /// Where the store keeps its files. In the file it is relative to the file's directory; default
    /// [`Config::DATA_DIR`]. Fixed while the node runs.
    pub data_dir: PathBuf,
    /// How much may be open at once.
    pub limits: Limits,
    /// How long what is over is kept.
    pub retention: Retention,
    /// What is refused because the call must fail, and when an event that does not get through is given up. Default:
    /// every switch on, and [`GiveUp::default`].
    pub rules: Rules,
    /// The Meta apps whose notifications are received, in the order of the file.
    pub apps: Vec<App>,
    /// CM.com's address without a slash at its end: where paths under `/v1.0` other than the events endpoint go. `None`
    /// passes nothing on.
    pub cm_url: Option<String>,
    /// The port of a page on this machine that may read what the events endpoint answers, as the sandbox's in `dev`. The
    /// file cannot name one.
    pub page_port: Option<u16>,
    /// The tenants, in the order of the files.
    pub accounts: Accounts,
}

/// A Meta app; its callback is `/webhooks/meta/{name}`.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Its name; never that of another.
    pub name: AppName,
    /// What its notifications are signed with, at least one; two while the secret is rotated.
    pub app_secrets: Vec<Secret>,
    /// What Meta shows when it asks whether the callback is this one.
    pub verify_token: Secret,
}

/// A kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// SQLite, in files of the data directory.
    #[default]
    Sqlite,
}

/// How much may be open (not final) at once; beyond it, clients are told to come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open events of the node: 1 to 4,000,000, which is also the default. Beyond it, 503.
    pub open_events: u64,
    /// Open events of one business number: 1 to 2,000,000, which is also the default. Beyond it, 429.
    pub open_events_per_number: u64,
    /// Conversions in one call: 1 to 1,000, which is what Meta takes (documented); default 500.
    pub conversions_per_call: u64,
}

/// How long what is over is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long after it became final an event can be looked up: 1 hour to 3,650 days, default 30 days.
    pub final_events: Duration,
    /// How long notifications are kept as they came: 1 hour to 3,650 days, default 7 days.
    pub notifications: Duration,
    /// How long after the last that was told of them a person is known: 7 days, so that a click finds its conversion, to
    /// 3,650 days, default 365 days. Whoever is blocked is known for as long as that holds.
    pub contacts: Duration,
    /// How long an idempotency key is kept: 1 hour to 28 days, default 48 hours. Those of conversions are kept for
    /// [`Retention::CONVERSION_KEYS`].
    pub keys: Duration,
}

impl Retention {
    /// How long the key of a conversion is kept. Meta does not deduplicate messaging events (documented: "Conversions API
    /// for business messaging", FAQ), so a repetition is kept out for as long as reports about it are still looked at.
    pub const CONVERSION_KEYS: Duration = Duration::from_hours(28 * 24);
}

/// How long an event that does not get through is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// After accept: 1 second to 30 days, default 24 hours. Meta advises to mark a message read within 30 days and
    /// does not say what happens later (documented advice; the rest unknown).
    pub mark_as_read: Duration,
    /// After accept: 1 to 25 seconds, default 25, for that is when WhatsApp itself takes the indicator away
    /// (documented by Meta).
    pub typing: Duration,
    /// After accept: 1 second to 30 days, default 7 days. A block that Meta's 24-hour window is proven to rule out is
    /// refused when it is to be accepted, and ends earlier if that shows before a later try.
    pub block: Duration,
    /// After accept: 1 second to 30 days, default 7 days.
    pub unblock: Duration,
    /// After the conversion's `event_time`: 1 second to 7 days, default 7 days. Meta refuses every event of a call
    /// that contains an older one (documented by Meta). Where [`Rules::event_time_too_old`] is off, it counts from
    /// accept.
    pub conversions: Duration,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its name; never that of another.
    pub name: AccountName,
    /// What its clients show to be let in. At least one may send, unless `open_access` is set.
    pub tokens: Vec<Token>,
    /// Where the business is based. Without it, nothing is checked by country.
    pub country: Option<Country>,
    /// Whether conversions are sent although CM.com's page closes them for `country`. Default no.
    pub allow_restricted_country: bool,
    /// How many events a second its clients may send: 1 to 1,000,000. Default: as many as they like.
    pub max_events_per_second: Option<u32>,
    /// What a dead letter does to the events behind it in its lane. Default: they go on.
    pub on_dead_letter: OnDeadLetter,
    /// The product token at CM.com, for the events that go there.
    pub cm_token: Option<Secret>,
    /// Which events go to CM.com instead of Meta. Default: none.
    pub route: Routing,
    /// Which events are also encoded for the other route, and compared. Default: none.
    pub shadow: Shadowing,
    /// What becomes of conversions whose answer was lost. Default: on the way to Meta they are sent again, on the way to
    /// CM.com they are held.
    pub on_lost_answer: OnLostAnswer,
    /// Its WhatsApp Business Accounts, at least one.
    pub wabas: Vec<Waba>,
    /// What CM.com shows in the path of `/webhooks/cm/{secret}` when it posts incoming messages; none: they are not
    /// received.
    pub cm_webhook_secrets: Vec<Secret>,
    /// Where the notifications about its numbers are passed on to; at most [`Account::ADDRESSES_MAX`].
    pub forwards: Vec<Forward>,
    /// Where it is told what became of its events; at most [`Account::ADDRESSES_MAX`].
    pub callbacks: Vec<Callback>,
    /// Lets any token in, and none. The file cannot say so; `dev` does.
    pub open_access: bool,
}

/// An address of an account's own that its notifications are passed on to.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Its http or https address; no two forwards of an account share one.
    pub url: String,
    /// In whose form. Default: Meta's.
    pub format: ForwardFormat,
    /// What a notification is signed with where Meta's own signature cannot stand, because only a part of it is passed on.
    /// Always there for [`ForwardFormat::Meta`].
    pub secret: Option<Secret>,
}

/// In whose form notifications are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardFormat {
    /// As Meta sends them.
    #[default]
    Meta,
    /// As CM.com posts incoming messages, status reports and events.
    Cm,
}

/// An address of an account's own that is told what became of its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// Its http or https address; no two callbacks of an account share one.
    pub url: String,
    /// What is told is signed with this, as Standard Webhooks has it.
    pub secret: SigningKey,
    /// The final statuses that are told, at least one. Default [`Callback::STATUSES`].
    pub statuses: BTreeSet<Status>,
}

/// What a dead letter does to the events behind it in its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeadLetter {
    /// They go on.
    #[default]
    Continue,
    /// They wait until it is redriven or discarded.
    Hold,
}

/// What becomes of a conversion whose call was sent and whose answer was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostAnswer {
    /// It is sent again with the same `event_id` and `event_time`, and marked as possibly counted twice: Meta does not
    /// deduplicate messaging events (documented).
    #[default]
    Resend,
    /// It is `in_doubt`, and left to a person.
    Hold,
}

/// [`LostAnswer`], for every conversion and for single ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnLostAnswer {
    /// For those that are not named; without it, what is the default on their route.
    pub default: Option<LostAnswer>,
    /// For single ones.
    pub by_name: BTreeMap<ConversionName, LostAnswer>,
}

impl OnLostAnswer {
    /// The types that are held, as they are routed. CM.com is not known to deduplicate, and its page knows no `event_id`
    /// that would tell a repetition, so what goes there is held unless the file says otherwise.
    pub fn held(&self, route: &Routing) -> impl Iterator<Item = EventKind> {
        let of = |name: ConversionName| {
            let of_route = match route.of(EventKind::Conversion(name)) {
                Route::Meta => LostAnswer::Resend,
                Route::Cm => LostAnswer::Hold,
            };
            self.by_name.get(&name).copied().or(self.default).unwrap_or(of_route)
        };
        let held = ConversionName::ALL.into_iter().filter(move |name| of(*name) == LostAnswer::Hold);
        held.map(EventKind::Conversion)
    }
}

/// Where an account's events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The types that go to CM.com.
    pub relayed: BTreeSet<EventKind>,
}

impl Routing {
    /// Where events of this type go.
    pub fn of(&self, kind: EventKind) -> Route {
        if self.relayed.contains(&kind) { Route::Cm } else { Route::Meta }
    }
}

/// Which of an account's events are tried on a second route for comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shadowing {
    /// The second route of each type that has one; never the type's own route.
    pub second: BTreeMap<EventKind, Route>,
}

impl Shadowing {
    /// Whether any shadow takes this route.
    pub fn takes(&self, route: Route) -> bool {
        self.second.values().any(|second| *second == route)
    }
}

/// A WhatsApp Business Account (WABA) and how to reach it.
#[derive(Clone, Debug, PartialEq)]
pub struct Waba {
    /// Its id at Meta; in no other account.
    pub id: WabaId,
    /// The app that its notifications are believed from; `None`: from none.
    pub app: Option<AppName>,
    /// The token for read marks, typing indicators and blocks, and for conversions without a token of their own.
    pub access_token: Secret,
    /// The token for conversions, if another.
    pub conversions_token: Option<Secret>,
    /// Where its conversions go. `None` when it sends none, or when that is still to be looked up.
    pub dataset_id: Option<DatasetId>,
    /// Whether the file leaves the data set out, so that it is looked up.
    pub looks_up_dataset: bool,
    /// The Graph API's address without a slash at its end. Default [`Waba::GRAPH_URL`].
    pub graph_url: String,
    /// The Graph API's version, such as `v26.0`. Default [`Waba::GRAPH_VERSION`].
    pub graph_version: String,
    /// How many calls a second are made at most for each number: 1 to 100,000. Default
    /// [`Waba::MAX_CALLS_PER_SECOND`].
    pub max_calls_per_second: u32,
    /// Its phone numbers, at least one, unless [`NumbersFrom::NotYet`].
    pub numbers: Vec<Number>,
    /// Where they are from.
    pub numbers_from: NumbersFrom,
}

/// Where a WABA's numbers are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumbersFrom {
    /// The file.
    File,
    /// Meta: the file leaves them out, and Meta has told them.
    Meta,
    /// Nowhere: the file leaves them out, and Meta has not told them yet.
    NotYet,
}

/// A business phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The number; in no other WABA.
    pub number: PhoneNumber,
    /// Meta's id of it.
    pub phone_number_id: PhoneNumberId,
}

/// A configuration that was read without a mistake.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What an operator should know at start: secrets that cannot change live, files that are open to all, tokens that
    /// travel in clear.
    pub warnings: Vec<Remark>,
    /// The files as they were when they were read.
    pub fingerprint: Fingerprint,
    /// The files that it was read from, the main one first.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// See [`Config::listen`].
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
    /// See [`Config::admin_listen`].
    pub const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
    /// See [`Config::data_dir`].
    pub const DATA_DIR: &str = "laneway-data";

    /// Every default, and no account.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            listen: Self::LISTEN,
            admin_listen: Some(Self::ADMIN_LISTEN),
            admin_token: None,
            store: Store::default(),
            data_dir,
            limits: Limits::default(),
            retention: Retention::default(),
            rules: Rules::default(),
            apps: Vec::new(),
            cm_url: None,
            page_port: None,
            accounts: Accounts::default(),
        }
    }

    /// Reads a configuration file, the files that it includes and the secrets that they name. `env` looks up an
    /// environment variable.
    ///
    /// # Errors
    /// Every mistake of every file, at once.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Mistakes> {
        read::load(path, env)
    }
}

impl App {
    /// The name that stands for CM.com among the sources of notifications, and so is no app's.
    pub const CM: &str = "cm";
}

impl Account {
    /// The most addresses of an account's own that one kind of post goes to: each multiplies what is stored and sent.
    pub const ADDRESSES_MAX: usize = 8;

    /// Whether conversions are refused for this account, by CM.com's rule on countries.
    pub fn conversions_refused(&self) -> bool {
        !self.allow_restricted_country && self.country.is_some_and(Country::conversions_restricted)
    }
}

impl Callback {
    /// What is told unless the file says otherwise: what a person may have to do something about.
    pub const STATUSES: [Status; 3] = [Status::Failed, Status::Expired, Status::InDoubt];
}

impl Waba {
    /// Meta's own address.
    pub const GRAPH_URL: &str = "https://graph.facebook.com";
    /// Meta's current version as of 29 July 2026.
    pub const GRAPH_VERSION: &str = "v26.0";
    /// What Meta allows a number by default; it raises that to 1,000 for some (documented by Meta).
    pub const MAX_CALLS_PER_SECOND: u32 = 80;

    /// How Meta is asked about it.
    pub(crate) fn at_meta(&self) -> look_up::Account {
        look_up::Account {
            graph_url: self.graph_url.clone(),
            version: self.graph_version.clone(),
            waba_id: self.id.clone(),
        }
    }
}

impl GiveUp {
    /// The time for a type of event; what it counts from is said at each field.
    pub const fn after(&self, kind: EventKind) -> Duration {
        match kind {
            EventKind::MarkAsRead => self.mark_as_read,
            EventKind::Typing => self.typing,
            EventKind::Block => self.block,
            EventKind::UnBlock => self.unblock,
            EventKind::Conversion(_) => self.conversions,
        }
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Limits {
    fn default() -> Self {
        Self { open_events: 4_000_000, open_events_per_number: 2_000_000, conversions_per_call: 500 }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { final_events: 30 * DAY, notifications: 7 * DAY, contacts: 365 * DAY, keys: 2 * DAY }
    }
}

impl Default for GiveUp {
    fn default() -> Self {
        Self {
            mark_as_read: DAY,
            typing: Duration::from_secs(25),
            block: 7 * DAY,
            unblock: 7 * DAY,
            conversions: 7 * DAY,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
        }
    }
}
