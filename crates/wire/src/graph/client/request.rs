//! Requests that leave: their paths and their bodies.

use laneway_model::{Conversion, DatasetId, Person, PhoneNumberId, WabaId, Wamid};
use serde::Serialize;
use serde_json::value::RawValue;

use super::custom::Custom;
use super::object::{Object, raw};

/// Who sends a conversion, as Meta's `partner_agent` wants it said.
pub const PARTNER_AGENT: &str = "laneway";

/// The places of the Graph API that are called, without version and host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// `POST`: read marks and typing indicators. Meta, "Mark message as read" (documented).
    Messages(&'a PhoneNumberId),
    /// `POST` blocks, `DELETE` with a body unblocks, `GET` lists. Meta, "Block users" (documented).
    BlockUsers(&'a PhoneNumberId),
    /// `GET`: a page of the block list, of at most `limit` rows, after a cursor. Meta, "Block users" (documented).
    BlockList {
        /// The business number whose list it is.
        number: &'a PhoneNumberId,
        /// The most rows wanted.
        limit: u16,
        /// The cursor `paging.cursors.after` of the page before; none for the first.
        after: Option<&'a str>,
    },
    /// `POST`: conversions. Meta, "Conversions API for business messaging" (documented).
    Events(&'a DatasetId),
    /// `GET` tells the data set of a WABA, `POST` creates it or tells the existing one; neither has a body. Meta,
    /// "Conversions API for business messaging" (documented).
    Dataset(&'a WabaId),
    /// `GET`: a page of the numbers of a WABA. github.com/facebook/openapi @ecba623 `business-messaging-api_v23.0.yaml`,
    /// line 25613 (documented).
    PhoneNumbers {
        /// The WABA.
        waba: &'a WabaId,
        /// The most rows wanted: 1 to 100 (documented).
        limit: u16,
        /// The cursor `paging.cursors.after` of the page before; none for the first.
        after: Option<&'a str>,
    },
    /// `GET`: the apps that are subscribed to a WABA's webhooks. github.com/facebook/openapi @ecba623
    /// `business-messaging-api_v23.0.yaml`, line 27351 (documented).
    SubscribedApps(&'a WabaId),
    /// `GET`: what there is to know of a token. Graph API reference, "Debug-Token" (documented). The token stands in the
    /// address, where the logs of whatever is between may show it.
    DebugToken(&'a str),
    /// `GET`: the app that the asking token is of (seen in the field).
    App,
}

/// The query with which Meta asks whether a callback is the right one. Meta, "Webhooks, verification requests"
/// (documented).
pub fn challenge_query(challenge: &str, verify_token: &str) -> String {
    let query = [("hub.mode", "subscribe"), ("hub.challenge", challenge), ("hub.verify_token", verify_token)];
    serde_urlencoded::to_string(query).expect("texts have a query form")
}

impl Endpoint<'_> {
    /// The path, and the query if there is one, from the slash after the version on.
    pub fn path(&self) -> String {
        match self {
            Self::Messages(number) => format!("/{number}/messages"),
            Self::BlockUsers(number) => format!("/{number}/block_users"),
            Self::BlockList { number, limit, after } => {
                format!("/{number}/block_users?{}", page_query(*limit, *after))
            }
            Self::Events(dataset) => format!("/{dataset}/events"),
            Self::Dataset(waba) => format!("/{waba}/dataset"),
            Self::PhoneNumbers { waba, limit, after } => {
                format!("/{waba}/phone_numbers?{}", page_query(*limit, *after))
            }
            Self::SubscribedApps(waba) => format!("/{waba}/subscribed_apps"),
            Self::DebugToken(token) => {
                let query = serde_urlencoded::to_string([("input_token", token)]);
                format!("/debug_token?{}", query.expect("texts have a query form"))
            }
            Self::App => "/app".to_owned(),
        }
    }
}

fn page_query(limit: u16, after: Option<&str>) -> String {
    let limit = limit.to_string();
    let query = [("limit", Some(limit.as_str())), ("after", after)];
    serde_urlencoded::to_string(query).expect("texts have a query form")
}

#[derive(Serialize)]
struct ReadMark<'a> {
    messaging_product: &'static str,
    status: &'static str,
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    typing_indicator: Option<TypingIndicator>,
}

#[derive(Serialize)]
struct TypingIndicator {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct BlockUsers<'a> {
    messaging_product: &'static str,
    block_users: &'a [Box<RawValue>],
}

#[derive(Serialize)]
struct BlockUser<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Events<'a> {
    data: &'a [Box<RawValue>],
    partner_agent: &'static str,
}

/// The body that marks a message, and all before it, as read.
pub fn mark_as_read(message_id: &Wamid) -> String {
    read_mark(message_id, None)
}

/// The body that shows the user that an answer is being written; it marks the message as read, too. Meta, "Typing
/// indicators" (documented).
pub fn typing(message_id: &Wamid) -> String {
    read_mark(message_id, Some(TypingIndicator { kind: "text" }))
}

fn read_mark(message_id: &Wamid, typing_indicator: Option<TypingIndicator>) -> String {
    text(&ReadMark {
        messaging_product: "whatsapp",
        status: "read",
        message_id: message_id.as_str(),
        typing_indicator,
    })
}

/// One user's entry in the body of [`block_users`]: `user` for a phone number with its plus sign, `user_id` for a
/// business-scoped user id. Meta, "Block users" and "Business-scoped user IDs" (documented).
pub fn block_user(person: &Person) -> Box<RawValue> {
    raw(&match person {
        Person::Phone(number) => BlockUser { user: Some(number.to_string()), user_id: None },
        Person::Bsuid(id) => BlockUser { user: None, user_id: Some(id.as_str()) },
    })
}

/// The body that blocks or unblocks, depending on the method, the users of the entries.
pub fn block_users(users: &[Box<RawValue>]) -> String {
    text(&BlockUsers { messaging_product: "whatsapp", block_users: users })
}

/// One conversion's entry in the body of [`events`]. `event_id` is the client's, or else the event's own id. Fields of
/// the client's `custom` that Meta knows are added, see [`known_custom`](super::known_custom).
pub fn conversion(
    waba: &WabaId,
    event_id: &str,
    conversion: &Conversion,
    custom: Option<&str>,
) -> Box<RawValue> {
    let custom = custom.map(Custom::read).unwrap_or_default();
    let mut user_data = Object::default();
    user_data.put("whatsapp_business_account_id", &waba.as_str());
    if let Some(click) = &conversion.click {
        user_data.put("ctwa_clid", &click.value.as_str());
    }
    user_data.append(custom.user_data);
    let mut custom_data = Object::default();
    if let Some(currency) = &conversion.currency {
        custom_data.put("currency", &currency.as_str());
    }
    if let Some(value) = &conversion.value {
        let number = RawValue::from_string(value.as_str().to_owned()).expect("an amount is a JSON number");
        custom_data.put("value", &number);
    }
    custom_data.append(custom.custom_data);

    let mut event = Object::default();
    event.put("event_name", &conversion.name.as_str());
    event.put("event_time", &conversion.event_time.as_secs());
    event.put("event_id", &event_id);
    event.put("action_source", &"business_messaging");
    event.put("messaging_channel", &"whatsapp");
    event.put("user_data", &user_data);
    if !custom_data.is_empty() {
        event.put("custom_data", &custom_data);
    }
    event.append(custom.event);
    raw(&event)
}

/// The body that sends the conversions of the entries.
pub fn events(data: &[Box<RawValue>]) -> String {
    text(&Events { data, partner_agent: PARTNER_AGENT })
}

fn text(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("structs of texts have a JSON form")
}
