//! The sandbox's page as a person works it: what can be seen on it, and what can be pressed.

use serde_json::json;

use crate::driver::{Browser, DESK, Screen};
use crate::harness::Dev;

/// The page in a window.
pub(crate) struct View {
    pub(crate) browser: Browser,
}

impl View {
    /// Opens the page of a running `dev` on a desk; `None` where there is no browser.
    #[track_caller]
    pub(crate) fn open(test: &str, dev: &Dev) -> Option<View> {
        let browser = Browser::open(test)?;
        browser.resize(DESK);
        browser.prefer("prefers-color-scheme", "light");
        browser.go(&format!("{}/", dev.world.host.url()));
        let view = View { browser };
        view.browser.until("document.body.dataset.ready && document.querySelector('#state.on')");
        Some(view)
    }

    /// The customer writes with the keyboard, and the message is there.
    #[track_caller]
    pub(crate) fn customer_writes(&self, text: &str) {
        self.browser.click("document.querySelector('#phone-text')");
        self.browser.keys(&format!("{text}\u{e007}"));
        self.browser.until(&line("phone", text));
    }

    /// Waits for a message on one side (`phone`, `inbox`) in which something is.
    #[track_caller]
    pub(crate) fn message_has(&self, side: &str, text: &str, selector: &str) -> String {
        let found = self.browser.until(&format!("{}.querySelector({})", line(side, text), json!(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Presses the button with that text in a part of the page.
    #[track_caller]
    pub(crate) fn press(&self, part: &str, text: &str) {
        self.browser.click(&button(part, text));
    }

    /// How many messages one side shows.
    #[track_caller]
    pub(crate) fn messages(&self, side: &str) -> u64 {
        let script = format!("return document.querySelectorAll('#{side} .line').length");
        self.browser.run(&script, &[]).as_u64().unwrap()
    }

    /// Keeps a picture of the desk, and of each named view as a phone shows it.
    #[track_caller]
    pub(crate) fn pictures(&self, name: &str, views: &[&str]) {
        self.browser.picture(&format!("{name}-desk"));
        self.browser.resize(crate::driver::PHONE);
        for view in views {
            self.browser.click(&format!("document.querySelector('.views [data-view={view}]')"));
            self.browser.picture(&format!("{name}-phone-{view}"));
        }
        self.browser.resize(DESK);
    }

    /// Does something on another screen.
    #[track_caller]
    pub(crate) fn on(&self, screen: Screen, action: impl FnOnce(&View)) {
        self.browser.resize(screen);
        action(self);
        self.browser.resize(DESK);
    }

    /// The page has complained about nothing.
    #[track_caller]
    pub(crate) fn is_content(&self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new());
    }
}

/// Finds a message by its text: the newest line of that side that holds it.
pub(crate) fn line(side: &str, text: &str) -> String {
    let text = json!(text);
    format!(
        "[...document.querySelectorAll('#{side} .line')].findLast((each) => each.textContent.includes({text}))"
    )
}

/// Finds a visible button, link or summary by its text or name.
pub(crate) fn button(part: &str, text: &str) -> String {
    let text = json!(text);
    format!(
        "[...document.querySelectorAll('{part} :is(button, a, summary)')].find((each) => each.checkVisibility() \
         && [each.textContent, each.ariaLabel].some((name) => name?.trim().startsWith({text})))"
    )
}
