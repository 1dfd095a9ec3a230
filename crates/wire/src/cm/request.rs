//! The envelope of an event.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::blank::blank;
use super::read::{self, Defect, Member, ParseError, Reader};

/// An event as a client sent it: right in its JSON, not yet judged. A field that is `null` counts as absent.
///
/// Source of all fields that say nothing else: <https://developers.cm.com/messaging/docs/events> (documented).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRequest<'a> {
    /// `channel`.
    pub channel: Option<Cow<'a, str>>,
    /// `event.type`.
    pub event_type: Option<Cow<'a, str>>,
    /// `event.custom`.
    pub custom: Custom<'a>,
    /// `from.number`, the business's; a JSON number is taken too, because people paste numbers.
    pub from: Option<Cow<'a, str>>,
    /// `to.number`, the user's, or a business-scoped user id; a JSON number is taken too.
    pub to: Option<Cow<'a, str>>,
    /// `reference`, as CM.com's messages have it; an extension here.
    pub reference: Option<Cow<'a, str>>,
    /// `idempotency_key`, for items of a batch and lines of an import, which have no header of their own; an extension.
    pub idempotency_key: Option<Cow<'a, str>>,
    /// `authentication.productToken`; without it `messages.authentication.productToken`, which is its place in a body
    /// of CM.com's message endpoint (<https://developers.cm.com/messaging/docs/integration>, documented).
    pub product_token: Option<ProductToken<'a>>,
}

/// What is known of `event.custom`, and the whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custom<'a> {
    /// The object as JSON text, comments blanked, otherwise as received; none without an object. Members named
    /// `productToken` or `authentication` are left out: tokens belong elsewhere, and are never kept.
    pub text: Option<Cow<'a, str>>,
    /// The message that MarkAsRead and Typing are about: `wamid.…`.
    pub message_id: Option<Cow<'a, str>>,
    /// The click id under the name of CM.com's samples.
    pub ctwa_id: Option<Cow<'a, str>>,
    /// The click id under the name of CM.com's text, which is also Meta's.
    pub ctwa_clid: Option<Cow<'a, str>>,
    /// The currency of `value`.
    pub currency: Option<Cow<'a, str>>,
    /// The worth of the order; a number is kept in its own spelling, so that 12.60 stays 12.60.
    pub value: Option<Cow<'a, str>>,
    /// When the conversion happened, as text or as a number in its own spelling; a field of Meta's
    /// Conversions API (documented).
    pub event_time: Option<Cow<'a, str>>,
    /// The client's id of the conversion; a field of Meta's Conversions API (documented).
    pub event_id: Option<Cow<'a, str>>,
}

/// A product token. It has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProductToken<'a>(Cow<'a, str>);

impl ProductToken<'_> {
    /// The token itself, for the one place that looks it up.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProductToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Reads a body. Strict JSON is read as it is, and its texts are borrowed from the body. For anything else comments and
/// trailing commas are blanked in one pass, and the same strict reading is tried again.
///
/// # Errors
/// [`ParseError`] says what is wrong, and where.
pub fn parse(body: &[u8]) -> Result<EventRequest<'_>, ParseError> {
    let text = read::text(body)?;
    let json = Reader::new(text);
    let strict = match json.check() {
        Ok(()) => return request(json),
        Err(error) => error,
    };
    match (&strict.defect, blank(text)) {
        (Defect::Syntax { .. }, Some(blanked)) => {
            let json = json.blanked(&blanked);
            json.check()?;
            request(json).map(EventRequest::into_owned)
        }
        _ => Err(strict),
    }
}

/// Reads one item of a batch, which has the form of a body of its own. Places are counted from the item's beginning.
///
/// # Errors
/// [`ParseError`] says what is wrong, and where.
pub fn parse_item(item: &RawValue) -> Result<EventRequest<'_>, ParseError> {
    let json = Reader::new(item.get());
    json.check()?;
    request(json)
}

