//! Replays what fuzzing found worth keeping (`fuzz/corpus/graph_answer`), each answer against the properties of the
//! outcomes that it is turned into.

#[path = "../../../fuzz/properties/classify.rs"]
mod classify;
#[path = "../../../fuzz/properties/graph_answer.rs"]
mod graph_answer;

use std::fs;
use std::path::Path;

/// The file of a failure is the last one printed.
#[test]
fn answers_of_meta() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/graph_answer");
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 50, "the corpus is gone");
    for file in files {
        println!("{}", file.display());
        let data = fs::read(file).unwrap();
        let input = graph_answer::Input::split(&data).expect("a kept input has all its parts");
        graph_answer::check(&input);
        classify::check(&input);
    }
}
