//! Blocks whose window has closed while they waited. One that is proven closed when a block comes is refused there and then;
//! what waits for long is looked at again before every call, so that no call is made that must fail.

use std::sync::Arc;
use std::time::Duration;

use laneway_journal::{Journal, Row, Sequence};
use laneway_model::{EventKind, Timestamp};

use crate::accept::Told;
use crate::config::Rules;
use crate::contacts;
use crate::inbound::LastHeard;

/// For so long what was found at accept is taken for true; most blocks are sent within milliseconds.
const JUDGED_FOR: Duration = Duration::from_secs(60);

/// What blocks are judged by.
pub(super) struct Windows {
    pub(super) journal: Journal,
    pub(super) heard: Arc<LastHeard>,
    pub(super) rules: Rules,
    pub(super) now: Timestamp,
}

/// Whether it is a block that has waited so long that its window may have closed.
pub(super) fn may_have_closed(row: &Row, now: Timestamp) -> bool {
    row.kind == EventKind::Block.code() && now.since(row.id.accepted_at()) >= JUDGED_FOR
}

impl Windows {
    /// Those of the rows that are blocks whose window is proven closed.
    pub(super) async fn closed(&self, rows: &[Arc<Row>]) -> Vec<Sequence> {
        let mut closed = Vec::new();
        for row in rows.iter().filter(|row| self.rules.block_window && may_have_closed(row, self.now)) {
            let Some(person) = &row.person else { continue };
            match contacts::known(&self.journal, row.business, person).await {
                Ok(contact) => {
                    let told = Told { contact, heard: self.heard.of(row.business) };
                    if told.has_closed_window(&self.rules, self.now) {
                        closed.push(row.id.sequence());
                    }
                }
                // Then Meta decides.
                Err(error) => {
                    tracing::warn!(event.id = %row.id, %error, "a block's window could not be looked up")
                }
            }
        }
        closed
    }
}
