//! The documents: relative links lead somewhere, and every page can be reached.

use super::Violation;
use super::tree::{File, Tree};

const FRONT_PAGE: &str = "README.md";

/// Every relative link of a Markdown file that leads nowhere, and every page of `docs/` that nothing links to.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut reached = Vec::new();
    for file in tree.files().iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in relative_links(file) {
            let resolved = resolve(&file.path, &target);
            match resolved {
                Some(path) if path.is_empty() || tree.contains(&path) => {
                    if path != file.path {
                        reached.push(path);
                    }
                }
                Some(_) | None => {
                    let message = format!("the link {target:?} leads nowhere: correct it");
                    violations.push(Violation::new(&file.path, line, message));
                }
            }
        }
    }
    if tree.contains(FRONT_PAGE) {
        let pages =
            tree.files().iter().filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md"));
        for page in pages.filter(|page| !reached.contains(&page.path)) {
            let message = format!("no page links here: link it from {FRONT_PAGE} or from another page");
            violations.push(Violation::new(&page.path, 0, message));
        }
    }
    violations
}

/// The targets of `[text](target)` and of `[text]: target` outside code, without the part after `#`.
fn relative_links(file: &File) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece between back-ticks is code.
        let prose = line.split('`').step_by(2).collect::<Vec<&str>>().join("`");
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let reference =
            prose.starts_with('[').then(|| prose.split_once("]: ").map(|(_, rest)| rest)).flatten();
        for target in inline.chain(reference) {
            let target = target.split_whitespace().next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !outside {
                links.push((index + 1, target.to_owned()));
            }
        }
    }
    links
}

/// The path from the workspace's root; `None` when it leaves the workspace.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::check_rule;

    #[test]
    fn links_lead_somewhere() {
        #[track_caller]
        fn check_page(text: &str, expected: &[&str]) {
            check_rule(
                check,
                &[("docs/a.md", text), ("docs/b.md", ""), ("crates/model/src/lib.rs", "")],
                expected,
            );
        }
        check_page(
            "[b](b.md) [b](./b.md#part) [c](../crates/model/) [a](#part) [d](https://example.com/x)",
            &[],
        );
        check_page("a\n[c](c.md)", &["docs/a.md:2: the link \"c.md\" leads nowhere"]);
        check_page("[c](../../c.md)", &["docs/a.md:1: the link \"../../c.md\" leads nowhere"]);
        check_page("[b](b.md \"title\") [c](c.md)", &["docs/a.md:1: the link \"c.md\""]);
        check_page("[c]: c.md", &["docs/a.md:1: the link \"c.md\""]);
        check_page("```\n[c](c.md)\n```\n`[c](c.md)`", &[]);
    }

    #[test]
    fn every_page_can_be_reached() {
        check_rule(check, &[("README.md", "[a](docs/a.md)"), ("docs/a.md", "")], &[]);
        check_rule(
            check,
            &[("README.md", ""), ("docs/a.md", "[a](a.md)")],
            &["docs/a.md: no page links here"],
        );
        check_rule(check, &[("docs/a.md", "")], &[]);
    }
}
