//! Which notifications wait, when each is due, and what became of those that went.
//!
//! No input or output and no clock: times are the clock's monotonic ones, which move along when the clock is advanced.
//! Every number has a line of its own, in which one delivery is under way at a time. So notifications arrive in order
//! unless one fails, which steps aside for its pause, and a slow address holds up no other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use laneway_wire::graph::server::{Notification, notification_body};
use serde::Serialize;

use super::signature::signature;
use crate::clock::Moment;
use crate::limits::{
    WEBHOOK_HOLD, WEBHOOK_LOG_BYTES_MAX, WEBHOOK_LOG_MAX, WEBHOOK_RETRIES, WEBHOOKS_WAITING_MAX,
};
use crate::phone::Phone;
use crate::switches::Switches;
use crate::world::Notice;

/// All notifications, waiting and done.
#[derive(Default)]
pub(crate) struct Queue {
    last: u64,
    rows: BTreeMap<u64, Row>,
    /// The rows that are done, in the order of their end.
    done: VecDeque<u64>,
    /// Bytes of all bodies.
    bytes: usize,
    /// What waits in each number's line, by the number's id.
    lines: BTreeMap<String, Line>,
    room: Room,
}

/// How much it holds.
#[derive(Clone, Copy)]
struct Room {
    /// Notifications that wait.
    waiting: usize,
    /// Notifications altogether.
    rows: usize,
    /// Bytes of bodies, twice as many while they wait.
    bytes: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room { waiting: WEBHOOKS_WAITING_MAX, rows: WEBHOOK_LOG_MAX, bytes: WEBHOOK_LOG_BYTES_MAX }
    }
}

#[derive(Default)]
struct Line {
    due: BTreeSet<(Duration, u64)>,
    is_busy: bool,
    /// What is to share a body, and until when it waits for more.
    gathered: Vec<Notice>,
    gathered_until: Duration,
    /// What is to be overtaken by the next.
    held: Vec<u64>,
}

struct Row {
    number_id: String,
    number: Phone,
    url: String,
    body: Bytes,
    signature: String,
    state: State,
    attempts: Vec<Attempt>,
    /// How often its own turn failed; redeliveries by hand do not count.
    failures: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its time is known.
    Waiting(Duration),
    /// It is under way.
    Sending,
    Delivered,
    GivenUp,
    Dropped,
}

/// One delivery as the control surface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Attempt {
    /// When it ended.
    pub(crate) at: String,
    /// The answer's HTTP status, if one came.
    pub(crate) status: Option<u16>,
    /// Why none came.
    pub(crate) error: Option<String>,
}

/// A notification as the control surface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct WebhookRow {
    n: u64,
    number: String,
    url: String,
    /// The bytes that were signed.
    body: String,
    signature: String,
    state: &'static str,
    next_attempt_at: Option<String>,
    attempts: Vec<Attempt>,
}

/// What goes out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// The notification's number.
    pub(super) n: u64,
    /// Whose it is.
    pub(super) number_id: String,
    /// What is posted.
    pub(super) body: Bytes,
    /// The signature on it.
    pub(super) signature: String,
}

/// Why a notification cannot be delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedeliverError {
    /// There is none of that number, or no more.
    #[error("there is no notification {0}; GET /sandbox/webhooks lists those there are")]
    Unknown(u64),
    /// It was never made.
    #[error("notification {0} was dropped, since too many were waiting")]
    Dropped(u64),
    /// Nobody wants it.
    #[error("the number of notification {0} has no webhook any more")]
    NoWebhook(u64),
}

impl Queue {
    /// Takes up a notification.
    pub(crate) fn push(&mut self, notice: Notice, switches: Switches, now: Duration) {
        let size = usize::from(switches.webhook_batch.get());
        let line = self.lines.entry(notice.number_id.clone()).or_default();
        if line.gathered.is_empty() {
            line.gathered_until = now + WEBHOOK_HOLD;
        }
        line.gathered.push(notice);
        if line.gathered.len() >= size {
            let notices = std::mem::take(&mut line.gathered);
            self.add(&notices, switches, now);
        }
    }

