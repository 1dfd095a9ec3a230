//! The five pictures of CM.com's events page, played through the gateway: what a client submits on one side, what the
//! customer's phone and the business's inbox show on the other. And the way from an event to its call and its effect.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::accessible;
use crate::driver::{Browser, PHONE};
use crate::harness::{CUSTOMER, Dev, Host, Process};
use crate::view::{View, line};

/// Starts `dev` and opens its page; ends the test where there is no browser.
macro_rules! dev_and_view {
    ($test:literal) => {{
        let directory = TempDir::new().unwrap();
        let dev = Dev::start(&directory.path().join("laneway-dev"));
        let Some(view) = View::open($test, &dev) else { return };
        (directory, dev, view)
    }};
}

/// Submits an event and waits until Meta, which is the sandbox, has said yes.
#[track_caller]
fn confirm(dev: &Dev, event: &Value) -> String {
    let state = dev.deliver(CUSTOMER, event);
    assert_eq!(state["status"], "confirmed", "{state}");
    state["id"].as_str().unwrap().to_owned()
}

/// The newest message of the customer, by its text.
#[track_caller]
fn wamid(dev: &Dev, text: &str) -> Value {
    let chat = dev.world.chat(CUSTOMER);
    chat.iter().rfind(|row| row["text"] == text).unwrap_or_else(|| panic!("nobody wrote {text}"))["wamid"]
        .clone()
}

/// An event's id as a chip shows it.
fn short(id: &str) -> String {
    format!("{}…{}", &id[..9], &id[id.len() - 4..])
}

#[test]
fn the_five_pictures() {
    let (_directory, dev, view) = dev_and_view!("the_five_pictures");
    let browser = &view.browser;
    view.message_has("phone", "Hi", ".ad");
    view.message_has("inbox", "Hi", ".ad");

    // An MT message: the business writes, the customer's phone shows it.
    view.press("#phone", "All chats");
    assert_eq!(dev.world.business_writes(CUSTOMER), None);
    view.message_has("inbox", "Hello", "[aria-label=Delivered]");
    view.press("#phone", "Your business");
    view.message_has("phone", "Hello", "time");
    view.message_has("inbox", "Hello", "[aria-label=Read]");
    view.pictures("1-mt-read", &["phone", "inbox"]);

    // An MO message marked as read: grey ticks turn blue, with the event beside them.
    view.customer_writes("Is the blue one there?");
    view.message_has("inbox", "Is the blue one there?", "time");
    view.message_has("phone", "Is the blue one there?", "[aria-label=Delivered].grey");
    let read = json!({"message_id": wamid(&dev, "Is the blue one there?")});
    let id = confirm(&dev, &json!({"type": "MarkAsRead", "custom": read}));
    view.message_has("phone", "Is the blue one there?", "[aria-label=Read].blue");
    browser.until(&format!(
        "{}.textContent.includes({})",
        line("phone", "Is the blue one"),
        json!(short(&id))
    ));
    view.pictures("2-mo-read", &["phone", "inbox"]);

    // A blocked user writes: the phone says that it did not arrive, and nobody is seen typing any more.
    let before = view.messages("inbox");
    confirm(
        &dev,
        &json!({"type": "Typing", "custom": {"message_id": wamid(&dev, "Is the blue one there?")}}),
    );
    browser.until("document.querySelector('#phone .typing').checkVisibility()");
    confirm(&dev, &json!({"type": "Block"}));
    browser.until("!document.querySelector('#phone .typing').checkVisibility()");
    browser.until(
        "document.querySelector('#inbox .chat-head .pill.bad').textContent.startsWith('blocked since')",
    );
    view.customer_writes("Hello? Are you there?");
    view.message_has("phone", "Hello? Are you there?", ".under");
    view.message_has("phone", "Hello? Are you there?", "[aria-label='Sent, not delivered']");
    browser.until("document.querySelector('#news').textContent.includes('did not arrive')");
    browser.until("!/online|typing/.test(document.querySelector('#phone .presence').textContent)");
    view.pictures("3-blocked-user-writes", &["phone"]);

    // What the business sees of that: nothing.
    assert_eq!(view.messages("inbox"), before);
    assert_eq!(wamid(&dev, "Hello? Are you there?").as_str().map(|id| id.starts_with("wamid.")), Some(true));
    view.pictures("4-what-the-business-sees", &["inbox"]);

    // After unblock, messages arrive again; the one before does not.
    confirm(&dev, &json!({"type": "UnBlock"}));
    browser.until("/online|typing/.test(document.querySelector('#phone .presence').textContent)");
    view.customer_writes("Good to be back");
    view.message_has("phone", "Good to be back", "[aria-label=Delivered]");
    view.message_has("inbox", "Good to be back", "time");
    assert_eq!(view.messages("inbox"), before + 1);
    view.pictures("5-after-unblock", &["phone", "inbox"]);
    view.is_content();
}

