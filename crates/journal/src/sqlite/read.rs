//! Reading rows: pages of open rows, bodies, records, lists, and what is to be removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use laneway_model::{AccountName, Contact, EventId, Person, PhoneNumber, Reference, Status, Timestamp};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::append::lane_hash;
use super::calls::{Calls, is_unfinished};
use super::contacts::{self, business_of, person_of};
use super::failure::Context;
use super::index::{IndexReader, Progress};
use super::open::{JOURNAL_FILE, second};
use super::schema::{Sql, signed, sql, unsigned};
use super::settle::POSSIBLY_DUPLICATE;
use super::store::account_name;
use crate::{CallId, Error, Fresh, OpenPage, OpenRow, Queue, Record, Row, Sequence};

/// A connection that only reads. Every question is one short transaction.
pub struct Reader {
    pub(super) connection: Connection,
    pub(super) index: IndexReader,
    pub(super) accounts: Names,
    pub(super) rows_examined_max: usize,
}

/// The names of accounts by their numbers, read when first needed; they never change.
#[derive(Default)]
pub(super) struct Names {
    known: BTreeMap<i64, AccountName>,
}

/// Where the columns of a whole row stand in the statements that read one.
mod column {
    pub(super) const SEQUENCE: usize = 0;
    pub(super) const PLACE: usize = 1;
    pub(super) const ACCOUNT: usize = 2;
    pub(super) const BUSINESS: usize = 3;
    pub(super) const PERSON: usize = 4;
    pub(super) const KIND: usize = 5;
    pub(super) const REFERENCE: usize = 6;
    pub(super) const ACCEPTED_AT: usize = 7;
    pub(super) const STATUS: usize = 8;
    pub(super) const UPDATED_AT: usize = 9;
    pub(super) const DUE: usize = 10;
    pub(super) const EXPIRES: usize = 11;
    pub(super) const ATTEMPTS: usize = 12;
    pub(super) const LAST_CALL: usize = 13;
    pub(super) const FLAGS: usize = 14;
    pub(super) const SUPERSEDED_BY: usize = 15;
    pub(super) const REASON: usize = 16;
    pub(super) const BODY: usize = 17;
}

const DOING: &str = "reading a row";

/// A row of a statement that reads whole rows; its fields are taken one by one, so that a row which is passed over
/// costs only what was looked at.
pub(super) struct Whole<'a>(pub(super) &'a rusqlite::Row<'a>);

impl Whole<'_> {
    fn number(&self, column: usize) -> Result<u64, Error> {
        self.0.get(column).map(unsigned).doing(DOING)
    }

    fn instant(&self, column: usize) -> Result<Timestamp, Error> {
        self.number(column).map(Timestamp::from_millis)
    }

    pub(super) fn sequence(&self) -> Result<Sequence, Error> {
        self.number(column::SEQUENCE)
    }

    pub(super) fn account(&self) -> Result<i64, Error> {
        self.0.get(column::ACCOUNT).doing(DOING)
    }

    pub(super) fn business(&self) -> Result<PhoneNumber, Error> {
        business_of(self.0.get(column::BUSINESS).doing(DOING)?)
    }

    pub(super) fn person(&self) -> Result<Option<Person>, Error> {
        person_of(self.0.get_ref(column::PERSON).doing(DOING)?)
    }

    pub(super) fn kind(&self) -> Result<u8, Error> {
        self.0.get(column::KIND).doing(DOING)
    }

    pub(super) fn has_reference(&self, reference: &Reference) -> Result<bool, Error> {
        Ok(self.0.get_ref(column::REFERENCE).doing(DOING)? == ValueRef::Text(reference.as_str().as_bytes()))
    }

    pub(super) fn accepted_at(&self) -> Result<Timestamp, Error> {
        self.instant(column::ACCEPTED_AT)
    }

    pub(super) fn status(&self) -> Result<Status, Error> {
        status(self.0.get(column::STATUS).doing(DOING)?)
    }

    fn id(&self) -> Result<EventId, Error> {
        Ok(EventId::new(self.accepted_at()?, 0, self.sequence()?))
    }

    fn reference(&self) -> Result<Option<Reference>, Error> {
        let value = self.0.get_ref(column::REFERENCE).doing(DOING)?;
        if value == ValueRef::Null {
            return Ok(None);
        }
        let parsed = value.as_str().ok().and_then(|text| Reference::parse(text).ok());
        parsed.map(Some).ok_or(Error::damaged("a reference has no valid form"))
    }

    fn last_call(&self) -> Result<Option<CallId>, Error> {
        Ok(self.0.get::<_, Option<i64>>(column::LAST_CALL).doing(DOING)?.map(unsigned))
    }

    fn row(&self, account: AccountName) -> Result<Row, Error> {
        Ok(Row {
            id: self.id()?,
            account,
            business: self.business()?,
            person: self.person()?,
            kind: self.kind()?,
            reference: self.reference()?,
            expires: self.instant(column::EXPIRES)?,
            body: self.0.get(column::BODY).doing(DOING)?,
        })
    }

    /// The record, its attempts found by walking back from its last call.
    pub(super) fn record(
        &self,
        names: &mut Names,
        calls: &mut Calls<'_>,
        connection: &Connection,
    ) -> Result<Record, Error> {
        let superseded_by: Option<[u8; 16]> = self.0.get(column::SUPERSEDED_BY).doing(DOING)?;
        Ok(Record {
            row: self.row(names.name(connection, self.account()?)?)?,
            status: self.status()?,
            updated_at: self.instant(column::UPDATED_AT)?,
            due: self.instant(column::DUE)?,
            reason: self.0.get(column::REASON).doing(DOING)?,
            superseded_by: superseded_by.map(id_of),
            possibly_duplicate: self.0.get::<_, u8>(column::FLAGS).doing(DOING)? & POSSIBLY_DUPLICATE != 0,
            attempts: calls.attempts(self.sequence()?, self.last_call()?)?,
        })
    }
}

