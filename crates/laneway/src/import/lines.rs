//! The lines of a file as events in CM.com's form.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Format;

/// The columns that are not part of `custom`.
const OWN: [&str; 5] = ["type", "from", "to", "reference", "idempotency_key"];

/// A line of the file.
#[derive(Debug)]
pub(crate) struct Line {
    /// Counted from 1; in CSV, the line that its record begins on.
    pub(crate) number: u64,
    /// The line as it came: its fields, or the text.
    pub(crate) written: Vec<String>,
    /// The event as JSON, or why there is none.
    pub(crate) event: Result<String, String>,
}

/// All lines.
#[derive(Debug)]
pub(crate) struct Lines {
    header: Vec<String>,
    lines: std::vec::IntoIter<Line>,
}

impl Line {
    /// How many bytes it takes in a batch.
    pub(crate) fn bytes(&self) -> usize {
        self.event.as_ref().map_or(0, |event| event.len() + 1)
    }
}

impl Lines {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not UTF-8, or a CSV file has no header with `type`.
    pub(crate) fn read(content: &[u8], format: Format, from: Option<&str>) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(content).context("the file is not UTF-8")?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let name = file_name(content);
        match format {
            Format::Csv => csv_lines(text, &name, from),
            Format::Ndjson => Ok(ndjson_lines(text, &name, from)),
        }
    }

    /// The names of the columns; none in NDJSON.
    pub(crate) fn header(&self) -> Vec<String> {
        self.header.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.lines.next()
    }
}

/// A name for the content, from which the keys of its lines are made.
fn file_name(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn csv_lines(text: &str, name: &str, from: Option<&str>) -> anyhow::Result<Lines> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header: Vec<String> =
        reader.headers().context("the header cannot be read")?.iter().map(str::to_owned).collect();
    if !header.iter().any(|column| column.eq_ignore_ascii_case("type")) {
        bail!(
            "the first line must name the columns, and one of them must be \"type\"; found: {}",
            header.join(", ")
        );
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let number = error.position().map_or(0, csv::Position::line);
                lines.push(Line { number, written: Vec::new(), event: Err(error.to_string()) });
                continue;
            }
        };
        let number = record.position().map_or(0, csv::Position::line);
        let written: Vec<String> = record.iter().map(str::to_owned).collect();
        let event = if written.len() == header.len() {
            let named = header.iter().cloned().zip(written.iter().cloned().map(Value::String));
            Ok(event(named, from, name, number))
        } else {
            Err(format!("{} fields, and the header has {}", written.len(), header.len()))
        };
        lines.push(Line { number, written, event });
    }
    Ok(Lines { header, lines: lines.into_iter() })
}

fn ndjson_lines(text: &str, name: &str, from: Option<&str>) -> Lines {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let event = match serde_json::from_str::<Map<String, Value>>(line) {
            // The whole envelope, as POST /v1.0/event takes it.
            Ok(mut object) if object.contains_key("event") => {
                object.entry("idempotency_key").or_insert_with(|| key(name, number).into());
                Ok(Value::Object(object).to_string())
            }
            Ok(object) => Ok(event(object, from, name, number)),
            Err(error) => Err(format!("not a JSON object: {error}")),
        };
        lines.push(Line { number, written: vec![line.to_owned()], event });
    }
    Lines { header: Vec::new(), lines: lines.into_iter() }
}

fn key(name: &str, number: u64) -> String {
    format!("import-{name}-{number}")
}

