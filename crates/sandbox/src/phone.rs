//! Phone numbers as WhatsApp keeps them: digits, country code first.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A phone number: 7 to 15 digits, the first of them not zero. Numbering plans are not consulted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Phone(String);

/// A text that is no phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a phone number has 7 to 15 digits, country code first, written 00…, +… or bare")]
pub(crate) struct PhoneError;

impl Phone {
    /// Reads a number as the Graph API takes one: digits with an optional `+`, spaces, dashes, dots and brackets
    /// between them. A leading `00` is no country code there.
    pub(crate) fn graph(text: &str) -> Result<Phone, PhoneError> {
        let text = text.trim();
        let rest = text.strip_prefix('+').unwrap_or(text);
        let mut digits = String::with_capacity(rest.len());
        for letter in rest.chars() {
            match letter {
                '0'..='9' => digits.push(letter),
                ' ' | '-' | '.' | '(' | ')' => {}
                _ => return Err(PhoneError),
            }
        }
        Phone::try_from(digits)
    }

    /// Reads a number as people and the control surface write one: `00…`, `+…` or bare digits.
    pub(crate) fn lenient(text: &str) -> Result<Phone, PhoneError> {
        let text = text.trim();
        Phone::graph(text.strip_prefix("00").unwrap_or(text))
    }

    /// The number as Meta displays a business's, such as `+1 631-555-5555` (D). How it groups the digits of other
    /// countries is unknown (U): here a country code has one digit or two, and the rest is grouped as in that example.
    pub(crate) fn display(&self) -> String {
        let (country, rest) = self.0.split_at(if self.0.starts_with(['1', '7']) { 1 } else { 2 });
        let (groups, last) = rest.split_at(rest.len().saturating_sub(4));
        let groups: String =
            groups.as_bytes().chunks(3).map(|group| format!("{}-", group.escape_ascii())).collect();
        format!("+{country} {groups}{last}")
    }

    /// The digits, which are also the user's `wa_id`.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Phone {
    type Error = PhoneError;

    fn try_from(digits: String) -> Result<Phone, PhoneError> {
        let fits = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if fits { Ok(Phone(digits)) } else { Err(PhoneError) }
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> String {
        phone.0
    }
}

/// `+` and the digits.
impl fmt::Display for Phone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "+{}", self.0)
    }
}

/// The first and the last digits only: a number is personal.
impl fmt::Debug for Phone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "+{}…{}", &self.0[..2], &self.0[self.0.len() - 2..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, graph: Option<&str>, lenient: Option<&str>) {
        let digits = |phone: Result<Phone, PhoneError>| phone.ok().map(String::from);
        assert_eq!(digits(Phone::graph(text)).as_deref(), graph, "graph {text}");
        assert_eq!(digits(Phone::lenient(text)).as_deref(), lenient, "lenient {text}");
    }

    #[test]
    fn numbers() {
        let seed = Some("316012345678");
        check("+316012345678", seed, seed);
        check("316012345678", seed, seed);
        check(" +31 60-123 (456) 78 ", seed, seed);
        check("00316012345678", None, seed);
        check("0612345678", None, None);
        check("+00316012345678", None, None);
        check("1234567", Some("1234567"), Some("1234567"));
        check("123456", None, None);
        check("1234567890123456", None, None);
        check("US.13491208655302741918", None, None);
        check("", None, None);
        check("+", None, None);
        check("٣١٦٠١٢٣٤٥٦٧٨", None, None);
    }

    #[test]
    fn a_number_is_displayed_in_groups() {
        for (digits, expected) in [
            ("16315555555", "+1 631-555-5555"),
            ("316098765432", "+31 609-876-5432"),
            ("3161234567", "+31 612-3-4567"),
            ("1234567", "+1 23-4567"),
        ] {
            assert_eq!(Phone::graph(digits).unwrap().display(), expected);
        }
    }

    #[test]
    fn a_number_is_masked_in_debug_output() {
        assert_eq!(format!("{:?}", Phone::graph("+316012345678").unwrap()), "+31…78");
    }
}
