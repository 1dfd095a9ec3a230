//! Product tokens: made and hashed at the shell, shown by clients, and held to their scopes.

use crate::harness::{Host, Shop, TOKENS, envelope, run, run_with};

/// An event that needs no world: its user wrote nothing, which only Meta would mind.
fn block() -> String {
    envelope("00316098765432", "00316012300001", &serde_json::json!({"type": "Block"}))
}

#[test]
fn new_and_hash_agree() {
    let made = run(&["token", "new"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let words: Vec<_> = made.stdout.split_whitespace().collect();
    let ["token", token, "hash", hash] = words[..] else { panic!("{made:?}") };
    let line = format!("{hash}\n");
    assert_eq!(run(&["token", "hash", token]).stdout, line);
    assert_eq!(run(&["token", "hash", &token.to_uppercase()]).stdout, line);
    assert_eq!(run(&["token", "hash", token, "--json"]).json(), serde_json::json!({"hash": hash}));
    for input in [token.to_owned(), format!("{token}\n"), format!("  {token}\r\n")] {
        let hashed = run_with(&["token", "hash"], &[], &input);
        assert_eq!((hashed.code, hashed.stdout, hashed.stderr.as_str()), (0, line.clone(), ""), "{input:?}");
    }
    let other = run(&["token", "new", "--json"]).json();
    assert_ne!(other["token"], token);
    assert_eq!(run(&["token", "hash", other["token"].as_str().unwrap()]).stdout.trim(), other["hash"]);
}

#[test]
fn nothing_is_no_token() {
    for input in ["", " \n"] {
        let refused = run_with(&["token", "hash"], &[], input);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{input:?}");
        assert_eq!(refused.stderr, "error: the token is empty\n");
    }
}

#[test]
fn a_command_without_its_token_says_how_to_give_one() {
    let serve = Shop::open().serve();
    let url = format!("http://{}", serve.process.value("gateway=").trim_start_matches("http://"));
    for (environment, says) in [
        (&[][..], "error: a token is needed\n"),
        (
            &[("LANEWAY_TOKEN", "11111111-2222-4333-8444-555555555555")],
            "error: the token belongs to no account\n",
        ),
    ] {
        let refused = run_with(&["events", "list", "--url", &url], environment, "");
        let expected = format!("{says}\nhint: give the account's token with --token or LANEWAY_TOKEN\n");
        assert_eq!((refused.code, refused.stderr), (1, expected));
    }
}

#[test]
fn cm_clients_show_their_token_in_any_of_its_places() {
    let shop = Shop::open();
    let serve = shop.serve();
    let bare = Host::new(&serve.process.value("gateway="));
    let (good, upper) = (&TOKENS.send.text, TOKENS.send.text.to_uppercase());
    let unknown = "11111111-2222-4333-8444-555555555555";
    let none = "";
    let in_body = |token: &str| {
        block().replacen('{', &format!(r#"{{"authentication":{{"productToken":"{token}"}},"#), 1)
    };
    let under_messages = |token: &str| {
        block().replacen(
            '{',
            &format!(r#"{{"messages":{{"authentication":{{"productToken":"{token}"}}}},"#),
            1,
        )
    };
    for (header, body, refusal) in [
        (good.as_str(), block(), None),
        (&upper, block(), None),
        (none, in_body(good), None),
        (none, in_body(&upper), None),
        (none, under_messages(good), None),
        // The header wins.
        (good, in_body(unknown), None),
        (unknown, in_body(good), Some("No account found for the given authentication")),
        (none, block(), Some("No authentication method found.")),
        (none, in_body(""), Some("No authentication method found.")),
        (unknown, block(), Some("No account found for the given authentication")),
        (none, in_body(unknown), Some("No account found for the given authentication")),
        (none, under_messages(unknown), Some("No account found for the given authentication")),
    ] {
        let host = if header.is_empty() { bare.clone() } else { bare.with("X-CM-PRODUCTTOKEN", header) };
        let answer = host.post("/v1.0/event", &body);
        let found = answer.any_json();
        match refusal {
            None => assert_eq!(answer.status, 200, "{found}"),
            Some(details) => {
                assert_eq!((answer.status, &found["errorCode"]), (400, &101.into()), "{found}");
                assert_eq!(
                    (&found["details"], &found["messages"]),
                    (&details.into(), &serde_json::json!([]))
                );
            }
        }
    }
    let log = serve.process.kill();
    shop.check_log(&log, &[unknown, &upper, "316012300001"]);
}

#[test]
fn a_token_may_do_what_its_scopes_say() {
    let shop = Shop::open();
    let serve = shop.serve();
    let bare = Host::new(&serve.process.value("gateway="));
    let (send, read) = (&TOKENS.send.text, &TOKENS.read.text);
    let unknown = "11111111-2222-4333-8444-555555555555";
    for (token, submits, lists, code) in [
        (TOKENS.all.text.as_str(), 200, 200, None),
        (send, 200, 403, Some("scope_missing")),
        (read, 400, 200, None),
        (unknown, 400, 401, Some("token_unknown")),
        ("", 400, 401, Some("token_missing")),
    ] {
        let cm = bare.with("x-cm-producttoken", token);
        let api = bare.with("authorization", &format!("Bearer {token}"));
        assert_eq!(cm.post("/v1.0/event", &block()).status, submits, "{token:?}");
        let answer = api.get("/api/v1/events");
        assert_eq!(answer.status, lists, "{token:?}: {}", answer.body);
        let found = answer.any_json();
        assert_eq!(found["error"]["code"].as_str(), code, "{found}");
    }
    let log = serve.process.kill();
    shop.check_log(&log, &[unknown, "316012300001"]);
}
