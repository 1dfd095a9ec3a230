//! Many requests in one body: `{"events":[…]}`, Laneway's own form, each item in the form of a body of its own.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::blank::blank;
use super::read::{self, Place};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the list \"events\"")]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// Why a body is no batch, and where, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoBatch(String);

/// The items of a batch, unread: [`parse_item`](super::parse_item) reads each. Strict JSON is borrowed as it is; anything
/// else gets one more chance with comments and trailing commas blanked, as one event does.
///
/// # Errors
/// [`NoBatch`] says what is wrong, and where.
pub fn parse_batch(body: &[u8]) -> Result<Vec<Cow<'_, RawValue>>, NoBatch> {
    let text = read::text(body).map_err(|error| NoBatch(error.to_string()))?;
    let strict = match items(text) {
        Ok(items) => return Ok(items.into_iter().map(Cow::Borrowed).collect()),
        Err(error) => error,
    };
    let blanked = blank(text).ok_or(strict)?;
    Ok(items(&blanked)?.into_iter().map(|item| Cow::Owned(item.to_owned())).collect())
}

fn items(text: &str) -> Result<Vec<&RawValue>, NoBatch> {
    // The derived reader would take a list of a list for one.
    if text.trim_ascii_start().starts_with('[') {
        return Err(NoBatch("the body is a list, not an object with the list \"events\"".to_owned()));
    }
    serde_json::from_str::<Batch<'_>>(text).map(|batch| batch.events).map_err(|error| {
        let (words, place) = (read::words(&error), Place::of(text, &error));
        NoBatch(format!("the body is no batch: {words} ({place})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<String>, String> {
        let items = parse_batch(body.as_bytes()).map_err(|error| error.to_string())?;
        Ok(items.iter().map(|item| item.get().to_owned()).collect())
    }

    #[test]
    fn items_stay_as_they_are() {
        assert_eq!(read(r#"{"events":[{"a": 1}, 2]}"#).unwrap(), [r#"{"a": 1}"#, "2"]);
        assert_eq!(read("\u{feff}{\"events\" :[]}").unwrap(), [""; 0]);
        // What an item is like, is not looked at: it is no other item's business.
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(read(&format!("{{\"events\":[{deep}]}}")).unwrap(), [deep]);
    }

    #[test]
    fn comments_and_trailing_commas_are_no_hindrance() {
        let pasted = "{\"events\": [ // two\n {\"a\":\"//\",}, /* and */ 2,\n],}";
        assert_eq!(read(pasted).unwrap(), ["{\"a\":\"//\" }", "2"]);
    }

    #[test]
    fn what_is_no_batch_is_told_in_words() {
        let form = "expected an object with the list \"events\"";
        for (body, says) in [
            ("", "the body is empty (line 1, column 1)".to_owned()),
            ("[[1]]", "the body is a list, not an object with the list \"events\"".to_owned()),
            ("{}", "the body is no batch: missing field `events` (line 1, column 2)".to_owned()),
            (
                "{\n\"events\":[1 2]}",
                "the body is no batch: expected `,` or `]` (line 2, column 13)".to_owned(),
            ),
            ("7", format!("the body is no batch: invalid type: integer `7`, {form} (line 1, column 1)")),
            (
                "{\"event\":[]}",
                "the body is no batch: unknown field `event`, expected `events` (line 1, column 8)"
                    .to_owned(),
            ),
        ] {
            assert_eq!(read(body).unwrap_err(), says, "{body}");
        }
    }
}
