//! Reading: pages of open rows, bodies, records, contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use laneway_model::{AccountName, Contact, EventId, Person, PhoneNumber, Reference, Timestamp};
use rusqlite::Connection;

use super::append::lane_hash;
use super::calls::{self, Calls};
use super::contacts;
use super::failure::Context;
use super::index::{IndexReader, Progress};
use super::open::{JOURNAL_FILE, second};
use super::row::{State, Stored, find};
use super::schema::{Sql, signed, sql, unsigned};
use super::store::{account, numbers};
use crate::{
    BlockedPage, CallId, Error, Fresh, OpenPage, OpenRow, Queue, Record, Row, Sequence, reference_hash,
};

/// No sequence that is stored is larger.
const LAST: Sequence = i64::MAX as Sequence;

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

impl Names {
    /// The name with this number.
    pub(super) fn name(&mut self, connection: &Connection, id: i64) -> Result<AccountName, Error> {
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let doing = "reading an account";
        let mut statement = connection
            .prepare_cached("SELECT id, name, checksum FROM accounts WHERE id = ?1")
            .doing(doing)?;
        let mut rows = statement.query([id]).doing(doing)?;
        let row = rows.next().doing(doing)?.ok_or(Error::damaged("an account has no name"))?;
        let (_, name) = account(row)?;
        self.known.insert(id, name.clone());
        Ok(name)
    }

    /// The number of a name, if any row has it.
    pub(super) fn id(&mut self, connection: &Connection, name: &AccountName) -> Result<Option<i64>, Error> {
        if let Some((id, _)) = self.known.iter().find(|(_, known)| *known == name) {
            return Ok(Some(*id));
        }
        let doing = "reading an account";
        let mut statement = connection
            .prepare_cached("SELECT id, name, checksum FROM accounts WHERE name = ?1")
            .doing(doing)?;
        let mut rows = statement.query([name.as_str()]).doing(doing)?;
        let Some(row) = rows.next().doing(doing)? else { return Ok(None) };
        let (id, _) = account(row)?;
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
        // SQLite may have ended the transaction by itself when reading failed; what it said then is the answer.
        let ended =
            if self.connection.is_autocommit() { Ok(()) } else { self.connection.execute_batch("COMMIT") };
        let answer = answer?;
        ended.doing(doing).map(|()| answer)
    }

    /// The last sequence given.
    pub(super) fn last_sequence(&self, queue: Queue) -> Result<Sequence, Error> {
        Ok(numbers(&self.connection)?.sequences[queue.index()])
    }

