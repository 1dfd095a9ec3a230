//! The log of every Graph call. Tokens are removed before a call gets here.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::clock::Moment;
use crate::limits::{NOTED_CALLS_MAX, REQUEST_LOG_BYTES_MAX, REQUEST_LOG_CALLS_MAX};

/// The latest Graph calls, numbered from 1.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    calls: VecDeque<Arc<LoggedCall>>,
    /// How many calls there ever were, which is also the number of the latest.
    seen: u64,
    bytes: usize,
}

/// One Graph call and its answer.
#[derive(Clone, Debug)]
pub(crate) struct LoggedCall {
    /// When it came.
    pub(crate) at: Moment,
    /// The method.
    pub(crate) method: String,
    /// Path and query, without a token.
    pub(crate) path: String,
    /// The body, without a token.
    pub(crate) body: Bytes,
    /// The answer's HTTP status; `None` if the connection was cut instead.
    pub(crate) status: Option<u16>,
    /// The answer's body.
    pub(crate) answer: Bytes,
    /// The fault rules that struck the call.
    pub(crate) faults: Vec<u64>,
    /// The trace id of its answer, also where the connection was cut instead.
    pub(crate) trace: String,
    /// What the caller's own ids are for what it sent, where the caller has told.
    pub(crate) events: Vec<String>,
}

/// A call with its number, as the control surface shows it.
#[derive(Clone, Debug)]
pub(crate) struct RequestRow(u64, Arc<LoggedCall>);

impl RequestLog {
    /// An empty log that continues the numbering after `seen` calls.
    pub(crate) fn after(seen: u64) -> RequestLog {
        RequestLog { seen, ..RequestLog::default() }
    }

    /// How many calls there ever were.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Adds a call; the oldest make room.
    pub(crate) fn add(&mut self, call: LoggedCall) {
        self.seen += 1;
        self.bytes += call.bytes();
        self.calls.push_back(Arc::new(call));
        while self.calls.len() > REQUEST_LOG_CALLS_MAX || self.bytes > REQUEST_LOG_BYTES_MAX {
            let Some(oldest) = self.calls.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// Notes one of the caller's ids on the call with this trace id; `false` if it is not among the latest calls.
    pub(crate) fn note(&mut self, trace: &str, event: &str) -> bool {
        let latest = self.calls.iter_mut().rev().take(NOTED_CALLS_MAX);
        let Some(call) = latest.into_iter().find(|call| call.trace == trace) else { return false };
        Arc::make_mut(call).events.push(event.to_owned());
        true
    }

    /// Forgets the calls but not the numbering, so that no number appears twice.
    pub(crate) fn clear(&mut self) {
        *self = RequestLog::after(self.seen);
    }

    /// Continues after `seen` calls, unless there were more already.
    pub(crate) fn continue_after(&mut self, seen: u64) {
        if seen > self.seen {
            *self = RequestLog::after(seen);
        }
    }

    /// How many kept calls have a number above `since`.
    pub(crate) fn count_since(&self, since: u64) -> usize {
        let newer = usize::try_from(self.seen.saturating_sub(since)).unwrap_or(usize::MAX);
        newer.min(self.calls.len())
    }

    /// The kept calls with a number above `since`, oldest first.
    pub(crate) fn rows_since(&self, since: u64) -> Vec<RequestRow> {
        let count = self.count_since(since);
        let first = self.seen - count as u64 + 1;
        let calls = self.calls.iter().skip(self.calls.len() - count);
        calls.zip(first..).map(|(call, n)| RequestRow(n, Arc::clone(call))).collect()
    }
}

impl LoggedCall {
    fn bytes(&self) -> usize {
        self.path.len() + self.body.len() + self.answer.len()
    }
}

impl Serialize for RequestRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            n: u64,
            at: String,
            method: &'a str,
            path: &'a str,
            body: Option<Box<RawValue>>,
            status: Option<u16>,
            answer: Option<Box<RawValue>>,
            faults: &'a [u64],
            trace_id: &'a str,
            events: &'a [String],
        }
        let RequestRow(n, call) = self;
        Row {
            n: *n,
            at: call.at.to_string(),
            method: &call.method,
            path: &call.path,
            body: shown(&call.body).map_err(S::Error::custom)?,
            status: call.status,
            answer: shown(&call.answer).map_err(S::Error::custom)?,
            faults: &call.faults,
            trace_id: &call.trace,
            events: &call.events,
        }
        .serialize(serializer)
    }
}

