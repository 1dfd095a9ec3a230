//! What a source file looks like: its length, its name, its first line, and words that do not belong.

use super::Violation;
use super::rust::{Source, words};
use super::tree::{File, Tree};

/// A file that needs more lines has more than one reason to change.
const LINES_MAX: usize = 800;
/// The kinds of files people write by hand.
const WRITTEN_BY_HAND: [&str; 9] = [".rs", ".md", ".toml", ".sql", ".html", ".css", ".js", ".sh", "/.ci/run"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "types", "stuff"];
/// Work left undone, wherever it stands: in code and in comments.
const UNDONE: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Every file that breaks a rule about its form.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files() {
        check_length(file, &mut violations);
    }
    for (file, source) in tree.rust_files() {
        check_names(file, source, &mut violations);
        check_first_line(file, &mut violations);
        check_words(file, source, &mut violations);
        check_attributes(file, source, &mut violations);
        check_sleeps(file, source, &mut violations);
        check_environment(file, source, &mut violations);
    }
    violations
}

fn check_length(file: &File, violations: &mut Vec<Violation>) {
    let by_hand = WRITTEN_BY_HAND.iter().any(|end| file.path.ends_with(end.trim_start_matches('/')));
    let lines = file.text.lines().count();
    if by_hand && lines > LINES_MAX {
        let message =
            format!("{lines} lines, more than {LINES_MAX}: split it where it has two reasons to change");
        violations.push(Violation::new(&file.path, LINES_MAX + 1, message));
    }
}

fn check_names(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    let parts = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    for part in parts.filter(|part| EMPTY_NAMES.contains(part)) {
        let message = format!("`{part}` says nothing about what is inside: name it after its subject");
        violations.push(Violation::new(&file.path, 0, message));
    }
    for (line, code) in numbered(&source.code) {
        for name in EMPTY_NAMES {
            let declared = words(code, "mod").iter().any(|place| {
                code[place + "mod".len()..].trim_start().strip_prefix(name).is_some_and(ends_a_word)
            });
            if declared {
                let message =
                    format!("`mod {name}` says nothing about what is inside: name it after its subject");
                violations.push(Violation::new(&file.path, line, message));
            }
        }
    }
}

fn ends_a_word(rest: &str) -> bool {
    !rest.starts_with(|character: char| character.is_alphanumeric() || character == '_')
}

fn check_first_line(file: &File, violations: &mut Vec<Violation>) {
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    if !first.is_some_and(|line| line.starts_with("//!")) {
        let message = "begin the file with `//!`: what it is, and what it deliberately is not";
        violations.push(Violation::new(&file.path, 1, message));
    }
}

fn check_words(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    for word in UNDONE {
        for (line, text) in numbered(&source.code).chain(numbered(&source.comments)) {
            if words(text, word)
                .iter()
                .any(|place| is_marker(word, &text[..*place], &text[place + word.len()..]))
            {
                let message = format!("`{word}`: finish it, or leave it out");
                violations.push(Violation::new(&file.path, line, message));
            }
        }
    }
    for macro_name in ["dbg", "todo", "unimplemented"] {
        for (line, code) in numbered(&source.code) {
            if words(code, macro_name).iter().any(|place| code[place + macro_name.len()..].starts_with('!')) {
                let message = format!("`{macro_name}!` is for the moment of writing: take it out");
                violations.push(Violation::new(&file.path, line, message));
            }
        }
    }
}

/// `XXX` is also a currency's code, so it counts only where a marker stands: first in a comment or before a colon.
fn is_marker(word: &str, before: &str, after: &str) -> bool {
    let begins_comment = before.trim().chars().all(|character| matches!(character, '/' | '*' | '!'));
    word != "XXX" || after.starts_with(':') || begins_comment
}

