//! What the console shows of pauses: that they are there, why and until when, and that they go by themselves.

use serde_json::json;
use tempfile::TempDir;

use crate::accessible;
use crate::console::console;
use crate::driver::{Browser, DESK, NARROW, PHONE};
use crate::harness::{CUSTOMER, Dev, Shop, TOKENS};

/// Waits until the console shows that text among what is paused.
#[track_caller]
fn told(browser: &Browser, text: &str) {
    browser.until(&format!(
        "document.querySelector('#pauses').checkVisibility() && document.querySelector('#pauses').innerText.includes({})",
        json!(text)
    ));
}

#[test]
fn a_refused_token_is_shown_for_as_long_as_it_is_refused() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let test = "a_refused_token_is_shown_for_as_long_as_it_is_refused";
    let Some(browser) = console(test, &dev, "") else { return };
    let is_hidden = "!document.querySelector('#pauses').checkVisibility()";
    browser.until(is_hidden);
    browser.run("window.isTheSamePage = true", &[]);

    dev.world.host.post("/sandbox/faults", r#"{"preset":"dead_token"}"#).json();
    let read = |user: &str| {
        let wamid = dev.world.user_writes(user, "Hi").wamid;
        let read = json!({"type": "MarkAsRead", "custom": {"message_id": wamid}});
        dev.gateway.submit(dev.world.number(), user, &read)
    };
    let first = read(CUSTOMER);
    dev.gateway.tried(&first);
    told(&browser, "All calls with the token account.waba.access_token");
    told(&browser, "Code 190");
    told(&browser, "One call tries at ");
    browser
        .until("document.querySelector('#news').textContent.startsWith('Paused: All calls with the token')");
    let ids = [first, read("+316012300001"), read("+316012300002")];
    told(&browser, "3 events wait behind it");
    for (screen, name) in [(DESK, "desk"), (PHONE, "phone"), (NARROW, "narrow")] {
        browser.resize(screen);
        accessible::check(&browser, &format!("console-paused-{name}"));
    }

    dev.world.host.send("DELETE", "/sandbox/faults", "").unwrap().json();
    dev.world.host.post("/sandbox/clock", r#"{"advance":"5m"}"#).json();
    browser.until(is_hidden);
    browser.until("document.querySelector('#news').textContent === 'Nothing is paused any more'");
    browser.until("window.isTheSamePage");
    for id in &ids {
        assert_eq!(dev.gateway.ended(id)["status"], "confirmed");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn many_pauses_leave_room_for_the_events() {
    let Some(browser) = Browser::open("many_pauses_leave_room_for_the_events") else { return };
    let shop = Shop::open();
    let numbers = shop.join(5);
    let serve = shop.serve();
    shop.world.host.post("/sandbox/faults", r#"{"preset":"throttled","regain_minutes":7}"#).json();
    for number in &numbers {
        let business = number["number"].as_str().unwrap();
        let id = serve.gateway.submit(business, CUSTOMER, &json!({"type": "UnBlock"}));
        serve.gateway.tried(&id);
    }
    browser.resize(DESK);
    browser.prefer("prefers-color-scheme", "light");
    browser.go(&format!("{}/console", serve.admin.url()));
    browser.until("document.querySelector('#token-dialog').open");
    browser.keys(&format!("{}\u{e007}", TOKENS.read.text));
    told(&browser, "5 pauses in force");
    told(&browser, "Goes on at ");
    let shown = "[...document.querySelectorAll('.pause')].filter((each) => each.checkVisibility()).length";
    browser.until(&format!("{shown} === 2"));
    accessible::check(&browser, "console-pauses");
    browser.click("document.querySelector('#more-pauses summary')");
    browser.until(&format!("{shown} === 5"));
    for number in &numbers {
        told(&browser, number["number"].as_str().unwrap());
    }
    browser.resize(NARROW);
    accessible::check(&browser, "console-pauses-narrow");
}
