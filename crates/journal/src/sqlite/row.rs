//! A row of a queue as it is stored, and the part of it that changes.

use laneway_model::{AccountName, EventId, Person, PhoneNumber, Reference, Status, Timestamp};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::calls::Calls;
use super::checksum::Checksum;
use super::contacts::{business_of, person_of, person_value};
use super::failure::Context;
use super::read::Names;
use super::schema::{Sql, signed, sql, unsigned};
use crate::{CallId, Completion, Error, NewRow, Queue, Record, Row, Sequence, format};

/// Where the columns stand in the statements that read whole rows.
mod column {
    pub(super) const SEQUENCE: usize = 0;
    pub(super) const ACCOUNT: usize = 1;
    pub(super) const BUSINESS: usize = 2;
    pub(super) const PERSON: usize = 3;
    pub(super) const KIND: usize = 4;
    pub(super) const REFERENCE: usize = 5;
    pub(super) const ACCEPTED_AT: usize = 6;
    pub(super) const STATE: usize = 7;
    pub(super) const BODY: usize = STATE + super::state::COLUMNS;
}

/// Where the columns of the state stand after the first of them.
mod state {
    pub(super) const CONTENT: usize = 0;
    pub(super) const PLACE: usize = 1;
    pub(super) const STATUS: usize = 2;
    pub(super) const UPDATED_AT: usize = 3;
    pub(super) const DUE: usize = 4;
    pub(super) const EXPIRES: usize = 5;
    pub(super) const ATTEMPTS: usize = 6;
    pub(super) const LAST_CALL: usize = 7;
    pub(super) const FLAGS: usize = 8;
    pub(super) const SUPERSEDED_BY: usize = 9;
    pub(super) const REASON: usize = 10;
    pub(super) const CHECKSUM: usize = 11;
    pub(super) const COLUMNS: usize = 12;
}

const DOING: &str = "reading a row";

/// Set while a row may have been sent twice.
const POSSIBLY_DUPLICATE: u8 = 1;
/// Set while a final row holds its lane.
const HOLDS_LANE: u8 = 2;

/// A row of a statement that reads whole rows. Its state agrees with its checksum; its fields are taken one by one, so
/// that a row which is passed over costs only what was looked at.
pub(super) struct Stored<'a> {
    row: &'a rusqlite::Row<'a>,
    table: &'static str,
}

/// What of a row changes.
#[derive(Clone)]
pub(super) struct State {
    /// The checksum of what does not change.
    pub(super) content: i64,
    pub(super) place: u64,
    pub(super) status: Status,
    pub(super) updated_at: Timestamp,
    pub(super) due: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) attempts: u32,
    pub(super) last_call: Option<CallId>,
    pub(super) possibly_duplicate: bool,
    pub(super) holds_lane: bool,
    pub(super) superseded_by: Option<EventId>,
    pub(super) reason: Option<String>,
}

/// Looks for a row with a statement that reads whole rows.
pub(super) fn find<T>(
    connection: &Connection,
    sql: &Sql,
    sequence: Sequence,
    take: impl FnOnce(&Stored<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut statement = connection.prepare_cached(sql.row).doing(DOING)?;
    let mut found = statement.query([signed(sequence)]).doing(DOING)?;
    match found.next().doing(DOING)? {
        Some(row) => take(&Stored::checked(row, sql)?).map(Some),
        None => Ok(None),
    }
}

/// The state of a row.
pub(super) fn find_state(
    connection: &Connection,
    sql: &Sql,
    sequence: Sequence,
) -> Result<Option<State>, Error> {
    let mut statement = connection.prepare_cached(sql.state).doing(DOING)?;
    let mut found = statement.query([signed(sequence)]).doing(DOING)?;
    found.next().doing(DOING)?.map(|row| State::checked(row, sql, sequence, 0)).transpose()
}

/// Writes a new row.
pub(super) fn insert(
    connection: &Connection,
    sql: &Sql,
    (sequence, account): (Sequence, i64),
    row: &NewRow,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql.insert)?;
    let number = signed(sequence);
    let accepted_at = signed(row.accepted_at.as_millis());
    let identity: &[&dyn ToSql] = params![
        number,
        account,
        signed(row.business.as_u64()),
        row.person.as_ref().map(person_value),
        row.kind,
        row.reference.as_ref().map(Reference::as_str),
        accepted_at,
    ];
    let mut content = Checksum::of(sql.rows);
    content.bind(&mut statement, 1, identity)?;
    content.add(ValueRef::Blob(&row.body));
    let content = content.stored();
    let state: &[&dyn ToSql] = params![
        content,
        number,
        Status::Accepted.code(),
        accepted_at,
        signed(row.due.as_millis()),
        signed(row.expires.as_millis()),
        0,
        None::<i64>,
        0,
        None::<&[u8]>,
        None::<&str>,
    ];
    let mut checksum = state_checksum(sql.rows, sequence);
    checksum.bind(&mut statement, column::STATE + 1, state)?;
    statement.raw_bind_parameter(column::STATE + state::CHECKSUM + 1, checksum.stored())?;
    statement.raw_bind_parameter(column::BODY + 1, &*row.body)?;
    statement.raw_execute().map(|_| ())
}

