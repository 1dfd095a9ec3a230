//! The documentation of the configuration against the configuration itself, what an operator is warned of, and how
//! tokens are found.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

const DOCS: &str = include_str!("../../../../docs/configuration.md");
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HASH: &str = "sha256:12b9377cbe7e5c94e8a70d9d23929523d14afa954793130f8a3959c7b849aca8";

/// Loads a main file from a fresh directory, in which every secret that it names exists.
fn load(text: &str) -> Result<Config, Mistakes> {
    let directory = tempfile::tempdir().unwrap();
    for secret in text.split("\"file:").skip(1).filter_map(|rest| rest.split('"').next()) {
        let path = directory.path().join(secret);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let secret = if secret.contains("callback") { WHSEC } else { "EAAG1" };
        fs::write(path, secret).unwrap();
    }
    let path = directory.path().join("laneway.toml");
    fs::write(&path, text).unwrap();
    let env = |name: &str| (name == "LANEWAY_ADMIN_TOKEN").then(|| "secret".to_owned());
    let mut config = Config::load(&path, &env)?.config;
    config.data_dir = config.data_dir.strip_prefix(directory.path()).unwrap().to_owned();
    Ok(config)
}

/// The rows of the tables of keys: key and default, without their back quotes.
fn documented() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    DOCS.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let key = cells.next()?.trim_matches('`');
        let default = cells.nth(1)?.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        Some((key, default))
    })
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_known() {
    let known: BTreeSet<_> =
        schema::SECTIONS.into_iter().flat_map(|s| s.keys.iter().map(|key| s.path_of(key))).collect();
    let documented: Vec<_> = documented().map(|(key, _)| key.to_owned()).collect();
    assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(documented.len(), known.len(), "each once");
}

/// A file with the fewest lines, and one more line in the table that it belongs to.
fn minimal_with(section: &str, line: &str) -> String {
    const LISTS: [&str; 5] = ["", "account", "account.waba", "account.forward", "account.callback"];
    let of = |name: &str| if section == name { line } else { "" };
    let table = if LISTS.contains(&section) { String::new() } else { format!("[{section}]\n{line}") };
    let (root, account, waba) = (of(""), of("account"), of("account.waba"));
    let address =
        |name: &str| format!("[[{name}]]\nurl = \"https://example.com\"\nsecret = \"file:{name}\"\n{line}");
    let outbox = match section {
        "account.forward" | "account.callback" => address(section),
        _ => String::new(),
    };
    format!(
        r#"
        {root}
        {table}
        [[account]]
        name = "shop"
        tokens = [{{ hash = "{HASH}", scopes = ["send"] }}]
        {account}
        {outbox}
        [[account.waba]]
        id = "102290129340398"
        access_token = "file:token"
        dataset_id = "none"
        numbers = [{{ number = "+316098765432", phone_number_id = "106540352242922" }}]
        {waba}
        "#
    )
}

#[test]
fn every_documented_default_is_the_default() {
    let mut count = 0;
    for (key, default) in documented().filter_map(|(key, default)| Some((key, default?))) {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let minimal = load(&minimal_with(section, "")).unwrap();
        let text = minimal_with(section, &format!("{name} = {default}"));
        assert_eq!(load(&text).unwrap_or_else(|mistakes| panic!("{mistakes}")), minimal, "{key}");
        count += 1;
    }
    assert!(count >= 15, "defaults were found in the documentation: {count}");
}

#[test]
fn the_documented_example_loads() {
    let (_, rest) = DOCS.split_once("```toml\n").expect("there is an example");
    let (example, _) = rest.split_once("```").expect("the example ends");
    let config = load(example).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for section in schema::SECTIONS {
        for key in section.keys {
            let is_shown = [format!("{key} = "), format!("[{}]", section.path_of(key))];
            assert!(is_shown.iter().any(|text| example.contains(text)), "the example shows {key}");
        }
    }
    assert_eq!(config.accounts[0].name.as_str(), "shop");
    assert_eq!(config.accounts[0].wabas[0].numbers.len(), 1);
}

