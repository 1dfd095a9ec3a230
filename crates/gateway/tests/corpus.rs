//! Replays what fuzzing found worth keeping (`fuzz/corpus/accept`), each input against the properties it was found with.

#[path = "../../../fuzz/properties/accept.rs"]
mod accept;

use std::fs;
use std::path::Path;

/// The file of a failure is the last one printed.
#[test]
fn events_of_clients() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/accept");
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 50, "the corpus is gone");
    for file in files {
        println!("{}", file.display());
        accept::check(&fs::read(file).unwrap());
    }
}
