//! One file of the configuration, parsed, in a form that knows the line of everything.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::remark::{Place, Remark};
use super::schema::Section;

/// The largest file, in bytes: room for some thousands of accounts.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file's text and where it is.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    text: String,
}

/// A table, and what it is to hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'f> {
    source: &'f Source,
    pub(super) section: &'static Section,
    entries: &'f DeTable<'f>,
    start: usize,
}

/// The value of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'f> {
    source: &'f Source,
    section: &'static Section,
    key: &'f str,
    start: usize,
    pub(super) value: &'f DeValue<'f>,
}

impl Source {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        let length = File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)? as u64;
        if length > BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("longer than {BYTES_MAX} bytes"),
            ));
        }
        Ok(Self { path: path.to_owned(), text })
    }

    /// Parses the text as far as it goes: what could be made of it, and one remark for each error of syntax. A file
    /// with such errors may seem to say what its writer did not mean.
    pub(super) fn parse(&self) -> (Spanned<DeTable<'_>>, Vec<Remark>) {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let remarks = errors.iter().map(|error| Remark {
            file: self.path.clone(),
            line: self.line(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            says: format!("this is not TOML: {}", error.message()),
        });
        (table, remarks.collect())
    }

    /// The directory that relative paths start at.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The line of a byte, counted from 1.
    fn line(&self, byte: usize) -> usize {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        1 + before.iter().filter(|b| **b == b'\n').count()
    }
}

impl<'f> Table<'f> {
    /// The outermost table of a file.
    pub(super) fn root(source: &'f Source, entries: &'f DeTable<'f>, section: &'static Section) -> Self {
        Self { source, section, entries, start: 0 }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Found<'f>> {
        let value = self.entries.get(key)?;
        Some(self.found(key, value.span(), value.get_ref()))
    }

    /// Every key with the place of the key itself.
    pub(super) fn keys(&self) -> impl Iterator<Item = Found<'f>> {
        let this = *self;
        self.entries.iter().map(move |(key, value)| this.found(key.get_ref(), key.span(), value.get_ref()))
    }

    /// A remark about a key that is not there, at the table's first line.
    pub(super) fn remark(&self, key: &str, says: impl Into<String>) -> Remark {
        Remark {
            file: self.source.path.clone(),
            line: self.source.line(self.start),
            key: self.section.path_of(key),
            says: says.into(),
        }
    }

    /// A remark about a key, where it is; if it is not there, at the table's first line.
    pub(super) fn remark_at(&self, key: &'static str, says: impl Into<String>) -> Remark {
        match self.get(key) {
            Some(found) => found.remark(says),
            None => self.remark(key, says),
        }
    }

    /// Whether the key is there and its value is a list without members.
    pub(super) fn is_empty_list(&self, key: &'static str) -> bool {
        self.get(key).and_then(|found| found.items()).is_some_and(|items| items.is_empty())
    }

    /// The directory that relative paths start at.
    pub(super) fn directory(&self) -> &'f Path {
        self.source.directory()
    }

    fn found(&self, key: &'f str, span: Range<usize>, value: &'f DeValue<'f>) -> Found<'f> {
        Found { source: self.source, section: self.section, key, start: span.start, value }
    }
}

impl<'f> Found<'f> {
    /// The value as a table.
    pub(super) fn table(&self, section: &'static Section) -> Option<Table<'f>> {
        let entries = self.value.as_table()?;
        Some(Table { source: self.source, section, entries, start: self.start })
    }

    /// The members of the value, if it is a list.
    pub(super) fn items(&self) -> Option<Vec<Found<'f>>> {
        let this = *self;
        let items = this.value.as_array()?.iter();
        Some(items.map(|item| Found { start: item.span().start, value: item.get_ref(), ..this }).collect())
    }

    /// The key's own name.
    pub(super) const fn name(&self) -> &'f str {
        self.key
    }

    /// The file it stands in.
    pub(super) const fn source(&self) -> &'f Source {
        self.source
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        Place { file: self.source.path.clone(), line: self.source.line(self.start) }
    }

    /// A remark about it.
    pub(super) fn remark(&self, says: impl Into<String>) -> Remark {
        let Place { file, line } = self.place();
        Remark { file, line, key: self.section.path_of(self.key), says: says.into() }
    }

    /// A remark that it has the wrong type; the value itself is not shown.
    pub(super) fn wrong_type(&self, allowed: &str) -> Remark {
        let kind = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.remark(format!("found {kind}; write {allowed}"))
    }
}