    /// A page of rows that are open or hold their lane. Sequences are given and committed in the same order, so that none
    /// at or below the last one given can still appear.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn load_open(&mut self, queue: Queue, after: Sequence, limit: usize) -> Result<OpenPage, Error> {
        self.load_open_until(queue, after, None, limit)
    }

    /// The same, of those up to a sequence that was given.
    pub(super) fn load_open_until(
        &mut self,
        queue: Queue,
        after: Sequence,
        until: Option<Sequence>,
        limit: usize,
    ) -> Result<OpenPage, Error> {
        self.snapshot(|reader| {
            let limit = limit.max(1);
            let sql = sql(queue);
            let unfinished = reader.unfinished(queue)?;
            let page = (after, until.unwrap_or(LAST), limit + 1);
            let mut rows = reader.listed(sql.open_page, sql, page, &unfinished, |s| s.status.is_open())?;
            let held = reader.listed(sql.held_page, sql, page, &unfinished, |s| s.holds_lane)?;
            if !held.is_empty() {
                rows.extend(held);
                rows.sort_unstable_by_key(|row| row.sequence);
            }
            let more = rows.len() > limit;
            rows.truncate(limit);
            let complete_to = match (rows.last(), until) {
                (Some(last), _) if more => last.sequence,
                (_, Some(until)) => until,
                (_, None) => reader.last_sequence(queue)?.max(after),
            };
            Ok(OpenPage { rows, complete_to, more })
        })
    }

    /// The sequence of the open row that comes so many places after that sequence, if there are as many.
    pub(super) fn open_ahead(
        &mut self,
        queue: Queue,
        after: Sequence,
        places: usize,
    ) -> Result<Option<Sequence>, Error> {
        let doing = "looking ahead among open rows";
        let mut statement = self.connection.prepare_cached(sql(queue).open_ahead).doing(doing)?;
        let mut found = statement.query([signed(after), places as i64]).doing(doing)?;
        found.next().doing(doing)?.map(|row| row.get(0).map(unsigned).doing(doing)).transpose()
    }

    /// What a statement that lists rows finds between two sequences, up to so many; all of it belongs on the list.
    fn listed(
        &self,
        statement: &str,
        sql: &Sql,
        (after, until, limit): (Sequence, Sequence, usize),
        unfinished: &BTreeSet<CallId>,
        belongs: impl Fn(&State) -> bool,
    ) -> Result<Vec<OpenRow>, Error> {
        let doing = "reading open rows";
        let mut statement = self.connection.prepare_cached(statement).doing(doing)?;
        let mut found = statement.query([signed(after), signed(until), limit as i64]).doing(doing)?;
        let (mut rows, mut last) = (Vec::new(), after);
        while let Some(row) = found.next().doing(doing)? {
            let (open, state) = listed_row(row, sql, unfinished)?;
            if open.sequence <= last || !belongs(&state) {
                return Err(Error::damaged("a list of open rows does not agree with the rows"));
            }
            last = open.sequence;
            rows.push(open);
        }
        Ok(rows)
    }

    fn unfinished(&self, queue: Queue) -> Result<BTreeSet<CallId>, Error> {
        let doing = "reading unfinished calls";
        let sql = sql(queue);
        let mut statement = self.connection.prepare_cached(sql.unfinished).doing(doing)?;
        let mut rows = statement.query([]).doing(doing)?;
        let mut unfinished = BTreeSet::new();
        while let Some(row) = rows.next().doing(doing)? {
            let (id, call) = calls::checked(row, sql)?;
            if call.finished_at.is_some() {
                return Err(Error::damaged("a list of unfinished calls does not agree with the calls"));
            }
            unfinished.insert(id);
        }
        Ok(unfinished)
    }

    /// The rows with these sequences, in the order asked for; those that are gone are left out.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn rows(&mut self, queue: Queue, sequences: &[Sequence]) -> Result<Vec<Row>, Error> {
        self.snapshot(|Self { connection, accounts, .. }| {
            let sql = sql(queue);
            let mut rows = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                let row = find(connection, sql, *sequence, |row| {
                    row.row(accounts.name(connection, row.account()?)?)
                })?;
                rows.extend(row);
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
            let sql = sql(queue);
            let mut calls = Calls::new(connection, sql);
            let record = find(connection, sql, id.sequence(), |row| {
                let is_it = row.id()? == id;
                is_it.then(|| row.record(accounts, &mut calls, connection)).transpose()
            })?;
            Ok(record.flatten())
        })
    }

    /// What is known of a person.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn contact(&mut self, business: PhoneNumber, person: &Person) -> Result<Option<Contact>, Error> {
        self.snapshot(|reader| contacts::load(&reader.connection, business, person))
    }

    /// A page of the persons whom a business number has blocked. Those of whom something is not folded yet come first.
    pub(crate) fn blocked(
        &mut self,
        business: PhoneNumber,
        after: Option<&(Person, PhoneNumber)>,
        limit: usize,
    ) -> Result<BlockedPage, Error> {
        self.snapshot(|reader| {
            let page = contacts::page(&reader.connection, after, limit)?;
            let next = page.last().filter(|_| page.len() == limit).cloned();
            let own = page.iter().filter(|(_, known_by)| *known_by == business);
            let mut candidates: Vec<Person> = own.map(|(person, _)| person.clone()).collect();
            if after.is_none() {
                candidates.extend(contacts::unfolded(&reader.connection, business)?);
            }
            let mut persons = Vec::new();
            for person in candidates {
                let contact = contacts::load(&reader.connection, business, &person)?;
                let blocked = contact.and_then(|contact| contact.blocked);
                if blocked.is_some_and(|(is_blocked, _)| is_blocked) && !persons.contains(&person) {
                    persons.push(person);
                }
            }
            Ok(BlockedPage { persons, next })
        })
    }

    /// Those of a page of contacts of which nothing was told since that instant; whoever is not folded yet is on the first.
    /// A contact that cannot be read stays, and is reported where it is asked for.
    pub(crate) fn contacts_before(
        &mut self,
        before: Timestamp,
        after: Option<&contacts::Place>,
        limit: usize,
    ) -> Result<(Vec<contacts::Place>, Option<contacts::Place>), Error> {
        self.snapshot(|reader| {
            let mut page = contacts::page(&reader.connection, after, limit)?;
            let next = page.last().filter(|_| page.len() == limit).cloned();
            if after.is_none() {
                page.extend(contacts::all_unfolded(&reader.connection)?);
            }
            page.retain(|(person, business)| {
                let known = contacts::load(&reader.connection, *business, person);
                known.is_ok_and(|contact| contact.is_some_and(|contact| contact.is_over(before)))
            });
            page.sort_unstable();
            page.dedup();
            Ok((page, next))
        })
    }

    /// Everyone who is told to be the same as this person, at whatever number and whatever number of steps away: their
    /// number beside the id, their id beside the number, and who they were before or are now.
    pub(crate) fn same_person(
        &mut self,
        person: &Person,
        of: Option<&[PhoneNumber]>,
    ) -> Result<Vec<Person>, Error> {
        self.snapshot(|reader| {
            let mut same = BTreeSet::from([person.clone()]);
            let mut ahead = vec![person.clone()];
            while let Some(person) = ahead.pop() {
                let businesses = contacts::businesses(&reader.connection, &person)?;
                for business in businesses.into_iter().filter(|known| of.is_none_or(|of| of.contains(known)))
                {
                    let contact = contacts::load(&reader.connection, business, &person)?;
                    let others = contact.into_iter().flat_map(|contact| {
                        let phone = contact.phone.map(|(phone, _)| Person::Phone(phone));
                        let bsuid = contact.bsuid.map(|(bsuid, _)| Person::Bsuid(bsuid));
                        let persons = [contact.formerly, contact.became].into_iter().flatten();
                        phone.into_iter().chain(bsuid).chain(persons.map(|(person, _)| person))
                    });
                    ahead.extend(others.filter(|other| same.insert(other.clone())));
                }
            }
            Ok(same.into_iter().collect())
        })
    }
}

