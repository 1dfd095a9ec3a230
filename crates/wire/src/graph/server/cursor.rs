//! The cursors of paged lists: that of a block list, and that of a list of objects with ids.
//!
//! Meta's captured cursor decodes to `{"offset":0,"versionId":"1737679688383584"}` in base64 with `Z` written `ZA` and
//! `=` written `ZD`; the version is the microsecond of the list's last write (I, re-encoded byte for byte).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A place in one version of a block list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The index of the page's first entry (`before`) or of its last one (`after`).
    pub offset: u64,
    /// When the list was last written, in microseconds since 1970.
    pub version_us: u64,
}

#[derive(Serialize, Deserialize)]
struct Content {
    offset: u64,
    #[serde(rename = "versionId")]
    version_id: String,
}

impl Cursor {
    /// The cursor as it stands in an answer.
    pub fn encode(self) -> String {
        let json = format!(r#"{{"offset":{},"versionId":"{}"}}"#, self.offset, self.version_us);
        STANDARD.encode(json).replace('Z', "ZA").replace('=', "ZD")
    }

    /// Reads a cursor back. `None` if it is not one.
    pub fn decode(text: &str) -> Option<Cursor> {
        let base64 = text.replace("ZD", "=").replace("ZA", "Z");
        let json = STANDARD.decode(base64).ok()?;
        let content: Content = serde_json::from_slice(&json).ok()?;
        Some(Cursor { offset: content.offset, version_us: content.version_id.parse().ok()? })
    }
}

/// The cursor before or after an object of a list, as in the example of `phone_numbers` in Meta's OpenAPI document: its
/// id in base64 (D).
pub fn encode_id(id: &str) -> String {
    STANDARD.encode(id)
}

/// The id in such a cursor. `None` if it is not one.
pub fn decode_id(cursor: &str) -> Option<String> {
    let id = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_cursor_of_an_id_both_ways() {
        assert_eq!(encode_id("10151194520072941"), "MTAxNTExOTQ1MjAwNzI5NDE=");
        assert_eq!(decode_id("MTAxNTExOTQ1MjAwNzI5NDE=").as_deref(), Some("10151194520072941"));
        for text in ["", "x", "MTA", "AAAA", "YWJj", CAPTURED] {
            assert_eq!(decode_id(text), None, "{text}");
        }
    }

    /// The `before` and `after` of the list captured in Meta's Postman collection.
    const CAPTURED: &str = "eyJvZAmZAzZAXQiOjAsInZAlcnNpb25JZACI6IjE3Mzc2Nzk2ODgzODM1ODQifQZDZD";

    #[test]
    fn the_captured_cursor_both_ways() {
        let cursor = Cursor { offset: 0, version_us: 1_737_679_688_383_584 };
        assert_eq!(cursor.encode(), CAPTURED);
        assert_eq!(Cursor::decode(CAPTURED), Some(cursor));
    }

    #[test]
    fn every_offset_comes_back() {
        for offset in [0, 1, 24, 25, 999, 63_999, u64::MAX] {
            let cursor = Cursor { offset, version_us: 1_795_406_719_000_001 };
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor() {
        let no_number =
            STANDARD.encode(r#"{"offset":0,"versionId":"x"}"#).replace('Z', "ZA").replace('=', "ZD");
        for text in ["", "x", "ZD", "eyJ9", "é", CAPTURED.trim_end_matches("ZDZD"), &no_number] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
