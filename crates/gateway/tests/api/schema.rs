//! Holds answers against the OpenAPI document.
//!
//! It knows the keywords that the document uses and fails on any other, so that nothing in the document goes unchecked.

use serde_json::Value;

/// Keywords that say nothing about a value.
const REMARKS: [&str; 4] = ["description", "title", "example", "examples"];

/// The OpenAPI document, as it is served.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn current() -> Self {
        Self(serde_json::from_str(&laneway_gateway::api::openapi_json()).unwrap())
    }

    /// Checks the body of an answer to this request.
    #[track_caller]
    pub(crate) fn check_answer(
        &self,
        method: &str,
        path: &str,
        status: u16,
        content_type: &str,
        body: &[u8],
    ) {
        let place = format!("{method} {path} {status}");
        let content = self.content(method, path, status, &place);
        let (documented, schema) = content;
        assert!(content_type.starts_with(&documented), "{place}: {content_type} instead of {documented}");
        if documented == "application/json" {
            let body: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{place}: {error}"));
            self.check(&schema, &body, &place);
        }
    }

    /// Content type and schema of an answer. Paths and methods that are nobody's answer in the form of their family.
    fn content(&self, method: &str, path: &str, status: u16, place: &str) -> (String, Value) {
        let operation = self.operation(method, path);
        if operation.is_none() {
            assert!(matches!(status, 404 | 405 | 502), "{place}: is not documented");
            let is_of_cm = path == "/v1.0" || path.starts_with("/v1.0/");
            let family = if is_of_cm { "CmError" } else { "Problem" };
            let reference = format!("#/components/schemas/{family}");
            return ("application/json".to_owned(), serde_json::json!({ "$ref": reference }));
        }
        let answer =
            operation.map(|o| &o["responses"][status.to_string()]).filter(|answer| !answer.is_null());
        let answer = answer.unwrap_or_else(|| panic!("{place}: this status is not documented"));
        let content = answer["content"].as_object().unwrap_or_else(|| panic!("{place}: no content"));
        let (content_type, content) = content.iter().next().unwrap();
        (content_type.clone(), content["schema"].clone())
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap();
        let paths = self.0["paths"].as_object().unwrap();
        let is_alike = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            template.len() == path.len()
                && template.iter().zip(path).all(|(t, p)| *t == p || (t.starts_with('{') && !p.is_empty()))
        };
        let item = paths.iter().find(|(template, _)| is_alike(template)).map(|(_, item)| item)?;
        item.get(method.to_lowercase())
    }

    #[track_caller]
    fn check(&self, schema: &Value, value: &Value, place: &str) {
        if let Err(problem) = self.problem(schema, value) {
            panic!("{place}: the answer is not as documented: {problem}\n{value:#}");
        }
    }

    fn problem(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let keywords = schema.as_object().ok_or("the schema is no object")?;
        for (keyword, rule) in keywords {
            let holds = match keyword.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    let target = self.0.pointer(pointer).ok_or_else(|| format!("{rule} leads nowhere"))?;
                    self.problem(target, value)?;
                    true
                }
                "type" => match rule.as_array() {
                    Some(types) => types.iter().any(|t| is_of(t, value)),
                    None => is_of(rule, value),
                },
                "enum" => rule.as_array().unwrap().contains(value),
                "oneOf" => {
                    let alternatives = rule.as_array().unwrap();
                    alternatives.iter().filter(|schema| self.problem(schema, value).is_ok()).count() == 1
                }
                "required" => {
                    let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                    value.as_object().is_none_or(|object| names.clone().all(|name| object.contains_key(name)))
                }
                "properties" => {
                    for (name, schema) in rule.as_object().unwrap() {
                        if let Some(member) = value.get(name) {
                            self.problem(schema, member).map_err(|problem| format!("{name}: {problem}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" if *rule == Value::Bool(false) => {
                    let known = keywords.get("properties").and_then(Value::as_object);
                    let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
                    value.as_object().is_none_or(|object| object.keys().all(is_known))
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.problem(rule, item)?;
                    }
                    true
                }
                "maxItems" => {
                    value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap())
                }
                "maxLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap())
                }
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
                "format" => has_format(rule.as_str().unwrap(), value),
                remark if REMARKS.contains(&remark) => true,
                other => return Err(format!("the checker does not know the keyword {other}")),
            };
            if !holds {
                return Err(format!("{value} breaks {keyword}: {rule}"));
            }
        }
        Ok(())
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type of JSON Schema"),
    }
}

fn has_format(format: &str, value: &Value) -> bool {
    match format {
        "date-time" => value.as_str().is_none_or(|text| {
            text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z') && text.len() == 24
        }),
        "int32" => value.as_i64().is_none_or(|n| i32::try_from(n).is_ok() || u32::try_from(n).is_ok()),
        "int64" => value.is_null() || value.is_i64() || value.is_u64(),
        other => panic!("the checker does not know the format {other}"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document =
        Document(serde_json::json!({ "components": { "schemas": { "N": { "type": "integer" } } } }));
    let check = |schema: Value, value: Value, holds: bool| {
        assert_eq!(document.problem(&schema, &value).is_ok(), holds, "{schema} {value}");
    };
    let object = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": ["string", "null"] }, "b": { "$ref": "#/components/schemas/N" } }
    });
    for (value, holds) in [
        (serde_json::json!({ "a": "x" }), true),
        (serde_json::json!({ "a": null, "b": 1 }), true),
        (serde_json::json!({ "b": 1 }), false),
        (serde_json::json!({ "a": 1 }), false),
        (serde_json::json!({ "a": "x", "b": "1" }), false),
        (serde_json::json!({ "a": "x", "c": 1 }), false),
        (serde_json::json!([]), false),
    ] {
        check(object.clone(), value, holds);
    }
    let one_of = serde_json::json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/N" }] });
    check(one_of.clone(), Value::Null, true);
    check(one_of.clone(), 1.into(), true);
    check(one_of, "1".into(), false);
    let list = serde_json::json!({ "type": "array", "maxItems": 1, "items": { "enum": ["a", "b"] } });
    check(list.clone(), serde_json::json!(["a"]), true);
    check(list.clone(), serde_json::json!(["c"]), false);
    check(list, serde_json::json!(["a", "b"]), false);
    let instant = serde_json::json!({ "type": "string", "format": "date-time" });
    check(instant.clone(), "2026-11-22T12:00:00.000Z".into(), true);
    check(instant, "yesterday".into(), false);
    check(serde_json::json!({ "not": {} }), Value::Null, false);
}