#[test]
fn typing_ends_after_25_seconds_and_the_window_after_24_hours() {
    let (_directory, dev, view) = dev_and_view!("typing_ends_after_25_seconds_and_the_window_after_24_hours");
    let browser = &view.browser;
    confirm(&dev, &json!({"type": "Typing", "custom": {"message_id": wamid(&dev, "Hi")}}));
    browser.until("document.querySelector('#phone .typing').checkVisibility()");
    browser.until("document.querySelector('#phone .presence').textContent.startsWith('typing…')");
    browser.until("/^(2[0-5]|1[0-9]) s$/.test(document.querySelector('#phone .left').textContent)");
    view.pictures("typing", &["phone"]);
    let window = browser.until("document.querySelector('#inbox .chat-head .pill.good')");
    assert!(window.as_str().unwrap().starts_with("window open 23:5"), "{window}");
    browser
        .until(&format!("document.querySelector('#inbox .chat-head .pill.good').textContent !== {window}"));

    view.press("#behind", "Clock");
    view.press("#behind", "+ 25 s");
    browser.until("!document.querySelector('#phone .typing').checkVisibility()");
    browser.click("document.querySelector('#clock-step')");
    browser.run("document.querySelector('#clock-step').focus()", &[]);
    browser.keys("\u{e011}"); // Home
    browser.until("document.querySelector('#panel-clock .main').textContent === 'Move 25 s ahead'");
    browser.keys(&"\u{e014}".repeat(8)); // right
    browser.until("document.querySelector('#panel-clock .main').textContent === 'Move 1 d 1 h ahead'");
    browser.until("document.querySelector('#panel-clock').textContent.includes('1 window closes')");
    view.press("#behind", "Move 1 d 1 h ahead");
    browser.until("document.querySelector('#inbox .chat-head .pill.off').textContent === 'window closed'");
    browser.until(
        "document.querySelector('#panel-clock').textContent.includes('1 d 1 h ahead of this machine')",
    );
    view.pictures("clock", &["behind"]);
    view.is_content();
}

#[test]
fn an_event_leads_to_its_call_and_the_call_to_its_effect() {
    let (_directory, dev, view) = dev_and_view!("an_event_leads_to_its_call_and_the_call_to_its_effect");
    let browser = &view.browser;
    let id = confirm(&dev, &json!({"type": "MarkAsRead", "custom": {"message_id": wamid(&dev, "Hi")}}));
    view.press("#phone", "read · ev_");
    browser.until("document.activeElement.closest('#panel-calls details[open]')");
    let console =
        browser.until(&format!("document.querySelector('#panel-calls a[href*=\"#event={id}\"]').href"));
    assert!(console.as_str().unwrap().starts_with(&dev.gateway.0.url()), "{console}");
    view.press("#panel-calls", "→ its message");
    browser.until("document.activeElement.matches('#phone .line')");

    let click = dev.world.chat(CUSTOMER)[0]["ctwa_clid"].clone();
    let custom = json!({"ctwa_clid": click, "currency": "EUR", "value": "12.60"});
    let id = confirm(&dev, &json!({"type": "Purchase", "custom": custom}));
    view.press("#behind", "Ledger");
    view.press("#panel-ledger", "1Purchase");
    browser.until(&format!("document.querySelector('#panel-ledger').textContent.includes({})", json!(id)));
    view.press("#panel-ledger", "→ call 2");
    browser.until("document.activeElement.closest('#call-2')");
    view.press("#call-2", "→ ledger row 1");
    browser.until("document.activeElement.closest('#ledger-1')");

    // The same event again, as somebody sends it who does not know that Meta counts it twice.
    let mut event = dev.world.rows("/sandbox/conversions")[0].clone();
    event.as_object_mut().unwrap().remove("sandbox");
    let token = format!("Bearer {}", dev.world.own("access_token"));
    let graph = dev.world.host.with("authorization", &token).with("content-type", "application/json");
    let path = format!("/v26.0/{}/events", dev.world.own("dataset_id"));
    assert_eq!(graph.post(&path, &json!({"data": [event]}).to_string()).json()["events_received"], 1);
    browser.until("document.querySelector('#ledger-2.repeated .pill').textContent === 'duplicate of 1'");
    browser.until("document.querySelector('#panel-ledger .totals').textContent.includes('€25.20')");
    browser.until(
        "document.querySelector('#panel-ledger .warning').textContent.startsWith('1 event is counted twice')",
    );
    view.pictures("ledger", &["behind"]);
    view.is_content();
}

