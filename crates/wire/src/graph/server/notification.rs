//! Notifications: what Meta posts to a business's webhook.
//!
//! Shapes are those of Meta's pages *Text messages webhook reference* (with its message from an ad), *Status messages
//! webhook reference*, *Unsupported messages webhook reference*, *System messages webhook reference* and
//! *Business-scoped user IDs* (D). Members stand in the order of their examples. Timestamps are texts (D).

use serde::Serialize;

/// One thing that happened at one business number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The WhatsApp Business account.
    pub waba_id: String,
    /// The business number, digits only.
    pub display_phone_number: String,
    /// Its id.
    pub phone_number_id: String,
    /// The user at the other end.
    pub user: NotifiedUser,
    /// The id of the message that it is about.
    pub wamid: String,
    /// When it happened, in seconds since 1970.
    pub at_seconds: u64,
    /// What happened.
    pub happening: Happening,
}

/// A user as notifications name one. Users with a username may come without a number (D).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifiedUser {
    /// The name in the user's profile.
    pub name: String,
    /// The username, if the user has taken one.
    pub username: Option<String>,
    /// The number's digits, unless they are withheld.
    pub wa_id: Option<String>,
    /// The business-scoped id; notifications have it since April 2026 (D).
    pub user_id: Option<String>,
}

/// What a notification tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The user wrote a text.
    Text {
        /// The text.
        body: String,
        /// The ad that the user came from; on the first message after the click only (D).
        referral: Option<Referral>,
    },
    /// The user sent something that the Cloud API does not carry: 131051.
    Unsupported,
    /// The user moved to another number, whose digits these are.
    ChangedNumber {
        /// The new number's digits.
        new_wa_id: String,
    },
    /// How far a message of the business came.
    Status(DeliveryStatus),
}

/// The ad that a chat came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Referral {
    /// Where the ad leads.
    pub source_url: String,
    /// The ad's id.
    pub source_id: String,
    /// `ad` or `post`.
    pub source_type: &'static str,
    /// The ad's text.
    pub body: String,
    /// Its headline.
    pub headline: String,
    /// `image` or `video`.
    pub media_type: &'static str,
    /// Its picture.
    pub image_url: String,
    /// The click's id, which a conversion names; left out for ads in WhatsApp Status (D).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctwa_clid: Option<String>,
    /// The greeting that the ad shows.
    pub welcome_message: WelcomeMessage,
}

/// The greeting of an ad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WelcomeMessage {
    /// Its text.
    pub text: String,
}

/// How far a message of the business came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// One grey tick.
    Sent,
    /// Two grey ticks.
    Delivered,
    /// Two blue ticks.
    Read,
    /// It did not arrive: the business has blocked the user, 130403 (D code; the webhook itself is (U)).
    FailedBlocked {
        /// Whether the business named the user by number; then the business-scoped id is left out (D).
        by_number: bool,
    },
}

/// How letters beyond ASCII are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationText {
    /// As `\u00e4`, with lower-case digits, and a slash as `\/`: what Meta's servers send and sign (D, slash C).
    Escaped,
    /// As UTF-8.
    Utf8,
}

/// The body that tells of all of these, in this order. Neighbours of one account share an entry.
pub fn notification_body(notifications: &[Notification], text: NotificationText) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        object: &'static str,
        entry: Vec<Entry<'a>>,
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        id: &'a str,
        changes: Vec<Change<'a>>,
    }
    #[derive(Serialize)]
    struct Change<'a> {
        value: Value<'a>,
        field: &'static str,
    }
    let same_account = |left: &Notification, right: &Notification| left.waba_id == right.waba_id;
    let entry = notifications.chunk_by(same_account).map(|of_account| Entry {
        id: &of_account[0].waba_id,
        changes: of_account
            .iter()
            .map(|notification| Change { value: notification.value(), field: "messages" })
            .collect(),
    });
    let body = Body { object: "whatsapp_business_account", entry: entry.collect() };
    let json = serde_json::to_string(&body).expect("a notification is always JSON");
    match text {
        NotificationText::Escaped => escaped(&json).into_bytes(),
        NotificationText::Utf8 => json.into_bytes(),
    }
}

/// The same JSON without a letter beyond ASCII, and with slashes escaped. Both occur within texts only.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '/' => text.push_str("\\/"),
            ascii if ascii.is_ascii() => text.push(ascii),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}

#[derive(Serialize)]
struct Value<'a> {
    messaging_product: &'static str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<[Contact<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[Message<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<[Status<'a>; 1]>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    display_phone_number: &'a str,
    phone_number_id: &'a str,
}

