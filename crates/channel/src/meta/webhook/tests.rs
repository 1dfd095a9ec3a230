//! Signatures against vectors, and every fixture of a notification.

use super::*;

/// Past every instant in the fixtures.
const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

/// Secret `secret`, body `{"a":"\u00e4"}` with the escape as it stands here: computed with OpenSSL.
const BODY: &[u8] = br#"{"a":"\u00e4"}"#;
const SIGNED: &str = "sha256=b78ab4033415318a0fa14a82d6f5ca348bb74e377eed416f314566864d116718";

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(*text)).collect()
}

#[test]
fn signatures() {
    use SignatureError::{Form, Missing, Wrong};
    let capitals = format!("sha256={}", SIGNED[7..].to_uppercase());
    let long = format!("{SIGNED}0");
    let other = SIGNED.replace("b78a", "b78b");
    let not_hex = SIGNED.replace('b', "g");
    let spaced = SIGNED.replace("sha256=b7", "sha256= b");
    for (known, header, body, expected) in [
        (["secret"].as_slice(), Some(SIGNED), BODY, Ok(())),
        (&["secret"], Some(&capitals), BODY, Ok(())),
        (&["old", "secret"], Some(SIGNED), BODY, Ok(())),
        (&["secret", "new"], Some(SIGNED), BODY, Ok(())),
        (&["other"], Some(SIGNED), BODY, Err(Wrong)),
        (&["secret "], Some(SIGNED), BODY, Err(Wrong)),
        (&[], Some(SIGNED), BODY, Err(Wrong)),
        (&["secret"], Some(SIGNED), "{\"a\":\"ä\"}".as_bytes(), Err(Wrong)),
        (&["secret"], Some(SIGNED), b"", Err(Wrong)),
        (&["secret"], Some(&other), BODY, Err(Wrong)),
        (&["secret"], None, BODY, Err(Missing)),
        (&["secret"], Some(""), BODY, Err(Form)),
        (&["secret"], Some("sha256="), BODY, Err(Form)),
        (&["secret"], Some(&SIGNED[7..]), BODY, Err(Form)),
        (&["secret"], Some(&SIGNED[..70]), BODY, Err(Form)),
        (&["secret"], Some(&SIGNED[..69]), BODY, Err(Form)),
        (&["secret"], Some(&long), BODY, Err(Form)),
        (&["secret"], Some(&not_hex), BODY, Err(Form)),
        (&["secret"], Some(&spaced), BODY, Err(Form)),
        (&["secret"], Some("sha1=b78ab4033415318a0fa14a82d6f5ca348bb74e37"), BODY, Err(Form)),
        (
            &["secret"],
            Some("SHA256=b78ab4033415318a0fa14a82d6f5ca348bb74e377eed416f314566864d116718"),
            BODY,
            Err(Form),
        ),
    ] {
        assert_eq!(verify(&secrets(known), header, body), expected, "{known:?} {header:?}");
    }
    assert_eq!(sign(&Secret::new("secret"), BODY), SIGNED);
}

