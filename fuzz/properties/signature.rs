//! What must hold of the check of signatures, whatever the header, the secrets and the body. Fuzzing looks for inputs that
//! break it; an ordinary test replays the corpus.

use laneway_channel::Secret;
use laneway_channel::meta::webhook::{sign, verify};

/// An input is the header up to the end of its line, the secret up to the end of its line, and the body.
pub(crate) fn split(input: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (header, rest) = line(input)?;
    let (secret, body) = line(rest)?;
    Some((header, secret, body))
}

fn line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}

/// Holds the check against the one signature that is right.
pub(crate) fn check(header: &str, secret: &str, body: &[u8]) {
    let (other, secret) = (Secret::new(format!("{secret}x")), Secret::new(secret));
    let right = sign(&secret, body);
    let known = [other.clone(), secret.clone()];
    assert_eq!(verify(&known, Some(&right), body), Ok(()), "what is signed is believed");
    assert!(verify(&[other], Some(&right), body).is_err(), "another secret is not");
    assert!(verify(&[], Some(&right), body).is_err() && verify(&known, None, body).is_err());

    let is_right =
        header.strip_prefix("sha256=").is_some_and(|digits| digits.eq_ignore_ascii_case(&right[7..]));
    let verdict = verify(std::slice::from_ref(&secret), Some(header), body);
    assert_eq!(verdict.is_ok(), is_right, "a header is believed only if it is the signature");
    if let Err(error) = verdict {
        assert!(!error.to_string().contains(&right[7..]), "the right signature is not told");
    }

    let mut changed = body.to_vec();
    match changed.first_mut() {
        Some(byte) => *byte ^= 1,
        None => changed.push(0),
    }
    assert!(verify(&[secret], Some(&right), &changed).is_err(), "a changed body is not believed");
}
