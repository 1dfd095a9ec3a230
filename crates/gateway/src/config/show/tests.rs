//! That what is shown is whole, is a configuration again, and holds no secret.

use std::fs;
use std::path::Path;

use super::*;

const HASH: &str = "sha256:12b9377cbe7e5c94e8a70d9d23929523d14afa954793130f8a3959c7b849aca8";
const SECRET: &str = "EAAGsecret";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Loads a main file from a directory, after every secret that it names was put there.
fn load(directory: &Path, text: &str) -> Loaded {
    for secret in text.split("\"file:").skip(1).filter_map(|rest| rest.split('"').next()) {
        let path = directory.join(secret);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if secret.contains("callback") { SIGNING } else { SECRET }).unwrap();
    }
    let path = directory.join("laneway.toml");
    fs::write(&path, text).unwrap();
    let env = |name: &str| (name == "LANEWAY_ADMIN_TOKEN").then(|| SECRET.to_owned());
    Config::load(&path, &env).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

/// What is shown of a text, after it was found to say the same when it is read from another directory.
#[track_caller]
fn check(text: &str) -> Shown {
    let [first, second] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let loaded = load(first.path(), text);
    let shown = loaded.show().unwrap();
    let written = shown.toml();
    assert!(!written.contains(SECRET) && !written.contains(SIGNING), "{written}");
    assert!(!shown.json().to_string().contains(SECRET));
    let again = load(second.path(), &written);
    assert_eq!(again.show().unwrap().json()["config"], shown.json()["config"], "{written}");
    if loaded.config.accounts.iter().all(|account| account.on_lost_answer.default.is_some()) {
        assert_eq!(again.config, loaded.config, "{written}");
    }
    shown
}

fn documented() -> &'static str {
    let docs = include_str!("../../../../../docs/configuration.md");
    docs.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0
}

#[test]
fn every_key_of_the_documented_example_is_shown() {
    let shown = check(documented());
    let text = shown.toml();
    for section in schema::SECTIONS {
        // The included files are in what is shown.
        for key in section.keys.iter().filter(|key| **key != "include") {
            let is_shown = [format!("{key} = "), format!("[{}]", section.path_of(key))];
            assert!(is_shown.iter().any(|one| text.contains(one)), "{key} is not shown:\n{text}");
        }
    }
    let json = shown.json();
    let at = |key: &str| json["written"].as_array().unwrap().iter().find(|one| one["key"] == key).cloned();
    let line = 1 + documented().lines().position(|line| line.starts_with("Typing = ")).unwrap();
    assert_eq!(at("give_up.Typing").unwrap()["line"], line);
    let line = 1 + documented().lines().position(|line| line.starts_with("graph_url = ")).unwrap();
    assert_eq!(at("account[0].waba[0].graph_url").unwrap()["line"], line);
}

#[test]
fn what_is_left_out_is_shown_too() {
    let account =
        format!("[[account]]\nname = \"shop\"\ntokens = [{{ hash = \"{HASH}\", scopes = [\"send\"] }}]\n");
    let waba = "[[account.waba]]\nid = \"1022\"\naccess_token = \"file:token\"\n";
    let cm = "cm_token = \"file:cm\"\n";
    for (text, wanted) in [
        (
            String::new(),
            &["listen = \"127.0.0.1:8080\" # default", "# admin_token is not set", "# cm_url is not set"][..],
        ),
        (
            format!("{account}{waba}"),
            &[
                "on_lost_answer = \"resend\" # default",
                "route = \"meta\" # default",
                "shadow = \"none\" # default",
                "# country is not set",
                "# dataset_id is asked of Meta",
                "# numbers are asked of Meta",
            ],
        ),
        (format!("{account}{waba}dataset_id = \"none\"\n"), &["dataset_id = \"none\" # "]),
        (
            format!(
                "[upstream]\ncm_url = \"https://cm.example\"\n{account}{cm}route = {{ Purchase = \"cm\" }}\n{waba}"
            ),
            &[
                "route = { default = \"meta\", Purchase = \"cm\" } # ",
                "on_lost_answer = { default = \"resend\", Purchase = \"hold\" } # default",
            ],
        ),
        (
            format!("{account}on_lost_answer = {{ Purchase = \"hold\" }}\n{waba}"),
            &["on_lost_answer = { default = \"resend\", Purchase = \"hold\" } # "],
        ),
        (
            "data_dir = 'a \"quoted\" \u{e9}'\n[rules]\ncaptured_click = \"off\"\n[retention]\nkeys = \"120m\"\n".to_owned(),
            &["a \\\"quoted\\\" \u{e9}\" # ", "captured_click = \"off\" # ", "keys = \"2h\" # "],
        ),
    ] {
        let shown = check(&text).toml();
        for line in wanted {
            assert!(shown.contains(line), "{line:?} is not in\n{shown}");
        }
    }
}

#[test]
fn accounts_are_shown_from_the_files_that_they_are_in() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("accounts")).unwrap();
    for (name, digit) in [("bakery", 1), ("shop", 2)] {
        let hash = format!("sha256:{}", digit.to_string().repeat(64));
        let account = format!(
            "[[account]]\nname = \"{name}\"\ntokens = [{{ hash = \"{hash}\", scopes = [\"send\"] }}]\n\
             [[account.waba]]\nid = \"{digit}\"\naccess_token = \"file:{name}\"\n"
        );
        fs::write(directory.path().join(format!("accounts/{name}.toml")), account).unwrap();
        fs::write(directory.path().join(format!("accounts/{name}")), SECRET).unwrap();
    }
    let loaded = load(directory.path(), "include = [\"accounts/*.toml\"]\n");
    let text = loaded.show().unwrap().toml();
    let base = directory.path().display();
    for line in [
        format!("name = \"bakery\" # {base}/accounts/bakery.toml:2\n"),
        format!("name = \"shop\" # {base}/accounts/shop.toml:2\n"),
        format!("access_token = \"file:{base}/accounts/shop\" # {base}/accounts/shop.toml:6\n"),
    ] {
        assert!(text.contains(&line), "{line:?} is not in\n{text}");
    }
    fs::write(directory.path().join("accounts/other.toml"), "").unwrap();
    assert!(matches!(loaded.show(), Err(ShowError::Changed)));
}
