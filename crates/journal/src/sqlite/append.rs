//! Appending: rows of all queues, keys, notifications and touches.

use std::sync::Arc;

use laneway_model::{EventId, LaneKey, Status};
use rusqlite::params;

use super::checksum::execute;
use super::contacts::insert_touch;
use super::failure::Context;
use super::keys::{KeyName, KnownKey, Repetition};
use super::row::insert;
use super::schema::{KEYS, NOTIFICATIONS, day_of, key_id, signed, sql};
use super::step::{Failed, News, Phase};
use super::store::Store;
use crate::feed::Weight;
use crate::format;
use crate::{
    Append, Appended, ContactTouch, Error, Fresh, NewRow, OpenRow, Queue, RawNotification, Row, Sequence,
    reference_hash,
};

/// Rows that are going to be written: numbered, their keys taken.
pub(super) struct Planned {
    queue: Queue,
    sequence: Sequence,
    account: i64,
    first_key: u64,
    row: NewRow,
}

pub(super) fn append(
    store: &mut Store,
    append: Append,
    news: &mut Vec<News>,
) -> Result<Vec<Appended>, Failed> {
    let Append { events, notifications, touches, posts } = append;
    let mut planned = Vec::with_capacity(events.len() + posts.len());
    let mut answers = Vec::with_capacity(events.len());
    for row in events {
        answers.push(plan(store, Queue::Events, row, &mut planned).reading()?);
    }
    plan_posts(store, posts, &mut planned)?;
    write_rows(store, planned, news)?;
    write_notifications(store, &notifications)?;
    write_touches(store, &touches)?;
    Ok(answers)
}

/// Plans rows of whatever queue; a repetition among them is left out.
pub(super) fn plan_posts(
    store: &mut Store,
    posts: Vec<(Queue, NewRow)>,
    planned: &mut Vec<Planned>,
) -> Result<(), Failed> {
    for (queue, row) in posts {
        let _new_or_known = plan(store, queue, row, planned).reading()?;
    }
    Ok(())
}

fn plan(store: &mut Store, queue: Queue, row: NewRow, planned: &mut Vec<Planned>) -> Result<Appended, Error> {
    if let Some(known) = repeated(store, queue, &row)? {
        return Ok(known);
    }
    if !row.keys.is_empty() && store.memory.keys.len() + row.keys.len() > store.limits.keys_in_memory {
        return Err(Error::Busy);
    }
    let sequence = store.memory.counters.next_sequence(queue);
    let first_key = store.memory.counters.keys + 1;
    for key in &row.keys {
        let known = KnownKey {
            number: store.memory.counters.next_key(),
            sequence,
            accepted_at: row.accepted_at,
            until: key.until,
            fingerprint: key.fingerprint,
        };
        store.memory.keys.add(KeyName { hash: key.hash, queue }, known);
    }
    let account = store.memory.accounts.id(&row.account);
    let id = EventId::new(row.accepted_at, 0, sequence);
    planned.push(Planned { queue, sequence, account, first_key, row });
    Ok(Appended::Accepted(id))
}

/// What the row repeats. A conflict under any of its keys outweighs a replay under another.
pub(super) fn repeated(store: &Store, queue: Queue, row: &NewRow) -> Result<Option<Appended>, Error> {
    let mut replay = None;
    for key in &row.keys {
        let name = KeyName { hash: key.hash, queue };
        let recent = store.memory.keys.get(&name).filter(|known| known.until > row.accepted_at).copied();
        let known = match recent {
            Some(known) => Some(known),
            None => store.index.key(&name, row.accepted_at)?,
        };
        let Some(known) = known else { continue };
        let id = EventId::new(known.accepted_at, 0, known.sequence);
        match known.meets(key, row.accepted_at) {
            Some(Repetition::Different) => return Ok(Some(Appended::Conflict(id))),
            Some(Repetition::Same) => replay = replay.or(Some(Appended::Replay(id))),
            None => {}
        }
    }
    Ok(replay)
}

