//! Incoming messages ("MO") as CM.com posts them to a customer's own address.
//!
//! Source: <https://developers.cm.com/messaging/docs/incoming-messages> (documented fields). In which field the id of the
//! WhatsApp message stands is not documented; a client in production takes `messageContext`, else `reference` (seen in
//! the field), and only what looks like one is taken as one. Where an ad's `referral` stands is not documented either;
//! `message.custom` is where CM.com puts everything else of WhatsApp's (inferred).
//!
//! CM.com's documents say that keys come in any letter case. What is not known is skipped, what has an unexpected type
//! counts as absent, because the bytes are kept as they came.

use serde_json::{Map, Value};

/// The beginning of every WhatsApp message id of today's form.
const WAMID: &str = "wamid.";

/// An incoming message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncomingMessage {
    /// `from.number`: the person.
    pub from: Option<String>,
    /// `to.number`: the business.
    pub to: Option<String>,
    /// `channel`, such as `WhatsApp`.
    pub channel: Option<String>,
    /// `timeUtc`: `2019-01-01T12:00:00`, in UTC, without saying so.
    pub time_utc: Option<String>,
    /// The id of the WhatsApp message, if one of the fields it may stand in looks like one.
    pub wamid: Option<String>,
    /// The click id of the ad that the person came from.
    pub ctwa_clid: Option<String>,
    /// The ad.
    pub ad_id: Option<String>,
    /// The ad's headline.
    pub headline: Option<String>,
}

impl IncomingMessage {
    /// Reads a body: one message, or a list of them. Gives nothing if it is neither.
    pub fn read(body: &[u8]) -> Option<Vec<Self>> {
        match serde_json::from_slice(body).ok()? {
            Value::Object(message) => Some(vec![Self::of(&message)]),
            Value::Array(list) => Some(list.iter().filter_map(Value::as_object).map(Self::of).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    fn of(body: &Map<String, Value>) -> Self {
        let number = |name| object(body, name).and_then(|party| text(party, "number"));
        let custom = object(body, "message").and_then(|message| object(message, "custom"));
        let referral = custom.and_then(|custom| object(custom, "referral"));
        let of_ad = |name| referral.and_then(|referral| text(referral, name));
        let ids = [text(body, "messageContext"), text(body, "reference")].into_iter().flatten();
        Self {
            from: number("from"),
            to: number("to"),
            channel: text(body, "channel"),
            time_utc: text(body, "timeUtc"),
            wamid: ids.into_iter().find(|id| id.starts_with(WAMID)),
            ctwa_clid: of_ad("ctwa_clid"),
            ad_id: of_ad("source_id"),
            headline: of_ad("headline"),
        }
    }
}

fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn object<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Map<String, Value>> {
    member(object, name)?.as_object()
}

/// A text, or a number in its own spelling; an empty text is none.
fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    match member(object, name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Vec<IncomingMessage>> {
        IncomingMessage::read(body.as_bytes())
    }

    /// The sample of CM.com's page (documented).
    const SAMPLE: &str = include_str!("../../fixtures/cm_mo/documented.json");
    /// The same with what a message from an ad would add (inferred).
    const FROM_AD: &str = include_str!("../../fixtures/cm_mo/from_ad.json");

    #[test]
    fn the_documented_message() {
        let message = IncomingMessage {
            from: Some("+316012345678".to_owned()),
            to: Some("0031612345678".to_owned()),
            channel: Some("WhatsApp".to_owned()),
            time_utc: Some("2019-01-01T12:00:00".to_owned()),
            ..IncomingMessage::default()
        };
        assert_eq!(read(SAMPLE), Some(vec![message]));
    }

    #[test]
    fn a_message_from_an_ad() {
        let messages = read(FROM_AD).unwrap();
        assert_eq!(messages[0].wamid.as_deref(), Some("wamid.HBgLMzE2MDEyMzQ1Njc4FQIAEhgUM0E="));
        assert_eq!(
            messages[0].ctwa_clid.as_deref(),
            Some("ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4")
        );
        assert_eq!(
            (messages[0].ad_id.as_deref(), messages[0].headline.as_deref()),
            (Some("120226305854810726"), Some("Chat with us"))
        );
    }

    #[test]
    fn any_letter_case_and_any_type() {
        let messages = read(r#"[{"From":{"NUMBER":31612345678},"Channel":5,"message":7}, 8]"#).unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(
            (messages[0].from.as_deref(), messages[0].channel.as_deref()),
            (Some("31612345678"), Some("5"))
        );
        for other in ["", "5", "null", "\"text\"", "{"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
