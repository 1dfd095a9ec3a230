//! Which ends of events are told where.

use std::collections::{BTreeMap, BTreeSet};

use laneway_journal::{Error, Journal, NewRow, Queue, Row, Sequence, Settlement};
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

    /// The rows by which the event's account is told that it ended like this.
    pub fn rows(&self, event: &Row, status: Status, now: Timestamp) -> Vec<NewRow> {
        let callbacks = self.of.get(&event.account).into_iter().flatten();
        let told = Told { event: event.id, business: event.business, person: event.person.clone(), status };
        let wanted = callbacks.filter(|callback| callback.statuses.contains(&status));
        wanted.map(|callback| callback_row(&event.account, callback, &told, now)).collect()
    }

    /// Adds to a settlement of events what their accounts are told by it.
    ///
    /// # Errors
    /// When the journal fails for good.
    pub async fn add_to(
        &self,
        settlement: &mut Settlement,
        journal: &Journal,
        outbox: &Outbox,
    ) -> Result<(), Error> {
        let ends = settlement.changes.iter().filter(|change| self.wants(change.status));
        let ends: BTreeMap<Sequence, Status> = ends.map(|change| (change.sequence, change.status)).collect();
        if ends.is_empty() {
            return Ok(());
        }
        let sequences: Vec<_> = ends.keys().copied().collect();
        let events = durably::rows(journal, Queue::Events, &sequences).await?;
        let at = settlement.at;
        let rows = events.iter().flat_map(|event| {
            ends.get(&event.id.sequence()).map(|status| self.rows(event, *status, at)).unwrap_or_default()
        });
        settlement.posts.extend(outbox.admit(PostKind::Callback, rows.collect()));
        Ok(())
    }
}
