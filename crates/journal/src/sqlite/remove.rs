//! Removing: rows with what calls say of them, contacts, notifications, keys. Always in small steps.

use laneway_model::{Person, Timestamp};

use super::calls::Calls;
use super::contacts;
use super::failure::Context;
use super::row::State;
use super::schema::{day_of, key_id, signed, sql, unsigned};
use super::step::{Failed, Only, Phase};
use super::store::Store;
use crate::{CallId, Error, Queue, Sequence};

pub(super) fn rows(
    store: &mut Store,
    queue: Queue,
    sequences: &[Sequence],
    only: &Only,
) -> Result<u64, Failed> {
    let sql = sql(queue);
    let mut calls = Calls::new(&store.connection, sql);
    let (mut doomed, mut open) = (Vec::with_capacity(sequences.len()), 0);
    for sequence in sequences {
        if let Some((is_open, last_call)) = removable(store, queue, *sequence, only).reading()? {
            calls.forget(*sequence, last_call).reading()?;
            doomed.push(*sequence);
            open += u64::from(is_open);
        }
    }
    doomed.sort_unstable();
    doomed.dedup();
    overwrite(store, only, true).writing()?;
    calls.store().doing("removing calls").writing()?;
    let mut statement = store.connection.prepare_cached(sql.remove).doing("removing rows").writing()?;
    for sequence in &doomed {
        statement.execute([signed(*sequence)]).doing("removing rows").writing()?;
    }
    drop(statement);
    overwrite(store, only, false).writing()?;
    store.memory.counters.closed(queue, open);
    Ok(doomed.len() as u64)
}

/// Whether the row is open, and its last call; nothing if it is to stay.
fn removable(
    store: &Store,
    queue: Queue,
    sequence: Sequence,
    only: &Only,
) -> Result<Option<(bool, Option<CallId>)>, Error> {
    let (sql, doing) = (sql(queue), "reading a row to remove");
    let mut statement = store.connection.prepare_cached(sql.removable).doing(doing)?;
    let mut rows = statement.query([signed(sequence)]).doing(doing)?;
    let Some(row) = rows.next().doing(doing)? else { return Ok(None) };
    let state = State::checked(row, sql, sequence, 2)?;
    let is_open = state.status.is_open();
    let applies = match only {
        Only::SettledBefore(before) => !is_open && !state.holds_lane && state.updated_at < *before,
        Only::About(person, until) => {
            let accepted_at = Timestamp::from_millis(unsigned(row.get(1).doing(doing)?));
            contacts::person_of(row.get_ref(0).doing(doing)?)?.as_ref() == Some(person)
                && accepted_at <= *until
        }
    };
    Ok(applies.then_some((is_open, state.last_call)))
}

/// What is removed because of a person is also overwritten in the file.
fn overwrite(store: &Store, only: &Only, on: bool) -> Result<(), Error> {
    match only {
        Only::SettledBefore(_) => Ok(()),
        Only::About(..) => set_overwriting(store, on),
    }
}

fn set_overwriting(store: &Store, on: bool) -> Result<(), Error> {
    let value = if on { "ON" } else { "FAST" };
    store
        .connection
        .pragma_update_and_check(None, "secure_delete", value, |_| Ok(()))
        .doing("overwriting what is removed")
}

pub(super) fn contacts(store: &mut Store, person: &Person) -> Result<u64, Failed> {
    let known = contacts::businesses(&store.connection, person).reading()?.len() as u64;
    set_overwriting(store, true).writing()?;
    let touches = contacts::remove(&store.connection, person).doing("removing contacts").writing()?;
    set_overwriting(store, false).writing()?;
    store.memory.counters.folded(touches);
    Ok(known)
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