    /// Makes one body of notifications of one number and puts it into the number's line.
    fn add(&mut self, notices: &[Notice], switches: Switches, now: Duration) {
        let Some(first) = notices.first() else { return };
        let all: Vec<Notification> = notices.iter().map(|notice| notice.notification.clone()).collect();
        let body = Bytes::from(notification_body(&all, switches.webhook_text.into()));
        let copies = if switches.webhook_duplicate { 2 } else { 1 };
        let numbers: Vec<u64> = (0..copies).filter_map(|_| self.add_row(first, body.clone(), now)).collect();
        let line = self.lines.entry(first.number_id.clone()).or_default();
        let at = |line: &mut Line, rows: &mut BTreeMap<u64, Row>, n: u64, due: Duration| {
            line.due.insert((due, n));
            if let Some(row) = rows.get_mut(&n) {
                row.state = State::Waiting(due);
            }
        };
        match (switches.webhook_disorder, std::mem::take(&mut line.held)) {
            (true, held) if held.is_empty() => {
                numbers.iter().for_each(|n| at(line, &mut self.rows, *n, now + WEBHOOK_HOLD));
                line.held = numbers;
            }
            (_, held) => {
                numbers.iter().for_each(|n| at(line, &mut self.rows, *n, now));
                line.due.retain(|(_, n)| !held.contains(n));
                // A moment later, so that they stand behind.
                held.iter().for_each(|n| at(line, &mut self.rows, *n, now + Duration::from_nanos(1)));
            }
        }
    }

    /// Adds a row that waits, or one that was dropped, and tells the number of the former.
    fn add_row(&mut self, notice: &Notice, body: Bytes, now: Duration) -> Option<u64> {
        let waiting = self.rows.len() - self.done.len();
        let is_full = waiting >= self.room.waiting || self.bytes + body.len() > self.room.bytes * 2;
        self.last += 1;
        let n = self.last;
        let (body, state) =
            if is_full { (Bytes::new(), State::Dropped) } else { (body, State::Waiting(now)) };
        self.bytes += body.len();
        let row = Row {
            number_id: notice.number_id.clone(),
            number: notice.number.clone(),
            url: notice.url.clone(),
            signature: if is_full { String::new() } else { signature(&notice.app_secret, &body) },
            body,
            state,
            attempts: Vec::new(),
            failures: 0,
        };
        self.rows.insert(n, row);
        if is_full {
            tracing::warn!(n, "a notification is dropped: too many wait for their address");
            self.finish(n);
        }
        (!is_full).then_some(n)
    }

    /// What goes out now, at most `free` of it.
    pub(super) fn next(&mut self, switches: Switches, now: Duration, free: usize) -> Vec<Delivery> {
        let is_due = |line: &Line| !line.gathered.is_empty() && line.gathered_until <= now;
        let ripe: Vec<String> =
            self.lines.iter().filter(|(_, line)| is_due(line)).map(|(id, _)| id.clone()).collect();
        for id in ripe {
            let notices = self.lines.get_mut(&id).map(|line| std::mem::take(&mut line.gathered));
            self.add(&notices.unwrap_or_default(), switches, now);
        }
        let mut deliveries = Vec::new();
        for (id, line) in &mut self.lines {
            if deliveries.len() >= free {
                break;
            }
            let first = line.due.first().copied().filter(|(due, _)| *due <= now && !line.is_busy);
            let Some((due, n)) = first else { continue };
            line.due.remove(&(due, n));
            line.held.retain(|held| *held != n);
            if let Some(row) = self.rows.get_mut(&n) {
                line.is_busy = true;
                row.state = State::Sending;
                deliveries.push(row.delivery(n, id));
            }
        }
        self.lines.retain(|_, line| line.is_busy || !line.due.is_empty() || !line.gathered.is_empty());
        deliveries
    }