/// JSON as it is, other text as a JSON string, nothing as null.
fn shown(bytes: &Bytes) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(bytes);
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(json) => Ok(Some(json.to_owned())),
        Err(_) => serde_json::value::to_raw_value(&text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str, body: &[u8]) -> LoggedCall {
        LoggedCall {
            at: Moment::default(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: Bytes::copy_from_slice(body),
            status: Some(200),
            answer: Bytes::from_static(br#"{"success":true}"#),
            faults: Vec::new(),
            trace: format!("A{path}"),
            events: Vec::new(),
        }
    }

    #[track_caller]
    fn check(log: &RequestLog, since: u64, expected: &[u64]) {
        let numbers: Vec<_> = log.rows_since(since).iter().map(|row| row.0).collect();
        assert_eq!(numbers, expected);
        assert_eq!(log.count_since(since), expected.len());
    }

    #[test]
    fn numbers_go_on_for_ever() {
        let mut log = RequestLog::after(7);
        check(&log, 0, &[]);
        log.add(call("/a", b""));
        log.add(call("/b", b""));
        check(&log, 0, &[8, 9]);
        check(&log, 8, &[9]);
        check(&log, 9, &[]);
        check(&log, 1_000, &[]);
        log.clear();
        check(&log, 0, &[]);
        log.add(call("/c", b""));
        check(&log, 0, &[10]);
        log.continue_after(5);
        check(&log, 0, &[10]);
        log.continue_after(20);
        log.add(call("/d", b""));
        check(&log, 0, &[21]);
    }

    #[test]
    fn the_oldest_calls_make_room() {
        let mut log = RequestLog::default();
        for _ in 0..REQUEST_LOG_CALLS_MAX + 5 {
            log.add(call("/a", b""));
        }
        assert_eq!(log.count_since(0), REQUEST_LOG_CALLS_MAX);
        assert_eq!(log.rows_since(0)[0].0, 6);

        let mut log = RequestLog::default();
        let large = vec![b' '; REQUEST_LOG_BYTES_MAX / 2];
        for _ in 0..3 {
            log.add(call("/a", &large));
        }
        check(&log, 0, &[3]);
    }

    #[test]
    fn a_note_finds_its_call_among_the_latest() {
        let mut log = RequestLog::default();
        log.add(call("/old", b""));
        for _ in 1..NOTED_CALLS_MAX {
            log.add(call("/other", b""));
        }
        log.add(call("/new", b""));
        let before = log.rows_since(0);
        assert!(log.note("A/new", "ev_1") && log.note("A/new", "ev_2"));
        assert!(!log.note("A/old", "ev_3") && !log.note("A/none", "ev_4"));
        let events = |rows: &[RequestRow]| rows.last().unwrap().1.events.clone();
        assert_eq!(events(&log.rows_since(0)), ["ev_1", "ev_2"]);
        assert!(events(&before).is_empty(), "rows that were handed out do not change");
    }

    #[test]
    fn bodies_are_shown_as_json_where_they_are_json() {
        let mut log = RequestLog::default();
        for body in [&b"{\"value\":12.60}"[..], b"a=1&b=2", b"", b"\xff"] {
            log.add(call("/a", body));
        }
        let shown: Vec<_> = log.rows_since(0).iter().map(|row| serde_json::to_string(row).unwrap()).collect();
        let row = |n: u64, body: &str| {
            format!(
                r#"{{"n":{n},"at":"1970-01-01T00:00:00.000Z","method":"POST","path":"/a","body":{body},"status":200,"answer":{{"success":true}},"faults":[],"trace_id":"A/a","events":[]}}"#
            )
        };
        let expected =
            [row(1, r#"{"value":12.60}"#), row(2, r#""a=1&b=2""#), row(3, "null"), row(4, "\"\u{fffd}\"")];
        assert_eq!(shown, expected);
    }
}
