//! Reads JSON of which the shape is only partly known: keys in any letter case, unknown ones skipped, doubled ones
//! refused, and every refusal with its place.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deep arrays and objects may be nested. What is kept of a body is shown again inside other JSON, so this stays
/// well below the 128 levels that readers commonly allow.
pub const NESTING_MAX: usize = 64;

/// The most characters of a client's key that an error repeats.
const KEY_CHARS_MAX: usize = 64;

/// Why a body is not the JSON that is asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{defect} ({place})")]
pub struct ParseError {
    /// What is wrong.
    pub defect: Defect,
    /// Where.
    pub place: Place,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// There is nothing but white space.
    Empty,
    /// It is not UTF-8.
    Utf8,
    /// It is not JSON, not even without comments and trailing commas.
    Syntax {
        /// The JSON parser's words; they never repeat the body.
        problem: String,
    },
    /// It is nested deeper than [`NESTING_MAX`].
    TooDeep,
    /// A field has another type than the one it must have.
    WrongType {
        /// The field, as in `event.custom.value`; empty for the body itself.
        path: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A key is given twice in one object; letter case makes no difference.
    DoubledKey {
        /// The path of the second one, in the client's spelling but for control characters, which are replaced.
        path: String,
    },
}

/// A place in a body. Lines and columns count from 1, columns in characters; a byte order mark does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    fn at(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The place that the JSON parser means by its line and its column in bytes.
    pub(super) fn of(text: &str, error: &serde_json::Error) -> Self {
        let lines_before = error.line().saturating_sub(1);
        let line_start: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
        Self::at(text, line_start + error.column().saturating_sub(1))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the body is empty"),
            Self::Utf8 => f.write_str("the body is not UTF-8"),
            Self::Syntax { problem } => write!(f, "the body is not JSON: {problem}"),
            Self::TooDeep => write!(f, "the body is nested deeper than {NESTING_MAX} levels"),
            Self::WrongType { path, expected, found } => {
                let path = if path.is_empty() { "the body" } else { path };
                write!(f, "{path}: expected {expected}, found {found}")
            }
            Self::DoubledKey { path } => write!(f, "{path}: given twice"),
        }
    }
}

/// The text of a body, without a byte order mark.
pub(super) fn text(body: &[u8]) -> Result<&str, ParseError> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| {
        let good = String::from_utf8_lossy(&body[..error.valid_up_to()]);
        ParseError { defect: Defect::Utf8, place: Place::at(&good, good.len()) }
    })?;
    if text.trim_ascii().is_empty() {
        return Err(ParseError { defect: Defect::Empty, place: Place::at("", 0) });
    }
    Ok(text)
}

/// The parser's words without the place, which is given in its own form.
pub(super) fn words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    words.strip_suffix(&place).unwrap_or(&words).to_owned()
}

/// Walks through any JSON and keeps nothing of it.
#[derive(Clone, Copy)]
struct Strict<'c> {
    levels: usize,
    too_deep: &'c Cell<bool>,
}

impl Strict<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => {
                self.too_deep.set(true);
                Err(E::custom("nested too deep"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while map.next_key_seed(inner)?.is_some() {
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// One member of an object: its key, and its value as it stands in the text.
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: &'a str,
}

/// Reads a text, or its blanked form. All the parts it is handed and returns are slices of what it reads, which is how it
/// knows their places; a place is told by the characters that the client wrote, blanked or not.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    written: &'a str,
}

impl<'a> Reader<'a> {
    /// Reads the text as it is.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, written: text }
    }

    /// Reads in place of this text its blanked form, in which every byte has the same place.
    pub(super) fn blanked(self, text: &'a str) -> Self {
        Self { text, written: self.written }
    }

    /// Refuses what is not strict JSON: everything is looked at, also what is ignored later. Nothing else may be called
    /// before this has passed.
    pub(super) fn check(self) -> Result<(), ParseError> {
        let too_deep = Cell::new(false);
        let mut deserializer = serde_json::Deserializer::from_str(self.text);
        Strict { levels: NESTING_MAX, too_deep: &too_deep }
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| {
                if too_deep.get() {
                    return self.error(too_deep_at(self.text), Defect::TooDeep);
                }
                let place = Place::of(self.written, &error);
                ParseError { defect: Defect::Syntax { problem: words(&error) }, place }
            })
    }

