//! Where secrets come from: `file:PATH` or `env:NAME`, never the configuration file itself.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use laneway_channel::Secret;

/// The longest secret, in bytes. Meta's tokens have a few hundred.
const BYTES_MAX: usize = 16 * 1024;

/// The permission bits of everyone but the owner and the group.
const MODE_OTHERS: u32 = 0o007;

/// Where a secret is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin<'t> {
    /// In the file of this path, taken from the directory of the file that names it.
    File(&'t str),
    /// In the environment variable of this name.
    Env(&'t str),
}

/// A secret that was read from a file.
#[derive(Debug)]
pub(super) struct FromFile {
    pub(super) secret: Secret,
    /// The file's permission bits, if they let every user of the machine in.
    pub(super) open_to_all: Option<u32>,
}

/// Why there is no secret. No variant holds a text that could be one.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error(
        "a secret does not stand in this file (and this text is not repeated here); write \"file:PATH\" or \"env:NAME\""
    )]
    Bare,
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a file", path.display())]
    NotAFile { path: PathBuf },
    #[error("the environment variable {name} is not set")]
    NotSet { name: String },
    #[error("{origin} is empty")]
    Empty { origin: String },
    #[error("{origin} is longer than {BYTES_MAX} bytes")]
    TooLong { origin: String },
    #[error(
        "{origin} contains a space, a line break or another character that no secret has; visible ASCII is allowed"
    )]
    Character { origin: String },
}

impl<'t> Origin<'t> {
    /// Reads `file:PATH` or `env:NAME`.
    ///
    /// # Errors
    /// [`SecretError::Bare`] for anything else, for it may be the secret.
    pub(super) fn parse(text: &'t str) -> Result<Self, SecretError> {
        let file = text.strip_prefix("file:").map(Self::File);
        let origin = file.or_else(|| text.strip_prefix("env:").map(Self::Env));
        match origin {
            Some(Self::File("") | Self::Env("")) | None => Err(SecretError::Bare),
            Some(origin) => Ok(origin),
        }
    }
}

/// Takes a secret from the environment.
pub(super) fn from_env(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
    let text = env(name).ok_or_else(|| SecretError::NotSet { name: name.to_owned() })?;
    checked(text.as_bytes(), || format!("the environment variable {name}"))
}

/// Reads a secret from a file; line breaks at its end are dropped.
pub(super) fn from_file(path: &Path) -> Result<FromFile, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let limit = BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    let secret = checked(&bytes, || path.display().to_string())?;
    let mode = metadata.permissions().mode() & 0o777;
    Ok(FromFile { secret, open_to_all: (mode & MODE_OTHERS != 0).then_some(mode) })
}

/// Refuses what could not be sent in an HTTP header, before a request has to find that out.
fn checked(bytes: &[u8], origin: impl Fn() -> String) -> Result<Secret, SecretError> {
    if bytes.len() > BYTES_MAX {
        return Err(SecretError::TooLong { origin: origin() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SecretError::Character { origin: origin() })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(SecretError::Empty { origin: origin() });
    }
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err(SecretError::Character { origin: origin() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (text, expected) in [
            ("file:secrets/shop", Some(Origin::File("secrets/shop"))),
            ("file:/run/secrets/shop", Some(Origin::File("/run/secrets/shop"))),
            ("env:SHOP", Some(Origin::Env("SHOP"))),
            ("file:", None),
            ("env:", None),
            ("", None),
            ("File:secrets/shop", None),
            ("EAAGverysecret", None),
        ] {
            assert_eq!(Origin::parse(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_bare_secret_is_not_repeated() {
        let error = Origin::parse("EAAGverysecret").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("EAAG"));
    }

    #[test]
    fn files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let long = "x".repeat(BYTES_MAX);
        for (content, expected) in [
            (b"EAAG1".as_slice(), Ok("EAAG1")),
            (b"EAAG1\n", Ok("EAAG1")),
            (b"EAAG1\r\n\n", Ok("EAAG1")),
            (long.as_bytes(), Ok(long.as_str())),
            (b"", Err("is empty")),
            (b"\n", Err("is empty")),
            (b"EAAG1 ", Err("contains a space")),
            (b"\nEAAG1", Err("contains a space")),
            (b"one\ntwo\n", Err("contains a space")),
            (b"EAAG\xff", Err("contains a space")),
            ("EAAGé".as_bytes(), Err("contains a space")),
            (format!("{long}x").as_bytes(), Err("is longer than 16384 bytes")),
        ] {
            fs::write(&path, content).unwrap();
            match (from_file(&path), expected) {
                (Ok(found), Ok(text)) => assert_eq!(found.secret.expose(), text),
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
                (found, expected) => panic!("{content:?}: {found:?} instead of {expected:?}"),
            }
        }
        assert!(matches!(from_file(directory.path()), Err(SecretError::NotAFile { .. })));
        assert!(matches!(from_file(&directory.path().join("none")), Err(SecretError::Unreadable { .. })));
    }

    #[test]
    fn a_file_that_is_open_to_all_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "EAAG1").unwrap();
        for (mode, told) in [(0o600, false), (0o640, false), (0o644, true), (0o606, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(from_file(&path).unwrap().open_to_all, told.then_some(mode), "{mode:o}");
        }
    }

    #[test]
    fn environment() {
        let env = |name: &str| match name {
            "SHOP" => Some("EAAG1".to_owned()),
            "EMPTY" => Some(String::new()),
            "SPACED" => Some("a b".to_owned()),
            _ => None,
        };
        assert_eq!(from_env("SHOP", &env).unwrap().expose(), "EAAG1");
        assert!(matches!(from_env("EMPTY", &env), Err(SecretError::Empty { .. })));
        assert!(matches!(from_env("SPACED", &env), Err(SecretError::Character { .. })));
        assert!(matches!(from_env("NONE", &env), Err(SecretError::NotSet { .. })));
    }
}
