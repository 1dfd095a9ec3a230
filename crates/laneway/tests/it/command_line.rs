//! `laneway send` and `laneway events` against a running `dev`: data on stdout, everything else on stderr, and an exit
//! code that a script can decide by.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Finished, run, run_with};

/// A shell whose environment says where the gateway is and who the business is.
struct Shell {
    dev: Dev,
    url: String,
}

impl Shell {
    fn open(directory: &Path) -> Self {
        let dev = Dev::start(directory);
        let url = dev.gateway.0.url();
        Self { dev, url }
    }

    #[track_caller]
    fn run(&self, call: &str) -> Finished {
        let words: Vec<_> = call.split_whitespace().collect();
        run_with(&words, &[("LANEWAY_URL", &self.url), ("LANEWAY_FROM", self.dev.world.number())], "")
    }
}

/// The value of a line such as `status           confirmed`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map(str::trim)
}

#[test]
fn each_kind_of_event_is_sent_and_waited_for() {
    let directory = TempDir::new().unwrap();
    let shell = Shell::open(directory.path());
    let known = shell.dev.world.user_writes(CUSTOMER, "Hello");
    let (wamid, click) = (&known.wamid, &known.click);
    for (call, kind) in [
        (format!("mark-as-read --message-id {wamid}"), "MarkAsRead"),
        (format!("typing --message-id {wamid} --to {CUSTOMER}"), "Typing"),
        (format!("block --to {CUSTOMER}"), "Block"),
        (format!("unblock --to {CUSTOMER}"), "UnBlock"),
        (format!("conversion LeadSubmitted --to {CUSTOMER} --ctwa-clid {click}"), "LeadSubmitted"),
        (
            format!("conversion Purchase --to {CUSTOMER} --ctwa-clid {click} --value 12.60 --currency EUR"),
            "Purchase",
        ),
    ] {
        let sent = shell.run(&format!("send {call} --wait --reference order-1"));
        assert_eq!((sent.code, sent.stderr.as_str()), (0, ""), "{call}: {sent:?}");
        for (name, value) in [("type", kind), ("status", "confirmed"), ("reference", "order-1")] {
            assert_eq!(field(&sent.stdout, name), Some(value), "{call}: {}", sent.stdout);
        }
        let listed = shell.run(&format!("send {call} --wait=20s --json"));
        assert_eq!((listed.code, listed.stderr.as_str()), (0, ""), "{call}");
        let event = listed.json();
        assert_eq!(
            (event["type"].as_str(), event["status"].as_str()),
            (Some(kind), Some("confirmed")),
            "{event}"
        );
    }
    let purchases = shell.dev.gateway.list("type=Purchase");
    assert_eq!(purchases[0]["custom"], json!({"ctwa_clid": click, "currency": "EUR", "value": "12.60"}));
}

#[test]
fn everything_about_a_conversion_can_be_said() {
    let directory = TempDir::new().unwrap();
    let shell = Shell::open(directory.path());
    let click = shell.dev.world.user_writes(CUSTOMER, "Hello").click;
    let now_ms = shell.dev.world.host.get("/sandbox/clock").json()["now_ms"].as_u64().unwrap();
    let time = now_ms / 1_000 - 60;
    let written = shell.run(&format!(
        "send conversion LeadSubmitted --to {CUSTOMER} --ctwa-clid {click} --event-time yesterday"
    ));
    assert!(written.stderr.contains("event_time"), "{written:?}");
    let call = format!(
        "send conversion OrderShipped --to {CUSTOMER} --ctwa-clid {click} --value 7 --currency USD --event-id order-17 \
         --event-time {time} --custom order_id=A-17 --wait"
    );
    let sent = shell.run(&call);
    assert_eq!((sent.code, sent.stderr.as_str()), (0, ""), "{sent:?}");
    let received = shell.dev.world.rows("/sandbox/conversions");
    assert_eq!(received.len(), 1);
    let row = &received[0];
    assert_eq!((&row["event_id"], &row["event_time"]), (&json!("order-17"), &json!(time)));
    assert_eq!(row["custom_data"], json!({"order_id": "A-17", "value": 7, "currency": "USD"}));
}

