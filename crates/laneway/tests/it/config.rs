//! `laneway config check` and `show`, and the documents that the binary prints.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::harness::{ADMIN_TOKEN, Process, Shop, TOKENS, run, shown};

/// A mistake of every kind that a hurried person makes.
const BAD: &str = r#"
listn = "127.0.0.1:8080"
admin_listen = "0.0.0.0:8081"
store = "mysql"

[[account]]
name = "shop"
country = "Atlantis"
tokens = [{ hash = "11111111-2222-4333-8444-555555555555", scopes = ["sent"] }]

[[account.waba]]
id = "not-digits"
access_token = "EAAG-a-bare-secret"
dataset_id = "123"
graph_url = "graph.facebook.com"
numbers = [{ number = "0612345678", phone_number_id = "1" }]
"#;

#[test]
fn every_mistake_is_reported_at_once() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("laneway.toml");
    fs::write(&path, BAD).unwrap();
    let check = run(&["config", "check", "--config", shown(&path)]);
    assert_eq!((check.code, check.stdout.as_str()), (1, ""));
    let report = check.stderr.replace(shown(&path), "laneway.toml");
    assert!(!report.contains("a-bare-secret") && !report.contains("11111111-2222"), "{report}");
    assert_snapshot!(report);

    // The same for programs, and from `serve`, which does not start.
    let listed = run(&["config", "check", "--json", "--config", shown(&path)]);
    assert_eq!((listed.code, listed.stderr.as_str()), (1, ""));
    let listed = listed.json();
    let mistakes = listed["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len() + 1, check.stderr.lines().count());
    assert_eq!((&mistakes[0]["line"], &mistakes[0]["key"]), (&2.into(), &"listn".into()), "{listed}");
    let (code, said) = Process::start(&["serve", "--config", shown(&path)]).ended();
    assert_eq!(code, Some(1));
    let (without_count, _) = check.stderr.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(said.trim_end(), without_count);
}

#[test]
fn a_good_configuration_is_said_to_be_good() {
    let shop = Shop::open();
    let config = shop.config();
    let check = run(&["config", "check", "--config", shown(&config)]);
    assert_eq!(check.code, 0, "{check:?}");
    assert_eq!(check.stdout, format!("{}: no mistakes; accounts 1, numbers 1\n", config.display()));
    // The secrets of the test are files that everyone may read.
    for line in check.stderr.lines() {
        assert!(
            line.starts_with("warning: ") && line.contains("is open to every user of this machine"),
            "{line}"
        );
    }
    let listed = run(&["config", "check", "--json", "--config", shown(&config)]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""));
    let listed = listed.json();
    assert_eq!(listed["mistakes"], serde_json::json!([]));
    assert_eq!(listed["warnings"].as_array().unwrap().len(), check.stderr.lines().count());
    let all = format!("{}{}{listed}", check.stdout, check.stderr);
    assert!(!all.contains(&TOKENS.all.text) && !all.contains(shop.world.own("access_token")), "{all}");
}

#[test]
fn what_is_left_out_is_said_to_be_asked_for() {
    let shop = Shop::open();
    let config = fs::read_to_string(shop.config()).unwrap();
    let lines =
        config.lines().filter(|line| !line.starts_with("numbers = ") && !line.starts_with("dataset_id = "));
    fs::write(shop.config(), lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let (path, waba) = (shop.config(), shop.world.own("waba_id"));
    let check = run(&["config", "check", "--config", shown(&path)]);
    let expected = format!(
        "{}: no mistakes; accounts 1, numbers 0\n\
         Meta will be asked for the numbers of the WABA {waba}, when the gateway runs\n\
         Meta will be asked for the data set of the WABA {waba}, when the gateway runs\n",
        path.display()
    );
    assert_eq!((check.code, check.stdout), (0, expected));
    let listed = run(&["config", "check", "--json", "--config", shown(&path)]).json();
    let asked = ["numbers", "data set"].map(|what| serde_json::json!({"waba": waba, "what": what}));
    assert_eq!(listed["asked_of_meta"], serde_json::json!(asked));
    assert!(shop.world.rows("/sandbox/requests").is_empty(), "it is offline");
}

#[test]
fn what_is_in_effect_is_shown_and_is_a_configuration_again() {
    let shop = Shop::open();
    let config = shop.config();
    let show = run(&["config", "show", "--config", shown(&config)]);
    assert_eq!((show.code, show.stderr.as_str()), (0, ""));
    let token =
        format!("access_token = \"file:{}\" # {}:", shop.path("access_token").display(), config.display());
    for line in [
        token.as_str(),
        "graph_version = \"v26.0\" # default\n",
        "# cm_token is not set\n",
        "Typing = \"25s\" # default\n",
    ] {
        assert!(show.stdout.contains(line), "{line:?} is not in\n{}", show.stdout);
    }
    let listed = run(&["config", "show", "--json", "--config", shown(&config)]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""));
    for secret in [shop.world.own("access_token"), ADMIN_TOKEN, &TOKENS.all.text] {
        assert!(!show.stdout.contains(secret) && !listed.stdout.contains(secret), "{secret}");
    }

    // Elsewhere it says the same.
    let elsewhere = TempDir::new().unwrap();
    let path = elsewhere.path().join("laneway.toml");
    fs::write(&path, &show.stdout).unwrap();
    let check = run(&["config", "check", "--config", shown(&path)]);
    assert_eq!(
        (check.code, check.stdout),
        (0, format!("{}: no mistakes; accounts 1, numbers 1\n", path.display()))
    );
    let again = run(&["config", "show", "--json", "--config", shown(&path)]).json();
    assert_eq!(again["config"], listed.json()["config"]);

    fs::write(&path, BAD).unwrap();
    let bad = run(&["config", "show", "--config", shown(&path)]);
    assert_eq!((bad.code, bad.stdout.as_str()), (1, ""));
    assert!(bad.stderr.contains("did you mean \"listen\"?"), "{}", bad.stderr);
}

#[test]
fn a_missing_file_is_named() {
    let check = run(&["config", "check", "--config", "nowhere/laneway.toml"]);
    assert_eq!((check.code, check.stdout.as_str()), (1, ""));
    assert!(check.stderr.starts_with("nowhere/laneway.toml: cannot be read: "), "{check:?}");
}

#[test]
fn openapi_is_the_committed_document() {
    let printed = run(&["openapi"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/openapi.json");
    assert!(
        printed.stdout == fs::read_to_string(path).unwrap(),
        "crates/gateway/openapi.json is another document"
    );
}
