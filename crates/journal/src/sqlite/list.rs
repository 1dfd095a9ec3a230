//! Lists, newest or oldest first, and the searches behind removal. The work of one page is limited, so that a filter which
//! nothing passes cannot hold a reader for long.

use laneway_model::{AccountName, Person, Status, Timestamp};

use super::calls::Calls;
use super::checksum::check;
use super::failure::Context;
use super::read::Reader;
use super::row::{Stored, find, holds_lane, status};
use super::schema::{NOTIFICATIONS, signed, sql, unsigned};
use crate::{Error, Filter, Page, Queue, Sequence};

const DOING: &str = "listing rows";

/// Rows in which something may be found, and from where to go on; `None` when there is no more.
pub(crate) struct Candidates {
    pub(crate) found: Vec<Sequence>,
    pub(crate) next: Option<Sequence>,
    /// How many rows or index entries were looked at.
    pub(crate) examined: usize,
}

/// Rows that name a person, and from where to go on; `None` when there is no more.
pub(crate) struct Naming {
    pub(crate) found: Vec<Sequence>,
    /// How many of them are open.
    pub(crate) open: u64,
    pub(crate) next: Option<Sequence>,
}

/// The bytes of bodies from which on no further one is looked at in one go, so that no reader is held for long.
const BYTES_SEARCHED_MAX: usize = 32 << 20;

impl Reader {
    /// A page of records below `before`.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn list(
        &mut self,
        queue: Queue,
        filter: &Filter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, Error> {
        let before = before.unwrap_or(Sequence::MAX);
        self.passing(filter, |reader, passing| match &filter.person {
            Some(person) => reader.list_of_person(queue, person, passing, (before, limit.max(1))),
            None => reader.scan(queue, passing, Way::Down, (before, limit.max(1))),
        })
    }

