//! The tables of `journal.db`, and every statement over the tables that exist once per queue.

use crate::Queue;

/// Marks the file as Laneway's own: the letters `LNWJ`.
pub(crate) const APPLICATION_ID: i32 = 0x4c4e_574a;

/// The format of `journal.db`. It grows with every change that an older version cannot read.
pub(crate) const FORMAT: u32 = 1;

/// What exists once.
///
/// `counters` has one row; its numbers are the last ones given, and they never go back. A key's id is the day on which
/// it becomes free (see [`key_id`]) followed by its own number, so that keys are appended day by day and removed from
/// the front. In the columns called `person` a number stands for a phone number and a text for a business-scoped id.
pub(crate) const TABLES: &str = "
CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    events INTEGER NOT NULL, callbacks INTEGER NOT NULL, forwards INTEGER NOT NULL,
    events_calls INTEGER NOT NULL, callbacks_calls INTEGER NOT NULL, forwards_calls INTEGER NOT NULL,
    keys INTEGER NOT NULL, epoch INTEGER NOT NULL, store BLOB NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, randomblob(16));
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL, sequence INTEGER NOT NULL, accepted_at INTEGER NOT NULL, until INTEGER NOT NULL,
    hash BLOB NOT NULL, fingerprint BLOB
) STRICT;
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, app TEXT NOT NULL, signature TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE touches (id INTEGER PRIMARY KEY, person ANY NOT NULL, business INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX touches_person ON touches (person, business);
CREATE TABLE contacts (
    person ANY NOT NULL, business INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (person, business)
) STRICT, WITHOUT ROWID;
";

const DAY_MILLIS: u64 = 86_400_000;
const KEY_NUMBER_BITS: u32 = 40;
/// The last day there is, in the year 13454; keys that are never free are kept under it.
const DAY_MAX: u64 = (1 << 22) - 1;

/// The day on which something that is valid until `until` can be removed, counted from 1970.
pub(crate) fn day_of(until: laneway_model::Timestamp) -> u64 {
    (until.as_millis() / DAY_MILLIS).min(DAY_MAX)
}

/// The id of the key with this number that becomes free on this day.
pub(crate) fn key_id(day: u64, number: u64) -> i64 {
    signed(day << KEY_NUMBER_BITS | number)
}

/// The number within a key's id.
pub(crate) fn key_number(id: i64) -> u64 {
    unsigned(id) & ((1 << KEY_NUMBER_BITS) - 1)
}

/// The day within a key's id.
pub(crate) fn key_day(id: i64) -> u64 {
    unsigned(id) >> KEY_NUMBER_BITS
}

/// A number as SQLite stores it. All of ours have at most 63 bits; a larger one could only be asked for, never found.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number as it was before [`signed`].
pub(crate) fn unsigned(value: i64) -> u64 {
    value.cast_unsigned()
}

/// The statements of one queue.
///
/// A row's body is its last column, so that scans do not touch the pages on which long bodies overflow. `status < 10`
/// says [`laneway_model::Status::is_open`], and 14 and 15 are `Failed` and `InDoubt`: the statuses that are rare, and
/// looked for.
pub(crate) struct Sql {
    pub(crate) create: &'static str,
    pub(crate) insert: &'static str,
    pub(crate) state: &'static str,
    pub(crate) accepted_at: &'static str,
    pub(crate) change: &'static str,
    pub(crate) link: &'static str,
    pub(crate) requeue: &'static str,
    pub(crate) removable: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) open_count: &'static str,
    pub(crate) open_page: &'static str,
    pub(crate) people: &'static str,
    pub(crate) settled: &'static str,
    pub(crate) row: &'static str,
    pub(crate) scan_all: &'static str,
    pub(crate) scan_open: &'static str,
    pub(crate) scan_dead: &'static str,
    pub(crate) insert_call: &'static str,
    pub(crate) call: &'static str,
    pub(crate) end_call: &'static str,
    pub(crate) shrink_call: &'static str,
    pub(crate) remove_call: &'static str,
    pub(crate) unfinished: &'static str,
}

macro_rules! columns {
    () => {
        "sequence, place, account, business, person, kind, reference, accepted_at, status, updated_at, due, expires, \
         attempts, last_call, flags, superseded_by, reason, body"
    };
}

