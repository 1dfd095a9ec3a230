//! The sandbox's time, which can be moved ahead.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// An instant of the sandbox's wall clock, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// The instant `duration` later.
    pub(crate) fn plus(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Whole seconds since 1970.
    pub(crate) fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// RFC 3339 in UTC, to the millisecond.
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0 / 1_000).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(timestamp) => write!(formatter, "{timestamp:.3}"),
            Err(_) => formatter.write_str("9999-12-30T22:00:00.000Z"),
        }
    }
}

/// The sandbox's clock: the machine's, plus everything it was advanced by. Clones share the time.
///
/// Nothing in a program under test has to sleep: it advances the clock, and whoever waits for an instant is woken by
/// [`VirtualClock::changed`] and looks at the time again.
#[derive(Clone)]
pub struct VirtualClock {
    shared: Arc<Shared>,
}

struct Shared {
    started: Instant,
    /// What is added to the machine's wall clock, in milliseconds.
    offset_ms: AtomicU64,
    /// What is added to the time since `started`, in milliseconds.
    advanced_ms: AtomicU64,
    moved: watch::Sender<u64>,
}

impl VirtualClock {
    /// A clock that is `offset_ms` milliseconds ahead of the machine's.
    #[expect(clippy::disallowed_methods, reason = "this is the place where the machine's clock is read")]
    pub(crate) fn new(offset_ms: u64) -> VirtualClock {
        let shared = Shared {
            started: Instant::now(),
            offset_ms: AtomicU64::new(offset_ms),
            advanced_ms: AtomicU64::new(0),
            moved: watch::Sender::new(0),
        };
        VirtualClock { shared: Arc::new(shared) }
    }

    /// The wall clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.now().0 / 1_000
    }

    /// The wall clock.
    #[expect(clippy::disallowed_methods, reason = "this is the place where the machine's clock is read")]
    pub(crate) fn now(&self) -> Moment {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(0).plus(since_epoch).plus(Duration::from_millis(self.offset_ms()))
    }

    /// The time since the sandbox was started, advances included. It never goes back.
    pub fn monotonic(&self) -> Duration {
        let advanced = Duration::from_millis(self.shared.advanced_ms.load(Ordering::SeqCst));
        self.uptime().saturating_add(advanced)
    }

    /// The time since the sandbox was started, advances left out: how long its own work takes.
    pub(crate) fn uptime(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// How far the wall clock is ahead of the machine's, in milliseconds.
    pub fn offset_ms(&self) -> u64 {
        self.shared.offset_ms.load(Ordering::SeqCst)
    }

    /// Changes whenever the clock was moved by hand.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.moved.subscribe()
    }

    /// Moves the clock ahead and wakes whoever watches it.
    pub fn advance(&self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let add = |old: u64| Some(old.saturating_add(by_ms));
        for counter in [&self.shared.offset_ms, &self.shared.advanced_ms] {
            counter
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add)
                .expect("the update is never refused");
        }
        self.shared.moved.send_modify(|times| *times += 1);
    }

    /// Sets how far the wall clock is ahead, as an imported state has it. Monotonic time takes part in a step ahead and
    /// ignores a step back.
    pub(crate) fn set_offset_ms(&self, offset_ms: u64) {
        let old = self.shared.offset_ms.swap(offset_ms, Ordering::SeqCst);
        self.shared.advanced_ms.fetch_add(offset_ms.saturating_sub(old), Ordering::SeqCst);
        self.shared.moved.send_modify(|times| *times += 1);
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VirtualClock").field("offset_ms", &self.offset_ms()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advance_moves_both_times_and_wakes_watchers() {
        let clock = VirtualClock::new(1_000);
        let changed = clock.changed();
        let (wall, monotonic) = (clock.now_ms(), clock.monotonic());
        clock.advance(Duration::from_secs(90_000));
        assert!(clock.now_ms() >= wall + 90_000_000);
        assert!(clock.monotonic() >= monotonic + Duration::from_secs(90_000));
        assert_eq!(clock.offset_ms(), 90_001_000);
        assert!(changed.has_changed().unwrap());
    }

    #[test]
    fn monotonic_time_does_not_follow_a_step_back() {
        let clock = VirtualClock::new(0);
        clock.advance(Duration::from_secs(3_600));
        let monotonic = clock.monotonic();
        clock.set_offset_ms(0);
        assert_eq!(clock.offset_ms(), 0);
        assert!(clock.monotonic() >= monotonic);
    }

    #[test]
    fn moments_print_to_the_millisecond() {
        assert_eq!(Moment(1_737_679_688_383_584).to_string(), "2025-01-24T00:48:08.383Z");
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Moment(u64::MAX).to_string().len(), 24);
    }
}