fn check_attributes(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    for (line, code) in numbered(&source.code) {
        if code.contains("#[allow(") || code.contains("#![allow(") {
            let message =
                "write `#[expect(.., reason = \"..\")]`, which complains when it is no longer needed";
            violations.push(Violation::new(&file.path, line, message));
        }
        let ignored = code.split("#[ignore").nth(1);
        if ignored.is_some_and(|rest| rest.trim_start().starts_with(']')) {
            let message = "say why the test is not run: `#[ignore = \"..\"]`";
            violations.push(Violation::new(&file.path, line, message));
        }
    }
}

/// Tests wait for a condition with a bound; a test that sleeps is slow when all is well and wrong when it is not. On a
/// paused clock sleeping only moves the clock, so there it is allowed.
fn check_sleeps(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    // Benchmarks and examples measure real time.
    let is_test =
        file.is_test_file() && !file.path.contains("/benches/") && !file.path.contains("/examples/");
    for (line, code) in numbered(&source.code) {
        let sleeps = ["sleep", "sleep_until"].iter().any(|word| {
            words(code, word).iter().any(|place| {
                let (before, after) = (&code[..*place], &code[place + word.len()..]);
                after.starts_with('(') && !before.ends_with('.') && !before.ends_with("fn ")
            })
        });
        let moves_clock = !code.contains("thread::sleep") && is_on_paused_clock(&source.code[..line]);
        if sleeps && !moves_clock && (is_test || source.is_test_line(line)) {
            let message = "a test never sleeps: wait for the condition itself, with a bound";
            violations.push(Violation::new(&file.path, line, message));
        }
    }
}

/// Whether the last test that begins in these lines runs on tokio's paused clock.
fn is_on_paused_clock(lines: &[String]) -> bool {
    let attribute =
        lines.iter().rev().find(|line| line.contains("#[test]") || line.contains("#[tokio::test"));
    attribute.is_some_and(|line| line.contains("start_paused = true"))
}

/// Only the command line reads the environment, so that everything a library depends on can be seen in its arguments.
fn check_environment(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    if matches!(file.crate_name(), Some("laneway" | "xtask") | None) || file.is_test_file() {
        return;
    }
    for (line, code) in numbered(&source.code) {
        let reads = ["env::var", "env::var_os", "env::vars"].iter().any(|call| !words(code, call).is_empty());
        if reads && !source.is_test_line(line) {
            let message = "only the command line reads the environment: take the value as an argument";
            violations.push(Violation::new(&file.path, line, message));
        }
    }
}

