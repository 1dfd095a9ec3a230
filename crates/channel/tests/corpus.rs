//! Replays the answers and notifications of Meta's that fuzzing found worth keeping (`docs/fuzzing.md`).

#[path = "../../../fuzz/properties/answer_parts.rs"]
mod answer_parts;
#[path = "../../../fuzz/properties/classify.rs"]
mod classify;
#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/notification.rs"]
mod notification;
#[path = "../../../fuzz/properties/signature.rs"]
mod signature;

#[test]
fn answers_of_meta() {
    corpus::replay("graph_answer", 100, |input| {
        let (choices, usage, body) = answer_parts::split(input).expect("an input has all its parts");
        classify::check(choices, usage, body);
    });
}

#[test]
fn notifications_of_meta() {
    corpus::replay("notification", 100, notification::check);
}

#[test]
fn signatures_of_meta() {
    corpus::replay("signature", 10, |input| {
        let (header, secret, body) = signature::split(input).expect("an input has all its parts");
        signature::check(header, secret, body);
    });
}
