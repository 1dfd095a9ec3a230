//! What the calls ask for, taken out of their parameters.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::parameters::{unwrapped, word};
use super::{ConversionRefusal, Cursor, Parameters, Refusal, decode_id};

/// The most users one `block_users` call may name (Meta, *Block users* (D)).
pub const USERS_PER_REQUEST_MAX: usize = 1_000;

/// The most events one `events` call may carry (Meta, *Conversions API for Business Messaging* (D)).
pub const EVENTS_PER_REQUEST_MAX: usize = 1_000;

/// A call of `/messages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageRequest {
    /// The business has read a message (Meta, *Mark messages as read*; with a typing indicator, *Typing indicators*).
    Read {
        /// The message's wamid.
        message_id: String,
        /// Whether the typing indicator is to be shown as well.
        typing: bool,
    },
    /// The business writes a text.
    Text {
        /// Who is to receive it.
        recipient: Recipient,
        /// The text.
        body: String,
    },
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// `to`: a phone number, which wins when both are given (Meta, *Business-scoped user IDs* (D)).
    Phone(String),
    /// `recipient`: a business-scoped user id.
    UserId(String),
}

/// One user of a `block_users` call, named as the client named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockEntry {
    /// `user`: a phone number, which wins when both are given (Meta, *Business-scoped user IDs* (D)).
    Phone(String),
    /// `user_id`: a business-scoped user id.
    UserId(String),
}

/// Which page of a block list is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlocklistQuery {
    /// Entries per page, if the client said.
    pub limit: Option<u64>,
    /// The page that follows this cursor.
    pub after: Option<Cursor>,
    /// The page that ends before this cursor.
    pub before: Option<Cursor>,
}

/// Which page of a list of objects is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdQuery {
    /// Entries per page, if the client said.
    pub limit: Option<u64>,
    /// The page that follows the object with this id.
    pub after: Option<String>,
    /// The page that ends before the object with this id.
    pub before: Option<String>,
}

/// A call of `/events`: 1 to [`EVENTS_PER_REQUEST_MAX`] events, each as received.
#[derive(Debug)]
pub struct ConversionBatch {
    /// The events' own JSON.
    pub events: Vec<Box<RawValue>>,
    /// The request's `test_event_code`. Meta does not drop such events (D).
    pub test_event_code: Option<String>,
}

/// The part of a conversion event that decides whether it is taken.
#[derive(Debug, Default, Deserialize)]
pub struct ConversionFields<'a> {
    /// The event's name.
    #[serde(borrow, default)]
    pub event_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_time: Option<&'a RawValue>,
    /// Where the conversion took place.
    #[serde(borrow, default)]
    pub action_source: Option<Cow<'a, str>>,
    /// Which messaging service carried it.
    #[serde(borrow, default)]
    pub messaging_channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_source_url: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_ip_address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_user_agent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user_data: UserData<'a>,
    #[serde(borrow, default)]
    custom_data: CustomData<'a>,
}

/// The instant of an event as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// Not given.
    Missing,
    /// Not an integer.
    Unreadable,
    /// An integer: seconds since 1970, or what the client takes for seconds.
    Number(i64),
}

#[derive(Debug, Default, Deserialize)]
struct UserData<'a> {
    #[serde(borrow, default)]
    whatsapp_business_account_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ctwa_clid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    page_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_ip_address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_user_agent: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct CustomData<'a> {
    #[serde(borrow, default)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

/// Reads a call of `/messages`.
///
/// # Errors
/// The refusal Meta documents for a missing or impossible parameter; [`Refusal::UnsupportedMessageType`] for anything
/// but a read mark or a text.
pub fn message_request(parameters: &Parameters<'_>) -> Result<MessageRequest, Refusal> {
    messaging_product(parameters)?;
    if let Some(status) = parameters.text("status")? {
        if status != "read" {
            return Err(Refusal::InvalidParameter("status"));
        }
        let message_id = required(parameters.text("message_id")?, "message_id")?;
        return Ok(MessageRequest::Read { message_id, typing: typing(parameters)? });
    }
    if parameters.contains("message_id") {
        return Err(Refusal::MissingParameter("status"));
    }
    text_message(parameters)
}

