//! What is sent to CM.com's events endpoint, and what it answers.
//!
//! The request is the envelope of CM.com's page <https://developers.cm.com/messaging/docs/events> (documented). The
//! answer is documented nowhere; it is read in the form of CM.com's message endpoint
//! (<https://developers.cm.com/messaging/docs/responses-errors-json>, documented there), keys in any letter case, and
//! nothing in it has to be there.

use laneway_model::{CtwaClid, EventKind, Person, PhoneNumber};
use serde_json::Value;
use serde_json::value::RawValue;

/// An event as CM.com is to get it.
#[derive(Clone, Copy, Debug)]
pub struct ForwardedEvent<'a> {
    /// Its type.
    pub kind: EventKind,
    /// The client's `custom` object, as it was given, without tokens.
    pub custom: Option<&'a str>,
    /// A click id that the client did not give, so that `custom` does not have it.
    pub click: Option<&'a CtwaClid>,
    /// The business number.
    pub from: PhoneNumber,
    /// The user.
    pub to: Option<&'a Person>,
}

impl ForwardedEvent<'_> {
    /// The body. It carries no token, which goes in a header (CM.com's page on integration, "recommended").
    pub fn body(&self) -> String {
        let custom = self.custom();
        let custom = custom.map_or_else(String::new, |custom| format!(r#","custom":{custom}"#));
        let to = match self.to {
            Some(Person::Phone(number)) => zeros(*number),
            Some(Person::Bsuid(id)) => id.as_str().to_owned(),
            // What a client in production sends for a read mark of nobody in particular (third-party).
            None => "00".to_owned(),
        };
        format!(
            r#"{{"channel":"WhatsApp","event":{{"type":"{}"{custom}}},"from":{{"number":"{}"}},"to":{{"number":{}}}}}"#,
            self.kind,
            zeros(self.from),
            Value::from(to)
        )
    }

    /// The client's object, with the click id in front if it is not in there.
    fn custom(&self) -> Option<String> {
        let given = self.custom.map(str::trim);
        let Some(click) = self.click else { return given.map(str::to_owned) };
        let click = Value::from(click.as_str());
        let rest = given.and_then(|text| text.strip_prefix('{')).map(str::trim_start);
        let rest = rest.filter(|rest| *rest != "}").map_or_else(|| "}".to_owned(), |rest| format!(",{rest}"));
        Some(format!(r#"{{"ctwa_id":{click}{rest}"#))
    }
}

/// A number as CM.com's samples write it: `00` and the digits with the country code.
pub(super) fn zeros(number: PhoneNumber) -> String {
    format!("00{}", number.to_string().trim_start_matches('+'))
}

/// What CM.com says about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayAnswer {
    /// The most exact error code there is: that of the first message, else that of the request. Zero means that all is well.
    pub code: Option<u32>,
    /// CM.com's own words.
    pub details: Option<String>,
}

impl RelayAnswer {
    /// Reads an answer; `None` if it is no JSON object.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        // A leading mark of UTF-8, which .NET likes to write, is no part of the JSON.
        let raw: &RawValue = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
        let answer: Value = serde_json::from_str(raw.get()).ok()?;
        answer.as_object()?;
        let message = get(&answer, "messages").and_then(|messages| messages.get(0));
        let code = |value: Option<&Value>, key| {
            let code = value.and_then(|value| get(value, key))?;
            let number = code.as_u64().or_else(|| code.as_str()?.trim().parse().ok());
            number.and_then(|number| u32::try_from(number).ok())
        };
        let words = |value: Option<&Value>, key| {
            let text = value.and_then(|value| get(value, key))?.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let of_message = code(message, "messageErrorCode").filter(|code| *code != 0);
        Some(Self {
            code: of_message.or(code(Some(&answer), "errorCode")),
            details: words(message, "messageDetails").or_else(|| words(Some(&answer), "details")),
        })
    }
}

/// A member by its name in any letter case.
fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cm;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    /// The body of an event, which the reader of CM.com's own envelope understands.
    #[track_caller]
    fn check(kind: &str, custom: Option<&str>, click: Option<&str>, to: Option<&Person>, expected: &str) {
        let click = click.map(|click| CtwaClid::parse(click).unwrap());
        let event = ForwardedEvent {
            kind: EventKind::all().find(|known| known.as_str() == kind).unwrap(),
            custom,
            click: click.as_ref(),
            from: number("+316098765432"),
            to,
        };
        let body = event.body();
        assert_eq!(body, expected);
        let read = cm::parse(body.as_bytes()).unwrap();
        assert_eq!(read.event_type.as_deref(), Some(kind));
        assert_eq!(read.product_token, None);
    }

    #[test]
    fn events_in_the_form_of_the_page() {
        let user = Person::Phone(number("00316012345678"));
        check(
            "Block",
            None,
            None,
            Some(&user),
            r#"{"channel":"WhatsApp","event":{"type":"Block"},"from":{"number":"00316098765432"},"to":{"number":"00316012345678"}}"#,
        );
        check(
            "MarkAsRead",
            Some(r#"{"message_id": "wamid.A" }"#),
            None,
            None,
            r#"{"channel":"WhatsApp","event":{"type":"MarkAsRead","custom":{"message_id": "wamid.A" }},"from":{"number":"00316098765432"},"to":{"number":"00"}}"#,
        );
        check(
            "Purchase",
            Some(r#"{"ctwa_clid":"Aff","value":12.60}"#),
            None,
            Some(&user),
            r#"{"channel":"WhatsApp","event":{"type":"Purchase","custom":{"ctwa_clid":"Aff","value":12.60}},"from":{"number":"00316098765432"},"to":{"number":"00316012345678"}}"#,
        );
    }

    #[test]
    fn a_captured_click_id_joins_what_the_client_gave() {
        for (custom, expected) in [
            (None, r#"{"ctwa_id":"Aff"}"#),
            (Some("{}"), r#"{"ctwa_id":"Aff"}"#),
            (Some("{ }"), r#"{"ctwa_id":"Aff"}"#),
            (Some(r#" {"value":12.60}"#), r#"{"ctwa_id":"Aff","value":12.60}"#),
        ] {
            let expected = format!(
                r#"{{"channel":"WhatsApp","event":{{"type":"ViewContent","custom":{expected}}},"from":{{"number":"00316098765432"}},"to":{{"number":"00"}}}}"#
            );
            check("ViewContent", custom, Some("Aff"), None, &expected);
        }
    }

    #[test]
    fn answers() {
        for (body, expected) in [
            // Documented for an unknown token.
            (
                r#"{"details":"No account found for the given authentication","errorCode":101,"messages":[]}"#,
                Some((Some(101), Some("No account found for the given authentication"))),
            ),
            // Documented for messages that are all rejected.
            (
                r#"{"details":"Created 0 message(s)","errorCode":201,"messages":[{"status":"Rejected","messageDetails":"Gsm is not a number.","messageErrorCode":303}]}"#,
                Some((Some(303), Some("Gsm is not a number."))),
            ),
            // Observed for a message that was taken.
            (
                r#"{"details":"Created 1 message(s)","errorCode":0,"messages":[{"messageDetails":null,"messageErrorCode":0}]}"#,
                Some((Some(0), Some("Created 1 message(s)"))),
            ),
            (r#"{"Details":"x","ERRORCODE":"999","Messages":null}"#, Some((Some(999), Some("x")))),
            ("\u{feff}{}", Some((None, None))),
            ("[]", None),
            ("", None),
            ("<html>", None),
        ] {
            let found = RelayAnswer::read(body.as_bytes());
            let found = found.as_ref().map(|answer| (answer.code, answer.details.as_deref()));
            assert_eq!(found, expected, "{body}");
        }
    }
}
