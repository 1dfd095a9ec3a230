//! Only `wire` spells Meta's field names.
//!
//! The list is short on purpose: names that can mean nothing else. The sandbox is left out, because it plays Meta and
//! quotes these names in Meta's own error texts; so are tests, which compare with bytes from a cited page.

use super::Violation;
use super::tree::Tree;

/// Names of fields in Meta's Graph API that nothing of our own is called. CM.com's names are not
/// among them: the OpenAPI document describes the envelope with the same words.
const FIELD_NAMES: [&str; 17] = [
    "action_source",
    "added_users",
    "display_phone_number",
    "error_data",
    "error_subcode",
    "error_user_msg",
    "error_user_title",
    "events_received",
    "failed_users",
    "fbtrace_id",
    "messaging_channel",
    "messaging_product",
    "partner_agent",
    "recipient_id",
    "removed_users",
    "wa_id",
    "whatsapp_business_account_id",
];
/// Crates that may spell them.
const MAY_SPELL: [&str; 3] = ["wire", "sandbox", "xtask"];

/// Every string literal that is such a name, or JSON that contains one as a key.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.rust_files() {
        let spells = file.crate_name().is_none_or(|name| MAY_SPELL.contains(&name)) || file.is_test_file();
        if spells {
            continue;
        }
        for (line, text) in source.strings.iter().filter(|(line, _)| !source.is_test_line(*line)) {
            let is_key = |name: &&&str| {
                text == **name
                    || text.contains(&format!("\"{name}\""))
                    || text.contains(&format!("\\\"{name}\\\""))
            };
            for name in FIELD_NAMES.iter().filter(is_key) {
                let message = format!("`{name}` is a field of somebody else's JSON: only `wire` spells it");
                violations.push(Violation::new(&file.path, *line, message));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::check_rule;

    #[track_caller]
    fn check_file(path: &str, text: &str, expected: &[&str]) {
        check_rule(check, &[(path, text)], expected);
    }

    #[test]
    fn only_wire_spells_field_names() {
        const FOUND: &[&str] = &["crates/gateway/src/a.rs:1: `messaging_product`"];
        check_file("crates/gateway/src/a.rs", r#"json!({"messaging_product": "whatsapp"})"#, FOUND);
        check_file("crates/gateway/src/a.rs", r#"#[serde(rename = "messaging_product")]"#, FOUND);
        check_file("crates/gateway/src/a.rs", r##"let a = r#"{"messaging_product":1}"#;"##, FOUND);
        check_file("crates/gateway/src/a.rs", r#"let a = "{\"messaging_product\":1}";"#, FOUND);
        check_file("crates/gateway/src/a.rs", "// \"messaging_product\"\nlet a = messaging_product;", &[]);
        check_file("crates/gateway/src/a.rs", "let a = \"the messaging_product is missing\";", &[]);
    }

    #[test]
    fn wire_and_tests_may_spell_them() {
        check_file("crates/wire/src/a.rs", "let a = \"fbtrace_id\";", &[]);
        check_file("crates/channel/src/meta/tests.rs", "let a = \"fbtrace_id\";", &[]);
        check_file("crates/channel/tests/it/a.rs", "let a = \"fbtrace_id\";", &[]);
        check_file(
            "crates/channel/src/a.rs",
            "#[cfg(test)]\nmod tests { const A: &str = \"fbtrace_id\"; }",
            &[],
        );
        check_file(
            "crates/channel/src/a.rs",
            "#[cfg(test)]\nmod tests;\nconst A: &str = \"fbtrace_id\";",
            &["crates/channel/src/a.rs:3: `fbtrace_id`"],
        );
    }
}
