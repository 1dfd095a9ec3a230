//! A JSON object whose keys keep their order and whose values keep their text.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// An object under construction. Values are JSON text, so that a number leaves as it was written and never passes
/// through a binary fraction.
#[derive(Default)]
pub(super) struct Object(Vec<(&'static str, Box<RawValue>)>);

impl Object {
    pub(super) fn put(&mut self, name: &'static str, value: &impl Serialize) {
        self.0.push((name, raw(value)));
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The compact JSON text of a value.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("texts, whole numbers and objects of them have a JSON form")
}
