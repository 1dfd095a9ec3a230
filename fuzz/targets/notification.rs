//! Fuzzes the reading of Meta's notifications.
#![no_main]

#[path = "../properties/notification.rs"]
mod notification;

libfuzzer_sys::fuzz_target!(|data: &[u8]| notification::check(data));