/// Reads a call of `block_users` that blocks or unblocks.
///
/// # Errors
/// The refusal for a missing or impossible parameter; [`Refusal::TooManyUsers`] above [`USERS_PER_REQUEST_MAX`].
pub fn block_request(parameters: &Parameters<'_>) -> Result<Vec<BlockEntry>, Refusal> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow, default)]
        user: Option<&'a RawValue>,
        #[serde(borrow, default)]
        user_id: Option<&'a RawValue>,
    }
    const NAME: &str = "block_users";
    messaging_product(parameters)?;
    let json = parameters.json(NAME)?.ok_or(Refusal::MissingParameter(NAME))?;
    let entries: Vec<Entry<'_>> = serde_json::from_str(&json).map_err(|_| Refusal::InvalidParameter(NAME))?;
    if entries.is_empty() {
        return Err(Refusal::MissingParameter(NAME));
    }
    if entries.len() > USERS_PER_REQUEST_MAX {
        return Err(Refusal::TooManyUsers);
    }
    let named = |raw: Option<&RawValue>, name| match raw.map(word) {
        None | Some(Some(None)) => Ok(None),
        Some(Some(Some(text))) => Ok(Some(text.into_owned())),
        Some(None) => Err(Refusal::InvalidParameter(name)),
    };
    let read = |entry: Entry<'_>| match (named(entry.user, "user")?, named(entry.user_id, "user_id")?) {
        (Some(phone), _) => Ok(BlockEntry::Phone(phone)),
        (None, Some(id)) => Ok(BlockEntry::UserId(id)),
        (None, None) => Err(Refusal::MissingParameter("user")),
    };
    entries.into_iter().map(read).collect()
}

/// Reads the query of a block list.
///
/// # Errors
/// [`Refusal::InvalidParameter`] for a limit that is no positive number or a cursor that is none.
pub fn blocklist_query(parameters: &Parameters<'_>) -> Result<BlocklistQuery, Refusal> {
    let cursor = |name| page_cursor(parameters, name, Cursor::decode);
    Ok(BlocklistQuery { limit: page_limit(parameters)?, after: cursor("after")?, before: cursor("before")? })
}

/// Reads which page of a list of objects is wanted.
///
/// # Errors
/// [`Refusal::InvalidParameter`] for a limit that is no positive number or a cursor that is none.
pub fn id_query(parameters: &Parameters<'_>) -> Result<IdQuery, Refusal> {
    let cursor = |name| page_cursor(parameters, name, decode_id);
    Ok(IdQuery { limit: page_limit(parameters)?, after: cursor("after")?, before: cursor("before")? })
}

fn page_limit(parameters: &Parameters<'_>) -> Result<Option<u64>, Refusal> {
    match parameters.text("limit")? {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => Err(Refusal::InvalidParameter("limit")),
            Ok(limit) => Ok(Some(limit)),
        },
    }
}

fn page_cursor<T>(
    parameters: &Parameters<'_>,
    name: &'static str,
    decode: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    match parameters.text(name)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => decode(&text).map(Some).ok_or(Refusal::InvalidParameter(name)),
    }
}

/// Reads a call of `/events`: `data` as a list, as a JSON string of one, or as a list of JSON strings.
///
/// # Errors
/// [`Refusal::ParameterRequired`] without events, [`Refusal::Conversion`] for more than [`EVENTS_PER_REQUEST_MAX`] or
/// for something that is no list of events.
pub fn conversion_batch(parameters: &Parameters<'_>) -> Result<ConversionBatch, Refusal> {
    let json = parameters.json("data")?.ok_or(Refusal::ParameterRequired("data"))?;
    let given: Vec<&RawValue> = serde_json::from_str(&json)
        .map_err(|_| Refusal::conversion(0, ConversionRefusal::Invalid("data")))?;
    if given.is_empty() {
        return Err(Refusal::ParameterRequired("data"));
    }
    if given.len() > EVENTS_PER_REQUEST_MAX {
        return Err(Refusal::conversion(EVENTS_PER_REQUEST_MAX, ConversionRefusal::TooMany));
    }
    let mut events = Vec::with_capacity(given.len());
    for (index, raw) in given.into_iter().enumerate() {
        let event = unwrapped(raw)
            .and_then(|text| RawValue::from_string(text.into_owned()).ok())
            .filter(|event| event.get().starts_with('{'))
            .ok_or(Refusal::conversion(index, ConversionRefusal::Invalid("data")))?;
        events.push(event);
    }
    let test_event_code = parameters.text("test_event_code")?.map(Cow::into_owned);
    Ok(ConversionBatch { events, test_event_code })
}

