//! What of a client's `custom` object goes to Meta with a conversion.
//!
//! Only the fields of the tables below are sent, each to its place. Keys are matched in any letter case, because CM.com's
//! keys are case-insensitive; they leave in Meta's spelling. Everything else stays here: names that Meta does not
//! know, and those it refuses in messaging events (`client_ip_address`, `client_user_agent`, `event_source_url`,
//! `page_id`).
//!
//! Values are sent as the client wrote them, and Meta judges them, with one exception: personal details must already be
//! SHA-256 hashes. One that is not is left out, so that a name or an address in the clear never leaves by mistake.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::object::{Object, raw};

/// Taken from the conversion itself, where they were checked when the event was accepted.
const CONVERSION: [&str; 6] = ["ctwa_id", "ctwa_clid", "event_time", "event_id", "currency", "value"];

/// Beside `user_data` and `custom_data`. Meta, "Server event parameters" (documented); `messaging_outcome_data` as
/// third parties report it.
const EVENT: [&str; 5] = [
    "opt_out",
    "data_processing_options",
    "data_processing_options_country",
    "data_processing_options_state",
    "messaging_outcome_data",
];

/// In `custom_data`, after `currency` and `value`. Meta, "Custom data parameters" (documented).
const CUSTOM_DATA: [&str; 10] = [
    "order_id",
    "contents",
    "content_ids",
    "content_type",
    "content_name",
    "content_category",
    "num_items",
    "status",
    "search_string",
    "delivery_category",
];

/// In `user_data`, and only as SHA-256 in hexadecimal, one or a list. Meta, "Customer information parameters"
/// (documented).
const USER_DATA_HASHED: [&str; 10] = ["ph", "em", "fn", "ln", "db", "ge", "ct", "st", "zp", "country"];

/// In `user_data`, as it is: Meta recommends hashing `external_id` and wants `lead_id` plain (documented).
const USER_DATA_PLAIN: [&str; 2] = ["external_id", "lead_id"];

/// The names in a conversion's `custom` that are used; every other one is kept and shown, but not sent.
///
/// `ph`, `em`, `fn`, `ln`, `db`, `ge`, `ct`, `st`, `zp` and `country` are sent only as Meta wants them: the SHA-256 of the
/// normalised value in 64 hexadecimal digits, or a list of such. Anything else in them is left out.
pub fn known_custom() -> impl Iterator<Item = &'static str> {
    CONVERSION.into_iter().chain(EVENT).chain(CUSTOM_DATA).chain(USER_DATA_HASHED).chain(USER_DATA_PLAIN)
}

/// Whether a name in a conversion's `custom`, in any letter case, is one of [`known_custom`].
pub fn is_known_custom(name: &str) -> bool {
    known_custom().any(|known| known.eq_ignore_ascii_case(name))
}

/// The fields of a `custom` object that go to Meta, sorted by where they go.
#[derive(Default)]
pub(super) struct Custom {
    pub(super) event: Object,
    pub(super) user_data: Object,
    pub(super) custom_data: Object,
}

impl Custom {
    /// Reads the object from its JSON text. A text that is no object has no fields.
    pub(super) fn read(text: &str) -> Self {
        let Ok(given) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
            return Self::default();
        };
        let given: BTreeMap<String, &RawValue> =
            given.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let pick = |names: &[&'static str], read: fn(&RawValue) -> Option<Box<RawValue>>| {
            let mut object = Object::default();
            for name in names {
                if let Some(value) = given.get(*name).and_then(|value| read(value)) {
                    object.put(name, &value);
                }
            }
            object
        };
        let mut user_data = pick(&USER_DATA_HASHED, hashes);
        user_data.append(pick(&USER_DATA_PLAIN, as_written));
        Self { event: pick(&EVENT, as_written), user_data, custom_data: pick(&CUSTOM_DATA, as_written) }
    }
}

fn as_written(value: &RawValue) -> Option<Box<RawValue>> {
    (value.get() != "null").then(|| value.to_owned())
}

