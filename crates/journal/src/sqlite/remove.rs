//! Removing: rows with what calls say of them, contacts, notifications, keys. Always in small steps.

use std::collections::BTreeMap;

use laneway_model::{Person, PhoneNumber, Timestamp};

use super::calls::Calls;
use super::contacts;
use super::failure::Context;
use super::row::{State, Stored, find};
use super::schema::{day_of, key_id, signed, sql};
use super::step::{Failed, Only, Phase};
use super::store::Store;
use crate::{CallbackBody, Error, Queue, Sequence};

pub(super) fn rows(
    store: &mut Store,
    queue: Queue,
    sequences: &[Sequence],
    only: &Only,
) -> Result<u64, Failed> {
    let sql = sql(queue);
    let mut calls = Calls::new(&store.connection, sql);
    let mut doomed = BTreeMap::new();
    for sequence in sequences {
        if let Some(state) = removable(store, queue, *sequence, only).reading()? {
            calls.forget(*sequence, state.last_call).reading()?;
            doomed.insert(*sequence, state);
        }
    }
    overwrite(store, only, true).writing()?;
    calls.store().doing("removing calls").writing()?;
    let mut statement = store.connection.prepare_cached(sql.remove).doing("removing rows").writing()?;
    for sequence in doomed.keys() {
        statement.execute([signed(*sequence)]).doing("removing rows").writing()?;
    }
    drop(statement);
    overwrite(store, only, false).writing()?;
    for state in doomed.values() {
        store.memory.counters.moved(queue, Some(state), None);
    }
    Ok(doomed.len() as u64)
}

/// The state of the row; nothing if it is to stay.
fn removable(store: &Store, queue: Queue, sequence: Sequence, only: &Only) -> Result<Option<State>, Error> {
    let found = find(&store.connection, sql(queue), sequence, |row| {
        let state = row.state()?;
        let applies = match only {
            Only::SettledBefore(before) => {
                !state.status.is_open() && !state.holds_lane && state.updated_at < *before
            }
            Only::About { person, until, account } => {
                let own = row.account()?;
                account.as_ref().is_none_or(|name| store.memory.accounts.known(name) == Some(own))
                    && (person.is_none() || row.person()? == *person)
                    && dated(queue, row)? <= *until
            }
        };
        Ok(applies.then_some(state))
    })?;
    Ok(found.flatten())
}

/// When what the row is about was accepted: an erasure gives up open events, and what is told of that is as old as they are.
fn dated(queue: Queue, row: &Stored<'_>) -> Result<Timestamp, Error> {
    let body = row.checked_body()?;
    let told = match queue {
        Queue::Callbacks => CallbackBody::decode(body).ok(),
        Queue::Events | Queue::Forwards => None,
    };
    told.map_or_else(|| row.accepted_at(), |told| Ok(told.event.accepted_at()))
}

/// What is removed because of a person is also overwritten in the file.
fn overwrite(store: &Store, only: &Only, on: bool) -> Result<(), Error> {
    match only {
        Only::SettledBefore(_) => Ok(()),
        Only::About { .. } => set_overwriting(store, on),
    }
}

fn set_overwriting(store: &Store, on: bool) -> Result<(), Error> {
    let value = if on { "ON" } else { "FAST" };
    store
        .connection
        .pragma_update_and_check(None, "secure_delete", value, |_| Ok(()))
        .doing("overwriting what is removed")
}

pub(super) fn contacts(
    store: &mut Store,
    person: &Person,
    of: Option<&[PhoneNumber]>,
) -> Result<u64, Failed> {
    let mut known = contacts::businesses(&store.connection, person).reading()?;
    known.retain(|business| of.is_none_or(|of| of.contains(business)));
    set_overwriting(store, true).writing()?;
    let mut touches = 0;
    for business in &known {
        let removed = contacts::remove(&store.connection, *business, person);
        touches += removed.doing("removing contacts").writing()?;
    }
    set_overwriting(store, false).writing()?;
    store.memory.counters.folded(touches);
    Ok(known.len() as u64)
}

/// Something may have been told of them since they were found, so each is looked at again.
pub(super) fn contacts_before(
    store: &mut Store,
    contacts: &[(Person, PhoneNumber)],
    before: Timestamp,
) -> Result<u64, Failed> {
    let mut doomed = Vec::new();
    for (person, business) in contacts {
        let known = contacts::load(&store.connection, *business, person).reading()?;
        if known.is_some_and(|contact| contact.is_over(before)) {
            doomed.push((person, *business));
        }
    }
    let mut touches = 0;
    for (person, business) in &doomed {
        let removed = contacts::remove(&store.connection, *business, person);
        touches += removed.doing("removing contacts").writing()?;
    }
    store.memory.counters.folded(touches);
    Ok(doomed.len() as u64)
}

pub(super) fn notifications(store: &Store, ids: &[i64]) -> Result<u64, Failed> {
    let doing = "removing notifications";
    set_overwriting(store, true).writing()?;
    let mut statement =
        store.connection.prepare_cached("DELETE FROM notifications WHERE id = ?1").doing(doing).writing()?;
    let mut removed = 0;
    for id in ids {
        removed += statement.execute([id]).doing(doing).writing()? as u64;
    }
    drop(statement);
    set_overwriting(store, false).writing()?;
    Ok(removed)
}

pub(super) fn keys(store: &Store, free_at: Timestamp, limit: usize) -> Result<u64, Failed> {
    let removed = store
        .connection
        .prepare_cached("DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE id < ?1 LIMIT ?2)")
        .and_then(|mut statement| statement.execute([key_id(day_of(free_at), 0), limit as i64]))
        .doing("removing keys")
        .writing()?;
    Ok(removed as u64)
}
