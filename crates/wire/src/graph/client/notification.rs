//! Notifications: what Meta sends to an app's callback.
//!
//! Read as tolerantly as answers are: what is not known is skipped, and what has an unexpected type counts as absent.
//! Nothing is lost by that, because the bytes are kept as they came. Shapes: Meta, "Webhooks reference, messages" and its
//! pages on text, system, unsupported, status and error updates, "Business-scoped user IDs" (all documented).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::GraphError;
use super::answer::{number, objects, string};

mod content;
mod split;

use split::Around;
pub use split::ChangesApart;

/// The body of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationBody<'a> {
    /// Its entries, one per WABA and moment. What is no object is one that says nothing.
    pub entries: Vec<NotificationEntry<'a>>,
    around: Option<Around<'a>>,
}

/// What happened at one WABA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationEntry<'a> {
    /// `id`: the WABA.
    pub id: Option<String>,
    /// The entry as it stands in the body.
    pub text: &'a str,
    /// `changes`.
    pub changes: Vec<NotificationChange>,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationChange {
    /// `field`: `messages` for all that happens in chats.
    pub field: String,
    /// `value.metadata.phone_number_id`.
    pub phone_number_id: Option<String>,
    /// `value.metadata.display_phone_number`.
    pub display_phone_number: Option<String>,
    /// `value.contacts`: the persons that messages and statuses are about.
    pub contacts: Vec<NotifiedContact>,
    /// `value.messages`.
    pub messages: Vec<NotifiedMessage>,
    /// `value.statuses`.
    pub statuses: Vec<NotifiedStatus>,
    /// `value.errors`: what the number could not do. Each with its JSON text.
    pub errors: Vec<(GraphError, String)>,
    /// `value`, as JSON text, of a change that brings none of these.
    pub value: Option<String>,
}

/// A person in [`NotificationChange::contacts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedContact {
    /// `wa_id`; may be absent for users with a username.
    pub wa_id: Option<String>,
    /// `user_id`: the business-scoped id.
    pub user_id: Option<String>,
    /// `profile.name`.
    pub name: Option<String>,
}

/// A message that a person wrote, or what the system says in the chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedMessage {
    /// `id`.
    pub id: Option<String>,
    /// `from`: a number; may be absent for users with a username.
    pub from: Option<String>,
    /// `from_user_id`.
    pub from_user_id: Option<String>,
    /// `timestamp`, in whole seconds; Meta writes it as a text.
    pub timestamp: Option<u64>,
    /// `type`: `text`, `system`, `unsupported` and many others.
    pub kind: Option<String>,
    /// `referral`: the ad that the person came from.
    pub referral: Option<Referral>,
    /// `system`, of a message of that type.
    pub system: Option<SystemNews>,
    /// `errors`, such as 131051 of a message of type `unsupported`.
    pub errors: Vec<GraphError>,
    /// What it says.
    pub content: NotifiedContent,
}

/// What a message says (Meta, the pages of the messages webhook reference by type, documented).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedContent {
    /// `text.body`, `button.text`, or the `title` of an interactive reply.
    pub text: Option<String>,
    /// The member of a message of type `audio`, `document`, `image`, `sticker` or `video`.
    pub media: Option<NotifiedMedia>,
    /// `location`.
    pub location: Option<NotifiedLocation>,
    /// `context.id`: the message that this one answers.
    pub context: Option<String>,
    /// The member that has the type's name, unless its words are all it has; `referral`, `contacts` and `errors`. Each by
    /// its name, as JSON text.
    pub members: Vec<(String, String)>,
}

/// A file that a person sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedMedia {
    /// `url`, where Meta tells it.
    pub url: Option<String>,
    /// `mime_type`.
    pub mime_type: Option<String>,
    /// `caption`, else `filename`.
    pub title: Option<String>,
}

/// A place that a person sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedLocation {
    /// `latitude`, as it is written.
    pub latitude: Option<String>,
    /// `longitude`.
    pub longitude: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `address`.
    pub address: Option<String>,
}