/// The status behind a stored number.
pub(super) fn status(code: u8) -> Result<Status, Error> {
    Status::from_code(code).ok_or(Error::damaged("a status is not known"))
}

/// An id as it is stored inside a row: its instant, partition and sequence, big-endian.
pub(super) fn id_bytes(id: &EventId) -> [u8; 16] {
    let bits = u128::from(id.accepted_at().as_millis()) << 80
        | u128::from(id.partition()) << 64
        | u128::from(id.sequence());
    bits.to_be_bytes()
}

fn id_of(bytes: [u8; 16]) -> EventId {
    let bits = u128::from_be_bytes(bytes);
    EventId::new(Timestamp::from_millis((bits >> 80) as u64), (bits >> 64) as u16, bits as u64)
}

impl Names {
    fn name(&mut self, connection: &Connection, id: i64) -> Result<AccountName, Error> {
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let doing = "reading an account";
        let mut statement =
            connection.prepare_cached("SELECT name FROM accounts WHERE id = ?1").doing(doing)?;
        let mut rows = statement.query([id]).doing(doing)?;
        let row = rows.next().doing(doing)?.ok_or(Error::damaged("an account has no name"))?;
        let name = account_name(row.get_ref(0).doing(doing)?)?;
        self.known.insert(id, name.clone());
        Ok(name)
    }

    /// The number of a name, if any row has it.
    pub(super) fn id(&mut self, connection: &Connection, name: &AccountName) -> Result<Option<i64>, Error> {
        if let Some((id, _)) = self.known.iter().find(|(_, known)| *known == name) {
            return Ok(Some(*id));
        }
        let doing = "reading an account";
        let mut statement =
            connection.prepare_cached("SELECT id FROM accounts WHERE name = ?1").doing(doing)?;
        let mut rows = statement.query([name.as_str()]).doing(doing)?;
        let Some(row) = rows.next().doing(doing)? else { return Ok(None) };
        let id = row.get(0).doing(doing)?;
        self.known.insert(id, name.clone());
        Ok(Some(id))
    }
}

