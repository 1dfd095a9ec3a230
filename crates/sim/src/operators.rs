//! Clients post, operators redrive, discard and erase; and what is left to do for them at the end.

use std::time::Duration;

use laneway_engine::{Control, Input, Sequence};
use laneway_journal::sqlite::step::{Only, Op};
use laneway_journal::{Append, Queue};
use laneway_model::{Person, Status, Timestamp};

use crate::clients::{Posted, draft};
use crate::dice::{chance, pick};
use crate::node::{Then, Write};
use crate::shadow::{Known, REDRIVABLE};
use crate::world::{Happening, World};

/// How long calls have to end between giving a person's events up and removing them.
const ERASE_WAIT_MS: u64 = 3_000;
/// What a redriven event may still take.
const REDRIVEN_LIFE: Duration = Duration::from_hours(48);

impl World {
    pub(crate) fn act(&mut self) {
        if self.is_draining || self.node.is_none() {
            return;
        }
        match self.dice.clients.u32(..100) {
            0..70 => self.post(),
            70..82 => self.redrive(),
            82..95 => self.discard(),
            _ => self.give_up_person(),
        }
        if chance(&mut self.dice.clicks, 150) {
            self.click();
        }
        self.post_again();
    }

    fn post(&mut self) {
        let count = pick(&mut self.dice.clients, &[1, 1, 2, 5, 20]);
        let first = self.posts.len();
        for n in first..first + count {
            let wall = self.wall();
            let post = draft(&mut self.dice, &self.setting, wall, n);
            self.plan_click(&post);
            self.posts.push(post);
        }
        let posts: Vec<usize> = (first..first + count).collect();
        if chance(&mut self.dice.clients, 500) {
            self.append(posts);
        } else {
            posts.into_iter().for_each(|post| self.append(vec![post]));
        }
    }

    /// What was never answered is posted again, under the same key; some of it twice.
    fn post_again(&mut self) {
        let life = self.lives;
        let is_unanswered = |posted| match posted {
            Posted::Waits(of) => of != life,
            Posted::Unanswered => true,
            Posted::Acknowledged => false,
        };
        let unanswered: Vec<_> =
            (0..self.posts.len()).filter(|at| is_unanswered(self.posts[*at].state)).collect();
        for at in unanswered {
            self.append(vec![at]);
            if chance(&mut self.dice.clients, 100) {
                self.append(vec![at]);
            }
        }
    }

    fn append(&mut self, posts: Vec<usize>) {
        let life = self.lives;
        let wall = self.wall();
        let events = posts.iter().map(|at| {
            self.posts[*at].state = Posted::Waits(life);
            let post = &mut self.posts[*at];
            if let Some(wait) = post.wait {
                post.row.due = wall.saturating_add(wait);
            }
            let mut row = post.row.clone();
            row.accepted_at = wall;
            row
        });
        let events = events.collect();
        let op = Op::Append(Append { events, ..Append::default() });
        self.write(Write { op, then: Then::Accept(posts) });
    }

    /// Some events that are so and so.
    fn some(&mut self, is_wanted: impl Fn(&Known) -> bool) -> Vec<Sequence> {
        let wanted = self.shadow.events.iter().filter(|(_, known)| !known.is_erased && is_wanted(known));
        let wanted: Vec<_> = wanted.map(|(sequence, _)| *sequence).collect();
        let mut some: Vec<_> = wanted.into_iter().filter(|_| chance(&mut self.dice.clients, 500)).collect();
        some.truncate(5);
        some
    }

    fn redrive(&mut self) {
        let sequences = self.some(|known| REDRIVABLE.contains(&known.status));
        let due = self.wall();
        let expires = chance(&mut self.dice.clients, 800).then(|| due.saturating_add(REDRIVEN_LIFE));
        let Some(node) = self.node.as_ref().filter(|_| !sequences.is_empty()) else { return };
        let op = Op::Requeue { lease: node.lease, sequences, at: due, due, expires };
        self.write(Write { op, then: Then::Redrive });
    }