fn request(json: Reader<'_>) -> Result<EventRequest<'_>, ParseError> {
    let [channel, event, from, to, reference, idempotency_key, authentication, messages] = json.object(
        Some(json.whole()),
        "",
        ["channel", "event", "from", "to", "reference", "idempotency_key", "authentication", "messages"],
    )?;
    let [event_type, custom] = json.object(event, "event", ["type", "custom"])?;
    let [from] = json.object(from, "from", ["number"])?;
    let [to] = json.object(to, "to", ["number"])?;
    Ok(EventRequest {
        channel: json.text(channel, "channel")?,
        event_type: json.text(event_type, "event.type")?,
        custom: read_custom(json, custom)?,
        from: json.text_or_number(from, "from.number")?,
        to: json.text_or_number(to, "to.number")?,
        reference: json.text(reference, "reference")?,
        idempotency_key: json.text(idempotency_key, "idempotency_key")?,
        product_token: read_token(json, authentication, messages)?,
    })
}

fn read_custom<'a>(json: Reader<'a>, object: Option<&'a str>) -> Result<Custom<'a>, ParseError> {
    let members = json.members(object, "event.custom")?;
    let [message_id, ctwa_id, ctwa_clid, currency, value, event_time, event_id] = Reader::pick(
        &members,
        ["message_id", "ctwa_id", "ctwa_clid", "currency", "value", "event_time", "event_id"],
    );
    Ok(Custom {
        text: object.map(|object| without_secrets(object, &members)),
        message_id: json.text(message_id, "event.custom.message_id")?,
        ctwa_id: json.text(ctwa_id, "event.custom.ctwa_id")?,
        ctwa_clid: json.text(ctwa_clid, "event.custom.ctwa_clid")?,
        currency: json.text(currency, "event.custom.currency")?,
        value: json.text_or_number(value, "event.custom.value")?,
        event_time: json.text_or_number(event_time, "event.custom.event_time")?,
        event_id: json.text(event_id, "event.custom.event_id")?,
    })
}

fn without_secrets<'a>(object: &'a str, members: &[Member<'a>]) -> Cow<'a, str> {
    let is_secret = |member: &Member<'_>| {
        ["productToken", "authentication"].iter().any(|name| member.key.eq_ignore_ascii_case(name))
    };
    if !members.iter().any(is_secret) {
        return Cow::Borrowed(object);
    }
    let kept = members.iter().filter(|member| !is_secret(member));
    let kept: Vec<String> = kept.map(|member| format!("{}:{}", quoted(&member.key), member.value)).collect();
    Cow::Owned(format!("{{{}}}", kept.join(",")))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn read_token<'a>(
    json: Reader<'a>,
    authentication: Option<&'a str>,
    messages: Option<&'a str>,
) -> Result<Option<ProductToken<'a>>, ParseError> {
    let [at_root] = json.object(authentication, "authentication", ["productToken"])?;
    let [below] = json.object(messages, "messages", ["authentication"])?;
    let [below] = json.object(below, "messages.authentication", ["productToken"])?;
    let at_root = json.text(at_root, "authentication.productToken")?;
    let below = json.text(below, "messages.authentication.productToken")?;
    Ok(at_root.or(below).map(ProductToken))
}

impl EventRequest<'_> {
    /// The same request, borrowing nothing.
    pub fn into_owned(self) -> EventRequest<'static> {
        EventRequest {
            channel: owned(self.channel),
            event_type: owned(self.event_type),
            custom: self.custom.into_owned(),
            from: owned(self.from),
            to: owned(self.to),
            reference: owned(self.reference),
            idempotency_key: owned(self.idempotency_key),
            product_token: owned(self.product_token.map(|token| token.0)).map(ProductToken),
        }
    }
}

impl Custom<'_> {
    fn into_owned(self) -> Custom<'static> {
        Custom {
            text: owned(self.text),
            message_id: owned(self.message_id),
            ctwa_id: owned(self.ctwa_id),
            ctwa_clid: owned(self.ctwa_clid),
            currency: owned(self.currency),
            value: owned(self.value),
            event_time: owned(self.event_time),
            event_id: owned(self.event_id),
        }
    }
}

fn owned(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(|text| Cow::Owned(text.into_owned()))
}
