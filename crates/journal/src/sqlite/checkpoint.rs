//! Moving the log into the main file.
//!
//! Two steps, because one is not enough under load: a thread copies (PASSIVE) whenever enough has come together, and
//! stalls nobody; but it can never finish while the writer goes on. So when it returns, the writer copies the small
//! rest and starts the log over (RESTART), between two transactions.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::failure::Context;
use super::open::{JOURNAL_FILE, second};
use super::store::Store;
use crate::{Error, Limits};

const DOING: &str = "moving the log into the main file";

/// The writer's side: it asks for the first step and does the second.
pub(super) struct Checkpoints {
    asked: SyncSender<()>,
    done: Receiver<Result<(), Error>>,
    is_running: bool,
}

/// The log's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Bytes that are in use.
    pub bytes: u64,
    /// Bytes that are not in the main file yet.
    pub pending: u64,
}

impl Checkpoints {
    /// Starts the thread, which ends when this is dropped.
    pub(super) fn start(directory: &Path) -> Result<(Self, JoinHandle<()>), std::io::Error> {
        let connection = second(&directory.join(JOURNAL_FILE), false).map_err(std::io::Error::other)?;
        let (asked, asks) = sync_channel(1);
        let (answer, done) = sync_channel(1);
        let thread = thread::Builder::new().name("journal-log".into()).spawn(move || {
            while asks.recv().is_ok() {
                if answer.send(checkpoint(&connection, Mode::Passive).map(|_| ())).is_err() {
                    return;
                }
            }
        })?;
        Ok((Self { asked, done, is_running: false }, thread))
    }

    /// Does what is due between two transactions, and says how large the log is now.
    pub(super) fn step(&mut self, store: &mut Store) -> Result<Log, Error> {
        let Limits { log_bytes_checkpoint, log_bytes_max, .. } = store.limits;
        let mut log = store.checkpoint(Mode::Noop)?;
        match self.done.try_recv() {
            Ok(passive) => {
                self.is_running = false;
                passive.inspect_err(|problem| store.note_lost_sync(problem))?;
                log = store.checkpoint(Mode::Restart)?;
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        if log.bytes > log_bytes_max {
            log = store.checkpoint(Mode::Restart)?;
        } else if log.pending > log_bytes_checkpoint && !self.is_running {
            self.is_running = self.asked.try_send(()).is_ok();
        }
        Ok(log)
    }
}

impl Store {
    /// Runs a checkpoint. If readers are in the way it does less than it could, which is not an error.
    ///
    /// # Errors
    /// When SQLite fails. A sync that fails stops the store for good.
    pub fn checkpoint(&mut self, mode: Mode) -> Result<Log, Error> {
        if self.dead {
            return Err(Error::Closed);
        }
        checkpoint(&self.connection, mode).inspect_err(|problem| self.note_lost_sync(problem))
    }
}

/// Which of SQLite's checkpoints: <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only tells the sizes.
    Noop,
    /// Copies what can be copied without stopping anybody.
    Passive,
    /// Copies all, and lets the next transaction write from the log's beginning.
    Restart,
    /// The same, and makes the log's file empty.
    Truncate,
}

fn checkpoint(connection: &Connection, mode: Mode) -> Result<Log, Error> {
    let statement = match mode {
        Mode::Noop => "PRAGMA wal_checkpoint(NOOP)",
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
        Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let (is_busy, pages, copied): (bool, i64, i64) = connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))))
        .doing(DOING)?;
    if pages < 0 && !matches!(mode, Mode::Noop) {
        // Another checkpoint is running, so that this one did not even look.
        return checkpoint(connection, Mode::Noop);
    }
    let bytes = |pages: i64| u64::try_from(pages).unwrap_or(0) * PAGE_BYTES;
    let pending = bytes(pages - copied);
    let is_over = pending == 0 && !is_busy && matches!(mode, Mode::Restart | Mode::Truncate);
    Ok(Log { bytes: if is_over { 0 } else { bytes(pages) }, pending })
}

/// SQLite's page and the header in front of it in the log.
const PAGE_BYTES: u64 = 4096 + 24;