    /// A page of records above `after`, oldest first. A person's are looked for among all that their statuses leave.
    ///
    /// # Errors
    /// When SQLite fails, or the file is damaged.
    pub fn list_up(
        &mut self,
        queue: Queue,
        filter: &Filter,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, Error> {
        let from = (after.unwrap_or(0), limit.max(1));
        self.passing(filter, |reader, passing| reader.scan(queue, passing, Way::Up, from))
    }

    /// Looks the filter's account up; an account without rows has an empty page.
    fn passing(
        &mut self,
        filter: &Filter,
        page: impl FnOnce(&mut Self, &Passing<'_>) -> Result<Page, Error>,
    ) -> Result<Page, Error> {
        self.snapshot(|reader| {
            let account = match &filter.account {
                None => None,
                Some(name) => match reader.accounts.id(&reader.connection, name)? {
                    Some(id) => Some(id),
                    None => return Ok(Page { records: Vec::new(), next: None }),
                },
            };
            page(reader, &Passing { filter, account })
        })
    }

    fn scan(
        &mut self,
        queue: Queue,
        passing: &Passing<'_>,
        way: Way,
        (from, limit): (Sequence, usize),
    ) -> Result<Page, Error> {
        let sql = sql(queue);
        let Self { connection, accounts, rows_examined_max, .. } = self;
        let scan = match (passing.narrowest(), way) {
            (Narrowest::All, Way::Down) => sql.scan_all,
            (Narrowest::Open, Way::Down) => sql.scan_open,
            (Narrowest::Dead, Way::Down) => sql.scan_dead,
            (Narrowest::All, Way::Up) => sql.climb_all,
            (Narrowest::Open, Way::Up) => sql.climb_open,
            (Narrowest::Dead, Way::Up) => sql.climb_dead,
        };
        let mut calls = Calls::new(connection, sql);
        let mut statement = connection.prepare_cached(scan).doing(DOING)?;
        let mut rows = statement.query([signed(from)]).doing(DOING)?;
        let mut page = Page { records: Vec::new(), next: None };
        let (mut examined, mut last) = (0, from);
        while let Some(row) = rows.next().doing(DOING)? {
            if page.records.len() == limit || examined == *rows_examined_max {
                page.next = Some(last);
                break;
            }
            let row = Stored::checked(row, sql)?;
            examined += 1;
            last = row.sequence()?;
            if passing.lets(&row)? {
                page.records.push(row.record(accounts, &mut calls, connection)?);
            }
        }
        Ok(page)
    }

    fn list_of_person(
        &mut self,
        queue: Queue,
        person: &Person,
        passing: &Passing<'_>,
        (before, limit): (Sequence, usize),
    ) -> Result<Page, Error> {
        let mut page = Page { records: Vec::new(), next: None };
        let (mut before, mut examined) = (before, 0);
        loop {
            let candidates = self.rows_of(queue, person, before, self.rows_examined_max.min(4 * limit))?;
            let Self { connection, accounts, .. } = self;
            let sql = sql(queue);
            let mut calls = Calls::new(connection, sql);
            for sequence in candidates.found {
                if page.records.len() == limit {
                    page.next = Some(before);
                    return Ok(page);
                }
                before = sequence;
                let record = find(connection, sql, sequence, |row| {
                    let passes = passing.lets(row)?;
                    passes.then(|| row.record(accounts, &mut calls, connection)).transpose()
                })?;
                page.records.extend(record.flatten());
            }
            examined += candidates.examined;
            let Some(next) = candidates.next else { return Ok(page) };
            if page.records.len() == limit || examined >= self.rows_examined_max {
                page.next = Some(next);
                return Ok(page);
            }
            before = next;
        }
    }

    /// Sequences of rows that are, or once were, about a person, newest first: first those that the index does not
    /// have yet, then those that it has.
    pub(crate) fn rows_of(
        &self,
        queue: Queue,
        person: &Person,
        before: Sequence,
        limit: usize,
    ) -> Result<Candidates, Error> {
        let indexed_to = self.index.progress().rows_to(queue);
        if before > indexed_to + 1 {
            let top = before.saturating_sub(1).min(self.last_sequence(queue)?);
            let bottom = indexed_to.max(top.saturating_sub(self.rows_examined_max as u64));
            let found = self.unindexed(queue, person, (bottom, top))?;
            let examined = top.saturating_sub(bottom) as usize;
            return Ok(Candidates { found, next: Some(bottom + 1), examined });
        }
        let found = self.index.rows_of(queue, person, before, limit)?;
        let next = if found.len() < limit { None } else { found.last().copied() };
        let examined = found.len();
        Ok(Candidates { found, next, examined })
    }

    fn unindexed(
        &self,
        queue: Queue,
        person: &Person,
        (after, to): (Sequence, Sequence),
    ) -> Result<Vec<Sequence>, Error> {
        let mut statement = self.connection.prepare_cached(sql(queue).people).doing(DOING)?;
        let mut rows = statement.query([signed(after), signed(to)]).doing(DOING)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().doing(DOING)? {
            let row = Stored::checked(row, sql(queue))?;
            row.check()?;
            if row.person()?.as_ref() == Some(person) {
                found.push(row.sequence()?);
            }
        }
        Ok(found)
    }

    /// Rows above `after` whose bodies name one of these words, accepted at that instant or before; only this account's, if
    /// one is named.
    pub(crate) fn rows_naming(
        &mut self,
        queue: Queue,
        words: &[String],
        (until, account): (Timestamp, Option<&AccountName>),
        after: Sequence,
    ) -> Result<Naming, Error> {
        let Self { connection, accounts, rows_examined_max, .. } = self;
        let mut naming = Naming { found: Vec::new(), open: 0, next: None };
        let account = match account {
            None => None,
            Some(name) => match accounts.id(connection, name)? {
                Some(id) => Some(id),
                None => return Ok(naming),
            },
        };
        let mut statement = connection.prepare_cached(sql(queue).climb_all).doing(DOING)?;
        let mut rows = statement.query([signed(after)]).doing(DOING)?;
        let (mut examined, mut bytes, mut last) = (0, 0, after);
        while let Some(row) = rows.next().doing(DOING)? {
            if examined == *rows_examined_max || bytes >= BYTES_SEARCHED_MAX {
                naming.next = Some(last);
                break;
            }
            let row = Stored::checked(row, sql(queue))?;
            last = row.sequence()?;
            let body = row.checked_body()?;
            (examined, bytes) = (examined + 1, bytes + body.len());
            let is_own = match account {
                Some(id) => row.account()? == id,
                None => true,
            };
            if is_own && row.accepted_at()? <= until && names_any(body, words) {
                naming.found.push(last);
                naming.open += u64::from(row.status()?.is_open());
            }
        }
        Ok(naming)
    }

    /// Final rows that hold no lane and have not changed since before that instant, oldest first, above `after`.
    ///
    /// The search ends where a whole page of rows was accepted later: rows are accepted about in the order of their
    /// sequences, and none is settled before it is accepted.
    pub(crate) fn settled_before(
        &self,
        queue: Queue,
        instant: Timestamp,
        after: Sequence,
        limit: usize,
    ) -> Result<Candidates, Error> {
        let mut statement = self.connection.prepare_cached(sql(queue).settled).doing(DOING)?;
        let mut rows = statement.query([signed(after), self.rows_examined_max as i64]).doing(DOING)?;
        let (mut found, mut next, mut is_old, mut examined) = (Vec::new(), None, false, 0);
        while let Some(row) = rows.next().doing(DOING)? {
            let at =
                |column| row.get(column).map(|millis| Timestamp::from_millis(unsigned(millis))).doing(DOING);
            let sequence = unsigned(row.get(0).doing(DOING)?);
            if found.len() == limit {
                break;
            }
            next = Some(sequence);
            examined += 1;
            is_old |= at(3)? < instant;
            let is_done =
                !status(row.get(1).doing(DOING)?)?.is_open() && !holds_lane(row.get(4).doing(DOING)?);
            if is_done && at(2)? < instant {
                found.push(sequence);
            }
        }
        Ok(Candidates { found, next: next.filter(|_| is_old), examined })
    }

    /// The lowest sequence that a queue still has, or the next one to be given.
    pub(crate) fn lowest(&self, queue: Queue) -> Result<Sequence, Error> {
        let mut statement = self.connection.prepare_cached(sql(queue).settled).doing(DOING)?;
        let mut rows = statement.query([-1_i64, 1]).doing(DOING)?;
        match rows.next().doing(DOING)? {
            Some(row) => row.get(0).map(unsigned).doing(DOING),
            None => Ok(self.last_sequence(queue)? + 1),
        }
    }

    /// Notifications received before that instant, oldest first. The search ends as in [`Reader::settled_before`].
    pub(crate) fn notifications_before(&self, instant: Timestamp, limit: usize) -> Result<Vec<i64>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, received_at FROM notifications ORDER BY id LIMIT ?1")
            .doing(DOING)?;
        let mut rows = statement.query([limit as i64]).doing(DOING)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().doing(DOING)? {
            if Timestamp::from_millis(unsigned(row.get(1).doing(DOING)?)) < instant {
                found.push(row.get(0).doing(DOING)?);
            }
        }
        Ok(found)
    }

    /// Notifications whose bytes name one of these words, received at that instant or before; with the place from
    /// which to go on.
    pub(crate) fn notifications_naming(
        &self,
        words: &[String],
        until: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, Option<i64>), Error> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT received_at, app, signature, body, checksum, id FROM notifications
                 WHERE id > ?1 ORDER BY id LIMIT ?2",
            )
            .doing(DOING)?;
        let mut rows = statement.query([after, limit as i64]).doing(DOING)?;
        let (mut found, mut next, mut bytes) = (Vec::new(), None, 0);
        while bytes < BYTES_SEARCHED_MAX
            && let Some(row) = rows.next().doing(DOING)?
        {
            check(row, NOTIFICATIONS, 4)?;
            let id = row.get(5).doing(DOING)?;
            next = Some(id);
            let received_at = Timestamp::from_millis(unsigned(row.get(0).doing(DOING)?));
            let body = row.get_ref(3).doing(DOING)?.as_bytes().unwrap_or_default();
            bytes += body.len();
            if received_at <= until && names_any(body, words) {
                found.push(id);
            }
        }
        Ok((found, next))
    }
}

