//! What is to be said about a configuration: its mistakes, and what an operator should know of a good one.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Fingerprint;

/// One sentence about one place of the configuration. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// The file, named as the configuration names it.
    pub file: PathBuf,
    /// The line, counted from 1; 0 when it is about the whole file.
    pub line: usize,
    /// The key with the tables it stands in (`account.waba.numbers`); empty when it is about no key.
    pub key: String,
    /// What was found, and what is allowed.
    pub says: String,
}

/// Everything that is wrong with a configuration, sorted by file and line.
#[derive(Debug)]
pub struct Mistakes {
    remarks: Vec<Remark>,
    fingerprint: Fingerprint,
}

/// A place to point back to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

impl Remark {
    /// A remark about a whole file.
    pub(super) fn of_file(file: &Path, says: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, key: String::new(), says: says.into() }
    }
}

impl Mistakes {
    pub(super) fn new(mut remarks: Vec<Remark>, fingerprint: Fingerprint) -> Self {
        remarks.sort();
        Self { remarks, fingerprint }
    }

    /// The mistakes, at least one.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The files as they were when they were read, so that a change that mends them is seen.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl fmt::Display for Remark {
    /// Writes `laneway.toml:12: account.name: is missing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.says)
    }
}

impl fmt::Display for Mistakes {
    /// Writes one mistake per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, remark) in self.remarks.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}{remark}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
