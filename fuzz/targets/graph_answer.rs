//! Fuzzes the reading of Meta's answers, and what they are taken to mean.
#![no_main]

#[path = "../properties/classify.rs"]
mod classify;
#[path = "../properties/graph_answer.rs"]
mod graph_answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| if let Some(input) = graph_answer::Input::split(data) {
    graph_answer::check(&input);
    classify::check(&input);
});
