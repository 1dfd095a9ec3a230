//! The row of a call: what it was as a whole, and what it meant for each member.
//!
//! The members are one blob. A member names the call that carried it before, so that all attempts of a row are found
//! by walking back from its last call. Version 1: the count of details and the details, texts; the count of members;
//! then for each: sequence, outcome (0: none yet), a byte that says which of the next four there are (1: code, 2:
//! subcode, 4: detail, by its place in the list; 8: previous call), and those. Texts and numbers are as in
//! [`crate::binary`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use laneway_model::{Attempt, AttemptOutcome, Route, Timestamp};
use rusqlite::{Connection, Row, params};

use super::checksum::{check, execute};
use super::failure::Context;
use super::schema::{Sql, signed, unsigned};
use crate::binary::{Decoder, Encoder, Problem};
use crate::{CallId, Error, MemberOutcome, Sequence};

const DOING: &str = "reading a call";
const VERSION: u8 = 1;
const HAS_CODE: u8 = 1;
const HAS_SUBCODE: u8 = 2;
const HAS_DETAIL: u8 = 4;
const HAS_PREVIOUS: u8 = 8;

/// A call as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) route: Route,
    pub(crate) group_size: u32,
    pub(crate) http_status: Option<u16>,
    pub(crate) trace_id: Option<String>,
    pub(crate) members: Vec<Member>,
}

/// What a call meant for one row, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) sequence: Sequence,
    pub(crate) outcome: Option<AttemptOutcome>,
    pub(crate) code: Option<u32>,
    pub(crate) subcode: Option<u32>,
    pub(crate) detail: Option<Rc<str>>,
    pub(crate) previous: Option<CallId>,
}

impl Member {
    /// A member whose outcome is not known yet.
    pub(crate) const fn begun(sequence: Sequence, previous: Option<CallId>) -> Self {
        Self { sequence, outcome: None, code: None, subcode: None, detail: None, previous }
    }

    /// A member and its outcome.
    pub(crate) fn ended(outcome: &MemberOutcome, previous: Option<CallId>) -> Self {
        let MemberOutcome { sequence, outcome, code, subcode, detail } = outcome;
        Self {
            sequence: *sequence,
            outcome: Some(*outcome),
            code: *code,
            subcode: *subcode,
            detail: detail.as_deref().map(Rc::from),
            previous,
        }
    }
}

/// The blob of these members.
pub(crate) fn encode(members: &[Member]) -> Vec<u8> {
    let mut places: BTreeMap<&str, u64> = BTreeMap::new();
    let mut details: Vec<&str> = Vec::new();
    for detail in members.iter().filter_map(|member| member.detail.as_deref()) {
        if let Entry::Vacant(place) = places.entry(detail) {
            place.insert(details.len() as u64);
            details.push(detail);
        }
    }
    let mut blob = Encoder::versioned(VERSION);
    blob.number(details.len() as u64);
    for detail in details {
        blob.text(detail);
    }
    blob.number(members.len() as u64);
    for member in members {
        let detail = member.detail.as_deref().and_then(|detail| places.get(detail)).copied();
        let optional = [
            (HAS_CODE, member.code.map(u64::from)),
            (HAS_SUBCODE, member.subcode.map(u64::from)),
            (HAS_DETAIL, detail),
            (HAS_PREVIOUS, member.previous),
        ];
        blob.number(member.sequence);
        blob.byte(member.outcome.map_or(0, AttemptOutcome::code));
        blob.byte(optional.iter().filter(|(_, value)| value.is_some()).map(|(bit, _)| bit).sum());
        for value in optional.into_iter().filter_map(|(_, value)| value) {
            blob.number(value);
        }
    }
    blob.finish()
}

/// The members in a blob.
pub(crate) fn decode(blob: &[u8]) -> Result<Vec<Member>, Problem> {
    let mut blob = Decoder::versioned(blob, VERSION)?;
    let details = list(&mut blob, |d| d.text().map(Rc::<str>::from))?;
    let members = list(&mut blob, |d| member(d, &details))?;
    blob.finish()?;
    Ok(members)
}