/// The event of a line whose values have names. What is empty is not given.
fn event(
    named: impl IntoIterator<Item = (String, Value)>,
    from: Option<&str>,
    name: &str,
    number: u64,
) -> String {
    let (mut own, mut custom) = (Map::new(), Map::new());
    for (column, value) in named {
        if value.is_null() || value.as_str().is_some_and(str::is_empty) {
            continue;
        }
        match OWN.iter().find(|known| column.eq_ignore_ascii_case(known)) {
            Some(known) => own.insert((*known).to_owned(), value),
            None => custom.insert(column, value),
        };
    }
    let mut take = |name: &str| own.remove(name).unwrap_or_default();
    let given = |value: Value| Some(value).filter(|value| !value.is_null());
    let from = given(take("from")).or_else(|| from.map(Value::from)).unwrap_or_default();
    let idempotency_key = given(take("idempotency_key")).unwrap_or_else(|| key(name, number).into());
    let mut event = json!({
        "channel": "WhatsApp",
        "event": {"type": take("type"), "custom": custom},
        "from": {"number": from},
        "to": {"number": take("to")},
        "idempotency_key": idempotency_key,
    });
    let reference = take("reference");
    if !reference.is_null() {
        event["reference"] = reference;
    }
    event.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Format;
    use super::{Line, Lines};

    fn read(text: &str, format: Format) -> Vec<Line> {
        Lines::read(text.as_bytes(), format, Some("+31609")).unwrap().collect()
    }

    fn event(line: &Line) -> Value {
        serde_json::from_str(line.event.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn columns_become_an_event() {
        let lines = read(
            "Type,to,from,value,currency,ctwa_clid,order_id,reference,idempotency_key\n\
             Purchase,+31612,,\"12.60\",EUR,AffY,A-1,ref,k1\n\
             \"Block\",+31613,+31600,,,,,,\n\
             Block,+31613\n",
            Format::Csv,
        );
        let first = json!({"channel": "WhatsApp", "event": {"type": "Purchase",
            "custom": {"value": "12.60", "currency": "EUR", "ctwa_clid": "AffY", "order_id": "A-1"}},
            "from": {"number": "+31609"}, "to": {"number": "+31612"}, "reference": "ref", "idempotency_key": "k1"});
        assert_eq!((lines[0].number, event(&lines[0])), (2, first));
        let second = event(&lines[1]);
        assert_eq!((&second["from"]["number"], &second["event"]["custom"]), (&json!("+31600"), &json!({})));
        assert_eq!(lines[2].event.as_ref().unwrap_err(), "2 fields, and the header has 9");
    }

    #[test]
    fn lines_without_a_key_get_one_that_is_the_same_next_time() {
        let text = "{\"type\":\"Block\",\"to\":\"+31612\"}\n\n{\"type\":\"Block\",\"to\":\"+31612\"}\n";
        let keys = |text: &str| -> Vec<String> {
            read(text, Format::Ndjson).iter().map(|line| event(line)["idempotency_key"].to_string()).collect()
        };
        let first = keys(text);
        assert_ne!(first[0], first[1], "two lines are two events");
        assert_eq!(first, keys(text));
        assert_ne!(first, keys(&format!("{text}\n")), "another file");
    }

    #[test]
    fn objects_are_flat_or_whole_envelopes() {
        let lines = read(
            "{\"channel\":\"WhatsApp\",\"event\":{\"type\":\"Block\"},\"from\":{\"number\":\"1\"},\"idempotency_key\":\"k\"}\n\
             {\"type\":\"Purchase\",\"value\":12.6,\"contents\":[{\"id\":\"x\"}],\"to\":null}\n[1]\n",
            Format::Ndjson,
        );
        assert_eq!(
            (&event(&lines[0])["idempotency_key"], &event(&lines[0])["from"]["number"]),
            (&json!("k"), &json!("1"))
        );
        let flat = event(&lines[1]);
        assert_eq!(flat["event"]["custom"], json!({"value": 12.6, "contents": [{"id": "x"}]}));
        assert!(lines[2].event.as_ref().unwrap_err().starts_with("not a JSON object"));
    }

    #[test]
    fn a_header_without_a_type_is_refused() {
        let error = Lines::read(b"a,b\n1,2\n", Format::Csv, None).unwrap_err().to_string();
        assert!(error.contains("must be \"type\"; found: a, b"), "{error}");
    }
}
