//! Values that are not what a field needs: every type, every size, every depth, every key twice.

use serde_json::{Value, json};

use super::Desk;

/// What a field takes, beside null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Object,
    Text,
    TextOrNumber,
}

use Takes::{Object, Text, TextOrNumber};

/// Every field that is read, and what it takes.
const FIELDS: [(&str, Takes); 20] = [
    ("channel", Text),
    ("event", Object),
    ("event.type", Text),
    ("event.custom", Object),
    ("event.custom.message_id", Text),
    ("event.custom.ctwa_id", Text),
    ("event.custom.ctwa_clid", Text),
    ("event.custom.currency", Text),
    ("event.custom.value", TextOrNumber),
    ("event.custom.event_time", TextOrNumber),
    ("event.custom.event_id", Text),
    ("from", Object),
    ("from.number", TextOrNumber),
    ("to", Object),
    ("to.number", TextOrNumber),
    ("reference", Text),
    ("idempotency_key", Text),
    ("authentication", Object),
    ("authentication.productToken", Text),
    ("messages.authentication.productToken", Text),
];

impl Takes {
    fn this(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(_) => matches!(self, Text | TextOrNumber),
            Value::Number(_) => self == TextOrNumber,
            Value::Object(_) => self == Object,
            Value::Bool(_) | Value::Array(_) => false,
        }
    }
}

/// The event with another value at a path, as text; the value need not be JSON.
fn with(event: &Value, path: &str, value: &str) -> String {
    const MARK: &str = "the value to replace";
    let mut event = event.clone();
    let (parents, name) =
        path.rsplit_once('.').map_or((vec![], path), |(parents, name)| (parents.split('.').collect(), name));
    let parent = parents.into_iter().fold(&mut event, |object, name| &mut object[name]);
    parent[name] = json!(MARK);
    event.to_string().replace(&json!(MARK).to_string(), value)
}

#[test]
fn every_type_of_value_at_every_field() {
    let mut desk = Desk::open();
    let event = desk.event();
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({"x": 1}),
    ];
    for (path, takes) in FIELDS {
        for value in &values {
            let body = with(&event, path, &value.to_string());
            if takes.this(value) {
                let answer = desk.post(body.as_bytes()).any_json();
                assert_ne!(answer["error"]["code"], "wrong_type", "{path} {value}: {answer}");
                assert_ne!(answer["errorCode"], 202, "{path} {value}: {answer}");
            } else {
                let answer = desk.refused(body.as_bytes(), "wrong_type", Some(path));
                let details = answer["details"].as_str().unwrap();
                assert!(
                    details.starts_with(&format!("{path}: expected "))
                        && details.contains("(line 1, column "),
                    "{details}"
                );
            }
        }
    }
    for value in values.iter().filter(|value| !value.is_object()) {
        desk.refused(value.to_string().as_bytes(), "wrong_type", None);
    }
    desk.close();
}

#[test]
fn numbers_beyond_all_measure() {
    let mut desk = Desk::open();
    let event = desk.event();
    let long = format!("1{}", "0".repeat(400));
    // What a number that any reader can hold gets at each field, and what it gets where it is only kept.
    let (value, time, from, to, kept) = (
        "event.custom.value",
        "event.custom.event_time",
        "from.number",
        "to.number",
        "event.custom.contents",
    );
    for number in ["0.1e-400", "1e308", "-1", "12345678901234567890123", "1.7976931348623157e308"] {
        for (field, code) in [
            (value, "value_invalid"),
            (time, "event_time_invalid"),
            (from, "from_not_a_number"),
            (to, "to_not_a_number"),
        ] {
            desk.refused(with(&event, field, number).as_bytes(), code, Some(field));
            desk.refused(with(&event, field, &format!("\"{number}\"")).as_bytes(), code, Some(field));
        }
        let answer = desk.post(with(&event, kept, number).as_bytes());
        assert_eq!(answer.status, 200, "{number}: {}", answer.body);
    }
    for (field, code) in
        [(value, "value_invalid"), (time, "event_time_invalid"), (from, "from_missing"), (to, "to_missing")]
    {
        desk.refused(with(&event, field, "-0").as_bytes(), code, Some(field));
    }
    for number in ["1e400", "-1e400", "1E+99999999999999999999", &long] {
        for field in [value, time, from, to, kept, "ignored"] {
            let answer = desk.refused(with(&event, field, number).as_bytes(), "not_json", None);
            let details = answer["details"].as_str().unwrap();
            assert!(
                details.contains("number out of range") && details.contains("line 1, column "),
                "{details}"
            );
        }
    }
    for number in ["00", "01", "+1", ".5", "5.", "1e", "0x10", "NaN", "Infinity", "-", "1_000"] {
        desk.refused(with(&event, value, number).as_bytes(), "not_json", None);
    }
    desk.close();
}

