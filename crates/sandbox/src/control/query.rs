//! The query of a control call: filters, and waiting for a number of rows.

use std::time::Duration;

use super::ControlError;
use crate::duration;
use crate::limits::WAIT_MAX;
use crate::phone::Phone;
use crate::shared::Shared;

/// A query whose names are all known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    wait: Option<Duration>,
    count: usize,
}

/// The filters of a listing. What is `None` filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    /// One business number.
    pub(super) business: Option<Phone>,
    /// One user.
    pub(super) user: Option<Phone>,
    /// One data set.
    pub(super) dataset: Option<String>,
}

impl Query {
    /// Reads a query that may hold `names`, `wait`, `count` and the control token.
    ///
    /// # Errors
    /// 400 for any other name, or for a `wait` or `count` that cannot be read.
    pub(super) fn parse(query: Option<&str>, names: &[&str]) -> Result<Query, ControlError> {
        let given: Vec<(String, String)> = serde_urlencoded::from_str(query.unwrap_or_default())
            .map_err(|_| ControlError::invalid("the query cannot be read".to_owned()))?;
        let mut parsed = Query { count: 1, ..Query::default() };
        for (name, value) in given {
            match name.as_str() {
                "wait" => parsed.wait = Some(wait(&value)?),
                "count" => parsed.count = number("count", &value)?,
                "control_token" => {}
                known if names.contains(&known) => parsed.pairs.push((name, value)),
                unknown => {
                    let known = [names, &["wait", "count"]].concat().join(", ");
                    return Err(ControlError::invalid(format!(
                        "?{unknown}= is not known here; there is {known}"
                    )));
                }
            }
        }
        Ok(parsed)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// `since`, 0 if absent.
    pub(super) fn since(&self) -> Result<u64, ControlError> {
        self.get("since").map_or(Ok(0), |value| number("since", value))
    }

    /// `last`, without an end if absent.
    pub(super) fn last(&self) -> Result<usize, ControlError> {
        self.get("last").map_or(Ok(usize::MAX), |value| number("last", value))
    }

    /// `id`, if given.
    pub(super) fn id(&self) -> Result<Option<u64>, ControlError> {
        self.get("id").map(|value| number("id", value)).transpose()
    }

    /// The filters, checked against the world.
    ///
    /// # Errors
    /// 404 for a business or data set that does not exist, naming those that do; 400 for what cannot be read.
    pub(super) fn filters(&self, shared: &Shared) -> Result<Filters, ControlError> {
        let phone = |name: &str| match self.get(name) {
            None => Ok(None),
            // In a query a bare plus sign is a space, which the number's parser skips.
            Some(text) => Phone::lenient(text)
                .map(Some)
                .map_err(|error| ControlError::invalid(format!("{name}: {error}"))),
        };
        let (business, user) = (phone("business")?, phone("user")?);
        let dataset = self.get("dataset").map(str::to_owned);
        let inner = shared.inner();
        let world = &inner.world;
        if let Some(phone) = business.as_ref().filter(|phone| world.number_id(phone).is_none()) {
            let known = world.business_phones().join(", ");
            return Err(ControlError::unknown(
                format!("no business has the number {phone}"),
                format!("there is {known}"),
            ));
        }
        if let Some(id) = dataset.as_deref().filter(|id| !world.has_dataset(id)) {
            let known = world.datasets().join(", ");
            return Err(ControlError::unknown(
                format!("there is no data set {id}"),
                format!("there is {known}"),
            ));
        }
        Ok(Filters { business, user, dataset })
    }

    /// With `wait`: returns once `count` rows are there, the time is up, or the sandbox stops. Without: at once.
    pub(super) async fn wait(&self, shared: &Shared, rows: impl Fn(&Shared) -> usize) {
        let Some(wait) = self.wait else { return };
        let mut changes = shared.changes.subscribe();
        let mut moved = shared.clock.changed();
        let deadline = tokio::time::sleep(wait);
        tokio::pin!(deadline);
        while rows(shared) < self.count {
            tokio::select! {
                // Neither bell can be gone: `shared` owns both.
                _ = changes.changed() => {}
                _ = moved.changed() => {}
                () = &mut deadline => return,
                () = shared.stopping.cancelled() => return,
            }
        }
    }
}

fn wait(text: &str) -> Result<Duration, ControlError> {
    let wait = duration::parse(text).map_err(|error| ControlError::invalid(format!("wait: {error}")))?;
    if wait > WAIT_MAX {
        return Err(ControlError::invalid(format!("wait: at most {} s", WAIT_MAX.as_secs())));
    }
    Ok(wait)
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, ControlError> {
    text.parse().map_err(|_| ControlError::invalid(format!("{name}: a whole number is wanted")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::mint::Mint;
    use crate::state::State;
    use crate::world::World;

    fn shared() -> Arc<Shared> {
        let state = State { starts: 1, clock_offset_ms: 0, requests: 0, world: World::default() };
        Arc::new(Shared::new(state, Mint::new(1, 1), None))
    }

    /// Starts a wait of five minutes for a row that never comes, rings, and returns only if the bell was heard.
    async fn check_woken(ring: impl FnOnce(&Shared)) {
        let shared = shared();
        let (looked_tx, mut looked_rx) = tokio::sync::mpsc::channel(8);
        let waiter = Arc::clone(&shared);
        let waiting = tokio::spawn(async move {
            let query = Query::parse(Some("wait=300s"), &[]).unwrap();
            let looks = AtomicUsize::new(0);
            let rows = |_: &Shared| {
                looked_tx.try_send(()).unwrap();
                // The first look finds nothing, the second one row.
                looks.fetch_add(1, Ordering::Relaxed)
            };
            query.wait(&waiter, rows).await;
        });
        looked_rx.recv().await.unwrap();
        ring(&shared);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn every_bell_wakes_a_waiting_listing() {
        check_woken(|shared| shared.changed()).await;
        check_woken(|shared| shared.clock.advance(Duration::from_secs(1))).await;
        check_woken(|shared| shared.stopping.cancel()).await;
    }

    #[tokio::test]
    async fn a_wait_ends_at_once_or_at_its_deadline() {
        let shared = shared();
        let query = |text| Query::parse(Some(text), &[]).unwrap();
        query("").wait(&shared, |_| unreachable!("without wait nobody counts")).await;
        query("wait=300s").wait(&shared, |_| 1).await;
        query("wait=300s&count=0").wait(&shared, |_| 0).await;
        query("wait=1ms").wait(&shared, |_| 0).await;
    }
}
