//! The form of the inputs that stand for an answer of Meta's: three bytes that choose the call and the HTTP status, the
//! usage header up to the end of its line, the body.

/// The WhatsApp Business Account of all calls here.
pub(crate) const WABA: &str = "102290129340398";

/// The three bytes (verb, members, status), the header `x-business-use-case-usage`, and the body.
pub(crate) fn split(input: &[u8]) -> Option<([u8; 3], &[u8], &[u8])> {
    let (&choices, rest) = input.split_first_chunk()?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    Some((choices, &rest[..end], &rest[end + 1..]))
}
