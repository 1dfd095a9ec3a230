//! What `--help` prints, and what a wrong call is told.

use insta::assert_snapshot;

use crate::harness::run;

/// What stands apart from a verb's own options.
const LOGS: &str = "\nLogs:\n";

#[test]
fn every_verb_explains_itself() {
    let first = run(&["--help"]).stdout;
    let (_, logs) = first.split_once(LOGS).unwrap();
    assert_snapshot!("logs", logs);
    for verb in [
        "",
        "dev",
        "serve",
        "sandbox",
        "sandbox exec",
        "send",
        "send mark-as-read",
        "send typing",
        "send block",
        "send unblock",
        "send conversion",
        "events",
        "events list",
        "events show",
        "events retry",
        "events discard",
        "outbox",
        "outbox list",
        "outbox show",
        "outbox retry",
        "config",
        "config check",
        "config show",
        "doctor",
        "token",
        "token new",
        "token hash",
        "openapi",
        "completions",
    ] {
        let words: Vec<_> = verb.split_whitespace().chain(["--help"]).collect();
        let help = run(&words);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{verb}");
        let (own, of_every_verb) = help.stdout.split_once(LOGS).unwrap();
        assert_eq!(of_every_verb, logs, "{verb}");
        let name = format!("help {verb}").trim().replace(' ', "_");
        assert_snapshot!(name, own);
    }
}

#[test]
fn a_wrong_call_exits_with_2_and_prints_no_data() {
    for (call, says) in [
        ("", "Usage: laneway [OPTIONS] <COMMAND>"),
        ("deliver", "unrecognized subcommand 'deliver'"),
        ("send", "Usage: laneway send [OPTIONS] <COMMAND>"),
        ("send block", "--to <NUMBER>"),
        ("send conversion --to 0031612345678", "<TYPE>"),
        ("send mark-as-read", "--message-id <WAMID>"),
        ("send conversion Purchase --to 0031612345678 --custom order_id", "NAME=VALUE"),
        ("events show", "<ID>"),
        ("events list --limit many", "invalid value 'many' for '--limit <N>'"),
        ("serve", "--config <FILE>"),
        ("dev --listen localhost", "invalid value 'localhost' for '--listen <ADDRESS>'"),
        ("dev --store postgres://shop:secret@host/laneway", "PostgreSQL is not yet supported"),
        ("sandbox --conversions 3", "14, 5 or 2"),
        ("sandbox exec", "-- <COMMAND>..."),
        ("sandbox --seed 1 exec -- true", "cannot be used with"),
        ("dev --log-format xml", "[possible values: text, json]"),
    ] {
        let words: Vec<_> = call.split_whitespace().collect();
        let refused = run(&words);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{call:?}");
        assert!(refused.stderr.contains(says), "{call:?}: {}", refused.stderr);
    }
}
