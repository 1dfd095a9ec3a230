//! The checksum that every stored row carries.
//!
//! SQLite protects its log with checksums, but not its main file: what a disk changes there by itself would come back as
//! another status, another instant or another number. So the column `checksum` of every table is a hash of the table's
//! name and of all columns before it, apart from an id that SQLite gives. It is written with the row and compared
//! whenever the row is read. (The rows of the queues have two, see [`super::schema::Sql`]. A search that looks at one or
//! two columns of many rows compares nothing; what it finds is read then.)
//!
//! The hash has 32 bits, so it misses one change in four thousand million. It is no defence against somebody who means
//! to deceive. It costs at most five bytes a row, and processor time: in one sitting, accepting and settling took 4 %
//! more of it with a call for each row, and 20 % more with a call for a hundred.
//!
//! What it cannot notice is a row that is missing because the page in which it was has been damaged. Most of that SQLite
//! notices itself. Open rows, and rows that hold their lane, are counted when the file is opened. Everything else is found
//! by [`Reader::verify`](super::Reader::verify), which reads it all.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement, ToSql};

use super::failure::Context;
use crate::Error;

/// A checksum to which values are added in order, eight bytes at a time. A step loses nothing: two states that differ, or
/// two values, differ after it, too.
#[derive(Clone, Copy)]
pub(crate) struct Checksum(u64);

/// 2^64 divided by the golden ratio: an odd number whose bits are spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Checksum {
    /// The checksum of no value yet, for a row of this table.
    pub(crate) fn of(table: &str) -> Self {
        let mut checksum = Self(0);
        checksum.add_bytes(0, table.as_bytes());
        checksum
    }

    /// Adds a value. Its kind goes first, so that neither a missing number nor an empty text is like another value.
    pub(crate) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.mix(1),
            ValueRef::Integer(number) => {
                self.mix(2);
                self.mix(number.cast_unsigned());
            }
            ValueRef::Real(number) => {
                self.mix(3);
                self.mix(number.to_bits());
            }
            ValueRef::Text(text) => self.add_bytes(4, text),
            ValueRef::Blob(bytes) => self.add_bytes(5, bytes),
        }
    }

    fn add_bytes(&mut self, kind: u64, bytes: &[u8]) {
        self.mix(kind | (bytes.len() as u64) << 3);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last));
    }

    const fn mix(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(SPREAD);
        self.0 = mixed ^ mixed >> 32;
    }

    /// The checksum as it is stored: its lower half, with a sign, so that it never takes more than four bytes.
    pub(crate) const fn stored(self) -> i64 {
        self.0 as i32 as i64
    }

    /// Adds the row's columns from one to another.
    pub(crate) fn add_columns(
        &mut self,
        row: &Row<'_>,
        columns: std::ops::Range<usize>,
    ) -> rusqlite::Result<()> {
        for column in columns {
            self.add(row.get_ref(column)?);
        }
        Ok(())
    }

    /// Binds values to the parameters from that one on, and adds them.
    pub(crate) fn bind(
        &mut self,
        statement: &mut Statement<'_>,
        first: usize,
        values: &[&dyn ToSql],
    ) -> rusqlite::Result<()> {
        for (value, parameter) in values.iter().zip(first..) {
            let value = value.to_sql()?;
            match &value {
                ToSqlOutput::Borrowed(value) => self.add(*value),
                ToSqlOutput::Owned(value) => self.add(value.into()),
                _ => return Err(rusqlite::Error::InvalidParameterCount(parameter, values.len())),
            }
            statement.raw_bind_parameter(parameter, value)?;
        }
        Ok(())
    }
}

/// Writes a row of a table: the values of its columns, behind which comes their checksum as the last parameter.
pub(crate) fn execute(
    statement: &mut Statement<'_>,
    table: &str,
    values: &[&dyn ToSql],
) -> rusqlite::Result<usize> {
    let mut checksum = Checksum::of(table);
    checksum.bind(statement, 1, values)?;
    statement.raw_bind_parameter(values.len() + 1, checksum.stored())?;
    statement.raw_execute()
}

/// Compares a row of a table with its checksum, which follows so many columns.
pub(crate) fn check(row: &Row<'_>, table: &str, columns: usize) -> Result<(), Error> {
    let doing = "comparing a checksum";
    let mut checksum = Checksum::of(table);
    checksum.add_columns(row, 0..columns).doing(doing)?;
    let is_right = row.get_ref(columns).doing(doing)? == ValueRef::Integer(checksum.stored());
    if is_right { Ok(()) } else { Err(Error::damaged("a row does not agree with its checksum")) }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn every_change_of_a_value_is_noticed() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a ANY, b ANY, checksum INTEGER) STRICT").unwrap();
        let mut insert = connection.prepare("INSERT INTO t VALUES (?1, ?2, ?3)").unwrap();
        execute(&mut insert, "t", &[&"", &7]).unwrap();
        let checked = |table, change: &str| {
            connection.execute_batch("SAVEPOINT before").unwrap();
            connection.execute_batch(change).unwrap();
            let answer = connection.query_row("SELECT * FROM t", [], |row| Ok(check(row, table, 2)));
            connection.execute_batch("ROLLBACK TO before").unwrap();
            answer.unwrap().is_ok()
        };
        assert!(checked("t", ""));
        assert!(!checked("other", ""), "a row of another table");
        for change in [
            "a = NULL",
            "a = 0",
            "a = x''",
            "a = '7', b = NULL",
            "b = 8",
            "b = '7'",
            "checksum = 0",
            "checksum = NULL",
        ] {
            assert!(!checked("t", &format!("UPDATE t SET {change}")), "{change}");
        }
    }
}
