//! Fuzzes the check of notifications' signatures.
#![no_main]

#[path = "../properties/signature.rs"]
mod signature;

use libfuzzer_sys::Corpus;

libfuzzer_sys::fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((header, secret, body)) = signature::split(data) else { return Corpus::Reject };
    signature::check(header, secret, body);
    Corpus::Keep
});
