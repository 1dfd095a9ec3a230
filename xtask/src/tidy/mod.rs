//! The house rules a compiler cannot see.
//!
//! A rule is a plain function from the [`Tree`] to its [`Violation`]s; nothing but [`Tree::read`] and the licence rule's
//! question to cargo touches the machine, so that each rule is tested on a few inline files.

mod arrows;
mod documents;
mod fuzz_lock;
mod licences;
mod lock;
mod manifests;
mod rust;
mod sources;
mod spelling;
mod tree;

use std::fmt;

use anyhow::Result;

use crate::shell;
use crate::stopwatch::Stopwatch;
use tree::Tree;

/// One broken rule, with its place and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The file, from the workspace's root.
    path: String,
    /// The line, from 1; 0 means the file as a whole.
    line: usize,
    /// What is wrong and what to do about it.
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.message),
            line => write!(out, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the workspace, prints every violation, and answers whether there was none.
pub(crate) fn run() -> Result<bool> {
    let stopwatch = Stopwatch::start();
    let tree = Tree::read(&shell::root())?;
    let packages = licences::packages()?;
    let mut violations = check(&tree);
    violations.extend(licences::check(&tree, &packages));
    violations.sort();
    violations.dedup();
    for violation in &violations {
        println!("{violation}");
    }
    println!(
        "tidy: {} files, {} packages in the lock file (limit {}), {} violations, {:.1} s",
        tree.files().len(),
        lock::package_count(&tree),
        lock::PACKAGES_MAX,
        violations.len(),
        stopwatch.elapsed().as_secs_f64()
    );
    Ok(violations.is_empty())
}

/// Every rule that needs the files only.
fn check(tree: &Tree) -> Vec<Violation> {
    let rules = [
        arrows::check,
        manifests::check,
        sources::check,
        spelling::check,
        lock::check,
        fuzz_lock::check,
        documents::check,
    ];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}

/// What the rules' tests share: runs one rule on inline files and compares the places and messages it reports.
#[cfg(test)]
#[track_caller]
fn check_rule(rule: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)], expected: &[&str]) {
    let mut found: Vec<String> = rule(&Tree::of(files)).iter().map(Violation::to_string).collect();
    found.sort();
    assert_eq!(found.len(), expected.len(), "found {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "expected {expected:?}, found {found:?}");
    }
}