/// The ad behind a message. `ctwa_clid` is absent for ads in WhatsApp Status (Meta, text messages webhook reference,
/// documented), and for posts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referral {
    /// `ctwa_clid`.
    pub ctwa_clid: Option<String>,
    /// `source_id`: the ad.
    pub source_id: Option<String>,
    /// `headline`.
    pub headline: Option<String>,
}

/// What a system message says (Meta, "System messages webhook reference", documented).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemNews {
    /// `type`: `user_changed_number` or `user_changed_user_id`.
    pub kind: Option<String>,
    /// `wa_id`, the new number; before version 12 of the Graph API `new_wa_id`.
    pub wa_id: Option<String>,
    /// `user_id`: the new business-scoped id.
    pub user_id: Option<String>,
    /// `previous_user_id`.
    pub previous_user_id: Option<String>,
    /// All of it, as JSON text.
    pub text: String,
}

/// What became of a message of the business's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedStatus {
    /// `id`: the message.
    pub id: Option<String>,
    /// `status`: `sent`, `delivered`, `read`, `played` or `failed`.
    pub status: Option<String>,
    /// `timestamp`, in whole seconds.
    pub timestamp: Option<u64>,
    /// `recipient_id`: a number; may be absent for users with a username.
    pub recipient_id: Option<String>,
    /// `recipient_user_id`.
    pub recipient_user_id: Option<String>,
    /// `errors`, of a failed message.
    pub errors: Vec<GraphError>,
}

impl<'a> NotificationBody<'a> {
    /// Reads a body; gives nothing only if it is not a JSON object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow, default)]
            entry: Option<&'a RawValue>,
        }
        // What is skipped is not looked at by the JSON parser, which would let bytes pass that are no text.
        let body = std::str::from_utf8(body).ok()?;
        let envelope: Envelope<'a> = serde_json::from_str(body).ok()?;
        // A list in the place of an object would do for serde.
        body.trim_ascii_start().starts_with('{').then_some(())?;
        let entries = envelope.entry.and_then(|list| serde_json::from_str::<Vec<&RawValue>>(list.get()).ok());
        Some(Self {
            entries: entries.unwrap_or_default().into_iter().map(|text| entry(text.get())).collect(),
            around: envelope.entry.and_then(|list| Around::of(body, list.get())),
        })
    }
}

fn entry(text: &str) -> NotificationEntry<'_> {
    let entry = serde_json::from_str(text).or_else(|_| serde_json::from_str(&mended(text)));
    let entry: Map<String, Value> = entry.unwrap_or_default();
    let changes = objects(list(&entry, "changes")).map(change).collect();
    NotificationEntry { id: string(&entry, "id"), text, changes }
}

