//! `index.db`: what is looked up by key and by person.
//!
//! Everything in it is also in `journal.db`, so it is written behind, in large sorted batches, and made anew when it is
//! missing or damaged. Its watermarks say up to which key and which sequence it is complete; what is above them is
//! looked up elsewhere: keys in memory, persons in the last rows of the queue. An entry may outlive its row, so what is
//! found is checked against the row.
//!
//! Both tables are divided into buckets by their first columns, so that a batch touches few pages: keys by the day on
//! which they become free, persons by ranges of sequences.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use laneway_model::{Person, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params};

use super::checksum::{check, execute};
use super::contacts::person_value;
use super::failure::Context;
use super::filter::Filter;
use super::keys::{KeyName, KnownKey};
use super::open::{INDEX_FILE, INDEX_SUSPECT_FILE, JOURNAL_FILE, prepare, second};
use super::row;
use super::schema::{KEYS, day_of, is_as_made, key_day, key_id, key_number, signed, sql, unsigned};
use super::store::{Numbers, numbers};
use crate::{Error, File, Limits, Queue, Sequence};

/// Marks the file: the letters `LNWI`.
const APPLICATION_ID: i32 = 0x4c4e_5749;
/// The format of the index; any other is made anew.
const FORMAT: u32 = 2;
/// The names of the tables, for checksums; the keys' is the journal's.
pub(super) const PEOPLE: &str = "people";
const WATERMARK: &str = "watermark";
/// Sequences per bucket of persons, as a power of two.
const BUCKET_BITS: u32 = 20;
/// Keys added to filters at once; meanwhile the writer waits.
const FILTERED_PER_STEP: usize = 2_000;
/// Entries removed in one transaction.
const REMOVED_PER_STEP: usize = 10_000;

const TABLES: &str = "
CREATE TABLE watermark (
    id INTEGER PRIMARY KEY CHECK (id = 1), store BLOB NOT NULL,
    keys INTEGER NOT NULL, events INTEGER NOT NULL, callbacks INTEGER NOT NULL, forwards INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE keys (
    day INTEGER NOT NULL, hash BLOB NOT NULL, queue INTEGER NOT NULL, number INTEGER NOT NULL,
    sequence INTEGER NOT NULL, accepted_at INTEGER NOT NULL, until INTEGER NOT NULL, fingerprint BLOB,
    checksum INTEGER NOT NULL, PRIMARY KEY (day, hash, queue)
) STRICT, WITHOUT ROWID;
CREATE TABLE people (
    queue INTEGER NOT NULL, bucket INTEGER NOT NULL, person ANY NOT NULL, sequence INTEGER NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (queue, bucket, person, sequence)
) STRICT, WITHOUT ROWID;
";

/// What the indexer tells the writer and the readers.
pub(crate) struct Progress {
    /// The filters of the days that have keys; none while a filter is not loaded yet.
    filters: RwLock<BTreeMap<u64, Option<Filter>>>,
    keys_to: AtomicU64,
    rows_to: [AtomicU64; 3],
    suspect: PathBuf,
}

impl Progress {
    /// The index has all keys up to this number.
    pub(crate) fn keys_to(&self) -> u64 {
        self.keys_to.load(Ordering::Acquire)
    }

    /// The index has all persons up to this sequence.
    pub(crate) fn rows_to(&self, queue: Queue) -> Sequence {
        self.rows_to[queue.index()].load(Ordering::Acquire)
    }

    /// Notes that the index is damaged, or may be because the disk did not take what it was given, so that the next
    /// start makes it anew.
    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(problem) = &result
            && (matches!(problem, Error::Damaged { file: File::Index, .. }) || problem.is_lost_sync())
        {
            tracing::error!(%problem, "index.db cannot be trusted; it is made anew at the next start");
            if let Err(problem) = write_durably(&self.suspect) {
                tracing::error!(%problem, "that could not be noted; delete index.db before the next start");
            }
        }
        result
    }

    fn days_from(&self, day: u64, hash: &[u8; 16]) -> Vec<u64> {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let may_hold = |filter: &Option<Filter>| filter.as_ref().is_none_or(|filter| filter.may_hold(hash));
        filters.range(day..).filter(|(_, filter)| may_hold(filter)).map(|(day, _)| *day).collect()
    }
}

