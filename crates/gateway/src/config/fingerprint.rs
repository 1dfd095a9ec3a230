//! Whether the files of a configuration are still the ones that were read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::include::Pattern;

/// The files of a configuration as they were just before they were read, and the files that its `include` patterns
/// stood for. It costs one look at each file's metadata; no file is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// `None` for a file that was not there.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    /// `None` for a directory that could not be read.
    patterns: BTreeMap<Pattern, Option<Vec<PathBuf>>>,
}

/// What tells one state of a file from another. The inode tells a file that was put in another's place; the time of
/// the last change of its metadata, which no program can set, tells a copy that kept the other times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Fingerprint {
    /// Adds a file as it is now. The first look counts: what changes after it is a change.
    pub(super) fn add(&mut self, path: &Path) {
        if !self.files.contains_key(path) {
            self.files.insert(path.to_owned(), stamp(path));
        }
    }

    /// Adds what a pattern stands for.
    pub(super) fn add_pattern(&mut self, pattern: Pattern, files: Option<Vec<PathBuf>>) {
        self.patterns.insert(pattern, files);
    }

    /// The same files and patterns as they are now.
    #[must_use]
    pub fn taken_again(&self) -> Self {
        Self {
            files: self.files.keys().map(|path| (path.clone(), stamp(path))).collect(),
            patterns: self.patterns.keys().map(|pattern| (pattern.clone(), pattern.files().ok())).collect(),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    #[test]
    fn every_kind_of_change_is_seen() {
        let base = tempfile::tempdir().unwrap();
        let path = |name: &str| base.path().join(name);
        let changes: [(&str, &dyn Fn()); 6] = [
            ("written in place", &|| write(&path("main"), "longer than before")),
            ("another file in its place", &|| {
                write(&path("new"), "main");
                fs::rename(path("new"), path("main")).unwrap();
            }),
            ("removed", &|| fs::remove_file(path("main")).unwrap()),
            ("a missing file appears", &|| write(&path("missing"), "")),
            ("a new file matches the pattern", &|| write(&path("b.toml"), "")),
            ("a file of the pattern goes", &|| fs::remove_file(path("a.toml")).unwrap()),
        ];
        for (what, change) in changes {
            for name in ["missing", "b.toml"] {
                let _absent = fs::remove_file(path(name));
            }
            write(&path("main"), "main");
            write(&path("a.toml"), "");
            let pattern = Pattern::parse(base.path(), "*.toml").unwrap();
            let mut before = Fingerprint::default();
            before.add(&path("main"));
            before.add(&path("missing"));
            before.add_pattern(pattern.clone(), pattern.files().ok());
            assert_eq!(before.taken_again(), before, "nothing happened yet");

            change();
            assert_ne!(before.taken_again(), before, "{what}");
        }
    }

    #[test]
    fn the_first_look_at_a_file_counts() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("secret");
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(&path);
        write(&path, "appears between two looks of one read");
        fingerprint.add(&path);
        assert_ne!(fingerprint.taken_again(), fingerprint);
    }
}