/// Whether one of the words stands somewhere in the text by itself, not as a part of a longer one. The text may be long, so it
/// is gone through once, whatever the number of words.
fn names_any(text: &[u8], words: &[String]) -> bool {
    let is_free = |at: usize| text.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let ends_word = |end: usize| {
        words.iter().any(|word| {
            text[..end].ends_with(word.as_bytes()) && end.checked_sub(word.len() + 1).is_none_or(is_free)
        })
    };
    (1..=text.len()).any(|end| is_free(end) && !is_free(end - 1) && ends_word(end))
}

/// The way through a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Newest first.
    Down,
    /// Oldest first.
    Up,
}

/// A filter, its account looked up.
struct Passing<'a> {
    filter: &'a Filter,
    account: Option<i64>,
}

/// The index that has all rows which may pass, and the fewest others.
#[derive(Debug, PartialEq, Eq)]
enum Narrowest {
    All,
    Open,
    Dead,
}

impl Passing<'_> {
    fn narrowest(&self) -> Narrowest {
        let statuses = &self.filter.statuses;
        if statuses.is_empty() {
            Narrowest::All
        } else if statuses.iter().all(|status| status.is_open()) {
            Narrowest::Open
        } else if statuses.iter().all(|status| matches!(status, Status::Failed | Status::InDoubt)) {
            Narrowest::Dead
        } else {
            Narrowest::All
        }
    }

    fn lets(&self, row: &Stored<'_>) -> Result<bool, Error> {
        let Filter { account: _, statuses, kinds, business, person, reference, since, until } = self.filter;
        let accepted_at = row.accepted_at()?;
        Ok(match self.account {
            None => true,
            Some(account) => account == row.account()?,
        } && (statuses.is_empty() || shows(statuses, row.status()?))
            && (kinds.is_empty() || kinds.contains(&row.kind()?))
            && since.is_none_or(|since| since <= accepted_at)
            && until.is_none_or(|until| accepted_at < until)
            && match business {
                None => true,
                Some(business) => *business == row.business()?,
            }
            && match person {
                None => true,
                Some(_) => *person == row.person()?,
            }
            && match reference {
                None => true,
                Some(reference) => row.has_reference(reference)?,
            })
    }
}

