//! Every way in which an event is judged, each with the words that the client reads.

mod conversions;
mod rows;
mod told;

use std::path::PathBuf;

use laneway_channel::Secret;
use laneway_model::{AccountName, DatasetId, PhoneNumberId, WabaId};
use laneway_wire::cm;

use super::*;
use crate::config::{Country, GiveUp, Number, NumbersFrom, Waba};

/// 2026-11-18T11:06:40Z.
const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
const DAY: u64 = 24 * 60 * 60;
const KEYS_KEPT: Duration = Duration::from_hours(5);

fn waba(dataset: Option<&str>, numbers: &[&str]) -> Waba {
    let number = |text: &&str| Number {
        number: PhoneNumber::parse(text).unwrap(),
        phone_number_id: PhoneNumberId::parse("106540352242922").unwrap(),
    };
    Waba {
        id: WabaId::parse("102290129340398").unwrap(),
        app: None,
        access_token: Secret::new("EAAG"),
        conversions_token: None,
        dataset_id: dataset.map(|id| DatasetId::parse(id).unwrap()),
        looks_up_dataset: false,
        numbers_from: NumbersFrom::File,
        graph_url: Waba::GRAPH_URL.to_owned(),
        graph_version: Waba::GRAPH_VERSION.to_owned(),
        max_calls_per_second: Waba::MAX_CALLS_PER_SECOND,
        numbers: numbers.iter().map(number).collect(),
    }
}

fn account() -> Account {
    Account {
        name: AccountName::parse("shop").unwrap(),
        tokens: Vec::new(),
        country: None,
        allow_restricted_country: false,
        wabas: vec![waba(Some("1"), &["+316098765432"]), waba(None, &["+14155550100"])],
        cm_webhook_secrets: Vec::new(),
        forwards: Vec::new(),
        callbacks: Vec::new(),
        max_events_per_second: None,
        on_dead_letter: Default::default(),
        on_lost_answer: Default::default(),
        cm_token: None,
        route: Default::default(),
        shadow: Default::default(),
        open_access: false,
    }
}

fn judge_as(
    account: &Account,
    rules: &Rules,
    body: &str,
    idempotency_key: Option<&str>,
) -> Result<Accepted, Refusal> {
    judge_told(account, rules, Told::NOTHING, body, idempotency_key)
}

fn judge_told(
    account: &Account,
    rules: &Rules,
    told: &Told,
    body: &str,
    idempotency_key: Option<&str>,
) -> Result<Accepted, Refusal> {
    let request = cm::parse(body.as_bytes()).map_err(Refusal::from)?;
    accept(&Context { account, now: NOW, rules, keys_kept: KEYS_KEPT, told }, &request, idempotency_key)
}

fn judge(body: &str) -> Result<Accepted, Refusal> {
    judge_as(&account(), &Rules::default(), body, None)
}

/// A body with this type and these members of `custom`.
fn body(kind: &str, custom: &str) -> String {
    format!(
        r#"{{"channel":"WhatsApp","event":{{"type":"{kind}","custom":{{{custom}}}}},"from":{{"number":"00316098765432"}},"to":{{"number":"00316012345678"}}}}"#
    )
}

#[track_caller]
fn refuses_with(
    result: Result<Accepted, Refusal>,
    code: RefusalCode,
    details: &str,
    field: &str,
    hint: Option<&str>,
) {
    let refusal = result.expect_err(details);
    let found = (refusal.code, refusal.details.as_str(), refusal.field.as_deref(), refusal.hint.as_deref());
    assert_eq!(found, (code, details, Some(field).filter(|field| !field.is_empty()), hint));
}

/// A refusal whose hint is the field's usual one.
#[track_caller]
fn refuses(body: &str, code: RefusalCode, details: &str, field: &str) {
    let result = judge(body);
    let hint = result.as_ref().err().and_then(|refusal| refusal.hint.clone());
    refuses_with(result, code, details, field, hint.as_deref());
}

