//! Clicks on ads: notifications tell of them, and conversions that wait for one are completed.

use std::sync::Arc;
use std::time::Duration;

use laneway_engine::{Control, Entry, Input, Sequence};
use laneway_journal::sqlite::step::Op;
use laneway_journal::{Append, Completion, ContactTouch, NewRow, Queue, Row};
use laneway_model::{
    Action, Click, ClickId, Contact, CtwaClid, Event, LaneKey, Person, PhoneNumber, Timestamp, Touch,
};

use crate::clients::{Post, person};
use crate::dice::chance;
use crate::driver::JOURNAL_MS;
use crate::node::{Done, Then, Write};
use crate::setting::business;
use crate::shadow::CLICK_AGE_MAX;
use crate::world::{Happening, World};

/// A click of which the service tells, again and again until it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) business: PhoneNumber,
    pub(crate) person: Person,
    id: CtwaClid,
    is_stale: bool,
    /// When it happened, once it was told.
    at: Option<Timestamp>,
    is_answered: bool,
}

/// What a search for click ids came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sought {
    pub(crate) events: Vec<Sequence>,
    found: Vec<Sequence>,
    unknown: Vec<Sequence>,
    /// What is to be committed of what was found.
    clicks: Vec<(Sequence, CtwaClid)>,
}

/// How long the service waits before it tells once more what was not answered.
const TELL_AGAIN_MS: u64 = 30_000;
/// How often, of a thousand, somebody clicks while it is looked for their click.
const CLICKS_THEN: u32 = 150;
/// How often, of a thousand, the process ends soon after a click or a completion was committed.
const DIES_AFTER: u32 = 40;

// Clicks come in.
impl World {
    /// The person of a conversion that waits clicks, perhaps: before its time is over, or after.
    pub(crate) fn plan_click(&mut self, post: &Post) {
        let Some((wait, person)) = post.wait.zip(post.row.person.clone()) else { return };
        let dice = &mut self.dice.clicks;
        if chance(dice, 700) {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let at_ms = self.at_ms + dice.u64(..2 * wait_ms);
            let is_stale = chance(dice, 150);
            self.clicks_at(at_ms, post.row.business, person, is_stale);
        }
    }

    /// Somebody clicks for whom perhaps nobody waits.
    pub(crate) fn click(&mut self) {
        let at = self.dice.clicks.u64(..self.setting.numbers.len() as u64);
        let person = person(&mut self.dice.clicks, &self.setting, at);
        let is_stale = chance(&mut self.dice.clicks, 300);
        if let Some(person) = person {
            self.clicks_at(self.at_ms, business(at), person, is_stale);
        }
    }

    fn clicks_at(&mut self, at_ms: u64, business: PhoneNumber, person: Person, is_stale: bool) {
        let id = CtwaClid::parse(&format!("told-{}", self.told.len())).expect("a valid id");
        self.told.push(Told { business, person, id, is_stale, at: None, is_answered: false });
        self.at(at_ms, Happening::Click(self.told.len() - 1));
    }

    /// A notification comes in. One that is not answered comes again.
    pub(crate) fn hear(&mut self, at: usize) {
        let told = self.told[at].clone();
        if told.is_answered {
            return;
        }
        let again_ms = self.at_ms + 1_000 + self.dice.clicks.u64(..TELL_AGAIN_MS);
        self.at(again_ms, Happening::Click(at));
        if self.node.is_none() {
            return;
        }
        let wall = self.wall();
        // No steps of the clock may make it younger than it is meant to be.
        let age = if told.is_stale { CLICK_AGE_MAX + Duration::from_hours(12) } else { Duration::ZERO };
        let clicked_at = *self.told[at].at.get_or_insert(wall.saturating_sub(age));
        let click = Click { id: told.id, at: clicked_at, ad_id: None, headline: None };
        let touch = Touch::Clicked(click);
        let touches = vec![ContactTouch { business: told.business, person: told.person, touch }];
        let op = Op::Append(Append { touches, ..Append::default() });
        self.write(Write { op, then: Then::Click(at) });
    }

    /// A click is durable, and whoever waits for it is told, if the process lives so long.
    pub(crate) fn heard(&mut self, at: usize) -> Done {
        let Told { business, person, id, is_stale, .. } = self.told[at].clone();
        self.shadow.clicked(self.at_ms, (business, person), id, !is_stale);
        self.may_die();
        Done::Clicked(at)
    }

    /// The driver's part: those that wait for a click of this person are sought for again.
    pub(crate) fn seek_again(&mut self, at: usize) -> Option<Input> {
        self.told[at].is_answered = true;
        let Told { business, person, id, .. } = self.told[at].clone();
        self.shadow.click_told(&(business, person.clone()), &id);
        let lane = self.lane(business, LaneKey { business, person }.hash64());
        let lacking = &self.node.as_ref()?.lacking;
        let waiting: Vec<_> = lacking.iter().filter(|(_, of)| **of == lane).map(|(one, _)| *one).collect();
        (!waiting.is_empty()).then_some(Input::Control(Control::Seek(waiting)))
    }