fn shows(statuses: &[Status], status: Status) -> bool {
    statuses.contains(&status) || (status.is_open() && statuses.contains(&Status::Sending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_only_by_itself() {
        for (text, expected) in [
            (r#"{"wa_id":"316012345678"}"#, true),
            ("316012345678", true),
            ("+316012345678,", true),
            ("1316012345678", false),
            ("3160123456789", false),
            ("1316012345678 316012345678", true),
            ("31601234567", false),
            ("00316012345678", false),
            (r#""user_id":"US.ENT.1a""#, true),
            ("US.ENT.1a", true),
            ("AUS.ENT.1a", false),
            ("US.ENT.1ab", false),
            ("ENT.1a", false),
            ("", false),
        ] {
            let words = ["316012345678".to_owned(), "US.ENT.1a".to_owned()];
            assert_eq!(names_any(text.as_bytes(), &words), expected, "{text}");
        }
    }

    #[test]
    fn the_narrowest_index_that_has_everything_is_taken() {
        for (statuses, expected) in [
            (vec![], Narrowest::All),
            (vec![Status::Accepted, Status::Sending], Narrowest::Open),
            (vec![Status::Failed, Status::InDoubt], Narrowest::Dead),
            (vec![Status::Failed, Status::Retrying], Narrowest::All),
            (vec![Status::Confirmed], Narrowest::All),
        ] {
            let filter = Filter { statuses, ..Filter::default() };
            assert_eq!(Passing { filter: &filter, account: None }.narrowest(), expected, "{filter:?}");
        }
    }
}