#[test]
fn a_link_into_the_page_is_followed_while_it_is_open() {
    const OTHER: &str = "+316022222222";
    let (_directory, dev, view) = dev_and_view!("a_link_into_the_page_is_followed_while_it_is_open");
    let browser = &view.browser;
    dev.world.user_writes(OTHER, "Hello from somebody else");
    let id = confirm(&dev, &json!({"type": "MarkAsRead", "custom": {"message_id": wamid(&dev, "Hi")}}));
    let follow = |hash: &str| drop(browser.run("location.hash = arguments[0]", &[json!(hash)]));
    follow("#tab=ledger");
    browser.until("document.querySelector('#panel-ledger').checkVisibility()");
    follow(&format!("#user={}", &OTHER[1..]));
    browser.until("document.querySelector('#person').value === '+316022222222'");
    view.message_has("inbox", "Hello from somebody else", "time");
    follow(&format!("#event={id}"));
    browser.until("document.querySelector('#panel-calls details[open]')?.checkVisibility()");
    follow(&format!("#wamid={}", wamid(&dev, "Hi").as_str().unwrap()));
    view.message_has("phone", "Hi", ".ad");
    view.is_content();
}

/// A browser has six connections for one address, and keeps pages that were left for a while.
#[test]
fn a_page_that_was_left_holds_no_connection() {
    let (_directory, dev, view) = dev_and_view!("a_page_that_was_left_holds_no_connection");
    for _ in 0..8 {
        view.browser.go("about:blank");
        view.browser.go(&dev.world.host.url());
        view.browser.until("document.body.dataset.ready");
    }
    view.customer_writes("Still there?");
    view.message_has("inbox", "Still there?", "time");
    for _ in 0..8 {
        view.browser.go("about:blank");
        view.browser.go(&format!("{}/console", dev.gateway.0.url()));
        view.browser.until("document.querySelector('#state.on').textContent === 'live'");
    }
    view.is_content();
}

#[test]
fn the_business_works_from_its_inbox() {
    let (_directory, dev, view) = dev_and_view!("the_business_works_from_its_inbox");
    let browser = &view.browser;
    view.press("#inbox", "Mark as read");
    view.message_has("phone", "Hi", "[aria-label=Read]");
    view.press("#inbox", "Typing");
    browser.until("document.querySelector('#phone .typing').checkVisibility()");
    browser.click("document.querySelector('#inbox-text')");
    browser.keys("We are here\u{e007}");
    view.message_has("phone", "We are here", "time");
    browser.until("!document.querySelector('#phone .typing').checkVisibility()");
    view.press("#inbox", "Conversion");
    view.press("#inbox", "Report it");
    browser.until("document.querySelector('#tab-ledger').textContent === 'Ledger 1'");
    view.press("#inbox", "Block");
    view.press("#behind", "Blocked");
    view.press("#panel-blocks", "→ call 5");
    browser.until("document.activeElement.closest('#call-5')");
    view.press("#inbox", "Unblock");
    browser.until("!document.querySelector('#inbox .chat-head .pill.bad')");

    // All of these went through the gateway as events.
    let list = dev.gateway.list("status=final");
    let kinds: Vec<_> = list.iter().rev().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["MarkAsRead", "Typing", "Purchase", "Block", "UnBlock"]);
    assert_eq!(list[2]["custom"]["value"], "12.60");

    // Somebody new, from an ad.
    view.press(".bar", "+");
    browser.run("document.querySelector('#person-number').select()", &[]);
    browser.keys("+1 415 555 9876\u{e007}");
    browser.until("document.querySelector('#inbox .chat-head strong').textContent === '+14 155 559 876'");
    view.press("#phone", "Write from an ad");
    view.customer_writes("I saw your ad");
    view.message_has("inbox", "I saw your ad", ".ad");
    browser.until("document.querySelectorAll('#inbox .chat-row').length === 2");
    view.pictures("two-chats", &["inbox"]);
    view.is_content();
}