#[test]
fn bodies() {
    refuses("", RefusalCode::EmptyBody, "the body is empty (line 1, column 1)", "");
    refuses(
        "{",
        RefusalCode::NotJson,
        "the body is not JSON: EOF while parsing an object (line 1, column 1)",
        "",
    );
    refuses(
        &"[".repeat(20_000),
        RefusalCode::NotJson,
        "the body is nested deeper than 64 levels (line 1, column 65)",
        "",
    );
    refuses(
        "[]",
        RefusalCode::WrongType,
        "the body: expected an object, found an array (line 1, column 1)",
        "",
    );
    refuses(
        r#"{"event":{"custom":{"value":[]}}}"#,
        RefusalCode::WrongType,
        "event.custom.value: expected text or a number, found an array (line 1, column 29)",
        "event.custom.value",
    );
    refuses(
        r#"{"to":{"number":"1","NUMBER":"2"}}"#,
        RefusalCode::DoubledKey,
        "to.NUMBER: given twice (line 1, column 21)",
        "to.NUMBER",
    );
    let utf8 = Refusal::from(cm::parse(b"\xff").unwrap_err());
    assert_eq!(
        (utf8.code, utf8.details.as_str()),
        (RefusalCode::NotJson, "the body is not UTF-8 (line 1, column 1)")
    );
}