/// The hashes of a text or of a list of texts, in small letters, as Meta compares them. Texts that are no hashes are
/// left out.
fn hashes(value: &RawValue) -> Option<Box<RawValue>> {
    if let Ok(one) = serde_json::from_str::<String>(value.get()) {
        return is_hash(&one).then(|| raw(&one.to_ascii_lowercase()));
    }
    let list: Vec<String> = serde_json::from_str(value.get()).ok()?;
    let kept: Vec<String> =
        list.iter().filter(|text| is_hash(text)).map(|text| text.to_ascii_lowercase()).collect();
    (!kept.is_empty()).then(|| raw(&kept))
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `john_smith@gmail.com`, from Meta's "Customer information parameters".
    const EMAIL: &str = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f";

    #[track_caller]
    fn check(custom: &str, event: &str, user_data: &str, custom_data: &str) {
        let read = Custom::read(custom);
        let text = |object: &Object| raw(object).get().to_owned();
        assert_eq!(
            [text(&read.event), text(&read.user_data), text(&read.custom_data)],
            [event.to_owned(), user_data.to_owned(), custom_data.to_owned()],
            "{custom}"
        );
    }

    #[test]
    fn known_fields_find_their_place() {
        check(r#"{"order_id":"A-1"}"#, "{}", "{}", r#"{"order_id":"A-1"}"#);
        check(r#"{"ORDER_ID":7,"Num_Items":2}"#, "{}", "{}", r#"{"order_id":7,"num_items":2}"#);
        check(
            r#"{"status":"open","contents":[ {"item_price":1.10} ]}"#,
            "{}",
            "{}",
            r#"{"contents":[ {"item_price":1.10} ],"status":"open"}"#,
        );
        check(
            r#"{"opt_out":true,"data_processing_options":["LDU"]}"#,
            r#"{"opt_out":true,"data_processing_options":["LDU"]}"#,
            "{}",
            "{}",
        );
        check(
            r#"{"lead_id":12345,"external_id":"crm-7"}"#,
            "{}",
            r#"{"external_id":"crm-7","lead_id":12345}"#,
            "{}",
        );
        check(r#"{"order_id":null}"#, "{}", "{}", "{}");
    }

    #[test]
    fn personal_details_leave_only_as_hashes() {
        check(&format!(r#"{{"em":"{EMAIL}"}}"#), "{}", &format!(r#"{{"em":"{EMAIL}"}}"#), "{}");
        check(
            &format!(r#"{{"EM":"{}"}}"#, EMAIL.to_uppercase()),
            "{}",
            &format!(r#"{{"em":"{EMAIL}"}}"#),
            "{}",
        );
        check(&format!(r#"{{"em":["a@b.c","{EMAIL}"]}}"#), "{}", &format!(r#"{{"em":["{EMAIL}"]}}"#), "{}");
        check(
            r#"{"em":"john_smith@gmail.com","ph":16505551212,"country":"us","fn":["John"]}"#,
            "{}",
            "{}",
            "{}",
        );
        for no_hash in [format!("{}g", &EMAIL[1..]), EMAIL[1..].to_owned(), format!("{EMAIL}0")] {
            check(&format!(r#"{{"em":"{no_hash}"}}"#), "{}", "{}", "{}");
        }
    }

    #[test]
    fn unknown_refused_and_already_checked_fields_stay_here() {
        check(
            r#"{"client_ip_address":"192.0.2.1","client_user_agent":"x","event_source_url":"https://x","page_id":"1",
                "colour":"red","value":"12.60","currency":"USD","ctwa_id":"c","event_id":"e","event_time":1}"#,
            "{}",
            "{}",
            "{}",
        );
        for text in ["", "[]", "7", "{", "null"] {
            check(text, "{}", "{}", "{}");
        }
    }

    #[test]
    fn the_list_is_what_is_used() {
        for name in ["order_id", "Contents", "PH", "lead_id", "opt_out", "ctwa_id", "CTWA_CLID", "value"] {
            assert!(is_known_custom(name), "{name}");
        }
        for name in ["client_ip_address", "page_id", "colour", "message_id", ""] {
            assert!(!is_known_custom(name), "{name}");
        }
        assert_eq!(known_custom().count(), 33);
    }
}
