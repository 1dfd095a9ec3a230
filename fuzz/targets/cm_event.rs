//! Fuzzes the reading of what clients send to the events endpoint.
#![no_main]

#[path = "../properties/cm_event.rs"]
mod cm_event;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cm_event::check(data));
