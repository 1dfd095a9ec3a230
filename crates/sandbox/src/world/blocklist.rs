//! Block lists: whom a business number has blocked.
//!
//! What Meta leaves unknown (U): a user named twice in one call is treated like one named in two calls; the list is served
//! in the order of blocking.

use std::collections::BTreeMap;

use laneway_wire::graph::server::{
    BlockAnswer, BlockEntry, BlockVerb, BlockedRow, BlocklistQuery, ContactRef, Cursor, Refusal, UserRefusal,
};
use serde::{Deserialize, Serialize};

use super::{DamagedWorld, Number, Waba, World, unique};
use crate::clock::Moment;
use crate::limits::{BLOCKLIST_MAX, BLOCKLIST_PAGE_MAX};
use crate::phone::{Phone, PhoneError};
use crate::switches::{Repeat, Switches, UserIdRows};

/// A business number's block list, in the order of blocking.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Blocklist {
    /// When the list last changed; it never repeats, so that a cursor of another version is known.
    version_us: Moment,
    next_seq: u64,
    entries: BTreeMap<u64, Blocked>,
    #[serde(skip)]
    by_user: BTreeMap<Phone, u64>,
}

/// A blocked user.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Blocked {
    user: Phone,
    /// The business-scoped id, if the business named the user by it.
    user_id: Option<String>,
    at_us: Moment,
}

/// A page of a block list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlocklistPage {
    /// The page's rows.
    pub(crate) rows: Vec<BlockedRow>,
    /// The cursors of its first and last row.
    pub(crate) cursors: Option<(Cursor, Cursor)>,
    /// How many rows it could have had.
    pub(crate) limit: u64,
    /// Whether rows follow.
    pub(crate) has_next: bool,
    /// Whether rows precede.
    pub(crate) has_previous: bool,
}

/// A blocked user as the control surface shows one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BlocklistRow {
    business: String,
    user: String,
    user_id: Option<String>,
    blocked_at: String,
}

impl World {
    /// Blocks or unblocks users; each succeeds or fails on its own.
    ///
    /// # Errors
    /// [`Refusal::UnknownObject`] for a number that is none.
    pub(crate) fn change_blocklist(
        &mut self,
        number_id: &str,
        verb: BlockVerb,
        entries: &[BlockEntry],
        now: Moment,
    ) -> Result<BlockAnswer, Refusal> {
        let unknown = || Refusal::UnknownObject {
            verb: match verb {
                BlockVerb::Block => "post",
                BlockVerb::UnBlock => "delete",
            },
            id: number_id.to_owned(),
        };
        let number = self.numbers.get_mut(number_id).ok_or_else(unknown)?;
        let waba = self.wabas.get(&number.waba_id).ok_or_else(unknown)?;
        let mut answer = BlockAnswer::default();
        let mut unblocked = Vec::new();
        for entry in entries {
            let (user, contact) = waba.find(entry);
            let outcome = match (user, verb) {
                (None, _) => Err(UserRefusal::ReEngagement),
                (Some(user), BlockVerb::Block) => number.block(self.switches, user, &contact, now),
                (Some(user), BlockVerb::UnBlock) => {
                    let outcome = number.unblock(self.switches, &user, now);
                    unblocked.extend(outcome.is_ok().then_some(user));
                    outcome
                }
            };
            match outcome {
                Ok(()) => answer.done.push(contact),
                Err(why) => answer.failed.push((contact, why)),
            }
        }
        if self.switches.blocked_messages_arrive_later {
            for user in &unblocked {
                self.deliver_withheld(number_id, user);
            }
        }
        Ok(answer)
    }

    /// What an account would be told if each of the users could be blocked or unblocked.
    pub(crate) fn pretend_to_change_blocklist(&self, waba_id: &str, entries: &[BlockEntry]) -> BlockAnswer {
        let waba = self.wabas.get(waba_id);
        let done = waba.map(|waba| entries.iter().map(|entry| waba.find(entry).1).collect());
        BlockAnswer { done: done.unwrap_or_default(), failed: Vec::new() }
    }

    /// A page of a block list as the Graph API serves it.
    ///
    /// # Errors
    /// [`Refusal::BlocklistChanged`] for a cursor of another version of the list.
    pub(crate) fn blocklist_page(
        &self,
        number_id: &str,
        query: &BlocklistQuery,
    ) -> Result<BlocklistPage, Refusal> {
        let unknown = || Refusal::UnknownObject { verb: "get", id: number_id.to_owned() };
        let number = self.numbers.get(number_id).ok_or_else(unknown)?;
        let limit = query.limit.unwrap_or_else(|| self.switches.blocklist_page_size.get().into());
        number.blocklist.page(query, limit.min(BLOCKLIST_PAGE_MAX), self.switches.blocklist_of_user_ids)
    }

    /// How many users are blocked, by `business` or by all.
    pub(crate) fn blocked_count(&self, business: Option<&Phone>) -> usize {
        self.chosen_numbers(business).map(|(_, number)| number.blocklist.entries.len()).sum()
    }

    /// The blocked users, in the order of blocking.
    pub(crate) fn blocklist_rows(&self, business: Option<&Phone>) -> Vec<BlocklistRow> {
        let mut rows = Vec::new();
        for (_, number) in self.chosen_numbers(business) {
            rows.extend(number.blocklist.entries.values().map(|entry| BlocklistRow {
                business: number.phone.to_string(),
                user: entry.user.to_string(),
                user_id: entry.user_id.clone(),
                blocked_at: entry.at_us.to_string(),
            }));
        }
        rows
    }
}

