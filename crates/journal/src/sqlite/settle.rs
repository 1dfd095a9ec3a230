//! What becomes of rows: begin, settle, complete, requeue.

use std::collections::BTreeMap;

use super::append::{announce, plan_posts, write_rows, write_touches};
use super::calls::{self, Call, Member};
use super::failure::Context;
use super::read;
use super::row::{State, find, find_completed, find_state};
use super::schema::sql;
use super::step::{Failed, News, Phase};
use super::store::Store;
use crate::feed::Weight;
use crate::{
    CallId, Change, Completion, EndedCall, Error, Fresh, Lease, MemberOutcome, NewCall, NewRow, Queue,
    Sequence, Settlement,
};
use laneway_model::{EventId, Status, Timestamp};

pub(super) fn begin(store: &mut Store, lease: Lease, call: &NewCall) -> Result<CallId, Failed> {
    store.check_lease(lease).reading()?;
    let sql = sql(lease.queue);
    let mut states = Vec::with_capacity(call.members.len());
    for sequence in &call.members {
        match find_state(&store.connection, sql, *sequence).reading()? {
            Some(row) if row.status.is_open() => states.push((*sequence, row)),
            Some(_) | None => return Err(Failed::Refused(Error::NotOpen { sequence: *sequence })),
        }
    }
    let id = store.memory.counters.next_call(lease.queue);
    let members: Vec<Member> =
        states.iter().map(|(sequence, row)| Member::begun(*sequence, row.last_call)).collect();
    let call = Call {
        started_at: call.started_at,
        finished_at: None,
        route: call.route,
        group_size: group_size(members.len()),
        http_status: None,
        trace_id: None,
        members,
    };
    calls::insert(&store.connection, sql, id, &call).doing("writing a call").writing()?;
    for (sequence, mut row) in states {
        row.attempts += 1;
        row.last_call = Some(id);
        row.write_link(&store.connection, sql, sequence).doing("writing a row's last call").writing()?;
    }
    Ok(id)
}

/// A group is at most as large as a transaction.
fn group_size(members: usize) -> u32 {
    u32::try_from(members).unwrap_or(u32::MAX)
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
    call: Call,
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
    write(store, lease.queue, plan, (at, changes)).writing()?;
    write_touches(store, &touches)?;
    write_rows(store, planned, news)
}

/// Gives open rows their complete bodies, all or none, and says which; those that are final or gone are left out.
pub(super) fn complete(
    store: &mut Store,
    lease: Lease,
    completions: &[Completion],
    at: Timestamp,
) -> Result<Vec<Sequence>, Failed> {
    store.check_lease(lease).reading()?;
    let sql = sql(lease.queue);
    let mut states = Vec::with_capacity(completions.len());
    for completion in completions {
        if let Some(state) = find_completed(&store.connection, sql, (completion, at)).reading()? {
            states.push((completion, state));
        }
    }
    for (completion, state) in &states {
        let written = state.write_completed(&store.connection, sql, completion);
        written.doing("completing a row").writing()?;
    }
    Ok(states.iter().map(|(completion, _)| completion.sequence).collect())
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
            && let Some(row) = find_state(connection, sql, sequence)?
            && row.status.is_open()
        {
            plan.rows.insert(sequence, row);
        }
    }
    plan.ignored = changes.iter().filter(|change| !plan.rows.contains_key(&change.sequence)).count() as u64;
    for later in changes.iter().filter_map(|change| change.superseded_by) {
        if let Some(id) = find(connection, sql, later, |row| row.check().and_then(|()| row.id()))? {
            plan.superseding.insert(later, id);
        }
    }
    if let Some(call) = call {
        let begun = call.begun.map(|id| calls::load(connection, sql, id)).transpose()?.flatten();
        plan.call = match (call.begun, begun) {
            (Some(id), Some(begun)) if begun.finished_at.is_none() => {
                Some(PlannedCall { id, was_begun: true, call: ended_call(begun, call) })
            }
            (Some(_), Some(_) | None) => None,
            (None, _) => new_call(&plan.rows, call).map(|call| PlannedCall {
                id: store.memory.counters.next_call(queue),
                was_begun: false,
                call,
            }),
        };
    }
    Ok(plan)
}

/// The call as it was begun, with what came of it as a whole and for each member.
fn ended_call(begun: Call, ended: &EndedCall) -> Call {
    let outcomes: BTreeMap<Sequence, &MemberOutcome> =
        ended.members.iter().map(|outcome| (outcome.sequence, outcome)).collect();
    let member = |member: Member| match outcomes.get(&member.sequence) {
        Some(outcome) => Member::ended(outcome, member.previous),
        None => member,
    };
    Call {
        finished_at: Some(ended.finished_at),
        http_status: ended.http_status,
        trace_id: ended.trace_id.clone(),
        members: begun.members.into_iter().map(member).collect(),
        ..begun
    }
}

/// A call that is written now; none if no row of it is open any more.
fn new_call(rows: &BTreeMap<Sequence, State>, ended: &EndedCall) -> Option<Call> {
    let member = |outcome: &MemberOutcome| {
        rows.get(&outcome.sequence).map(|row| Member::ended(outcome, row.last_call))
    };
    let members: Vec<Member> = ended.members.iter().filter_map(member).collect();
    (!members.is_empty()).then(|| Call {
        started_at: ended.started_at,
        finished_at: Some(ended.finished_at),
        route: ended.route,
        group_size: group_size(ended.members.len()),
        http_status: ended.http_status,
        trace_id: ended.trace_id.clone(),
        members,
    })
}

