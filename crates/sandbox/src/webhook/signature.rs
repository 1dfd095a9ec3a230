//! The signature on a notification.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The value of `X-Hub-Signature-256`: HMAC-SHA256 of the bytes of the body with the app secret, in lower-case
/// hexadecimal digits (Meta, *Webhooks: getting started* (D)).
pub(super) fn signature(app_secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("a key may have any length");
    mac.update(body);
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escaped_body_is_what_is_signed() {
        // Computed with another implementation.
        assert_eq!(
            signature("secret", br#"{"a":"\u00e4"}"#),
            "sha256=b78ab4033415318a0fa14a82d6f5ca348bb74e377eed416f314566864d116718"
        );
    }

    #[test]
    fn a_test_case_of_rfc_4231() {
        // Case 2.
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
