//! The server side against bytes from its sources; see `fixtures/graph/server/README.md`.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use laneway_wire::graph::server::{
    AppRef, BlockAnswer, BlockEntry, BlockVerb, BlockedRow, ContactRef, ConversionFields, ConversionRefusal,
    Cursor, EventTime, KNOWN_ERRORS, MessageRequest, MissingTokenCode, Paging, PagingCursors, Parameters,
    Path, PhoneNumberRow, Refusal, RequestedError, UserRefusal, app_answer, block_answer, block_request,
    blocklist_answer, blocklist_query, conversion_batch, dataset_answer, datasets_answer, dead_token_answer,
    debug_token_answer, encode_id, events_answer, message_answer, message_request, phone_numbers_answer,
    subscribed_apps_answer, success_answer,
};

/// A fixture's bytes, without the line end an editor may have left.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/graph/server/", $name)).trim_end()
    };
}

const TRACE: &str = "<FBTRACE_ID>";
const WAMID: &str = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUYzMjEzNDM2RTZGQ0MzMDJBRgA=";

fn parameters(body: &str) -> Parameters<'_> {
    Parameters::decode(None, Some("application/json"), body.as_bytes()).unwrap()
}

fn by_phone(digits: &str) -> ContactRef {
    ContactRef { input: format!("+{digits}"), wa_id: Some(digits.to_owned()), user_id: None }
}

#[track_caller]
fn check(encoded: &[u8], fixture: &str) {
    assert_eq!(std::str::from_utf8(encoded).unwrap(), fixture);
}

#[test]
fn documented_requests_are_read() {
    let read = |typing| MessageRequest::Read { message_id: WAMID.to_owned(), typing };
    let request = message_request(&parameters(fixture!("mark-message-as-read.request.json")));
    assert_eq!(request, Ok(read(false)));
    let request = message_request(&parameters(fixture!("typing-indicators.request.json")));
    assert_eq!(request, Ok(read(true)));
    let phone = |digits: &str| BlockEntry::Phone(digits.to_owned());
    let request = block_request(&parameters(fixture!("block-users.request.json")));
    assert_eq!(request, Ok(vec![phone("+16505551234"), phone("+14155559876")]));
    let request = block_request(&parameters(fixture!("business-scoped-user-ids.request.json")));
    let id = BlockEntry::UserId("US.13491208655302741918".to_owned());
    assert_eq!(request, Ok(vec![id, phone("+16505551234")]), "a number wins over an id");
}

#[test]
fn the_documented_conversion_is_read() {
    let body = fixture!("conversions-api-business-messaging.request.json");
    let parameters = parameters(body);
    let batch = conversion_batch(&parameters).unwrap();
    assert_eq!((batch.events.len(), batch.test_event_code), (1, None));
    assert!(body.contains(batch.events[0].get()), "an event is kept as received");
    let fields = ConversionFields::read(0, &batch.events[0]).unwrap();
    assert_eq!(fields.event_name.as_deref(), Some("Purchase"));
    assert_eq!(fields.event_time(), EventTime::Number(1_675_999_999));
    assert_eq!(fields.action_source.as_deref(), Some("business_messaging"));
    assert_eq!(fields.messaging_channel.as_deref(), Some("whatsapp"));
    assert_eq!(fields.waba_id().as_deref(), Some("102290129340398"));
    assert!(fields.ctwa_clid().is_some_and(|clid| clid.starts_with("ARAkLkA8")));
    assert_eq!((fields.currency(), fields.value().as_deref()), (Some("USD"), Some("123")));
    assert!(!fields.has_forbidden_field() && !fields.has_page_id());
}

