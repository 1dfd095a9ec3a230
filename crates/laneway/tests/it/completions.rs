//! `laneway completions`: what a shell is given, read by that shell where it is there.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::harness::run;

/// Gives a shell a script, with `-n` to be read only; `None` where there is no such shell, else whether it is content and
/// what it printed.
fn shell(program: &str, arguments: &[&str], script: &str) -> Option<(bool, String)> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.ok()?;
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(said).unwrap()))
}

#[test]
fn every_shell_takes_its_completions() {
    for (name, registers) in [
        ("bash", "complete -F _laneway"),
        ("zsh", "#compdef laneway"),
        ("fish", "complete -c laneway"),
        ("elvish", "edit:completion:arg-completer[laneway]"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName 'laneway'"),
    ] {
        let printed = run(&["completions", name]);
        assert_eq!((printed.code, printed.stderr.as_str()), (0, ""), "{name}");
        assert!(printed.stdout.contains(registers), "{name}: {}", printed.stdout);
        for known in ["blocklist", "mark-as-read", "completions"] {
            assert!(printed.stdout.contains(known), "{name} does not know {known}");
        }
        if ["bash", "zsh", "fish"].contains(&name)
            && let Some(read) = shell(name, &["-n"], &printed.stdout)
        {
            assert_eq!(read, (true, String::new()), "{name}");
        }
    }
    let unknown = run(&["completions", "tcsh"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
    assert!(unknown.stderr.contains("possible values: bash"), "{}", unknown.stderr);
}

#[test]
fn bash_completes_verbs_and_options() {
    let script = run(&["completions", "bash"]).stdout;
    for (typed, word, wanted) in [
        ("laneway ev", 1, "events"),
        ("laneway events disc", 2, "discard"),
        ("laneway send mark", 2, "mark-as-read"),
        ("laneway config check --js", 3, "--json"),
        ("laneway completions fi", 2, "fish"),
    ] {
        let before = typed.split(' ').nth(word - 1).unwrap();
        let last = typed.split(' ').next_back().unwrap();
        let asks = format!(
            "{script}\nCOMP_WORDS=({typed}); COMP_CWORD={word}; _laneway laneway {last} {before}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        let Some(answer) = shell("bash", &["--norc"], &asks) else { return };
        assert_eq!(answer, (true, format!("{wanted}\n")), "{typed}");
    }
}
