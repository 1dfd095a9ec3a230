//! Durations as people write them: `250ms`, `90s`, `5m`, `25h`, `7d`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number and a unit: 250ms, 90s, 5m, 25h or 7d")]
pub(crate) struct DurationError;

/// Reads a duration.
///
/// # Errors
/// [`DurationError`] if the text is not a whole number followed by `ms`, `s`, `m`, `h` or `d`, or is beyond counting.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or(DurationError)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationError),
    };
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or(DurationError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected_ms: Option<u64>) {
        assert_eq!(parse(text).ok(), expected_ms.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations() {
        check("250ms", Some(250));
        check("0s", Some(0));
        check("90s", Some(90_000));
        check("5m", Some(300_000));
        check("25h", Some(90_000_000));
        check("7d", Some(604_800_000));
        check(" 1s ", Some(1_000));
        for text in
            ["", "5", "s", "-1s", "1.5h", "1 h", "1w", "1sm", "99999999999999999999s", "9999999999999999d"]
        {
            check(text, None);
        }
    }
}