/// Gives an open row another body and makes it due. Everything that was stored of it is compared with its checksums before;
/// nothing if it is final or gone.
pub(super) fn find_completed(
    connection: &Connection,
    sql: &Sql,
    (completion, at): (&Completion, Timestamp),
) -> Result<Option<State>, Error> {
    let completed = find(connection, sql, completion.sequence, |stored| {
        stored.check()?;
        let state = stored.state()?;
        let content = stored.content_with(&completion.body)?;
        Ok(state.status.is_open().then_some(State { content, due: at, ..state }))
    })?;
    Ok(completed.flatten())
}

/// The checksum of a state begins with the row's number, so that the state of another row is noticed.
fn state_checksum(table: &str, sequence: Sequence) -> Checksum {
    let mut checksum = Checksum::of(table);
    checksum.add(ValueRef::Integer(signed(sequence)));
    checksum
}

/// Compares the state whose first column is there with its checksum.
fn check_state(row: &rusqlite::Row<'_>, table: &str, sequence: Sequence, first: usize) -> Result<(), Error> {
    let mut checksum = state_checksum(table, sequence);
    checksum.add_columns(row, first..first + state::CHECKSUM).doing(DOING)?;
    let stored = row.get_ref(first + state::CHECKSUM).doing(DOING)?;
    if stored == ValueRef::Integer(checksum.stored()) {
        Ok(())
    } else {
        Err(Error::damaged("the state of a row does not agree with its checksum"))
    }
}

impl<'a> Stored<'a> {
    pub(super) fn checked(row: &'a rusqlite::Row<'a>, sql: &Sql) -> Result<Self, Error> {
        let sequence = row.get(column::SEQUENCE).map(unsigned).doing(DOING)?;
        check_state(row, sql.rows, sequence, column::STATE)?;
        Ok(Self { row, table: sql.rows })
    }

    pub(super) fn sequence(&self) -> Result<Sequence, Error> {
        self.row.get(column::SEQUENCE).map(unsigned).doing(DOING)
    }

    pub(super) fn account(&self) -> Result<i64, Error> {
        self.row.get(column::ACCOUNT).doing(DOING)
    }

    pub(super) fn business(&self) -> Result<PhoneNumber, Error> {
        business_of(self.row.get(column::BUSINESS).doing(DOING)?)
    }

    pub(super) fn person(&self) -> Result<Option<Person>, Error> {
        person_of(self.row.get_ref(column::PERSON).doing(DOING)?)
    }

    pub(super) fn kind(&self) -> Result<u8, Error> {
        self.row.get(column::KIND).doing(DOING)
    }

    pub(super) fn has_reference(&self, reference: &Reference) -> Result<bool, Error> {
        Ok(self.row.get_ref(column::REFERENCE).doing(DOING)? == ValueRef::Text(reference.as_str().as_bytes()))
    }

    pub(super) fn accepted_at(&self) -> Result<Timestamp, Error> {
        self.row.get(column::ACCEPTED_AT).map(instant).doing(DOING)
    }

    pub(super) fn status(&self) -> Result<Status, Error> {
        status(self.row.get(column::STATE + state::STATUS).doing(DOING)?)
    }

    pub(super) fn id(&self) -> Result<EventId, Error> {
        Ok(EventId::new(self.accepted_at()?, 0, self.sequence()?))
    }

