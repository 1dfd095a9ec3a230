//! Notifications from Meta: first the signature over the bytes as they came, then what they say.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use laneway_model::{
    Bsuid, Click, Content, CtwaClid, Identity, Location, Media, News, Notification, Person, PhoneNumber,
    PhoneNumberId, Progress, Timestamp, Update, WabaId, Wamid,
};
use laneway_wire::graph::client::{
    GraphError, NotificationBody, NotificationChange, NotifiedContact, NotifiedMessage, NotifiedStatus,
    Referral, SystemNews,
};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::look_up;
use crate::Secret;

mod parts;

pub use parts::Part;

/// The header that carries the signature: `sha256=` and the HMAC-SHA256 of the raw body under the app's secret, in
/// lowercase hexadecimal digits. Meta, "Create a webhook endpoint" (documented).
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

const PREFIX: &str = "sha256=";
/// The hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Why a body is not believed. It says nothing about the signature that would have been right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is missing.
    #[error("the signature is missing")]
    Missing,
    /// The header has another form.
    #[error("the signature does not have the form sha256= and 64 hexadecimal digits")]
    Form,
    /// No secret of the app's makes this signature.
    #[error("the signature is not one of this app's")]
    Wrong,
}

/// Whether one of the secrets signed exactly these bytes. While a secret is rotated there are two. How long it takes
/// depends on the number of secrets and on the body's length alone. Digits in capitals are taken as well: they are the
/// same signature.
///
/// # Errors
/// [`SignatureError`] when nobody who knows a secret has signed the body.
pub fn verify(secrets: &[Secret], header: Option<&str>, body: &[u8]) -> Result<(), SignatureError> {
    let signature = header.ok_or(SignatureError::Missing)?;
    let signature = signature.strip_prefix(PREFIX).and_then(bytes_of).ok_or(SignatureError::Form)?;
    let signed = |secret: &Secret| mac(secret, body).ct_eq(&signature);
    let is_signed = secrets.iter().map(signed).fold(Choice::from(0), |any, one| any | one);
    if bool::from(is_signed) { Ok(()) } else { Err(SignatureError::Wrong) }
}

/// The header's value for a body under a secret.
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let digits = mac(secret, body).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{PREFIX}{digits}")
}

fn mac(secret: &Secret, body: &[u8]) -> [u8; DIGITS / 2] {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    let mut mac = mac.expect("an HMAC takes keys of every length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn bytes_of(digits: &str) -> Option<[u8; DIGITS / 2]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; DIGITS / 2] = pairs.try_into().ok()?;
    let mut bytes = [0; DIGITS / 2];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
}

/// A body that has been read.
#[derive(Clone, Debug)]
pub struct Body<'a>(NotificationBody<'a>);

impl<'a> Body<'a> {
    /// Reads a body; `None` if it is not a JSON object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        NotificationBody::read(body).map(Self)
    }

    /// What it says. Instants that it does not tell, or that have not come yet, are `received_at`.
    pub fn notification(&self, received_at: Timestamp) -> Notification {
        let mut updates = Vec::new();
        for entry in &self.0.entries {
            let waba = entry.id.as_deref().and_then(|id| WabaId::parse(id).ok());
            for change in &entry.changes {
                let number = change.phone_number_id.as_deref().and_then(|id| PhoneNumberId::parse(id).ok());
                let displayed = change.display_phone_number.as_deref().and_then(look_up::displayed);
                let news = news(change, received_at);
                updates.extend(news.into_iter().map(|news| Update {
                    waba: waba.clone(),
                    number: number.clone(),
                    displayed,
                    news,
                }));
            }
        }
        Notification { updates }
    }
}

/// What a body says; `None` if it is not a JSON object. See [`Body::notification`].
pub fn decode(body: &[u8], received_at: Timestamp) -> Option<Notification> {
    Body::read(body).map(|body| body.notification(received_at))
}

/// The news of a change; at least one, so that nothing that comes goes uncounted.
fn news(change: &NotificationChange, received_at: Timestamp) -> Vec<News> {
    let contacts = Contacts::new(&change.contacts);
    let messages = change.messages.iter().map(|message| of_message(message, &contacts, received_at));
    let statuses = change.statuses.iter().map(|status| of_status(status, &contacts, received_at));
    let problem = |(error, text): &(GraphError, String)| News::Problem {
        code: error.code,
        details: text.as_str().into(),
    };
    let problems = change.errors.iter().map(problem);
    let mut news: Vec<News> = messages.chain(statuses).chain(problems).collect();
    if news.is_empty() {
        let details = change.value.as_deref().unwrap_or("{}").into();
        news.push(News::Other { field: change.field.clone(), details });
    }
    news
}

fn of_message(message: &NotifiedMessage, contacts: &Contacts<'_>, received_at: Timestamp) -> News {
    let at = instant(message.timestamp, received_at);
    let from = identity(message.from.as_deref(), message.from_user_id.as_deref());
    if let Some(system) = &message.system {
        return of_system(from, system, at);
    }
    let named = contacts.find(&from);
    News::MessageIn {
        id: message.id.as_deref().and_then(|id| Wamid::parse(id).ok()),
        from: completed(from, named),
        at,
        click: message.referral.as_ref().and_then(|referral| click(referral, at)),
        content: Box::new(content(message, named)),
    }
}

