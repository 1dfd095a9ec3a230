//! A journal that cannot do something now is asked again until it can, so a full disk delays what is settled and loses
//! nothing.

use std::time::Duration;

use laneway_journal::{Error, Journal, Lease, Queue, Row, Sequence, Settlement};

/// How long to wait before the journal is asked again.
const JOURNAL_RETRY: Duration = Duration::from_millis(250);

/// Asks the journal until it has done something, or never will; `doing` says what, for the log.
pub(crate) async fn until_done<T, F>(doing: &'static str, mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask().await {
            Err(error) if is_passing(&error) => {
                tracing::warn!(doing, %error, "the journal failed; it is asked again");
                tokio::time::sleep(JOURNAL_RETRY).await;
            }
            done => return done,
        }
    }
}

/// Stores a settlement.
pub(crate) async fn settle(journal: &Journal, lease: Lease, settlement: Settlement) -> Result<(), Error> {
    until_done("storing outcomes", || journal.settle(lease, settlement.clone())).await
}

/// Reads these rows; those that are gone are left out.
pub(crate) async fn rows(journal: &Journal, queue: Queue, sequences: &[Sequence]) -> Result<Vec<Row>, Error> {
    until_done("reading rows", || journal.rows(queue, sequences)).await
}

/// Whether the same operation may work later.
const fn is_passing(error: &Error) -> bool {
    match error {
        Error::Full | Error::Busy | Error::Sqlite { .. } => true,
        Error::Fenced | Error::NotOpen { .. } | Error::Damaged { .. } | Error::Closed => false,
    }
}
