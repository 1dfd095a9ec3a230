//! The file of refused lines: what was not taken, in the form it came, with the reason.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::Format;
use super::lines::{Line, REFUSED_COLUMNS, REFUSED_MEMBER};

/// Made only when a line is refused.
pub(crate) struct Refused {
    path: PathBuf,
    format: Format,
    header: Vec<String>,
    file: Option<BufWriter<File>>,
}

impl Refused {
    pub(crate) fn new(path: PathBuf, format: Format, header: Vec<String>) -> Self {
        Self { path, format, header, file: None }
    }

    /// Adds a line.
    pub(crate) fn write(&mut self, line: &Line, code: &str, reason: &str) -> anyhow::Result<()> {
        let doing = || format!("cannot write {}", self.path.display());
        if self.file.is_none() {
            let mut file = BufWriter::new(File::create(&self.path).with_context(doing)?);
            if self.format == Format::Csv {
                let names = REFUSED_COLUMNS.into_iter().map(str::to_owned);
                let names: Vec<String> = names.chain(self.header.iter().cloned()).collect();
                file.write_all(record(&names)?.as_slice()).with_context(doing)?;
            }
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let bytes = match self.format {
            Format::Csv => {
                let own = [line.number.to_string(), code.to_owned(), reason.to_owned()];
                record(&own.into_iter().chain(line.written.iter().cloned()).collect::<Vec<_>>())?
            }
            Format::Ndjson => format!("{}\n", mendable(line, code, reason)).into_bytes(),
        };
        file.write_all(&bytes).with_context(doing)
    }

    /// Finishes the file and says where it is, if there is one.
    pub(crate) fn close(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        file.flush().with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(Some(self.path.clone()))
    }
}

/// A line of NDJSON with the reason as one more member; one that is no object is kept as text.
fn mendable(line: &Line, code: &str, reason: &str) -> Value {
    let written = line.written.join("\n");
    let mut row = Map::new();
    row.insert(REFUSED_MEMBER.to_owned(), json!({"line": line.number, "code": code, "reason": reason}));
    match serde_json::from_str::<Map<String, Value>>(&written) {
        Ok(object) => row.extend(object.into_iter().filter(|(key, _)| key != REFUSED_MEMBER)),
        Err(_) => drop(row.insert("written".to_owned(), written.into())),
    }
    Value::Object(row)
}

fn record(fields: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_record(fields)?;
    writer.into_inner().context("a record cannot be written")
}
