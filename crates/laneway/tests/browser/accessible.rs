//! Whether everybody can use the pages: names and roles as a screen reader is told them, contrast, the size of targets,
//! and the keyboard alone.

use serde_json::Value;
use tempfile::TempDir;

use crate::driver::{Browser, DESK, NARROW, PHONE};
use crate::harness::{CUSTOMER, Dev};
use crate::view::View;

/// Roles whose elements mean nothing without a name.
const NAMED: [&str; 17] = [
    "button",
    "link",
    "textbox",
    "combobox",
    "listbox",
    "checkbox",
    "radio",
    "slider",
    "tab",
    "tabpanel",
    "tablist",
    "dialog",
    "region",
    "navigation",
    "log",
    "image",
    "heading",
];

/// Text against what is behind it, the size of what is pressed, ids, and what labels point to.
const CHECKS: &str = include_str!("checks.js");

/// Everything that is wrong with what the page shows now.
pub(crate) fn faults(browser: &Browser) -> Vec<String> {
    let tree = browser.devtools("Accessibility.getFullAXTree", &serde_json::json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let told = nodes.iter().filter(|node| node["ignored"] == false);
    let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
    let name = |node: &Value| node["name"]["value"].as_str().unwrap_or_default().trim().to_owned();
    let mut faults: Vec<String> = told
        .clone()
        .filter(|node| NAMED.contains(&role(node).as_str()) && name(node).is_empty())
        .map(|node| format!("a {} without a name: {}", role(node), node["backendDOMNodeId"]))
        .collect();
    // While a dialog is open, the rest of the page is out of reach.
    let is_dialog = told.clone().any(|node| role(node) == "dialog");
    let landmarks: &[&str] = if is_dialog { &["dialog"] } else { &["banner", "main"] };
    for landmark in landmarks {
        let count = told.clone().filter(|node| role(node) == *landmark).count();
        if count != 1 {
            faults.push(format!("{count} times {landmark}"));
        }
    }
    let found = browser.run(CHECKS, &[]);
    faults.extend(found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()));
    faults
}

#[track_caller]
pub(crate) fn check(browser: &Browser, what: &str) {
    for scheme in ["light", "dark"] {
        browser.prefer("prefers-color-scheme", scheme);
        browser.still();
        let faults = faults(browser);
        assert!(faults.is_empty(), "{what}, {scheme}:\n{}", faults.join("\n"));
        browser.picture(&format!("{what}-{scheme}"));
    }
    browser.prefer("prefers-color-scheme", "light");
}

#[test]
fn every_view_of_the_phone_page_is_accessible() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(view) = View::open("every_view_of_the_phone_page_is_accessible", &dev) else { return };
    let browser = &view.browser;
    dev.world.business_writes(CUSTOMER);
    view.press("#inbox", "Mark as read");
    view.message_has("phone", "Hi", "[aria-label=Read]");
    view.press("#inbox", "Typing");
    view.press("#inbox", "Conversion");
    view.press("#inbox", "Report it");
    browser.until("document.querySelector('#tab-ledger').textContent === 'Ledger 1'");
    view.press("#inbox", "Block");
    browser.until("document.querySelector('#phone .ribbon').checkVisibility()");
    view.customer_writes("Hello?");
    view.message_has("phone", "Hello?", ".under");
    dev.world.host.post("/sandbox/faults", r#"{"call":"block","code":131000}"#).json();
    view.press("#phone", "Write from an ad");
    let every_tab = |screen: &str| {
        for tab in ["Calls", "Ledger", "Blocked", "Webhooks", "Faults", "Clock"] {
            view.press("#behind", tab);
            browser
                .run("document.querySelectorAll('#behind details').forEach((each) => each.open = true)", &[]);
            check(browser, &format!("accessible-{screen}{}", tab.to_lowercase()));
        }
    };
    every_tab("");
    view.press("#inbox", "Conversion");
    browser.run("document.querySelector('#phone .line.mine:last-child .copier').open = true", &[]);
    check(browser, "accessible-unfolded");
    for (screen, name) in [(PHONE, "phone"), (NARROW, "narrow")] {
        view.on(screen, |view| {
            for side in ["phone", "inbox", "behind"] {
                view.browser.click(&format!("document.querySelector('.views [data-view={side}]')"));
                check(&view.browser, &format!("accessible-{name}-{side}"));
            }
            every_tab(&format!("{name}-"));
        });
    }
    for (opener, dialog) in [("+", "person-dialog"), ("↺", "reset-dialog"), ("Reference", "reference")] {
        view.press(".bar", opener);
        browser.until(&format!("document.querySelector('#{dialog}').open"));
        check(browser, &format!("accessible-{dialog}"));
        browser.keys("\u{e00c}"); // Escape
        browser.until(&format!("!document.querySelector('#{dialog}').open"));
    }
    view.is_content();
}

#[test]
fn the_keyboard_is_enough() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    let Some(view) = View::open("the_keyboard_is_enough", &dev) else { return };
    let browser = &view.browser;
    browser.resize(DESK);
    // The first thing that Tab reaches leads past the bar.
    browser.keys("\u{e004}\u{e007}");
    browser.until("document.activeElement.id === 'phone-text'");
    browser.keys("By keyboard\u{e007}");
    view.message_has("inbox", "By keyboard", "time");
    // Everything that Tab reaches shows where it is.
    let mut seen = Vec::new();
    for _ in 0..40 {
        browser.keys("\u{e004}");
        let here = browser.run(
            "const at = document.activeElement; const style = getComputedStyle(at); \
             return [at.id || at.textContent.trim().slice(0, 20) || at.ariaLabel || at.tagName, \
             style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, at.checkVisibility()]",
            &[],
        );
        assert_eq!(
            (&here[1], &here[2]),
            (&Value::Bool(true), &Value::Bool(true)),
            "no focus to be seen: {here}"
        );
        seen.push(here[0].as_str().unwrap().to_owned());
        if seen.last().is_some_and(|name| name == "tab-calls") {
            break;
        }
    }
    assert!(seen.iter().any(|name| name == "inbox-text"), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("tab-calls"), "{seen:?}");
    browser.keys("\u{e014}"); // right
    browser.until("document.activeElement.id === 'tab-ledger' && document.querySelector('#panel-ledger').checkVisibility()");
    browser.keys("\u{e010}"); // End
    browser.until("document.activeElement.id === 'tab-clock' && document.querySelector('#panel-clock').checkVisibility()");
    view.is_content();
}
