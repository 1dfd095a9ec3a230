//! From a path to connections: the directory, its lock, and the files' formats.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::{Context, UNREADABLE, is_damage};
use super::schema::{APPLICATION_ID, FORMAT, is_as_made, script};
use super::store::begin_counters;
use crate::{Error, OpenError};

/// The store.
pub(crate) const JOURNAL_FILE: &str = "journal.db";
/// The rebuildable index beside it.
pub(crate) const INDEX_FILE: &str = "index.db";
/// There while the index is not to be trusted; the next start rebuilds it.
pub(crate) const INDEX_SUSPECT_FILE: &str = "index.suspect";
const LOCK_FILE: &str = "lock";

/// How long the writer waits for readers when it starts the log over; they are short.
const BUSY_TIMEOUT: Duration = Duration::from_millis(50);
const STATEMENTS_CACHED: usize = 160;

/// A data directory that belongs to this process for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Creates the directory if it is not there, and takes its lock.
    pub(crate) fn claim(path: &Path) -> Result<Self, OpenError> {
        let refused = |source| OpenError::Directory { path: path.to_owned(), source };
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => return Err(OpenError::NotADirectory { path: path.to_owned() }),
            Ok(_) => {}
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => create(path).map_err(refused)?,
            Err(problem) if problem.kind() == io::ErrorKind::NotADirectory => {
                return Err(OpenError::NotADirectory { path: path.to_owned() });
            }
            Err(problem) => return Err(refused(problem)),
        }
        let directory = File::open(path).map_err(refused)?;
        if let Some(kind) = network_file_system(&directory).map_err(refused)? {
            return Err(OpenError::NetworkFileSystem { path: path.to_owned(), kind });
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(problem)) => Err(refused(problem)),
        }
    }

    /// Makes the names of the files durable, not only what is in them.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| OpenError::Directory { path: self.path.clone(), source })
    }
}

/// Only the owner may look in: the directory holds phone numbers.
fn create(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// The kind of file system, if it is one on which SQLite's log does not work. The numbers are Linux's, from statfs(2).
#[cfg(target_os = "linux")]
fn network_file_system(directory: &File) -> io::Result<Option<&'static str>> {
    Ok(kind_of_file_system(rustix::fs::fstatfs(directory)?.f_type as u64))
}

#[cfg(target_os = "linux")]
fn kind_of_file_system(magic: u64) -> Option<&'static str> {
    match magic & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_directory: &File) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Opens `journal.db` to write, creating or checking its format.
pub(crate) fn journal(directory: &Directory, cache_bytes: usize) -> Result<Connection, OpenError> {
    let path = directory.path.join(JOURNAL_FILE);
    let failed = |problem: rusqlite::Error| {
        if is_damage(&problem) {
            OpenError::Damaged { path: path.clone(), problem: UNREADABLE }
        } else {
            OpenError::Sqlite { path: path.clone(), source: Error::sqlite("opening the journal", problem) }
        }
    };
    let connection = Connection::open(&path).map_err(failed)?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    let format: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    match (application, format, tables) {
        (0, 0, 0) => {}
        (APPLICATION_ID, FORMAT, _) => {}
        (APPLICATION_ID, found, _) if found > FORMAT => {
            return Err(OpenError::Newer { path, found, known: FORMAT });
        }
        (APPLICATION_ID, 0, _) => {
            return Err(OpenError::Damaged { path, problem: "its format is not known" });
        }
        (APPLICATION_ID, found, _) => return Err(OpenError::Older { path, found, known: FORMAT }),
        _ => return Err(OpenError::Foreign { path }),
    }
    prepare(&connection, "FULL", cache_bytes).map_err(failed)?;
    if tables == 0 {
        create_tables(&connection).map_err(failed)?;
    } else if !is_as_made(&connection, &script()).map_err(failed)? {
        return Err(OpenError::Damaged { path, problem: "its tables are not as they were made" });
    }
    Ok(connection)
}

fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(&script())?;
    connection.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
    ))?;
    begin_counters(connection)?;
    connection.execute_batch("COMMIT")
}

/// What every writing connection has in common: the log, checkpoints only when they are asked for, pages whose freed
/// content is overwritten where that costs nothing, and a look at every page that is read whether its cells fit into it.
pub(crate) fn prepare(
    connection: &Connection,
    synchronous: &str,
    cache_bytes: usize,
) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // In KiB, which SQLite tells from pages by the sign.
    connection.pragma_update(None, "cache_size", -(cache_bytes.div_ceil(1_024) as i64))?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

/// Another connection to a file that is open already.
pub(crate) fn second(path: &Path, read_only: bool) -> Result<Connection, Error> {
    let access = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .doing("opening another connection")?;
    connection.busy_timeout(BUSY_TIMEOUT).doing("opening another connection")?;
    connection.pragma_update(None, "cell_size_check", "ON").doing("opening another connection")?;
    connection
        .pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
        .doing("opening another connection")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn network_file_systems_are_known_by_their_numbers() {
        for (magic, kind) in [
            (0x6969, Some("NFS")),
            (0xff53_4d42, Some("SMB")),
            (0xffff_ffff_fe53_4d42, Some("SMB")),
            (0x6573_5546, Some("FUSE")),
            (0xef53, None),
            (0x0102_1994, None),
            (0x9123_683e, None),
        ] {
            assert_eq!(kind_of_file_system(magic), kind, "{magic:#x}");
        }
        let refusal = OpenError::NetworkFileSystem { path: "DIR".into(), kind: "NFS" };
        assert_eq!(
            refusal.to_string(),
            "DIR is on a network file system (NFS); a data directory must be on a local disk"
        );
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        for path in [path.clone(), path.join("below")] {
            let refusal = Directory::claim(&path).unwrap_err();
            assert!(matches!(refusal, OpenError::NotADirectory { .. }), "{refusal:?}");
        }
    }

    #[test]
    fn a_directory_belongs_to_one_owner_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/er");
        let owner = Directory::claim(&path).unwrap();
        assert_eq!(
            Directory::claim(&path).unwrap_err().to_string(),
            format!(
                "{} is in use by another process; a data directory belongs to one process at a time",
                path.display()
            )
        );
        drop(owner);
        assert!(Directory::claim(&path).is_ok());
    }
}
