//! Phone numbers in international form.

use std::fmt;

/// A phone number in international form: 7 to 15 digits, country code first, no leading zero.
///
/// Only the form is checked, no numbering plan: the numbers on CM.com's own page are in nobody's plan. Fifteen digits
/// are E.164's maximum, and no country code begins with 0, so the digits fit a `u64` without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(u64);

/// Why a text is not a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneNumberError {
    /// Nothing but white space, or the bare international prefix `00` or `+`.
    Empty,
    /// A character that is not a digit, a space or a dash (or a `+` in front).
    Character(char),
    /// Not between 7 and 15 digits; the count is given.
    Length(usize),
    /// It begins with a single 0, so it is a national number, without its country code.
    National,
}

impl PhoneNumber {
    /// Fewest digits of a number.
    pub const DIGITS_MIN: usize = 7;
    /// Most digits of a number (E.164).
    pub const DIGITS_MAX: usize = 15;

    /// Reads a number written as `00…`, as `+…`, or as digits; spaces and dashes are skipped.
    ///
    /// # Errors
    /// [`PhoneNumberError`] says what is wrong with the form.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let text = text.trim();
        let (digits, has_plus) = text.strip_prefix('+').map_or((text, false), |rest| (rest, true));
        let (mut value, mut seen) = (0_u64, 0_usize);
        let mut leading_zeros = 0;
        for c in digits.chars() {
            match c {
                ' ' | '-' => {}
                '0' if seen == 0 => leading_zeros += 1,
                '0'..='9' => {
                    seen += 1;
                    if seen <= Self::DIGITS_MAX {
                        value = value * 10 + u64::from(u32::from(c) - u32::from('0'));
                    }
                }
                other => return Err(PhoneNumberError::Character(other)),
            }
        }
        match (seen, leading_zeros, has_plus) {
            (0, ..) => Err(PhoneNumberError::Empty),
            (_, 0, _) | (_, 2, false) => Self::checked(value, seen),
            _ => Err(PhoneNumberError::National),
        }
    }

    fn checked(value: u64, digits: usize) -> Result<Self, PhoneNumberError> {
        if (Self::DIGITS_MIN..=Self::DIGITS_MAX).contains(&digits) {
            Ok(Self(value))
        } else {
            Err(PhoneNumberError::Length(digits))
        }
    }

    /// A number from its digits as one integer, as [`PhoneNumber::as_u64`] gave it.
    pub fn from_u64(digits: u64) -> Option<Self> {
        let count = digits.checked_ilog10().map_or(1, |log| log as usize + 1);
        Self::checked(digits, count).ok()
    }

    /// The digits as one integer: compact, and equal for equal numbers.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The bare digits, country code first: WhatsApp's `wa_id` form.
    pub fn digits(self) -> String {
        self.0.to_string()
    }

    /// The number as logs may show it: `+31…5678`.
    pub fn masked(self) -> String {
        let digits = self.digits();
        let (head, tail) = (&digits[..2], &digits[digits.len() - 4..]);
        format!("+{head}…{tail}")
    }
}

impl fmt::Display for PhoneNumber {
    /// Writes `+` and the digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Display for PhoneNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the number is empty"),
            Self::Character(c) => write!(f, "{c:?} does not belong in a number"),
            Self::Length(n) => {
                write!(
                    f,
                    "{n} digits; a number has {} to {}",
                    PhoneNumber::DIGITS_MIN,
                    PhoneNumber::DIGITS_MAX
                )
            }
            Self::National => f.write_str("a national number; write it with its country code, as 00… or +…"),
        }
    }
}

impl std::error::Error for PhoneNumberError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, PhoneNumberError>) {
        assert_eq!(
            PhoneNumber::parse(text).map(|n| n.to_string()),
            expected.map(ToOwned::to_owned),
            "parsing {text:?}"
        );
    }

    #[test]
    fn forms() {
        check("00316098765432", Ok("+316098765432"));
        check("+316012345678", Ok("+316012345678"));
        check("316012345678", Ok("+316012345678"));
        check(" +31 6-0123 45678 ", Ok("+316012345678"));
        check("1234567", Ok("+1234567"));
        check("123456789012345", Ok("+123456789012345"));
        check("", Err(PhoneNumberError::Empty));
        check("00", Err(PhoneNumberError::Empty));
        check("+", Err(PhoneNumberError::Empty));
        check("0612345678", Err(PhoneNumberError::National));
        check("+0031612345678", Err(PhoneNumberError::National));
        check("00031612345678", Err(PhoneNumberError::National));
        check("123456", Err(PhoneNumberError::Length(6)));
        check("0012345678901234567", Err(PhoneNumberError::Length(17)));
        check("+31x", Err(PhoneNumberError::Character('x')));
        check("31+6", Err(PhoneNumberError::Character('+')));
        check("٣١٦٠١٢٣٤٥٦٧٨", Err(PhoneNumberError::Character('٣')));
    }

    #[test]
    fn masks_all_but_the_ends() {
        assert_eq!(PhoneNumber::parse("+316012345678").unwrap().masked(), "+31…5678");
        assert_eq!(PhoneNumber::parse("1234567").unwrap().masked(), "+12…4567");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(digits in 1_000_000_u64..=999_999_999_999_999) {
            let number = PhoneNumber::from_u64(digits).unwrap();
            for text in [number.to_string(), number.digits(), format!("00{digits}")] {
                prop_assert_eq!(PhoneNumber::parse(&text), Ok(number));
            }
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::from_u64(number.as_u64()), Some(number));
            }
        }
    }
}
