//! The console: events as they happen, one event in full, and a token where one is needed.

use serde_json::json;
use tempfile::TempDir;

use crate::accessible;
use crate::driver::{Browser, DESK, PHONE};
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
    browser.resize(PHONE);
    accessible::check(&browser, "console-phone");
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

#[test]
fn outside_dev_the_console_asks_for_a_token() {
    let Some(browser) = Browser::open("outside_dev_the_console_asks_for_a_token") else { return };
    let shop = Shop::open();
    let serve = shop.serve();
    let read = json!({"message_id": shop.world.user_writes(CUSTOMER, "Hi").wamid});
    let event = json!({"type": "MarkAsRead", "custom": read});
    let id = serve.gateway.submit(shop.world.number(), CUSTOMER, &event);
    serve.gateway.ended(&id);
    browser.resize(DESK);
    browser.go(&format!("{}/console#event={id}", serve.admin.url()));
    browser.until("document.querySelector('#token-dialog').open");
    browser.picture("console-token");
    assert_eq!(browser.run("return document.querySelectorAll('#events li').length", &[]), 0);
    browser.keys(&format!("{}\u{e007}", TOKENS.read.text));
    browser.until("document.querySelector('#events li strong').textContent === 'MarkAsRead'");
    browser.until(&format!("document.querySelector('#detail').textContent.includes('{id}')"));
}
