//! What is read out of bodies that are not samples, and how the others are refused.

use laneway_wire::cm::{self, EventRequest};
use proptest::prelude::*;
use serde_json::value::RawValue;

/// The fields of a request that are there, each as `name=value`.
fn shown(request: &EventRequest<'_>) -> String {
    let token = request.product_token.as_ref().map(|token| token.expose());
    let custom = &request.custom;
    [
        ("channel", request.channel.as_deref()),
        ("type", request.event_type.as_deref()),
        ("from", request.from.as_deref()),
        ("to", request.to.as_deref()),
        ("reference", request.reference.as_deref()),
        ("key", request.idempotency_key.as_deref()),
        ("token", token),
        ("custom", custom.text.as_deref()),
        ("message_id", custom.message_id.as_deref()),
        ("ctwa_id", custom.ctwa_id.as_deref()),
        ("ctwa_clid", custom.ctwa_clid.as_deref()),
        ("currency", custom.currency.as_deref()),
        ("value", custom.value.as_deref()),
        ("event_time", custom.event_time.as_deref()),
        ("event_id", custom.event_id.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
    .collect::<Vec<_>>()
    .join(" ")
}

#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: Result<&str, &str>) {
    let body = body.as_ref();
    let found = cm::parse(body).map(|request| shown(&request)).map_err(|error| error.to_string());
    let expected = expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(&body[..body.len().min(1000)]));
}