impl Reader {
    /// Another reader of the journal in this directory, which is open for writing already.
    pub(crate) fn open(
        directory: &Path,
        progress: Arc<Progress>,
        rows_examined_max: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            connection: second(&directory.join(JOURNAL_FILE), true)?,
            index: IndexReader::open(directory, progress)?,
            accounts: Names::default(),
            rows_examined_max,
        })
    }

    /// Runs a question against one state of the journal.
    pub(super) fn snapshot<T>(
        &mut self,
        ask: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let doing = "beginning to read";
        self.connection.execute_batch("BEGIN").doing(doing)?;
        let answer = ask(self);
        self.connection.execute_batch("COMMIT").doing(doing)?;
        answer
    }

    /// The last sequence given.
    pub(super) fn last_sequence(&self, queue: Queue) -> Result<Sequence, Error> {
        let statement = match queue {
            Queue::Events => "SELECT events FROM counters",
            Queue::Callbacks => "SELECT callbacks FROM counters",
            Queue::Forwards => "SELECT forwards FROM counters",
        };
        self.connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map(unsigned)
            .doing("reading the counters")
    }

    /// A page of open rows. Sequences are given and committed in the same order, so that none at or below the last
    /// one given can still appear.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn load_open(&mut self, queue: Queue, after: Sequence, limit: usize) -> Result<OpenPage, Error> {
        self.snapshot(|reader| {
            let limit = limit.max(1);
            let unfinished = reader.unfinished(queue)?;
            let doing = "reading open rows";
            let mut statement = reader.connection.prepare_cached(sql(queue).open_page).doing(doing)?;
            let mut found = statement.query([signed(after), limit as i64 + 1]).doing(doing)?;
            let mut rows = Vec::new();
            while let Some(row) = found.next().doing(doing)? {
                rows.push(open_row(row, &unfinished)?);
            }
            let more = rows.len() > limit;
            rows.truncate(limit);
            let complete_to = match rows.last() {
                Some(last) if more => last.sequence,
                Some(_) | None => reader.last_sequence(queue)?.max(after),
            };
            Ok(OpenPage { rows, complete_to, more })
        })
    }

    fn unfinished(&self, queue: Queue) -> Result<BTreeSet<CallId>, Error> {
        let doing = "reading unfinished calls";
        let mut statement = self.connection.prepare_cached(sql(queue).unfinished).doing(doing)?;
        let calls = statement.query_map([], |row| row.get(0)).doing(doing)?;
        calls.map(|id| id.map(unsigned).doing(doing)).collect()
    }

    /// The rows with these sequences, in the order asked for; those that are gone are left out.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn rows(&mut self, queue: Queue, sequences: &[Sequence]) -> Result<Vec<Row>, Error> {
        self.snapshot(|Self { connection, accounts, .. }| {
            let mut statement = connection.prepare_cached(sql(queue).row).doing(DOING)?;
            let mut rows = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                let mut found = statement.query([signed(*sequence)]).doing(DOING)?;
                if let Some(row) = found.next().doing(DOING)? {
                    let whole = Whole(row);
                    rows.push(whole.row(accounts.name(connection, whole.account()?)?)?);
                }
            }
            Ok(rows)
        })
    }

    /// The record with exactly this id.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn get(&mut self, queue: Queue, id: EventId) -> Result<Option<Record>, Error> {
        self.snapshot(|Self { connection, accounts, .. }| {
            let mut calls = Calls::new(connection, sql(queue));
            let mut statement = connection.prepare_cached(sql(queue).row).doing(DOING)?;
            let mut found = statement.query([signed(id.sequence())]).doing(DOING)?;
            match found.next().doing(DOING)?.map(Whole) {
                Some(whole) if whole.id()? == id => whole.record(accounts, &mut calls, connection).map(Some),
                Some(_) | None => Ok(None),
            }
        })
    }

    /// What is known of a person.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn contact(&mut self, business: PhoneNumber, person: &Person) -> Result<Option<Contact>, Error> {
        self.snapshot(|reader| contacts::load(&reader.connection, business, person))
    }

    /// Everyone who is told to be the same as this person: their number beside the id, or their id beside the number.
    pub(crate) fn same_person(&mut self, person: &Person) -> Result<Vec<Person>, Error> {
        self.snapshot(|reader| {
            let mut same = BTreeSet::from([person.clone()]);
            for business in contacts::businesses(&reader.connection, person)? {
                if let Some(contact) = contacts::load(&reader.connection, business, person)? {
                    same.extend(contact.phone.map(Person::Phone));
                    same.extend(contact.bsuid.map(Person::Bsuid));
                }
            }
            Ok(same.into_iter().collect())
        })
    }
}

fn open_row(row: &rusqlite::Row<'_>, unfinished: &BTreeSet<CallId>) -> Result<OpenRow, Error> {
    let doing = "reading open rows";
    let number = |column| row.get(column).map(unsigned).doing(doing);
    let business = business_of(row.get(2).doing(doing)?)?;
    let (person_hash, _) = lane_hash(business, person_of(row.get_ref(3).doing(doing)?)?);
    let last_call = row.get::<_, Option<i64>>(9).doing(doing)?.map(unsigned);
    Ok(OpenRow {
        sequence: number(0)?,
        order: number(1)?,
        business,
        person_hash,
        kind: row.get(4).doing(doing)?,
        status: status(row.get(5).doing(doing)?)?,
        due: Timestamp::from_millis(number(6)?),
        expires: Timestamp::from_millis(number(7)?),
        attempts: row.get(8).doing(doing)?,
        unfinished: last_call.filter(|call| unfinished.contains(call)),
    })
}

/// A row with everything that the holder of the lease needs, whatever its status.
pub(super) fn fresh(
    connection: &Connection,
    sql: &'static Sql,
    sequence: Sequence,
) -> Result<Option<Fresh>, Error> {
    let mut statement = connection.prepare_cached(sql.row).doing(DOING)?;
    let mut found = statement.query([signed(sequence)]).doing(DOING)?;
    let Some(whole) = found.next().doing(DOING)?.map(Whole) else { return Ok(None) };
    let row = whole.row(Names::default().name(connection, whole.account()?)?)?;
    let (person_hash, _) = lane_hash(row.business, row.person.clone());
    let unfinished = match whole.last_call()? {
        Some(call) if is_unfinished(connection, sql, call)? => Some(call),
        Some(_) | None => None,
    };
    let open = OpenRow {
        sequence,
        order: whole.number(column::PLACE)?,
        business: row.business,
        person_hash,
        kind: row.kind,
        status: whole.status()?,
        due: whole.instant(column::DUE)?,
        expires: row.expires,
        attempts: whole.0.get(column::ATTEMPTS).doing(DOING)?,
        unfinished,
    };
    Ok(Some(Fresh { open, row: Arc::new(row) }))
}
