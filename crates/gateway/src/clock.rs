//! The node's time. Everything that needs an instant takes it from here, so that `dev` can share the sandbox's virtual
//! clock and tests can own the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use laneway_model::Timestamp;
use tokio::sync::watch;

/// Where the node takes its time from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: stored instants, expiry.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed moment, never going back: delays, rates and timeouts are measured with it.
    fn monotonic(&self) -> Duration;

    /// Changes whenever the clock was moved by hand, so that sleepers look again. `None` if it never is.
    fn moved(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the place where the machine's clock is read")]
    #[expect(clippy::new_without_default, reason = "reading the clock is not a default value")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place where the machine's clock is read")]
    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