    /// The value that the text is, without the white space around it.
    pub(super) fn whole(self) -> &'a str {
        self.text.trim_ascii()
    }

    /// The members of an object, in order; none when there is no object.
    pub(super) fn members(
        self,
        object: Option<&'a str>,
        path: &'static str,
    ) -> Result<Vec<Member<'a>>, ParseError> {
        let Some(object) = object else { return Ok(Vec::new()) };
        let members = match serde_json::from_str::<Members<'a>>(object) {
            Ok(Members(members)) => members,
            Err(_) => return Err(self.wrong_type(object, path, "an object")),
        };
        match doubled(&members) {
            None => Ok(members),
            Some(member) => {
                let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
                let key: String = member.key.chars().take(KEY_CHARS_MAX).map(printable).collect();
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                Err(self.error(self.key_offset(member), Defect::DoubledKey { path }))
            }
        }
    }

    /// The values of the members with these keys, in any letter case; `null` counts as absent.
    pub(super) fn pick<const N: usize>(members: &[Member<'a>], keys: [&str; N]) -> [Option<&'a str>; N] {
        keys.map(|key| {
            let member = members.iter().find(|member| member.key.eq_ignore_ascii_case(key));
            member.map(|member| member.value).filter(|value| *value != "null")
        })
    }

    /// [`Reader::members`] and [`Reader::pick`] in one.
    pub(super) fn object<const N: usize>(
        self,
        object: Option<&'a str>,
        path: &'static str,
        keys: [&str; N],
    ) -> Result<[Option<&'a str>; N], ParseError> {
        Ok(Self::pick(&self.members(object, path)?, keys))
    }

    /// A text.
    pub(super) fn text(
        self,
        value: Option<&'a str>,
        path: &'static str,
    ) -> Result<Option<Cow<'a, str>>, ParseError> {
        value.map(|value| self.string(value).ok_or_else(|| self.wrong_type(value, path, "text"))).transpose()
    }

    /// A text, or a number in its own spelling.
    pub(super) fn text_or_number(
        self,
        value: Option<&'a str>,
        path: &'static str,
    ) -> Result<Option<Cow<'a, str>>, ParseError> {
        let Some(value) = value else { return Ok(None) };
        if matches!(value.as_bytes().first(), Some(b'-' | b'0'..=b'9')) {
            return Ok(Some(Cow::Borrowed(value)));
        }
        self.string(value).map(Some).ok_or_else(|| self.wrong_type(value, path, "text or a number"))
    }

    fn string(self, value: &'a str) -> Option<Cow<'a, str>> {
        serde_json::from_str(value).ok().map(|Text(text)| text)
    }

    fn wrong_type(self, value: &str, path: &'static str, expected: &'static str) -> ParseError {
        let found = match value.trim_ascii_start().as_bytes().first() {
            Some(b'"') => "text",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        };
        self.error(self.offset(value), Defect::WrongType { path, expected, found })
    }

    fn error(self, offset: usize, defect: Defect) -> ParseError {
        ParseError { defect, place: Place::at(self.written, offset) }
    }

    fn offset(self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    /// Where the member's key begins; with escapes in it the key is no slice of the text, and its value's place serves.
    fn key_offset(self, member: &Member<'a>) -> usize {
        match &member.key {
            Cow::Borrowed(key) => self.offset(key).saturating_sub(1),
            Cow::Owned(_) => self.offset(member.value),
        }
    }
}

/// Where the bracket stands that opens one level too many; up to there the text is JSON. The parser's own place is
/// somewhere behind it, because it still looks for the bracket that closes.
fn too_deep_at(text: &str) -> usize {
    let (mut levels, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string && levels == NESTING_MAX => return at,
            b'[' | b'{' if !in_string => levels += 1,
            b']' | b'}' if !in_string => levels = levels.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

/// The earliest member whose key was there before. Sorting keeps this fast for objects with thousands of keys.
fn doubled<'m, 'a>(members: &'m [Member<'a>]) -> Option<&'m Member<'a>> {
    let compare = |a: usize, b: usize| -> Ordering {
        let lower = |i: usize| members[i].key.bytes().map(|byte| byte.to_ascii_lowercase());
        lower(a).cmp(lower(b))
    };
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| compare(*a, *b));
    let repeated = order.windows(2).filter(|pair| compare(pair[0], pair[1]).is_eq()).map(|pair| pair[1]);
    repeated.min().map(|at| &members[at])
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push(Member { key, value: value.get() });
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}
