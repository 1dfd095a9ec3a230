//! Which ends of events are told where.

use std::collections::{BTreeMap, BTreeSet};

use laneway_channel::meta::Member;
use laneway_journal::{Error, Journal, NewRow, Queue, Sequence, Settlement};
use laneway_model::{AccountName, Status, Timestamp};

use super::{Outbox, PostKind, Told, callback_row};
use crate::config::{Callback, Config};
use crate::driver::durably;

/// The accounts that are told of anything, by the configuration in force.
#[derive(Debug, Default)]
pub struct Callbacks {
    of: BTreeMap<AccountName, Vec<Callback>>,
    /// Every status that anybody is told of.
    statuses: BTreeSet<Status>,
}

impl Callbacks {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        let told = config.accounts.iter().filter(|account| !account.callbacks.is_empty());
        let of: BTreeMap<_, _> =
            told.map(|account| (account.name.clone(), account.callbacks.clone())).collect();
        let statuses = of.values().flatten().flat_map(|callback| callback.statuses.iter().copied()).collect();
        Self { of, statuses }
    }

    /// Whether anybody may want to be told that an event ended like this.
    pub fn wants(&self, status: Status) -> bool {
        self.statuses.contains(&status)
    }

    /// The rows by which an account is told what became of its event.
    pub fn rows(&self, account: &AccountName, told: &Told, now: Timestamp) -> Vec<NewRow> {
        let callbacks = self.of.get(account).into_iter().flatten();
        let wanted = callbacks.filter(|callback| callback.statuses.contains(&told.status));
        wanted.map(|callback| callback_row(account, callback, told, now)).collect()
    }

    /// Adds to a settlement of events what their accounts are told by it. The members are those of the call that is settled.
    ///
    /// # Errors
    /// When the journal fails for good.
    pub async fn add_to(
        &self,
        settlement: &mut Settlement,
        members: &[Member],
        journal: &Journal,
        outbox: &Outbox,
    ) -> Result<(), Error> {
        let ends = settlement.changes.iter().filter(|change| self.wants(change.status));
        let ends: BTreeMap<Sequence, Status> = ends.map(|change| (change.sequence, change.status)).collect();
        if ends.is_empty() {
            return Ok(());
        }
        let at = settlement.at;
        let rows = match (&settlement.changes[..], members) {
            // What a call has carried alone is known. Should it have been erased meanwhile, nothing of its settlement is
            // stored; of several, those that are left have to be looked up.
            ([change], [Member { id, event }]) if change.sequence == id.sequence() => {
                let (business, person) = (event.business, event.person.clone());
                let told = Told { event: *id, business, person, status: change.status };
                self.rows(&event.account, &told, at)
            }
            _ => {
                let sequences: Vec<_> = ends.keys().copied().collect();
                let events = durably::rows(journal, Queue::Events, &sequences).await?;
                let told = events.iter().filter_map(|event| {
                    let status = *ends.get(&event.id.sequence())?;
                    Some(self.rows(&event.account, &Told::of(event, status), at))
                });
                told.flatten().collect()
            }
        };
        settlement.posts.extend(outbox.admit(PostKind::Callback, rows));
        Ok(())
    }
}
