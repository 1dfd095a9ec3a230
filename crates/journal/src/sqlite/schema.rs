//! The tables of `journal.db`, and every statement over the tables that exist once per queue.

use rusqlite::Connection;

use crate::Queue;

/// Marks the file as Laneway's own: the letters `LNWJ`.
pub(crate) const APPLICATION_ID: i32 = 0x4c4e_574a;

/// The format of `journal.db`. It grows with every change that an older version cannot read. Formats 1 (without checksums)
/// and 2 (without counts of open rows) were in no release; nothing converts them.
pub(crate) const FORMAT: u32 = 3;

/// What exists once. Every table ends with its rows' checksums ([`super::checksum`]).
///
/// `counters` has one row: the last numbers given, which never go back, and how many rows are open and how many hold their
/// lane, so that none of them can be missing unnoticed. A key's id is the day on which
/// it becomes free (see [`key_id`]) followed by its own number, so that keys are appended day by day and removed from
/// the front. In the columns called `person` a number stands for a phone number and a text for a business-scoped id.
const TABLES: &str = "
CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    events INTEGER NOT NULL, callbacks INTEGER NOT NULL, forwards INTEGER NOT NULL,
    events_calls INTEGER NOT NULL, callbacks_calls INTEGER NOT NULL, forwards_calls INTEGER NOT NULL,
    events_open INTEGER NOT NULL, callbacks_open INTEGER NOT NULL, forwards_open INTEGER NOT NULL,
    events_held INTEGER NOT NULL, callbacks_held INTEGER NOT NULL, forwards_held INTEGER NOT NULL,
    keys INTEGER NOT NULL, epoch INTEGER NOT NULL, store BLOB NOT NULL, checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL, sequence INTEGER NOT NULL, accepted_at INTEGER NOT NULL, until INTEGER NOT NULL,
    hash BLOB NOT NULL, fingerprint BLOB, checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, app TEXT NOT NULL, signature TEXT NOT NULL,
    body BLOB NOT NULL, checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE touches (
    id INTEGER PRIMARY KEY, person ANY NOT NULL, business INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL
) STRICT;
CREATE INDEX touches_person ON touches (person, business);
CREATE TABLE contacts (
    person ANY NOT NULL, business INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (person, business)
) STRICT, WITHOUT ROWID;
";

/// The names of the tables that exist once, for checksums.
pub(crate) const COUNTERS: &str = "counters";
pub(crate) const ACCOUNTS: &str = "accounts";
pub(crate) const KEYS: &str = "keys";
pub(crate) const NOTIFICATIONS: &str = "notifications";
pub(crate) const TOUCHES: &str = "touches";
pub(crate) const CONTACTS: &str = "contacts";

/// Everything that makes the tables.
pub(crate) fn script() -> String {
    let queues = Queue::ALL.map(|queue| sql(queue).create);
    std::iter::once(TABLES).chain(queues).collect()
}

/// Whether the tables are those which the script makes, word for word: in a damaged file an index may have lost its
/// condition, and would then find something else than it should.
pub(crate) fn is_as_made(connection: &Connection, script: &str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut found: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut made: Vec<&str> = script.split(';').map(str::trim).filter(|text| !text.is_empty()).collect();
    found.sort_unstable();
    made.sort_unstable();
    Ok(found == made)
}

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
/// A row's body is its last column, so that a look at its state does not touch the pages on which long bodies overflow.
/// `content` is the
/// checksum of the body and of everything before `content`, none of which changes but for a body that lacked something;
/// `checksum` is that of `content` and of what changes, so that a change needs to read nothing else.
///
/// `status < 10`
/// says [`laneway_model::Status::is_open`], and 14 and 15 are `Failed` and `InDoubt`: the statuses that are rare, and
/// looked for. `flags >= 2` says that a final row holds its lane.
pub(crate) struct Sql {
    /// The names of the tables, for checksums.
    pub(crate) rows: &'static str,
    pub(crate) calls: &'static str,
    pub(crate) create: &'static str,
    pub(crate) insert: &'static str,
    pub(crate) state: &'static str,
    pub(crate) change: &'static str,
    pub(crate) link: &'static str,
    pub(crate) complete: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) open_count: &'static str,
    pub(crate) held_count: &'static str,
    pub(crate) open_page: &'static str,
    pub(crate) open_ahead: &'static str,
    pub(crate) held_page: &'static str,
    pub(crate) people: &'static str,
    pub(crate) settled: &'static str,
    pub(crate) row: &'static str,
    pub(crate) scan_all: &'static str,
    pub(crate) scan_open: &'static str,
    pub(crate) scan_dead: &'static str,
    pub(crate) climb_all: &'static str,
    pub(crate) climb_open: &'static str,
    pub(crate) climb_dead: &'static str,
    pub(crate) insert_call: &'static str,
    pub(crate) call: &'static str,
    pub(crate) all_calls: &'static str,
    pub(crate) change_call: &'static str,
    pub(crate) remove_call: &'static str,
    pub(crate) unfinished: &'static str,
}

macro_rules! state {
    () => {
        "content, place, status, updated_at, due, expires, attempts, last_call, flags, superseded_by, reason, checksum"
    };
}

macro_rules! whole {
    () => {
        concat!("sequence, account, business, person, kind, reference, accepted_at, ", state!(), ", body")
    };
}

macro_rules! call {
    () => {
        "id, started_at, finished_at, route, group_size, http_status, trace_id, members, checksum"
    };
}

