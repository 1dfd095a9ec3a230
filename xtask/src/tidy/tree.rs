//! The workspace's files, read once.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::rust::Source;

/// Folders that hold no source: build output, history, and what a running node writes.
const FOLDERS_SKIPPED: [&str; 4] = ["target", ".git", "laneway-dev", "laneway-data"];
/// A larger file is nobody's source; its text is not read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file of the workspace.
pub(super) struct File {
    /// From the workspace's root, with `/` between the parts.
    pub(super) path: String,
    /// Its text; empty when the file is no text.
    pub(super) text: String,
    /// The Rust in it, taken apart; `None` for other files.
    pub(super) rust: Option<Source>,
}

impl File {
    fn new(path: String, text: String) -> File {
        let rust = path.ends_with(".rs").then(|| Source::parse(&text));
        File { path, text, rust }
    }

    /// The folder name of the crate that the file belongs to: `model` for `crates/model/…`, `xtask` for `xtask/…`.
    pub(super) fn crate_name(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match parts.next()? {
            "crates" => parts.next(),
            "xtask" => Some("xtask"),
            _ => None,
        }
    }

    /// Whether the whole file is only compiled for tests, benchmarks or examples.
    pub(super) fn is_test_file(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "examples"))
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
    }
}

/// All files, in the order of their paths.
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads every file below the root.
    pub(super) fn read(root: &Path) -> Result<Tree> {
        let mut files = Vec::new();
        read_folder(root, "", &mut files)?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Tree { files })
    }

    /// A tree of inline files.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File::new((*path).to_owned(), (*text).to_owned());
        Tree { files: files.iter().map(file).collect() }
    }

    /// All files.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// The file of this path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file or a folder of this path.
    pub(super) fn contains(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The Rust files, each with its parts.
    pub(super) fn rust_files(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| file.rust.as_ref().map(|source| (file, source)))
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read the folder {prefix:?}"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !FOLDERS_SKIPPED.contains(&name.as_str()) {
                read_folder(&entry.path(), &path, files)?;
            }
        } else if kind.is_file() {
            files.push(File::new(path.clone(), read_text(&entry.path(), &path)?));
        }
    }
    Ok(())
}

fn read_text(file: &Path, path: &str) -> Result<String> {
    let size = fs::metadata(file).with_context(|| format!("cannot read {path}"))?.len();
    if size > FILE_BYTES_MAX {
        return Ok(String::new());
    }
    let bytes = fs::read(file).with_context(|| format!("cannot read {path}"))?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}