    fn discard(&mut self) {
        if chance(&mut self.dice.clients, 500) {
            let untouched = self.setting.numbers[0].business;
            let open = self.some(|known| known.status.is_open() && known.business != untouched);
            self.shadow.given_up(&open);
            self.tell(Input::Control(Control::Discard(open)));
        } else {
            let sequences = self.some(|known| matches!(known.status, Status::Failed | Status::InDoubt));
            self.discard_dead(sequences);
        }
    }

    fn discard_dead(&mut self, sequences: Vec<Sequence>) {
        let at = self.wall();
        let Some(node) = self.node.as_ref().filter(|_| !sequences.is_empty()) else { return };
        let (lease, reason) = (node.lease, "given up".to_owned());
        let op = Op::Discard { lease, sequences, at, reason, posts: Vec::new() };
        self.write(Write { op, then: Then::Discard });
    }

    /// An operator erases a person: first their events are given up, then they are removed.
    fn give_up_person(&mut self) {
        let untouched = self.setting.numbers[0].business;
        let persons: Vec<Person> = self
            .shadow
            .events
            .values()
            .filter(|known| known.business != untouched)
            .filter_map(|known| known.person.clone())
            .collect();
        if persons.is_empty() {
            return;
        }
        let person = persons[self.dice.clients.usize(..persons.len())].clone();
        let theirs = self.shadow.events.iter().filter(|(_, known)| known.person.as_ref() == Some(&person));
        let theirs: Vec<_> = theirs.map(|(sequence, _)| *sequence).collect();
        self.shadow.given_up(&theirs);
        self.tell(Input::Control(Control::Discard(theirs.clone())));
        self.soon(ERASE_WAIT_MS, |_| Happening::Erase(theirs, person));
    }

    pub(crate) fn erase(&mut self, sequences: Vec<Sequence>, person: Person) {
        if self.node.is_none() {
            return;
        }
        let only = Only::About { person: Some(person), until: Timestamp::MAX, account: None };
        let op = Op::Remove { queue: Queue::Events, sequences: sequences.clone(), only };
        self.write(Write { op, then: Then::Erase(sequences) });
    }

    /// When nothing goes wrong any more: clients get their answers, and dead letters that hold lanes are given up.
    pub(crate) fn finish_up(&mut self) {
        if self.node.is_none() {
            return;
        }
        self.post_again();
        let holding = self.shadow.holding();
        self.discard_dead(holding);
    }

    pub(crate) fn is_finished_up(&self) -> bool {
        self.posts.iter().all(|post| post.state == Posted::Acknowledged) && self.shadow.holding().is_empty()
    }

    /// The journal is opened once more, and everything in it compared.
    pub(crate) fn last_audit(&mut self) {
        self.node = None;
        let (store, _indexer) = crate::node::open(self.directory.path());
        let mut reader = store.reader().unwrap_or_else(|problem| panic!("no reader: {problem}"));
        for (sequence, known) in self.shadow.events.clone() {
            let record = reader.get(Queue::Events, known.id);
            let record = record.unwrap_or_else(|problem| panic!("{sequence} cannot be read: {problem}"));
            self.shadow.compare(sequence, record.as_ref());
        }
        let lanes = self.shadow.lanes().filter(|lane| self.shadow.is_lane_clear(lane));
        for lane in lanes.cloned().collect::<Vec<_>>() {
            let contact = reader.contact(lane.0, &lane.1);
            let contact = contact.unwrap_or_else(|problem| panic!("a contact cannot be read: {problem}"));
            let remembered = contact.and_then(|contact| contact.blocked).map(|(is_blocked, _)| is_blocked);
            let actual = self.meta.blocked.get(&lane).copied();
            let has_lied = !self.meta.lied_about.is_empty();
            if remembered != actual && !has_lied {
                let problem =
                    format!("{lane:?}: the journal says blocked: {remembered:?}, the service {actual:?}");
                self.shadow.problems.push(problem);
            }
        }
    }
}
