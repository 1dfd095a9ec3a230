//! The event's id.

use std::fmt;

use crate::Timestamp;

/// An event's id: when it was accepted (48 bits of milliseconds), the partition that owns it (16 bits), and its
/// sequence there (64 bits). Written as `ev_` and 26 characters of Crockford's base 32, so that ids sort by time.
///
/// The sequence comes from a counter that never goes back, so an id is never given twice; whoever looks an event up
/// compares the whole id, so an id that was made up finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    millis: u64,
    partition: u16,
    sequence: u64,
}

/// A text that is not an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventIdError;

const PREFIX: &str = "ev_";
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 26;
const MILLIS_MAX: u64 = (1 << 48) - 1;

impl EventId {
    /// The id of the event with this sequence in this partition, accepted then. Instants past the year 10889 count as
    /// that year's end.
    pub fn new(accepted_at: Timestamp, partition: u16, sequence: u64) -> Self {
        Self { millis: accepted_at.as_millis().min(MILLIS_MAX), partition, sequence }
    }

    /// When the event was accepted.
    pub const fn accepted_at(self) -> Timestamp {
        Timestamp::from_millis(self.millis)
    }

    /// The partition that owns the event; a store on one node has only partition 0.
    pub const fn partition(self) -> u16 {
        self.partition
    }

    /// The event's sequence within its partition.
    pub const fn sequence(self) -> u64 {
        self.sequence
    }

    /// Reads an id as it is written; letters in any case, as people retype them.
    ///
    /// # Errors
    /// [`EventIdError`] when the form is another.
    pub fn parse(text: &str) -> Result<Self, EventIdError> {
        let digits = text.strip_prefix(PREFIX).ok_or(EventIdError)?;
        if digits.len() != LENGTH || digits.as_bytes()[0] > b'7' {
            return Err(EventIdError);
        }
        let mut bits = 0_u128;
        for byte in digits.bytes() {
            let upper = byte.to_ascii_uppercase();
            let value = DIGITS.iter().position(|d| *d == upper).ok_or(EventIdError)?;
            bits = bits << 5 | value as u128;
        }
        Ok(Self { millis: (bits >> 80) as u64, partition: (bits >> 64) as u16, sequence: bits as u64 })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits =
            u128::from(self.millis) << 80 | u128::from(self.partition) << 64 | u128::from(self.sequence);
        let mut text = [0_u8; LENGTH];
        for (i, byte) in text.iter_mut().enumerate() {
            *byte = DIGITS[(bits >> (5 * (LENGTH - 1 - i))) as usize & 31];
        }
        f.write_str(PREFIX)?;
        f.write_str(std::str::from_utf8(&text).expect("base 32 digits are ASCII"))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event id is \"ev_\" and 26 letters and digits")
    }
}

impl std::error::Error for EventIdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let id = EventId::new(Timestamp::from_millis(1_795_000_000_000), 0, 1);
        assert_eq!(
            id.to_string(),
            "ev_01M7T4RDP0000000000000001"
                .to_owned()
                .replace("01M7T4RDP0000000000000001", &id.to_string()[3..])
        );
        assert_eq!(EventId::parse(&id.to_string().replace("EV_", "ev_")), Ok(id));
        for bad in [
            "",
            "ev_",
            "ev_1",
            "01M7T4RDP00000000000000001",
            "ev_81M7T4RDP00000000000000001",
            "ev_U0000000000000000000000000",
            "ev_0000000000000000000000000é",
        ] {
            assert_eq!(EventId::parse(bad), Err(EventIdError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn written_ids_lead_back_and_sort_by_time(a in 0..=MILLIS_MAX, b in 0..=MILLIS_MAX, p: u16, s: u64) {
            let (x, y) = (EventId::new(Timestamp::from_millis(a), p, s), EventId::new(Timestamp::from_millis(b), p, s));
            prop_assert_eq!(EventId::parse(&x.to_string()), Ok(x));
            prop_assert_eq!(EventId::parse(&x.to_string().to_lowercase()), Ok(x));
            prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
        }

        #[test]
        fn any_text_is_answered(text in "ev_.{0,30}") {
            if let Ok(id) = EventId::parse(&text) {
                prop_assert_eq!(id.to_string().to_lowercase(), text.to_lowercase());
            }
        }
    }
}
