//! Durations as the file writes them: `10s`, `24h`, `7d`.

use std::time::Duration;

/// The units, longest first, with their length in seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a whole number with one unit: `s`, `m`, `h` or `d`. `None` when the form is another, or when the seconds do
/// not fit in 64 bits.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (_, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// Writes whole seconds with the longest unit that leaves no rest.
pub(super) fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (unit, length) = UNITS
        .into_iter()
        .find(|(_, length)| seconds >= *length && seconds.is_multiple_of(*length))
        .unwrap_or(('s', 1));
    format!("{}{unit}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u64, &str)>) {
        let found = parse(text).map(|duration| (duration.as_secs(), written(duration)));
        assert_eq!(found.as_ref().map(|(seconds, text)| (*seconds, text.as_str())), expected, "{text:?}");
    }

    #[test]
    fn forms() {
        check("10s", Some((10, "10s")));
        check("90s", Some((90, "90s")));
        check("60m", Some((3_600, "1h")));
        check("24h", Some((86_400, "1d")));
        check("7d", Some((604_800, "7d")));
        check("0s", Some((0, "0s")));
        check("", None);
        check("s", None);
        check("10", None);
        check("10 s", None);
        check("+10s", None);
        check("-1d", None);
        check("1.5h", None);
        check("7D", None);
        check("10ms", None);
        check("7 €", None);
        check("18446744073709551615d", None);
        check("18446744073709551616s", None);
    }
}
