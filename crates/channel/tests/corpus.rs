//! Replays the answers of Meta's that fuzzing found worth keeping (`docs/fuzzing.md`).

#[path = "../../../fuzz/properties/answer_parts.rs"]
mod answer_parts;
#[path = "../../../fuzz/properties/classify.rs"]
mod classify;
#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;

#[test]
fn answers_of_meta() {
    corpus::replay("graph_answer", |input| {
        let (choices, usage, body) = answer_parts::split(input).expect("an input has all its parts");
        classify::check(choices, usage, body);
    });
}
