//! The other lock file: fuzzing is a build of its own, and nothing that is run every day would notice that its lock file
//! no longer fits the manifests.
//!
//! Cargo itself could tell only with every package of that build at hand, which a machine need not have that does not fuzz.
//! So the file is compared with what it has to follow: the manifests, and the workspace's own lock file.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::Violation;
use super::arrows::dependency_tables;
use super::lock::{LOCK, packages};
use super::manifests::{line_of, parse};
use super::tree::Tree;

const FUZZ: &str = "fuzz";
const FUZZ_LOCK: &str = "fuzz/Cargo.lock";

/// Every package of this repository whose dependencies are others by now, and every package from elsewhere in a version that
/// the workspace does not have.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let (Some(file), Some(root)) = (tree.file(FUZZ_LOCK), tree.file(LOCK)) else { return Vec::new() };
    let locked = parse(&file.text).unwrap_or_default();
    let root = parse(&root.text).unwrap_or_default();
    let root: Vec<_> = packages(&root).iter().map(|package| name_and_version(package.get_ref())).collect();
    let mut violations = Vec::new();
    for package in packages(&locked) {
        let (name, version) = name_and_version(package.get_ref());
        let problem = match package.get_ref().get("source") {
            Some(_) => other_version(name, version, &root),
            None => other_dependencies(tree, name, package.get_ref()),
        };
        let line = line_of(&file.text, package.span().start);
        violations.extend(problem.map(|problem| Violation::new(FUZZ_LOCK, line, problem)));
    }
    violations
}

fn name_and_version<'a>(package: &'a DeValue<'_>) -> (&'a str, &'a str) {
    let text = |key| package.get(key).and_then(|value| value.get_ref().as_str()).unwrap_or_default();
    (text("name"), text("version"))
}

/// What is fuzzed should be what is shipped. A package that only fuzzing needs may have any version.
fn other_version(name: &str, version: &str, root: &[(&str, &str)]) -> Option<String> {
    let shipped: Vec<&str> =
        root.iter().filter(|(known, _)| *known == name).map(|(_, version)| *version).collect();
    let wanted = shipped.first().filter(|_| !shipped.contains(&version))?;
    Some(format!(
        "`{name}` is {version} here and {wanted} in {LOCK}: run `cargo update --manifest-path fuzz/Cargo.toml \
         --precise {wanted} {name}@{version}`"
    ))
}

fn other_dependencies(tree: &Tree, name: &str, package: &DeValue<'_>) -> Option<String> {
    let path = match name.strip_prefix("laneway-")? {
        FUZZ => format!("{FUZZ}/Cargo.toml"),
        folder => format!("crates/{folder}/Cargo.toml"),
    };
    let Some(manifest) = tree.file(&path).and_then(|file| parse(&file.text)) else {
        return Some(format!("`{name}` has no manifest in this repository: {UPDATE}"));
    };
    let wanted = dependencies_of(&manifest);
    let locked = package.get("dependencies").and_then(|list| list.get_ref().as_array());
    let locked = locked.into_iter().flatten().filter_map(|entry| entry.get_ref().as_str());
    // An entry is a name, and a version behind it where there are several.
    let locked: BTreeSet<String> =
        locked.filter_map(|entry| entry.split(' ').next()).map(str::to_owned).collect();
    let differ: Vec<&str> = wanted.symmetric_difference(&locked).map(String::as_str).collect();
    (!differ.is_empty())
        .then(|| format!("`{name}` is not locked as {path} has it ({}): {UPDATE}", differ.join(", ")))
}

const UPDATE: &str = "run `cargo update --workspace --manifest-path fuzz/Cargo.toml`";

/// The packages that a crate is built with, but for those that are optional.
fn dependencies_of(manifest: &DeTable<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (table, dependencies) in dependency_tables(manifest) {
        for (key, dependency) in dependencies.iter().filter(|_| table != "dev-dependencies") {
            let dependency = dependency.get_ref();
            let is_optional = dependency.get("optional").and_then(|optional| optional.get_ref().as_bool());
            let renamed = dependency.get("package").and_then(|package| package.get_ref().as_str());
            if is_optional != Some(true) {
                names.insert(renamed.unwrap_or(key.get_ref()).to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::check_rule;

    const MANIFEST: &str = "[dependencies]\na = \"1\"\nlaneway-wire = { path = \"../wire\" }\n\
        b = { version = \"1\", optional = true }\n[dev-dependencies]\nc = \"1\"\n";

    #[track_caller]
    fn check_locks(fuzz: &str, expected: &[&str]) {
        let root = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"s\"\n";
        let files = [
            ("Cargo.lock", root),
            ("crates/model/Cargo.toml", MANIFEST),
            ("fuzz/Cargo.lock", fuzz),
            ("fuzz/Cargo.toml", "[dependencies]\nlaneway-model = { path = \"../crates/model\" }\n"),
        ];
        check_rule(check, &files, expected);
    }

    #[test]
    fn own_packages_are_locked_as_their_manifests_have_them() {
        let package = |name: &str, dependencies: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [{dependencies}]\n")
        };
        check_locks(&package("laneway-model", "\"a\", \"laneway-wire\""), &[]);
        check_locks(&package("laneway-model", "\"a 1.0.0\", \"laneway-wire\""), &[]);
        check_locks(&package("laneway-fuzz", "\"laneway-model\""), &[]);
        let stale = "fuzz/Cargo.lock:1: `laneway-model` is not locked as crates/model/Cargo.toml has it";
        check_locks(&package("laneway-model", "\"a\""), &[&format!("{stale} (laneway-wire): run")]);
        check_locks(
            &package("laneway-model", "\"a\", \"c\", \"laneway-wire\""),
            &[&format!("{stale} (c): run")],
        );
        check_locks(
            &package("laneway-fuzz", ""),
            &["fuzz/Cargo.lock:1: `laneway-fuzz` is not locked as fuzz/Cargo.toml"],
        );
        check_locks(&package("laneway-gone", ""), &["fuzz/Cargo.lock:1: `laneway-gone` has no manifest"]);
    }

    #[test]
    fn what_is_fuzzed_is_what_is_shipped() {
        let package = |name: &str, version: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"s\"\n")
        };
        check_locks(&package("a", "1.0.0"), &[]);
        check_locks(&package("only-here", "1.0.0"), &[]);
        check_locks(
            &package("a", "1.0.1"),
            &["fuzz/Cargo.lock:1: `a` is 1.0.1 here and 1.0.0 in Cargo.lock: run"],
        );
    }
}
