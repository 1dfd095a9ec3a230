//! The pages in a real browser: headless Chromium, through its WebDriver. What a person does on one side is looked at on
//! the other, and every view is kept as a picture below `target/screenshots`, to be looked at.
//!
//! Chromium can reach nothing but this machine, so the pages are also shown to work without a network. Where there is no
//! Chromium the tests are skipped, and say so.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]
#![expect(clippy::print_stderr, reason = "a test that fails shows what its processes said")]

mod accessible;
mod chats;
mod console;
mod driver;
#[expect(dead_code, unused_imports, reason = "other tests use the rest")]
#[path = "../it/harness/mod.rs"]
mod harness;
mod pauses;
mod phone;
mod view;
mod webhooks;
