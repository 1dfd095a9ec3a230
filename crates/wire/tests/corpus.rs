//! Replays what fuzzing found worth keeping (`fuzz/corpus`), each input against the properties it was found with.

#[path = "../../../fuzz/properties/cm_event.rs"]
mod cm_event;
#[path = "../../../fuzz/properties/graph_answer.rs"]
mod graph_answer;

use std::fs;
use std::path::Path;

/// Hands every input of the target's corpus to `check`. The file of a failure is the last one printed.
#[track_caller]
fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 50, "the corpus of {target} is gone");
    for file in files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn events_of_clients() {
    replay("cm_event", cm_event::check);
}

#[test]
fn answers_of_meta() {
    replay("graph_answer", |data| {
        let input = graph_answer::Input::split(data).expect("a kept input has all its parts");
        graph_answer::check(&input);
    });
}
