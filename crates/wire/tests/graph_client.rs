//! The client side of the Graph API against bytes from cited sources (`fixtures/graph/client/SOURCES.md`).

#![expect(clippy::unwrap_used, reason = "a test that finds something unexpected stops")]

use std::fs;
use std::path::{Path, PathBuf};

use laneway_model::{
    Amount, Bsuid, ClickId, Conversion, ConversionName, CtwaClid, Currency, DatasetId, Person, PhoneNumber,
    PhoneNumberId, Timestamp, WabaId, Wamid,
};
use laneway_wire::graph::client;
use proptest::prelude::*;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/graph/client")
}

fn fixture(name: &str) -> String {
    let path = directory().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.trim_end().to_owned()
}

fn wamid() -> Wamid {
    Wamid::parse("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUYzMjEzNDM2RTZGQ0MzMDJBRgA=").unwrap()
}

fn waba() -> WabaId {
    WabaId::parse("102290129340398").unwrap()
}

fn conversion(name: ConversionName, worth: Option<(&str, &str)>) -> Conversion {
    let click =
        "ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4XvnO2E4Nx0-eM-GABDLOPaOdRMv-_zfUQ2a";
    Conversion {
        name,
        click: Some(ClickId { value: CtwaClid::parse(click).unwrap(), captured: false }),
        event_time: Timestamp::from_millis(1_675_999_999_999),
        event_id: None,
        currency: worth.map(|(currency, _)| Currency::parse(currency).unwrap()),
        value: worth.map(|(_, value)| Amount::parse(value).unwrap()),
    }
}

#[track_caller]
fn check_request(name: &str, body: &str) {
    assert_eq!(body, fixture(&format!("requests/{name}")), "{name}");
}

#[test]
fn requests_are_the_documented_bytes() {
    check_request("mark-as-read.json", &client::mark_as_read(&wamid()));
    check_request("typing.json", &client::typing(&wamid()));

    let phones =
        ["+16505551234", "+14155559876"].map(|text| Person::Phone(PhoneNumber::parse(text).unwrap()));
    check_request(
        "block-users.json",
        &client::block_users(&phones.map(|person| client::block_user(&person))),
    );
    let bsuid = Person::Bsuid(Bsuid::parse("US.13491208655302741918").unwrap());
    check_request("block-user-id.json", &client::block_users(&[client::block_user(&bsuid)]));

    let purchase = conversion(ConversionName::Purchase, Some(("usd", "123")));
    check_request(
        "conversion-purchase.json",
        &client::events(&[client::conversion(&waba(), "order-1001", &purchase, None)]),
    );
    let lead = conversion(ConversionName::LeadSubmitted, None);
    check_request(
        "conversion-lead.json",
        &client::events(&[client::conversion(
            &waba(),
            "lead-7",
            &lead,
            Some(r#"{"ctwa_id":"x","note":"y"}"#),
        )]),
    );
    let order = conversion(ConversionName::OrderCreated, Some(("EUR", "12.60")));
    let custom = r#"{
        "ctwa_id": "x", "currency": "EUR", "value": "12.60", "client_ip_address": "192.0.2.1", "unknown": {},
        "Order_ID": "A-1", "contents": [{"id":"sku-1","quantity":2,"item_price":6.30}],
        "PH": "E323EC626319CA94EE8BFF2E4C87CF613BE6EA19919ED1364124E16807AB3176", "fn": "John",
        "em": ["62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f", "john_smith@gmail.com"],
        "opt_out": false, "data_processing_options": ["LDU"],
        "data_processing_options_state": 1000, "data_processing_options_country": 1
    }"#;
    check_request(
        "conversion-custom.json",
        &client::events(&[client::conversion(
            &waba(),
            "ev_01KAZ3QZ0000000000000000AB",
            &order,
            Some(custom),
        )]),
    );
}

#[test]
fn paths() {
    let number = PhoneNumberId::parse("106540352242922").unwrap();
    let dataset = DatasetId::parse("1234567890").unwrap();
    for (endpoint, path) in [
        (client::Endpoint::Messages(&number), "/106540352242922/messages"),
        (client::Endpoint::BlockUsers(&number), "/106540352242922/block_users"),
        (
            client::Endpoint::BlockList { number: &number, limit: 100, after: None },
            "/106540352242922/block_users?limit=100",
        ),
        (
            client::Endpoint::BlockList { number: &number, limit: 1, after: Some("a&b=") },
            "/106540352242922/block_users?limit=1&after=a%26b%3D",
        ),
        (client::Endpoint::Events(&dataset), "/1234567890/events"),
        (client::Endpoint::Dataset(&waba()), "/102290129340398/dataset"),
        (
            client::Endpoint::PhoneNumbers { waba: &waba(), limit: 100, after: None },
            "/102290129340398/phone_numbers?limit=100",
        ),
        (
            client::Endpoint::PhoneNumbers { waba: &waba(), limit: 1, after: Some("MTA=") },
            "/102290129340398/phone_numbers?limit=1&after=MTA%3D",
        ),
        (client::Endpoint::SubscribedApps(&waba()), "/102290129340398/subscribed_apps"),
        (client::Endpoint::DebugToken("EAA|x&y"), "/debug_token?input_token=EAA%7Cx%26y"),
        (client::Endpoint::App, "/app"),
    ] {
        assert_eq!(endpoint.path(), path);
    }
    assert_eq!(
        client::challenge_query("1158201444", "open sesame"),
        "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=open+sesame"
    );
}