/// A row of a statement that lists rows.
fn listed_row(
    row: &rusqlite::Row<'_>,
    sql: &Sql,
    unfinished: &BTreeSet<CallId>,
) -> Result<(OpenRow, State), Error> {
    let row = Stored::checked(row, sql)?;
    let body_bytes = row.checked_body()?.len();
    let state = row.state()?;
    let unfinished = state.last_call.filter(|call| unfinished.contains(call));
    let lane = (row.business()?, row.person()?, row.kind()?);
    let open = open_row(row.sequence()?, lane, row.reference()?.as_ref(), &state, unfinished);
    Ok((OpenRow { body_bytes, lacks: row.lacks()?, ..open }, state))
}

fn open_row(
    sequence: Sequence,
    (business, person, kind): (PhoneNumber, Option<Person>, u8),
    reference: Option<&Reference>,
    state: &State,
    unfinished: Option<CallId>,
) -> OpenRow {
    let (person_hash, _) = lane_hash(business, person);
    OpenRow {
        sequence,
        order: state.place,
        business,
        person_hash,
        reference_hash: reference.map_or(0, reference_hash),
        kind,
        status: state.status,
        due: state.due,
        expires: state.expires,
        attempts: state.attempts,
        unfinished,
        body_bytes: 0,
        lacks: false,
    }
}

/// A row with everything that the holder of the lease needs, whatever its status.
pub(super) fn fresh(
    connection: &Connection,
    sql: &'static Sql,
    sequence: Sequence,
) -> Result<Option<Fresh>, Error> {
    find(connection, sql, sequence, |stored| {
        let row = stored.row(Names::default().name(connection, stored.account()?)?)?;
        let state = stored.state()?;
        let unfinished = match state.last_call {
            Some(call) if is_unfinished(connection, sql, call)? => Some(call),
            Some(_) | None => None,
        };
        let lane = (row.business, row.person.clone(), row.kind);
        let open = open_row(sequence, lane, row.reference.as_ref(), &state, unfinished);
        let open = OpenRow { body_bytes: row.body.len(), lacks: stored.lacks()?, ..open };
        Ok(Fresh { open, row: Arc::new(row) })
    })
}

fn is_unfinished(connection: &Connection, sql: &Sql, call: CallId) -> Result<bool, Error> {
    Ok(calls::load(connection, sql, call)?.is_some_and(|call| call.finished_at.is_none()))
}
