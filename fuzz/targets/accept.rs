//! Fuzzes the way of an event from the client's bytes through the journal's row to the body that Meta gets.
#![no_main]

#[path = "../properties/accept.rs"]
mod accept;

libfuzzer_sys::fuzz_target!(|data: &[u8]| accept::check(data));
