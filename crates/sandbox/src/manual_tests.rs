//! Keeps the tables of docs/sandbox.md equal to the code. `LANEWAY_UPDATE_DOCS=1 cargo test -p laneway-sandbox` writes
//! them anew.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use laneway_wire::graph::server::KNOWN_ERRORS;
use serde_json::{Map, Value, json};

use crate::control::ENDPOINTS;
use crate::faults::{Cut, FaultCall, FaultRule, Preset, When};
use crate::switches::Switches;

/// Every switch: its name, what it takes, and what is known. The first is the default.
const SWITCHES: [(&str, &[&str], &str); 25] = [
    (
        "partial_block_status",
        &["400", "200"],
        "HTTP status of a block or unblock that failed for some or all of its users. 400: Meta's page up to February \
         2026 (D, old). 200: a third party's model of the current page, which names none (C)",
    ),
    (
        "block_already_blocked",
        &[r#""success""#, r#""failure""#],
        "blocking a user who is blocked already, also one named twice in a call (U). Success, since the state asked for is \
         there",
    ),
    (
        "unblock_not_blocked",
        &[r#""success""#, r#""failure""#],
        "unblocking a user who is not blocked (U). Success, for the same reason",
    ),
    (
        "unblock_needs_window",
        &["false", "true"],
        "whether unblocking, too, needs a message within 24 hours. Meta's example of a failed unblock shows 131047, \
         probably by copy and paste (D example, U meaning)",
    ),
    (
        "blocklist_page_size",
        &["25", "1", "1000"],
        "entries per page when the client does not say, 1 to 1000. Meta gives no figure (U); 25 is the Graph API's habit",
    ),
    (
        "blocklist_shows_input",
        &["false", "true"],
        "whether a row of a block list has `input`, as the answers to block and unblock do. Meta's captured list has none \
         (D); the Python library pywa 4.5 reads no list without (C)",
    ),
    (
        "blocklist_of_user_ids",
        &[r#""user_id""#, r#""wa_id""#, r#""left_out""#],
        "how a block list shows a user who was blocked by business-scoped id (U): by that id, by the number, or not at all",
    ),
    (
        "blocked_text",
        &[r#""sync""#, r#""status""#],
        "how a text to a blocked user fails: at once with 130403, or taken and then failed. Meta documents the code but \
         not the moment (U)",
    ),
    (
        "read_after_30_days",
        &["true", "false"],
        "whether a message that arrived more than 30 days ago can still be marked read. Meta advises to do it earlier (D) \
         and is silent about later (U)",
    ),
    (
        "read_after_24_hours",
        &["true", "false"],
        "whether a message can be marked read when its sender has not written for more than 24 hours. A third party \
         documents that it fails (C); Meta's advice of 30 days says otherwise (D)",
    ),
    (
        "read_while_blocked",
        &["true", "false"],
        "whether a blocked user's earlier message can be marked read (U)",
    ),
    (
        "read_refusal_status",
        &["400", "500"],
        "HTTP status of 131009 for a read mark. 400: Meta's table for the code (D, old). 500: a recording (C)",
    ),
    (
        "typing_again_extends",
        &["true", "false"],
        "whether a typing indicator lasts longer when it is sent again while it is shown (U)",
    ),
    (
        "blocked_messages_arrive_later",
        &["false", "true"],
        "whether what a blocked user wrote reaches the business once the user is unblocked, with the time that it was \
         written at (U)",
    ),
    (
        "missing_token",
        &["190", "200", "104"],
        "the code for a call without a token; Meta names all three, depending on the endpoint in a way it does not \
         describe (D)",
    ),
    (
        "conversions",
        &["14", "5", "2"],
        "how many of the event names pass. 14: Meta's list (D). Field reports saw only 5, or only 2, of them pass (C). \
         Also `--conversions`, which is applied at every start",
    ),
    (
        "conversion_value",
        &[r#""any""#, r#""strict""#],
        "whether `value` may be in quotes, as in some of Meta's examples, and negative (U), or is refused then",
    ),
    (
        "missing_click_subcode",
        &["true", "false"],
        "whether the refusal of a conversion without `ctwa_clid` has the subcode 2804087, like that of a wrong one, or none \
         (U)",
    ),
    (
        "events_deduplicated",
        &["false", "true"],
        "whether an event with the `event_name` and `event_id` of one that the data set has is answered like any other and \
         not counted. Meta says that it is counted (D); a field report believes otherwise (C)",
    ),
    (
        "ad_click_ids",
        &["true", "false"],
        "whether a click on an ad has an id. Ads in WhatsApp Status have none (D), nor, says a third party, do those in the \
         EU (C); then `referral` has no `ctwa_clid`",
    ),
    (
        "webhook_text",
        &[r#""escaped""#, r#""utf8""#],
        "how notifications write letters beyond ASCII. Escaped: `\\u00e4` and, for a slash, `\\/`, which is what Meta's \
         servers send and sign (D, slash C). Receivers that sign again what they have parsed fail with the first only",
    ),
    (
        "webhook_bsuid",
        &["false", "true"],
        "whether notifications leave out `wa_id`, `from` and `recipient_id`, as they may for users with a username (D)",
    ),
    (
        "webhook_duplicate",
        &["false", "true"],
        "whether every notification is sent twice. Meta promises no single delivery, and its retries go to everybody (D)",
    ),
    (
        "webhook_disorder",
        &["false", "true"],
        "whether notifications overtake each other: of every two, the second goes first. Meta promises no order (D)",
    ),
    (
        "webhook_batch",
        &["1", "2", "1000"],
        "how many changes share a body, 1 to 1000. Meta batches up to 1,000 without a promise (D). What does not fill a \
         batch goes after two seconds",
    ),
];

const CALLS: [FaultCall; 12] = [
    FaultCall::Any,
    FaultCall::Messages,
    FaultCall::Typing,
    FaultCall::Block,
    FaultCall::Unblock,
    FaultCall::Blocklist,
    FaultCall::Events,
    FaultCall::Dataset,
    FaultCall::PhoneNumbers,
    FaultCall::SubscribedApps,
    FaultCall::DebugToken,
    FaultCall::App,
];

const PRESETS: [Preset; 6] = [
    Preset::DeadToken,
    Preset::Throttled,
    Preset::AnswerLost,
    Preset::Slow600Ms,
    Preset::Lying200,
    Preset::MetaDown,
];

fn of_call(call: FaultCall) -> &'static str {
    match call {
        FaultCall::Any => "every call there is",
        FaultCall::Messages => "`POST /{phone_number_id}/messages`: read marks, typing indicators, texts",
        FaultCall::Typing => "of these, read marks with a typing indicator",
        FaultCall::Block => "`POST /{phone_number_id}/block_users`",
        FaultCall::Unblock => "`DELETE /{phone_number_id}/block_users`",
        FaultCall::Blocklist => "`GET /{phone_number_id}/block_users`",
        FaultCall::Events => "`POST /{dataset_id}/events`",
        FaultCall::Dataset => "`GET` and `POST /{waba_id}/dataset`",
        FaultCall::PhoneNumbers => "`GET /{waba_id}/phone_numbers`",
        FaultCall::SubscribedApps => "`GET`, `POST` and `DELETE /{waba_id}/subscribed_apps`",
        FaultCall::DebugToken => "`GET /debug_token`",
        FaultCall::App => "`GET /app`",
    }
}

fn of_preset(preset: Preset) -> (&'static str, Value) {
    match preset {
        Preset::DeadToken => ("the access token has expired", json!({"code": 190})),
        Preset::Throttled => ("the number made too many calls", json!({"code": 130_429})),
        Preset::AnswerLost => ("the effect stands, the answer is lost", json!({"cut": "after"})),
        Preset::Slow600Ms => ("answers are slow", json!({"latency": "600ms"})),
        Preset::Lying200 => ("success without an effect", json!({"lie": true})),
        Preset::MetaDown => ("nothing works for the moment: HTTP 503, transient", json!({"code": 2})),
    }
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn switches() -> String {
    let all: Map<String, Value> =
        serde_json::from_value(serde_json::to_value(Switches::default()).unwrap()).unwrap();
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    assert_eq!(names, SWITCHES.map(|(name, ..)| name), "every switch is documented");
    let mut table =
        String::from("| switch | default | also | what, and why this default |\n|---|---|---|---|\n");
    for (name, allowed, what) in SWITCHES {
        for value in allowed {
            let change = format!(r#"{{"{name}":{value}}}"#);
            Switches::default().with(change.as_bytes()).unwrap_or_else(|error| panic!("{change}: {error}"));
        }
        assert_eq!(all[name].to_string(), allowed[0], "the default of {name}");
        let also: Vec<_> = allowed[1..].iter().map(|value| format!("`{value}`")).collect();
        let is_range = matches!(name, "blocklist_page_size" | "webhook_batch");
        let also = if is_range { also.join(" to ") } else { also.join(", ") };
        writeln!(table, "| `{name}` | `{}` | {also} | {what} |", allowed[0]).unwrap();
    }
    table
}

fn calls() -> String {
    let mut table = String::from("| `call` | is about |\n|---|---|\n");
    for call in CALLS {
        writeln!(table, "| `\"{}\"` | {} |", word(call), of_call(call)).unwrap();
    }
    table
}

fn presets() -> String {
    let mut table = String::from("| `preset` | the same as | what it is like |\n|---|---|---|\n");
    for preset in PRESETS {
        let (what, same) = of_preset(preset);
        serde_json::from_value::<FaultRule>(same.clone()).map(|_| ()).unwrap();
        writeln!(table, "| `\"{}\"` | `{same}` | {what} |", word(preset)).unwrap();
    }
    table
}

fn codes() -> String {
    let mut table = String::from("| code | HTTP status | title |\n|---|---|---|\n");
    for row in KNOWN_ERRORS {
        let code = if row.code == 200 { "200 to 299".to_owned() } else { row.code.to_string() };
        writeln!(table, "| {code} | {} | {} |", row.status, row.title).unwrap();
    }
    table
}

fn may_write() -> bool {
    env::var_os("LANEWAY_UPDATE_DOCS").is_some()
}

fn read() -> String {
    fs::read_to_string(path()).unwrap_or_default()
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sandbox.md")
}

/// The page with the text between a table's two marks replaced.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- table: {name} -->\n");
    let (before, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("docs/sandbox.md has no {mark}"));
    let (_, after) = rest.split_once("<!-- end of table -->").expect("every table has an end");
    format!("{before}{mark}{table}<!-- end of table -->{after}")
}

#[test]
fn the_tables_are_the_code() {
    let page = read();
    let tables = [("switches", switches()), ("calls", calls()), ("presets", presets()), ("codes", codes())];
    let right = tables.iter().fold(page.clone(), |page, (name, table)| with_table(&page, name, table));
    if may_write() {
        fs::write(path(), &right).unwrap();
    } else {
        assert!(page == right, "the tables of docs/sandbox.md are out of date; they should be:\n{tables:#?}");
    }
}

#[test]
fn a_preset_is_the_same_as_what_the_page_says() {
    let world = crate::world::World::default();
    for preset in PRESETS {
        let parsed = |rule: Value| {
            let rule: FaultRule = serde_json::from_value(rule).unwrap();
            let parsed = rule.parse(&world).unwrap();
            (parsed.fault, parsed.latency)
        };
        assert_eq!(parsed(json!({"preset": preset})), parsed(of_preset(preset).1), "{preset:?}");
    }
}

#[test]
fn every_endpoint_and_every_member_of_a_rule_is_described() {
    let page = read();
    for (path, methods, _) in ENDPOINTS.iter().filter(|(path, ..)| *path != "/") {
        for method in methods.split(", ") {
            assert!(page.contains(&format!("`{method} {path}`")), "{method} {path}");
        }
    }
    let every_member = FaultRule {
        call: FaultCall::Any,
        number: Some(String::new()),
        phone_number_id: Some(String::new()),
        access_token: Some(String::new()),
        preset: Some(Preset::MetaDown),
        code: Some(2),
        subcode: Some(1),
        http_status: Some(500),
        message: Some(String::new()),
        is_transient: Some(true),
        regain_minutes: Some(5),
        cut: Some(Cut::After),
        lie: true,
        latency: Some(String::new()),
        when: When::Always,
    };
    for member in serde_json::to_value(every_member).unwrap().as_object().unwrap().keys() {
        assert!(page.contains(&format!("| `{member}` |")), "{member}");
    }
}