fn list<T>(
    blob: &mut Decoder<'_>,
    mut read: impl FnMut(&mut Decoder<'_>) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let count = usize::try_from(blob.number()?).map_err(|_| "the body ends too early")?;
    if count > blob.remaining() {
        return Err("the body ends too early");
    }
    (0..count).map(|_| read(blob)).collect()
}

fn member(blob: &mut Decoder<'_>, details: &[Rc<str>]) -> Result<Member, Problem> {
    let sequence = blob.number()?;
    let outcome = match blob.byte()? {
        0 => None,
        code => Some(AttemptOutcome::from_code(code).ok_or("an outcome is not known")?),
    };
    let present = blob.byte()?;
    if present > HAS_CODE | HAS_SUBCODE | HAS_DETAIL | HAS_PREVIOUS {
        return Err("a member has fields that are not known");
    }
    let has = |bit: u8| present & bit != 0;
    Ok(Member {
        sequence,
        outcome,
        code: has(HAS_CODE).then(|| blob.small()).transpose()?,
        subcode: has(HAS_SUBCODE).then(|| blob.small()).transpose()?,
        detail: match has(HAS_DETAIL) {
            true => Some(detail(details, blob.number()?)?),
            false => None,
        },
        previous: has(HAS_PREVIOUS).then(|| blob.number()).transpose()?,
    })
}

fn detail(details: &[Rc<str>], place: u64) -> Result<Rc<str>, Problem> {
    let found = usize::try_from(place).ok().and_then(|place| details.get(place));
    found.map(Rc::clone).ok_or("a detail is not in its list")
}

const COLUMNS: usize = 8;

/// Reads a call.
pub(crate) fn load(connection: &Connection, sql: &Sql, id: CallId) -> Result<Option<Call>, Error> {
    let mut statement = connection.prepare_cached(sql.call).doing(DOING)?;
    let mut rows = statement.query([signed(id)]).doing(DOING)?;
    let Some(row) = rows.next().doing(DOING)? else { return Ok(None) };
    checked(row, sql).map(|(_, call)| Some(call))
}

/// The call in a row of a statement that reads calls.
pub(crate) fn checked(row: &Row<'_>, sql: &Sql) -> Result<(CallId, Call), Error> {
    check(row, sql.calls, COLUMNS)?;
    let instant = |millis: i64| Timestamp::from_millis(unsigned(millis));
    let members =
        row.get_ref(7).doing(DOING)?.as_blob().map_err(|_| Error::damaged("a call has no members"))?;
    let call = Call {
        started_at: instant(row.get(1).doing(DOING)?),
        finished_at: row.get::<_, Option<i64>>(2).doing(DOING)?.map(instant),
        route: Route::from_code(row.get(3).doing(DOING)?).ok_or(Error::damaged("a route is not known"))?,
        group_size: row.get(4).doing(DOING)?,
        http_status: row.get(5).doing(DOING)?,
        trace_id: row.get(6).doing(DOING)?,
        members: decode(members).map_err(Error::damaged)?,
    };
    Ok((row.get(0).map(unsigned).doing(DOING)?, call))
}

/// Writes a new call.
pub(crate) fn insert(connection: &Connection, sql: &Sql, id: CallId, call: &Call) -> rusqlite::Result<()> {
    write(connection, (sql.insert_call, sql.calls), id, call)
}

/// Writes a call that is there already.
pub(crate) fn change(connection: &Connection, sql: &Sql, id: CallId, call: &Call) -> rusqlite::Result<()> {
    write(connection, (sql.change_call, sql.calls), id, call)
}

fn write(
    connection: &Connection,
    (statement, table): (&str, &str),
    id: CallId,
    call: &Call,
) -> rusqlite::Result<()> {
    let Call { started_at, finished_at, route, group_size, http_status, trace_id, members } = call;
    let values = params![
        signed(id),
        signed(started_at.as_millis()),
        finished_at.map(|at| signed(at.as_millis())),
        route.code(),
        group_size,
        http_status,
        trace_id,
        encode(members),
    ];
    execute(&mut *connection.prepare_cached(statement)?, table, values).map(|_| ())
}

/// Calls that were read while answering one question, each once.
pub(crate) struct Calls<'a> {
    connection: &'a Connection,
    sql: &'static Sql,
    known: BTreeMap<CallId, Option<Call>>,
}

