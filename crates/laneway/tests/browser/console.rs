//! The console: events as they happen, one event in full, and a token where one is needed.

use serde_json::json;
use tempfile::TempDir;

use crate::accessible;
use crate::driver::{Browser, DESK, NARROW, PHONE};
use crate::harness::{CUSTOMER, Dev, Shop, TOKENS};
use crate::view::button;

#[test]
fn the_console_follows_what_becomes_of_events() {
    let Some(browser) = Browser::open("the_console_follows_what_becomes_of_events") else { return };
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    browser.resize(DESK);
    browser.prefer("prefers-color-scheme", "light");
    browser.go(&format!("{}/console#sandbox={}", dev.gateway.0.url(), dev.world.host.url()));
    browser.until("document.body.dataset.ready && document.querySelector('#state.on')");
    browser.until("document.querySelector('#none').checkVisibility()");
    accessible::check(&browser, "console-empty");

    let wamid = dev.world.chat(CUSTOMER)[0]["wamid"].clone();
    let read = dev.deliver(CUSTOMER, &json!({"type": "MarkAsRead", "custom": {"message_id": wamid}}));
    browser.until("document.querySelector('#events .pill.good').textContent === 'confirmed'");
    // Meta refuses a click that it does not know.
    let custom = json!({"ctwa_id": "nobody's", "currency": "EUR", "value": "12.60"});
    let failed = dev.deliver(CUSTOMER, &json!({"type": "Purchase", "custom": custom}));
    assert_eq!(failed["status"], "failed");
    browser.until("document.querySelector('#events .pill.bad').textContent === 'failed'");
    browser.until("document.querySelector('#events li strong').textContent === 'Purchase'");

    browser.click(&button("#statuses", "Dead letters"));
    browser.until("document.querySelectorAll('#events li').length === 1");
    browser.click("document.querySelector('#events button')");
    browser.until("document.activeElement.id === 'detail'");
    browser.until("document.querySelector('#detail .attempts li').textContent.includes('code 100')");
    browser.until("document.querySelector('#detail pre').textContent.includes('12.60')");
    accessible::check(&browser, "console-desk");
    for (screen, name) in [(PHONE, "phone"), (NARROW, "narrow")] {
        browser.resize(screen);
        accessible::check(&browser, &format!("console-{name}"));
    }
    browser.resize(DESK);

    browser.click(&button("#statuses", "All"));
    browser.click("document.querySelector('#to')");
    browser.keys("14155559876");
    browser.until("document.querySelector('#none').checkVisibility()");
    browser.run("document.querySelector('#filters').reset()", &[]);
    browser.click(&button("#statuses", "Confirmed"));
    browser.until("document.querySelector('#events li strong').textContent === 'MarkAsRead'");

    // From the event to its call, which is the sandbox's.
    browser.click("document.querySelector('#events button')");
    let trace = read["attempts"][0]["trace_id"].as_str().unwrap();
    browser.click(&format!("document.querySelector('#detail a[href$=\"#trace={trace}\"]')"));
    browser.until("document.activeElement.closest('#call-1')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Opens the console of a running `dev` on a desk; `None` where there is no browser.
#[track_caller]
pub(crate) fn console(test: &str, dev: &Dev, query: &str) -> Option<Browser> {
    let browser = Browser::open(test)?;
    browser.resize(DESK);
    browser.prefer("prefers-color-scheme", "light");
    browser.go(&format!("{}/console{query}", dev.gateway.0.url()));
    browser
        .until("document.body.dataset.ready && document.querySelector('#state.on').textContent === 'live'");
    Some(browser)
}

/// What the list shows, row by row: `Type status`.
#[track_caller]
fn rows(browser: &Browser, wanted: &[&str]) {
    browser.until(&format!(
        "[...document.querySelectorAll('#events li')].map((row) => \
         `${{row.querySelector('strong').textContent}} ${{row.querySelector('.pill').textContent}}`).join() === {}",
        json!(wanted.join(","))
    ));
}

/// Waits until the chosen event has that status and so many attempts.
#[track_caller]
fn chosen(browser: &Browser, status: &str, attempts: usize) {
    browser.until(&format!(
        "document.querySelector('#detail-body .pill').textContent === '{status}' \
         && document.querySelectorAll('#detail .attempts li').length === {attempts}"
    ));
}

#[test]
fn an_event_appears_and_changes_while_one_looks() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(browser) = console("an_event_appears_and_changes_while_one_looks", &dev, "") else { return };
    browser.run("window.isTheSamePage = true", &[]);
    dev.world.host.post("/sandbox/faults", r#"{"call":"messages","preset":"meta_down"}"#).json();
    let read = json!({"type": "MarkAsRead", "custom": {"message_id": dev.world.chat(CUSTOMER)[0]["wamid"]}});
    let id = dev.gateway.submit(dev.world.number(), CUSTOMER, &read);
    rows(&browser, &["MarkAsRead retrying"]);
    browser.click(&button("#events", "MarkAsRead"));
    browser.until(&format!("document.querySelector('#detail').textContent.includes('{id}')"));
    browser.until("document.querySelector('#detail .attempts li').textContent.includes('HTTP 503, code 2')");
    browser.until("document.querySelector('#detail dl').textContent.includes('Next attempt')");
    accessible::check(&browser, "console-retrying");

    dev.world.host.send("DELETE", "/sandbox/faults", "").unwrap().json();
    dev.world.host.post("/sandbox/clock", r#"{"advance":"10m"}"#).json();
    rows(&browser, &["MarkAsRead confirmed"]);
    browser.until("document.querySelector('#detail-body .pill').textContent === 'confirmed'");
    browser.until("document.querySelector('#detail .attempts li:last-child .pill.good')");
    browser.until("window.isTheSamePage");

    // Back to the list, where the reader was.
    browser.click(&button("#detail", "Close"));
    browser.until("document.activeElement.closest('#events li')");
    browser
        .until("document.querySelector('#detail-title').textContent === 'One event' && location.hash === ''");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn dead_letters_are_retried_and_discarded() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(browser) = console("dead_letters_are_retried_and_discarded", &dev, "#status=failed") else {
        return;
    };
    // Meta blocks only who has written, and these have not.
    let people = ["+316012399901", "+316012399902", "+316012399903"];
    let failed = people.map(|user| dev.deliver(user, &json!({"type": "Block"})));
    let ids = failed.each_ref().map(|event| event["id"].as_str().unwrap());
    rows(&browser, &["Block failed"; 3]);
    let press = |text: &str| browser.click(&button("#detail", text));
    let open = |user: &str| {
        browser.click(&format!(
            "[...document.querySelectorAll('#events button')].find((row) => row.textContent.includes('{user}'))"
        ));
    };

    // What was in the way is gone: tried again, it works.
    open(people[0]);
    chosen(&browser, "failed", 1);
    browser.until("document.querySelector('#detail .attempts').textContent.includes('131047')");
    dev.world.user_writes(people[0], "Hi");
    press("Retry");
    chosen(&browser, "confirmed", 2);
    rows(&browser, &["Block failed"; 2]);
    assert_eq!(dev.world.blocked(), [people[0]]);
    browser.until(
        "![...document.querySelectorAll('#detail button')].some((each) => each.textContent === 'Retry')",
    );

    // Given up, with the way back open.
    open(people[1]);
    chosen(&browser, "failed", 1);
    press("Discard");
    chosen(&browser, "discarded", 1);
    rows(&browser, &["Block failed"]);
    let state = dev.gateway.0.get(&format!("/api/v1/events/{}", ids[1])).json();
    assert_eq!(state["status"], "discarded");
    browser.until("document.querySelector('#detail .doings').textContent === 'Retry'");

    // All that the filter leaves at once, after a question.
    people.iter().for_each(|user| drop(dev.world.user_writes(user, "Hi")));
    browser.click(&button(".list", "Retry all of these"));
    browser.until("document.querySelector('#retry-dialog').open");
    accessible::check(&browser, "console-retry-all");
    browser.keys("\u{e00c}"); // Escape
    browser.until("!document.querySelector('#retry-dialog').open");
    rows(&browser, &["Block failed"]);
    browser.click(&button(".list", "Retry all of these"));
    browser.click(&button("#retry-dialog", "Retry all"));
    rows(&browser, &[]);
    browser.until("document.querySelector('#news').textContent === '1 event is tried again'");
    assert_eq!(dev.gateway.ended(ids[2])["status"], "confirmed");
    assert_eq!(dev.world.blocked(), [people[0], people[2]]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn filters_leave_what_they_name_and_stay_in_the_address() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(browser) = console("filters_leave_what_they_name_and_stay_in_the_address", &dev, "") else {
        return;
    };
    let other = "+316012399901";
    dev.world.user_writes(other, "Hi");
    dev.deliver(other, &json!({"type": "Block"}));
    dev.deliver(CUSTOMER, &json!({"type": "Purchase", "custom": {"currency": "EUR", "value": "1"}}));
    dev.deliver("+316012399902", &json!({"type": "Block"}));
    let unblock = json!({"channel": "WhatsApp", "event": {"type": "UnBlock"}, "reference": "case 7",
        "from": {"number": dev.world.number()}, "to": {"number": other}});
    dev.gateway.0.post("/v1.0/event", &unblock.to_string()).json();
    rows(&browser, &["UnBlock confirmed", "Block failed", "Purchase confirmed", "Block confirmed"]);

    let set = |name: &str, value: &str| {
        let script = format!(
            "const field = document.querySelector('#{name}'); field.value = arguments[0]; \
             field.dispatchEvent(new Event('input', {{bubbles: true}}))"
        );
        browser.run(&script, &[json!(value)]);
    };
    let found: [(&str, &str, &[&str]); 5] = [
        ("type", "Block", &["Block failed", "Block confirmed"]),
        ("to", "00316012399901", &["UnBlock confirmed", "Block confirmed"]),
        ("reference", "case 7", &["UnBlock confirmed"]),
        ("from", "+316099999999", &[]),
        (
            "from",
            dev.world.number(),
            &["UnBlock confirmed", "Block failed", "Purchase confirmed", "Block confirmed"],
        ),
    ];
    for (name, value, wanted) in found {
        set(name, value);
        rows(&browser, wanted);
        set(name, "");
    }
    for (status, wanted) in [
        ("Dead letters", &["Block failed"][..]),
        ("In doubt", &[]),
        ("All", &["UnBlock confirmed", "Block failed", "Purchase confirmed", "Block confirmed"]),
    ] {
        browser.click(&button("#statuses", status));
        rows(&browser, wanted);
    }

    // Together, and after a reload.
    browser.click(&button("#statuses", "Confirmed"));
    set("type", "Block");
    rows(&browser, &["Block confirmed"]);
    browser.until("location.hash === '#status=confirmed&type=Block'");
    browser.reload();
    browser.until("document.body.dataset.ready && document.querySelector('#type').value === 'Block'");
    rows(&browser, &["Block confirmed"]);
    browser.until("document.querySelector('#statuses [aria-pressed=true]').textContent === 'Confirmed'");
    // A new event that the filter does not leave stays out, and one that it leaves comes in.
    dev.deliver(
        CUSTOMER,
        &json!({"type": "Typing", "custom": {"message_id": dev.world.chat(CUSTOMER)[0]["wamid"]}}),
    );
    dev.deliver(CUSTOMER, &json!({"type": "Block"}));
    rows(&browser, &["Block confirmed", "Block confirmed"]);
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // What cannot be a filter is said, and the list stays.
    set("to", "nobody");
    browser.until("document.querySelector('#problem').checkVisibility() && document.querySelector('#problem').textContent.startsWith('to: ')");
    browser.picture("console-problem");
}

#[test]
fn outside_dev_the_console_asks_for_a_token() {
    let Some(browser) = Browser::open("outside_dev_the_console_asks_for_a_token") else { return };
    let shop = Shop::open();
    let serve = shop.serve();
    let stranger = "+316012399901";
    let id = serve.gateway.submit(shop.world.number(), stranger, &json!({"type": "Block"}));
    assert_eq!(serve.gateway.ended(&id)["status"], "failed");
    browser.resize(DESK);
    browser.prefer("prefers-color-scheme", "light");
    browser.go(&format!("{}/console#event={id}", serve.admin.url()));
    browser.until("document.querySelector('#token-dialog').open");
    browser.until("!document.querySelector('#token-problem').checkVisibility()");
    accessible::check(&browser, "console-token");
    let none = "return document.querySelectorAll('#events li').length";
    assert_eq!(browser.run(none, &[]), 0);

    // A token that nobody has is told to be that.
    browser.keys("nobody's\u{e007}");
    browser.until("document.querySelector('#token-dialog').open && document.querySelector('#token-problem').checkVisibility()");
    assert_eq!(browser.run(none, &[]), 0);
    browser.click("document.querySelector('#token')");
    browser.keys(&format!("{}\u{e007}", TOKENS.read.text));
    rows(&browser, &["Block failed"]);
    browser.until(&format!("document.querySelector('#detail').textContent.includes('{id}')"));
    browser.until("document.querySelector('#state.on').textContent === 'live'");

    // To read is not to operate.
    browser.click(&button("#detail", "Retry"));
    browser.until("document.querySelector('#problem').textContent.includes('operate')");
    browser.click(&button(".bar", "Token"));
    browser.keys(&format!("{}\u{e007}", TOKENS.all.text));
    shop.world.user_writes(stranger, "Hi");
    browser.until("!document.querySelector('#problem').checkVisibility()");
    browser.click(&button("#detail", "Retry"));
    rows(&browser, &["Block confirmed"]);
    chosen(&browser, "confirmed", 2);
    // The token is this tab's, and in no address.
    let kept = browser.run("return [sessionStorage.length, localStorage.length, location.href]", &[]);
    assert_eq!((&kept[0], &kept[1]), (&json!(1), &json!(0)));
    assert!(!kept[2].as_str().unwrap().contains(&TOKENS.all.text));
}
