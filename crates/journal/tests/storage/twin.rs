//! A store on a mounted disk, what it holds, and how it is compared with its twin.

use std::cell::Cell;
use std::path::Path;

use laneway_journal::sqlite::step::{Reply, apply};
use laneway_journal::sqlite::{Indexer, Reader, Store};
use laneway_journal::{Error, Filter, OpenError, OpenPage, Queue, Record};
use laneway_model::{Contact, EventId};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::disk::{Image, Mount};
use super::workload::{self, Act};

/// A store and the disk below it.
pub(crate) struct Twin {
    // Closed before its directory goes.
    pub(crate) store: Store,
    pub(crate) indexer: Indexer,
    pub(crate) mount: Mount,
}

/// Every row of every table; what differs from opening to opening is left out.
pub(crate) type Content = Vec<(String, Vec<Value>)>;

thread_local! {
    static FATAL: Cell<u64> = const { Cell::new(0) };
}

fn note_fatal(_problem: &str) {
    FATAL.set(FATAL.get() + 1);
}

/// How often stores of this thread said since the last time that they can promise nothing any more.
pub(crate) fn fatal() -> u64 {
    FATAL.take()
}

/// The files of a store in which nothing is.
pub(crate) fn template() -> Image {
    let mount = Mount::new(&Image::new());
    drop(open(&mount).unwrap());
    mount.seen()
}

/// Opens the store on a mounted disk.
pub(crate) fn open(mount: &Mount) -> Result<(Store, Indexer), OpenError> {
    let opened = Store::open(mount.path(), workload::limits(), note_fatal)?;
    // Opening ends with a sync of the directory, which is not SQLite's and therefore not seen by the disk.
    mount.sync_names();
    Ok(opened)
}

impl Twin {
    pub(crate) fn new(image: &Image) -> Self {
        let mount = Mount::new(image);
        let (store, indexer) = open(&mount).unwrap();
        Self { store, indexer, mount }
    }
}

/// What an act answered: replies to operations, or that the store itself failed.
pub(crate) type Answer = Result<Vec<Result<Reply, Error>>, Error>;

pub(crate) fn perform(store: &mut Store, indexer: &mut Indexer, act: &Act) -> Answer {
    match act {
        Act::Step(random, now) => {
            let ops = workload::ops(random.clone(), *now, store);
            Ok(apply(store, ops).replies)
        }
        Act::Repeat(now) => Ok(apply(store, vec![workload::repetitions(*now)]).replies),
        Act::Tidy => store.tidy().map(|()| Vec::new()),
        Act::Index => indexer.catch_up().map(|()| Vec::new()),
        Act::Checkpoint(mode) => store.checkpoint(*mode).map(|_| Vec::new()),
    }
}

/// Whether both answered the same. Errors have no equality, but their texts do.
pub(crate) fn is_same(one: &Answer, other: &Answer) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

/// Everything that is stored in the journal.
pub(crate) fn content(directory: &Path) -> Result<Content, rusqlite::Error> {
    let connection = Connection::open(directory.join("journal.db"))?;
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut content = Vec::new();
    for table in tables {
        let columns = match table.as_str() {
            "counters" => {
                "events, callbacks, forwards, events_calls, callbacks_calls, forwards_calls, events_open,
                 callbacks_open, forwards_open, events_held, callbacks_held, forwards_held, keys"
            }
            _ => "*",
        };
        let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table}"))?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..width).map(|column| row.get(column)).collect::<Result<_, _>>()?;
            content.push((table.clone(), values));
        }
    }
    Ok(content)
}

/// What a reader is told.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) open: Vec<OpenPage>,
    pub(crate) records: Vec<Vec<Record>>,
    /// Those whose ends a person may change, oldest first.
    dead: Vec<Vec<Record>>,
    by_person: Vec<Vec<EventId>>,
    contacts: Vec<Option<Contact>>,
}

/// Asks for every queue's open rows, records, and records by person, and for every contact.
pub(crate) fn told(store: &Store) -> Result<Told, Error> {
    let mut reader = store.reader()?;
    let mut told = Told { open: vec![], records: vec![], dead: vec![], by_person: vec![], contacts: vec![] };
    for queue in Queue::ALL {
        told.open.push(reader.load_open(queue, 0, 1_000)?);
        told.records.push(reader.list(queue, &Filter::default(), None, 1_000)?.records);
        told.dead.push(dead(&mut reader, queue)?);
        for person in workload::persons() {
            let filter = Filter { person: Some(person), ..Filter::default() };
            let found = reader.list(queue, &filter, None, 1_000)?.records;
            told.by_person.push(found.iter().map(|record| record.row.id).collect());
        }
    }
    for person in workload::persons() {
        told.contacts.push(reader.contact(workload::business(), &person)?);
    }
    Ok(told)
}

/// What a list of all of them leads to, page by page.
fn dead(reader: &mut Reader, queue: Queue) -> Result<Vec<Record>, Error> {
    let filter = Filter { statuses: workload::DEAD.to_vec(), ..Filter::default() };
    let (mut dead, mut after) = (Vec::new(), None);
    loop {
        let page = reader.list_up(queue, &filter, after, 3)?;
        dead.extend(page.records);
        after = page.next;
        if after.is_none() {
            return Ok(dead);
        }
    }
}
