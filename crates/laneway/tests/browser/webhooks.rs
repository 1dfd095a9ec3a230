//! The tab of webhooks: what went to the business, what was answered, and sending it once more.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev};
use crate::view::View;

/// The attempts of a notification that are shown, as `status` after `status`.
fn answers(n: u64) -> String {
    format!(
        "[...document.querySelectorAll('#webhook-{n} .tries li')].map((each) => each.textContent.split(' · ')[2]).join()"
    )
}

#[test]
fn notifications_are_listed_as_they_go_and_go_again() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(view) = View::open("notifications_are_listed_as_they_go_and_go_again", &dev) else { return };
    let browser = &view.browser;
    let summary = |n: u64| format!("document.querySelector('#webhook-{n} summary').textContent");
    let says = |n: u64, what: &str| browser.until(&format!("{}.includes({})", summary(n), json!(what)));
    let address = |path: &str| format!("{}{path}", dev.gateway.0.url());

    // Each comes as it goes, with its answer.
    view.press("#behind", "Webhooks");
    says(1, "message, text200delivered");
    view.customer_writes("Is the harbour open?");
    says(2, "message, text200delivered");
    dev.world.business_writes(CUSTOMER);
    says(3, "status, sent200");
    says(4, "status, delivered200");
    says(5, "status, read200");
    assert_eq!(browser.run("return document.querySelectorAll('#panel-webhooks .rows > li').length", &[]), 5);

    // One in full: where it went, what it said, how it was signed; and once more, with the row still open.
    browser.click("document.querySelector('#webhook-2 summary')");
    browser.until("document.querySelector('#webhook-2 pre').textContent.includes('Is the harbour open?')");
    browser.until("document.querySelector('#webhook-2').textContent.includes('sha256=')");
    browser.until(&format!(
        "document.querySelector('#webhook-2 .line-of-call').textContent === 'POST {}'",
        address("/webhooks/meta/dev")
    ));
    browser.until(&format!("{} === '200'", answers(2)));
    view.press("#webhook-2", "deliver again");
    browser.until(&format!("{} === '200,200'", answers(2)));
    assert_eq!(dev.world.rows("/sandbox/webhooks")[1]["attempts"].as_array().unwrap().len(), 2);
    view.press("#webhook-2", "→ its message");
    browser.until("document.activeElement.textContent.includes('Is the harbour open?')");

    // An address that does not take it: the answer is shown, and when it is tried again.
    let path = format!("/sandbox/numbers/{}/webhook", dev.world.number());
    let nowhere = json!({"url": address("/nowhere"), "verify_token": "", "challenge": false});
    dev.world.host.send("PUT", &path, &nowhere.to_string()).unwrap().json();
    browser.until("document.querySelector('#panel-webhooks .line-of-call').textContent.endsWith('/nowhere')");
    view.customer_writes("And tomorrow?");
    says(6, "message, text404waiting");
    browser.click("document.querySelector('#webhook-6 summary')");
    browser.until("document.querySelector('#webhook-6').textContent.includes('again at ')");
    view.pictures("webhooks", &["behind"]);

    // An address has to answer the challenge; if it does not, the page says what came instead.
    view.press("#panel-webhooks", "Another address");
    browser.click("document.querySelector('#webhook-url')");
    browser.keys(&format!("{}\u{e007}", address("/nowhere/else")));
    browser.until("document.querySelector('#toast.up').textContent.includes('404')");
    view.press("#panel-webhooks", "Remove");
    // Without one of its own the number tells the gateway again, as it does in `dev`.
    browser.until(
        "document.querySelector('#panel-webhooks .line-of-call').textContent.endsWith('/webhooks/meta/dev')",
    );
    view.press("#webhook-6", "deliver again");
    says(6, "message, text200delivered");
    // A page complains about what is refused to it, and about nothing else.
    let complaints = browser.complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("/webhook"), "{complaints:?}");
}