impl Waba {
    /// The user an entry names, if it names one, and how the answer shows it.
    fn find(&self, entry: &BlockEntry) -> (Option<Phone>, ContactRef) {
        match entry {
            BlockEntry::Phone(input) => {
                let user = Phone::graph(input).map_err(|PhoneError| ()).ok();
                let wa_id = user.as_ref().map(|user| user.digits().to_owned());
                (user, ContactRef { input: input.clone(), wa_id, user_id: None })
            }
            BlockEntry::UserId(input) => {
                let user = self.by_user_id.get(input).cloned();
                (user, ContactRef { input: input.clone(), wa_id: None, user_id: Some(input.clone()) })
            }
        }
    }
}

impl Number {
    fn block(
        &mut self,
        switches: Switches,
        user: Phone,
        contact: &ContactRef,
        now: Moment,
    ) -> Result<(), UserRefusal> {
        if user == self.phone {
            return Err(UserRefusal::SelfBlock);
        }
        if !self.window_is_open(&user, now) {
            return Err(UserRefusal::ReEngagement);
        }
        if self.blocklist.contains(&user) {
            return switches.block_already_blocked.outcome(UserRefusal::AlreadyBlocked);
        }
        if self.blocklist.entries.len() >= BLOCKLIST_MAX {
            return Err(UserRefusal::ListFull);
        }
        self.blocklist.add(Blocked { user, user_id: contact.user_id.clone(), at_us: now });
        Ok(())
    }

    fn unblock(&mut self, switches: Switches, user: &Phone, now: Moment) -> Result<(), UserRefusal> {
        if switches.unblock_needs_window && !self.window_is_open(user, now) {
            return Err(UserRefusal::ReEngagement);
        }
        if !self.blocklist.contains(user) {
            return switches.unblock_not_blocked.outcome(UserRefusal::NotBlocked);
        }
        self.blocklist.remove(user, now);
        Ok(())
    }
}

impl Repeat {
    fn outcome(self, refusal: UserRefusal) -> Result<(), UserRefusal> {
        match self {
            Repeat::Success => Ok(()),
            Repeat::Failure => Err(refusal),
        }
    }
}

impl Blocklist {
    /// Whether the user is blocked.
    pub(super) fn contains(&self, user: &Phone) -> bool {
        self.by_user.contains_key(user)
    }

    /// Since when the user is blocked.
    pub(super) fn blocked_at(&self, user: &Phone) -> Option<Moment> {
        self.by_user.get(user).and_then(|seq| self.entries.get(seq)).map(|blocked| blocked.at_us)
    }

    fn add(&mut self, blocked: Blocked) {
        self.changed(blocked.at_us);
        self.by_user.insert(blocked.user.clone(), self.next_seq);
        self.entries.insert(self.next_seq, blocked);
        self.next_seq += 1;
    }

    fn remove(&mut self, user: &Phone, now: Moment) {
        if let Some(seq) = self.by_user.remove(user) {
            self.entries.remove(&seq);
            self.changed(now);
        }
    }

    fn changed(&mut self, now: Moment) {
        self.version_us = now.max(Moment(self.version_us.0 + 1));
    }

    fn page(
        &self,
        query: &BlocklistQuery,
        limit: u64,
        user_ids: UserIdRows,
    ) -> Result<BlocklistPage, Refusal> {
        let cursors = [query.after, query.before];
        if cursors.iter().flatten().any(|cursor| cursor.version_us != self.version_us.0) {
            return Err(Refusal::BlocklistChanged);
        }
        let total = self.entries.len() as u64;
        let (start, end) = match (query.after, query.before) {
            (Some(after), _) => {
                let start = after.offset.saturating_add(1).min(total);
                (start, start.saturating_add(limit).min(total))
            }
            (None, Some(before)) => {
                let end = before.offset.min(total);
                (end.saturating_sub(limit), end)
            }
            (None, None) => (0, limit.min(total)),
        };
        let entries = self.entries.values().skip(start as usize).take((end - start) as usize);
        let rows: Vec<_> = entries.filter_map(|blocked| blocked.row(user_ids)).collect();
        let cursor = |offset| Cursor { offset, version_us: self.version_us.0 };
        let cursors = (start < end).then(|| (cursor(start), cursor(end - 1)));
        Ok(BlocklistPage { rows, cursors, limit, has_next: end < total, has_previous: start > 0 })
    }

    /// Rebuilds the index and checks that nobody is blocked twice.
    pub(super) fn rebuild(&mut self) -> Result<(), DamagedWorld> {
        self.by_user = self.entries.iter().map(|(seq, blocked)| (blocked.user.clone(), *seq)).collect();
        self.next_seq =
            self.entries.keys().next_back().map_or(self.next_seq, |last| self.next_seq.max(last + 1));
        unique(self.by_user.len() == self.entries.len(), "a blocked user")
    }
}

impl Blocked {
    fn row(&self, user_ids: UserIdRows) -> Option<BlockedRow> {
        let by_number = || BlockedRow::WaId(self.user.digits().to_owned());
        match (&self.user_id, user_ids) {
            (None, _) | (Some(_), UserIdRows::WaId) => Some(by_number()),
            (Some(user_id), UserIdRows::UserId) => Some(BlockedRow::UserId(user_id.clone())),
            (Some(_), UserIdRows::LeftOut) => None,
        }
    }
}
