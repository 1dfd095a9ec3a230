//! The lock file: where packages come from, which ones `deny.toml` bans, and how many there are.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Violation;
use super::manifests::{at, line_of, parse};
use super::tree::Tree;

pub(super) const LOCK: &str = "Cargo.lock";
const DENY: &str = "deny.toml";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The budget of packages, this workspace's own included. What is compiled is read by nobody; few is a feature.
pub(super) const PACKAGES_MAX: usize = 300;
/// Every package from elsewhere than crates.io, every banned one, and too many packages.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(file) = tree.file(LOCK) else {
        return vec![Violation::new(LOCK, 0, "it is missing: run `cargo fetch` and commit it")];
    };
    let bans = tree.file(DENY).map(|file| bans(&file.text)).unwrap_or_default();
    let mut violations = Vec::new();
    let document = parse(&file.text).unwrap_or_default();
    for package in packages(&document) {
        let text =
            |key| package.get_ref().get(key).and_then(|value| value.get_ref().as_str()).unwrap_or_default();
        let (name, version, source) = (text("name"), text("version"), text("source"));
        let line = line_of(&file.text, package.span().start);
        if !source.is_empty() && source != CRATES_IO {
            let message = format!("`{name}` {version} comes from {source:?}: only crates.io is allowed");
            violations.push(Violation::new(LOCK, line, message));
        }
        for ban in bans.iter().filter(|ban| ban.covers(name, version)) {
            let message = format!("`{name}` {version} is banned in {DENY}: {}", ban.reason);
            violations.push(Violation::new(LOCK, line, message));
        }
    }
    let count = package_count(tree);
    if count >= PACKAGES_MAX {
        let message =
            format!("{count} packages; keep below {PACKAGES_MAX}: drop a dependency or its features");
        violations.push(Violation::new(LOCK, 0, message));
    }
    violations
}

/// How many packages are locked, this workspace's own included.
pub(super) fn package_count(tree: &Tree) -> usize {
    let document = tree.file(LOCK).and_then(|file| parse(&file.text));
    document.map_or(0, |document| packages(&document).len())
}

/// The packages of a lock file.
pub(super) fn packages<'a, 'text>(lock: &'a DeTable<'text>) -> &'a [Spanned<DeValue<'text>>] {
    at(lock, &["package"]).and_then(DeValue::as_array).map(|packages| &**packages).unwrap_or_default()
}

/// A package that must not come in: all of it, or the versions that begin like this.
struct Ban {
    package: String,
    version: Option<String>,
    reason: String,
}

impl Ban {
    fn covers(&self, name: &str, version: &str) -> bool {
        let same_version = |banned: &String| version == banned || version.starts_with(&format!("{banned}."));
        self.package == name && self.version.as_ref().is_none_or(same_version)
    }
}

/// The bans of `deny.toml`: `{ crate = "name" or "name@version", reason = ".." }`.
fn bans(text: &str) -> Vec<Ban> {
    let document = parse(text);
    let list = document.as_ref().and_then(|document| at(document, &["bans", "deny"])?.as_array());
    let ban = |entry: &Spanned<DeValue<'_>>| {
        let entry = entry.get_ref().as_table()?;
        let spec = at(entry, &["crate"])?.as_str()?;
        let (package, version) =
            spec.split_once('@').map_or((spec, None), |(name, version)| (name, Some(version)));
        let reason = at(entry, &["reason"]).and_then(DeValue::as_str).unwrap_or_default();
        Some(Ban {
            package: package.to_owned(),
            version: version.map(str::to_owned),
            reason: reason.to_owned(),
        })
    };
    list.into_iter().flatten().filter_map(ban).collect()
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES_MAX, check};
    use crate::tidy::check_rule;

    #[track_caller]
    fn check_lock(text: &str, expected: &[&str]) {
        check_rule(check, &[("Cargo.lock", text)], expected);
    }

    #[test]
    fn packages_come_from_crates_io() {
        let package =
            |source: &str| format!("version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n{source}");
        check_lock(&package(""), &[]);
        check_lock(&package("source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"), &[]);
        check_lock(
            &package("source = \"git+https://example.com/a#b\"\n"),
            &["Cargo.lock:3: `a` 1.0.0 comes from"],
        );
        check_lock(
            &package("source = \"registry+https://example.com/\"\n"),
            &["Cargo.lock:3: `a` 1.0.0 comes from"],
        );
        check_rule(check, &[], &["Cargo.lock: it is missing"]);
    }

    #[test]
    fn bans_hold_without_another_tool() {
        #[track_caller]
        fn check_package(name: &str, version: &str, expected: &[&str]) {
            let deny = "[bans]\ndeny = [{ crate = \"a@0.42\", reason = \"old\" }, { crate = \"b\" }]\n";
            let lock = format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            check_rule(check, &[("deny.toml", deny), ("Cargo.lock", &lock)], expected);
        }
        check_package("a", "0.41.0", &[]);
        check_package("a", "0.420.0", &[]);
        check_package("a", "0.42.1", &["Cargo.lock:1: `a` 0.42.1 is banned in deny.toml: old"]);
        check_package("b", "7.0.0", &["Cargo.lock:1: `b` 7.0.0 is banned in deny.toml"]);
        check_package("c", "0.42.1", &[]);
    }

    #[test]
    fn packages_are_few() {
        let packages = |count| "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n".repeat(count);
        check_lock(&packages(PACKAGES_MAX - 1), &[]);
        check_lock(&packages(PACKAGES_MAX), &["Cargo.lock: 300 packages"]);
    }
}