impl<'a> Calls<'a> {
    pub(crate) const fn new(connection: &'a Connection, sql: &'static Sql) -> Self {
        Self { connection, sql, known: BTreeMap::new() }
    }

    fn get(&mut self, id: CallId) -> Result<Option<&mut Call>, Error> {
        match self.known.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut().as_mut()),
            Entry::Vacant(place) => Ok(place.insert(load(self.connection, self.sql, id)?).as_mut()),
        }
    }

    /// Every attempt of a row, oldest first, from its last call.
    pub(crate) fn attempts(
        &mut self,
        sequence: Sequence,
        last: Option<CallId>,
    ) -> Result<Vec<Attempt>, Error> {
        let mut attempts = Vec::new();
        let mut next = last;
        while let Some(id) = next {
            let Some(call) = self.get(id)? else { break };
            let Some(member) = call.members.iter().find(|member| member.sequence == sequence) else { break };
            attempts.push(Attempt {
                n: 0,
                started_at: call.started_at,
                finished_at: call.finished_at,
                route: call.route,
                group_size: call.group_size,
                outcome: member.outcome,
                http_status: call.http_status,
                code: member.code,
                subcode: member.subcode,
                trace_id: call.trace_id.clone(),
                detail: member.detail.as_deref().map(str::to_owned),
            });
            next = earlier(member.previous, id)?;
        }
        attempts.reverse();
        for (attempt, n) in attempts.iter_mut().zip(1..) {
            attempt.n = n;
        }
        Ok(attempts)
    }

    /// Takes a row out of every call that carried it, in memory; [`Calls::store`] makes it so.
    pub(crate) fn forget(&mut self, sequence: Sequence, last: Option<CallId>) -> Result<(), Error> {
        let mut next = last;
        while let Some(id) = next {
            let Some(call) = self.get(id)? else { break };
            let Some(place) = call.members.iter().position(|member| member.sequence == sequence) else {
                break;
            };
            next = earlier(call.members.remove(place).previous, id)?;
        }
        Ok(())
    }

    /// Writes every call that was read; one without members goes.
    pub(crate) fn store(self) -> rusqlite::Result<()> {
        for (id, call) in self.known {
            match call {
                None => {}
                Some(call) if call.members.is_empty() => {
                    self.connection.prepare_cached(self.sql.remove_call)?.execute([signed(id)])?;
                }
                Some(call) => change(self.connection, self.sql, id, &call)?,
            }
        }
        Ok(())
    }
}

/// The chain of calls only leads back, so that walking it ends.
fn earlier(previous: Option<CallId>, id: CallId) -> Result<Option<CallId>, Error> {
    match previous {
        Some(previous) if previous >= id => Err(Error::damaged("a call follows itself")),
        Some(_) | None => Ok(previous),
    }
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn members() -> impl Strategy<Value = Vec<Member>> {
        let one =
            (any::<u64>(), 0..=8_u8, of(any::<u32>()), of(any::<u32>()), of("[a-c]{0,3}"), of(any::<u64>()))
                .prop_map(|(sequence, outcome, code, subcode, detail, previous)| Member {
                    sequence,
                    outcome: AttemptOutcome::from_code(outcome),
                    code,
                    subcode,
                    detail: detail.map(Rc::from),
                    previous,
                });
        proptest::collection::vec(one, 0..20)
    }

    proptest! {
        #[test]
        fn members_come_back(members in members()) {
            let blob = encode(&members);
            prop_assert_eq!(decode(&blob).unwrap(), members);
            for end in 0..blob.len() {
                prop_assert!(decode(&blob[..end]).is_err(), "cut at {}", end);
            }
        }

        #[test]
        fn any_bytes_are_answered(mut blob: Vec<u8>) {
            let _answered = decode(&blob);
            blob.insert(0, VERSION);
            let _answered = decode(&blob);
        }
    }

    #[test]
    fn five_hundred_equal_outcomes_are_small() {
        let outcome = MemberOutcome {
            sequence: 1 << 30,
            outcome: AttemptOutcome::Rejected,
            code: None,
            subcode: None,
            detail: Some("x".repeat(200)),
        };
        let members: Vec<_> = (0..500).map(|_| Member::ended(&outcome, None)).collect();
        assert!(encode(&members).len() < 500 * 8 + 210);
    }
}