/// RFC 4231, test case 2; and a key longer than a block, computed with OpenSSL.
#[test]
fn other_vectors() {
    for (secret, body, expected) in [
        (
            "Jefe".to_owned(),
            "what do ya want for nothing?",
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("k".repeat(100), "body", "sha256=a3306f78bc603683d9d9d98b9304be3e3e99497c42e660d7b00f6698b0df4e89"),
    ] {
        assert_eq!(sign(&Secret::new(secret), body.as_bytes()), expected);
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path =
        format!("{}/../wire/fixtures/graph/client/notifications/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One line per update, as short as a reader can still tell what was understood.
fn told(name: &str) -> Vec<String> {
    let who = |identity: &Identity| {
        let phone = identity.phone.map(|phone| phone.to_string()).unwrap_or_default();
        let bsuid = identity.bsuid.as_ref().map(|id| id.to_string()).unwrap_or_default();
        format!("{phone}/{bsuid}")
    };
    let tail = |id: &Option<Wamid>| id.as_ref().map_or("-".to_owned(), Wamid::masked);
    let notification = decode(&fixture(name), NOW).unwrap();
    let lines = notification.updates.iter().map(|update| {
        let news = match &update.news {
            News::MessageIn { id, from, at, click, content: _ } => {
                let click = click.as_ref().map(|click| {
                    let id: String = click.id.as_str().chars().take(6).collect();
                    format!(" click {id} {:?} {:?}", click.ad_id.as_deref(), click.headline.as_deref())
                });
                let click = click.unwrap_or_default();
                format!("in {} from {} at {}{click}", tail(id), who(from), at.as_secs())
            }
            News::Status { id, to, at, progress, error } => {
                let code = error.as_ref().map(|(code, _)| format!(" {code:?}")).unwrap_or_default();
                format!("{progress:?}{code} {} to {} at {}", tail(id), who(to), at.as_secs())
            }
            News::Moved { from, to, at, kind: _, details: _ } => {
                format!("{} became {} at {}", who(from), who(to), at.as_secs())
            }
            News::Problem { code, details: _ } => format!("problem {code:?}"),
            News::Other { field, details: _ } => format!("other {field}"),
        };
        let place = |id: Option<&str>| id.map_or("-".to_owned(), |id| id.chars().take(3).collect());
        let (waba, number) =
            (update.waba.as_ref().map(WabaId::as_str), update.number.as_ref().map(PhoneNumberId::as_str));
        format!("{} {} {news}", place(waba), place(number))
    });
    lines.collect()
}

#[track_caller]
fn check(name: &str, expected: &[&str]) {
    assert_eq!(told(name), expected, "{name}");
}

#[test]
fn what_notifications_say() {
    check("text", &["102 106 in …Q0RgA= from +16505551234/ at 1749416383"]);
    check(
        "text-from-ad",
        &[
            "102 106 in …NDNAA= from +16505551234/ at 1750275992 click Aff-n8 Some(\"120226305854810726\") Some(\"Chat with us\")",
        ],
    );
    check("text-from-ad-without-click-id", &["102 106 in …NDNBB= from +16505551234/ at 1750275993"]);
    check("text-bsuid-only", &["102 106 in …Q0RgB= from /US.13491208655302741918 at 1749416384"]);
    check("status-read", &["102 106 Read …ZFRDcA to +16505551234/US.13491208655302741918 at 1750263773"]);
    check("status-failed", &["102 106 Failed Some(131049) …ZFRDcA to +16505551234/ at 1750263773"]);
    check("value-level-errors", &["102 106 problem Some(130429)"]);
    check("message-level-errors-unsupported", &["102 106 in …MxMAA= from +16505551234/ at 1750090702"]);
    check(
        "system-user-changed-number",
        &[
            "102 106 +16505551234/US.13491208655302741918 became +12195555358/US.20000000000000000001 at 1750269342",
        ],
    );
    check(
        "system-user-changed-user-id",
        &["102 106 /US.13491208655302741918 became /US.20000000000000000001 at 1750269342"],
    );
    check(
        "batch-of-two-wabas",
        &[
            "102 106 in …Q0RgA= from +16505551234/ at 1749416383",
            "102 106 in …Q0RgC= from +16505551234/ at 1749416385",
            "203 207 in …Q0RgA= from +16315551181/ at 1749416390",
        ],
    );
    check(
        "unknown-fields-and-types",
        &["102 - other account_update", "102 106 in …id.NEW from +16505551234/ at 1749416386"],
    );
}

#[test]
fn every_fixture_is_told() {
    let directory = format!("{}/../wire/fixtures/graph/client/notifications", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(!told(name.strip_suffix(".json").unwrap()).is_empty(), "{name}");
    }
}

#[test]
fn an_instant_that_has_not_come_yet_is_now() {
    let body = br#"{"entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[
        {"from":"16505551234","timestamp":"99999999999","type":"text"},{"from":"16505551234","type":"text"}]}}]}]}"#;
    let updates = decode(body, NOW).unwrap().updates;
    assert_eq!(updates.iter().map(|update| update.news.at()).collect::<Vec<_>>(), [Some(NOW), Some(NOW)]);
}

#[test]
fn the_other_name_comes_from_the_contacts() {
    let body = |from: &str| {
        format!(
            r#"{{"entry":[{{"id":"1","changes":[{{"field":"messages","value":{{
                "contacts":[{{"wa_id":"16315551181"}},{{"wa_id":"16505551234","user_id":"US.1"}}],
                "messages":[{{{from},"type":"text"}}]}}}}]}}]}}"#
        )
    };
    for from in [r#""from":"16505551234""#, r#""from_user_id":"US.1""#] {
        let updates = decode(body(from).as_bytes(), NOW).unwrap().updates;
        let News::MessageIn { from, .. } = &updates[0].news else { panic!("{updates:?}") };
        assert_eq!(
            from.both().map(|(phone, id)| (phone.to_string(), id.to_string())),
            Some(("+16505551234".to_owned(), "US.1".to_owned()))
        );
    }
}

#[test]
fn any_body_is_answered() {
    for (body, expected) in [
        ("", None),
        ("[]", None),
        ("7", None),
        ("{", None),
        ("\u{feff}{}", None),
        ("{}", Some(0)),
        (" \n{}", Some(0)),
        (r#"{"entry":{}}"#, Some(0)),
        (r#"{"entry":[7,null,{}]}"#, Some(0)),
        (r#"{"entry":[{"changes":[{}]}]}"#, Some(1)),
        (r#"{"entry":[{"id":5,"changes":[{"value":7},{"field":"x","value":{}}]}]}"#, Some(2)),
    ] {
        assert_eq!(decode(body.as_bytes(), NOW).map(|n| n.updates.len()), expected, "{body}");
    }
    assert_eq!(decode(b"{\"skipped\":\"\xff\"}", NOW), None, "what is no text is no JSON");
}
