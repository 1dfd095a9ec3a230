//! Instants as users write and read them.

use laneway_model::Timestamp;
use serde::{Serialize, Serializer};

/// An instant in RFC 3339, in UTC, with milliseconds: `2026-11-22T12:04:31.207Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", to_jiff(self.0)))
    }
}

/// Reads RFC 3339 with any offset, or whole seconds since 1970.
pub(super) fn parse(text: &str) -> Result<Timestamp, &'static str> {
    const PROBLEM: &str = "is neither an instant such as 2026-11-22T12:00:00Z nor whole seconds since 1970 (a + is written %2B)";
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds: u64 = text.parse().map_err(|_| PROBLEM)?;
        return Ok(Timestamp::from_secs(seconds));
    }
    let instant: jiff::Timestamp = text.parse().map_err(|_| PROBLEM)?;
    let millis = u64::try_from(instant.as_millisecond()).map_err(|_| "is before 1970")?;
    Ok(Timestamp::from_millis(millis))
}

/// Instants past the year 9999, which RFC 3339 cannot write, become its end.
fn to_jiff(timestamp: Timestamp) -> jiff::Timestamp {
    let millis = i64::try_from(timestamp.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, ()>) {
        let found = parse(text).map(|t| serde_json::to_string(&Instant(t)).unwrap()).map_err(|_| ());
        assert_eq!(found, expected.map(|text| format!("{text:?}")), "{text}");
    }

    #[test]
    fn forms() {
        check("2026-11-22T12:04:31.207Z", Ok("2026-11-22T12:04:31.207Z"));
        check("2026-11-22T14:04:31+02:00", Ok("2026-11-22T12:04:31.000Z"));
        check("0", Ok("1970-01-01T00:00:00.000Z"));
        check("1795262400", Ok("2026-11-21T12:00:00.000Z"));
        check("99999999999999999", Ok("9999-12-30T22:00:00.999Z"));
        check("", Err(()));
        check("yesterday", Err(()));
        check("2026-11-22", Err(()));
        check("1969-12-31T23:59:59Z", Err(()));
        check("-5", Err(()));
        check("99999999999999999999", Err(()));
    }
}
