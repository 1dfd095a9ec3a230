//! The bytes inside stored blobs: numbers as LEB128, texts and byte strings behind their length.

use laneway_model::Timestamp;

/// What is wrong with stored bytes, in a few words.
pub(crate) type Problem = &'static str;

/// Appends fields to a blob.
#[derive(Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

/// Takes the fields off a blob, in the order in which they were written.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl Encoder {
    /// A blob that begins with the number of its format.
    pub(crate) fn versioned(version: u8) -> Self {
        Self { bytes: vec![version] }
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(crate) fn instant(&mut self, value: Timestamp) {
        self.number(value.as_millis());
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A byte that says whether there is a value, then the value.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl<'a> Decoder<'a> {
    /// Begins to read a blob, which must be in the format of that number.
    pub(crate) fn versioned(bytes: &'a [u8], version: u8) -> Result<Self, Problem> {
        match bytes.split_first() {
            None => Err("the body is empty"),
            Some((found, rest)) if *found == version => Ok(Self { rest }),
            Some(_) => Err("the body is in a format that this version does not know"),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Problem> {
        let (first, rest) = self.rest.split_first().ok_or("the body ends too early")?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Problem> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number has more than 64 bits")
    }

    pub(crate) fn small(&mut self) -> Result<u32, Problem> {
        u32::try_from(self.number()?).map_err(|_| "a number has more than 32 bits")
    }

    pub(crate) fn instant(&mut self) -> Result<Timestamp, Problem> {
        self.number().map(Timestamp::from_millis)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Problem> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a yes or no is neither"),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Problem> {
        let length = usize::try_from(self.number()?).map_err(|_| "the body ends too early")?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or("the body ends too early")?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Problem> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// How many bytes are left: an upper bound for the count of whatever follows.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.rest.is_empty() { Ok(()) } else { Err("the body has something after its end") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn damage_is_named() {
        assert_eq!(Decoder::versioned(&[], 1).err(), Some("the body is empty"));
        assert_eq!(
            Decoder::versioned(&[2], 1).err(),
            Some("the body is in a format that this version does not know")
        );
        let check = |bytes: &[u8], expected: Problem| {
            let mut decoder = Decoder::versioned(bytes, 1).unwrap();
            assert_eq!(decoder.option(|d| d.text().map(str::len)).unwrap_err(), expected, "{bytes:?}");
        };
        check(&[1], "the body ends too early");
        check(&[1, 2], "a yes or no is neither");
        check(&[1, 1], "the body ends too early");
        check(&[1, 1, 3, b'a'], "the body ends too early");
        check(&[1, 1, 1, 0xff], "a text is not UTF-8");
        check(
            &[1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            "a number has more than 64 bits",
        );
        assert_eq!(
            Decoder::versioned(&[1, 0xff, 0xff, 0xff, 0xff, 0x10], 1).unwrap().small(),
            Err("a number has more than 32 bits")
        );
        assert_eq!(
            Decoder::versioned(&[1, 0], 1).unwrap().finish(),
            Err("the body has something after its end")
        );
    }

    proptest! {
        #[test]
        fn fields_come_back(number: u64, text in ".*", instant in 0..=i64::MAX as u64, flag: bool) {
            let mut encoder = Encoder::versioned(7);
            encoder.number(number);
            encoder.option(flag.then_some(text.as_str()), Encoder::text);
            encoder.instant(Timestamp::from_millis(instant));
            let bytes = encoder.finish();
            let mut decoder = Decoder::versioned(&bytes, 7).unwrap();
            prop_assert_eq!(decoder.number(), Ok(number));
            prop_assert_eq!(decoder.option(Decoder::text), Ok(flag.then_some(text.as_str())));
            prop_assert_eq!(decoder.instant(), Ok(Timestamp::from_millis(instant)));
            prop_assert_eq!(decoder.finish(), Ok(()));
        }
    }
}