#[test]
fn what_is_refused_is_said() {
    let (_directory, dev, view) = dev_and_view!("what_is_refused_is_said");
    let browser = &view.browser;
    // By the gateway: the form stays open, to be mended.
    view.press("#inbox", "Conversion");
    browser.run(
        "const value = document.querySelector('#inbox [aria-label=Value]'); value.focus(); value.select()",
        &[],
    );
    browser.keys("much");
    view.press("#inbox", "Report it");
    browser.until(
        "document.querySelector('#toast.up').textContent.startsWith('event.custom.value: \"much\" is not')",
    );
    browser.click("document.querySelector('#inbox [aria-label=Value]')");
    browser.run("document.activeElement.select()", &[]);
    browser.keys("7.20");
    view.press("#inbox", "Report it");
    browser.until("document.querySelector('#tab-ledger').textContent === 'Ledger 1'");
    browser.until("!document.querySelector('#inbox .sheet').checkVisibility()");
    // What the browser itself notes of a refusal.
    assert_eq!(browser.complaints().len(), 1);

    // By Meta, which the gateway asks where it has no proof: a line in the inbox, with its event.
    view.press("#behind", "Clock");
    view.press("#behind", "+ 25 h");
    browser.until("document.querySelector('#inbox .chat-head .pill.off').textContent === 'window closed'");
    view.press("#inbox", "Block");
    browser.until("document.querySelector('#inbox .bad-note').textContent.startsWith('Not blocked: 131047')");
    let list = dev.gateway.list("type=Block");
    assert_eq!(list[0]["status"], "failed");
    let id = short(list[0]["id"].as_str().unwrap());
    browser.until(&format!("document.querySelector('#inbox .bad-note .chip').textContent === {}", json!(id)));
    view.pictures("refused", &["inbox"]);
    view.press("#inbox", &id);
    browser.until("document.activeElement.closest('#call-2')");
    view.is_content();
}

#[test]
fn faults_are_one_press_away() {
    let (_directory, dev, view) = dev_and_view!("faults_are_one_press_away");
    let browser = &view.browser;
    view.press("#behind", "Faults");
    view.press("#behind", "Lying 200");
    browser.until("document.querySelector('#panel-faults .pill').textContent === 'struck 0'");
    confirm(&dev, &json!({"type": "MarkAsRead", "custom": {"message_id": wamid(&dev, "Hi")}}));
    browser.until("document.querySelector('#panel-faults .pill').textContent === 'struck 1'");
    view.message_has("phone", "Hi", "[aria-label=Delivered]");
    view.pictures("faults", &["behind"]);
    view.press("#panel-faults", "→ call 1");
    browser.until("document.activeElement.closest('#call-1')");
    view.press("#behind", "Faults");
    view.press("#behind", "Remove the fault lying_200");
    browser.until("document.querySelector('#panel-faults .empty').checkVisibility()");
    assert_eq!(dev.world.rows("/sandbox/faults").len(), 0);
    view.press(".bar", "↺");
    view.press("#reset-dialog", "Forget it all");
    browser.until("document.querySelectorAll('#phone .line').length === 0");
    view.is_content();
}

/// The text that a "copy as" button copied.
#[track_caller]
fn copied(view: &View, row: &str, as_what: &str) -> String {
    view.press(row, as_what);
    let text = view.browser.until("document.querySelector('#toast').dataset.copied");
    view.browser.run("delete document.querySelector('#toast').dataset.copied", &[]);
    text.as_str().unwrap().to_owned()
}

