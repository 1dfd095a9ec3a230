//! Whether one event that is to supersede another is about the same person: the engine compares hashes, and here the
//! persons themselves are compared.

use std::collections::{BTreeMap, BTreeSet};

use laneway_journal::{Error, Journal, Queue, Sequence, Settlement};

use super::durably;

/// Takes the changes back by which one event was to supersede another about somebody else, and says which: the engine
/// compares persons by a hash, and two may share one.
pub(super) async fn leave_out_unlike(
    journal: &Journal,
    settlement: &mut Settlement,
) -> Result<Vec<Sequence>, Error> {
    let changes = settlement.changes.iter();
    let pairs: Vec<_> = changes.filter_map(|change| Some((change.sequence, change.superseded_by?))).collect();
    let asked: BTreeSet<_> = pairs.iter().flat_map(|(one, by)| [*one, *by]).collect();
    let asked: Vec<_> = asked.into_iter().collect();
    let rows = durably::rows(journal, Queue::Events, &asked).await?;
    let persons: BTreeMap<_, _> =
        rows.into_iter().map(|row| (row.id.sequence(), (row.business, row.person))).collect();
    // Rows that are gone can be superseded by anything: nobody sees it.
    let is_alike = |(one, by): &(Sequence, Sequence)| match (persons.get(one), persons.get(by)) {
        (Some(one), Some(by)) => one == by,
        (None, _) => true,
        (Some(_), None) => false,
    };
    let unlike: Vec<_> = pairs.into_iter().filter(|pair| !is_alike(pair)).map(|(one, _)| one).collect();
    settlement.changes.retain(|change| !unlike.contains(&change.sequence));
    Ok(unlike)
}
