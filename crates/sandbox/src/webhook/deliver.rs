//! Delivers what is due.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::queue::{Attempt, Delivery, RedeliverError, WebhookRow};
use crate::limits::WEBHOOKS_AT_ONCE_MAX;
use crate::shared::Shared;

/// What an attempt says when there is nobody to deliver to.
const REMOVED: &str = "the number has no webhook any more";

/// Delivers until the sandbox stops. What waits then is lost, as the log of what went is.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut moved = shared.clock.changed();
    let mut under_way = JoinSet::new();
    loop {
        let free = WEBHOOKS_AT_ONCE_MAX - under_way.len();
        let switches = shared.inner().world.switches;
        let due = {
            let mut queue = shared.webhooks();
            for delivery in queue.next(switches, shared.clock.monotonic(), free) {
                under_way.spawn(deliver(Arc::clone(&shared), delivery));
            }
            queue.next_due().filter(|_| under_way.len() < WEBHOOKS_AT_ONCE_MAX)
        };
        let pause = due.map(|due| due.saturating_sub(shared.clock.monotonic()));
        tokio::select! {
            () = shared.webhook_bell.notified() => {}
            // The bell cannot be gone: `shared` owns it.
            _ = moved.changed() => {}
            Some(_) = under_way.join_next() => {}
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

async fn deliver(shared: Arc<Shared>, delivery: Delivery) {
    // The number's address of now, not the one of when it happened: whoever moves wants it at the new one.
    let url = shared.inner().world.webhook_url(&delivery.number_id).map(str::to_owned);
    let outcome = match &url {
        Some(url) => shared.webhook_client.post(url, delivery.body.clone(), &delivery.signature).await,
        None => Err(REMOVED.to_owned()),
    };
    let attempt = attempt(&shared, outcome);
    shared.webhooks().ended(&delivery, url.as_deref(), attempt, shared.clock.monotonic());
    shared.changes.send_modify(|times| *times += 1);
}

/// Delivers a notification once more, the same bytes to the number's present address, and shows what came of it.
///
/// # Errors
/// [`RedeliverError`] if there is nothing to deliver, or nobody to deliver to.
pub(crate) async fn redeliver(shared: &Shared, n: u64) -> Result<WebhookRow, RedeliverError> {
    let delivery = shared.webhooks().again(n)?;
    let url = shared.inner().world.webhook_url(&delivery.number_id).map(str::to_owned);
    let url = url.ok_or(RedeliverError::NoWebhook(n))?;
    let outcome = shared.webhook_client.post(&url, delivery.body, &delivery.signature).await;
    let attempt = attempt(shared, outcome);
    let row = {
        let mut queue = shared.webhooks();
        queue.redelivered(n, &url, attempt);
        queue.row(n, |due: Duration| shared.wall(due))
    };
    shared.changes.send_modify(|times| *times += 1);
    row.ok_or(RedeliverError::Unknown(n))
}

fn attempt(shared: &Shared, outcome: Result<u16, String>) -> Attempt {
    let (status, error) = match outcome {
        Ok(status) => (Some(status), None),
        Err(error) => (None, Some(error)),
    };
    Attempt { at: shared.clock.now().to_string(), status, error }
}