macro_rules! statements {
    ($queue:literal) => {
        Sql {
            rows: $queue,
            calls: concat!($queue, "_calls"),
            create: concat!(
                "CREATE TABLE ", $queue, " (
                    sequence INTEGER PRIMARY KEY, account INTEGER NOT NULL, business INTEGER NOT NULL, person ANY,
                    kind INTEGER NOT NULL, reference TEXT, accepted_at INTEGER NOT NULL, content INTEGER NOT NULL,
                    place INTEGER NOT NULL, status INTEGER NOT NULL, updated_at INTEGER NOT NULL,
                    due INTEGER NOT NULL, expires INTEGER NOT NULL, attempts INTEGER NOT NULL, last_call INTEGER,
                    flags INTEGER NOT NULL, superseded_by BLOB, reason TEXT, checksum INTEGER NOT NULL,
                    body BLOB NOT NULL
                ) STRICT;
                CREATE INDEX ", $queue, "_open ON ", $queue, " (sequence) WHERE status < 10;
                CREATE INDEX ", $queue, "_dead ON ", $queue, " (sequence) WHERE status IN (14, 15);
                CREATE INDEX ", $queue, "_held ON ", $queue, " (sequence) WHERE flags >= 2;
                CREATE TABLE ", $queue, "_calls (
                    id INTEGER PRIMARY KEY, started_at INTEGER NOT NULL, finished_at INTEGER, route INTEGER NOT NULL,
                    group_size INTEGER NOT NULL, http_status INTEGER, trace_id TEXT, members BLOB NOT NULL,
                    checksum INTEGER NOT NULL
                ) STRICT;
                CREATE INDEX ", $queue, "_unfinished ON ", $queue, "_calls (id) WHERE finished_at IS NULL;
                "
            ),
            insert: concat!(
                "INSERT INTO ", $queue, " (", whole!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                 ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
            ),
            state: concat!("SELECT ", state!(), " FROM ", $queue, " WHERE sequence = ?1"),
            change: concat!(
                "UPDATE ", $queue, " SET place = ?1, status = ?2, updated_at = ?3, due = ?4, expires = ?5, attempts = ?6,
                 last_call = ?7, flags = ?8, superseded_by = ?9, reason = ?10, checksum = ?11 WHERE sequence = ?12"
            ),
            link: concat!(
                "UPDATE ", $queue, " SET attempts = ?1, last_call = ?2, checksum = ?3 WHERE sequence = ?4"
            ),
            complete: concat!(
                "UPDATE ", $queue, " SET content = ?1, due = ?2, checksum = ?3, body = ?4 WHERE sequence = ?5"
            ),
            remove: concat!("DELETE FROM ", $queue, " WHERE sequence = ?1"),
            open_count: concat!("SELECT count(*) FROM ", $queue, " INDEXED BY ", $queue, "_open WHERE status < 10"),
            held_count: concat!("SELECT count(*) FROM ", $queue, " INDEXED BY ", $queue, "_held WHERE flags >= 2"),
            open_page: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " INDEXED BY ", $queue, "_open
                 WHERE status < 10 AND sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3"
            ),
            open_ahead: concat!(
                "SELECT sequence FROM ", $queue, " INDEXED BY ", $queue, "_open
                 WHERE status < 10 AND sequence > ?1 ORDER BY sequence LIMIT 1 OFFSET ?2 - 1"
            ),
            held_page: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " INDEXED BY ", $queue, "_held
                 WHERE flags >= 2 AND sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3"
            ),
            people: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence DESC"
            ),
            settled: concat!(
                "SELECT sequence, status, updated_at, accepted_at, flags FROM ", $queue,
                " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
            ),
            row: concat!("SELECT ", whole!(), " FROM ", $queue, " WHERE sequence = ?1"),
            scan_all: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " WHERE sequence < ?1 ORDER BY sequence DESC"
            ),
            scan_open: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " INDEXED BY ", $queue, "_open
                 WHERE status < 10 AND sequence < ?1 ORDER BY sequence DESC"
            ),
            scan_dead: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " INDEXED BY ", $queue, "_dead
                 WHERE status IN (14, 15) AND sequence < ?1 ORDER BY sequence DESC"
            ),
            climb_all: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " WHERE sequence > ?1 ORDER BY sequence"
            ),
            climb_open: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " INDEXED BY ", $queue, "_open
                 WHERE status < 10 AND sequence > ?1 ORDER BY sequence"
            ),
            climb_dead: concat!(
                "SELECT ", whole!(), " FROM ", $queue, " INDEXED BY ", $queue, "_dead
                 WHERE status IN (14, 15) AND sequence > ?1 ORDER BY sequence"
            ),
            insert_call: concat!(
                "INSERT INTO ", $queue, "_calls (", call!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            ),
            call: concat!("SELECT ", call!(), " FROM ", $queue, "_calls WHERE id = ?1"),
            all_calls: concat!("SELECT ", call!(), " FROM ", $queue, "_calls"),
            change_call: concat!(
                "UPDATE ", $queue, "_calls SET started_at = ?2, finished_at = ?3, route = ?4, group_size = ?5,
                 http_status = ?6, trace_id = ?7, members = ?8, checksum = ?9 WHERE id = ?1"
            ),
            remove_call: concat!("DELETE FROM ", $queue, "_calls WHERE id = ?1"),
            unfinished: concat!(
                "SELECT ", call!(), " FROM ", $queue, "_calls INDEXED BY ", $queue, "_unfinished
                 WHERE finished_at IS NULL"
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
