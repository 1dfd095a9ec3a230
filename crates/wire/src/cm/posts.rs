//! What CM.com posts to a customer's own address, written: incoming messages ("MO"), status reports, incoming events.
//!
//! Sources, all documented as far as nothing else is said: <https://developers.cm.com/messaging/docs/incoming-messages>,
//! `incoming-status-report` and `incoming-events` beside it. Numbers are written as in its samples: a person's who is
//! the sender with `+`, all others with `00`. What the pages leave open, and what is written here:
//!
//! - the field with the id of the WhatsApp message (unknown): `messageContext`, which a client in production reads first;
//! - what stands in `message.custom` beyond `location`, `contacts`, `interactive` and `order` (unknown): Meta's own
//!   members, by Meta's names;
//! - the format of a report's `received` (unknown): that of `timeUtc`;
//! - the form of `event` in an incoming event (unknown): that of the events endpoint.

use laneway_model::{Person, PhoneNumber, Timestamp};
use serde_json::{Map, Value, json};

use super::relay::zeros;

const CHANNEL: &str = "WhatsApp";

/// An incoming message.
#[derive(Clone, Debug, Default)]
pub struct MessagePost<'a> {
    /// `reference`: the business's message that this one answers.
    pub reference: &'a str,
    /// `messageContext`: the message itself.
    pub wamid: Option<&'a str>,
    /// `from.number`.
    pub from: Option<&'a Person>,
    /// `from.name`.
    pub name: Option<&'a str>,
    /// `to.number`.
    pub to: Option<PhoneNumber>,
    /// `message.text`.
    pub text: &'a str,
    /// `message.media.mediaUri`.
    pub media_uri: &'a str,
    /// `message.media.contentType`.
    pub content_type: &'a str,
    /// `message.media.title`.
    pub title: &'a str,
    /// `message.custom.message_type`.
    pub message_type: Option<&'a str>,
    /// `message.custom.location`.
    pub location: Option<LocationPost<'a>>,
    /// Further members of `message.custom`: names and JSON texts. What is no JSON is left out.
    pub custom: &'a [(String, Box<str>)],
    /// `timeUtc`.
    pub at: Timestamp,
}

/// `message.custom.location`. The degrees are written as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocationPost<'a> {
    /// `latitude`.
    pub latitude: Option<&'a str>,
    /// `longitude`.
    pub longitude: Option<&'a str>,
    /// `label`.
    pub label: Option<&'a str>,
    /// `searchQuery`.
    pub search_query: Option<&'a str>,
}

/// A status report. All its values are texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusPost<'a> {
    /// `received`.
    pub at: Timestamp,
    /// `to`.
    pub to: Option<&'a Person>,
    /// `reference`: the message.
    pub reference: &'a str,
    /// `status.code`.
    pub code: &'a str,
    /// `status.errorCode`.
    pub error_code: &'a str,
    /// `status.errorDescription`.
    pub error_description: &'a str,
}

/// An incoming event.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventPost<'a> {
    /// `reference`: a UUID of the event's own.
    pub reference: &'a str,
    /// `from.number`.
    pub from: Option<&'a Person>,
    /// `to.number`.
    pub to: Option<PhoneNumber>,
    /// `event.type`.
    pub kind: &'a str,
    /// `event.custom`: JSON text. What is no JSON is left out.
    pub custom: Option<&'a str>,
    /// `timeUtc`.
    pub at: Timestamp,
}

impl MessagePost<'_> {
    /// The body. `media` is there even without a file, with empty texts (documented), because its readers look into it
    /// unasked; `groupings` are three (documented), and nothing here has any.
    pub fn body(&self) -> String {
        let mut from = Map::from_iter([("number".to_owned(), person(self.from))]);
        from.extend(self.name.map(|name| ("name".to_owned(), name.into())));
        let mut body = Map::from_iter([("reference".to_owned(), self.reference.into())]);
        body.extend(self.wamid.map(|id| ("messageContext".to_owned(), id.into())));
        let Value::Object(rest) = json!({
            "from": from,
            "to": {"number": business(self.to)},
            "message": {
                "text": self.text,
                "media": {"mediaUri": self.media_uri, "contentType": self.content_type, "title": self.title},
                "custom": self.custom(),
            },
            "groupings": ["", "", ""],
            "timeUtc": time_utc(self.at),
            "channel": CHANNEL,
        }) else {
            unreachable!("an object is written")
        };
        body.extend(rest);
        Value::Object(body).to_string()
    }

    fn custom(&self) -> Map<String, Value> {
        let mut custom = Map::new();
        custom.extend(self.message_type.map(|kind| ("message_type".to_owned(), kind.into())));
        custom.extend(self.location.map(|location| ("location".to_owned(), location.value())));
        let parsed =
            |(name, text): &(String, Box<str>)| Some((name.clone(), serde_json::from_str(text).ok()?));
        custom.extend(self.custom.iter().filter_map(parsed));
        custom
    }
}

impl LocationPost<'_> {
    fn value(self) -> Value {
        let degrees = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
        json!({
            "latitude": degrees(self.latitude),
            "longitude": degrees(self.longitude),
            "label": self.label.unwrap_or_default(),
            "searchQuery": self.search_query.unwrap_or_default(),
        })
    }
}

impl StatusPost<'_> {
    /// The body. The operator, a mobile network's for other channels, is left empty.
    pub fn body(&self) -> String {
        let to = match self.to {
            Some(Person::Phone(number)) => business(Some(*number)),
            other @ (Some(Person::Bsuid(_)) | None) => person(other),
        };
        json!({"messages": {"msg": {
            "received": time_utc(self.at),
            "to": to,
            "reference": self.reference,
            "status": {
                "code": self.code,
                "errorCode": self.error_code,
                "errorDescription": self.error_description,
            },
            "operator": "",
        }}})
        .to_string()
    }
}