    /// When there is something to do next.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let of_line = |line: &Line| {
            let first = line.due.first().map(|(due, _)| *due).filter(|_| !line.is_busy);
            let gathered = (!line.gathered.is_empty()).then_some(line.gathered_until);
            first.into_iter().chain(gathered).min()
        };
        self.lines.values().filter_map(of_line).min()
    }

    /// A delivery ended: at `url`, or nowhere since the number has no webhook any more.
    pub(super) fn ended(&mut self, delivery: &Delivery, url: Option<&str>, attempt: Attempt, now: Duration) {
        let Some(line) = self.lines.get_mut(&delivery.number_id) else { return };
        line.is_busy = false;
        let Some(row) = self.rows.get_mut(&delivery.n) else { return };
        let is_delivered = attempt.status == Some(200);
        row.attempts.push(attempt);
        if let Some(url) = url {
            row.url = url.to_owned();
        }
        if row.state != State::Sending {
            // Somebody had it redelivered meanwhile.
            return;
        }
        match WEBHOOK_RETRIES.get(row.failures) {
            _ if is_delivered => row.state = State::Delivered,
            Some(pause) if url.is_some() => {
                row.failures += 1;
                row.state = State::Waiting(now + *pause);
                line.due.insert((now + *pause, delivery.n));
                return;
            }
            Some(_) | None => row.state = State::GivenUp,
        }
        self.finish(delivery.n);
    }

    /// The notification of that number, to be delivered once more.
    ///
    /// # Errors
    /// [`RedeliverError`] if there is nothing to deliver.
    pub(super) fn again(&self, n: u64) -> Result<Delivery, RedeliverError> {
        let row = self.rows.get(&n).ok_or(RedeliverError::Unknown(n))?;
        match row.state {
            State::Dropped => Err(RedeliverError::Dropped(n)),
            State::Waiting(_) | State::Sending | State::Delivered | State::GivenUp => {
                Ok(row.delivery(n, &row.number_id))
            }
        }
    }

    /// A redelivery by hand ended. Its success ends the waiting; its failure changes nothing else.
    pub(super) fn redelivered(&mut self, n: u64, url: &str, attempt: Attempt) {
        let Some(row) = self.rows.get_mut(&n) else { return };
        let is_delivered = attempt.status == Some(200);
        row.attempts.push(attempt);
        row.url = url.to_owned();
        if !is_delivered {
            return;
        }
        let before = std::mem::replace(&mut row.state, State::Delivered);
        match before {
            State::Waiting(due) => {
                if let Some(line) = self.lines.get_mut(&row.number_id) {
                    line.due.remove(&(due, n));
                }
                self.finish(n);
            }
            State::Sending => self.finish(n),
            State::Delivered | State::GivenUp | State::Dropped => {}
        }
    }

    /// Forgets everything; numbers go on where they were.
    pub(crate) fn clear(&mut self) {
        *self = Queue { last: self.last, room: self.room, ..Queue::default() };
    }

    /// A row is done: it stays for looking at until there are too many.
    fn finish(&mut self, n: u64) {
        self.done.push_back(n);
        while self.rows.len() > self.room.rows || self.bytes > self.room.bytes {
            let Some(oldest) = self.done.pop_front() else { return };
            if let Some(row) = self.rows.remove(&oldest) {
                self.bytes -= row.body.len();
            }
        }
    }

    /// The notifications after `since`, of one business number or of all, that were tried at least once.
    pub(crate) fn tried_count(&self, since: u64, business: Option<&Phone>) -> usize {
        let is_tried = |row: &&Row| row.state == State::Dropped || !row.attempts.is_empty();
        self.chosen(since, business).map(|(_, row)| row).filter(is_tried).count()
    }

    /// The notifications after `since`, of one business number or of all, oldest first. `wall` tells the time of a
    /// monotonic instant.
    pub(crate) fn rows(
        &self,
        since: u64,
        business: Option<&Phone>,
        wall: impl Fn(Duration) -> Moment,
    ) -> Vec<WebhookRow> {
        self.chosen(since, business).map(|(n, row)| row.shown(*n, &wall)).collect()
    }

    /// One notification.
    pub(crate) fn row(&self, n: u64, wall: impl Fn(Duration) -> Moment) -> Option<WebhookRow> {
        self.rows.get(&n).map(|row| row.shown(n, &wall))
    }

    fn chosen<'a>(
        &'a self,
        since: u64,
        business: Option<&'a Phone>,
    ) -> impl Iterator<Item = (&'a u64, &'a Row)> {
        let is_of = move |row: &Row| business.is_none_or(|business| *business == row.number);
        self.rows.range(since.saturating_add(1)..).filter(move |(_, row)| is_of(row))
    }
}

impl Row {
    fn delivery(&self, n: u64, number_id: &str) -> Delivery {
        Delivery {
            n,
            number_id: number_id.to_owned(),
            body: self.body.clone(),
            signature: self.signature.clone(),
        }
    }

    fn shown(&self, n: u64, wall: &impl Fn(Duration) -> Moment) -> WebhookRow {
        let (state, next) = match self.state {
            State::Waiting(due) => ("waiting", Some(wall(due).to_string())),
            State::Sending => ("sending", None),
            State::Delivered => ("delivered", None),
            State::GivenUp => ("given_up", None),
            State::Dropped => ("dropped", None),
        };
        WebhookRow {
            n,
            number: self.number.to_string(),
            url: self.url.clone(),
            body: String::from_utf8_lossy(&self.body).into_owned(),
            signature: self.signature.clone(),
            state,
            next_attempt_at: next,
            attempts: self.attempts.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
