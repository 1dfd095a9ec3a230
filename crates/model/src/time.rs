//! Instants as the journal stores them.

use std::fmt;
use std::time::Duration;

/// An instant in wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
///
/// The edges print it (RFC 3339, in UTC); inside, it is only compared and added to. Delays are not measured with it,
/// because the wall clock can step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest instant that can be written down; stands for "never".
    pub const MAX: Self = Self(i64::MAX as u64);

    /// An instant from milliseconds since the epoch. Anything past [`Timestamp::MAX`] becomes `MAX`.
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// An instant from whole seconds since the epoch, as Meta writes `event_time`.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This instant moved later by `by`, stopping at [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis_of(by)))
    }

    /// This instant moved earlier by `by`, stopping at the epoch.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(by)))
    }

    /// How long after `earlier` this instant is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for Timestamp {
    /// Writes the milliseconds; readers outside get RFC 3339 from the edge that talks to them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let t = Timestamp::from_secs(10);
        assert_eq!(t.saturating_add(Duration::from_millis(5)).as_millis(), 10_005);
        assert_eq!(t.saturating_sub(Duration::from_secs(11)), Timestamp::from_millis(0));
        assert_eq!(Timestamp::MAX.saturating_add(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
        assert_eq!(t.since(Timestamp::from_secs(20)), Duration::ZERO);
        assert_eq!(Timestamp::from_secs(20).since(t), Duration::from_secs(10));
    }
}