#[test]
fn channels() {
    assert!(judge(&body("Block", "").replace("WhatsApp", "wHATSaPP")).is_ok());
    for missing in ["{}", r#"{"channel":null}"#, r#"{"channel":""}"#] {
        refuses(missing, RefusalCode::ChannelMissing, "channel: missing", "channel");
    }
    refuses_with(
        judge(r#"{"channel":"SMS"}"#),
        RefusalCode::UnknownChannel,
        "channel: \"SMS\" is not a channel of events",
        "channel",
        Some("the only channel of events is \"WhatsApp\""),
    );
    let long = format!("channel: \"{}…\" is not a channel of events", "x".repeat(64));
    refuses(
        &format!(r#"{{"channel":"{}"}}"#, "x".repeat(60_000)),
        RefusalCode::UnknownChannel,
        &long,
        "channel",
    );
}

#[test]
fn types() {
    for kind in EventKind::all() {
        let custom = r#""message_id":"wamid.1","ctwa_id":"c","currency":"EUR","value":1"#;
        for spelling in [kind.as_str().to_owned(), kind.as_str().to_lowercase()] {
            assert_eq!(judge(&body(&spelling, custom)).unwrap().event.kind(), kind);
        }
    }
    let hint = "known types: MarkAsRead, Block, UnBlock, Purchase, LeadSubmitted, InitiateCheckout, AddToCart, \
        ViewContent, OrderCreated, OrderShipped, OrderDelivered, OrderCanceled, OrderReturned, CartAbandoned, \
        QualifiedLead, RatingProvided, ReviewProvided, Typing";
    for (given, code, details) in [
        ("", RefusalCode::EventTypeMissing, "event.type: missing"),
        (
            "Lead",
            RefusalCode::UnknownEventType,
            "event.type: \"Lead\" is not an event type; did you mean \"LeadSubmitted\"?",
        ),
        (
            "Blocks",
            RefusalCode::UnknownEventType,
            "event.type: \"Blocks\" is not an event type; did you mean \"Block\"?",
        ),
        ("Subscribe", RefusalCode::UnknownEventType, "event.type: \"Subscribe\" is not an event type"),
        (
            "EventTypeHere",
            RefusalCode::UnknownEventType,
            "event.type: \"EventTypeHere\" is the placeholder of CM.com's page, not an event type",
        ),
    ] {
        refuses_with(judge(&body(given, "")), code, details, "event.type", Some(hint));
    }
    refuses(r#"{"channel":"WhatsApp"}"#, RefusalCode::EventTypeMissing, "event.type: missing", "event.type");
}

#[test]
fn a_number_that_meta_may_still_tell_is_not_refused_for_good() {
    let not_yet = Waba { numbers_from: NumbersFrom::NotYet, ..waba(Some("1"), &[]) };
    let told = Waba { numbers_from: NumbersFrom::Meta, ..waba(Some("1"), &["+316098765432"]) };
    let judge = |wabas: &[&Waba], number: &str| {
        let account = Account { wabas: wabas.iter().map(|waba| (*waba).clone()).collect(), ..account() };
        let body = body("Block", "").replace("00316098765432", number);
        judge_as(&account, &Rules::default(), &body, None).map(|accepted| accepted.event.business.to_string())
    };
    let details = "from.number: +316098765432 is not known yet: Meta was asked for the numbers of the WABA \
        102290129340398, and has not told them";
    for wabas in [&[&not_yet] as &[&Waba], &[&waba(None, &["+14155550100"]), &not_yet]] {
        let refusal = judge(wabas, "00316098765432").unwrap_err();
        assert_eq!((refusal.code, refusal.details.as_str()), (RefusalCode::NumbersNotKnown, details));
        assert_eq!((refusal.code.http_status(), refusal.code.cm_error_code()), (503, 500));
    }
    // What is no number stays none, and a number that is known is not kept waiting by another WABA.
    assert_eq!(judge(&[&not_yet], "06").unwrap_err().code, RefusalCode::FromNotANumber);
    assert_eq!(judge(&[&not_yet, &told], "00316098765432").as_deref(), Ok("+316098765432"));
    // Once Meta has told them, a number that is not among them is none.
    assert_eq!(judge(&[&told], "+14155550199").unwrap_err().code, RefusalCode::FromUnknown);
}

#[test]
fn business_numbers() {
    let from = |number: &str| body("Block", "").replace(r#""00316098765432""#, number);
    for form in [r#""+316098765432""#, "316098765432", r#""31 6-0987 65432""#] {
        assert_eq!(judge(&from(form)).unwrap().event.business.to_string(), "+316098765432");
    }
    let hint = Some("this account's numbers: +316098765432, +14155550100");
    for (number, code, details) in [
        (r#""""#, RefusalCode::FromMissing, "from.number: missing"),
        (r#""00""#, RefusalCode::FromMissing, "from.number: missing"),
        ("null", RefusalCode::FromMissing, "from.number: missing"),
        (
            r#""Shop""#,
            RefusalCode::FromNotANumber,
            "from.number: \"Shop\" is not a number: 'S' does not belong in a number",
        ),
        (
            r#""US.1""#,
            RefusalCode::FromNotANumber,
            "from.number: \"US.1\" is not a number: 'U' does not belong in a number",
        ),
        (
            r#""0612345678""#,
            RefusalCode::FromNotANumber,
            "from.number: \"0612345678\" is not a number: a national number; write it with its country code, as 00… or +…",
        ),
        (
            "3.16098765432e11",
            RefusalCode::FromNotANumber,
            "from.number: \"3.16098765432e11\" is not a number: '.' does not belong in a number",
        ),
        (
            r#""123456""#,
            RefusalCode::FromNotANumber,
            "from.number: \"123456\" is not a number: 6 digits; a number has 7 to 15",
        ),
        (
            r#""+316012345678""#,
            RefusalCode::FromUnknown,
            "from.number: +316012345678 is no number of this account",
        ),
    ] {
        refuses_with(judge(&from(number)), code, details, "from.number", hint);
    }
}

#[test]
fn of_many_numbers_the_first_ten_are_named() {
    let numbers: Vec<String> = (0..12).map(|n| format!("+3160000000{n:02}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let account = Account { wabas: vec![waba(None, &numbers)], ..account() };
    refuses_with(
        judge_as(&account, &Rules::default(), &body("Block", ""), None),
        RefusalCode::FromUnknown,
        "from.number: +316098765432 is no number of this account",
        "from.number",
        Some(&format!("this account's numbers: {} and 2 more", numbers[..10].join(", "))),
    );
}

#[test]
fn users() {
    let to = |kind: &str, number: &str| {
        body(kind, r#""message_id":"m","ctwa_id":"c""#).replace(r#""00316012345678""#, number)
    };
    let person = |kind, number| judge(&to(kind, number)).unwrap().event.person.map(|p| p.to_string());
    for kind in ["Block", "UnBlock", "MarkAsRead", "Typing", "AddToCart"] {
        assert_eq!(person(kind, "316012345678").as_deref(), Some("+316012345678"));
        assert_eq!(person(kind, r#""US.13491208655302741918""#).as_deref(), Some("US.13491208655302741918"));
        refuses(
            &to(kind, r#""abc""#),
            RefusalCode::ToNotANumber,
            "to.number: \"abc\" is not a number: 'a' does not belong in a number",
            "to.number",
        );
    }
    for nobody in [r#""""#, r#""00""#, r#""+""#, r#"" ""#, "null"] {
        for kind in ["MarkAsRead", "Typing"] {
            assert_eq!(person(kind, nobody), None);
        }
        for kind in ["Block", "UnBlock", "AddToCart"] {
            refuses_with(
                judge(&to(kind, nobody)),
                RefusalCode::ToMissing,
                &format!("to.number: missing; {kind} needs the user it is about"),
                "to.number",
                Some(PERSON_FORMS),
            );
        }
    }
    let without_to = r#"{"channel":"WhatsApp","event":{"type":"MarkAsRead","custom":{"message_id":"m"}},"from":{"number":"+316098765432"}}"#;
    assert_eq!(judge(without_to).unwrap().event.person, None);
}

#[test]
fn a_number_does_not_block_itself() {
    let itself = body("Block", "").replace("00316012345678", "+316098765432");
    refuses_with(
        judge(&itself),
        RefusalCode::SelfBlock,
        "to.number: +316098765432 is the business number itself, which cannot be blocked",
        "to.number",
        None,
    );
    assert!(judge(&itself.replace("\"Block\"", "\"UnBlock\"")).is_ok());
    let rules = Rules { self_block: false, ..Rules::default() };
    assert!(judge_as(&account(), &rules, &itself, None).is_ok());
}

#[test]
fn messages() {
    const FIELD: &str = "event.custom.message_id";
    for kind in ["MarkAsRead", "Typing"] {
        for custom in ["", r#""message_id":"""#, r#""message_id":null"#, r#""messageid":"wamid.1""#] {
            refuses_with(
                judge(&body(kind, custom)),
                RefusalCode::MessageIdMissing,
                &format!("event.custom.message_id: missing; {kind} needs the id of the user's message"),
                FIELD,
                Some("the id (wamid.…) came with the notification of the message"),
            );
        }
        let id = |id: &str| body(kind, &format!(r#""message_id":"{id}""#));
        refuses(
            &id("a\\u0000"),
            RefusalCode::MessageIdInvalid,
            "event.custom.message_id: contains '\\0'",
            FIELD,
        );
        refuses(
            &id(&"x".repeat(513)),
            RefusalCode::MessageIdInvalid,
            "event.custom.message_id: is longer than 512 bytes",
            FIELD,
        );
        assert!(judge(&id(&"x".repeat(512))).is_ok());
    }
}

#[test]
fn references() {
    let with =
        |reference: &str| body("Block", "").replacen('{', &format!(r#"{{"reference":{reference},"#), 1);
    let found = |text: &str| judge(&with(text)).unwrap().event.reference;
    assert_eq!((found("null"), found(r#""""#)), (None, None));
    assert_eq!(found(&format!("\"{}\"", "é".repeat(64))).unwrap().as_str(), "é".repeat(64));
    let long = format!("\"{}\"", "é".repeat(65));
    for (text, details) in [
        (long.as_str(), "reference: is longer than 64 characters"),
        (r#""a\u0007""#, "reference: contains '\\u{7}'"),
    ] {
        refuses(&with(text), RefusalCode::ReferenceInvalid, details, "reference");
    }
}

#[test]
fn samples_are_accepted() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/fixtures/cm");
    for (name, expected) in [
        ("mark_as_read", Ok("MarkAsRead")),
        ("mark_as_read_newer_page", Ok("MarkAsRead")),
        ("typing", Ok("Typing")),
        ("block", Ok("Block")),
        ("unblock", Ok("UnBlock")),
        ("meta_conversions", Ok("ViewContent")),
        ("meta_conversions_with_value", Ok("Purchase")),
        ("structure", Err(RefusalCode::UnknownEventType)),
    ] {
        let sample = std::fs::read_to_string(folder.join(name).with_extension("json")).unwrap();
        let found =
            judge(&sample).map(|accepted| accepted.event.kind().as_str()).map_err(|refusal| refusal.code);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_document_lists_every_code() {
    let document = include_str!("../../../../docs/events.md");
    let listed: Vec<(String, String, String)> = document
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let word = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            let is_row = cells.len() == 7 && cells[2].parse::<u16>().is_ok();
            is_row.then(|| (word.to_owned(), cells[2].to_owned(), cells[3].to_owned()))
        })
        .collect();
    let coded: Vec<(String, String, String)> = RefusalCode::ALL
        .iter()
        .map(|code| {
            let (http_status, error_code) = (code.http_status(), code.cm_error_code());
            (code.as_str().to_owned(), http_status.to_string(), error_code.to_string())
        })
        .collect();
    assert_eq!(listed, coded);
    let mut words: Vec<&str> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), RefusalCode::ALL.len(), "a word stands for one reason");
}

#[test]
fn bodies_of_refusals() {
    let refusal = judge(&body("Lead", "")).unwrap_err();
    let text = serde_json::to_string(&refusal.body()).unwrap();
    let start = r#"{"details":"event.type: \"Lead\" is not an event type; did you mean \"LeadSubmitted\"?","errorCode":305,"messages":[],"error":{"code":"unknown_event_type","field":"event.type","hint":"known types: "#;
    assert!(text.starts_with(start), "{text}");
}
