//! The writer's side of the journal: its connection, and what it keeps in memory beside it.

use std::collections::BTreeMap;
use std::path::Path;

use laneway_model::AccountName;
use rusqlite::{Connection, Row, params};

use super::checksum::{check, execute};
use super::contacts;
use super::failure::Context;
use super::index::{IndexReader, Indexer, keys_between};
use super::keys::RecentKeys;
use super::open::{self, Directory};
use super::read::Reader;
use super::row::State;
use super::schema::{ACCOUNTS, COUNTERS, signed, sql, unsigned};
use super::{Limits, OnFatal};
use crate::{CallId, Error, Lease, OpenError, Queue, Sequence};

/// Everything the writer needs. Only [`apply`](super::step::apply) and the methods here change the journal; a
/// simulator calls them without any thread.
pub struct Store {
    pub(super) connection: Connection,
    pub(super) memory: Memory,
    pub(super) index: IndexReader,
    pub(super) limits: Limits,
    pub(super) on_fatal: OnFatal,
    /// Set once durability can no longer be promised: nothing more is done.
    pub(super) dead: bool,
    directory: Directory,
}

/// What must agree with the file: it is changed along with the running transaction, and restored if that fails.
pub(super) struct Memory {
    pub(super) counters: Counters,
    pub(super) keys: RecentKeys,
    pub(super) accounts: Accounts,
    pub(super) epoch: u64,
    store: [u8; 16],
}

/// The last numbers given, and how many of what there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) sequences: [Sequence; 3],
    pub(super) calls: [CallId; 3],
    pub(super) keys: u64,
    pub(super) open: [u64; 3],
    pub(super) held: [u64; 3],
    pub(super) touches: u64,
    pub(super) ignored: u64,
}

/// The numbers of account names.
#[derive(Default)]
pub(super) struct Accounts {
    ids: BTreeMap<AccountName, i64>,
    staged: Vec<AccountName>,
    /// How many of the staged ones are written already.
    written: usize,
}

/// A point to which the memory can return within the running transaction.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    counters: Counters,
    keys: usize,
    accounts: usize,
}

impl Counters {
    pub(super) fn next_sequence(&mut self, queue: Queue) -> Sequence {
        let last = &mut self.sequences[queue.index()];
        *last += 1;
        *last
    }

    pub(super) fn next_call(&mut self, queue: Queue) -> CallId {
        let last = &mut self.calls[queue.index()];
        *last += 1;
        *last
    }

    pub(super) fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    /// A row was in this state and now is in that one; `None` stands for none.
    pub(super) fn moved(&mut self, queue: Queue, from: Option<&State>, to: Option<&State>) {
        let is_open = |state: &&State| state.status.is_open();
        let holds = |state: &&State| state.holds_lane;
        let count = |count: u64, was: bool, is: bool| (count + u64::from(is)).saturating_sub(u64::from(was));
        let (open, held) = (&mut self.open[queue.index()], &mut self.held[queue.index()]);
        *open = count(*open, from.filter(is_open).is_some(), to.filter(is_open).is_some());
        *held = count(*held, from.filter(holds).is_some(), to.filter(holds).is_some());
    }

    /// So many touches are gone. They were counted when the file was opened, and in a damaged file there may be more than
    /// could be counted.
    pub(super) fn folded(&mut self, touches: usize) {
        self.touches = self.touches.saturating_sub(touches as u64);
    }
}

impl Accounts {
    /// The number of a name. A new one is staged, and written before the first row that has it.
    pub(super) fn id(&mut self, name: &AccountName) -> i64 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.ids.len() as i64 + 1;
        self.ids.insert(name.clone(), id);
        self.staged.push(name.clone());
        id
    }

    /// The number of a name that has one.
    pub(super) fn known(&self, name: &AccountName) -> Option<i64> {
        self.ids.get(name).copied()
    }

    fn roll_back(&mut self, mark: usize) {
        for name in self.staged.drain(mark..) {
            self.ids.remove(&name);
        }
        self.written = self.written.min(mark);
    }
}

impl Memory {
    pub(super) fn mark(&self) -> Mark {
        Mark { counters: self.counters, keys: self.keys.mark(), accounts: self.accounts.staged.len() }
    }

    pub(super) fn roll_back(&mut self, mark: Mark) {
        self.counters = mark.counters;
        self.keys.roll_back(mark.keys);
        self.accounts.roll_back(mark.accounts);
    }

    pub(super) fn commit(&mut self) {
        self.keys.commit();
        self.accounts.staged.clear();
        self.accounts.written = 0;
    }
}

