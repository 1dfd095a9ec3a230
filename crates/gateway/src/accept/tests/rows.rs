//! What becomes of an event that is taken: its keys, its expiry, its row.

use super::*;

#[test]
fn idempotency_keys() {
    let rules = Rules::default();
    let keyed = |key: Option<&str>, body: &str| judge_as(&account(), &rules, body, key);
    let plain = body("Block", "");
    let member = |key: &str| plain.replacen('{', &format!(r#"{{"idempotency_key":"{key}","#), 1);
    let hash = |key, body: &str| keyed(key, body).unwrap().keys.first().map(|key| key.hash);
    assert_eq!(hash(None, &plain), None);
    assert_eq!(hash(Some("a"), &plain), hash(None, &member("a")));
    assert_eq!(hash(Some("a"), &plain), hash(Some("a"), &member("b")), "the header goes first");
    assert_ne!(hash(Some("a"), &plain), hash(Some("b"), &plain));
    assert!(keyed(Some(&"k".repeat(255)), &plain).is_ok());
    for (key, problem) in
        [("", "is empty"), (&*"k".repeat(256), "is longer than 255 bytes"), ("a\tb", "contains '\\t'")]
    {
        refuses_with(
            keyed(Some(key), &plain),
            RefusalCode::IdempotencyKeyInvalid,
            &format!("Idempotency-Key: {problem}"),
            "Idempotency-Key",
            None,
        );
    }
    refuses(&member(""), RefusalCode::IdempotencyKeyInvalid, "idempotency_key: is empty", "idempotency_key");
}

#[test]
fn the_same_event_has_the_same_fingerprint() {
    let rules = Rules::default();
    let print =
        |body: &str| judge_as(&account(), &rules, body, Some("k")).unwrap().keys[0].fingerprint.unwrap();
    let block = body("Block", "");
    let same = block.replace("00316012345678", "+31 6 0123 45678").replace("\"Block\"", "\"BLOCK\"");
    assert_eq!(print(&block), print(&same));
    let view = body("ViewContent", r#""ctwa_id":"c""#);
    let request = cm::parse(view.as_bytes()).unwrap();
    let later = Context {
        account: &account(),
        now: Timestamp::from_secs(1_795_000_100),
        rules: &rules,
        keys_kept: KEYS_KEPT,
        told: Told::NOTHING,
    };
    let later = accept(&later, &request, Some("k")).unwrap();
    assert_eq!(Some(print(&view)), later.keys[0].fingerprint, "the time of arrival is not part of it");
    for other in [
        block.replace("\"Block\"", "\"UnBlock\""),
        block.replace("00316012345678", "00316012345679"),
        block.replace("00316098765432", "+14155550100"),
        block.replace(r#""custom":{}"#, r#""custom":{"a":1}"#),
        block.replace(r#","custom":{}"#, ""),
        block.replacen('{', r#"{"reference":"r","#, 1),
    ] {
        assert_ne!(print(&block), print(&other), "{other}");
    }
}

#[test]
fn keys_end() {
    let rules = Rules::default();
    let keys = |body: &str| judge_as(&account(), &rules, body, Some("k")).unwrap().keys;
    let after = |days: u64| Timestamp::from_secs(NOW.as_secs() + days * DAY);
    assert_eq!(keys(&body("Block", ""))[0].until, NOW.saturating_add(KEYS_KEPT));
    let conversion = |id: &str| keys(&body("ViewContent", &format!(r#""ctwa_id":"c","event_id":"{id}""#)));
    let found = conversion("order-1");
    assert_eq!(found.iter().map(|key| key.until).collect::<Vec<_>>(), [after(28), after(28)]);
    assert_eq!((found[0].fingerprint.is_some(), found[1].fingerprint), (true, None));
    assert_ne!(found[1].hash, conversion("order-2")[1].hash);
    let other_type = keys(&body("AddToCart", r#""ctwa_id":"c","event_id":"order-1""#));
    assert_ne!(found[1].hash, other_type[1].hash);
    let other_account = Account { name: AccountName::parse("other").unwrap(), ..account() };
    let elsewhere = body("ViewContent", r#""ctwa_id":"c","event_id":"order-1""#);
    let elsewhere = judge_as(&other_account, &rules, &elsewhere, Some("k")).unwrap().keys;
    assert!(found.iter().zip(&elsewhere).all(|(here, there)| here.hash != there.hash));
    // The hashes are stored: a change of how they are made would let repetitions in.
    let text: String = found[1].hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, "551de59afe019865eaa6ece34f8dc26b");
}

#[test]
fn expiry() {
    let expires = |body: &str| judge(body).unwrap().expires.as_secs() - NOW.as_secs();
    assert_eq!(expires(&body("MarkAsRead", r#""message_id":"m""#)), DAY);
    assert_eq!(expires(&body("Typing", r#""message_id":"m""#)), 25);
    assert_eq!(expires(&body("Block", "")), 7 * DAY);
    assert_eq!(expires(&body("UnBlock", "")), 7 * DAY);
    let yesterday = format!(r#""ctwa_id":"c","event_time":{}"#, NOW.as_secs() - DAY);
    assert_eq!(expires(&body("ViewContent", &yesterday)), 6 * DAY);
}

#[test]
fn the_row_is_the_event() {
    let text = body(
        "Purchase",
        r#""ctwa_id":"c","currency":"EUR","value":12.60,"productToken":"secret","order_id":"7""#,
    );
    let request = cm::parse(text.as_bytes()).unwrap();
    let (account, rules) = (account(), Rules::default());
    let row = check(
        &Context { account: &account, now: NOW, rules: &rules, keys_kept: KEYS_KEPT, told: Told::NOTHING },
        &request,
        Some("k"),
    )
    .unwrap();
    assert_eq!((row.accepted_at, row.due), (NOW, NOW));
    assert_eq!(row.expires, Timestamp::from_secs(NOW.as_secs() + 7 * DAY));
    assert_eq!((row.account.as_str(), row.keys.len()), ("shop", 1));
    assert_eq!(EventKind::from_code(row.kind).map(EventKind::as_str), Some("Purchase"));
    assert!(!row.body.windows(6).any(|bytes| bytes == b"secret"), "the token is kept");
    let event = judge(&text).unwrap().event;
    assert_eq!(
        event.custom.as_deref(),
        Some(r#"{"ctwa_id":"c","currency":"EUR","value":12.60,"order_id":"7"}"#)
    );
}
