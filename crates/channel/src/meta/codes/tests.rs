//! Tests of [`super`]: codes.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use super::*;

#[track_caller]
fn check(code: u32, subcode: Option<u32>, expected: Option<Codes>) {
    assert_eq!(find(code, subcode).map(|row| row.codes), expected, "{code}/{subcode:?}");
}

#[test]
fn the_subcode_decides_before_the_code() {
    check(100, None, Some(One(100)));
    check(100, Some(1), Some(One(100)));
    check(100, Some(33), Some(Subcode(100, 33)));
    check(100, Some(2_804_087), Some(Subcode(100, 2_804_087)));
    check(190, Some(463), Some(One(190)));
    check(130_429, Some(2_494_055), Some(One(130_429)));
    check(199, None, None);
    check(200, None, Some(Range(200, 299)));
    check(299, Some(33), Some(Range(200, 299)));
    check(300, None, None);
    check(u32::MAX, None, None);
}

#[test]
fn rows_are_in_order_and_no_error_has_two() {
    let key = |row: &Row| match row.codes {
        One(code) => (code, code, None),
        Range(first, last) => (first, last, None),
        Subcode(code, subcode) => (code, code, Some(subcode)),
    };
    for pair in TABLE.windows(2) {
        let (before, after) = (key(&pair[0]), key(&pair[1]));
        assert!(before.1 < after.0 || (before.1 == after.0 && before.2 < after.2), "{:?}", pair[1].codes);
    }
}

#[test]
fn meanings_are_sentences() {
    for row in TABLE {
        assert!(row.meaning.ends_with('.') && row.meaning.len() <= 200, "{:?}", row.codes);
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Event => "the event",
        NumberFamily => "the number's calls of this family",
        Number => "the number",
        Waba => "the WABA",
        Credential => "the token",
        App => "the app",
    }
}

fn class(class: Class) -> String {
    match class {
        Throttled(None) => "throttled".to_owned(),
        Throttled(Some(wait)) => format!("throttled, {} s at least", wait.as_secs()),
        Transient => "transient".to_owned(),
        Rejected => "rejected".to_owned(),
        Unauthorized => "unauthorized".to_owned(),
    }
}

fn page() -> String {
    let mut page = String::from(
        "# What Meta's error codes mean to Laneway\n\n\
         This page is the table of `crates/channel/src/meta/codes.rs`; a test keeps them the same, and\n\
         `LANEWAY_UPDATE_DOCS=1 cargo test -p laneway-channel` writes it anew.\n\n\
         **class**: *throttled* waits, for the time that Meta's usage header names if it does; *transient* is tried again\n\
         until the event expires; *rejected* is refused for good, a dead letter; *unauthorized* keeps the events and pauses\n\
         what the scope says until a person has mended it. An error that Meta marks `is_transient` is never taken as\n\
         rejected or unauthorized.\n\n\
         **scope**: how far it reaches. A rejection wider than the event refuses a call's members together.\n\n\
         **known**: *documented* by Meta, seen in the *field* (code, captured traffic, third parties), or *inferred*.\n\n\
         | code | subcode | class | scope | known | meaning |\n|---|---|---|---|---|---|\n",
    );
    for row in TABLE {
        let (code, subcode) = match row.codes {
            One(code) => (code.to_string(), String::new()),
            Range(first, last) => (format!("{first}–{last}"), String::new()),
            Subcode(code, subcode) => (code.to_string(), subcode.to_string()),
        };
        let known = match row.confidence {
            Documented => "documented",
            Field => "field",
            Inferred => "inferred",
        };
        let (class, scope, meaning) = (class(row.class), scope(row.scope), row.meaning);
        writeln!(page, "| {code} | {subcode} | {class} | {scope} | {known} | {meaning} |").unwrap();
    }
    page.push_str(
        "\n## Without a known code\n\n\
         The HTTP status decides. An answer whose status is a success but which is not one of Meta's leaves open what\n\
         happened: *unknown*.\n\n\
         | status | class | scope | meaning |\n|---|---|---|---|\n",
    );
    for (statuses, example) in [
        ("300–399", 302),
        ("401", 401),
        ("403, 407", 403),
        ("404, 405", 404),
        ("408, 425", 408),
        ("429", 429),
        ("other 4xx", 400),
        ("5xx", 500),
        ("any other, with an error", 200),
    ] {
        let (of_status, reach, meaning) = by_status(example);
        writeln!(page, "| {statuses} | {} | {} | {meaning} |", class(of_status), scope(reach)).unwrap();
    }
    page
}

fn may_write() -> bool {
    env::var_os("LANEWAY_UPDATE_DOCS").is_some()
}

#[test]
fn the_page_in_docs_is_this_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/meta-codes.md");
    let page = page();
    if may_write() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/meta-codes.md is out of date; it should be:\n{page}");
}