#[test]
fn depth_has_an_end() {
    let mut desk = Desk::open();
    let event = desk.event();
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    for (open, close, depth) in [
        ("[", "]", 20_000),
        ("[", "", 20_000),
        ("{\"\":", "}", 12_000),
        ("{\"\":", "", 16_000),
        ("[{\"a\":", "}]", 7_000),
    ] {
        let deep = nested(open, close, depth);
        desk.refused(deep.as_bytes(), "not_json", None);
        for field in
            ["event", "event.custom", "event.custom.contents", "event.custom.value", "ignored", "from.number"]
        {
            let answer = desk.refused(with(&event, field, &deep).as_bytes(), "not_json", None);
            let details = answer["details"].as_str().unwrap();
            assert!(details.contains("nested deeper than 64 levels (line 1, column "), "{details}");
            // The lenient reading does not go any deeper.
            desk.refused(format!("{} // or not", with(&event, field, &deep)).as_bytes(), "not_json", None);
        }
    }
    for comments in
        ["/*".repeat(20_000), "//\n".repeat(20_000), "/**/".repeat(15_000) + "{", ",".repeat(60_000)]
    {
        desk.refused(comments.as_bytes(), "not_json", None);
    }
    // The last depth that is taken is shown again inside the state of the event.
    let answer = desk.post(with(&event, "event.custom.contents", &nested("[", "]", 61)).as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    desk.refused(with(&event, "event.custom.contents", &nested("[", "]", 62)).as_bytes(), "not_json", None);
    desk.close();
}

#[test]
fn no_key_is_given_twice() {
    let mut desk = Desk::open();
    let event = desk.event();
    for path in
        ["", "event", "event.custom", "from", "to", "authentication", "messages", "messages.authentication"]
    {
        let object =
            if path.is_empty() { &event } else { path.split('.').fold(&event, |object, name| &object[name]) };
        for key in object.as_object().unwrap().keys() {
            let escaped = format!("\\u{:04x}{}", u32::from(key.as_bytes()[0]), &key[1..]);
            for (written, read) in
                [(key, key.clone()), (&key.to_uppercase(), key.to_uppercase()), (&escaped, key.clone())]
            {
                let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
                let body = with(&event, &format!("{prefix}the key"), "null");
                let body = body.replace("\"the key\"", &format!("\"{written}\""));
                let answer = desk.refused(body.as_bytes(), "doubled_key", Some(&format!("{prefix}{read}")));
                assert!(
                    answer["details"].as_str().unwrap().contains(": given twice (line 1, column "),
                    "{answer}"
                );
            }
        }
    }
    desk.close();
}

#[test]
fn texts_that_are_none() {
    let mut desk = Desk::open();
    let event = desk.event();
    for field in [
        "channel",
        "event.type",
        "event.custom.ctwa_id",
        "event.custom.contents",
        "to.number",
        "reference",
        "ignored",
    ] {
        for text in [
            r#""\ud800""#,
            r#""\udfff""#,
            r#""\ud800\ud800""#,
            r#""\ud800x""#,
            r#""\u12""#,
            r#""\x""#,
            "\"\0\"",
            "\"\n\"",
            "\"\u{1b}\"",
            "'x'",
        ] {
            let answer = desk.refused(with(&event, field, text).as_bytes(), "not_json", None);
            assert!(answer["details"].as_str().unwrap().contains("(line "), "{answer}");
        }
        for bytes in
            [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xe2\x82\""]
        {
            let body = with(&event, field, "@@");
            let (before, after) = body.split_once("@@").unwrap();
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            let answer = desk.refused(&body, "not_json", None);
            assert!(
                answer["details"].as_str().unwrap().starts_with("the body is not UTF-8 (line 1, column "),
                "{answer}"
            );
        }
    }
    // Characters that are JSON and mean nothing good.
    for (field, code) in [
        ("channel", "unknown_channel"),
        ("event.type", "unknown_event_type"),
        ("event.custom.ctwa_id", "click_id_conflict"),
        ("event.custom.currency", "unknown_currency"),
        ("event.custom.value", "value_invalid"),
        ("event.custom.event_time", "event_time_invalid"),
        ("event.custom.event_id", "event_id_invalid"),
        ("from.number", "from_not_a_number"),
        ("to.number", "to_not_a_number"),
        ("reference", "reference_invalid"),
        ("idempotency_key", "idempotency_key_invalid"),
    ] {
        for text in [r#""\u0000""#, r#""a\u0000b\u001b[31m\r\nc""#] {
            let answer = desk.refused(with(&event, field, text).as_bytes(), code, Some(field));
            assert!(!answer["details"].as_str().unwrap().contains(char::is_control), "{answer}");
        }
        let long = format!("\"{}\"", "\u{1f980}".repeat(15_000));
        let answer = desk.refused(with(&event, field, &long).as_bytes(), code, Some(field));
        assert!(answer.to_string().len() < 1500, "{answer}");
    }
    // One byte order mark is fine; other encodings are not.
    let body = event.to_string();
    assert_eq!(desk.post(format!("\u{feff}{body}").as_bytes()).status, 200);
    desk.refused(format!("\u{feff}\u{feff}{body}").as_bytes(), "not_json", None);
    desk.refused("\u{feff}".as_bytes(), "empty_body", None);
    let wide = |to_bytes: fn(u16) -> [u8; 2]| body.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
    desk.refused(&wide(u16::to_le_bytes), "not_json", None);
    desk.refused(&[b"\xff\xfe", wide(u16::to_le_bytes).as_slice()].concat(), "not_json", None);
    desk.refused(&[b"\xfe\xff", wide(u16::to_be_bytes).as_slice()].concat(), "not_json", None);
    desk.close();
}

#[test]
fn a_body_that_is_cut_off_is_no_event() {
    let mut desk = Desk::open();
    let body = desk.event().to_string();
    for end in 1..body.len() {
        desk.refused(&body.as_bytes()[..end], "not_json", None);
    }
    for nothing in ["", " ", "\r\n\t "] {
        desk.refused(nothing.as_bytes(), "empty_body", None);
    }
    for tail in ["}", ",", "{}", "x", "\0"] {
        desk.refused(format!("{body}{tail}").as_bytes(), "not_json", None);
    }
    assert_eq!(desk.post(body.as_bytes()).status, 200);
    desk.close();
}
