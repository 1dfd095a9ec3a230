//! What of a notification is passed on to the addresses of the accounts that it is about.
//!
//! An update belongs to the account whose WABA it names, if the notification came for that WABA's app; but not if its
//! business number is another account's. A number that the configuration does not know belongs to the account of its
//! WABA: whoever stands behind Laneway misses nothing of theirs. What belongs to nobody is passed on to nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use laneway_channel::cm::incoming;
use laneway_channel::meta::webhook::{Body, SIGNATURE_HEADER, sign};
use laneway_journal::{NewRow, RawNotification};
use laneway_model::{
    AppName, News, Notification, Person, PhoneNumber, PhoneNumberId, Timestamp, Update, WabaId,
};

use super::{Heard, UPDATES_MAX};
use crate::config::{Account, Config, Forward, ForwardFormat};
use crate::outbox::{CONTENT_TYPE, Forwarded, forward_row};

/// What every forward's body is.
const JSON: &str = "application/json";

/// Rows for the queue of forwards.
pub type Posts = Vec<NewRow>;

/// What of a notification of Meta's is passed on, and to whom, in the order in which it is sent.
pub fn forward_meta(
    config: &Config,
    raw: &RawNotification,
    body: &Body<'_>,
    notification: &Notification,
) -> Posts {
    let mut posts = Vec::new();
    if config.accounts.iter().all(|account| account.forwards.is_empty()) {
        return posts;
    }
    let updates = || notification.updates.iter().take(UPDATES_MAX);
    let mut about: BTreeMap<usize, About> = BTreeMap::new();
    for update in updates() {
        if let Some(owner) = owner_of(config, &raw.app, update) {
            about.entry(owner).or_default().add(config, update);
        }
    }
    for part in body.parts(|waba, number| owner(config, &raw.app, waba, number)) {
        let account = &config.accounts[part.owner];
        let about = about.remove(&part.owner).unwrap_or_default();
        let part: Option<Arc<[u8]>> = part.body.map(|part| part.into_bytes().into());
        for forward in of_format(account, ForwardFormat::Meta) {
            let (body, signature) = match (&part, &forward.secret) {
                (None, _) => (Arc::clone(&raw.body), raw.signature.clone()),
                (Some(part), Some(secret)) => (Arc::clone(part), sign(secret, part)),
                // The configuration has no forward of this format without a secret.
                (Some(_), None) => continue,
            };
            let headers = vec![header(CONTENT_TYPE, JSON), header(SIGNATURE_HEADER, &signature)];
            posts.extend(about.post(account, forward, headers, body, raw.received_at));
        }
    }
    for update in updates() {
        let Some(owner) = owner_of(config, &raw.app, update) else { continue };
        let account = &config.accounts[owner];
        let mut forwards = of_format(account, ForwardFormat::Cm).peekable();
        if forwards.peek().is_none() {
            continue;
        }
        let mut about = About::default();
        about.add(config, update);
        let body = incoming::post(update, about.number, raw.received_at);
        let body: Arc<[u8]> = body.into_bytes().into();
        for forward in forwards {
            let (headers, body) = (vec![header(CONTENT_TYPE, JSON)], Arc::clone(&body));
            posts.extend(about.post(account, forward, headers, body, raw.received_at));
        }
    }
    posts
}

/// What CM.com has posted to an account, passed on as it came to those of its addresses that are told in CM.com's form.
pub fn forward_cm(account: &Account, raw: &RawNotification, heard: &Heard) -> Posts {
    let mut about = About::default();
    for touch in &heard.touches {
        about.number = about.number.or(Some(touch.business));
        about.persons.add(&touch.person);
    }
    of_format(account, ForwardFormat::Cm)
        .filter_map(|forward| {
            let (headers, body) = (vec![header(CONTENT_TYPE, JSON)], Arc::clone(&raw.body));
            about.post(account, forward, headers, body, raw.received_at)
        })
        .collect()
}

/// The place in the configuration of the account that something at this WABA, or at this number of it, belongs to.
fn owner(config: &Config, app: &AppName, waba: &WabaId, number: Option<&PhoneNumberId>) -> Option<usize> {
    let (owner, _) =
        config.accounts.find_waba_owner(waba).filter(|(_, waba)| waba.app.as_ref() == Some(app))?;
    let of_number = number.and_then(|number| config.accounts.find_number_owner(number));
    of_number.is_none_or(|other| other == owner).then_some(owner)
}

fn owner_of(config: &Config, app: &AppName, update: &Update) -> Option<usize> {
    owner(config, app, update.waba.as_ref()?, update.number.as_ref())
}

/// Whom the updates in a post are about.
#[derive(Debug, Default)]
struct About {
    /// The business number, the first one if there are several.
    number: Option<PhoneNumber>,
    persons: Persons,
}

#[derive(Debug, Default)]
enum Persons {
    #[default]
    None,
    One(Person),
    Several,
}

impl Persons {
    fn add(&mut self, person: &Person) {
        match self {
            Self::None => *self = Self::One(person.clone()),
            Self::One(known) if known == person => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

impl About {
    fn add(&mut self, config: &Config, update: &Update) {
        let number = || {
            let waba = config.accounts.find_waba(update.waba.as_ref()?)?;
            let id = update.number.as_ref()?;
            waba.numbers.iter().find(|number| number.phone_number_id == *id).map(|number| number.number)
        };
        self.number = self.number.or_else(number).or(update.displayed);
        let person = match &update.news {
            News::MessageIn { from, .. } | News::Moved { from, .. } => from.person(),
            News::Status { to, .. } => to.person(),
            News::Problem { .. } | News::Other { .. } => None,
        };
        if let Some(person) = person {
            self.persons.add(&person);
        }
    }

    /// A post. What is about no number of the account stands with its first. Nothing if no number of it is known, because
    /// Meta has not told them yet: then nobody could say in which order it comes.
    fn post(
        &self,
        account: &Account,
        forward: &Forward,
        headers: Vec<(String, String)>,
        body: Arc<[u8]>,
        now: Timestamp,
    ) -> Option<NewRow> {
        let mut numbers = account.wabas.iter().flat_map(|waba| &waba.numbers);
        let first = || numbers.next().map(|number| number.number);
        let person = match &self.persons {
            Persons::One(person) => Some(person.clone()),
            Persons::None | Persons::Several => None,
        };
        let Some(business) = self.number.or_else(first) else {
            tracing::warn!(account = %account.name, "a notification is not passed on: no number of its account is known");
            return None;
        };
        let post = Forwarded { business, person, headers, body };
        Some(forward_row(&account.name, forward, &post, now))
    }
}

fn of_format(account: &Account, format: ForwardFormat) -> impl Iterator<Item = &Forward> {
    account.forwards.iter().filter(move |forward| forward.format == format)
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
