//! What must be true of conversions that wait for their click ids.

use std::time::Duration;

use laneway_journal::Sequence;
use laneway_model::{CtwaClid, Person, PhoneNumber};

use crate::driver::JOURNAL_MS;

use super::{Known, Shadow};

/// From this age on a click is of no use: Meta takes no conversions that are older than seven days.
pub(crate) const CLICK_AGE_MAX: Duration = Duration::from_hours(24 * 7);

/// True time, and the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    pub(crate) at_ms: u64,
    /// How far the wall clock was set ahead, all steps together.
    pub(crate) set_ahead_ms: u64,
}

/// A click that is durable.
#[derive(Clone, Debug)]
pub(crate) struct Clicked {
    id: CtwaClid,
    is_usable: bool,
    /// In true time.
    committed_ms: u64,
    /// Whether a driver was told of it, so that everything that waits for it is looked at after it was committed.
    is_told: bool,
}

impl Shadow {
    /// An event was committed that lacks its click id, and may wait so long for it.
    pub(crate) fn lacks(&mut self, sequence: Sequence, wait: Option<Duration>) {
        let wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let until_ms = wait_ms.map(|wait_ms| self.clock.at_ms.saturating_add(wait_ms));
        if let Some(known) = self.events.get_mut(&sequence) {
            known.lacks_until_ms = until_ms;
        }
    }

    /// A click was committed. Told again, it counts from the first time.
    pub(crate) fn clicked(
        &mut self,
        committed_ms: u64,
        who: (PhoneNumber, Person),
        id: CtwaClid,
        is_usable: bool,
    ) {
        let clicks = self.clicks.entry(who).or_default();
        if clicks.iter().all(|click| click.id != id) {
            clicks.push(Clicked { id, is_usable, committed_ms, is_told: false });
        }
    }

    /// The driver was told of a click.
    pub(crate) fn click_told(&mut self, who: &(PhoneNumber, Person), id: &CtwaClid) {
        for click in self.clicks.get_mut(who).into_iter().flatten().filter(|click| click.id == *id) {
            click.is_told = true;
        }
    }

    /// An event was committed with its click.
    pub(crate) fn completed(&mut self, at_ms: u64, sequence: Sequence, id: &CtwaClid) {
        let Some(known) = self.events.get(&sequence).cloned() else { return };
        let is_lacking = known.lacks_until_ms.is_some() && known.status.is_open();
        self.require(is_lacking, || format!("{sequence} was completed and lacks nothing: {known:?}"));
        let is_theirs = self.usable(&known).any(|click| click.id == *id);
        self.require(is_theirs, || format!("{sequence} was completed with {id:?}: {known:?}"));
        let completed =
            Known { lacks_until_ms: None, completed_with: Some(id.clone()), committed_ms: at_ms, ..known };
        self.events.insert(sequence, completed);
    }

    /// What an event that waited carries, to the service or in the journal, must be what it was completed with.
    pub(crate) fn carries(&mut self, sequence: Sequence, click: Option<&CtwaClid>) {
        let Some(known) = self.events.get(&sequence).cloned() else { return };
        let has_waited = known.lacks_until_ms.is_some() || known.completed_with.is_some();
        let is_right = !has_waited || click == known.completed_with.as_ref();
        self.require(is_right, || format!("{sequence} carries {click:?}: {known:?}"));
    }

    /// Whether an event may fail because its click did not become known: its time is over, and there is none that could
    /// have been found. One that was committed a moment ago may have been missed if the driver has not been told of it yet.
    pub(super) fn is_in_vain(&self, known: &Known) -> bool {
        let Clock { at_ms, set_ahead_ms } = self.clock;
        let is_over = known.lacks_until_ms.is_some_and(|until_ms| until_ms <= at_ms + set_ahead_ms);
        let must_be_found = |click: &Clicked| click.is_told || click.committed_ms + JOURNAL_MS < at_ms;
        is_over && !self.usable(known).any(must_be_found)
    }

    /// No event waits for a click that is known, or beyond its time, whatever happens to calls.
    pub(crate) fn waits(&mut self, up_since_ms: u64, slack_ms: u64) {
        let late = self.open().find(|(_, known)| {
            let Some(until_ms) = known.lacks_until_ms else { return false };
            let first_ms = self.usable(known).map(|click| click.committed_ms).min();
            let since_ms = first_ms.unwrap_or(until_ms).min(until_ms).max(known.committed_ms);
            since_ms.max(up_since_ms) + slack_ms < self.clock.at_ms
        });
        let late = late.map(|(sequence, known)| {
            format!("{sequence} still waits for its click id: {known:?}, {:?}", self.clock)
        });
        self.problems.extend(late);
    }

    fn usable(&self, known: &Known) -> impl Iterator<Item = &Clicked> {
        let who = known.person.clone().map(|person| (known.business, person));
        let clicks = who.and_then(|who| self.clicks.get(&who));
        clicks.into_iter().flatten().filter(|click| click.is_usable)
    }
}