#[test]
fn without_waiting_the_receipt_is_printed() {
    let directory = TempDir::new().unwrap();
    let shell = Shell::open(directory.path());
    let dry = shell.run(&format!("send block --to {CUSTOMER} --dry-run"));
    assert_eq!((dry.code, dry.stdout.as_str(), dry.stderr.as_str()), (0, "valid\n", ""));
    assert_eq!(shell.dev.gateway.list("").len(), 0);

    let block = format!("send block --to {CUSTOMER} --idempotency-key b-1");
    let sent = shell.run(&block);
    let (id, status) = sent.stdout.trim_end().split_once(' ').unwrap();
    assert_eq!((sent.code, status, sent.stderr.as_str()), (0, "accepted", ""));
    let again = shell.run(&format!("{block} --json"));
    assert_eq!((again.code, &again.json()["event"]["id"]), (0, &json!(id)), "{again:?}");
    let other = shell.run(&format!("send unblock --to {CUSTOMER} --idempotency-key b-1"));
    assert_eq!((other.code, other.stdout.as_str()), (1, ""), "{other:?}");
    assert!(other.stderr.starts_with("error: "), "{other:?}");
    assert_eq!(shell.dev.gateway.list("").len(), 1);
}

#[test]
fn what_fails_exits_with_1() {
    let directory = TempDir::new().unwrap();
    let shell = Shell::open(directory.path());
    // Refused at once: a sentence on stderr, nothing on stdout.
    for (call, says) in [
        ("send block --to nobody", "error: to.number: \"nobody\" is not a number"),
        ("send conversion Lead --to 0031612345678 --ctwa-clid c", "did you mean \"LeadSubmitted\"?"),
        ("send conversion Purchase --to 0031612345678 --ctwa-clid c", "currency"),
        ("send block --to 0031612345678 --from 0031600000000", "+316098765432"),
        ("events show ev_00000000000000000000000000", "error: "),
        (
            "send block --to 0031612345678 --url http://127.0.0.1:1",
            "error: no gateway answers at http://127.0.0.1:1",
        ),
    ] {
        let refused = shell.run(call);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{call}: {refused:?}");
        assert!(refused.stderr.contains(says), "{call}: {}", refused.stderr);
    }
    // What cannot be asked for is wrong usage, whoever finds out.
    for (call, says) in [
        ("events list --status done", "error: "),
        ("events list --cursor elsewhere", "error: "),
        ("events list --to 0612345678", "a national number"),
        ("events list --url 127.0.0.1:8080", "an address is like http://127.0.0.1:8080"),
        ("events show ev_00000000000000000000000000 --wait 5m", "timeout: "),
    ] {
        let refused = shell.run(call);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{call}: {refused:?}");
        assert!(refused.stderr.contains(says), "{call}: {}", refused.stderr);
    }
    // For programs the refusal is data.
    let refused = shell.run("send conversion Lead --to 0031612345678 --ctwa-clid c --json");
    assert_eq!((refused.code, refused.stderr.as_str()), (1, ""));
    assert_eq!(refused.json()["error"]["code"], "unknown_event_type");
    // Taken, and then refused by Meta: the event is the data.
    let failed = shell.run("send mark-as-read --message-id wamid.HBgLMade== --wait");
    assert_eq!((failed.code, failed.stderr.as_str()), (1, ""), "{failed:?}");
    assert_eq!(field(&failed.stdout, "status"), Some("failed"));
    assert!(failed.stdout.contains("code 131009"), "{}", failed.stdout);
}