/// An account with tokens of these texts and scopes.
fn account(name: &str, tokens: &[(&str, Scopes)]) -> Account {
    let tokens = tokens.iter().map(|(text, scopes)| Token { hash: token::hash(text), scopes: *scopes });
    Account {
        name: AccountName::parse(name).unwrap(),
        tokens: tokens.collect(),
        country: None,
        allow_restricted_country: false,
        wabas: Vec::new(),
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

#[track_caller]
fn check_token(accounts: &Accounts, presented: &str, expected: Option<(&str, Scopes)>) {
    let found = accounts.find_token(presented).map(|(account, scopes)| (account.name.as_str(), scopes));
    assert_eq!(found, expected, "{presented:?}");
}

#[test]
fn tokens_lead_to_their_account() {
    check_token(&Accounts::default(), "", None);
    let mut list = vec![
        account("one", &[("AAAA-1", Scopes::SEND), ("aaaa-2", Scopes::READ | Scopes::OPERATE)]),
        account("two", &[("bbbb-1", Scopes::ALL)]),
        account("dev", &[]),
    ];
    let accounts = Accounts::new(list.clone());
    let check = |presented, expected| check_token(&accounts, presented, expected);
    check("aaaa-1", Some(("one", Scopes::SEND)));
    check("AaAa-2", Some(("one", Scopes::READ | Scopes::OPERATE)));
    check("BBBB-1", Some(("two", Scopes::ALL)));
    check("cccc-1", None);
    check("", None);
    check(" aaaa-1", None);

    list[2].open_access = true;
    let accounts = Accounts::new(list);
    let check = |presented, expected| check_token(&accounts, presented, expected);
    check("bbbb-1", Some(("two", Scopes::ALL)));
    check("cccc-1", Some(("dev", Scopes::ALL)));
    check("", Some(("dev", Scopes::ALL)));
}

#[test]
fn each_of_many_tokens_is_found() {
    let text = |account: usize, token: usize| format!("{account}-{token}");
    let account_of =
        |n: usize| account(&n.to_string(), &[(&text(n, 0), Scopes::SEND), (&text(n, 1), Scopes::READ)]);
    let accounts = Accounts::new((0..500).map(account_of).collect());
    for n in 0..500 {
        check_token(&accounts, &text(n, 0), Some((&n.to_string(), Scopes::SEND)));
        check_token(&accounts, &text(n, 1), Some((&n.to_string(), Scopes::READ)));
        check_token(&accounts, &text(n, 2), None);
    }
}

#[test]
fn hashes_that_begin_alike_are_kept_apart() {
    let hash = token::hash("aaaa-1").to_string();
    let like = |end: &str| TokenHash::parse(&format!("{}{end}", &hash[..hash.len() - end.len()])).unwrap();
    let (low, high) = (like(&"0".repeat(48)), like(&"f".repeat(48)));
    let strangers = |hash| vec![Token { hash, scopes: Scopes::ALL }];
    let list = vec![
        Account { tokens: strangers(low), ..account("low", &[]) },
        Account { tokens: strangers(high), ..account("high", &[]) },
    ];
    check_token(&Accounts::new(list.clone()), "aaaa-1", None);
    let with_owner = [list, vec![account("owner", &[("aaaa-1", Scopes::SEND)])]].concat();
    check_token(&Accounts::new(with_owner), "aaaa-1", Some(("owner", Scopes::SEND)));
}

#[test]
fn conversions_are_refused_by_country_unless_allowed() {
    let mut shop = account("shop", &[]);
    for (country, allow, refused) in [
        (None, false, false),
        (Some("US"), false, false),
        (Some("NL"), false, true),
        (Some("NL"), true, false),
    ] {
        shop.country = country.and_then(Country::parse);
        shop.allow_restricted_country = allow;
        assert_eq!(shop.conversions_refused(), refused, "{country:?} {allow}");
    }
}

#[test]
fn each_type_has_its_own_time() {
    let seconds = |n| Duration::from_secs(n);
    let give_up = GiveUp {
        mark_as_read: seconds(1),
        typing: seconds(2),
        block: seconds(3),
        unblock: seconds(4),
        conversions: seconds(5),
    };
    for kind in EventKind::all() {
        let expected = match kind {
            EventKind::MarkAsRead => 1,
            EventKind::Typing => 2,
            EventKind::Block => 3,
            EventKind::UnBlock => 4,
            EventKind::Conversion(_) => 5,
        };
        assert_eq!(give_up.after(kind), seconds(expected), "{kind}");
    }
}

#[test]
fn warnings_are_told_and_name_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laneway.toml");
    let text = minimal_with("", "admin_token = \"env:ADMIN\"");
    fs::write(&path, text).unwrap();
    let secret = directory.path().join("token");
    fs::write(&secret, "EAAGverysecret").unwrap();
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    let warnings = |env: &str| {
        let loaded = Config::load(&path, &|_| Some(env.to_owned())).unwrap();
        assert!(!format!("{loaded:?}").contains("verysecret"), "{loaded:?}");
        loaded.warnings.into_iter().map(|w| (w.key, w.says)).collect::<Vec<_>>()
    };
    fs::set_permissions(&secret, mode(0o600)).unwrap();
    let found = warnings("verysecret");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "admin_token");
    assert!(found[0].1.contains("needs a restart"));

    fs::set_permissions(&secret, mode(0o644)).unwrap();
    let found = warnings("verysecret");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1].0, "account.waba.access_token");
    assert!(found[1].1.contains("mode 0644"));
}

