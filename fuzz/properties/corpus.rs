//! Replays a corpus in an ordinary test.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Hands every input of a target's corpus, which has at least so many, to `check`, and fails with the files of those that
/// break a property.
pub(crate) fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(corpus).expect("the corpus is a folder");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    assert!(files.len() >= least, "most of the corpus of {target} is gone");
    files.retain(|file| {
        let input = fs::read(file).expect("an input can be read");
        catch_unwind(|| check(&input)).is_err()
    });
    assert!(files.is_empty(), "these inputs break a property: {files:#?}");
}