#[derive(Serialize)]
struct Contact<'a> {
    profile: Profile<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Profile<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_user_id: Option<&'a str>,
    id: &'a str,
    timestamp: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referral: Option<&'a Referral>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[MessageError; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct System<'a> {
    body: String,
    wa_id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Status<'a> {
    id: &'a str,
    status: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[MessageError; 1]>,
}

/// What a text within the window costs: nothing (D).
#[derive(Serialize)]
struct Pricing {
    billable: bool,
    pricing_model: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    category: &'static str,
}

const FREE: Pricing =
    Pricing { billable: false, pricing_model: "PMP", kind: "free_customer_service", category: "service" };

#[derive(Serialize)]
struct MessageError {
    code: u32,
    title: &'static str,
    message: &'static str,
    error_data: Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<&'static str>,
}

#[derive(Serialize)]
struct Details {
    details: &'static str,
}

const UNSUPPORTED: MessageError = MessageError {
    code: 131_051,
    title: "Message type unknown",
    message: "Message type unknown",
    error_data: Details { details: "Message type is currently not supported." },
    href: None,
};

const BLOCKED: MessageError = MessageError {
    code: 130_403,
    title: "Unable to deliver the message",
    message: "Unable to deliver the message",
    error_data: Details { details: "This business has blocked the end user on WhatsApp." },
    href: Some("/documentation/business-messaging/whatsapp/support/error-codes"),
};

impl Notification {
    fn value(&self) -> Value<'_> {
        let contact = || {
            let NotifiedUser { name, username, wa_id, user_id } = &self.user;
            let profile = Profile { name, username: username.as_deref() };
            Some([Contact { profile, wa_id: wa_id.as_deref(), user_id: user_id.as_deref() }])
        };
        let (contacts, messages, statuses) = match &self.happening {
            Happening::Text { body, referral } => {
                let text = Some(Text { body });
                let message = Message { text, referral: referral.as_ref(), ..self.message("text") };
                (contact(), Some([message]), None)
            }
            Happening::Unsupported => {
                let message = Message { errors: Some([UNSUPPORTED]), ..self.message("unsupported") };
                (contact(), Some([message]), None)
            }
            // Alone among messages, this one comes without contacts (D).
            Happening::ChangedNumber { new_wa_id } => {
                let old = self.user.wa_id.as_deref().or(self.user.user_id.as_deref()).unwrap_or_default();
                let system = System {
                    body: format!("User {} changed from {old} to {new_wa_id}", self.user.name),
                    wa_id: new_wa_id,
                    kind: "user_changed_number",
                };
                (None, Some([Message { system: Some(system), ..self.message("system") }]), None)
            }
            Happening::Status(status) => {
                let contacts = match status {
                    DeliveryStatus::Sent | DeliveryStatus::Delivered | DeliveryStatus::Read => contact(),
                    DeliveryStatus::FailedBlocked { .. } => None,
                };
                (contacts, None, Some([self.status(*status)]))
            }
        };
        Value {
            messaging_product: "whatsapp",
            metadata: Metadata {
                display_phone_number: &self.display_phone_number,
                phone_number_id: &self.phone_number_id,
            },
            contacts,
            messages,
            statuses,
        }
    }

    fn message(&self, kind: &'static str) -> Message<'_> {
        Message {
            from: self.user.wa_id.as_deref(),
            from_user_id: self.user.user_id.as_deref(),
            id: &self.wamid,
            timestamp: self.at_seconds.to_string(),
            kind,
            text: None,
            referral: None,
            errors: None,
            system: None,
        }
    }

    fn status(&self, status: DeliveryStatus) -> Status<'_> {
        // Prices stand on the first status and on one more (D); which one more is left open, here the second (I).
        let (name, pricing, errors, shows_user_id) = match status {
            DeliveryStatus::Sent => ("sent", Some(FREE), None, true),
            DeliveryStatus::Delivered => ("delivered", Some(FREE), None, true),
            DeliveryStatus::Read => ("read", None, None, true),
            DeliveryStatus::FailedBlocked { by_number } => ("failed", None, Some([BLOCKED]), !by_number),
        };
        Status {
            id: &self.wamid,
            status: name,
            timestamp: self.at_seconds.to_string(),
            recipient_id: self.user.wa_id.as_deref(),
            recipient_user_id: self.user.user_id.as_deref().filter(|_| shows_user_id),
            pricing,
            errors,
        }
    }
}