fn numbered(lines: &[String]) -> impl Iterator<Item = (usize, &str)> {
    lines.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()))
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, check};
    use crate::tidy::check_rule;

    #[track_caller]
    fn check_file(path: &str, text: &str, expected: &[&str]) {
        check_rule(check, &[(path, text)], expected);
    }

    /// A rule's finding on the second line of a file whose first line is in order.
    #[track_caller]
    fn check_line(line: &str, expected: &[&str]) {
        check_file("crates/model/src/a.rs", &format!("//! A.\n{line}\n"), expected);
    }

    #[test]
    fn files_stay_short() {
        let text = format!("//! A.\n{}", "\n".repeat(LINES_MAX - 1));
        check_file("crates/model/src/a.rs", &text, &[]);
        check_file("crates/model/src/a.rs", &format!("{text}\n"), &["crates/model/src/a.rs:801: 801 lines"]);
        check_file("docs/a.md", &format!("{text}\n"), &["docs/a.md:801: 801 lines"]);
        check_file("Cargo.lock", &format!("{text}\n"), &[]);
    }

    #[test]
    fn names_say_what_is_inside() {
        check_file("crates/model/src/util.rs", "//! A.", &["crates/model/src/util.rs: `util`"]);
        check_file("crates/model/src/helpers/a.rs", "//! A.", &["crates/model/src/helpers/a.rs: `helpers`"]);
        check_file("crates/model/src/utility_pole.rs", "//! A.", &[]);
        check_line("pub mod types;", &["crates/model/src/a.rs:2: `mod types`"]);
        check_line("mod common {}", &["crates/model/src/a.rs:2: `mod common`"]);
        check_line("mod types_of_call; // mod misc", &[]);
    }

    #[test]
    fn files_begin_with_what_they_are() {
        check_file("crates/model/src/a.rs", "\n//! A.\nfn a() {}", &[]);
        check_file("crates/model/src/a.rs", "fn a() {}", &["crates/model/src/a.rs:1: begin the file"]);
        check_file("crates/model/tests/a.rs", "// A.", &["crates/model/tests/a.rs:1: begin the file"]);
        check_file("crates/model/src/a.rs", "", &["crates/model/src/a.rs:1: begin the file"]);
    }

    #[test]
    fn nothing_is_left_undone() {
        check_line("// TODO: later", &["crates/model/src/a.rs:2: `TODO`"]);
        check_line("fn a() {} /* FIXME */", &["crates/model/src/a.rs:2: `FIXME`"]);
        check_line("/// XXX this is slow", &["crates/model/src/a.rs:2: `XXX`"]);
        check_line("let a = 1; // slow, XXX: why?", &["crates/model/src/a.rs:2: `XXX`"]);
        check_line("// XXX: why?", &["crates/model/src/a.rs:2: `XXX`"]);
        check_line("// The codes XTS and XXX stand for no currency.", &[]);
        check_line("let a = dbg!(b);", &["crates/model/src/a.rs:2: `dbg!`"]);
        check_line("todo!()", &["crates/model/src/a.rs:2: `todo!`"]);
        check_line("unimplemented!()", &["crates/model/src/a.rs:2: `unimplemented!`"]);
        check_line("let a = \"TODO dbg!()\"; // TODOS, dbg!", &[]);
    }

    #[test]
    fn exceptions_give_a_reason() {
        check_line("#[allow(dead_code)]", &["crates/model/src/a.rs:2: write `#[expect"]);
        check_line("#![allow(dead_code, reason = \"a\")]", &["crates/model/src/a.rs:2: write `#[expect"]);
        check_line("#[expect(dead_code, reason = \"a\")]", &[]);
        check_line("#[ignore]", &["crates/model/src/a.rs:2: say why"]);
        check_line("#[ignore = \"takes an hour\"]", &[]);
    }

    #[test]
    fn only_the_command_line_reads_the_environment() {
        const FOUND: &[&str] = &["crates/model/src/a.rs:2: only the command line"];
        check_line("let a = std::env::var(b);", FOUND);
        check_line("use std::env::var_os;", FOUND);
        check_line("let a = std::env::temp_dir(); // env::var", &[]);
        check_file("crates/laneway/src/a.rs", "//! A.\nlet a = std::env::var(b);", &[]);
        check_file("crates/model/tests/a.rs", "//! A.\nlet a = std::env::var(b);", &[]);
    }

    #[test]
    fn tests_never_sleep() {
        check_file(
            "crates/model/tests/a.rs",
            "//! A.\nthread::sleep(a);\ntokio::time::sleep_until(b).await;\nclock.sleep(c);\nfn sleep() {}",
            &["crates/model/tests/a.rs:2: a test never", "crates/model/tests/a.rs:3: a test never"],
        );
        check_file(
            "crates/model/tests/a.rs",
            "//! A.\n#[tokio::test(start_paused = true)]\ntokio::time::sleep(a).await;\nthread::sleep(b);\n\
             #[tokio::test]\ntokio::time::sleep(a).await;",
            &["crates/model/tests/a.rs:4: a test never", "crates/model/tests/a.rs:6: a test never"],
        );
        check_line("fn a() { sleep(b); }", &[]);
        check_line(
            "#[cfg(test)]\nmod tests { fn a() { sleep(b); } }",
            &["crates/model/src/a.rs:3: a test never"],
        );
    }
}