fn write(
    store: &mut Store,
    queue: Queue,
    mut plan: Plan,
    (at, changes): (Timestamp, Vec<Change>),
) -> Result<(), Error> {
    let (connection, sql) = (&store.connection, sql(queue));
    if let Some(PlannedCall { id, was_begun, call }) = &plan.call {
        if *was_begun {
            calls::change(connection, sql, *id, call).doing("ending a call")?;
        } else {
            calls::insert(connection, sql, *id, call).doing("writing a call")?;
            for member in &call.members {
                if let Some(row) = plan.rows.get_mut(&member.sequence) {
                    row.attempts += 1;
                    row.last_call = Some(*id);
                }
            }
        }
    }
    let counters = &mut store.memory.counters;
    for change in changes {
        let Some(before) = plan.rows.remove(&change.sequence) else { continue };
        let row = before.clone();
        let later = change.superseded_by.and_then(|later| plan.superseding.get(&later));
        let row = State {
            status: stored_status(change.status),
            updated_at: at,
            due: change.due,
            possibly_duplicate: row.possibly_duplicate || change.possibly_duplicate,
            holds_lane: change.holds_lane && change.status == Status::Failed,
            superseded_by: later.cloned(),
            reason: change.reason,
            ..row
        };
        row.write(connection, sql, change.sequence).doing("writing a change")?;
        counters.moved(queue, Some(&before), Some(&row));
    }
    for (sequence, row) in plan.rows {
        row.write_link(connection, sql, sequence).doing("writing a row's last call")?;
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

pub(super) fn requeue(
    store: &mut Store,
    lease: Lease,
    sequences: &[Sequence],
    (at, due, expires): (Timestamp, Timestamp, Option<Timestamp>),
    news: &mut Vec<News>,
) -> Result<Vec<Fresh>, Failed> {
    store.check_lease(lease).reading()?;
    let sql = sql(lease.queue);
    let mut rows = BTreeMap::new();
    let mut in_order = Vec::new();
    for sequence in sequences {
        let Some(fresh) = read::fresh(&store.connection, sql, *sequence).reading()? else { continue };
        let Some(state) = find_state(&store.connection, sql, *sequence).reading()? else { continue };
        if !state.status.is_open() && rows.insert(*sequence, (fresh, state)).is_none() {
            in_order.push(*sequence);
        }
    }
    let mut requeued = Vec::with_capacity(in_order.len());
    for sequence in in_order {
        let Some((Fresh { mut open, mut row }, state)) = rows.remove(&sequence) else { continue };
        if !state.holds_lane {
            open.order = store.memory.counters.next_sequence(lease.queue);
        }
        open.status = Status::Retrying;
        open.due = due;
        open.expires = expires.unwrap_or(open.expires);
        std::sync::Arc::make_mut(&mut row).expires = open.expires;
        let before = state.clone();
        let state = State {
            place: open.order,
            status: open.status,
            updated_at: at,
            due,
            expires: open.expires,
            holds_lane: false,
            superseded_by: None,
            reason: None,
            // It was sent, and nobody knows what came of it.
            possibly_duplicate: state.possibly_duplicate || before.status == Status::InDoubt,
            ..state
        };
        state.write(&store.connection, sql, sequence).doing("requeueing a row").writing()?;
        store.memory.counters.moved(lease.queue, Some(&before), Some(&state));
        requeued.push(Fresh { open, row });
    }
    for fresh in &requeued {
        announce(news, lease.queue, fresh.clone(), Weight::Kept);
    }
    Ok(requeued)
}

pub(super) fn discard(
    store: &mut Store,
    lease: Lease,
    sequences: &[Sequence],
    (at, reason): (Timestamp, &str),
    posts: Vec<(Queue, NewRow)>,
    news: &mut Vec<News>,
) -> Result<Vec<Sequence>, Failed> {
    store.check_lease(lease).reading()?;
    let sql = sql(lease.queue);
    let (mut dead, mut in_order) = (BTreeMap::new(), Vec::new());
    for sequence in sequences {
        if let Some(state) = find_state(&store.connection, sql, *sequence).reading()?
            && matches!(state.status, Status::Failed | Status::InDoubt)
            && dead.insert(*sequence, state).is_none()
        {
            in_order.push(*sequence);
        }
    }
    if dead.is_empty() {
        return Ok(in_order);
    }
    let mut planned = Vec::with_capacity(posts.len());
    plan_posts(store, posts, &mut planned)?;
    for (sequence, before) in dead {
        let state = State {
            status: Status::Discarded,
            updated_at: at,
            holds_lane: false,
            reason: Some(reason.to_owned()),
            ..before.clone()
        };
        state.write(&store.connection, sql, sequence).doing("discarding a row").writing()?;
        store.memory.counters.moved(lease.queue, Some(&before), Some(&state));
    }
    write_rows(store, planned, news)?;
    Ok(in_order)
}
