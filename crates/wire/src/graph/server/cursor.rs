//! The cursor of a paged block list.
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

#[cfg(test)]
mod tests {
    use super::*;

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
