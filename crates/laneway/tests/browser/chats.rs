//! The chats on the customer's phone: what is unread there, what opening one does, and the ad that one began with.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::accessible;
use crate::driver::PHONE;
use crate::harness::{CUSTOMER, Dev, World};
use crate::view::{View, line};

/// How many notifications told a business that a message was read.
fn read_marks(world: &World) -> usize {
    let rows = world.rows("/sandbox/webhooks");
    let bodies = rows.iter().filter_map(|row| row["body"].as_str());
    bodies.filter(|body| body.contains(r#""status":"read""#)).count()
}

/// What the list on the phone says of unread messages, chat by chat.
#[track_caller]
fn unread(view: &View, wanted: &str) {
    view.browser.until(&format!(
        "[...document.querySelectorAll('#phone .chat-row')].map((row) => row.querySelector('.count')?.firstChild.data \
         ?? 0).join() === '{wanted}'"
    ));
}

#[test]
fn a_chat_is_read_when_it_is_opened() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(view) = View::open("a_chat_is_read_when_it_is_opened", &dev) else { return };
    let browser = &view.browser;
    let ticks = |label: &str, text: &str| view.message_has("inbox", text, &format!("[aria-label={label}]"));

    // In an open chat a message is read as it comes.
    assert_eq!(dev.world.business_writes(CUSTOMER), None);
    ticks("Read", "Hello");
    browser.until("document.querySelector('#news').textContent === 'The customer has read: Hello'");

    // In the list it waits.
    view.press("#phone", "All chats");
    browser.until("document.activeElement.matches('#phone .chat-row')");
    unread(&view, "0");
    dev.world.business_writes(CUSTOMER);
    unread(&view, "1");
    dev.world.business_writes(CUSTOMER);
    unread(&view, "2");
    ticks("Delivered", "Hello");
    assert_eq!(read_marks(&dev.world), 1);
    browser.until("document.querySelector('#news').textContent.startsWith('A message has come')");
    accessible::check(browser, "chats");
    view.on(PHONE, |view| {
        view.browser.click("document.querySelector('.views [data-view=phone]')");
        accessible::check(&view.browser, "chats-phone");
    });

    // So it does on a phone that is picked up anew; being shown a message is not to open its chat.
    browser.go(&format!("{}/#tab=webhooks", dev.world.host.url()));
    browser.reload();
    browser
        .until("document.body.dataset.ready && document.querySelector('#panel-webhooks').checkVisibility()");
    unread(&view, "2");
    view.press("#panel-webhooks", "5status, sent");
    view.press("#webhook-5", "→ its message");
    browser.until("document.activeElement.matches('#inbox .line')");
    assert_eq!(read_marks(&dev.world), 1);

    // Another business writes, too; its chat is a row of its own.
    let other = dev.world.host.post("/sandbox/numbers", "{}").json();
    let text = json!({"from": CUSTOMER, "to": other["number"], "text": "Are you there?"});
    dev.world.host.post("/sandbox/messages", &text.to_string()).json();
    let others = World { host: dev.world.host.clone(), business: other.clone() };
    assert_eq!(others.business_writes(CUSTOMER), None);
    unread(&view, "2,1");

    // Opening one reads that one, and turns the ticks of the business blue.
    view.press("#phone", "Your business");
    ticks("Read", "Hello");
    browser.until(&line("phone", "Hello"));
    browser.until("document.activeElement.matches('#phone .log')");
    view.press("#phone", "All chats");
    unread(&view, "0,1");
    browser.click("document.querySelectorAll('#phone .chat-row')[1]");
    browser.until(&format!("document.querySelector('#business').value === {}", other["number"]));
    view.message_has("phone", "Are you there?", "time");
    ticks("Read", "Hello");
    let all = dev.world.rows("/sandbox/messages");
    assert!(
        all.iter().filter(|row| row["direction"] == "out").all(|row| row["read_at"].is_string()),
        "{all:?}"
    );
    view.is_content();
}

#[test]
fn the_ad_on_the_phone_is_the_ad_of_the_notification() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(view) = View::open("the_ad_on_the_phone_is_the_ad_of_the_notification", &dev) else { return };
    let sent = &dev.world.rows("/sandbox/webhooks?wait=10s")[0];
    let body: Value = serde_json::from_str(sent["body"].as_str().unwrap()).unwrap();
    let referral = &body["entry"][0]["changes"][0]["value"]["messages"][0]["referral"];
    let own = |name: &str| referral[name].as_str().unwrap_or_else(|| panic!("no {name} in {referral}"));
    for side in ["phone", "inbox"] {
        let ad = view.message_has(side, "Hi", ".ad");
        let wanted = [
            own("headline"),
            own("body"),
            own("source_url").trim_start_matches("https://"),
            &own("ctwa_clid")[..10],
        ];
        for text in wanted {
            assert!(ad.contains(text), "{side}: {ad:?} without {text:?}");
        }
    }
    // The strip above the field shows the same ad before it is clicked.
    view.press("#phone", "Write from an ad");
    view.browser.until(&format!(
        "document.querySelector('#phone .strip').textContent.includes({})",
        json!(own("headline"))
    ));
    view.is_content();
}
