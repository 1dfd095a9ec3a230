//! The examples of docs/testing-with-the-sandbox.md, as they stand there. The Rust example is a documentation test of
//! `laneway-sandbox`. Other pages' examples are run where what they do is tested.

use std::fs;
use std::io::{self, Write as _};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::run;

const PAGE: &str = include_str!("../../../../docs/testing-with-the-sandbox.md");

/// The only block of a language on a page.
#[track_caller]
pub(crate) fn example<'a>(page: &'a str, language: &str) -> &'a str {
    let start = format!("\n```{language}\n");
    let mut blocks = page.split(start.as_str()).skip(1);
    let (block, _) = blocks.next().and_then(|rest| rest.split_once("\n```\n")).expect("the page has one");
    assert_eq!(blocks.next(), None, "one example of {language}");
    block
}

/// Says that an example was not run, and why.
pub(crate) fn skipped(example: &str, why: &str) {
    // Whatever is printed by macros is shown only for tests that fail.
    let said = format!("\nskipped test: {example}: {why}\n");
    io::stdout().write_all(said.as_bytes()).unwrap();
}

/// Runs a command with a sandbox of its own, in the folder where the example is the file of that name.
#[track_caller]
fn check(language: &str, file: &str, needs: &str, command: &str, says: &str) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(file), example(PAGE, language)).unwrap();
    if let Err(error) = Command::new(needs).arg("--version").output() {
        skipped(&format!("the example in {language}"), &format!("{needs}: {error}"));
        return;
    }
    let inside = format!("cd '{}' && exec {command}", folder.path().display());
    let ended = run(&["sandbox", "exec", "--", "sh", "-c", &inside]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains(says) || ended.stderr.contains(says), "{}{}", ended.stdout, ended.stderr);
    assert!(example(PAGE, language).contains(command), "the example says how to run it");
}

#[test]
fn the_example_in_shell() {
    check("sh", "shop.sh", "curl", "sh shop.sh", "all is well");
}

#[test]
fn the_example_in_python() {
    check("python", "test_shop.py", "python3", "python3 -m unittest test_shop", "Ran 3 tests");
}
