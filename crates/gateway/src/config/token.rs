//! Product tokens: what a client shows to be let in. Only their hashes are kept.

use std::fmt;
use std::ops::BitOr;

use laneway_channel::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A product token as the configuration holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The hash of the token.
    pub hash: TokenHash,
    /// What its bearer may do.
    pub scopes: Scopes,
}

/// The SHA-256 hash of a product token's text in small letters, because CM.com's tokens are GUIDs, which are the same
/// in any letter case.
///
/// A plain hash is enough, where a password would need a slow one: a GUID has 122 random bits, which nobody guesses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

/// The word before the digits, so that a later kind of hash can be told apart.
const PREFIX: &str = "sha256:";

/// The hash of a product token's text.
pub fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.to_ascii_lowercase()).into())
}

/// A new product token: a random GUID (version 4) in small letters.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
    Ok(Secret::new(format!("{a}-{b}-{c}-{d}-{e}")))
}

impl TokenHash {
    /// Reads `sha256:` and 64 hexadecimal digits, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Whether it is the hash of no text at all, as an unset variable gives it; it would let in whoever has no token.
    pub(super) fn is_of_nothing(&self) -> bool {
        *self == hash("")
    }

    /// The first eight bytes; hashes are in the order of these, and only then in that of the rest.
    pub(super) fn start(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether both are the same, taking as long either way.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

impl fmt::Display for TokenHash {
    /// Writes the form that the configuration takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the bearer of a token may do: a set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Submit events.
    pub const SEND: Self = Self(1);
    /// Look at events, contacts and block lists.
    pub const READ: Self = Self(2);
    /// Retry and discard events.
    pub const OPERATE: Self = Self(4);
    /// Remove a person's data.
    pub const ERASE: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);

    /// The words of the configuration.
    const WORDS: [(&'static str, Self); 4] =
        [("send", Self::SEND), ("read", Self::READ), ("operate", Self::OPERATE), ("erase", Self::ERASE)];

    /// The one permission behind a word of the configuration.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, scope)| scope)
    }

    /// Whether all of `wanted` is in the set.
    pub const fn contain(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The words of the set, in the order of the documentation.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.into_iter().filter(move |(_, scope)| self.contain(*scope)).map(|(word, _)| word)
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The GUID of all zeros, and what `printf 00000000-… | sha256sum` says of it.
    const NIL: &str = "00000000-0000-0000-0000-000000000000";
    const NIL_HASH: &str = "sha256:12b9377cbe7e5c94e8a70d9d23929523d14afa954793130f8a3959c7b849aca8";

    #[test]
    fn a_hash_is_that_of_the_text_in_small_letters() {
        assert_eq!(hash(NIL).to_string(), NIL_HASH);
        assert_eq!(
            hash("A1B2C3D4-0000-4000-8000-ABCDEF012345"),
            hash("a1b2c3d4-0000-4000-8000-abcdef012345")
        );
        assert_ne!(hash("a"), hash("b"));
        assert!(hash("").is_of_nothing() && !hash(NIL).is_of_nothing());
    }

    #[test]
    fn hashes_are_read_back() {
        let (prefix, digits) = NIL_HASH.split_at(7);
        for (text, expected) in [
            (NIL_HASH.to_owned(), true),
            (format!("{prefix}{}", digits.to_uppercase()), true),
            (digits.to_owned(), false),
            (format!("SHA256:{digits}"), false),
            (format!("sha1:{digits}"), false),
            (NIL_HASH[..70].to_owned(), false),
            (format!("{NIL_HASH}0"), false),
            (NIL_HASH.replace('1', "g"), false),
            (NIL_HASH.replace("12", "é"), false),
            (String::new(), false),
        ] {
            assert_eq!(TokenHash::parse(&text), expected.then(|| hash(NIL)), "{text:?}");
        }
    }

    #[test]
    fn new_tokens_are_random_guids() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        for token in [one, other] {
            let text = token.expose();
            let lengths: Vec<_> = text.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert!(text.chars().all(|c| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c)));
            assert_eq!(text.as_bytes()[14], b'4', "version 4");
            assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "the variant of RFC 9562");
        }
    }

    #[test]
    fn scopes_are_a_set() {
        let both = Scopes::SEND | Scopes::READ;
        for (set, wanted, expected) in [
            (both, Scopes::SEND, true),
            (both, both, true),
            (both, Scopes::OPERATE, false),
            (both, Scopes::ALL, false),
            (Scopes::ALL, both | Scopes::ERASE, true),
            (Scopes::NONE, Scopes::READ, false),
            (Scopes::NONE, Scopes::NONE, true),
        ] {
            assert_eq!(set.contain(wanted), expected, "{set:?} {wanted:?}");
        }
        assert_eq!(Scopes::ALL.words().collect::<Vec<_>>(), ["send", "read", "operate", "erase"]);
        for word in Scopes::ALL.words() {
            assert_eq!(Scopes::parse(word).unwrap().words().collect::<Vec<_>>(), [word]);
        }
        assert_eq!((Scopes::parse("Send"), Scopes::parse("admin"), Scopes::parse("")), (None, None, None));
    }
}