    pub(super) fn reference(&self) -> Result<Option<Reference>, Error> {
        let value = self.row.get_ref(column::REFERENCE).doing(DOING)?;
        if value == ValueRef::Null {
            return Ok(None);
        }
        let parsed = value.as_str().ok().and_then(|text| Reference::parse(text).ok());
        parsed.map(Some).ok_or(Error::damaged("a reference has no valid form"))
    }

    /// Compares everything that never changes with its checksum.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.checked_body().map(|_| ())
    }

    /// Whether the body lacks something without which the row cannot be sent.
    pub(super) fn lacks(&self) -> Result<bool, Error> {
        let body = self.row.get_ref(column::BODY).doing(DOING)?.as_blob().unwrap_or_default();
        Ok(self.table == sql(Queue::Events).rows && format::lacks(self.kind()?, body))
    }

    /// The checksum of what never changes, if the body were this one.
    fn content_with(&self, body: &[u8]) -> Result<i64, Error> {
        let mut content = Checksum::of(self.table);
        content.add_columns(self.row, 0..column::STATE).doing(DOING)?;
        content.add(ValueRef::Blob(body));
        Ok(content.stored())
    }

    /// The body, after everything that never changes was compared with its checksum.
    pub(super) fn checked_body(&self) -> Result<&[u8], Error> {
        let body = self.row.get_ref(column::BODY).doing(DOING)?;
        let mut content = Checksum::of(self.table);
        content.add_columns(self.row, 0..column::STATE).doing(DOING)?;
        content.add(body);
        if self.row.get::<_, i64>(column::STATE + state::CONTENT).doing(DOING)? != content.stored() {
            return Err(Error::damaged("a row does not agree with its checksum"));
        }
        body.as_blob().map_err(|_| Error::damaged("a row has no body"))
    }

    /// The row.
    pub(super) fn row(&self, account: AccountName) -> Result<Row, Error> {
        let body = self.checked_body()?.into();
        Ok(Row {
            id: self.id()?,
            account,
            business: self.business()?,
            person: self.person()?,
            kind: self.kind()?,
            reference: self.reference()?,
            expires: self.row.get(column::STATE + state::EXPIRES).map(instant).doing(DOING)?,
            body,
        })
    }

    /// The record, its attempts found by walking back from its last call.
    pub(super) fn record(
        &self,
        names: &mut Names,
        calls: &mut Calls<'_>,
        connection: &Connection,
    ) -> Result<Record, Error> {
        let row = self.row(names.name(connection, self.account()?)?)?;
        let state = self.state()?;
        let attempts = calls.attempts(self.sequence()?, state.last_call)?;
        if attempts.len() != state.attempts as usize {
            return Err(Error::damaged("a row's calls are not as many as its attempts"));
        }
        Ok(Record {
            row,
            status: state.status,
            updated_at: state.updated_at,
            due: state.due,
            attempts,
            reason: state.reason,
            superseded_by: state.superseded_by,
            possibly_duplicate: state.possibly_duplicate,
        })
    }

    /// What of the row changes.
    pub(super) fn state(&self) -> Result<State, Error> {
        State::read(self.row, column::STATE)
    }
}

fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(unsigned(millis))
}

impl State {
    /// The state whose first column is there.
    pub(super) fn checked(
        row: &rusqlite::Row<'_>,
        sql: &Sql,
        sequence: Sequence,
        first: usize,
    ) -> Result<Self, Error> {
        check_state(row, sql.rows, sequence, first)?;
        Self::read(row, first)
    }

    fn read(row: &rusqlite::Row<'_>, first: usize) -> Result<Self, Error> {
        let number = |column| row.get::<_, i64>(first + column).map(unsigned).doing(DOING);
        let superseded_by: Option<[u8; 16]> = row.get(first + state::SUPERSEDED_BY).doing(DOING)?;
        let flags = row.get(first + state::FLAGS).doing(DOING)?;
        Ok(Self {
            content: row.get(first + state::CONTENT).doing(DOING)?,
            place: number(state::PLACE)?,
            status: status(row.get(first + state::STATUS).doing(DOING)?)?,
            updated_at: number(state::UPDATED_AT).map(Timestamp::from_millis)?,
            due: number(state::DUE).map(Timestamp::from_millis)?,
            expires: number(state::EXPIRES).map(Timestamp::from_millis)?,
            attempts: row.get(first + state::ATTEMPTS).doing(DOING)?,
            last_call: row.get::<_, Option<i64>>(first + state::LAST_CALL).doing(DOING)?.map(unsigned),
            possibly_duplicate: flags & POSSIBLY_DUPLICATE != 0,
            holds_lane: holds_lane(flags),
            superseded_by: superseded_by.map(id_of),
            reason: row.get(first + state::REASON).doing(DOING)?,
        })
    }