/// Runs a program with an input; `None` where there is none.
fn piped(program: &str, argument: &str, input: &str) -> Option<(bool, String)> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child = Command::new(program)
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn rows_are_copied_as_commands_and_tests_that_work() {
    let (_directory, dev, view) = dev_and_view!("rows_are_copied_as_commands_and_tests_that_work");
    let browser = &view.browser;
    confirm(&dev, &json!({"type": "MarkAsRead", "custom": {"message_id": wamid(&dev, "Hi")}}));
    let click = dev.world.chat(CUSTOMER)[0]["ctwa_clid"].clone();
    confirm(
        &dev,
        &json!({"type": "Purchase", "custom": {"ctwa_clid": click, "currency": "EUR", "value": "1"}}),
    );
    confirm(&dev, &json!({"type": "Block"}));
    dev.world
        .host
        .post("/sandbox/faults", r#"{"call":"dataset","preset":"throttled","when":{"next":2}}"#)
        .json();
    browser.until("document.querySelectorAll('#panel-calls .rows > li').length === 3");
    let rows = [
        ("Calls", "#call-1", r#"{"success":true}"#),
        ("Calls", "#call-3", "added_users"),
        ("Ledger", "#ledger-1", "events_received"),
        ("Blocked", "#panel-blocks", "added_users"),
        ("Webhooks", "#webhook-1", r#""state":"delivered""#),
        ("Faults", "#panel-faults", r#""preset":"throttled""#),
    ];
    // What a test or a command does adds rows, and those below them move; nobody presses what is moving.
    let shown = || {
        let calls = dev.world.rows("/sandbox/requests").last().unwrap()["n"].clone();
        browser.until(&format!("document.querySelector('#tab-calls .tab-count').textContent === ' {calls}'"));
    };
    let mut tests = String::new();
    for (tab, row, answer) in rows {
        shown();
        view.press("#behind", tab);
        browser.run(
            &format!("document.querySelectorAll('{row} details').forEach((each) => each.open = true)"),
            &[],
        );
        // Tests look at the world as it is now, so they are taken first and run before the commands change it.
        let test = copied(&view, row, "copy as test");
        assert!(test.contains("\ndef test_"), "{test}");
        tests = format!(
            "{test}\nfor name in [n for n in dir() if n.startswith('test_')]:\n    globals().pop(name)()\n"
        );
        if let Some((passed, said)) = piped("python3", "-", &tests) {
            assert!(passed, "{row}: {said}\n{tests}");
        }
        shown();
        let command = copied(&view, row, "copy as curl");
        assert!(command.starts_with("curl -s ") && command.contains(&dev.world.host.url()), "{command}");
        if piped("curl", "--version", "").is_some() {
            let (passed, said) = piped("sh", "-s", &command).unwrap();
            assert!(passed && said.contains(answer), "{row}: {command}\n{said}");
        }
    }
    assert!(!tests.is_empty());
    shown();

    // A message of the customer: who is blocked by now, so that it will not arrive when the test writes it.
    view.customer_writes("Copy me");
    view.message_has("phone", "Copy me", ".under");
    browser.run(&format!("{}.querySelector('.copier').open = true", line("phone", "Copy me")), &[]);
    let test = copied(&view, "#phone .copier[open]", "copy as test");
    let run = format!("{test}\ntest_a_customer_writes()\n");
    assert_ne!(
        piped("python3", "-", &run).map(|(passed, said)| (passed, said.is_empty())),
        Some((false, false)),
        "{run}"
    );
    let command = copied(&view, "#phone .copier[open]", "copy as curl");
    assert!(command.contains(r#""text":"Copy me""#), "{command}");
    view.is_content();
}

#[test]
fn a_slow_line_shows_nothing_that_is_half_known() {
    let (_directory, dev, view) = dev_and_view!("a_slow_line_shows_nothing_that_is_half_known");
    let browser = &view.browser;
    browser.devtools("Network.enable", &json!({}));
    // Longer than the page takes to look at its clock again.
    let slow = json!({"offline": false, "latency": 700, "downloadThroughput": -1, "uploadThroughput": -1});
    browser.devtools("Network.emulateNetworkConditions", &slow);
    browser.reload();
    view.message_has("phone", "Hi", ".ad");
    let other = dev.world.host.post("/sandbox/numbers", "{}").json();
    browser.until("!document.querySelector('#business').disabled");
    browser.run(
        "const business = document.querySelector('#business'); business.value = arguments[0]; \
         business.dispatchEvent(new Event('change'))",
        &[other["number"].clone()],
    );
    browser.until("document.querySelectorAll('#phone .line').length === 0");
    browser.until("!document.querySelector('#toast').checkVisibility({visibilityProperty: true})");
    view.is_content();
}

#[test]
fn a_control_token_is_asked_for_and_kept_out_of_the_address() {
    let test = "a_control_token_is_asked_for_and_kept_out_of_the_address";
    let Some(browser) = Browser::open(test) else { return };
    let process = Process::start(&["sandbox", "--sandbox-listen=127.0.0.1:0", "--control-token=open sesame"]);
    let url = process.value("sandbox=");
    assert_eq!(Host::new(&url).get("/sandbox/chats").status, 401);
    browser.resize(PHONE);
    browser.go(&format!("{url}/"));
    browser.until("document.querySelector('#token-dialog').open && document.activeElement.id === 'token'");
    browser.keys("sesame\u{e007}");
    browser.until(
        "document.querySelector('#token-dialog').open && document.querySelector('#token-problem').checkVisibility()",
    );
    accessible::check(&browser, "control-token-phone");
    browser.click("document.querySelector('#token')");
    browser.keys("open sesame\u{e007}");
    browser.until("document.body.dataset.ready && document.querySelector('#state.on')");
    browser.until(&format!("{}.querySelector('.ad')", line("phone", "Hi")));

    browser.run("sessionStorage.clear()", &[]);
    browser.go(&format!("{url}/?control_token=open%20sesame#tab=clock"));
    browser.until("document.body.dataset.ready && document.querySelector('#state.on')");
    browser.until("location.search === '' && document.querySelector('#panel-clock').checkVisibility()");
}