/// The text with a replacement character for each half of a surrogate pair that stands alone. Such an escape is allowed in
/// JSON, and nothing that Rust could keep as a text; a user's broken emoji must not cost the messages beside it.
fn mended(text: &str) -> String {
    const ESCAPE: usize = 6;
    let unit = |at: usize| {
        let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut mended, mut copied, mut at) = (String::with_capacity(text.len()), 0, 0);
    while let Some(found) = text[at..].find('\\') {
        let escape = at + found;
        let (is_high, is_low) = (0xd800..0xdc00_u16, 0xdc00..0xe000_u16);
        at = match unit(escape) {
            Some(high)
                if is_high.contains(&high)
                    && unit(escape + ESCAPE).is_some_and(|low| is_low.contains(&low)) =>
            {
                escape + 2 * ESCAPE
            }
            Some(alone) if is_high.contains(&alone) || is_low.contains(&alone) => {
                mended.push_str(&text[copied..escape]);
                mended.push_str("\\ufffd");
                copied = escape + ESCAPE;
                copied
            }
            Some(_) => escape + ESCAPE,
            // The character after a backslash is escaped, whatever it is.
            None => escape + 1 + text[escape + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    mended.push_str(&text[copied..]);
    mended
}

fn change(change: &Map<String, Value>) -> NotificationChange {
    let field = string(change, "field").unwrap_or_default();
    let Some(value) = change.get("value").and_then(Value::as_object) else {
        return NotificationChange { field, ..NotificationChange::default() };
    };
    let metadata = value.get("metadata").and_then(Value::as_object);
    let mut change = NotificationChange {
        field,
        phone_number_id: metadata.and_then(|metadata| string(metadata, "phone_number_id")),
        display_phone_number: metadata.and_then(|metadata| string(metadata, "display_phone_number")),
        contacts: objects(list(value, "contacts")).map(contact).collect(),
        messages: objects(list(value, "messages")).map(message).collect(),
        statuses: objects(list(value, "statuses")).map(status).collect(),
        errors: objects(list(value, "errors"))
            .map(|error| (GraphError::read(error), text_of(error)))
            .collect(),
        value: None,
    };
    if change.messages.is_empty() && change.statuses.is_empty() && change.errors.is_empty() {
        change.value = Some(text_of(value));
    }
    change
}

fn contact(contact: &Map<String, Value>) -> NotifiedContact {
    let profile = object(contact, "profile");
    NotifiedContact {
        wa_id: string(contact, "wa_id"),
        user_id: string(contact, "user_id"),
        name: profile.and_then(|profile| string(profile, "name")),
    }
}

fn message(message: &Map<String, Value>) -> NotifiedMessage {
    NotifiedMessage {
        id: string(message, "id"),
        from: string(message, "from"),
        from_user_id: string(message, "from_user_id"),
        timestamp: number(message, "timestamp"),
        kind: string(message, "type"),
        referral: object(message, "referral").map(Referral::read),
        system: object(message, "system").map(|system| SystemNews {
            kind: string(system, "type"),
            wa_id: string(system, "wa_id").or_else(|| string(system, "new_wa_id")),
            user_id: string(system, "user_id"),
            previous_user_id: string(system, "previous_user_id"),
            text: text_of(system),
        }),
        errors: errors(message),
        content: NotifiedContent::of(message),
    }
}

fn status(status: &Map<String, Value>) -> NotifiedStatus {
    NotifiedStatus {
        id: string(status, "id"),
        status: string(status, "status"),
        timestamp: number(status, "timestamp"),
        recipient_id: string(status, "recipient_id"),
        recipient_user_id: string(status, "recipient_user_id"),
        errors: errors(status),
    }
}

impl Referral {
    pub(crate) fn read(referral: &Map<String, Value>) -> Self {
        Self {
            ctwa_clid: string(referral, "ctwa_clid"),
            source_id: string(referral, "source_id"),
            headline: string(referral, "headline"),
        }
    }
}

fn errors(object: &Map<String, Value>) -> Vec<GraphError> {
    objects(list(object, "errors")).map(GraphError::read).collect()
}

fn object<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Map<String, Value>> {
    object.get(name).and_then(Value::as_object)
}

fn text_of(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).expect("an object has a JSON form")
}

fn list<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Vec<Value>> {
    object.get(name).and_then(Value::as_array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_halves_are_replaced_and_nothing_else() {
        for (text, expected) in [
            (r"\ud83d\udc4d \u00e4 \n", r"\ud83d\udc4d \u00e4 \n"),
            (r"\ud83d", r"\ufffd"),
            (r"\udc4d\ud83d!", r"\ufffd\ufffd!"),
            (r"\ud83d\ud83d\udc4d", r"\ufffd\ud83d\udc4d"),
            (r"\\ud83d", r"\\ud83d"),
            (r"\\\ud83d", r"\\\ufffd"),
            (r"\ud83\", r"\ud83\"),
            (r"\é\", r"\é\"),
            ("", ""),
        ] {
            assert_eq!(mended(text), expected, "{text}");
        }
    }

    #[test]
    fn a_broken_emoji_costs_no_message() {
        let body = br#"{"entry":[{"id":"1","changes":[{"value":{"messages":[{"id":"a","text":{"body":"\ud83d"}},{"id":"b"}]}}]}]}"#;
        let read = NotificationBody::read(body).unwrap();
        assert_eq!(read.entries[0].changes[0].messages.len(), 2);
    }
}
