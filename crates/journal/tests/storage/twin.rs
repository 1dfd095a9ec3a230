//! A store on a mounted disk, what it holds, and how it is compared with its twin.

use std::path::Path;

use laneway_journal::sqlite::step::apply;
use laneway_journal::sqlite::{Indexer, Store};
use laneway_journal::{Filter, OpenError, Queue};
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

/// Does what its name says: a failed sync is no reason to end the test.
pub(crate) fn note_nothing(_problem: &str) {}

/// Opens the store on a mounted disk.
pub(crate) fn open(mount: &Mount) -> Result<(Store, Indexer), OpenError> {
    let opened = Store::open(mount.path(), workload::limits(), note_nothing)?;
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

/// What an act answered, as a text; an error when the store itself failed.
pub(crate) fn perform(store: &mut Store, indexer: &mut Indexer, act: &Act) -> Result<String, String> {
    let failed = |problem: laneway_journal::Error| format!("{problem:?}");
    let answers = |store: &mut Store, ops| Ok(format!("{:?}", apply(store, ops).replies));
    match act {
        Act::Step(random, now) => {
            let ops = workload::ops(random.clone(), *now, store);
            answers(store, ops)
        }
        Act::Repeat(now) => answers(store, vec![workload::repetitions(*now)]),
        Act::Tidy => store.tidy().map(|()| String::new()).map_err(failed),
        Act::Index => indexer.catch_up().map(|()| String::new()).map_err(failed),
        Act::Checkpoint(mode) => store.checkpoint(*mode).map(|_| String::new()).map_err(failed),
    }
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
                "events, callbacks, forwards, events_calls, callbacks_calls, forwards_calls, keys"
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

/// What a reader is told, in one text: every queue's records, open rows and rows by person, and every contact.
pub(crate) fn told(store: &Store) -> Result<String, laneway_journal::Error> {
    let mut reader = store.reader()?;
    let mut told = Vec::new();
    for queue in Queue::ALL {
        told.push(format!("{:?}", reader.load_open(queue, 0, 1_000)?));
        told.push(format!("{:?}", reader.list(queue, &Filter::default(), None, 1_000)?.records));
        for person in workload::persons() {
            let filter = Filter { person: Some(person), ..Filter::default() };
            let found = reader.list(queue, &filter, None, 1_000)?.records;
            told.push(format!("{:?}", found.iter().map(|record| record.row.id).collect::<Vec<_>>()));
        }
    }
    for person in workload::persons() {
        told.push(format!("{:?}", reader.contact(workload::business(), &person)?));
    }
    Ok(told.join("\n"))
}
