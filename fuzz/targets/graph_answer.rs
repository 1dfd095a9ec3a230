//! Fuzzes the reading of Meta's answers, and what they are taken to mean.
#![no_main]

#[path = "../properties/answer_parts.rs"]
mod answer_parts;
#[path = "../properties/classify.rs"]
mod classify;
#[path = "../properties/graph_answer.rs"]
mod graph_answer;

use libfuzzer_sys::Corpus;

libfuzzer_sys::fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((choices, usage, body)) = answer_parts::split(data) else { return Corpus::Reject };
    graph_answer::check(usage, body);
    classify::check(choices, usage, body);
    Corpus::Keep
});
