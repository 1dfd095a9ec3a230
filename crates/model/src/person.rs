//! The user at the other end of a chat.

use std::fmt;

use crate::{Bsuid, PhoneNumber, PhoneNumberError};

/// A WhatsApp user as an event names them: by phone number, or by business-scoped user id when the number is hidden
/// behind a username.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// By phone number.
    Phone(PhoneNumber),
    /// By business-scoped user id.
    Bsuid(Bsuid),
}

/// Why a text names nobody: it has neither the form of a business-scoped id nor that of a phone number.
pub type PersonError = PhoneNumberError;

impl Person {
    /// Reads a phone number in any of its forms, or a business-scoped user id.
    ///
    /// # Errors
    /// What is wrong with the text as a phone number.
    pub fn parse(text: &str) -> Result<Self, PersonError> {
        match Bsuid::parse(text.trim()) {
            Ok(id) => Ok(Self::Bsuid(id)),
            Err(_) => PhoneNumber::parse(text).map(Self::Phone),
        }
    }

    /// The person as logs may show them.
    pub fn masked(&self) -> String {
        match self {
            Self::Phone(number) => number.masked(),
            Self::Bsuid(id) => {
                let text = id.as_str();
                format!("{}.…{}", &text[..2], &text[text.len().saturating_sub(4).max(3)..])
            }
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(number) => number.fmt(f),
            Self::Bsuid(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_form() {
        for (text, printed, masked) in [
            ("00316012345678", "+316012345678", "+31…5678"),
            ("US.13491208655302741918", "US.13491208655302741918", "US.…1918"),
            ("NL.a", "NL.a", "NL.…a"),
        ] {
            let person = Person::parse(text).unwrap();
            assert_eq!((person.to_string().as_str(), person.masked().as_str()), (printed, masked));
        }
        assert_eq!(Person::parse("00"), Err(PhoneNumberError::Empty));
        assert_eq!(Person::parse("USA"), Err(PhoneNumberError::Character('U')));
    }
}
