//! What can go wrong, sorted by what the caller does about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Sequence;

/// Why an operation did not happen. After any of these, nothing of the operation is stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made durable now: the disk is full, or the log has reached its limit. Later it may work.
    #[error("the journal cannot store anything now: the disk or the log is full")]
    Full,
    /// A bounded queue in front of the store is full, or more keys came than the index could take. Soon it may work.
    #[error("the journal is busy")]
    Busy,
    /// The lease is an old one: forget everything that was loaded under it.
    #[error("the lease belongs to an earlier owner")]
    Fenced,
    /// A call cannot begin, because this row is final or gone: forget the row and build the call again.
    #[error("row {sequence} is no longer open")]
    NotOpen {
        /// The row.
        sequence: Sequence,
    },
    /// A file holds something that cannot be right.
    #[error("{} is damaged: {problem}; {}", file.name(), file.remedy())]
    Damaged {
        /// Which.
        file: File,
        /// What is wrong, in a few words, without what is stored there.
        problem: &'static str,
    },
    /// The journal has been closed, or it stopped because it could no longer promise durability.
    #[error("the journal is closed")]
    Closed,
    /// Anything else that SQLite reports.
    #[error("SQLite failed while {doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        #[source]
        source: Arc<rusqlite::Error>,
    },
}

/// A file of the journal's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The store itself.
    Journal,
    /// What is looked up by key and by person; all of it is in the store, too.
    Index,
}

impl File {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal.db",
            Self::Index => "index.db",
        }
    }

    /// What there is to do when it is damaged.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Journal => "stop the gateway and restore the data directory from a backup",
            Self::Index => "start the gateway again, which makes it anew",
        }
    }
}

/// Why a journal cannot be opened, in one sentence for whoever starts the node.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path leads to something else.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot use the directory {}", path.display())]
    Directory {
        /// The path.
        path: PathBuf,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process; a data directory belongs to one process at a time", path.display())]
    Locked {
        /// The path.
        path: PathBuf,
    },
    /// SQLite's log needs memory that is shared through the file, which such a file system does not give.
    #[error("{} is on a network file system ({kind}); a data directory must be on a local disk", path.display())]
    NetworkFileSystem {
        /// The path.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer version of Laneway (format {found}, this version knows up to {known})",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// An older version wrote it, before the first release.
    #[error(
        "{} was written before the first release (format {found}, this version reads format {known} only)",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The only format that this version reads.
        known: u32,
    },
    /// The file belongs to another program.
    #[error("{} is not a Laneway journal", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something that cannot be right.
    #[error("{} is damaged: {problem}; restore the data directory from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, in a few words.
        problem: &'static str,
    },
    /// Anything else that SQLite reports.
    #[error("cannot open {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Error,
    },
}