impl EventPost<'_> {
    /// The body.
    pub fn body(&self) -> String {
        let mut event = Map::from_iter([("type".to_owned(), Value::from(self.kind))]);
        let custom = self.custom.and_then(|text| serde_json::from_str::<Value>(text).ok());
        event.extend(custom.map(|custom| ("custom".to_owned(), custom)));
        json!({
            "reference": self.reference,
            "from": {"number": person(self.from)},
            "to": {"number": business(self.to)},
            "event": event,
            "timeUtc": time_utc(self.at),
            "channel": CHANNEL,
        })
        .to_string()
    }
}

fn person(person: Option<&Person>) -> Value {
    person.map(ToString::to_string).unwrap_or_default().into()
}

fn business(number: Option<PhoneNumber>) -> Value {
    number.map(zeros).unwrap_or_default().into()
}

/// `2019-01-01T12:00:00`, in UTC, without saying so.
fn time_utc(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    instant.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cm::IncomingMessage;

    /// Bodies of CM.com's pages (documented).
    const MESSAGE: &str = include_str!("../../fixtures/cm_mo/documented.json");
    const STATUS: &str = include_str!("../../fixtures/cm_mo/status_report.json");
    /// Composed of the documented fields (inferred).
    const EVENT: &str = include_str!("../../fixtures/cm_mo/incoming_event.json");

    /// A fixture without its line breaks and spaces, its keys in their order.
    fn compact(fixture: &str) -> String {
        serde_json::from_str::<Value>(fixture).unwrap().to_string()
    }

    fn user() -> Person {
        Person::parse("+316012345678").unwrap()
    }

    fn number(text: &str) -> Option<PhoneNumber> {
        Some(PhoneNumber::parse(text).unwrap())
    }

    #[test]
    fn the_documented_message() {
        let post = MessagePost {
            reference: "2f2d42ac-3809-40fb-bce5-dc720e400000",
            from: Some(&user()),
            name: Some("Demo"),
            to: number("0031612345678"),
            media_uri: "https://...",
            content_type: "image/png",
            title: "...",
            at: Timestamp::from_secs(1_546_344_000),
            ..MessagePost::default()
        };
        // The groupings are those of the sample's own account.
        let expected =
            compact(MESSAGE).replace("39373ce0-f4aa-4918-8ff1-3cef7f77b112", "").replace("messagesApi", "");
        assert_eq!(post.body(), expected);
    }

    #[test]
    fn a_message_with_everything_is_understood_by_its_reader() {
        let referral = r#"{"ctwa_clid":"Aff","source_id":"5","headline":"Chat"}"#;
        let custom = [("referral".to_owned(), referral.into()), ("broken".to_owned(), "{".into())];
        let location = LocationPost {
            latitude: Some("52.3702157"),
            longitude: Some("four"),
            label: Some("Dam"),
            search_query: None,
        };
        let post = MessagePost {
            wamid: Some("wamid.A"),
            from: Some(&user()),
            to: number("+316098765432"),
            text: "Hi",
            message_type: Some("location"),
            location: Some(location),
            custom: &custom,
            at: Timestamp::from_secs(1_546_344_000),
            ..MessagePost::default()
        };
        let body = post.body();
        let written = format!(
            r#""custom":{{"message_type":"location","location":{{"latitude":52.3702157,"longitude":null,"label":"Dam","searchQuery":""}},"referral":{referral}}}}}"#
        );
        assert!(body.contains(&written), "{body}");
        let read = IncomingMessage::read(body.as_bytes()).unwrap();
        let expected = IncomingMessage {
            from: Some("+316012345678".to_owned()),
            to: Some("00316098765432".to_owned()),
            channel: Some("WhatsApp".to_owned()),
            time_utc: Some("2019-01-01T12:00:00".to_owned()),
            wamid: Some("wamid.A".to_owned()),
            ctwa_clid: Some("Aff".to_owned()),
            ad_id: Some("5".to_owned()),
            headline: Some("Chat".to_owned()),
        };
        assert_eq!(read, [expected]);
    }

    #[test]
    fn the_documented_report() {
        let post = StatusPost {
            at: Timestamp::from_secs(1_546_344_000),
            to: Some(&user()),
            reference: "[REFERENCE]",
            code: "[STATUS]",
            error_code: "[STATUSDESCRIPTION]",
            error_description: "[STANDARDERRORTEXT]",
        };
        let expected = compact(STATUS)
            .replace("[CREATED_S]", "2019-01-01T12:00:00")
            .replace("[GSM]", "00316012345678")
            .replace("[OPERATOR]", "");
        assert_eq!(post.body(), expected);
        let hidden = Person::parse("US.1").unwrap();
        let to = StatusPost { to: Some(&hidden), ..StatusPost::default() }.body();
        assert!(to.contains(r#""received":"1970-01-01T00:00:00","to":"US.1","reference":"""#), "{to}");
    }

    #[test]
    fn an_event() {
        let post = EventPost {
            reference: "6f9619ff-8b86-8d11-b42d-00cf4fc964ff",
            from: Some(&user()),
            to: number("+316098765432"),
            kind: "user_changed_number",
            custom: Some(r#"{"wa_id":"316012345679"}"#),
            at: Timestamp::from_secs(1_546_344_000),
        };
        assert_eq!(post.body(), compact(EVENT));
        let bare = EventPost { kind: "errors", custom: Some("{"), ..EventPost::default() }.body();
        assert!(
            bare.contains(r#""from":{"number":""},"to":{"number":""},"event":{"type":"errors"}"#),
            "{bare}"
        );
    }
}