#[test]
fn each_rule_has_its_switch() {
    let every = Rules::default();
    for (line, expected) in [
        ("self_block = false", Rules { self_block: false, ..every }),
        ("event_time_in_future = false", Rules { event_time_in_future: false, ..every }),
        ("event_time_too_old = false", Rules { event_time_too_old: false, ..every }),
        ("unlisted_currency = false", Rules { unlisted_currency: false, ..every }),
        ("self_block = true", every),
    ] {
        assert_eq!(load(&minimal_with("rules", line)).unwrap().rules, expected, "{line}");
    }
    let text = minimal_with("", "rules.self_block = false\ngive_up.Typing = \"5s\"");
    let give_up = GiveUp { typing: Duration::from_secs(5), ..GiveUp::default() };
    let expected = Rules { self_block: false, ..Rules::new(give_up) };
    assert_eq!(load(&text).unwrap().rules, expected, "both tables at once");
}

#[test]
fn how_long_a_conversion_waits_for_its_click_is_judged() {
    const WORDS: &str =
        "write \"off\", or a duration from \"1s\" to \"7d\": a whole number with s, m, h or d";
    let loaded = |rules: &str| load(&format!("[rules]\n{rules}\n{}", minimal_with("account", "")));
    for (rules, seconds) in [
        ("", None),
        ("click_id_wait = \"off\"", None),
        ("captured_click = \"off\"\nclick_id_wait = \"off\"", None),
        ("captured_click = \"oldest\"\nclick_id_wait = \"2h\"", Some(7_200)),
        ("click_id_wait = \"1s\"", Some(1)),
        ("click_id_wait = \"7d\"", Some(604_800)),
        ("click_id_wait = \"604800s\"", Some(604_800)),
    ] {
        let config = loaded(rules).unwrap_or_else(|mistakes| panic!("{rules}: {mistakes}"));
        assert_eq!(config.rules.click_id_wait, seconds.map(Duration::from_secs), "{rules}");
    }
    let needs = "needs captured click ids; with captured_click = \"off\", write \"off\"".to_owned();
    let found = |text: &str| format!("found {text}; {WORDS}");
    for (rules, says) in [
        ("click_id_wait = \"0s\"", found("\"0s\"")),
        ("click_id_wait = \"604801s\"", found("\"604801s\"")),
        ("click_id_wait = \"8d\"", found("\"8d\"")),
        ("click_id_wait = \"-1h\"", found("\"-1h\"")),
        ("click_id_wait = \"1.5h\"", found("\"1.5h\"")),
        ("click_id_wait = \"2 h\"", found("\"2 h\"")),
        ("click_id_wait = \"Off\"", found("\"Off\"")),
        ("click_id_wait = \"for ever\"", found("\"for ever\"")),
        ("click_id_wait = \"\"", found("\"\"")),
        ("click_id_wait = 7200", found("an integer")),
        ("click_id_wait = false", found("a boolean")),
        ("click_id_wait = [\"2h\"]", found("a list")),
        ("click_id_wait = \"2h\"\ncaptured_click = \"off\"", needs),
    ] {
        let mistakes = loaded(rules).expect_err(rules);
        let [mistake] = mistakes.remarks() else { panic!("{rules}: {mistakes}") };
        assert_eq!(
            (mistake.line, mistake.key.as_str(), &mistake.says),
            (2, "rules.click_id_wait", &says),
            "{rules}"
        );
    }
}

