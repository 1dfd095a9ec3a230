//! Replays the events that fuzzing found worth keeping, from the client's bytes to the body that Meta gets
//! (`docs/fuzzing.md`).

#[path = "../../../fuzz/properties/accept.rs"]
mod accept;
#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;

#[test]
fn events_of_clients() {
    corpus::replay("accept", 100, accept::check);
}
