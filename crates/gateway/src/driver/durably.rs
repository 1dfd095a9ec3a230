//! A journal that cannot do something now is asked again until it can, so a full disk delays what is settled and loses
//! nothing.

use std::time::Duration;

use laneway_journal::{Error, Journal, Lease, Queue, Row, Sequence, Settlement};

/// How long to wait before the journal is asked again.
const JOURNAL_RETRY: Duration = Duration::from_millis(250);

/// Whether the same operation may work later.
pub(crate) const fn is_passing(error: &Error) -> bool {
    match error {
        Error::Full | Error::Busy | Error::Sqlite { .. } => true,
        Error::Fenced | Error::NotOpen { .. } | Error::Damaged { .. } | Error::Closed => false,
    }
}

/// Waits before the journal is asked again, and says so.
pub(crate) async fn pause(doing: &'static str, error: &Error) {
    tracing::warn!(doing, %error, "the journal failed; it is asked again");
    tokio::time::sleep(JOURNAL_RETRY).await;
}

/// Asks the journal until it has stored the settlement, or never will.
pub(crate) async fn settle(journal: &Journal, lease: Lease, settlement: Settlement) -> Result<(), Error> {
    loop {
        match journal.settle(lease, settlement.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if is_passing(&error) => pause("storing outcomes", &error).await,
            Err(error) => return Err(error),
        }
    }
}

/// Asks the journal until it has read these rows, or never will; those that are gone are left out.
pub(crate) async fn rows(journal: &Journal, queue: Queue, sequences: &[Sequence]) -> Result<Vec<Row>, Error> {
    loop {
        match journal.rows(queue, sequences).await {
            Ok(rows) => return Ok(rows),
            Err(error) if is_passing(&error) => pause("reading rows", &error).await,
            Err(error) => return Err(error),
        }
    }
}