#[test]
fn a_token_that_travels_in_clear_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laneway.toml");
    let secret = directory.path().join("token");
    fs::write(&secret, "EAAG1").unwrap();
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (url, warned) in [
        ("http://sandbox:8090", true),
        ("http://127.0.0.1:8090", false),
        ("https://graph.facebook.com", false),
    ] {
        fs::write(&path, minimal_with("account.waba", &format!("graph_url = \"{url}\""))).unwrap();
        let loaded = Config::load(&path, &|_| None).unwrap();
        assert_eq!(loaded.config.accounts[0].wabas[0].graph_url, url);
        let found: Vec<_> = loaded.warnings.iter().map(|warning| warning.key.as_str()).collect();
        assert_eq!(found, if warned { vec!["account.waba.graph_url"] } else { vec![] }, "{url}");
    }
}

#[test]
fn no_account_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laneway.toml");
    fs::write(&path, "").unwrap();
    let loaded = Config::load(&path, &|_| None).unwrap();
    assert!(loaded.config.accounts.is_empty());
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert_eq!(loaded.config, Config::new(directory.path().join(Config::DATA_DIR)));
}

#[test]
fn a_file_includes_neither_itself_nor_another_twice() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("token"), "EAAG1").unwrap();
    fs::write(at("main.toml"), "include = [\"*.toml\", \"shop.toml\", \"./s*.toml\"]").unwrap();
    fs::write(at("shop.toml"), minimal_with("", "")).unwrap();
    std::os::unix::fs::symlink(at("shop.toml"), at("alias.toml")).unwrap();
    let loaded = Config::load(&at("main.toml"), &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(loaded.config.accounts.len(), 1);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_taken() {
    let text = minimal_with("", "");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(load(&windows).unwrap_or_else(|mistakes| panic!("{mistakes}")), load(&text).unwrap());
}

#[test]
fn files_have_a_size_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laneway.toml");
    for (bytes, expected) in [(4 * 1024 * 1024, true), (4 * 1024 * 1024 + 1, false)] {
        fs::write(&path, "#".repeat(bytes)).unwrap();
        assert_eq!(Config::load(&path, &|_| None).is_ok(), expected, "{bytes}");
    }
}

#[test]
fn includes_have_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laneway.toml");
    fs::create_dir(directory.path().join("d")).unwrap();
    for n in 0..100 {
        fs::write(directory.path().join(format!("d/{n}")), "").unwrap();
    }
    let load = |patterns: &[&str]| {
        fs::write(&path, format!("include = {patterns:?}")).unwrap();
        Config::load(&path, &|_| None)
    };
    // A file counts as often as a pattern stands for it.
    let mut patterns = vec!["d/*"; 100];
    assert!(load(&patterns).is_ok());
    patterns.push("d/0");
    let mistakes = load(&patterns).unwrap_err();
    assert_eq!(mistakes.remarks().len(), 1, "{mistakes}");
    assert!(
        mistakes.to_string().ends_with("stands for 10001 files; at most 10000 can be read"),
        "{mistakes}"
    );
}

#[test]
fn a_missing_main_file_is_one_mistake() {
    let mistakes = Config::load(Path::new("does/not/exist.toml"), &|_| None).unwrap_err();
    assert_eq!(mistakes.remarks().len(), 1);
    assert!(mistakes.to_string().starts_with("does/not/exist.toml: cannot be read"), "{mistakes}");
}
