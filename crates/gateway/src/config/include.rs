//! The patterns of `include`: which further files belong to a configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A path whose last component may contain `*`, which stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    directory: PathBuf,
    name: String,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    #[error("names no file")]
    NoName,
    #[error("has a * before its last part; only a file's name may have one")]
    Star,
}

impl Pattern {
    /// Reads a pattern; a relative one starts at `base`.
    pub(super) fn parse(base: &Path, text: &str) -> Result<Self, PatternError> {
        let (directory, name) = text.rsplit_once('/').map_or(("", text), |(directory, name)| {
            (if directory.is_empty() { "/" } else { directory }, name)
        });
        if matches!(name, "" | "." | "..") {
            return Err(PatternError::NoName);
        }
        if directory.contains('*') {
            return Err(PatternError::Star);
        }
        Ok(Self { directory: base.join(directory), name: name.to_owned() })
    }

    /// The files it stands for, sorted by name. A directory that does not exist has none. A name without `*` must be
    /// there. Hidden files are only found by a pattern that begins with a dot, so that editors' swap files are not.
    pub(super) fn files(&self) -> io::Result<Vec<PathBuf>> {
        if !self.name.contains('*') {
            let path = self.directory.join(&self.name);
            return fs::metadata(&path).map(|_| vec![path]);
        }
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let is_match = entry.file_name().to_str().is_some_and(|name| matches(&self.name, name));
            if is_match && fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                files.push(self.directory.join(entry.file_name()));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Whether a name has the form of a pattern.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(matches(pattern, name), expected, "{pattern:?} {name:?}");
    }

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        check("*.toml", "shop.toml", true);
        check("*.toml", ".toml", false);
        check("*.toml", ".shop.toml", false);
        check(".*.toml", ".shop.toml", true);
        check("*.toml", "shop.toml~", false);
        check("*", "shop", true);
        check("**", "shop", true);
        check("a*b*c", "abc", true);
        check("a*b*c", "a1b2b3c", true);
        check("a*b*c", "acb", false);
        check("a*a", "a", false);
        check("a*", "a", true);
        check("shop", "shop", true);
        check("shop", "shops", false);
        check("shops", "shop", false);
        check("*é*", "café.toml", true);
    }

    #[test]
    fn forms() {
        let base = Path::new("etc");
        for (text, expected) in [
            ("accounts.d/*.toml", Ok(("etc/accounts.d", "*.toml"))),
            ("*.toml", Ok(("etc", "*.toml"))),
            ("shop.toml", Ok(("etc", "shop.toml"))),
            ("/srv/a/*.toml", Ok(("/srv/a", "*.toml"))),
            ("/shop.toml", Ok(("/", "shop.toml"))),
            ("*/shop.toml", Err(PatternError::Star)),
            ("accounts.d/", Err(PatternError::NoName)),
            ("accounts.d/..", Err(PatternError::NoName)),
            ("", Err(PatternError::NoName)),
        ] {
            let found = Pattern::parse(base, text);
            let expected = expected
                .map(|(directory, name)| Pattern { directory: directory.into(), name: name.to_owned() });
            match (found, expected) {
                // Joining nothing leaves a slash at the end, which paths compare without.
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text:?}"),
                (found, expected) => assert_eq!(found, expected, "{text:?}"),
            }
        }
    }

    #[test]
    fn files_come_sorted_and_directories_are_passed_over() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir_all(base.path().join("d/folder.toml")).unwrap();
        for name in ["b.toml", "a.toml", ".c.toml", "d.txt"] {
            fs::write(base.path().join("d").join(name), "").unwrap();
        }
        let files = |text: &str| {
            let found = Pattern::parse(base.path(), text).unwrap().files();
            found.map(|files| {
                let names = files.iter().map(|path| path.strip_prefix(base.path()).unwrap());
                names.map(|name| name.display().to_string()).collect::<Vec<_>>()
            })
        };
        assert_eq!(files("d/*.toml").unwrap(), ["d/a.toml", "d/b.toml"]);
        assert_eq!(files("d/a.toml").unwrap(), ["d/a.toml"]);
        assert_eq!(files("d/none*").unwrap(), [""; 0]);
        assert_eq!(files("none/*.toml").unwrap(), [""; 0]);
        assert_eq!(files("d/none.toml").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(files("d/a.toml/*.toml").unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}
