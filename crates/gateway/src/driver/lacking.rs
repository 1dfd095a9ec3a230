//! Conversions that wait for their click ids: whose they are, and the search.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use laneway_engine::{Control, Entry, Input};
use laneway_journal::{Completion, Error, Journal, Lease, NewRow, Queue, Row, Sequence};
use laneway_model::{Action, ClickId, Event, Timestamp};

use super::handle::Shared;
use super::{Done, Driver, durably, report_to};
use crate::accept::Told;
use crate::config::Rules;
use crate::contacts;

/// The events that wait for a click id, each with the hash of its business number and user.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    lane_of: BTreeMap<Sequence, u64>,
    of_lane: BTreeSet<(u64, Sequence)>,
}

impl Lacking {
    fn insert(&mut self, shared: &Shared, sequence: Sequence, lane: u64) {
        self.lane_of.insert(sequence, lane);
        self.of_lane.insert((lane, sequence));
        shared.lacking.store(self.lane_of.len(), Ordering::SeqCst);
    }

    pub(super) fn remove(&mut self, shared: &Shared, sequence: Sequence) {
        if let Some(lane) = self.lane_of.remove(&sequence) {
            self.of_lane.remove(&(lane, sequence));
            shared.lacking.store(self.lane_of.len(), Ordering::SeqCst);
        }
    }

    fn of(&self, lane: u64) -> impl Iterator<Item = Sequence> {
        self.of_lane.range((lane, 0)..=(lane, Sequence::MAX)).map(|(_, sequence)| *sequence)
    }
}

/// What a search came to.
struct Sought {
    completions: Vec<Completion>,
    found: Vec<Sequence>,
    unknown: Vec<Sequence>,
}

impl Driver {
    /// Remembers who lacks something. It is said before the engine asks for the search, so that a click that is committed
    /// after that search is told.
    pub(super) fn note_lacking(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.lacks && !entry.holds_lane) {
            self.lacking.insert(&self.shared, entry.sequence, entry.person_hash);
        }
    }

    /// A click of these users may be known now.
    pub(super) fn seek_again(&mut self, lanes: &[u64]) {
        let waiting: BTreeSet<_> = lanes.iter().flat_map(|lane| self.lacking.of(*lane)).collect();
        if !waiting.is_empty() {
            self.tell(Input::Control(Control::Seek(waiting.into_iter().collect())));
        }
    }

    /// Looks for the click ids of these events, and commits those that are known, before the engine hears of them.
    pub(super) fn seek(&self, events: Vec<Sequence>) {
        let (journal, lease, done) = (self.journal.clone(), self.lease, self.done.clone());
        let (rules, now) = (self.config.borrow().rules, self.clock.wall());
        self.tasks.spawn(async move {
            let look = || seek(&journal, lease, (&rules, now), &events);
            let report = durably::until_done("looking for click ids", look).await;
            report_to(&done, report.unwrap_or_else(Done::Lost)).await;
        });
    }
}

async fn seek(
    journal: &Journal,
    lease: Lease,
    (rules, now): (&Rules, Timestamp),
    events: &[Sequence],
) -> Result<Done, Error> {
    let mut sought = Sought { completions: Vec::new(), found: Vec::new(), unknown: Vec::new() };
    for row in journal.rows(Queue::Events, events).await? {
        look(journal, (rules, now), &row, &mut sought).await?;
    }
    let Sought { completions, mut found, unknown } = sought;
    if !completions.is_empty() {
        found.extend(journal.complete(lease, completions, now).await?);
    }
    let known: BTreeSet<_> = found.iter().chain(&unknown).copied().collect();
    let gone = events.iter().copied().filter(|sequence| !known.contains(sequence)).collect();
    Ok(Done::Sought { found, unknown, gone })
}

async fn look(
    journal: &Journal,
    (rules, now): (&Rules, Timestamp),
    row: &Row,
    sought: &mut Sought,
) -> Result<(), Error> {
    let sequence = row.id.sequence();
    // What cannot be read lacks nothing that could be found; whoever sends it says what is wrong with it.
    let (Ok(event), Some(person)) = (row.event(), &row.person) else {
        sought.found.push(sequence);
        return Ok(());
    };
    if !lacks_click(&event) {
        sought.found.push(sequence);
        return Ok(());
    }
    let contact = contacts::known(journal, row.business, person).await?;
    let told = Told { contact, heard: None };
    match told.click(rules, now) {
        Some(click) => {
            let click = ClickId { value: click.id.clone(), captured: true };
            sought.completions.push(Completion { sequence, body: completed(event, click, row.expires) });
        }
        None => sought.unknown.push(sequence),
    }
    Ok(())
}

fn lacks_click(event: &Event) -> bool {
    match &event.action {
        Action::Conversion(conversion) => conversion.click.is_none(),
        Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => false,
    }
}

/// The body of the event with its click id.
fn completed(mut event: Event, click: ClickId, expires: Timestamp) -> Arc<[u8]> {
    match &mut event.action {
        Action::Conversion(conversion) => conversion.click = Some(click),
        Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => {}
    }
    NewRow::of_event(&event, event.accepted_at, expires, Vec::new()).body
}