/// An answer as its reader sees it.
fn read(name: &str, body: &[u8]) -> String {
    if name.starts_with("block-list") {
        format!("{:?}", client::BlockListAnswer::read(body))
    } else if name.starts_with("block") || name.starts_with("unblock") {
        format!("{:?}", client::BlockUsersAnswer::read(body))
    } else if name.starts_with("events") {
        format!("{:?}", client::EventsAnswer::read(body))
    } else if name.starts_with("dataset") {
        format!("{:?}", client::DatasetAnswer::read(body))
    } else if name.starts_with("phone-numbers") {
        format!("{:?}", client::PhoneNumbersAnswer::read(body))
    } else if name.starts_with("subscribed-apps") {
        format!("{:?}", client::SubscribedAppsAnswer::read(body))
    } else if name.starts_with("debug-token") {
        format!("{:?}", client::TokenAnswer::read(body))
    } else if name.starts_with("app") {
        format!("{:?}", client::AppAnswer::read(body))
    } else {
        format!("{:?}", client::MessagesAnswer::read(body))
    }
}

#[test]
fn answers_are_understood() {
    let mut all = String::new();
    for name in names("answers") {
        all.push_str(&format!("{name}\n  {}\n", read(&name, fixture(&format!("answers/{name}")).as_bytes())));
    }
    insta::assert_snapshot!("graph_client_answers", all);
}

fn names(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(directory().join(kind)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_fixture_names_its_source() {
    let sources = fixture("SOURCES.md");
    let listed: Vec<&str> =
        sources.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut present: Vec<String> = Vec::new();
    for kind in ["requests", "answers", "notifications"] {
        present.extend(names(kind).iter().map(|name| format!("{kind}/{name}")));
    }
    let mut listed: Vec<String> = listed.into_iter().map(ToOwned::to_owned).collect();
    listed.sort();
    present.sort();
    assert_eq!(listed, present);
}

#[track_caller]
fn check_error(body: &str, expected: Option<client::GraphError>) {
    assert_eq!(
        client::MessagesAnswer::read(body.as_bytes()).and_then(|answer| answer.error),
        expected,
        "{body}"
    );
}

#[test]
fn errors_in_odd_forms() {
    let none = client::GraphError::default;
    check_error("not json", None);
    check_error("[]", None);
    check_error(r#"{"error":null}"#, None);
    check_error(r#"{"error":{}}"#, Some(none()));
    check_error(r#"{"error":7}"#, Some(none()));
    check_error(
        r#"{"error":"invalid"}"#,
        Some(client::GraphError { message: Some("invalid".into()), ..none() }),
    );
    check_error(
        r#"{"error":{"code":"190","error_subcode":"x","type":null,"is_transient":"true","error_data":"not json"}}"#,
        Some(client::GraphError { code: Some(190), ..none() }),
    );
    check_error(r#"{"error":{"code":-1,"error_data":[1],"message":{"a":1}}}"#, Some(none()));
    check_error(r#"{"error":{"code":4294967296,"error_subcode":4294967295}}"#, {
        Some(client::GraphError { subcode: Some(u32::MAX), ..none() })
    });
}

#[test]
fn words_come_once() {
    let error = client::GraphError {
        message: Some("Invalid parameter".into()),
        details: Some("Invalid parameter".into()),
        user_title: Some(String::new()),
        user_message: Some("The event is too old".into()),
        ..client::GraphError::default()
    };
    assert_eq!(error.words(), ["Invalid parameter", "The event is too old"]);
}

#[test]
fn the_wait_of_the_usage_header() {
    for (header, minutes) in [
        (
            r#"{"102290129340398":[{"type":"whatsapp","call_count":1,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":0}]}"#,
            None,
        ),
        (
            r#"{"102290129340398":[{"type":"whatsapp_business_management","estimated_time_to_regain_access":3},{"type":"whatsapp","estimated_time_to_regain_access":17}]}"#,
            Some(17),
        ),
        (r#"{"1":[{"estimated_time_to_regain_access":17}]}"#, None),
        (r#"{"102290129340398":[{"type":"whatsapp"}]}"#, None),
        (r#"{"102290129340398":{}}"#, None),
        ("garbage", None),
    ] {
        assert_eq!(client::minutes_to_regain_access(header, &waba()), minutes, "{header}");
    }
}

/// JSON of any shape under the keys that the readers look at.
fn odd_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "\"[a-z0-9]{0,4}\"".prop_map(|s| s),
    ];
    let keys = prop::sample::select(vec![
        "error",
        "code",
        "error_data",
        "details",
        "block_users",
        "added_users",
        "failed_users",
        "errors",
        "data",
        "id",
        "paging",
        "cursors",
        "after",
        "messages",
        "events_received",
        "102290129340398",
        "estimated_time_to_regain_access",
    ]);
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec((keys.clone(), inner), 0..4).prop_map(|fields| {
                let fields: Vec<String> = fields.into_iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

fn read_as_everything(body: &[u8]) {
    for name in ["block-list", "block", "events", "dataset", "phone-numbers", "success"] {
        read(name, body);
    }
    client::minutes_to_regain_access(&String::from_utf8_lossy(body), &waba());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&body);
    }

    #[test]
    fn any_json_is_answered(body in odd_json()) {
        read_as_everything(body.as_bytes());
    }

    #[test]
    fn any_custom_leaves_a_request_valid(custom in prop_oneof![odd_json(), ".{0,60}"]) {
        let lead = conversion(ConversionName::LeadSubmitted, None);
        let body = client::events(&[client::conversion(&waba(), "e", &lead, Some(&custom))]);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}", body);
    }
}
