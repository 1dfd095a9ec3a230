//! What SQLite's failures mean to the journal.

use std::sync::Arc;

use rusqlite::{ErrorCode, ffi};

use crate::binary::Problem;
use crate::{Error, File};

/// What is wrong with a file that SQLite cannot read.
pub(crate) const UNREADABLE: Problem = "SQLite cannot read it";

/// Says what was being done when SQLite failed.
pub(crate) trait Context<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Context<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|problem| Error::sqlite(doing, problem))
    }
}

impl Error {
    /// Sorts one of SQLite's failures.
    pub(crate) fn sqlite(doing: &'static str, problem: rusqlite::Error) -> Self {
        if is_full(&problem) {
            Self::Full
        } else if is_damage(&problem) {
            Self::damaged(UNREADABLE)
        } else {
            Self::Sqlite { doing, source: Arc::new(problem) }
        }
    }

    /// Something stored in the journal that cannot be right.
    pub(crate) const fn damaged(problem: Problem) -> Self {
        Self::Damaged { file: File::Journal, problem }
    }

    /// The same error of something that was read from the index.
    pub(crate) fn of_index(self) -> Self {
        match self {
            Self::Damaged { file: _, problem } => Self::Damaged { file: File::Index, problem },
            Self::Full
            | Self::Busy
            | Self::Fenced
            | Self::NotOpen { .. }
            | Self::Closed
            | Self::Sqlite { .. } => self,
        }
    }

    /// Whether the file did not reach the disk though it was told to. What was written before is then in doubt too, and
    /// trying again would only hide it: <https://wiki.postgresql.org/wiki/Fsync_Errors>.
    pub(crate) fn is_lost_sync(&self) -> bool {
        match self {
            Self::Sqlite { doing: _, source } => source.sqlite_error().is_some_and(|failure| {
                matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
            }),
            Self::Full
            | Self::Busy
            | Self::Fenced
            | Self::NotOpen { .. }
            | Self::Damaged { .. }
            | Self::Closed => false,
        }
    }
}

/// Whether there is no room on the disk. The log's shared memory is a file, too, and when that cannot grow SQLite does not
/// say why; a full disk is what it can be.
fn is_full(problem: &rusqlite::Error) -> bool {
    let code = problem.sqlite_error().map(|failure| failure.extended_code);
    matches!(code, Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_SHMSIZE))
}

/// Whether the file does not hold what it should. Of a page that is cut off SQLite makes an empty one, in which it then finds
/// what is wrong; but long values are read past its pages, and there it says only that the file is too short.
pub(crate) fn is_damage(problem: &rusqlite::Error) -> bool {
    let code = problem.sqlite_error().map(|failure| failure.extended_code);
    matches!(problem.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || code == Some(ffi::SQLITE_IOERR_SHORT_READ)
        || matches!(
            problem,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAMAGED: &str = "journal.db is damaged: SQLite cannot read it; \
        stop the gateway and restore the data directory from a backup";

    #[test]
    fn damage_names_its_file_and_what_to_do() {
        let error = Error::damaged(UNREADABLE);
        assert_eq!(error.to_string(), DAMAGED);
        let of_index =
            "index.db is damaged: SQLite cannot read it; start the gateway again, which makes it anew";
        assert_eq!(error.of_index().to_string(), of_index);
        assert_eq!(Error::Full.of_index().to_string(), Error::Full.to_string());
    }

    fn failure(extended_code: i32) -> Error {
        Error::sqlite("testing", rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None))
    }

    #[test]
    fn each_failure_has_its_meaning() {
        for (code, expected, fatal) in [
            (ffi::SQLITE_FULL, "the journal cannot store anything now: the disk or the log is full", false),
            (
                ffi::SQLITE_IOERR_SHMSIZE,
                "the journal cannot store anything now: the disk or the log is full",
                false,
            ),
            (ffi::SQLITE_CORRUPT, DAMAGED, false),
            (ffi::SQLITE_CORRUPT_INDEX, DAMAGED, false),
            (ffi::SQLITE_NOTADB, DAMAGED, false),
            (ffi::SQLITE_IOERR_SHORT_READ, DAMAGED, false),
            (ffi::SQLITE_IOERR_READ, "SQLite failed while testing", false),
            (ffi::SQLITE_IOERR_WRITE, "SQLite failed while testing", false),
            (ffi::SQLITE_IOERR_FSYNC, "SQLite failed while testing", true),
            (ffi::SQLITE_IOERR_DIR_FSYNC, "SQLite failed while testing", true),
        ] {
            let error = failure(code);
            assert_eq!((error.to_string().as_str(), error.is_lost_sync()), (expected, fatal), "{code}");
        }
    }
}