impl Store {
    /// Opens the journal in this directory, and its index.
    ///
    /// # Errors
    /// [`OpenError`] says in one sentence what is wrong.
    pub fn open(path: &Path, limits: Limits, on_fatal: OnFatal) -> Result<(Self, Indexer), OpenError> {
        let limits = limits.at_least_one();
        let directory = Directory::claim(path)?;
        let connection = open::journal(&directory, limits.cache_bytes)?;
        let file = path.join(open::JOURNAL_FILE);
        let failed = |source: Error| match source {
            Error::Damaged { file, problem } => OpenError::Damaged { path: path.join(file.name()), problem },
            Error::Full
            | Error::Busy
            | Error::Fenced
            | Error::NotOpen { .. }
            | Error::Closed
            | Error::Sqlite { .. } => OpenError::Sqlite { path: file.clone(), source },
        };
        let indexer = Indexer::open(path, &limits).map_err(failed)?;
        let index = IndexReader::open(path, indexer.progress()).map_err(failed)?;
        let memory = load(&connection, &index).map_err(failed)?;
        directory.sync()?;
        let store = Self { connection, memory, index, limits, on_fatal, dead: false, directory };
        Ok((store, indexer))
    }

    /// A connection that reads what this store has committed.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.directory.path, self.index.shared(), self.limits.rows_examined)
    }

    /// The lease that this process has on a queue, for as long as it lives.
    pub fn lease(&self, queue: Queue) -> Lease {
        Lease { queue, partition: 0, epoch: self.memory.epoch }
    }

    pub(super) fn check_lease(&self, lease: Lease) -> Result<(), Error> {
        if lease == self.lease(lease.queue) { Ok(()) } else { Err(Error::Fenced) }
    }

    /// Writes the counters of the running transaction.
    pub(super) fn write_counters(&self, before: Mark) -> Result<(), Error> {
        let numbers = |counters: Counters| {
            let Counters { sequences, calls, open, held, keys, .. } = counters;
            Numbers { sequences, calls, open, held, keys, epoch: self.memory.epoch, store: self.memory.store }
        };
        let now = numbers(self.memory.counters);
        if now != numbers(before.counters) {
            now.write(&self.connection).doing("writing the counters")?;
        }
        Ok(())
    }

    /// Writes the names of accounts that are new.
    pub(super) fn write_accounts(&mut self) -> Result<(), Error> {
        let Accounts { ids, staged, written } = &mut self.memory.accounts;
        for name in &staged[*written..] {
            self.connection
                .prepare_cached("INSERT INTO accounts (id, name, checksum) VALUES (?1, ?2, ?3)")
                .and_then(|mut statement| {
                    execute(&mut statement, ACCOUNTS, params![ids.get(name), name.as_str()])
                })
                .doing("writing an account")?;
        }
        *written = staged.len();
        Ok(())
    }

    /// Folds touches into contacts, if enough have come together, and lets go of keys that the index has by now.
    /// Called between transactions.
    ///
    /// # Errors
    /// When SQLite fails; then nothing has changed.
    pub fn tidy(&mut self) -> Result<(), Error> {
        if self.dead {
            return Err(Error::Closed);
        }
        self.memory.keys.forget(self.index.progress().keys_to(), self.limits.keys_forgotten_per_step);
        let touches = usize::try_from(self.memory.counters.touches).unwrap_or(usize::MAX);
        if touches < self.limits.touches_unfolded {
            return Ok(());
        }
        self.connection.execute_batch("BEGIN IMMEDIATE").doing("folding contacts")?;
        let folded = contacts::fold(&self.connection, touches).and_then(|folded| {
            self.connection.execute_batch("COMMIT").doing("folding contacts").map(|()| folded)
        });
        match folded {
            Ok(folded) => self.memory.counters.folded(folded),
            Err(problem) => {
                self.roll_back();
                self.note_lost_sync(&problem);
                return Err(problem);
            }
        }
        Ok(())
    }

    /// Ends a transaction that failed, if SQLite has not done so itself.
    pub(super) fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(problem) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%problem, "a transaction could not be rolled back");
        }
    }

    /// Stops for good if the failure means that durability can no longer be promised.
    pub(super) fn note_lost_sync(&mut self, problem: &Error) {
        if problem.is_lost_sync() && !self.dead {
            self.dead = true;
            (self.on_fatal)(
                "the disk did not take what it was given (fsync failed); what is durable is in doubt",
            );
        }
    }
}

/// The last numbers given, and how many of what there are, as they are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) sequences: [Sequence; 3],
    pub(super) calls: [CallId; 3],
    pub(super) open: [u64; 3],
    pub(super) held: [u64; 3],
    pub(super) keys: u64,
    pub(super) epoch: u64,
    /// Made at random with the file.
    pub(super) store: [u8; 16],
}

