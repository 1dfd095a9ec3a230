//! Identifiers that other systems hand out. They are opaque: only what would break a URL or a log line is refused.

use std::fmt;

/// Why a text cannot be one of the opaque identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// There is no text.
    Empty,
    /// Longer than the limit, in bytes.
    TooLong {
        /// The longest allowed.
        max: usize,
    },
    /// A character that this identifier never contains.
    Character(char),
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { max } => write!(f, "is longer than {max} bytes"),
            Self::Character(c) => write!(f, "contains {c:?}"),
        }
    }
}

impl std::error::Error for IdError {}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, max $max:literal, allowed $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest text this can be, in bytes.
            pub const BYTES_MAX: usize = $max;

            /// Reads the identifier; nothing is trimmed or changed.
            ///
            /// # Errors
            /// [`IdError`] says what is wrong with the form.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                if text.len() > Self::BYTES_MAX {
                    return Err(IdError::TooLong { max: Self::BYTES_MAX });
                }
                match text.chars().find(|c| !allowed(*c)) {
                    Some(c) => Err(IdError::Character(c)),
                    None => Ok(Self(text.into())),
                }
            }

            /// The text, as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_visible(c: char) -> bool {
    !c.is_control()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

opaque_id! {
    /// A WhatsApp message id (`wamid.…`). It is opaque: older ids do not follow the form that today's have, so any
    /// visible text is taken and Meta decides. Today's form contains the user's phone number, hence
    /// [`Wamid::masked`] for logs.
    Wamid, max 512, allowed is_visible
}
opaque_id! {
    /// The id of a WhatsApp Business Account: decimal digits.
    WabaId, max 32, allowed |c| c.is_ascii_digit()
}
opaque_id! {
    /// Meta's id of a business phone number (not the number itself): decimal digits.
    PhoneNumberId, max 32, allowed |c| c.is_ascii_digit()
}
opaque_id! {
    /// The id of the data set that a WABA's conversions go to: decimal digits.
    DatasetId, max 32, allowed |c| c.is_ascii_digit()
}
opaque_id! {
    /// The click id of a click-to-WhatsApp ad, from `referral.ctwa_clid` of the first message after the click. CM.com's
    /// samples call it `ctwa_id`, its text `ctwa_clid`.
    CtwaClid, max 1024, allowed is_visible
}
opaque_id! {
    /// The name of a tenant in the configuration.
    AccountName, max 64, allowed is_name
}
opaque_id! {
    /// The name of a Meta app in the configuration; part of its callback's path.
    AppName, max 64, allowed is_name
}

impl Wamid {
    /// The id as logs may show it: its last six characters.
    pub fn masked(&self) -> String {
        let chars: Vec<char> = self.as_str().chars().collect();
        let tail: String = chars[chars.len().saturating_sub(6)..].iter().collect();
        format!("…{tail}")
    }
}

/// A business-scoped user id: two capital letters, a dot, and up to 128 letters or digits (`US.13491208655302741918`);
/// a parent id has `ENT.` between (`US.ENT.11815799212886844830`). Meta: "Business-scoped user IDs", 2026.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bsuid(Box<str>);

/// A text that does not have the form of a business-scoped user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BsuidError;

impl Bsuid {
    /// Reads an id in the form above.
    ///
    /// # Errors
    /// [`BsuidError`] when the form is another.
    pub fn parse(text: &str) -> Result<Self, BsuidError> {
        let (country, rest) = text.split_once('.').ok_or(BsuidError)?;
        let id = rest.strip_prefix("ENT.").unwrap_or(rest);
        let country_ok = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        let id_ok = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if country_ok && id_ok { Ok(Self(text.into())) } else { Err(BsuidError) }
    }

    /// The whole id, country included, as Meta wants it back.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Bsuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BsuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a business-scoped user id such as US.13491208655302741918")
    }
}

impl std::error::Error for BsuidError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_ids_refuse_only_what_breaks_things() {
        assert_eq!(Wamid::parse("your message id you want to mark as read").unwrap().masked(), "…s read");
        assert_eq!(Wamid::parse(""), Err(IdError::Empty));
        assert_eq!(Wamid::parse("a\nb"), Err(IdError::Character('\n')));
        assert_eq!(WabaId::parse(&"1".repeat(33)), Err(IdError::TooLong { max: 32 }));
        assert_eq!(PhoneNumberId::parse("106/x"), Err(IdError::Character('/')));
        assert_eq!(AccountName::parse("shop 1"), Err(IdError::Character(' ')));
    }

    #[test]
    fn business_scoped_ids() {
        for good in ["US.13491208655302741918", "US.ENT.11815799212886844830", "NL.a"] {
            assert_eq!(Bsuid::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "US",
            "US.",
            "us.1",
            "USA.1",
            "US.ENT.",
            "US.1-2",
            "US.1.2",
            &format!("US.{}", "1".repeat(129)),
        ] {
            assert_eq!(Bsuid::parse(bad), Err(BsuidError), "{bad}");
        }
    }
}