    fn may_die(&mut self) {
        if chance(&mut self.dice.clicks, DIES_AFTER) {
            self.soon(JOURNAL_MS, |_| Happening::Crash);
        }
    }
}

// The driver's part: events that lack their clicks.
impl World {
    /// Tells the engine of events, and remembers before who lacks something.
    pub(crate) fn accept(&mut self, entries: Vec<Entry>) {
        let Some(node) = &mut self.node else { return };
        let lacking = entries.iter().filter(|entry| entry.lacks && !entry.holds_lane);
        node.lacking.extend(lacking.map(|entry| (entry.sequence, entry.person_hash)));
        self.tell(Input::Accepted(entries));
    }

    /// Looks for what these events lack, soon. Now and then it becomes known just then.
    pub(crate) fn seek(&mut self, events: Vec<Sequence>) {
        let first = events.first().and_then(|first| self.shadow.events.get(first));
        let who = first.and_then(|known| Some((known.business, known.person.clone()?)));
        if let Some((business, person)) = who.filter(|_| chance(&mut self.dice.clicks, CLICKS_THEN)) {
            self.clicks_at(self.at_ms, business, person, false);
        }
        self.soon(JOURNAL_MS, |life| Happening::Done(life, Done::Look(events)));
    }

    /// Looks for what these events lack.
    pub(crate) fn look(&mut self, events: Vec<Sequence>) {
        let wall = self.wall();
        let takes_newest = self.setting.takes_newest_click;
        let Some(node) = &mut self.node else { return };
        let rows = node.reader.rows(Queue::Events, &events);
        let rows = rows.unwrap_or_else(|problem| panic!("rows cannot be read: {problem}"));
        let mut sought = Sought { events, ..Sought::default() };
        let mut completions = Vec::new();
        for row in rows {
            let sequence = row.id.sequence();
            let (event, person) = (event_of(&row), row.person.as_ref().expect("a conversion has a person"));
            if click_of(&event).is_some() {
                sought.found.push(sequence);
                continue;
            }
            let contact = node.reader.contact(row.business, person);
            let contact = contact.unwrap_or_else(|problem| panic!("a contact cannot be read: {problem}"));
            match contact.and_then(|contact| usable(&contact, wall, takes_newest)) {
                Some(id) => {
                    completions.push(Completion { sequence, body: completed(event, &id, row.expires) });
                    sought.clicks.push((sequence, id));
                }
                None => sought.unknown.push(sequence),
            }
        }
        if completions.is_empty() {
            self.soon(JOURNAL_MS, |life| Happening::Done(life, Done::Sought(sought)));
            return;
        }
        let op = Op::Complete { lease: node.lease, completions, at: wall };
        self.write(Write { op, then: Then::Complete(sought) });
    }

    /// Bodies are complete, and that is durable.
    pub(crate) fn completed(&mut self, mut sought: Sought, completed: &[Sequence]) -> Done {
        for (sequence, id) in &sought.clicks {
            if completed.contains(sequence) {
                self.report.completed += 1;
                self.shadow.completed(self.at_ms, *sequence, id);
            }
        }
        sought.found.extend(completed);
        self.may_die();
        Done::Sought(sought)
    }

    /// What the engine is told of a search.
    pub(crate) fn sought(&mut self, sought: Sought) -> Option<Input> {
        let Sought { mut events, found, unknown, .. } = sought;
        events.retain(|sequence| !found.contains(sequence) && !unknown.contains(sequence));
        let node = self.node.as_mut()?;
        for sequence in found.iter().chain(&events) {
            node.lacking.remove(sequence);
        }
        Some(Input::Sought { found, unknown, gone: events })
    }
}

pub(crate) fn event_of(row: &Row) -> Event {
    row.event().unwrap_or_else(|problem| panic!("{problem}"))
}

/// The click that an event carries.
pub(crate) fn click_of(event: &Event) -> Option<&CtwaClid> {
    match &event.action {
        Action::Conversion(conversion) => conversion.click.as_ref().map(|click| &click.value),
        Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => None,
    }
}

fn usable(contact: &Contact, wall: Timestamp, takes_newest: bool) -> Option<CtwaClid> {
    let mut recent = contact.clicks.iter().filter(|click| wall.since(click.at) < CLICK_AGE_MAX);
    let click = if takes_newest { recent.next() } else { recent.next_back() };
    click.map(|click| click.id.clone())
}

fn completed(mut event: Event, id: &CtwaClid, expires: Timestamp) -> Arc<[u8]> {
    match &mut event.action {
        Action::Conversion(conversion) => {
            conversion.click = Some(ClickId { value: id.clone(), captured: true });
        }
        Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => {}
    }
    NewRow::of_event(&event, event.accepted_at, expires, Vec::new()).body
}