#[test]
fn fields() {
    check("{}", Ok(""));
    check(
        r#"{"CHANNEL":"w","Event":{"TYPE":"t"},"FROM":{"Number":"1"},"tO":{"numBER":"2"},"Reference":"r","IDEMPOTENCY_KEY":"k"}"#,
        Ok("channel=w type=t from=1 to=2 reference=r key=k"),
    );
    check(r#"{"channel":null,"event":null,"from":{"number":null},"to":null,"authentication":null}"#, Ok(""));
    check(r#"{"event":{"custom":null}}"#, Ok(""));
    check(r#"{"from":{"number":316098765432},"to":{"number":-1.5e3}}"#, Ok("from=316098765432 to=-1.5e3"));
    check(r#"{"unknown":[{"channel":"x"},1,true,null],"$type":"x","channel":"w"}"#, Ok("channel=w"));
    check(r#"{"channel":"\u0057hats\tApp é 😀 \ud83d\ude00"}"#, Ok("channel=Whats\tApp é 😀 😀"));
    check(r#"{"ch\u0061nnel":"w"}"#, Ok("channel=w"));
    check(
        r#"{"event":{"custom":{"Message_ID":"m","ctwa_id":"a","CTWA_CLID":"b","currency":"EUR","value":12.60,"event_time":1795000000,"event_id":"e"}}}"#,
        Ok(
            r#"custom={"Message_ID":"m","ctwa_id":"a","CTWA_CLID":"b","currency":"EUR","value":12.60,"event_time":1795000000,"event_id":"e"} message_id=m ctwa_id=a ctwa_clid=b currency=EUR value=12.60 event_time=1795000000 event_id=e"#,
        ),
    );
    check(
        r#"{"event":{"custom":{"value":"12.60","event_time":"9"}}}"#,
        Ok(r#"custom={"value":"12.60","event_time":"9"} value=12.60 event_time=9"#),
    );
    check(r#"{"event":{"custom":{ "a" : [ 1.50 ] }}}"#, Ok(r#"custom={ "a" : [ 1.50 ] }"#));
}

#[test]
fn tokens() {
    check(r#"{"authentication":{"productToken":"a"}}"#, Ok("token=a"));
    check(r#"{"Messages":{"Authentication":{"ProductToken":"b"},"msg":[]}}"#, Ok("token=b"));
    check(
        r#"{"messages":{"authentication":{"producttoken":"b"}},"authentication":{"producttoken":"a"}}"#,
        Ok("token=a"),
    );
    check(r#"{"authentication":{}}"#, Ok(""));
    let request = cm::parse(br#"{"authentication":{"productToken":"secret"}}"#).unwrap();
    assert!(!format!("{request:?}").contains("secret"));
}

#[test]
fn tokens_are_not_kept_in_custom() {
    check(
        r#"{"event":{"custom":{"a":1,"ProductToken":"secret","b\"é":{"c" : 2},"AUTHENTICATION":{"productToken":"secret"}}}}"#,
        Ok(r#"custom={"a":1,"b\"é":{"c" : 2}}"#),
    );
    check(r#"{"event":{"custom":{"productToken":"secret"}}}"#, Ok("custom={}"));
}

#[test]
fn comments_and_trailing_commas() {
    check("{\"channel\":\"w\", // why\n}", Ok("channel=w"));
    check("/* a */{/* b */\"channel\"/* c */:/* d */\"//w\"/* e */,/* f */}// g", Ok("channel=//w"));
    check("{\"event\":{\"custom\":{\"a\":1, // one\n}}}", Ok("custom={\"a\":1        \n}"));
    check("{\"from\":{//é\n\"number\":}}", Err("the body is not JSON: expected value (line 2, column 10)"));
    check("{\"é\":1,/* é */\"from\":1}", Err("from: expected an object, found a number (line 1, column 22)"));
    check("/* éé */{\"a\":1,,}", Err("the body is not JSON: key must be a string (line 1, column 16)"));
    check("{ // é", Err("the body is not JSON: EOF while parsing an object (line 1, column 6)"));
}

#[test]
fn not_json() {
    for empty in ["", " \r\n\t", "\u{feff}"] {
        check(empty, Err("the body is empty (line 1, column 1)"));
    }
    check("// nothing", Err("the body is not JSON: EOF while parsing a value (line 1, column 10)"));
    check("channel=WhatsApp", Err("the body is not JSON: expected value (line 1, column 1)"));
    check("{'channel':1}", Err("the body is not JSON: key must be a string (line 1, column 2)"));
    check("{\"a\":1", Err("the body is not JSON: EOF while parsing an object (line 1, column 6)"));
    check("{}\n{}", Err("the body is not JSON: trailing characters (line 2, column 1)"));
    check("{\"a\":[,]}", Err("the body is not JSON: expected value (line 1, column 7)"));
    check("{\"a\":1,,}", Err("the body is not JSON: key must be a string (line 1, column 8)"));
    check("{\"a\":01}", Err("the body is not JSON: invalid number (line 1, column 7)"));
    check("{\"a\":1e999}", Err("the body is not JSON: number out of range (line 1, column 10)"));
    check("{\"a\":NaN}", Err("the body is not JSON: expected value (line 1, column 6)"));
    check("{} /* open", Err("the body is not JSON: trailing characters (line 1, column 4)"));
    check(
        "{\"a\":\"\u{0}\"}",
        Err(
            "the body is not JSON: control character (\\u0000-\\u001F) found while parsing a string (line 1, column 7)",
        ),
    );
    check("\u{0}", Err("the body is not JSON: expected value (line 1, column 1)"));
}

#[test]
fn characters() {
    check("\u{feff}{\"channel\":\"w\"}", Ok("channel=w"));
    check("\u{feff}{]", Err("the body is not JSON: key must be a string (line 1, column 2)"));
    check(b"{\"a\":1,\n\"\xc3\xa9\xff\"}", Err("the body is not UTF-8 (line 2, column 3)"));
    check(b"\xef\xbb\xbf\xff", Err("the body is not UTF-8 (line 1, column 1)"));
    check(b"\xff\xfe{\0}\0", Err("the body is not UTF-8 (line 1, column 1)"));
    check(
        r#"{"a":"\ud800\u0041"}"#,
        Err("the body is not JSON: lone leading surrogate in hex escape (line 1, column 18)"),
    );
    for trail in [r#""\ud800""#, r#""\ud800x""#, r#""\udc00""#, r#"["\ud800\ud800"]"#, r#"{"\ud800":1}"#] {
        let error = cm::parse(format!(r#"{{"unknown":{trail}}}"#).as_bytes()).unwrap_err();
        assert!(matches!(error.defect, cm::Defect::Syntax { .. }), "{error}");
    }
}

#[test]
fn wrong_types() {
    check("[]", Err("the body: expected an object, found an array (line 1, column 1)"));
    check(" \"x\"", Err("the body: expected an object, found text (line 1, column 2)"));
    check("// a list\n []", Err("the body: expected an object, found an array (line 2, column 2)"));
    check("null", Err("the body: expected an object, found null (line 1, column 1)"));
    check("{\"channel\":\n  1}", Err("channel: expected text, found a number (line 2, column 3)"));
    check(r#"{"event":{"type":{}}}"#, Err("event.type: expected text, found an object (line 1, column 18)"));
    check(r#"{"event":"Block"}"#, Err("event: expected an object, found text (line 1, column 10)"));
    check(r#"{"from":"0031"}"#, Err("from: expected an object, found text (line 1, column 9)"));
    check(
        r#"{"from":{"number":true}}"#,
        Err("from.number: expected text or a number, found a boolean (line 1, column 19)"),
    );
    check(r#"{"to":[{"number":"1"}]}"#, Err("to: expected an object, found an array (line 1, column 7)"));
    check(r#"{"reference":1}"#, Err("reference: expected text, found a number (line 1, column 14)"));
    check(
        r#"{"idempotency_key":1}"#,
        Err("idempotency_key: expected text, found a number (line 1, column 20)"),
    );
    check(
        r#"{"event":{"custom":[]}}"#,
        Err("event.custom: expected an object, found an array (line 1, column 20)"),
    );
    check(
        r#"{"event":{"custom":{"value":[1]}}}"#,
        Err("event.custom.value: expected text or a number, found an array (line 1, column 29)"),
    );
    check(
        r#"{"event":{"custom":{"message_id":1}}}"#,
        Err("event.custom.message_id: expected text, found a number (line 1, column 34)"),
    );
    check(r#"{"messages":[]}"#, Err("messages: expected an object, found an array (line 1, column 13)"));
    check(
        r#"{"messages":{"authentication":{"productToken":1}}}"#,
        Err("messages.authentication.productToken: expected text, found a number (line 1, column 47)"),
    );
}

#[test]
fn doubled_keys() {
    check("{\"from\":1,\n \"From\":2}", Err("From: given twice (line 2, column 2)"));
    check(r#"{"x":1,"y":2,"x":3,"Y":4}"#, Err("x: given twice (line 1, column 14)"));
    check(r#"{"event":{"type":1,"TYPE":2}}"#, Err("event.TYPE: given twice (line 1, column 20)"));
    check(r#"{"from":{"number":1,"number":1}}"#, Err("from.number: given twice (line 1, column 21)"));
    check(r#"{"to":{"a":1,"a":1}}"#, Err("to.a: given twice (line 1, column 14)"));
    check(r#"{"authentication":{"a":1,"a":1}}"#, Err("authentication.a: given twice (line 1, column 26)"));
    check(r#"{"messages":{"a":1,"a":1}}"#, Err("messages.a: given twice (line 1, column 20)"));
    check(
        r#"{"messages":{"authentication":{"a":1,"a":1}}}"#,
        Err("messages.authentication.a: given twice (line 1, column 38)"),
    );
    check(r#"{"event":{"custom":{"a":1,"A":1}}}"#, Err("event.custom.A: given twice (line 1, column 27)"));
    check(r#"{"a":1,"\u0061":2}"#, Err("a: given twice (line 1, column 17)"));
    check(r#"{"event":{"custom":{"a":{"b":1,"b":2}}}}"#, Ok(r#"custom={"a":{"b":1,"b":2}}"#));
    check(r#"{"a\n\u001bb":1,"a\n\u001bb":2}"#, Err("a\u{fffd}\u{fffd}b: given twice (line 1, column 30)"));
    let long = "k".repeat(1000);
    check(
        format!(r#"{{"{long}":1,"{long}":1}}"#),
        Err(&format!("{}: given twice (line 1, column 1007)", "k".repeat(64))),
    );
}

#[test]
fn nesting() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    check(nested(63), Ok(""));
    check(nested(64), Err("the body is nested deeper than 64 levels (line 1, column 69)"));
    let opened = "[".repeat(64);
    check(
        format!(r#"["]}}\\\"[{{",{{"a\\":[]}},{opened} // é"#),
        Err("the body is nested deeper than 64 levels (line 1, column 87)"),
    );
    check(
        format!("{opened}// é\n[\n \n1"),
        Err("the body is nested deeper than 64 levels (line 2, column 1)"),
    );
    let opened = "[".repeat(20_000);
    for body in [
        format!("{{\"event\":{{\"custom\":{opened}"),
        opened.clone(),
        nested(20_000),
        "{\"a\":".repeat(20_000),
        format!("// commented\n{opened}"),
    ] {
        let error = cm::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.defect, cm::Defect::TooDeep);
    }
}

#[test]
fn items_are_read_like_bodies() {
    let batch: Vec<&RawValue> =
        serde_json::from_str(r#"[{"Event":{"type":"Block"}}, {"to":1}, {"a":"\ud800"}]"#).unwrap();
    let found: Vec<_> = batch
        .into_iter()
        .map(|item| cm::parse_item(item).map(|request| shown(&request)).map_err(|error| error.to_string()))
        .collect();
    assert_eq!(
        found,
        [
            Ok("type=Block".to_owned()),
            Err("to: expected an object, found a number (line 1, column 7)".to_owned()),
            Err("the body is not JSON: unexpected end of hex escape (line 1, column 13)".to_owned()),
        ]
    );
}

#[test]
fn thousands_of_keys_are_compared_quickly() {
    let keys: Vec<String> = (0..8000).map(|n| format!("\"k{n}\":1")).collect();
    let members = keys.join(",");
    check(format!("{{{members}}}"), Ok(""));
    assert!(cm::parse(format!("{{{members},\"K7\":1}}").as_bytes()).is_err());
}

/// A body out of the pieces that such bodies are made of, mostly not JSON.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "//",
        "/*",
        "*/",
        "\n",
        " ",
        "null",
        "1.50",
        "\"channel\"",
        "\"event\"",
        "\"custom\"",
        "\"from\"",
        "\"number\"",
        "\"x\"",
        "\\ud800",
        "é",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(cm::parse(&body).is_err() || !body.is_empty());
    }

    #[test]
    fn any_pieces_are_answered(body in pieces()) {
        if let Err(error) = cm::parse(&body) {
            let lines = body.iter().filter(|byte| **byte == b'\n').count() + 1;
            prop_assert!((1..=lines).contains(&error.place.line) && error.place.column >= 1, "{error}");
        }
    }

    #[test]
    fn both_ways_read_the_same(
        channel in ".{0,8}", kind in "[a-zA-Z/*,]{0,12}", number: u64, value in "[1-9][0-9]{0,4}[.][0-9]{2}", id in ".{0,20}",
    ) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let strict = format!(
            r#"{{"channel":{},"event":{{"type":{},"custom":{{"value":{value},"ctwa_id":{}}}}},"from":{{"number":{number}}}}}"#,
            text(&channel), text(&kind), text(&id),
        );
        let pasted = format!("{},/* , */ }} // pasted", strict.strip_suffix('}').unwrap());
        let wanted = cm::parse(strict.as_bytes());
        prop_assert!(wanted.is_ok());
        prop_assert_eq!(cm::parse(pasted.as_bytes()), wanted);
    }
}
