//! Which crate may know which: the allowed arrows of `ARCHITECTURE.md`, in the manifests and in the sources.

use toml::de::DeTable;

use super::Violation;
use super::manifests::{line_of, parse};
use super::rust::words;
use super::tree::{File, Tree};

/// What a crate may know of the workspace.
struct Arrows {
    /// The crate's folder.
    of: &'static str,
    /// The crates it may depend on.
    knows: &'static [&'static str],
    /// Those its tests, benchmarks and examples may use on top.
    knows_in_tests: &'static [&'static str],
    /// The modules of `laneway_wire` it may name.
    wire: &'static [&'static str],
}

const ARROWS: [Arrows; 10] = [
    Arrows { of: "model", knows: &[], knows_in_tests: &[], wire: &[] },
    Arrows { of: "wire", knows: &["model"], knows_in_tests: &[], wire: &["cm", "graph"] },
    Arrows { of: "engine", knows: &["model"], knows_in_tests: &[], wire: &[] },
    Arrows { of: "journal", knows: &["model"], knows_in_tests: &[], wire: &[] },
    Arrows { of: "channel", knows: &["model", "wire"], knows_in_tests: &["sandbox"], wire: &["cm", "graph"] },
    Arrows {
        of: "gateway",
        knows: &["model", "wire", "engine", "journal", "channel"],
        knows_in_tests: &["sandbox"],
        wire: &["cm"],
    },
    Arrows { of: "sandbox", knows: &["wire"], knows_in_tests: &[], wire: &["graph"] },
    Arrows { of: "sim", knows: &["model", "engine", "journal"], knows_in_tests: &[], wire: &[] },
    Arrows {
        of: "laneway",
        knows: &["model", "wire", "gateway", "sandbox"],
        knows_in_tests: &[],
        wire: &["cm"],
    },
    Arrows { of: "xtask", knows: &[], knows_in_tests: &[], wire: &[] },
];

/// The crates that do no input or output: the only other packages they may depend on.
const PURE: [(&str, &[&str]); 2] = [("model", &["thiserror"]), ("engine", &["fastrand", "thiserror"])];

/// Every dependency and every path that no arrow allows.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files() {
        let Some(name) = file.crate_name() else { continue };
        let is_manifest = file.path == format!("crates/{name}/Cargo.toml") || file.path == "xtask/Cargo.toml";
        let Some(arrows) = ARROWS.iter().find(|arrows| arrows.of == name) else {
            if is_manifest {
                let message = "this crate is not in the table of arrows: add it to ARCHITECTURE.md and xtask/src/tidy/arrows.rs";
                violations.push(Violation::new(&file.path, 0, message));
            }
            continue;
        };
        if is_manifest {
            check_manifest(arrows, file, &mut violations);
        }
        check_wire_paths(arrows, file, &mut violations);
    }
    violations
}

fn check_manifest(arrows: &Arrows, file: &File, violations: &mut Vec<Violation>) {
    let Some(manifest) = parse(&file.text) else { return };
    for (table, dependencies) in dependency_tables(&manifest) {
        for (key, dependency) in dependencies {
            let renamed = dependency.get_ref().get("package").and_then(|package| package.get_ref().as_str());
            let package = renamed.unwrap_or(key.get_ref());
            if let Some(problem) = problem_with(arrows, table, package) {
                violations.push(Violation::new(&file.path, line_of(&file.text, key.span().start), problem));
            }
        }
    }
}

/// What is wrong with this crate depending on the package, if anything.
fn problem_with(arrows: &Arrows, table: &str, package: &str) -> Option<String> {
    let of = arrows.of;
    let in_tests = table == "dev-dependencies";
    let Some(target) = package.strip_prefix("laneway-") else {
        let (_, allowed) = PURE.iter().find(|(name, _)| *name == of && !in_tests)?;
        return (!allowed.contains(&package))
            .then(|| format!("`{of}` does no I/O and may depend on {allowed:?} only, not on `{package}`"));
    };
    let allowed = arrows.knows.contains(&target) || in_tests && arrows.knows_in_tests.contains(&target);
    (!allowed).then(|| {
        format!("`{of}` must not know `{target}` ({table}): move the code, or change ARCHITECTURE.md and the table of arrows")
    })
}

/// The tables of dependencies, also those below `[target.….]`, each with its name.
pub(super) fn dependency_tables<'a, 'text>(
    manifest: &'a DeTable<'text>,
) -> Vec<(&'static str, &'a DeTable<'text>)> {
    const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(|targets| targets.get_ref().as_table());
    let below_targets = targets.into_iter().flat_map(|targets| targets.values());
    std::iter::once(manifest)
        .chain(below_targets.filter_map(|target| target.get_ref().as_table()))
        .flat_map(|place| TABLES.map(|table| Some((table, place.get(table)?.get_ref().as_table()?))))
        .flatten()
        .collect()
}