fn content(message: &NotifiedMessage, named: Option<&NotifiedContact>) -> Content {
    let told = &message.content;
    Content {
        form: message.kind.clone(),
        name: named.and_then(|contact| contact.name.clone()),
        text: told.text.clone(),
        media: told.media.as_ref().map(|media| Media {
            url: media.url.clone(),
            mime_type: media.mime_type.clone(),
            title: media.title.clone(),
        }),
        location: told.location.as_ref().map(|location| Location {
            latitude: location.latitude.clone(),
            longitude: location.longitude.clone(),
            name: location.name.clone(),
            address: location.address.clone(),
        }),
        answers: told.context.as_deref().and_then(|id| Wamid::parse(id).ok()),
        details: told.members.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect(),
    }
}

/// The message comes from the old number; the id that it comes from is not documented to be the old one, so only
/// `previous_user_id` is taken for that.
fn of_system(from: Identity, system: &SystemNews, at: Timestamp) -> News {
    const FIELD: &str = "messages.system";
    match system.kind.as_deref() {
        Some(kind @ ("user_changed_number" | "user_changed_user_id" | "customer_changed_number")) => {
            News::Moved {
                from: Identity { phone: from.phone, ..identity(None, system.previous_user_id.as_deref()) },
                to: identity(system.wa_id.as_deref(), system.user_id.as_deref()),
                at,
                kind: kind.to_owned(),
                details: system.text.as_str().into(),
            }
        }
        Some(_) | None => News::Other { field: FIELD.to_owned(), details: system.text.as_str().into() },
    }
}

fn of_status(status: &NotifiedStatus, contacts: &Contacts<'_>, received_at: Timestamp) -> News {
    let to = identity(status.recipient_id.as_deref(), status.recipient_user_id.as_deref());
    let named = contacts.find(&to);
    News::Status {
        id: status.id.as_deref().and_then(|id| Wamid::parse(id).ok()),
        to: completed(to, named),
        at: instant(status.timestamp, received_at),
        progress: match status.status.as_deref().unwrap_or_default() {
            "sent" => Progress::Sent,
            "delivered" => Progress::Delivered,
            "read" => Progress::Read,
            "played" => Progress::Played,
            "failed" => Progress::Failed,
            other => Progress::Other(other.to_owned()),
        },
        error: status.errors.first().map(|error| (error.code, words(error))),
    }
}

fn words(error: &GraphError) -> String {
    error.words().join(" ")
}

fn click(referral: &Referral, at: Timestamp) -> Option<Click> {
    let id = CtwaClid::parse(referral.ctwa_clid.as_deref()?).ok()?;
    Some(Click { id, at, ad_id: referral.source_id.clone(), headline: referral.headline.clone() })
}

fn instant(seconds: Option<u64>, received_at: Timestamp) -> Timestamp {
    seconds.map_or(received_at, |seconds| Timestamp::from_secs(seconds).min(received_at))
}

fn identity(phone: Option<&str>, bsuid: Option<&str>) -> Identity {
    let named = [phone, bsuid].map(|text| text.and_then(|text| Person::parse(text).ok()));
    let mut identity = Identity::default();
    for person in named.into_iter().flatten() {
        match person {
            Person::Phone(number) => identity.phone = identity.phone.or(Some(number)),
            Person::Bsuid(id) => identity.bsuid = identity.bsuid.or(Some(id)),
        }
    }
    identity
}

/// The contacts beside messages and statuses, found by either name.
struct Contacts<'c> {
    list: &'c [NotifiedContact],
    by_phone: BTreeMap<PhoneNumber, usize>,
    by_bsuid: BTreeMap<Bsuid, usize>,
}

impl<'c> Contacts<'c> {
    fn new(list: &'c [NotifiedContact]) -> Self {
        let mut contacts = Self { list, by_phone: BTreeMap::new(), by_bsuid: BTreeMap::new() };
        for (at, contact) in list.iter().enumerate() {
            let Identity { phone, bsuid } = of_contact(contact);
            phone.map(|phone| contacts.by_phone.entry(phone).or_insert(at));
            bsuid.map(|bsuid| contacts.by_bsuid.entry(bsuid).or_insert(at));
        }
        contacts
    }

    /// The first one that is about the same person.
    fn find(&self, who: &Identity) -> Option<&'c NotifiedContact> {
        let by_phone = who.phone.and_then(|phone| self.by_phone.get(&phone));
        let by_bsuid = who.bsuid.as_ref().and_then(|bsuid| self.by_bsuid.get(bsuid));
        by_phone.into_iter().chain(by_bsuid).min().map(|at| &self.list[*at])
    }
}

/// Adds the other name of the person.
fn completed(identity: Identity, named: Option<&NotifiedContact>) -> Identity {
    match named {
        Some(contact) => identity.or(of_contact(contact)),
        None => identity,
    }
}

fn of_contact(contact: &NotifiedContact) -> Identity {
    identity(contact.wa_id.as_deref(), contact.user_id.as_deref())
}

#[cfg(test)]
mod tests;