#[test]
fn events_are_listed_and_shown() {
    let directory = TempDir::new().unwrap();
    let shell = Shell::open(directory.path());
    let empty = shell.run("events list");
    assert_eq!((empty.code, empty.stdout.as_str(), empty.stderr.as_str()), (0, "", "no events\n"));

    let other = "+316012300001";
    for (to, event, reference) in [
        (CUSTOMER, "block", "one"),
        (CUSTOMER, "unblock", "two"),
        // Nobody of that number ever wrote.
        (other, "block", "three"),
    ] {
        shell.run(&format!("send {event} --to {to} --reference {reference} --wait"));
    }
    let events = shell.dev.gateway.list("");
    let id = |at: usize| events[at]["id"].as_str().unwrap();
    for (filter, expected) in [
        ("", vec![id(0), id(1), id(2)]),
        ("--status final", vec![id(0), id(1), id(2)]),
        ("--status open", vec![]),
        ("--status failed", vec![id(0)]),
        ("--type Block", vec![id(0), id(2)]),
        ("--type unblock --to 00316012345678", vec![id(1)]),
        ("--to +316012300001", vec![id(0)]),
        ("--from +316098765432 --reference one", vec![id(2)]),
        ("--limit 1", vec![id(0)]),
        ("--since 2099-01-01T00:00:00Z", vec![]),
        ("--until 2099-01-01T00:00:00Z", vec![id(0), id(1), id(2)]),
    ] {
        let listed = shell.run(&format!("events list {filter}"));
        let ids: Vec<_> = listed.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!((listed.code, ids), (0, expected), "{filter}: {listed:?}");
        let json = shell.run(&format!("events list {filter} --json"));
        assert_eq!((json.code, json.stderr.as_str()), (0, ""), "{filter}");
        assert_eq!(
            json.json()["events"].as_array().unwrap().len(),
            listed.stdout.lines().count(),
            "{filter}"
        );
    }
    check_pages(&shell, &events);
    check_shown(&shell, &events);
}

/// The hint of a page leads to the next.
#[track_caller]
fn check_pages(shell: &Shell, events: &[Value]) {
    let page = shell.run("events list --limit 2");
    let hint = page.stderr.trim_end().strip_prefix("more: ").unwrap();
    let next = shell.run(&format!("events list --limit 2 {hint}"));
    assert_eq!((next.stdout.lines().count(), next.stderr.as_str()), (1, ""));
    assert!(next.stdout.contains(events[2]["id"].as_str().unwrap()), "{}", next.stdout);
}

#[track_caller]
fn check_shown(shell: &Shell, events: &[Value]) {
    for event in events {
        let shown = shell.run(&format!("events show {} --json --wait", event["id"].as_str().unwrap()));
        assert_eq!((shown.code, shown.stderr.as_str(), &shown.json()), (0, "", event));
    }
    let failed = &events[0];
    let shown = shell.run(&format!("events show {}", failed["id"].as_str().unwrap()));
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let mut text = shown.stdout;
    for (at, mask) in [
        (&failed["id"], "ID"),
        (&failed["attempts"][0]["started_at"], "STARTED"),
        (&failed["attempts"][0]["trace_id"], "TRACE"),
        (&failed["updated_at"], "UPDATED"),
        (&failed["accepted_at"], "ACCEPTED"),
        (&failed["expires_at"], "EXPIRES"),
    ] {
        text = text.replace(at.as_str().unwrap(), mask);
    }
    // Two instants may fall into the same millisecond and then be masked alike.
    let text =
        text.replace("STARTED", "INSTANT").replace("ACCEPTED", "INSTANT").replace("UPDATED", "INSTANT");
    assert_snapshot!(text);
}

#[test]
fn the_token_and_the_address_can_be_given_either_way() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let url = dev.gateway.0.url();
    for (flags, environment) in [
        (vec!["--url", &url, "--token", "any"], vec![]),
        (vec![], vec![("LANEWAY_URL", url.as_str()), ("LANEWAY_TOKEN", "any")]),
        (vec!["--url", &url], vec![("LANEWAY_URL", "http://127.0.0.1:1")]),
        (vec!["--url", &format!("{url}/")], vec![]),
    ] {
        let call = [vec!["events", "list", "--json"], flags].concat();
        let listed = run_with(&call, &environment, "");
        assert_eq!((listed.code, &listed.json()["events"]), (0, &json!([])), "{call:?} {environment:?}");
    }
    let wrong = run(&["events", "list", "--url", "not an address"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""), "{wrong:?}");
}
