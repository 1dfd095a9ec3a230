//! What becomes of rows: begin, settle, requeue.

use std::collections::BTreeMap;

use laneway_model::{EventId, Status, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::append::{announce, plan_posts, write_rows, write_touches};
use super::calls::{self, Member};
use super::failure::Context;
use super::read;
use super::schema::{Sql, signed, sql, unsigned};
use super::step::{Failed, News, Phase};
use super::store::Store;
use crate::feed::Weight;
use crate::{
    CallId, Change, EndedCall, Error, Fresh, Lease, MemberOutcome, NewCall, Queue, Sequence, Settlement,
};

/// Set while a row may have been sent twice.
pub(super) const POSSIBLY_DUPLICATE: u8 = 1;

/// What has to be known of a row before it changes.
#[derive(Clone, Copy)]
struct State {
    status: Status,
    attempts: u32,
    last_call: Option<CallId>,
}

fn state(connection: &Connection, sql: &Sql, sequence: Sequence) -> Result<Option<State>, Error> {
    let doing = "reading a row's state";
    let mut statement = connection.prepare_cached(sql.state).doing(doing)?;
    let mut rows = statement.query([signed(sequence)]).doing(doing)?;
    let Some(row) = rows.next().doing(doing)? else { return Ok(None) };
    Ok(Some(State {
        status: read::status(row.get(0).doing(doing)?)?,
        attempts: row.get(1).doing(doing)?,
        last_call: row.get::<_, Option<i64>>(2).doing(doing)?.map(unsigned),
    }))
}

pub(super) fn begin(store: &mut Store, lease: Lease, call: &NewCall) -> Result<CallId, Failed> {
    store.check_lease(lease).reading()?;
    let sql = sql(lease.queue);
    let mut members = Vec::with_capacity(call.members.len());
    let mut attempts = Vec::with_capacity(call.members.len());
    for sequence in &call.members {
        match state(&store.connection, sql, *sequence).reading()? {
            Some(row) if row.status.is_open() => {
                members.push(Member::begun(*sequence, row.last_call));
                attempts.push(row.attempts + 1);
            }
            Some(_) | None => return Err(Failed::Refused(Error::NotOpen { sequence: *sequence })),
        }
    }
    let id = store.memory.counters.next_call(lease.queue);
    calls::insert_begun(&store.connection, sql, id, (call.started_at, call.route), &members)
        .doing("writing a call")
        .writing()?;
    for (member, attempts) in members.iter().zip(attempts) {
        link(&store.connection, sql, member.sequence, attempts, Some(id)).writing()?;
    }
    Ok(id)
}

fn link(
    connection: &Connection,
    sql: &Sql,
    sequence: Sequence,
    attempts: u32,
    last_call: Option<CallId>,
) -> Result<(), Error> {
    connection
        .prepare_cached(sql.link)
        .and_then(|mut statement| {
            statement.execute(params![signed(sequence), attempts, last_call.map(signed)])
        })
        .doing("writing a row's last call")?;
    Ok(())
}

/// Everything a settlement writes, decided before anything is written.
#[derive(Default)]
struct Plan {
    rows: BTreeMap<Sequence, State>,
    call: Option<PlannedCall>,
    superseding: BTreeMap<Sequence, EventId>,
    ignored: u64,
}

/// What is written of a call.
struct PlannedCall {
    id: CallId,
    was_begun: bool,
    members: Vec<Member>,
}

pub(super) fn settle(
    store: &mut Store,
    lease: Lease,
    settlement: Settlement,
    news: &mut Vec<News>,
) -> Result<(), Failed> {
    store.check_lease(lease).reading()?;
    let Settlement { at, call, changes, touches, posts } = settlement;
    let plan = plan(store, lease.queue, call.as_ref(), &changes).reading()?;
    store.memory.counters.ignored += plan.ignored;
    if plan.rows.is_empty() && !(changes.is_empty() && call.is_none()) {
        return Ok(());
    }
    let mut planned = Vec::with_capacity(posts.len());
    plan_posts(store, posts, &mut planned)?;
    write(store, lease.queue, plan, (at, call.as_ref(), &changes)).writing()?;
    write_touches(store, &touches)?;
    write_rows(store, planned, news)
}

fn plan(
    store: &mut Store,
    queue: Queue,
    call: Option<&EndedCall>,
    changes: &[Change],
) -> Result<Plan, Error> {
    let (connection, sql) = (&store.connection, sql(queue));
    let mut plan = Plan::default();
    let members = call.iter().flat_map(|call| &call.members).map(|member| member.sequence);
    for sequence in changes.iter().map(|change| change.sequence).chain(members) {
        if !plan.rows.contains_key(&sequence)
            && let Some(row) = state(connection, sql, sequence)?
            && row.status.is_open()
        {
            plan.rows.insert(sequence, row);
        }
    }
    plan.ignored = changes.iter().filter(|change| !plan.rows.contains_key(&change.sequence)).count() as u64;
    for later in changes.iter().filter_map(|change| change.superseded_by) {
        let accepted_at: Option<i64> = connection
            .prepare_cached(sql.accepted_at)
            .and_then(|mut statement| statement.query_row([signed(later)], |row| row.get(0)).optional())
            .doing("reading the superseding row")?;
        if let Some(millis) = accepted_at {
            let accepted_at = Timestamp::from_millis(unsigned(millis));
            plan.superseding.insert(later, EventId::new(accepted_at, 0, later));
        }
    }
    if let Some(call) = call {
        let begun = call.begun.map(|id| calls::load(connection, sql, id)).transpose()?.flatten();
        plan.call = match (call.begun, begun) {
            (Some(id), Some(begun)) if begun.finished_at.is_none() => Some(PlannedCall {
                id,
                was_begun: true,
                members: ended_members(begun.members, &call.members),
            }),
            (Some(_), Some(_) | None) => None,
            (None, _) => new_call(&plan.rows, call).map(|members| PlannedCall {
                id: store.memory.counters.next_call(queue),
                was_begun: false,
                members,
            }),
        };
    }
    Ok(plan)
}

/// The members as they were begun, with what came of them.
fn ended_members(begun: Vec<Member>, outcomes: &[MemberOutcome]) -> Vec<Member> {
    let outcomes: BTreeMap<Sequence, &MemberOutcome> =
        outcomes.iter().map(|outcome| (outcome.sequence, outcome)).collect();
    begun
        .into_iter()
        .map(|member| match outcomes.get(&member.sequence) {
            Some(outcome) => Member::ended(outcome, member.previous),
            None => member,
        })
        .collect()
}

/// The members of a call that is written now; none if no row of it is open any more.
fn new_call(rows: &BTreeMap<Sequence, State>, call: &EndedCall) -> Option<Vec<Member>> {
    let member = |outcome: &MemberOutcome| {
        rows.get(&outcome.sequence).map(|row| Member::ended(outcome, row.last_call))
    };
    let members: Vec<Member> = call.members.iter().filter_map(member).collect();
    (!members.is_empty()).then_some(members)
}

fn write(
    store: &mut Store,
    queue: Queue,
    mut plan: Plan,
    (at, call, changes): (Timestamp, Option<&EndedCall>, &[Change]),
) -> Result<(), Error> {
    let (connection, sql) = (&store.connection, sql(queue));
    if let (Some(planned), Some(call)) = (&plan.call, call) {
        let PlannedCall { id, was_begun, members } = planned;
        if *was_begun {
            calls::end(connection, sql, *id, call, members).doing("ending a call")?;
        } else {
            calls::insert_ended(connection, sql, *id, call, members).doing("writing a call")?;
            for member in members {
                if let Some(row) = plan.rows.get_mut(&member.sequence) {
                    row.attempts += 1;
                    row.last_call = Some(*id);
                }
            }
        }
    }
    let open = &mut store.memory.counters.open[queue.index()];
    for change in changes {
        let Some(row) = plan.rows.remove(&change.sequence) else { continue };
        let status = stored_status(change.status);
        write_change(connection, sql, at, change, (status, row), &plan.superseding)?;
        *open -= u64::from(!status.is_open());
    }
    for (sequence, row) in plan.rows {
        link(connection, sql, sequence, row.attempts, row.last_call)?;
    }
    Ok(())
}

/// `Sending` is never stored: who holds the lease knows what is under way.
const fn stored_status(status: Status) -> Status {
    match status {
        Status::Sending => Status::Retrying,
        Status::Accepted
        | Status::Retrying
        | Status::Confirmed
        | Status::Relayed
        | Status::Superseded
        | Status::Expired
        | Status::Failed
        | Status::InDoubt
        | Status::Discarded => status,
    }
}

fn write_change(
    connection: &Connection,
    sql: &Sql,
    at: Timestamp,
    change: &Change,
    (status, row): (Status, State),
    superseding: &BTreeMap<Sequence, EventId>,
) -> Result<(), Error> {
    let later = change.superseded_by.and_then(|sequence| superseding.get(&sequence));
    connection
        .prepare_cached(sql.change)
        .and_then(|mut statement| {
            statement.execute(params![
                signed(change.sequence),
                status.code(),
                signed(at.as_millis()),
                signed(change.due.as_millis()),
                row.attempts,
                row.last_call.map(signed),
                if change.possibly_duplicate { POSSIBLY_DUPLICATE } else { 0 },
                later.map(read::id_bytes),
                change.reason,
            ])
        })
        .doing("writing a change")?;
    Ok(())
}

pub(super) fn requeue(
    store: &mut Store,
    lease: Lease,
    sequences: &[Sequence],
    (due, expires): (Timestamp, Option<Timestamp>),
    news: &mut Vec<News>,
) -> Result<Vec<Fresh>, Failed> {
    store.check_lease(lease).reading()?;
    let sql = sql(lease.queue);
    let mut rows: BTreeMap<Sequence, Fresh> = BTreeMap::new();
    let mut in_order = Vec::new();
    for sequence in sequences {
        let found = read::fresh(&store.connection, sql, *sequence).reading()?;
        if let Some(fresh) = found.filter(|fresh| !fresh.open.status.is_open())
            && rows.insert(*sequence, fresh).is_none()
        {
            in_order.push(*sequence);
        }
    }
    let mut requeued = Vec::with_capacity(in_order.len());
    for sequence in in_order {
        let Some(Fresh { mut open, mut row }) = rows.remove(&sequence) else { continue };
        open.order = store.memory.counters.next_sequence(lease.queue);
        open.status = Status::Retrying;
        open.due = due;
        open.expires = expires.unwrap_or(open.expires);
        std::sync::Arc::make_mut(&mut row).expires = open.expires;
        store
            .connection
            .prepare_cached(sql.requeue)
            .and_then(|mut statement| {
                let [due, expires] = [due, open.expires].map(|instant| signed(instant.as_millis()));
                statement.execute([signed(sequence), signed(open.order), due, expires])
            })
            .doing("requeueing a row")
            .writing()?;
        store.memory.counters.open[lease.queue.index()] += 1;
        requeued.push(Fresh { open, row });
    }
    for fresh in &requeued {
        announce(news, lease.queue, fresh.clone(), Weight::Kept);
    }
    Ok(requeued)
}
