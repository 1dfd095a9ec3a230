//! The configuration in effect as TOML, which is a configuration file again, and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Is, Line, Shown};
use crate::config::remark::Place;

impl Shown {
    /// A configuration file that says the same; each line ends with where it is from. What is not set is a comment.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match (self.section.path, self.is_listed) {
            ("", _) => {}
            (path, true) => text.push_str(&format!("\n[[{path}]]\n")),
            (path, false) => text.push_str(&format!("\n[{path}]\n")),
        }
        for Line { key, is } in &self.lines {
            let line = match is {
                Is::Set(value, place) => format!("{key} = {} # {}", toml(value), from(place.as_ref())),
                Is::Unset(says) => format!("# {key} {says}"),
            };
            text.push_str(&line);
            text.push('\n');
        }
        self.tables.iter().for_each(|table| table.write(text));
    }

    /// `{"config":{…},"written":[{"key","file","line"}]}`: the same, and which of it the files say themselves.
    pub fn json(&self) -> Value {
        let mut written = Vec::new();
        let config = self.value("", &mut written);
        json!({"config": config, "written": written})
    }

    fn value(&self, path: &str, written: &mut Vec<Value>) -> Value {
        let mut members = Map::new();
        for Line { key, is } in &self.lines {
            let value = match is {
                Is::Set(value, place) => {
                    written.extend(place.as_ref().map(|Place { file, line }| {
                        json!({"key": format!("{path}{key}"), "file": file.display().to_string(), "line": line})
                    }));
                    value.clone()
                }
                Is::Unset(_) => Value::Null,
            };
            members.insert((*key).to_owned(), value);
        }
        for table in &self.tables {
            let name = table.section.path.rsplit('.').next().unwrap_or_default();
            if table.is_listed {
                let list = members.entry(name).or_insert_with(|| json!([]));
                let Value::Array(list) = list else { continue };
                let path = format!("{path}{name}[{}].", list.len());
                list.push(table.value(&path, written));
            } else {
                members.insert(name.to_owned(), table.value(&format!("{path}{name}."), written));
            }
        }
        Value::Object(members)
    }
}

fn from(place: Option<&Place>) -> String {
    let text = place
        .map_or_else(|| "default".to_owned(), |Place { file, line }| format!("{}:{line}", file.display()));
    text.replace(char::is_control, "?")
}

/// A value as TOML writes it. JSON's escapes are TOML's, but that TOML wants one more character escaped.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let mut text = "[\n".to_owned();
            for item in items {
                writeln!(text, "  {},", toml(item)).unwrap_or_default();
            }
            text + "]"
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            value.to_string().replace('\u{7f}', "\\u007F")
        }
    }
}
