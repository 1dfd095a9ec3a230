//! The lines of a file as events in CM.com's form.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Format;

/// The columns that are not part of `custom`.
const OWN: [&str; 5] = ["type", "from", "to", "reference", "idempotency_key"];
/// Members of `custom` that mean something (`docs/events.md`), to find out about misspelt columns.
const CUSTOM: [&str; 7] =
    ["message_id", "ctwa_id", "ctwa_clid", "currency", "value", "event_time", "event_id"];
/// What a file of refused lines says about each; it is left out when a mended one is imported.
pub(super) const REFUSED_COLUMNS: [&str; 3] = ["line", "code", "reason"];
/// The same in NDJSON, in one member.
pub(super) const REFUSED_MEMBER: &str = "refused";

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
    notes: Vec<String>,
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
    /// When it is not UTF-8, or the header of a CSV file cannot be meant as it is.
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

    /// What its writer may want to know.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
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
    let mut header: Vec<String> =
        reader.headers().context("the header cannot be read")?.iter().map(str::to_owned).collect();
    let columns = header.len();
    let is_mended = header.iter().map(String::as_str).take(3).eq(REFUSED_COLUMNS);
    let left_out = if is_mended { REFUSED_COLUMNS.len() } else { 0 };
    header.drain(..left_out);
    check_header(&header)?;
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
        let written: Vec<String> = record.iter().skip(left_out).map(str::to_owned).collect();
        let nameless =
            header.iter().zip(&written).find(|(column, field)| column.is_empty() && !field.is_empty());
        let event = if record.len() != columns {
            Err(format!("{} fields, and the header has {columns}", record.len()))
        } else if let Some((_, field)) = nameless {
            Err(format!("\"{field}\" stands in a column without a name"))
        } else {
            let named = header.iter().cloned().zip(written.iter().cloned().map(Value::String));
            Ok(event(named, from, name, number))
        };
        lines.push(Line { number, written, event });
    }
    let notes = header.iter().filter_map(|column| misspelt(column)).collect();
    Ok(Lines { header, notes, lines: lines.into_iter() })
}

fn check_header(header: &[String]) -> anyhow::Result<()> {
    let names: Vec<String> = header.iter().map(|column| column.to_ascii_lowercase()).collect();
    if !names.iter().any(|name| name == "type") {
        let found = match header {
            [] => "the file is empty".to_owned(),
            [one] if one.contains([';', '\t', '|']) => {
                format!("found: {one} (columns are separated by commas)")
            }
            columns => format!("found: {}", columns.join(", ")),
        };
        bail!("the first line must name the columns, and one of them must be \"type\"; {found}");
    }
    let doubled = (1..names.len()).find(|at| !names[*at].is_empty() && names[..*at].contains(&names[*at]));
    if let Some(at) = doubled {
        bail!("the first line names two columns \"{}\"", header[at]);
    }
    Ok(())
}

/// What to say of a column that differs from one with a meaning by a slip of the pen.
fn misspelt(column: &str) -> Option<String> {
    let written = column.to_ascii_lowercase();
    let mut known = OWN.iter().chain(&CUSTOM);
    if written.is_empty() || known.clone().any(|name| *name == written) {
        return None;
    }
    let meant = known.find(|name| strsim::osa_distance(name, &written) == 1)?;
    Some(format!("column \"{column}\" becomes custom.{column}; did you mean \"{meant}\"?"))
}

fn ndjson_lines(text: &str, name: &str, from: Option<&str>) -> Lines {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let event = match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(mut object) => {
                object.retain(|key, value| key != REFUSED_MEMBER || !value.is_object());
                Ok(match has(&object, "event") {
                    true => envelope(object, from, name, number),
                    false => event(object, from, name, number),
                })
            }
            Err(error) if error.is_data() => Err("not a JSON object".to_owned()),
            Err(error) => Err(format!("not JSON from column {} on", error.column())),
        };
        lines.push(Line { number, written: vec![line.to_owned()], event });
    }
    Lines { header: Vec::new(), notes: Vec::new(), lines: lines.into_iter() }
}

