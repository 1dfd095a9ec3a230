//! What every crate's manifest says, and how manifests are read.

use toml::de::{DeTable, DeValue};

use super::Violation;
use super::tree::Tree;

/// The two files of bans; Clippy reads the nearest one only, so the second repeats the first.
const BANS: &str = "clippy.toml";
const BANS_OF_ENGINE: &str = "crates/engine/clippy.toml";

/// Every crate that does not take the workspace's lints, and every ban of the root that the engine's file lacks.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files() {
        let is_manifest = file.path.ends_with("/Cargo.toml") && file.crate_name().is_some();
        if !is_manifest {
            continue;
        }
        let Some(manifest) = parse(&file.text) else {
            violations.push(Violation::new(&file.path, 0, "this is not TOML"));
            continue;
        };
        if at(&manifest, &["lints", "workspace"]).and_then(DeValue::as_bool) != Some(true) {
            let message = "the workspace's lints do not hold here: add `[lints]` with `workspace = true`";
            violations.push(Violation::new(&file.path, 0, message));
        }
    }
    check_repeated_bans(tree, &mut violations);
    violations
}

fn check_repeated_bans(tree: &Tree, violations: &mut Vec<Violation>) {
    let (Some(root), Some(engine)) = (tree.file(BANS), tree.file(BANS_OF_ENGINE)) else { return };
    let repeated = banned_paths(&engine.text);
    for (list, path) in banned_paths(&root.text) {
        if !repeated.contains(&(list.clone(), path.clone())) {
            let message = format!("`{path}` is banned in {BANS} and not here: repeat it under `{list}`");
            violations.push(Violation::new(BANS_OF_ENGINE, 0, message));
        }
    }
}

/// The bans of a `clippy.toml`: the list's key and the banned path.
fn banned_paths(text: &str) -> Vec<(String, String)> {
    let Some(document) = parse(text) else { return Vec::new() };
    let mut paths = Vec::new();
    for (list, value) in &document {
        for entry in value.get_ref().as_array().into_iter().flatten() {
            let path = entry.get_ref().get("path").and_then(|path| path.get_ref().as_str());
            paths.extend(path.map(|path| (list.get_ref().to_string(), path.to_owned())));
        }
    }
    paths
}

/// A TOML file with the place of each key and value, or `None` when it is none.
pub(super) fn parse(text: &str) -> Option<DeTable<'_>> {
    DeTable::parse(text).ok().map(toml::Spanned::into_inner)
}

/// The value below these keys, one within the other.
pub(super) fn at<'a, 'text>(table: &'a DeTable<'text>, keys: &[&str]) -> Option<&'a DeValue<'text>> {
    let (first, rest) = keys.split_first()?;
    let first = table.get(*first)?.get_ref();
    rest.iter().try_fold(first, |value, key| Some(value.get(*key)?.get_ref()))
}

/// The line (from 1) of a place in the text.
pub(super) fn line_of(text: &str, place: usize) -> usize {
    text[..place].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::check_rule;

    #[test]
    fn every_crate_takes_the_workspaces_lints() {
        let check =
            |text, expected: &[&str]| check_rule(check, &[("crates/model/Cargo.toml", text)], expected);
        check("[lints]\nworkspace = true\n", &[]);
        check("[package]\nname = \"a\"\n", &["crates/model/Cargo.toml: the workspace's lints do not hold"]);
        check(
            "[lints]\nworkspace = false\n",
            &["crates/model/Cargo.toml: the workspace's lints do not hold"],
        );
        check("[lints", &["crates/model/Cargo.toml: this is not TOML"]);
    }

    #[test]
    fn the_engine_repeats_the_roots_bans() {
        let root = "disallowed-methods = [{ path = \"a::b\" }]\ndisallowed-types = [{ path = \"a::C\" }]\n";
        let check = |engine, expected: &[&str]| {
            check_rule(check, &[("clippy.toml", root), ("crates/engine/clippy.toml", engine)], expected);
        };
        check(root, &[]);
        check(
            "disallowed-methods = [{ path = \"a::b\" }, { path = \"a::C\" }]\n",
            &["crates/engine/clippy.toml: `a::C` is banned in clippy.toml and not here"],
        );
    }
}