    fn flags(&self) -> u8 {
        let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
        flag(self.possibly_duplicate, POSSIBLY_DUPLICATE) | flag(self.holds_lane, HOLDS_LANE)
    }

    fn values(&self) -> [Value; 10] {
        let number = |number: u64| Value::Integer(signed(number));
        let instant = |instant: Timestamp| number(instant.as_millis());
        [
            number(self.place),
            Value::Integer(self.status.code().into()),
            instant(self.updated_at),
            instant(self.due),
            instant(self.expires),
            Value::Integer(self.attempts.into()),
            self.last_call.map_or(Value::Null, number),
            Value::Integer(self.flags().into()),
            self.superseded_by.as_ref().map_or(Value::Null, |id| Value::Blob(id_bytes(id).into())),
            self.reason.clone().map_or(Value::Null, Value::Text),
        ]
    }

    fn checksum(&self, sql: &Sql, sequence: Sequence, values: &[Value]) -> i64 {
        let mut checksum = state_checksum(sql.rows, sequence);
        checksum.add(ValueRef::Integer(self.content));
        for value in values {
            checksum.add(value.into());
        }
        checksum.stored()
    }

    /// Writes all of it.
    pub(super) fn write(
        &self,
        connection: &Connection,
        sql: &Sql,
        sequence: Sequence,
    ) -> rusqlite::Result<()> {
        let values = self.values();
        let last = [Value::Integer(self.checksum(sql, sequence, &values)), Value::Integer(signed(sequence))];
        let mut statement = connection.prepare_cached(sql.change)?;
        statement.execute(params_from_iter(values.iter().chain(&last))).map(|_| ())
    }

    /// Writes the body and what follows from it.
    pub(super) fn write_completed(
        &self,
        connection: &Connection,
        sql: &Sql,
        completion: &Completion,
    ) -> rusqlite::Result<()> {
        let checksum = self.checksum(sql, completion.sequence, &self.values());
        let due = signed(self.due.as_millis());
        let mut statement = connection.prepare_cached(sql.complete)?;
        let sequence = signed(completion.sequence);
        statement.execute(params![self.content, due, checksum, &*completion.body, sequence]).map(|_| ())
    }

    /// Writes the attempts and the last call, when nothing else has changed: the status is in two indexes.
    pub(super) fn write_link(
        &self,
        connection: &Connection,
        sql: &Sql,
        sequence: Sequence,
    ) -> rusqlite::Result<()> {
        let (last_call, checksum) =
            (self.last_call.map(signed), self.checksum(sql, sequence, &self.values()));
        let mut statement = connection.prepare_cached(sql.link)?;
        statement.execute(params![self.attempts, last_call, checksum, signed(sequence)]).map(|_| ())
    }
}

/// Whether stored flags say that a final row holds its lane.
pub(super) const fn holds_lane(flags: u8) -> bool {
    flags & HOLDS_LANE != 0
}

/// The status behind a stored number.
pub(super) fn status(code: u8) -> Result<Status, Error> {
    Status::from_code(code).ok_or(Error::damaged("a status is not known"))
}

/// An id as it is stored inside a row: its instant, partition and sequence, big-endian.
fn id_bytes(id: &EventId) -> [u8; 16] {
    let bits = u128::from(id.accepted_at().as_millis()) << 80
        | u128::from(id.partition()) << 64
        | u128::from(id.sequence());
    bits.to_be_bytes()
}

fn id_of(bytes: [u8; 16]) -> EventId {
    let bits = u128::from_be_bytes(bytes);
    EventId::new(Timestamp::from_millis((bits >> 80) as u64), (bits >> 64) as u16, bits as u64)
}