/// The whole envelope, as `POST /v1.0/event` takes it, with what the line leaves out.
fn envelope(mut object: Map<String, Value>, from: Option<&str>, name: &str, number: u64) -> String {
    if !has(&object, "idempotency_key") {
        object.insert("idempotency_key".to_owned(), key(name, number).into());
    }
    if let Some(from) = from.filter(|_| !has(&object, "from")) {
        object.insert("from".to_owned(), json!({"number": from}));
    }
    Value::Object(object).to_string()
}

/// Whether an object has that key, in any letter case.
fn has(object: &Map<String, Value>, name: &str) -> bool {
    object.keys().any(|key| key.eq_ignore_ascii_case(name))
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
        assert_eq!(lines[2].event.as_ref().unwrap_err(), "not a JSON object");
        let lines = read(
            "{\"Channel\":\"WhatsApp\",\"Event\":{\"Type\":\"Block\"},\"Idempotency_Key\":\"k\"}\n{\"a\":\n",
            Format::Ndjson,
        );
        let whole = json!({"Channel": "WhatsApp", "Event": {"Type": "Block"}, "Idempotency_Key": "k",
            "from": {"number": "+31609"}});
        assert_eq!(event(&lines[0]), whole);
        assert_eq!(lines[1].event.as_ref().unwrap_err(), "not JSON from column 5 on");
    }

    #[test]
    fn refused_lines_that_were_mended_are_lines_again() {
        let csv = "line,code,reason,type,to\n9,unknown_event_type,\"no, it is\",Block,+31612\n";
        let lines = read(csv, Format::Csv);
        assert_eq!(event(&lines[0])["event"], json!({"type": "Block", "custom": {}}));
        assert_eq!(lines[0].written, ["Block", "+31612"]);
        assert_eq!(Lines::read(csv.as_bytes(), Format::Csv, None).unwrap().header(), ["type", "to"]);

        let ndjson = r#"{"refused":{"line":9,"code":"c","reason":"r"},"type":"Block","to":"+31612"}"#;
        assert_eq!(event(&read(ndjson, Format::Ndjson)[0])["event"], json!({"type": "Block", "custom": {}}));
    }

    #[test]
    fn a_header_that_cannot_be_meant_is_refused() {
        let first = "the first line must name the columns, and one of them must be \"type\"; ";
        for (text, says) in [
            ("", format!("{first}the file is empty")),
            ("a,b\n1,2\n", format!("{first}found: a, b")),
            ("Block,+31612\n", format!("{first}found: Block, +31612")),
            ("type;to\nBlock;+31612\n", format!("{first}found: type;to (columns are separated by commas)")),
            (
                "type\tto\nBlock\t+31612\n",
                format!("{first}found: type\tto (columns are separated by commas)"),
            ),
            ("type,to,To\n", "the first line names two columns \"To\"".to_owned()),
        ] {
            let error = Lines::read(text.as_bytes(), Format::Csv, None).unwrap_err().to_string();
            assert_eq!(error, says, "{text:?}");
        }
    }

    #[test]
    fn a_column_that_is_probably_misspelt_is_pointed_out() {
        let notes = |header: &str| -> Vec<String> {
            Lines::read(header.as_bytes(), Format::Csv, None).unwrap().notes().to_vec()
        };
        assert_eq!(
            notes("type,too,form,Curency,ctwa_clid,order_id,event_name,,\n"),
            [
                "column \"too\" becomes custom.too; did you mean \"to\"?",
                "column \"form\" becomes custom.form; did you mean \"from\"?",
                "column \"Curency\" becomes custom.Curency; did you mean \"currency\"?",
            ]
        );
        // Spreadsheets leave columns at the end that were once used.
        let lines = read("type,to,,\nBlock,+31612,,\nBlock,+31612,,x\n", Format::Csv);
        assert!(lines[0].event.is_ok());
        assert_eq!(lines[1].event.as_ref().unwrap_err(), "\"x\" stands in a column without a name");
    }
}
