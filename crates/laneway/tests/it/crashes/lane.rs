//! Whether the calls about one person follow the order of the person's events.

use serde_json::Value;

/// What is done to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Block,
    UnBlock,
}

/// An event of the lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) verb: Verb,
    /// Whether some call must have carried it. One that was superseded may have been carried by a call whose answer was
    /// lost in a crash.
    pub(super) is_confirmed: bool,
}

impl Verb {
    /// What a call did to this person, if it was about them.
    pub(super) fn of(call: &Value, user: &str) -> Option<Self> {
        let users = call["body"]["block_users"].as_array()?;
        let digits = |text: &str| text.trim_start_matches('+').to_owned();
        let is_of_user =
            |row: &Value| row["user"].as_str().is_some_and(|named| digits(named) == digits(user));
        users.iter().any(is_of_user).then(|| match call["method"].as_str() {
            Some("POST") => Self::Block,
            Some("DELETE") => Self::UnBlock,
            _ => panic!("a call of no known kind: {call}"),
        })
    }
}

impl Event {
    pub(super) fn of(event: &Value) -> Self {
        let verb = match event["type"].as_str() {
            Some("Block") => Verb::Block,
            Some("UnBlock") => Verb::UnBlock,
            _ => panic!("{event} is of no lane"),
        };
        Self { verb, is_confirmed: event["status"] == "confirmed" }
    }
}

/// The first call that cannot be explained by sending the events in their order, some of them more than once; the number
/// of calls if some event that must have been sent comes after all of them.
///
/// A call does not name its event, so all explanations are followed at once: `current` holds every event that the latest
/// call may have been about.
pub(super) fn first_out_of_order(events: &[Event], calls: &[Verb]) -> Option<usize> {
    let mut current: Vec<Option<usize>> = vec![None];
    for (n, verb) in calls.iter().enumerate() {
        let mut next: Vec<Option<usize>> = Vec::new();
        for at in current {
            let again = at.into_iter().filter(|at| events[*at].verb == *verb);
            let later = reachable(events, at).filter(|at| events[*at].verb == *verb);
            next.extend(again.chain(later).map(Some));
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return Some(n);
        }
        current = next;
    }
    let is_explained = current.into_iter().any(|at| {
        let rest = at.map_or(0, |at| at + 1);
        events[rest..].iter().all(|event| !event.is_confirmed)
    });
    (!is_explained).then_some(calls.len())
}

/// The events that may be sent next: all up to the first that must be sent.
fn reachable(events: &[Event], at: Option<usize>) -> impl Iterator<Item = usize> {
    let first = at.map_or(0, |at| at + 1);
    let must = (first..events.len()).find(|at| events[*at].is_confirmed);
    first..must.map_or(events.len(), |must| must + 1)
}

#[test]
fn orders() {
    // Capitals are confirmed, small letters superseded.
    let verb = |letter: char| if letter.eq_ignore_ascii_case(&'b') { Verb::Block } else { Verb::UnBlock };
    let check = |events: &str, calls: &str, expected: Option<usize>| {
        let lane = events.chars().map(|c| Event { verb: verb(c), is_confirmed: c.is_uppercase() });
        let calls: Vec<Verb> = calls.chars().map(verb).collect();
        assert_eq!(first_out_of_order(&lane.collect::<Vec<_>>(), &calls), expected, "{calls:?} for {events}");
    };
    check("", "", None);
    check("BUBU", "bubu", None);
    check("BUBU", "bbuubu", None);
    check("BUBU", "bbuu", Some(4));
    check("BUBU", "buub", Some(4));
    check("BUBU", "ub", Some(0));
    check("BUB", "bub", None);
    check("BUB", "bu", Some(2));
    check("BUB", "bubu", Some(3));
    check("buB", "b", None);
    check("buB", "ub", None);
    check("buB", "u", Some(1));
    check("Bub", "b", None);
    check("Bub", "bub", None);
    check("Bub", "ubu", Some(0));
    check("", "b", Some(0));
}