impl<'a> ConversionFields<'a> {
    /// Reads the deciding part of one event. `index` is its place in the request, for the refusal.
    ///
    /// # Errors
    /// [`ConversionRefusal::Invalid`] if a field has an impossible type.
    pub fn read(index: usize, event: &'a RawValue) -> Result<ConversionFields<'a>, Refusal> {
        serde_json::from_str(event.get())
            .map_err(|_| Refusal::conversion(index, ConversionRefusal::Invalid("data")))
    }

    /// When it happened, according to the client. Digits in a string are read as a number (I).
    pub fn event_time(&self) -> EventTime {
        match self.event_time.map(word) {
            None | Some(Some(None)) => EventTime::Missing,
            Some(None) => EventTime::Unreadable,
            Some(Some(Some(text))) => text.parse().map_or(EventTime::Unreadable, EventTime::Number),
        }
    }

    /// The client's own id of the event.
    pub fn event_id(&self) -> Option<Cow<'a, str>> {
        self.event_id.and_then(word).flatten()
    }

    /// Whether a field is present that messaging events must not carry (subcode 2804064 (C)).
    pub fn has_forbidden_field(&self) -> bool {
        self.event_source_url.is_some()
            || self.client_ip_address.is_some()
            || self.client_user_agent.is_some()
            || self.user_data.client_ip_address.is_some()
            || self.user_data.client_user_agent.is_some()
    }

    /// Whether a Facebook page is named, which a WhatsApp data set does not have (subcode 2804131 (C)).
    pub fn has_page_id(&self) -> bool {
        self.user_data.page_id.is_some()
    }

    /// `user_data.whatsapp_business_account_id`.
    pub fn waba_id(&self) -> Option<Cow<'a, str>> {
        self.user_data.whatsapp_business_account_id.and_then(word).flatten()
    }

    /// `user_data.ctwa_clid`.
    pub fn ctwa_clid(&self) -> Option<&str> {
        self.user_data.ctwa_clid.as_deref()
    }

    /// `custom_data.currency`.
    pub fn currency(&self) -> Option<&str> {
        self.custom_data.currency.as_deref()
    }

    /// Whether `custom_data.value` is a number in quotes.
    pub fn value_is_text(&self) -> bool {
        self.custom_data.value.is_some_and(|value| value.get().starts_with('"'))
    }

    /// `custom_data.value` as it was written; some of Meta's examples show it as a string.
    pub fn value(&self) -> Option<Cow<'a, str>> {
        self.custom_data.value.and_then(word).flatten()
    }
}

fn messaging_product(parameters: &Parameters<'_>) -> Result<(), Refusal> {
    const NAME: &str = "messaging_product";
    match parameters.text(NAME)? {
        None => Err(Refusal::ParameterRequired(NAME)),
        Some(product) if product.eq_ignore_ascii_case("whatsapp") => Ok(()),
        Some(_) => Err(Refusal::InvalidParameter(NAME)),
    }
}

fn typing(parameters: &Parameters<'_>) -> Result<bool, Refusal> {
    #[derive(Deserialize)]
    struct Indicator {
        #[serde(rename = "type")]
        kind: String,
    }
    const NAME: &str = "typing_indicator";
    let Some(json) = parameters.json(NAME)? else { return Ok(false) };
    match serde_json::from_str::<Indicator>(&json) {
        Ok(indicator) if indicator.kind == "text" => Ok(true),
        Ok(_) | Err(_) => Err(Refusal::InvalidParameter(NAME)),
    }
}

fn text_message(parameters: &Parameters<'_>) -> Result<MessageRequest, Refusal> {
    #[derive(Deserialize)]
    struct Text {
        #[serde(default)]
        body: String,
    }
    let recipient = match (parameters.text("to")?, parameters.text("recipient")?) {
        (Some(to), _) => Recipient::Phone(to.into_owned()),
        (None, Some(id)) => Recipient::UserId(id.into_owned()),
        (None, None) => return Err(Refusal::ParameterRequired("to")),
    };
    if parameters.text("type")?.is_some_and(|kind| kind != "text") {
        return Err(Refusal::UnsupportedMessageType);
    }
    let json = parameters.json("text")?.ok_or(Refusal::MissingParameter("text"))?;
    let text: Text = serde_json::from_str(&json).map_err(|_| Refusal::InvalidParameter("text"))?;
    if text.body.is_empty() {
        return Err(Refusal::MissingParameter("text.body"));
    }
    Ok(MessageRequest::Text { recipient, body: text.body })
}

fn required(value: Option<Cow<'_, str>>, name: &'static str) -> Result<String, Refusal> {
    match value {
        Some(text) if !text.is_empty() => Ok(text.into_owned()),
        Some(_) | None => Err(Refusal::MissingParameter(name)),
    }
}
