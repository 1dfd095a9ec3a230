//! What must hold when any bytes are read as a client's event. Fuzzing looks for bytes that break it; an ordinary test
//! replays the corpus.
//!
//! The blanking of comments is private to the crate and is watched from outside: comments around a body and within it
//! must change nothing but the places of errors, and those by exactly as much as was put in front.

use std::collections::BTreeMap;

use laneway_wire::cm::{self, Defect, EventRequest, ParseError, Place};
use serde_json::Value;
use serde_json::value::RawValue;

/// A line and then five characters, six bytes, to put in front of a body.
const IN_FRONT: &str = "// é\n/*é*/";
const CHARACTERS_IN_FRONT: usize = 5;

/// Reads the bytes and holds the result against all that must be true of it.
pub(crate) fn check(body: &[u8]) {
    let result = cm::parse(body);
    let (mark, rest) = match body.strip_prefix("\u{feff}".as_bytes()) {
        Some(rest) => (&body[..body.len() - rest.len()], rest),
        None => (&[][..], body),
    };
    match &result {
        Ok(request) => {
            check_custom(request);
            let commented = [body, "\n//é".as_bytes()].concat();
            assert_eq!(cm::parse(&commented).as_ref(), Ok(request), "a comment at the end changes something");
        }
        Err(error) => check_place(rest, error.place),
    }
    check_comments_in_front(mark, rest, &result);
    let json = std::str::from_utf8(rest).ok();
    if let Some(json) = json.and_then(|text| serde_json::from_str::<&RawValue>(text).ok()) {
        check_item(json, &result);
        check_pasted(json.get());
        check_fields(json.get(), &result);
    }
}

/// What is kept of `custom` is a JSON object, and no token is in it.
fn check_custom(request: &EventRequest<'_>) {
    let Some(text) = request.custom.text.as_deref() else { return };
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).expect("what is kept of custom is a JSON object");
    for name in members.keys() {
        let is_secret = ["productToken", "authentication"].iter().any(|word| name.eq_ignore_ascii_case(word));
        assert!(!is_secret, "{name} is kept");
    }
}

/// The place of an error is one of the body's characters, or the end of one of its lines.
fn check_place(body: &[u8], place: Place) {
    let text = String::from_utf8_lossy(body);
    let line = place.line.checked_sub(1).and_then(|above| text.split('\n').nth(above));
    let columns = 1..=line.expect("the body has the line").chars().count() + 1;
    assert!(columns.contains(&place.column), "{place} is not in the body");
}

/// Comments in front of a body move the places of its errors and change nothing else.
fn check_comments_in_front(mark: &[u8], body: &[u8], result: &Result<EventRequest<'_>, ParseError>) {
    let commented = [mark, IN_FRONT.as_bytes(), body].concat();
    let expected = result.clone().map_err(|ParseError { defect, place: Place { line, column } }| {
        let moved = if line == 1 { CHARACTERS_IN_FRONT } else { 0 };
        ParseError { defect, place: Place { line: line + 1, column: column + moved } }
    });
    match &expected {
        // A body with a comment in it is not empty any more.
        Err(ParseError { defect: Defect::Empty, .. }) => assert!(cm::parse(&commented).is_err()),
        Ok(_) | Err(_) => assert_eq!(cm::parse(&commented), expected, "comments in front change something"),
    }
}

/// As an item of a batch, JSON is read as it is as a body.
fn check_item(json: &RawValue, result: &Result<EventRequest<'_>, ParseError>) {
    match (cm::parse_item(json), result) {
        (Ok(item), Ok(request)) => assert_eq!(&item, request),
        (Err(item), Err(error)) => assert_eq!(item.defect, error.defect),
        (item, _) => panic!("as an item it is {item:?}, and as a body {result:?}"),
    }
}

/// JSON with comments and trailing commas wherever they can stand is read as it is with spaces there.
fn check_pasted(json: &str) {
    let mut pasted = String::new();
    let mut spaced = String::new();
    let (mut in_string, mut escaped, mut before) = (false, false, '[');
    for character in json.chars() {
        let is_outside = !in_string;
        let (in_front, behind) = match character {
            ']' | '}' if is_outside && !matches!(before, '[' | '{') => ("/**/,// ,\r\n", ""),
            '[' | '{' | ',' | ':' if is_outside => ("", "//\"\n/*],*/"),
            _ => ("", ""),
        };
        let spaces = |text: &str| text.replace(|c| !matches!(c, '\r' | '\n'), " ");
        pasted.extend([in_front, character.encode_utf8(&mut [0; 4]), behind]);
        spaced.extend([&spaces(in_front), &*character.encode_utf8(&mut [0; 4]), &spaces(behind)]);
        if character == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && character == '\\' && !escaped;
        if is_outside && !character.is_ascii_whitespace() {
            before = character;
        }
    }
    pasted += "//";
    let strict = cm::parse(spaced.as_bytes());
    assert_eq!(cm::parse(pasted.as_bytes()), strict, "comments and trailing commas make a difference");
}

/// What is read of strict JSON is what an ordinary reader finds there.
fn check_fields(json: &str, result: &Result<EventRequest<'_>, ParseError>) {
    // The ordinary reader takes objects with this key, which escapes can spell too, for something of its own.
    const PRIVATE: &str = "$serde_json::private::";
    let (Ok(request), Ok(value)) = (result, serde_json::from_str::<Value>(json)) else { return };
    if json.contains(PRIVATE) || json.contains('\\') {
        return;
    }
    let custom = &request.custom;
    for (path, read) in [
        (&["channel"][..], &request.channel),
        (&["event", "type"], &request.event_type),
        (&["reference"], &request.reference),
        (&["idempotency_key"], &request.idempotency_key),
        (&["event", "custom", "message_id"], &custom.message_id),
        (&["event", "custom", "ctwa_id"], &custom.ctwa_id),
        (&["event", "custom", "ctwa_clid"], &custom.ctwa_clid),
        (&["event", "custom", "currency"], &custom.currency),
        (&["event", "custom", "event_id"], &custom.event_id),
    ] {
        assert_eq!(read.as_deref(), member(&value, path).and_then(Value::as_str), "{path:?}");
    }
    for (path, read) in [
        (&["from", "number"][..], &request.from),
        (&["to", "number"], &request.to),
        (&["event", "custom", "value"], &custom.value),
        (&["event", "custom", "event_time"], &custom.event_time),
    ] {
        let found = member(&value, path).filter(|value| !value.is_null());
        assert_eq!(read.is_some(), found.is_some(), "{path:?}");
        if let Some(text) = found.and_then(Value::as_str) {
            assert_eq!(read.as_deref(), Some(text), "{path:?}");
        }
    }
}

/// The value below these keys, in any letter case.
fn member<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| {
        value.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    })
}