macro_rules! statements {
    ($queue:literal) => {
        Sql {
            create: concat!(
                "CREATE TABLE ", $queue, " (
                    sequence INTEGER PRIMARY KEY, place INTEGER NOT NULL, account INTEGER NOT NULL,
                    business INTEGER NOT NULL, person ANY, kind INTEGER NOT NULL, reference TEXT,
                    accepted_at INTEGER NOT NULL, status INTEGER NOT NULL, updated_at INTEGER NOT NULL,
                    due INTEGER NOT NULL, expires INTEGER NOT NULL, attempts INTEGER NOT NULL, last_call INTEGER,
                    flags INTEGER NOT NULL, superseded_by BLOB, reason TEXT, body BLOB NOT NULL
                ) STRICT;
                CREATE INDEX ", $queue, "_open ON ", $queue, " (sequence) WHERE status < 10;
                CREATE INDEX ", $queue, "_dead ON ", $queue, " (sequence) WHERE status IN (14, 15);
                CREATE TABLE ", $queue, "_calls (
                    id INTEGER PRIMARY KEY, started_at INTEGER NOT NULL, finished_at INTEGER, route INTEGER NOT NULL,
                    group_size INTEGER NOT NULL, http_status INTEGER, trace_id TEXT, members BLOB NOT NULL
                ) STRICT;
                CREATE INDEX ", $queue, "_unfinished ON ", $queue, "_calls (id) WHERE finished_at IS NULL;"
            ),
            insert: concat!(
                "INSERT INTO ", $queue, " (", columns!(), ")
                 VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?7, ?8, ?9, 0, NULL, 0, NULL, NULL, ?10)"
            ),
            state: concat!("SELECT status, attempts, last_call FROM ", $queue, " WHERE sequence = ?1"),
            accepted_at: concat!("SELECT accepted_at FROM ", $queue, " WHERE sequence = ?1"),
            change: concat!(
                "UPDATE ", $queue, " SET status = ?2, updated_at = ?3, due = ?4, attempts = ?5, last_call = ?6,
                 flags = flags | ?7, superseded_by = ?8, reason = ?9 WHERE sequence = ?1"
            ),
            link: concat!("UPDATE ", $queue, " SET attempts = ?2, last_call = ?3 WHERE sequence = ?1"),
            requeue: concat!(
                "UPDATE ", $queue, " SET place = ?2, status = 3, updated_at = ?3, due = ?3, expires = ?4,
                 superseded_by = NULL, reason = NULL WHERE sequence = ?1"
            ),
            removable: concat!(
                "SELECT status, last_call, updated_at, person, accepted_at FROM ", $queue, " WHERE sequence = ?1"
            ),
            remove: concat!("DELETE FROM ", $queue, " WHERE sequence = ?1"),
            open_count: concat!("SELECT count(*) FROM ", $queue, " INDEXED BY ", $queue, "_open WHERE status < 10"),
            open_page: concat!(
                "SELECT sequence, place, business, person, kind, status, due, expires, attempts, last_call
                 FROM ", $queue, " INDEXED BY ", $queue, "_open
                 WHERE status < 10 AND sequence > ?1 ORDER BY sequence LIMIT ?2"
            ),
            people: concat!(
                "SELECT sequence, person FROM ", $queue, " WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence DESC"
            ),
            settled: concat!(
                "SELECT sequence, status, updated_at, accepted_at FROM ", $queue,
                " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
            ),
            row: concat!("SELECT ", columns!(), " FROM ", $queue, " WHERE sequence = ?1"),
            scan_all: concat!(
                "SELECT ", columns!(), " FROM ", $queue, " WHERE sequence < ?1 ORDER BY sequence DESC"
            ),
            scan_open: concat!(
                "SELECT ", columns!(), " FROM ", $queue, " INDEXED BY ", $queue, "_open
                 WHERE status < 10 AND sequence < ?1 ORDER BY sequence DESC"
            ),
            scan_dead: concat!(
                "SELECT ", columns!(), " FROM ", $queue, " INDEXED BY ", $queue, "_dead
                 WHERE status IN (14, 15) AND sequence < ?1 ORDER BY sequence DESC"
            ),
            insert_call: concat!(
                "INSERT INTO ", $queue, "_calls (id, started_at, finished_at, route, group_size, http_status, trace_id,
                 members) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ),
            call: concat!(
                "SELECT started_at, finished_at, route, group_size, http_status, trace_id, members FROM ", $queue,
                "_calls WHERE id = ?1"
            ),
            end_call: concat!(
                "UPDATE ", $queue, "_calls SET finished_at = ?2, http_status = ?3, trace_id = ?4, members = ?5
                 WHERE id = ?1"
            ),
            shrink_call: concat!("UPDATE ", $queue, "_calls SET members = ?2 WHERE id = ?1"),
            remove_call: concat!("DELETE FROM ", $queue, "_calls WHERE id = ?1"),
            unfinished: concat!(
                "SELECT id FROM ", $queue, "_calls INDEXED BY ", $queue, "_unfinished WHERE finished_at IS NULL"
            ),
        }
    };
}

static SQL: [Sql; 3] = [statements!("events"), statements!("callbacks"), statements!("forwards")];

/// The statements of a queue.
pub(crate) fn sql(queue: Queue) -> &'static Sql {
    &SQL[queue.index()]
}

#[cfg(test)]
mod tests {
    use laneway_model::{Status, Timestamp};

    use super::*;

    #[test]
    fn the_statuses_written_into_statements_are_the_models() {
        for status in Status::ALL {
            assert_eq!(status.is_open(), status.code() < 10, "{status}");
        }
        let codes = [Status::Accepted, Status::Retrying, Status::Failed, Status::InDoubt].map(Status::code);
        assert_eq!(codes, [1, 3, 14, 15]);
    }

    #[test]
    fn each_queue_has_its_own_tables() {
        for queue in Queue::ALL {
            assert!(sql(queue).row.contains(&format!("FROM {} WHERE", queue.as_str())));
        }
    }

    #[test]
    fn a_keys_id_holds_its_day_and_its_number() {
        for (until, day) in [(0, 0), (DAY_MILLIS - 1, 0), (DAY_MILLIS, 1), (i64::MAX as u64, DAY_MAX)] {
            let id = key_id(day_of(Timestamp::from_millis(until)), 7);
            assert_eq!((key_day(id), key_number(id)), (day, 7), "{until}");
        }
    }
}
