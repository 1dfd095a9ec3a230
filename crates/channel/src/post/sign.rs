//! Signatures as Standard Webhooks has them, version 1 (symmetric): <https://www.standardwebhooks.com>, the specification's
//! "Signature scheme", read as of November 2026.
//!
//! What is signed is `{id}.{timestamp}.{body}`, the timestamp in whole seconds since 1970, with HMAC-SHA256. The key is
//! the secret without its prefix, decoded from base 64.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Secret;

/// The key that callbacks are signed with. It prints as `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

/// A text that is no signing key. The text itself is not repeated, because it may be a secret all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The prefix is missing.
    #[error("does not begin with \"whsec_\"")]
    Prefix,
    /// The rest is no base 64.
    #[error("is not base 64 after \"whsec_\"")]
    Base64,
    /// The key is too short or too long.
    #[error("stands for {0} bytes; a key has 24 to 64")]
    Length(usize),
}

impl SigningKey {
    /// The fewest and the most bytes of a key, as the specification asks for.
    const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

    /// Reads `whsec_` and base 64.
    ///
    /// # Errors
    /// [`SigningKeyError`] says what is wrong with the form.
    pub fn parse(secret: &Secret) -> Result<Self, SigningKeyError> {
        let encoded = secret.expose().strip_prefix("whsec_").ok_or(SigningKeyError::Prefix)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| SigningKeyError::Base64)?;
        if Self::BYTES.contains(&key.len()) { Ok(Self(key)) } else { Err(SigningKeyError::Length(key.len())) }
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, id: &str, timestamp_s: u64, body: &str, expected: &str) {
        let key = SigningKey::parse(&Secret::new(secret)).unwrap();
        assert_eq!(key.sign(id, timestamp_s, body.as_bytes()), expected);
    }

    /// The first is the example that the specification's libraries share. The others were computed with OpenSSL: `printf
    /// '%s' "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64`.
    #[test]
    fn signatures() {
        check(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
        check(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "ev_01KB3Q6T0G0000000000000007",
            1_764_132_271,
            "{\"type\":\"event.failed\"}",
            "v1,+qkjAKNZVgO7mfQ4zDeKwIzgn24rKSlKt5sMFtJ0R4s=",
        );
        let long =
            "whsec_eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eA==";
        check(long, "a", 0, "", "v1,3FFp+H8MCXSd9Q8Qqxw2hTCoo7hM5cn+6nsI+uchHQA=");
    }

    #[test]
    fn keys() {
        let check = |secret: &str, expected: Result<(), SigningKeyError>| {
            assert_eq!(SigningKey::parse(&Secret::new(secret)).map(drop), expected, "{secret}");
        };
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(()));
        check(&format!("whsec_{}", BASE64_STANDARD.encode([7; 64])), Ok(()));
        check(&format!("whsec_{}", BASE64_STANDARD.encode([7; 65])), Err(SigningKeyError::Length(65)));
        check(&format!("whsec_{}", BASE64_STANDARD.encode([7; 23])), Err(SigningKeyError::Length(23)));
        check("whsec_", Err(SigningKeyError::Length(0)));
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", Err(SigningKeyError::Base64));
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La_aSw", Err(SigningKeyError::Base64));
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(SigningKeyError::Prefix));
        check("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(SigningKeyError::Prefix));
        check("", Err(SigningKeyError::Prefix));
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let key = SigningKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        assert_eq!(format!("{key:?}"), "[redacted]");
    }
}