#[test]
fn documented_successes() {
    check(success_answer(), fixture!("mark-message-as-read.answer.json"));
    let one = BlockAnswer { done: vec![by_phone("16505551234")], failed: Vec::new() };
    check(&block_answer(BlockVerb::Block, &one, TRACE), fixture!("block-users.block.answer.json"));
    check(&block_answer(BlockVerb::UnBlock, &one, TRACE), fixture!("block-users.unblock.answer.json"));
    let id = "US.13491208655302741918".to_owned();
    let by_id = ContactRef { input: id.clone(), wa_id: None, user_id: Some(id) };
    let one = BlockAnswer { done: vec![by_id], failed: Vec::new() };
    check(
        &block_answer(BlockVerb::Block, &one, TRACE),
        fixture!("business-scoped-user-ids.block.answer.json"),
    );
    let cursor = Cursor { offset: 0, version_us: 1_737_679_688_383_584 };
    let rows = [BlockedRow::WaId("16505551234".to_owned())];
    let list = blocklist_answer(&rows, Some((cursor, cursor)), None, None, false);
    check(&list, fixture!("block-users.list.answer.json"));
    check(&events_answer(1, TRACE), fixture!("conversions-api-business-messaging.answer.json"));
    check(&dataset_answer("1234567890123456"), fixture!("dataset.post.answer.json"));
    check(&datasets_answer(Some("1234567890123456")), fixture!("dataset.get.answer.json"));
    check(&datasets_answer(None), r#"{"data":[]}"#);
}

#[test]
fn captured_lengths() {
    // The Content-Length headers of the captured answers.
    assert_eq!(fixture!("mark-message-as-read.answer.json").len(), 16);
    assert_eq!(fixture!("block-users.block.answer.json").len(), 111);
    assert_eq!(fixture!("block-users.unblock.answer.json").len(), 113);
}

#[test]
fn documented_failures() {
    let answer = BlockAnswer {
        done: vec![by_phone("16505551234")],
        failed: vec![(by_phone("14155559876"), UserRefusal::ReEngagement)],
    };
    let partial = fixture!("block-users.partial.answer.json");
    check(&block_answer(BlockVerb::Block, &answer, TRACE), partial);
    let unblock = partial
        .replace("added_users", "removed_users")
        .replace("Failed to block some", "Failed to unblock some");
    check(&block_answer(BlockVerb::UnBlock, &answer, TRACE), &unblock);
    let changed = fixture!("block-users.concurrent-update.answer.json");
    check(&Refusal::BlocklistChanged.body(TRACE), changed);
    let click = Refusal::conversion(0, ConversionRefusal::InvalidClick).body(TRACE);
    // The field report leaves the text for users out.
    let ours = "Event 0 of data: the ctwa_clid does not belong to a click on an ad of this account.";
    let reported = fixture!("conversions-api-business-messaging.invalid-clid.answer.json");
    check(&click, &reported.replace('…', ours));
}

#[test]
fn other_answers() {
    let sent = message_answer(&by_phone("16505551234"), WAMID);
    check(
        &sent,
        &format!(
            r#"{{"messaging_product":"whatsapp","contacts":[{{"input":"+16505551234","wa_id":"16505551234"}}],"messages":[{{"id":"{WAMID}"}}]}}"#
        ),
    );
    let row = PhoneNumberRow {
        verified_name: "Shop".to_owned(),
        display_phone_number: "+1 650-555-1234".to_owned(),
        id: "106540352242922".to_owned(),
        quality_rating: "GREEN",
    };
    check(
        &phone_numbers_answer(std::slice::from_ref(&row), None),
        r#"{"data":[{"verified_name":"Shop","display_phone_number":"+1 650-555-1234","id":"106540352242922","quality_rating":"GREEN"}]}"#,
    );
    let cursors = PagingCursors { before: encode_id("1"), after: encode_id("2") };
    let next = Some("http://graph.example/next".to_owned());
    let page = phone_numbers_answer(&[row], Some(Paging { cursors, next, previous: None }));
    let page = String::from_utf8(page).unwrap();
    let paging =
        r#"],"paging":{"cursors":{"before":"MQ==","after":"Mg=="},"next":"http://graph.example/next"}}"#;
    assert!(page.ends_with(paging), "{page}");
    let app = AppRef { id: "1234567890123456", name: "Business Messaging App" };
    check(
        &subscribed_apps_answer(Some(app)),
        r#"{"data":[{"whatsapp_business_api_data":{"id":"1234567890123456","name":"Business Messaging App","link":"https://www.facebook.com/games/?app_id=1234567890123456"}}]}"#,
    );
    check(
        &app_answer(app),
        r#"{"link":"https://www.facebook.com/games/?app_id=1234567890123456","name":"Business Messaging App","id":"1234567890123456"}"#,
    );
    check(&subscribed_apps_answer(None), r#"{"data":[]}"#);
    let app = AppRef { id: "670843887433847", name: "JaspersMarket" };
    check(
        &debug_token_answer(app, &["whatsapp_business_management"], "102289599326934", "10222270944537964"),
        r#"{"data":{"app_id":"670843887433847","application":"JaspersMarket","data_access_expires_at":0,"expires_at":0,"granular_scopes":[{"scope":"whatsapp_business_management","target_ids":["102289599326934"]}],"is_valid":true,"scopes":["whatsapp_business_management"],"type":"SYSTEM_USER","user_id":"10222270944537964"}}"#,
    );
    let dead: serde_json::Value = serde_json::from_slice(&dead_token_answer()).unwrap();
    assert_eq!((&dead["data"]["is_valid"], &dead["data"]["error"]["code"]), (&false.into(), &190.into()));
    let cursor = |offset| Cursor { offset, version_us: 1 };
    let rows = [BlockedRow::UserId("US.1".to_owned())];
    let next = "http://graph.example/next".to_owned();
    let list = blocklist_answer(&rows, Some((cursor(1), cursor(1))), Some(next), None, false);
    let list = String::from_utf8(list).unwrap();
    assert!(list.starts_with(r#"{"data":[{"messaging_product":"whatsapp","user_id":"US.1"}],"paging":{"#));
    assert!(list.ends_with(r#"},"next":"http://graph.example/next"}}"#), "{list}");
    let rows = [rows[0].clone(), BlockedRow::WaId("16505551234".to_owned())];
    let list = String::from_utf8(blocklist_answer(&rows, None, None, None, true)).unwrap();
    let by_id = r#"{"messaging_product":"whatsapp","input":"US.1","user_id":"US.1"}"#;
    let by_number = r#"{"messaging_product":"whatsapp","input":"+16505551234","wa_id":"16505551234"}"#;
    assert_eq!(list, format!(r#"{{"data":[{by_id},{by_number}]}}"#));
}

/// Every refusal with its status, type, code and subcode.
#[test]
fn the_table_of_refusals() {
    let others = Refusal::OtherAppsToken;
    let object = Refusal::UnknownObject { verb: "post", id: "1".to_owned() };
    let path = Refusal::UnknownPath { path: "/1/x".to_owned(), nearest: "POST /x" };
    let event = |why| Refusal::conversion(3, why);
    let rows = [
        (others, 400, 100, None),
        (Refusal::MissingToken(MissingTokenCode::Code190), 401, 190, None),
        (Refusal::MissingToken(MissingTokenCode::Code200), 403, 200, None),
        (Refusal::MissingToken(MissingTokenCode::Code104), 400, 104, None),
        (Refusal::InvalidToken, 401, 190, None),
        (object.clone(), 400, 100, Some(33)),
        (path, 404, 2500, None),
        (Refusal::UnreadableBody, 400, 100, None),
        (Refusal::BodyTooLarge, 413, 1, None),
        (Refusal::ParameterRequired("x"), 400, 100, None),
        (Refusal::MissingParameter("x"), 400, 131_008, None),
        (Refusal::InvalidParameter("x"), 400, 100, None),
        (Refusal::NotAReceivedMessage { status: 400 }, 400, 131_009, None),
        (Refusal::NotAReceivedMessage { status: 500 }, 500, 131_009, None),
        (Refusal::UnsupportedMessageType, 400, 131_051, None),
        (Refusal::ReEngagement, 400, 131_047, None),
        (Refusal::RecipientIsSender, 400, 131_021, None),
        (Refusal::RecipientBlocked, 400, 130_403, None),
        (Refusal::TooManyUsers, 429, 130_429, None),
        (Refusal::BlocklistChanged, 400, 139_102, None),
        (Refusal::Full, 503, 2, None),
        (event(ConversionRefusal::Invalid("x")), 400, 100, None),
        (event(ConversionRefusal::TooMany), 400, 100, None),
        (event(ConversionRefusal::TooOld), 400, 100, Some(2_804_003)),
        (event(ConversionRefusal::MissingChannel), 400, 100, Some(2_804_063)),
        (event(ConversionRefusal::ForbiddenField), 400, 100, Some(2_804_064)),
        (event(ConversionRefusal::UnknownName), 400, 100, Some(2_804_066)),
        (event(ConversionRefusal::InvalidClick), 400, 100, Some(2_804_087)),
        (event(ConversionRefusal::PageGiven), 400, 100, Some(2_804_131)),
        (event(ConversionRefusal::OtherAccount), 400, 100, Some(2_804_132)),
    ];
    for (refusal, status, code, subcode) in rows {
        let body: serde_json::Value = serde_json::from_slice(&refusal.body(TRACE)).unwrap();
        let error = &body["error"];
        assert_eq!(refusal.status(), status, "{refusal:?}");
        assert_eq!(error["code"], code, "{refusal:?}");
        assert_eq!(error["error_subcode"].as_u64(), subcode, "{refusal:?}");
        let kind = if refusal == object { "GraphMethodException" } else { "OAuthException" };
        assert_eq!(error["type"], kind, "{refusal:?}");
        assert_eq!(error["fbtrace_id"], TRACE, "{refusal:?}");
    }
}

/// Status, code, subcode, message and transience of an error that was asked for.
#[track_caller]
fn check_requested(error: RequestedError, expected: (u16, u64, Option<u64>, &str, Option<bool>)) {
    let refusal = Refusal::Requested(error);
    let body: serde_json::Value = serde_json::from_slice(&refusal.body(TRACE)).unwrap();
    let error = &body["error"];
    let found = (
        refusal.status(),
        error["code"].as_u64().unwrap(),
        error["error_subcode"].as_u64(),
        error["message"].as_str().unwrap(),
        error["is_transient"].as_bool(),
    );
    assert_eq!(found, expected);
    assert_eq!(error["error_data"].is_object(), expected.1 >= 130_000, "{error}");
}

#[test]
fn errors_that_were_asked_for() {
    let plain =
        |code| RequestedError { code, subcode: None, status: None, message: None, is_transient: None };
    let sub = |code, subcode| RequestedError { subcode: Some(subcode), ..plain(code) };
    check_requested(plain(190), (401, 190, None, "(#190) Access token has expired", None));
    check_requested(sub(190, 463), (401, 190, Some(463), "(#190) Access token has expired", None));
    check_requested(plain(2), (503, 2, None, "(#2) API Service", Some(true)));
    check_requested(plain(4), (429, 4, None, "(#4) API Too Many Calls", Some(true)));
    for code in [200, 210, 299] {
        check_requested(plain(code), (403, code.into(), None, &format!("(#{code}) API Permission"), None));
    }
    check_requested(plain(300), (400, 300, None, "(#300) Error", None));
    check_requested(plain(130_429), (429, 130_429, None, "(#130429) Rate limit hit", None));
    check_requested(sub(100, 2_804_087), (400, 100, Some(2_804_087), "Invalid parameter", Some(false)));
    check_requested(sub(100, 7), (400, 100, Some(7), "Invalid parameter", None));
    let all = RequestedError {
        status: Some(418),
        message: Some("x".to_owned()),
        is_transient: Some(true),
        ..sub(100, 2_804_003)
    };
    check_requested(all, (418, 100, Some(2_804_003), "x", Some(true)));
    assert!(KNOWN_ERRORS.is_sorted_by(|left, right| left.code < right.code));
}

/// Feeds one body to every reader; none may panic, whatever each makes of it.
fn read_everything(query: &str, kind: Option<&str>, body: &[u8]) {
    let Ok(parameters) = Parameters::decode(Some(query), kind, body) else { return };
    drop(message_request(&parameters));
    drop(block_request(&parameters));
    drop(blocklist_query(&parameters));
    if let Ok(batch) = conversion_batch(&parameters) {
        for (index, event) in batch.events.iter().enumerate() {
            if let Ok(fields) = ConversionFields::read(index, event) {
                fields.event_time();
                drop((fields.waba_id(), fields.value()));
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        query in ".{0,40}",
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        cut in 0..400_usize,
        byte in proptest::num::u8::ANY,
    ) {
        let kinds = [None, Some("application/json"), Some("application/x-www-form-urlencoded")];
        // A documented body with one byte changed comes further than noise does.
        let documented = [
            fixture!("conversions-api-business-messaging.request.json"),
            fixture!("block-users.request.json"),
            fixture!("typing-indicators.request.json"),
        ];
        for kind in kinds {
            read_everything(&query, kind, &body);
            for document in documented {
                let mut changed = document.as_bytes().to_vec();
                let at = cut % changed.len();
                changed[at] = byte;
                read_everything(&query, kind, &changed);
            }
        }
        std::hint::black_box((Path::parse(&query), Cursor::decode(&query)));
    }
}
