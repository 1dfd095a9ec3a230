//! Licences, checked without a network and without another tool: what the packages declare against `deny.toml`.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Violation;
use super::manifests::{at, parse};
use super::tree::Tree;
use crate::shell;

const DENY: &str = "deny.toml";

/// A package and the licence expression it declares.
pub(super) struct Package {
    name: String,
    licence: Option<String>,
}

/// The packages that this machine would compile, as cargo knows them; it does not touch the network.
pub(super) fn packages() -> Result<Vec<Package>> {
    let host = shell::host()?;
    let arguments =
        ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host.as_str()];
    let text = shell::output(shell::cargo(&arguments))
        .context("the licences cannot be read; `cargo fetch --locked` brings what is missing")?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let text = |package: &Value, key| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let package = |package| Package {
        name: text(package, "name").unwrap_or_default(),
        licence: text(package, "license"),
    };
    Ok(packages.iter().map(package).collect())
}

/// Every package whose licence `deny.toml` does not allow.
pub(super) fn check(tree: &Tree, packages: &[Package]) -> Vec<Violation> {
    let Some(file) = tree.file(DENY) else {
        return vec![Violation::new(DENY, 0, "it is missing: it names the allowed licences")];
    };
    let document = parse(&file.text);
    let list = document.as_ref().and_then(|document| at(document, &["licenses", "allow"])?.as_array());
    let allowed: Vec<&str> = list.into_iter().flatten().filter_map(|name| name.get_ref().as_str()).collect();
    let mut violations = Vec::new();
    for Package { name, licence } in packages {
        let message = match licence {
            None => format!("`{name}` declares no licence: replace it"),
            Some(licence) if is_allowed(licence, &allowed) => continue,
            Some(licence) => {
                format!("`{name}` is under {licence:?}, which [licenses] does not allow: replace it")
            }
        };
        violations.push(Violation::new(DENY, 0, message));
    }
    violations
}

/// Whether a licence expression (SPDX, and the older `MIT/Apache-2.0`) can be met with the allowed licences.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) == Some(true) && rest.is_empty()
}

/// `a OR b`; `None` when the words are no expression.
fn any_of(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut answer = all_of(rest, allowed)?;
    while let Some(after) = rest.strip_prefix(&["OR"]) {
        *rest = after;
        answer |= all_of(rest, allowed)?;
    }
    Some(answer)
}

/// `a AND b`, which binds more tightly than `OR`.
fn all_of(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut answer = one(rest, allowed)?;
    while let Some(after) = rest.strip_prefix(&["AND"]) {
        *rest = after;
        answer &= one(rest, allowed)?;
    }
    Some(answer)
}

/// A licence, one with an exception, or an expression in brackets.
fn one(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if *first == "(" {
        let answer = any_of(rest, allowed)?;
        *rest = rest.strip_prefix(&[")"])?;
        return Some(answer);
    }
    if let ["WITH", exception, after @ ..] = *rest {
        *rest = after;
        return Some(allowed.contains(&format!("{first} WITH {exception}").as_str()));
    }
    (!matches!(*first, ")" | "OR" | "AND" | "WITH")).then(|| allowed.contains(first))
}

#[cfg(test)]
mod tests {
    use super::{Package, check, is_allowed};
    use crate::tidy::tree::Tree;

    #[test]
    fn expressions_are_met_or_not() {
        #[track_caller]
        fn check(expression: &str, expected: bool) {
            let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression:?}");
        }
        check("MIT", true);
        check("MIT/Apache-2.0", true);
        check("GPL-3.0-only", false);
        check("GPL-3.0-only OR MIT", true);
        check("GPL-3.0-only AND MIT", false);
        check("MIT AND ISC", true);
        check("GPL-3.0-only AND MIT OR ISC", true);
        check("GPL-3.0-only AND (MIT OR ISC)", false);
        check("(MIT OR Apache-2.0) AND ISC", true);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("MIT WITH LLVM-exception", false);
        check("Apache-2.0", false);
        check("", false);
        check("(MIT", false);
        check("MIT ISC", false);
        check("MIT OR", false);
    }

    #[test]
    fn each_package_is_judged() {
        #[track_caller]
        fn check_package(licence: Option<&str>, expected: &[&str]) {
            let tree = Tree::of(&[("deny.toml", "[licenses]\nallow = [\"MIT\"]\n")]);
            let package = Package { name: "a".to_owned(), licence: licence.map(str::to_owned) };
            let found: Vec<String> = check(&tree, &[package]).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
        }
        check_package(Some("MIT"), &[]);
        check_package(None, &["deny.toml: `a` declares no licence: replace it"]);
        check_package(
            Some("SSPL-1.0"),
            &["deny.toml: `a` is under \"SSPL-1.0\", which [licenses] does not allow: replace it"],
        );
        assert_eq!(check(&Tree::of(&[]), &[]).len(), 1);
    }
}
