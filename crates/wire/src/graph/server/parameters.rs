//! The parameters of a call, wherever they were written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Refusal;

/// The parameters of one call: those of the query and those of the body, which win.
///
/// A body is JSON or a form, by its `Content-Type`; without one, whatever starts with `{` is taken for JSON. A form's
/// lists and objects are JSON text, and so may be a JSON body's. Unknown parameters are ignored, as Meta does.
#[derive(Debug, Default)]
pub struct Parameters<'a> {
    fields: BTreeMap<Cow<'a, str>, Field<'a>>,
}

#[derive(Debug)]
enum Field<'a> {
    Json(&'a RawValue),
    Text(Cow<'a, str>),
}

impl<'a> Parameters<'a> {
    /// Decodes query and body.
    ///
    /// # Errors
    /// [`Refusal::UnreadableBody`] if the body is not what its `Content-Type` says.
    pub fn decode(
        query: Option<&'a str>,
        content_type: Option<&str>,
        body: &'a [u8],
    ) -> Result<Parameters<'a>, Refusal> {
        let mut fields = BTreeMap::new();
        if let Some(query) = query {
            form(query.as_bytes(), &mut fields)?;
        }
        let body = body.trim_ascii();
        if body.is_empty() {
            return Ok(Parameters { fields });
        }
        let is_json = content_type.map_or(body[0] == b'{', |kind| kind.contains("json"));
        if is_json {
            let text = std::str::from_utf8(body).map_err(|_| Refusal::UnreadableBody)?;
            let object: BTreeMap<String, &'a RawValue> =
                serde_json::from_str(text).map_err(|_| Refusal::UnreadableBody)?;
            fields.extend(object.into_iter().map(|(key, value)| (Cow::Owned(key), Field::Json(value))));
        } else {
            form(body, &mut fields)?;
        }
        Ok(Parameters { fields })
    }

    /// Whether a parameter was given at all.
    pub fn contains(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A parameter that is one word: a string, or a number or boolean as it was written. `None` if absent or null.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] for a list or an object.
    pub fn text(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, Refusal> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Field::Text(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(Field::Json(raw)) => word(raw).ok_or(Refusal::InvalidParameter(name)),
        }
    }

    /// A parameter that is a list or an object, as JSON text. `None` if absent or null.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] for a string that cannot be read.
    pub fn json(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, Refusal> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Field::Text(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(Field::Json(raw)) if raw.get() == "null" => Ok(None),
            Some(Field::Json(raw)) => unwrapped(raw).map(Some).ok_or(Refusal::InvalidParameter(name)),
        }
    }
}

/// One JSON word as text; `Some(None)` for null, `None` for a list or an object.
pub(super) fn word(raw: &RawValue) -> Option<Option<Cow<'_, str>>> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => string(text).map(Some),
        Some(b'{' | b'[') | None => None,
        Some(b'n') => Some(None),
        Some(_) => Some(Some(Cow::Borrowed(text))),
    }
}

/// JSON text that may itself be wrapped in a JSON string.
pub(super) fn unwrapped(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    if text.starts_with('"') { string(text) } else { Some(Cow::Borrowed(text)) }
}

/// The content of a JSON string, borrowed where it holds no escape.
fn string(json: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(json) {
        Ok(borrowed) => Some(Cow::Borrowed(borrowed)),
        Err(_) => serde_json::from_str::<String>(json).ok().map(Cow::Owned),
    }
}

fn form<'a>(bytes: &'a [u8], fields: &mut BTreeMap<Cow<'a, str>, Field<'a>>) -> Result<(), Refusal> {
    let pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> =
        serde_urlencoded::from_bytes(bytes).map_err(|_| Refusal::UnreadableBody)?;
    fields.extend(pairs.into_iter().map(|(key, value)| (key, Field::Text(value))));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[track_caller]
    fn check_text(
        query: Option<&str>,
        kind: Option<&str>,
        body: &str,
        expected: Result<Option<&str>, Refusal>,
    ) {
        let found = Parameters::decode(query, kind, body.as_bytes())
            .and_then(|parameters| Ok(parameters.text("a")?.map(Cow::into_owned)));
        assert_eq!(found, expected.map(|text| text.map(str::to_owned)), "{query:?} {kind:?} {body}");
    }

    #[test]
    fn words() {
        let json = Some("application/json; charset=utf-8");
        check_text(None, json, r#"{"a":"x"}"#, Ok(Some("x")));
        check_text(None, json, r#"{"a":"\u0041"}"#, Ok(Some("A")));
        check_text(None, json, r#"{"a":16505551234}"#, Ok(Some("16505551234")));
        check_text(None, json, r#"{"a":true}"#, Ok(Some("true")));
        check_text(None, json, r#"{"a":null}"#, Ok(None));
        check_text(None, json, r#"{"b":"x"}"#, Ok(None));
        check_text(None, json, r#"{"a":{}}"#, Err(Refusal::InvalidParameter("a")));
        check_text(None, json, r#"{"a":[1]}"#, Err(Refusal::InvalidParameter("a")));
        check_text(None, None, r#" {"a":"x"} "#, Ok(Some("x")));
        check_text(None, None, "a=x", Ok(Some("x")));
        check_text(None, Some(FORM), "a=%2B1+2&b=y", Ok(Some("+1 2")));
        check_text(None, json, "", Ok(None));
        check_text(Some("a=q"), json, "", Ok(Some("q")));
        check_text(Some("a=q"), json, r#"{"a":"body"}"#, Ok(Some("body")));
        check_text(None, json, "a=x", Err(Refusal::UnreadableBody));
        check_text(None, json, "[]", Err(Refusal::UnreadableBody));
        check_text(None, json, r#"{"a":"x"} trailing"#, Err(Refusal::UnreadableBody));
        // A form's body is never read as JSON, whatever it looks like: Meta does not either.
        check_text(None, Some(FORM), r#"{"a":"x"}"#, Ok(None));
    }

    #[track_caller]
    fn check_json(kind: &str, body: &str, expected: Option<&str>) {
        let parameters = Parameters::decode(None, Some(kind), body.as_bytes()).unwrap();
        assert_eq!(parameters.json("a").unwrap().as_deref(), expected, "{body}");
    }

    #[test]
    fn lists_and_objects() {
        check_json("application/json", r#"{"a":[1, 2]}"#, Some("[1, 2]"));
        check_json("application/json", r#"{"a":"[{\"b\":1}]"}"#, Some(r#"[{"b":1}]"#));
        check_json("application/json", r#"{"a":null}"#, None);
        check_json(FORM, "a=%5B1%5D", Some("[1]"));
        check_json(FORM, "b=1", None);
    }

    #[test]
    fn bytes_that_are_no_text() {
        let found = Parameters::decode(None, Some("application/json"), b"{\"a\":\"\xff\"}");
        assert!(matches!(found, Err(Refusal::UnreadableBody)));
    }
}
