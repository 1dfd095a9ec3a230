//! Where a node keeps its data: in which kind of store, and that `dev` and `serve` never share a directory.

use std::path::Path;

use anyhow::{Context as _, bail};
use laneway_gateway::config::Store;

/// The file in a data directory that says it is `dev`'s.
const MARK: &str = "laneway-dev.txt";
const MARK_TEXT: &str =
    "This directory belongs to `laneway dev`. Nothing in it has reached Meta. Delete it to start afresh.\n";
/// The file that a journal keeps its events in.
const JOURNAL: &str = "journal.db";

/// Reads a kind of store as the command line and the file name it.
pub(crate) fn store(text: &str) -> Result<Store, String> {
    match text {
        "sqlite" => Ok(Store::Sqlite),
        other if other.starts_with("postgres") => {
            Err("PostgreSQL is not yet supported; use sqlite".to_owned())
        }
        _ => Err("the only store is sqlite".to_owned()),
    }
}

/// Marks the directory as `dev`'s; one that holds a production journal is refused.
pub(crate) fn claim_for_dev(directory: &Path) -> anyhow::Result<()> {
    let mark = directory.join(MARK);
    if directory.join(JOURNAL).exists() && !mark.exists() {
        bail!(
            "{} belongs to `laneway serve`; dev needs a directory of its own (--data-dir)",
            directory.display()
        );
    }
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    std::fs::write(&mark, MARK_TEXT).with_context(|| format!("cannot write {}", mark.display()))
}

/// Refuses a directory that holds a dev world.
pub(crate) fn refuse_of_dev(directory: &Path) -> anyhow::Result<()> {
    if directory.join(MARK).exists() {
        bail!("{} belongs to `laneway dev`; serve needs a directory of its own", directory.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_kept_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        refuse_of_dev(path).unwrap();
        claim_for_dev(path).unwrap();
        std::fs::write(path.join(JOURNAL), "").unwrap();
        claim_for_dev(path).unwrap();
        assert!(refuse_of_dev(path).unwrap_err().to_string().contains("belongs to `laneway dev`"));
        std::fs::remove_file(path.join(MARK)).unwrap();
        assert!(claim_for_dev(path).unwrap_err().to_string().contains("belongs to `laneway serve`"));
    }
}