/// Looks things up.
pub(crate) struct IndexReader {
    connection: Connection,
    progress: Arc<Progress>,
}

impl IndexReader {
    pub(crate) fn open(directory: &Path, progress: Arc<Progress>) -> Result<Self, Error> {
        Ok(Self { connection: second(&directory.join(INDEX_FILE), true)?, progress })
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Looks through the whole index.
    pub(crate) fn verified(
        &self,
        verify: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.progress.noted(verify(&self.connection).map_err(Error::of_index))
    }

    pub(crate) fn shared(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The key that is taken at that time, if the index has it.
    pub(crate) fn key(&self, name: &KeyName, now: Timestamp) -> Result<Option<KnownKey>, Error> {
        for day in self.progress.days_from(day_of(now), &name.hash) {
            let found = self.progress.noted(self.key_of_day(day, name).map_err(Error::of_index))?;
            if found.is_some_and(|known| known.until > now) {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn key_of_day(&self, day: u64, name: &KeyName) -> Result<Option<KnownKey>, Error> {
        let doing = "looking up a key";
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM keys WHERE day = ?1 AND hash = ?2 AND queue = ?3")
            .doing(doing)?;
        let mut rows =
            statement.query(params![signed(day), name.hash, name.queue.index() as i64]).doing(doing)?;
        let Some(row) = rows.next().doing(doing)? else { return Ok(None) };
        check(row, KEYS, 8)?;
        let number = |column| row.get(column).map(unsigned).doing(doing);
        Ok(Some(KnownKey {
            number: number(3)?,
            sequence: number(4)?,
            accepted_at: Timestamp::from_millis(number(5)?),
            until: Timestamp::from_millis(number(6)?),
            fingerprint: row.get(7).doing(doing)?,
        }))
    }

    /// Sequences of rows about the person, newest first, below `before` and not above the watermark.
    pub(crate) fn rows_of(
        &self,
        queue: Queue,
        person: &Person,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<Sequence>, Error> {
        self.progress.noted(self.rows_of_person(queue, person, before, limit).map_err(Error::of_index))
    }

    fn rows_of_person(
        &self,
        queue: Queue,
        person: &Person,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<Sequence>, Error> {
        let doing = "looking up a person";
        let mut found = Vec::new();
        let mut buckets = self
            .connection
            .prepare_cached("SELECT max(bucket) FROM people WHERE queue = ?1 AND bucket <= ?2")
            .doing(doing)?;
        let mut rows = self
            .connection
            .prepare_cached(
                "SELECT * FROM people WHERE queue = ?1 AND bucket = ?2 AND person = ?3 AND sequence < ?4
                 ORDER BY sequence DESC LIMIT ?5",
            )
            .doing(doing)?;
        let queue = queue.index() as i64;
        let mut highest = signed(before >> BUCKET_BITS);
        while found.len() < limit
            && let Some(bucket) =
                buckets.query_row([queue, highest], |row| row.get::<_, Option<i64>>(0)).doing(doing)?
        {
            let room = (limit - found.len()) as i64;
            let mut page = rows
                .query(params![queue, bucket, person_value(person), signed(before), room])
                .doing(doing)?;
            while let Some(row) = page.next().doing(doing)? {
                check(row, PEOPLE, 4)?;
                found.push(unsigned(row.get(3).doing(doing)?));
            }
            highest = bucket - 1;
        }
        Ok(found)
    }
}

/// Writes the index behind the journal. One at a time.
pub struct Indexer {
    journal: Connection,
    index: Connection,
    progress: Arc<Progress>,
    store: [u8; 16],
    batch: usize,
}

impl Indexer {
    /// Opens the index, making it anew if it does not belong to the journal; then brings the keys so far up to date
    /// that the rest fits into memory.
    pub(crate) fn open(directory: &Path, limits: &Limits) -> Result<Self, Error> {
        let batch = limits.index_batch;
        let journal = second(&directory.join(JOURNAL_FILE), true)?;
        let suspect = directory.join(INDEX_SUSPECT_FILE);
        let trusted =
            if suspect.exists() { None } else { open_trusted(directory, &journal, limits.cache_bytes)? };
        if let Some((index, mark)) = trusted {
            match Self::start(
                second(&directory.join(JOURNAL_FILE), true)?,
                index,
                mark,
                suspect.clone(),
                batch,
            ) {
                Err(Error::Damaged { file: File::Index, .. }) => {}
                started => return started,
            }
        }
        tracing::info!("index.db is made anew");
        let (index, mark) = create(directory, &journal, limits.cache_bytes)?;
        if suspect.exists() {
            fs::remove_file(&suspect)
                .map_err(|_| Error::damaged("the note of that cannot be removed").of_index())?;
        }
        Self::start(journal, index, mark, suspect, batch)
    }

    /// Begins with an index that was opened or made.
    fn start(
        journal: Connection,
        index: Connection,
        mark: Watermark,
        suspect: PathBuf,
        batch: usize,
    ) -> Result<Self, Error> {
        let days = days(&index).doing("reading the index").map_err(Error::of_index)?;
        let progress = Progress {
            filters: RwLock::new(days.into_iter().map(|day| (day, None)).collect()),
            keys_to: AtomicU64::new(mark.keys),
            rows_to: mark.rows.map(AtomicU64::new),
            suspect,
        };
        let store = numbers(&journal)?.store;
        let mut indexer = Self { journal, index, progress: Arc::new(progress), store, batch };
        while indexer.keys_pending()? > batch as u64 {
            indexer.add_keys()?;
        }
        Ok(indexer)
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// How far the index is.
    fn mark(&self) -> Watermark {
        Watermark {
            keys: self.progress.keys_to(),
            rows: Queue::ALL.map(|queue| self.progress.rows_to(queue)),
        }
    }

    fn last(&self) -> Result<Watermark, Error> {
        last_numbers(&self.journal)
    }

    fn keys_pending(&self) -> Result<u64, Error> {
        Ok(self.last()?.keys.saturating_sub(self.progress.keys_to()))
    }

    /// Adds everything that the journal has by now.
    ///
    /// # Errors
    /// When SQLite fails; what was added until then stays.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        while self.keys_pending()? > 0 {
            self.add_keys()?;
        }
        for queue in Queue::ALL {
            while self.last()?.rows[queue.index()] > self.progress.rows_to(queue) {
                self.add_people(queue)?;
            }
        }
        let _busy_is_fine: i64 = self
            .index
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0))
            .doing("writing the index")
            .map_err(Error::of_index)?;
        Ok(())
    }

    /// Loads one filter that is not there yet; says whether there was one.
    pub(crate) fn load_filter(&mut self) -> Result<bool, Error> {
        self.add_filter().map_err(Error::of_index)
    }

    fn add_filter(&self) -> Result<bool, Error> {
        let missing = {
            let filters = self.progress.filters.read().unwrap_or_else(PoisonError::into_inner);
            filters.iter().find(|(_, filter)| filter.is_none()).map(|(day, _)| *day)
        };
        let Some(day) = missing else { return Ok(false) };
        let mut filter = Filter::default();
        let doing = "loading a filter";
        let mut statement = self.index.prepare_cached("SELECT * FROM keys WHERE day = ?1").doing(doing)?;
        let mut rows = statement.query([signed(day)]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            check(row, KEYS, 8)?;
            filter.add(&row.get(1).doing(doing)?);
        }
        let mut filters = self.progress.filters.write().unwrap_or_else(PoisonError::into_inner);
        filters.insert(day, Some(filter));
        Ok(true)
    }

    fn add_keys(&mut self) -> Result<(), Error> {
        let after = self.progress.keys_to();
        let to = self.last()?.keys.min(after + self.batch as u64);
        let mut keys = keys_between(&self.journal, after, to)?;
        keys.sort_unstable_by_key(|(day, name, known)| (*day, *name, known.number));
        let mark = Watermark { keys: to, ..self.mark() };
        let transaction = self.index.transaction().doing("writing the index")?;
        insert_keys(&transaction, &keys)
            .and_then(|()| mark.write(&transaction, &self.store))
            .and_then(|()| transaction.commit())
            .doing("writing the index")
            .map_err(Error::of_index)?;
        for some in keys.chunks(FILTERED_PER_STEP) {
            let mut filters = self.progress.filters.write().unwrap_or_else(PoisonError::into_inner);
            for (day, name, _) in some {
                if let Some(filter) = filters.entry(*day).or_insert_with(|| Some(Filter::default())) {
                    filter.add(&name.hash);
                }
            }
        }
        self.progress.keys_to.store(to, Ordering::Release);
        Ok(())
    }

    fn add_people(&mut self, queue: Queue) -> Result<(), Error> {
        let after = self.progress.rows_to(queue);
        let to = self.last()?.rows[queue.index()].min(after + self.batch as u64);
        let mut people = people_between(&self.journal, queue, after, to)?;
        people.sort_unstable();
        let mut mark = self.mark();
        mark.rows[queue.index()] = to;
        let transaction = self.index.transaction().doing("writing the index")?;
        insert_people(&transaction, queue, people)
            .and_then(|()| mark.write(&transaction, &self.store))
            .and_then(|()| transaction.commit())
            .doing("writing the index")
            .map_err(Error::of_index)?;
        self.progress.rows_to[queue.index()].store(to, Ordering::Release);
        Ok(())
    }

    /// Removes every entry of a person.
    pub(crate) fn forget(&mut self, person: &Person) -> Result<(), Error> {
        self.remove_person(person).map_err(Error::of_index)
    }

    fn remove_person(&self, person: &Person) -> Result<(), Error> {
        let doing = "forgetting a person";
        self.index.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(())).doing(doing)?;
        for queue in Queue::ALL.map(|queue| queue.index() as i64) {
            let mut after = -1_i64;
            while let Some(bucket) = self
                .index
                .query_row(
                    "SELECT min(bucket) FROM people WHERE queue = ?1 AND bucket > ?2",
                    [queue, after],
                    |row| row.get::<_, Option<i64>>(0),
                )
                .doing(doing)?
            {
                self.index
                    .execute(
                        "DELETE FROM people WHERE queue = ?1 AND bucket = ?2 AND person = ?3",
                        params![queue, bucket, person_value(person)],
                    )
                    .doing(doing)?;
                after = bucket;
            }
        }
        self.index.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(())).doing(doing)
    }

    /// Removes the keys of all days before this one.
    pub(crate) fn drop_days(&mut self, before: u64) -> Result<(), Error> {
        self.remove_in_steps(
            "DELETE FROM keys WHERE (day, hash, queue) IN
             (SELECT day, hash, queue FROM keys WHERE day < ?1 LIMIT ?2)",
            signed(before),
        )?;
        let mut filters = self.progress.filters.write().unwrap_or_else(PoisonError::into_inner);
        *filters = filters.split_off(&before);
        Ok(())
    }

    /// Removes the persons of buckets that lie wholly below this sequence.
    pub(crate) fn trim(&mut self, queue: Queue, lowest: Sequence) -> Result<(), Error> {
        let statement = match queue {
            Queue::Events => {
                "DELETE FROM people WHERE (queue, bucket, person, sequence) IN
                 (SELECT queue, bucket, person, sequence FROM people WHERE queue = 0 AND bucket < ?1 LIMIT ?2)"
            }
            Queue::Callbacks => {
                "DELETE FROM people WHERE (queue, bucket, person, sequence) IN
                 (SELECT queue, bucket, person, sequence FROM people WHERE queue = 1 AND bucket < ?1 LIMIT ?2)"
            }
            Queue::Forwards => {
                "DELETE FROM people WHERE (queue, bucket, person, sequence) IN
                 (SELECT queue, bucket, person, sequence FROM people WHERE queue = 2 AND bucket < ?1 LIMIT ?2)"
            }
        };
        self.remove_in_steps(statement, signed(lowest >> BUCKET_BITS))
    }

    fn remove_in_steps(&self, statement: &str, below: i64) -> Result<(), Error> {
        let mut statement = self.index.prepare_cached(statement).doing("trimming the index")?;
        loop {
            let removed = statement
                .execute([below, REMOVED_PER_STEP as i64])
                .doing("trimming the index")
                .map_err(Error::of_index)?;
            if removed < REMOVED_PER_STEP {
                return Ok(());
            }
        }
    }

    /// Makes the note that the index is damaged, if that is what went wrong.
    pub(crate) fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        self.progress.noted(result)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watermark {
    keys: u64,
    rows: [Sequence; 3],
}

impl Watermark {
    fn write(&self, index: &Connection, store: &[u8; 16]) -> rusqlite::Result<()> {
        let [events, callbacks, forwards] = self.rows.map(signed);
        let values = params![1, store, signed(self.keys), events, callbacks, forwards];
        let mut statement =
            index.prepare_cached("INSERT OR REPLACE INTO watermark VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        execute(&mut statement, WATERMARK, values).map(|_| ())
    }

    fn read(index: &Connection) -> Result<(Self, [u8; 16]), Error> {
        let doing = "reading the index";
        let mut statement = index.prepare("SELECT * FROM watermark").doing(doing)?;
        let mut rows = statement.query([]).doing(doing)?;
        let row = rows.next().doing(doing)?.ok_or(Error::damaged("the index has no watermark"))?;
        check(row, WATERMARK, 6)?;
        let number = |column| row.get(column).map(unsigned).doing(doing);
        Ok((Self { keys: number(2)?, rows: [number(3)?, number(4)?, number(5)?] }, row.get(1).doing(doing)?))
    }
}

fn last_numbers(journal: &Connection) -> Result<Watermark, Error> {
    let Numbers { sequences, keys, .. } = numbers(journal)?;
    Ok(Watermark { keys, rows: sequences })
}

/// The index as it was left, unless it is missing, damaged, of another format or of another journal.
fn open_trusted(
    directory: &Path,
    journal: &Connection,
    cache_bytes: usize,
) -> Result<Option<(Connection, Watermark)>, Error> {
    let path = directory.join(INDEX_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let found = Connection::open(&path).doing("opening the index").and_then(|index| {
        let doing = "reading the index";
        let application: i32 =
            index.pragma_query_value(None, "application_id", |row| row.get(0)).doing(doing)?;
        let format: u32 = index.pragma_query_value(None, "user_version", |row| row.get(0)).doing(doing)?;
        if (application, format) != (APPLICATION_ID, FORMAT) {
            return Ok(None);
        }
        prepare(&index, "NORMAL", cache_bytes).doing(doing)?;
        if !is_as_made(&index, TABLES).doing(doing)? {
            return Ok(None);
        }
        let (mark, store) = Watermark::read(&index)?;
        Ok(Some((index, mark, store)))
    });
    let Ok(Some((index, mark, store))) = found else { return Ok(None) };
    let last = last_numbers(journal)?;
    let is_behind =
        mark.keys <= last.keys && mark.rows.iter().zip(last.rows).all(|(mark, last)| *mark <= last);
    Ok((is_behind && store == numbers(journal)?.store).then_some((index, mark)))
}

/// Writes an empty file that is still there after a power cut.
fn write_durably(path: &Path) -> io::Result<()> {
    fs::File::create(path)?.sync_all()?;
    path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}

/// Removes the index. Its log goes last: a power cut in between must not leave an index that lacks the end of its log.
fn remove(directory: &Path) -> io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(directory.join(format!("{INDEX_FILE}{suffix}"))) {
            Ok(()) => fs::File::open(directory)?.sync_all()?,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(())
}

fn create(
    directory: &Path,
    journal: &Connection,
    cache_bytes: usize,
) -> Result<(Connection, Watermark), Error> {
    let doing = "creating the index";
    remove(directory).map_err(|_| Error::damaged("it cannot be removed").of_index())?;
    let index = Connection::open(directory.join(INDEX_FILE)).doing(doing)?;
    prepare(&index, "NORMAL", cache_bytes).doing(doing)?;
    index.execute_batch("BEGIN IMMEDIATE").doing(doing)?;
    index.execute_batch(TABLES).doing(doing)?;
    let mark = Watermark { keys: 0, rows: [0; 3] };
    mark.write(&index, &numbers(journal)?.store).doing(doing)?;
    index
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
        ))
        .doing(doing)?;
    Ok((index, mark))
}

fn days(index: &Connection) -> rusqlite::Result<Vec<u64>> {
    let mut next = index.prepare_cached("SELECT min(day) FROM keys WHERE day > ?1")?;
    let mut days = Vec::new();
    let mut after = -1_i64;
    while let Some(day) = next.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
        days.push(unsigned(day));
        after = day;
    }
    Ok(days)
}

/// The keys with these numbers, with the day of each. They are spread over days, and within a day they lie together.
pub(crate) fn keys_between(
    journal: &Connection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, KeyName, KnownKey)>, Error> {
    let doing = "reading keys";
    let mut next = journal.prepare_cached("SELECT min(id) FROM keys WHERE id >= ?1").doing(doing)?;
    let mut read = journal.prepare_cached("SELECT * FROM keys WHERE id > ?1 AND id <= ?2").doing(doing)?;
    let mut keys = Vec::with_capacity(to.saturating_sub(after) as usize);
    let mut day = 0;
    while let Some(first) =
        next.query_row([key_id(day, 0)], |row| row.get::<_, Option<i64>>(0)).doing(doing)?
    {
        day = key_day(first);
        let mut rows = read.query([key_id(day, after), key_id(day, to)]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            check(row, KEYS, 7)?;
            keys.push((day, key_name(row)?, known_key(row).doing(doing)?));
        }
        day += 1;
    }
    Ok(keys)
}

fn key_name(row: &Row<'_>) -> Result<KeyName, Error> {
    let queue: u8 = row.get(1).doing("reading keys")?;
    let queue = Queue::ALL.get(usize::from(queue)).ok_or(Error::damaged("a queue is not known"))?;
    Ok(KeyName { queue: *queue, hash: row.get(5).doing("reading keys")? })
}

fn known_key(row: &Row<'_>) -> rusqlite::Result<KnownKey> {
    Ok(KnownKey {
        number: key_number(row.get(0)?),
        sequence: unsigned(row.get(2)?),
        accepted_at: Timestamp::from_millis(unsigned(row.get(3)?)),
        until: Timestamp::from_millis(unsigned(row.get(4)?)),
        fingerprint: row.get(6)?,
    })
}

fn insert_keys(transaction: &Transaction<'_>, keys: &[(u64, KeyName, KnownKey)]) -> rusqlite::Result<()> {
    let mut insert = transaction
        .prepare_cached("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for (day, name, known) in keys {
        let values = params![
            signed(*day),
            name.hash,
            name.queue.index() as i64,
            signed(known.number),
            signed(known.sequence),
            signed(known.accepted_at.as_millis()),
            signed(known.until.as_millis()),
            known.fingerprint,
        ];
        execute(&mut insert, KEYS, values)?;
    }
    Ok(())
}

/// A person as they are stored, in an order in which the index grows from left to right within a bucket.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stored {
    Phone(i64),
    Bsuid(String),
}

fn people_between(
    journal: &Connection,
    queue: Queue,
    after: Sequence,
    to: Sequence,
) -> Result<Vec<(i64, Stored, i64)>, Error> {
    let doing = "reading persons";
    let mut statement = journal.prepare_cached(sql(queue).people).doing(doing)?;
    let mut rows = statement.query([signed(after), signed(to)]).doing(doing)?;
    // As large as it can become: a list that grows in steps leaves gaps behind which the allocator keeps.
    let mut people = Vec::with_capacity(to.saturating_sub(after) as usize);
    while let Some(row) = rows.next().doing(doing)? {
        let row = row::Stored::checked(row, sql(queue))?;
        row.check()?;
        let person = match row.person()? {
            Some(Person::Phone(number)) => Stored::Phone(signed(number.as_u64())),
            Some(Person::Bsuid(id)) => Stored::Bsuid(id.as_str().to_owned()),
            None => continue,
        };
        let sequence = signed(row.sequence()?);
        people.push((sequence >> BUCKET_BITS, person, sequence));
    }
    Ok(people)
}

fn insert_people(
    transaction: &Transaction<'_>,
    queue: Queue,
    people: Vec<(i64, Stored, i64)>,
) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO people VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (bucket, person, sequence) in people {
        let person = match person {
            Stored::Phone(digits) => Value::Integer(digits),
            Stored::Bsuid(id) => Value::Text(id),
        };
        execute(&mut insert, PEOPLE, params![queue.index() as i64, bucket, person, sequence])?;
    }
    Ok(())
}