pub(super) fn write_rows(
    store: &mut Store,
    planned: Vec<Planned>,
    news: &mut Vec<News>,
) -> Result<(), Failed> {
    store.write_accounts().writing()?;
    for Planned { queue, sequence, account, first_key, row } in planned {
        insert(&store.connection, sql(queue), (sequence, account), &row).doing("writing a row").writing()?;
        insert_keys(store, queue, sequence, first_key, &row).doing("writing a key").writing()?;
        store.memory.counters.open[queue.index()] += 1;
        announce(news, queue, fresh(queue, sequence, row), Weight::Droppable);
    }
    Ok(())
}

fn insert_keys(
    store: &Store,
    queue: Queue,
    sequence: Sequence,
    first_key: u64,
    row: &NewRow,
) -> rusqlite::Result<()> {
    for (key, number) in row.keys.iter().zip(first_key..) {
        let values = params![
            key_id(day_of(key.until), number),
            queue.index() as i64,
            signed(sequence),
            signed(row.accepted_at.as_millis()),
            signed(key.until.as_millis()),
            key.hash,
            key.fingerprint,
        ];
        let mut statement = store.connection.prepare_cached(
            "INSERT INTO keys (id, queue, sequence, accepted_at, until, hash, fingerprint, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        execute(&mut statement, KEYS, values)?;
    }
    Ok(())
}

fn fresh(queue: Queue, sequence: Sequence, row: NewRow) -> Fresh {
    let open = OpenRow {
        sequence,
        order: sequence,
        business: row.business,
        person_hash: 0,
        reference_hash: row.reference.as_ref().map_or(0, reference_hash),
        kind: row.kind,
        status: Status::Accepted,
        due: row.due,
        expires: row.expires,
        attempts: 0,
        unfinished: None,
        body_bytes: row.body.len(),
        lacks: queue == Queue::Events && format::lacks(row.kind, &row.body),
    };
    let row = Row {
        id: EventId::new(row.accepted_at, 0, sequence),
        account: row.account,
        business: row.business,
        person: row.person,
        kind: row.kind,
        reference: row.reference,
        expires: row.expires,
        body: row.body,
    };
    let (person_hash, person) = lane_hash(row.business, row.person);
    Fresh { open: OpenRow { person_hash, ..open }, row: Arc::new(Row { person, ..row }) }
}

/// The hash of business and person, and the person back; 0 without one.
pub(super) fn lane_hash(
    business: laneway_model::PhoneNumber,
    person: Option<laneway_model::Person>,
) -> (u64, Option<laneway_model::Person>) {
    match person {
        None => (0, None),
        Some(person) => {
            let key = LaneKey { business, person };
            (key.hash64(), Some(key.person))
        }
    }
}

/// Adds a row to the news, together with others of its queue that were committed just before it.
pub(super) fn announce(news: &mut Vec<News>, queue: Queue, row: Fresh, weight: Weight) {
    match news.last_mut() {
        Some(last) if last.queue == queue && last.weight == weight => last.rows.push(row),
        Some(_) | None => news.push(News { queue, rows: vec![row], weight }),
    }
}

fn write_notifications(store: &Store, notifications: &[RawNotification]) -> Result<(), Failed> {
    for RawNotification { app, received_at, signature, body } in notifications {
        store
            .connection
            .prepare_cached(
                "INSERT INTO notifications (received_at, app, signature, body, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut statement| {
                let received_at = signed(received_at.as_millis());
                let values = params![received_at, app.as_str(), signature, &**body];
                execute(&mut statement, NOTIFICATIONS, values)
            })
            .doing("writing a notification")
            .writing()?;
    }
    Ok(())
}

pub(super) fn write_touches(store: &mut Store, touches: &[ContactTouch]) -> Result<(), Failed> {
    for touch in touches {
        insert_touch(&store.connection, touch).doing("writing a touch").writing()?;
    }
    store.memory.counters.touches += touches.len() as u64;
    Ok(())
}