/// Every `laneway_wire::…` of the file: which module it names.
fn check_wire_paths(arrows: &Arrows, file: &File, violations: &mut Vec<Violation>) {
    const WIRE: &str = "laneway_wire";
    let Some(source) = &file.rust else { return };
    let code = source.code.join("\n");
    for place in words(&code, WIRE) {
        let line = line_of(&code, place);
        let after = code[place + WIRE.len()..].trim_start();
        let modules = after.strip_prefix("::").map(|path| first_names(path.trim_start())).unwrap_or_default();
        if modules.is_empty() {
            let message = "name `laneway_wire::cm` or `laneway_wire::graph`, so that the arrow can be seen";
            violations.push(Violation::new(&file.path, line, message));
        }
        for module in modules.iter().filter(|module| !arrows.wire.contains(&module.as_str())) {
            let message = format!(
                "`{}` must not use `laneway_wire::{module}`: it may name {:?}",
                arrows.of, arrows.wire
            );
            violations.push(Violation::new(&file.path, line, message));
        }
    }
}

/// The first names of a path or of a group: `cm` of `cm::Event`, `cm` and `graph` of `{cm::{Event, Receipt}, graph}`.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![leading_name(path)] };
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(leading_name(group[start..place].trim_start()));
                start = place + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn leading_name(path: &str) -> String {
    path.chars()
        .take_while(|character| character.is_alphanumeric() || matches!(character, '_' | '*'))
        .collect()
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
    fn dependencies_follow_the_arrows() {
        check_file("crates/channel/Cargo.toml", "[dependencies]\nlaneway-model.workspace = true\n", &[]);
        check_file(
            "crates/engine/Cargo.toml",
            "[dependencies]\nlaneway-model.workspace = true\nlaneway-journal.workspace = true\n",
            &["crates/engine/Cargo.toml:3: `engine` must not know `journal` (dependencies)"],
        );
        check_file(
            "crates/sandbox/Cargo.toml",
            "[dependencies]\nlaneway-model = { path = \"../model\" }\n",
            &["crates/sandbox/Cargo.toml:2: `sandbox` must not know `model`"],
        );
        check_file(
            "crates/sandbox/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nwords = { package = \"laneway-model\", version = \"1\" }\n",
            &["crates/sandbox/Cargo.toml:2: `sandbox` must not know `model`"],
        );
        check_file(
            "xtask/Cargo.toml",
            "[dependencies]\nlaneway-gateway.workspace = true\n",
            &["xtask/Cargo.toml:2: `xtask` must not know `gateway`"],
        );
        check_file(
            "crates/helper/Cargo.toml",
            "[package]\n",
            &["crates/helper/Cargo.toml: this crate is not in"],
        );
    }

    #[test]
    fn tests_may_know_more() {
        let text = "[dev-dependencies]\nlaneway-sandbox.workspace = true\n";
        check_file("crates/gateway/Cargo.toml", text, &[]);
        check_file(
            "crates/wire/Cargo.toml",
            text,
            &["crates/wire/Cargo.toml:2: `wire` must not know `sandbox`"],
        );
        check_file(
            "crates/gateway/Cargo.toml",
            &text.replace("dev-", ""),
            &["crates/gateway/Cargo.toml:2: `gateway` must not know `sandbox`"],
        );
    }

    #[test]
    fn pure_crates_stay_pure() {
        check_file(
            "crates/engine/Cargo.toml",
            "[dependencies]\nfastrand = \"2\"\ntokio = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n",
            &["crates/engine/Cargo.toml:3: `engine` does no I/O"],
        );
    }

    #[test]
    fn only_the_allowed_half_of_wire_is_named() {
        check_file(
            "crates/channel/src/lib.rs",
            "use laneway_wire::graph::client;\nuse laneway_wire::cm;",
            &[],
        );
        check_file(
            "crates/gateway/src/lib.rs",
            "// laneway_wire::graph\nlet a = \"laneway_wire::graph\";",
            &[],
        );
        check_file(
            "crates/gateway/src/lib.rs",
            "use laneway_wire::cm::{Event, graph};\nfn f(a: laneway_wire::graph::Answer) {}",
            &["crates/gateway/src/lib.rs:2: `gateway` must not use `laneway_wire::graph`"],
        );
        check_file(
            "crates/sandbox/src/world.rs",
            "use laneway_wire::{\n    cm::{Event, Receipt},\n    graph,\n};",
            &["crates/sandbox/src/world.rs:1: `sandbox` must not use `laneway_wire::cm`"],
        );
        check_file(
            "crates/engine/src/lib.rs",
            "use laneway_wire as wire;",
            &["crates/engine/src/lib.rs:1: name `laneway_wire::cm`"],
        );
        check_file("crates/laneway/src/main.rs", "use laneway_wire::*;", &["crates/laneway/src/main.rs:1: "]);
    }
}