impl Numbers {
    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let [events, callbacks, forwards] = self.sequences.map(signed);
        let [events_calls, callbacks_calls, forwards_calls] = self.calls.map(signed);
        let [events_open, callbacks_open, forwards_open] = self.open.map(signed);
        let [events_held, callbacks_held, forwards_held] = self.held.map(signed);
        let (keys, epoch) = (signed(self.keys), signed(self.epoch));
        let values = params![
            1,
            events,
            callbacks,
            forwards,
            events_calls,
            callbacks_calls,
            forwards_calls,
            events_open,
            callbacks_open,
            forwards_open,
            events_held,
            callbacks_held,
            forwards_held,
            keys,
            epoch,
            self.store,
        ];
        let mut statement = connection.prepare_cached(
            "INSERT INTO counters
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT DO UPDATE SET events = ?2, callbacks = ?3, forwards = ?4, events_calls = ?5,
             callbacks_calls = ?6, forwards_calls = ?7, events_open = ?8, callbacks_open = ?9, forwards_open = ?10,
             events_held = ?11, callbacks_held = ?12, forwards_held = ?13, keys = ?14, epoch = ?15, store = ?16,
             checksum = ?17",
        )?;
        execute(&mut statement, COUNTERS, values).map(|_| ())
    }
}

/// Reads the last numbers given.
pub(super) fn numbers(connection: &Connection) -> Result<Numbers, Error> {
    let doing = "reading the counters";
    let mut statement = connection.prepare_cached("SELECT * FROM counters").doing(doing)?;
    let mut rows = statement.query([]).doing(doing)?;
    let row = rows.next().doing(doing)?.ok_or(Error::damaged("there are no counters"))?;
    check(row, COUNTERS, 16)?;
    let number = |column| row.get(column).map(unsigned).doing(doing);
    Ok(Numbers {
        sequences: [number(1)?, number(2)?, number(3)?],
        calls: [number(4)?, number(5)?, number(6)?],
        open: [number(7)?, number(8)?, number(9)?],
        held: [number(10)?, number(11)?, number(12)?],
        keys: number(13)?,
        epoch: number(14)?,
        store: row.get(15).doing(doing)?,
    })
}

/// Writes the first counters.
pub(super) fn begin_counters(connection: &Connection) -> rusqlite::Result<()> {
    let store = connection.query_row("SELECT randomblob(16)", [], |row| row.get(0))?;
    let none = [0; 3];
    let numbers = Numbers { sequences: none, calls: none, open: none, held: none, keys: 0, epoch: 0, store };
    numbers.write(connection)
}

fn load(connection: &Connection, index: &IndexReader) -> Result<Memory, Error> {
    let doing = "reading the journal";
    let mut numbers = numbers(connection)?;
    numbers.epoch += 1;
    numbers.write(connection).doing("writing the counters")?;
    let Numbers { sequences, calls, open, held, keys, epoch, store } = numbers;
    let mut counters = Counters { sequences, calls, open, held, keys, ..Counters::default() };
    for queue in Queue::ALL {
        let sql = sql(queue);
        for (count, expected) in [(sql.open_count, open), (sql.held_count, held)] {
            let found = connection.query_row(count, [], |row| row.get(0)).map(unsigned).doing(doing)?;
            if found != expected[queue.index()] {
                return Err(Error::damaged("it does not have as many open rows as it had"));
            }
        }
    }
    let touches = connection.query_row("SELECT count(*) FROM touches", [], |row| row.get(0)).doing(doing)?;
    counters.touches = unsigned(touches);
    let mut keys = RecentKeys::default();
    let mut unindexed = keys_between(connection, index.progress().keys_to(), counters.keys)?;
    unindexed.sort_unstable_by_key(|(_, _, known)| known.number);
    for (_, name, known) in unindexed {
        keys.add(name, known);
    }
    keys.commit();
    Ok(Memory { counters, keys, accounts: accounts(connection)?, epoch, store })
}

fn accounts(connection: &Connection) -> Result<Accounts, Error> {
    let doing = "reading the accounts";
    let mut statement = connection.prepare("SELECT id, name, checksum FROM accounts").doing(doing)?;
    let mut rows = statement.query([]).doing(doing)?;
    let mut accounts = Accounts::default();
    while let Some(row) = rows.next().doing(doing)? {
        let (id, name) = account(row)?;
        accounts.ids.insert(name, id);
    }
    Ok(accounts)
}

/// The number and the name in a row of a statement that reads accounts.
pub(super) fn account(row: &Row<'_>) -> Result<(i64, AccountName), Error> {
    let doing = "reading an account";
    check(row, ACCOUNTS, 2)?;
    let name = row.get_ref(1).doing(doing)?;
    let name = name.as_str().ok().and_then(|name| AccountName::parse(name).ok());
    Ok((row.get(0).doing(doing)?, name.ok_or(Error::damaged("an account's name has no valid form"))?))
}
