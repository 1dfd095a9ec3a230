//! Reading everything, to find damage before it is met.

use super::checksum::check;
use super::failure::Context;
use super::index::PEOPLE;
use super::read::Reader;
use super::row::Stored;
use super::schema::{ACCOUNTS, CONTACTS, KEYS, NOTIFICATIONS, TOUCHES, sql};
use super::store::numbers;
use crate::{Error, Queue};

const DOING: &str = "verifying a file";

/// The statements that read each table which exists once, up to its checksum.
const JOURNAL: [(&str, &str); 5] = [
    (ACCOUNTS, "SELECT * FROM accounts"),
    (KEYS, "SELECT * FROM keys"),
    (NOTIFICATIONS, "SELECT received_at, app, signature, body, checksum FROM notifications"),
    (TOUCHES, "SELECT person, business, body, checksum FROM touches"),
    (CONTACTS, "SELECT * FROM contacts"),
];
const INDEX: [(&str, &str); 2] = [(KEYS, "SELECT * FROM keys"), (PEOPLE, "SELECT * FROM people")];

impl Reader {
    /// Reads both files from end to end: SQLite compares their pages and indexes with each other, and every row is
    /// compared with its checksum. It takes as long as reading the files takes, and keeps the log from starting over
    /// meanwhile.
    ///
    /// # Errors
    /// [`Error::Damaged`] if anything is not as it was written; if that is in the index, it is made anew at the next
    /// start. When SQLite fails.
    pub fn verify(&mut self) -> Result<(), Error> {
        self.snapshot(|reader| {
            numbers(&reader.connection)?;
            for queue in Queue::ALL {
                reader.verify_rows(queue)?;
            }
            verify(&reader.connection, &JOURNAL)
        })?;
        self.index.verified(|connection| verify(connection, &INDEX))
    }

    fn verify_rows(&self, queue: Queue) -> Result<(), Error> {
        let sql = sql(queue);
        let mut statement = self.connection.prepare_cached(sql.scan_all).doing(DOING)?;
        let mut rows = statement.query([i64::MAX]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            Stored::checked(row, sql)?.check()?;
        }
        verify_tables(&self.connection, &[(sql.calls, sql.all_calls)])
    }
}

fn verify(connection: &rusqlite::Connection, tables: &[(&str, &str)]) -> Result<(), Error> {
    let first: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).doing(DOING)?;
    if first != "ok" {
        return Err(Error::damaged("SQLite finds that its pages do not agree"));
    }
    verify_tables(connection, tables)
}

fn verify_tables(connection: &rusqlite::Connection, tables: &[(&str, &str)]) -> Result<(), Error> {
    for (table, statement) in tables {
        let mut statement = connection.prepare(statement).doing(DOING)?;
        let columns = statement.column_count() - 1;
        let mut rows = statement.query([]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            check(row, table, columns)?;
        }
    }
    Ok(())
}
