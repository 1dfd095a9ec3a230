//! Replays what fuzzing found worth keeping (`docs/fuzzing.md`).

#[path = "../../../fuzz/properties/answer_parts.rs"]
mod answer_parts;
#[path = "../../../fuzz/properties/cm_event.rs"]
mod cm_event;
#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/graph_answer.rs"]
mod graph_answer;

#[test]
fn events_of_clients() {
    corpus::replay("cm_event", 100, cm_event::check);
}

#[test]
fn answers_of_meta() {
    corpus::replay("graph_answer", 100, |input| {
        let (_, usage, body) = answer_parts::split(input).expect("an input has all its parts");
        graph_answer::check(usage, body);
    });
}
