//! The world on disk and on the wire: `{"format":"laneway-sandbox","version":1,…}`.
//!
//! The same JSON is the state file and the body of `GET` and `PUT /sandbox/state`. The request log is not part of it,
//! only its numbering is: a log tells what was done to a world, the world is what came of it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::world::{DamagedWorld, World};

/// The version of the format this program writes, and the newest it reads.
const VERSION: u32 = 1;
const FORMAT: &str = "laneway-sandbox";

/// A whole sandbox, at rest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct State {
    /// How often this world was started.
    pub(crate) starts: u64,
    /// How far its clock is ahead of the machine's, in milliseconds.
    pub(crate) clock_offset_ms: u64,
    /// How many Graph calls it has answered.
    pub(crate) requests: u64,
    /// The world.
    pub(crate) world: World,
}

/// Why a text is no state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// It is not JSON, or not the JSON of a state.
    #[error("it is no sandbox state")]
    Unreadable(#[source] serde_json::Error),
    /// It is some other program's.
    #[error("its format is not {FORMAT}")]
    Foreign,
    /// A newer program wrote it.
    #[error("it has version {found}, and this program reads up to version {VERSION}")]
    Newer {
        /// The version it has.
        found: u32,
    },
    /// Its parts do not fit together.
    #[error("it contradicts itself")]
    Damaged(#[source] DamagedWorld),
}

impl State {
    /// The state as JSON.
    pub(crate) fn encode(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Stored<'a> {
            format: &'static str,
            version: u32,
            starts: u64,
            clock_offset_ms: u64,
            requests: u64,
            world: &'a World,
        }
        let stored = Stored {
            format: FORMAT,
            version: VERSION,
            starts: self.starts,
            clock_offset_ms: self.clock_offset_ms,
            requests: self.requests,
            world: &self.world,
        };
        serde_json::to_vec(&stored).expect("a state is always JSON")
    }

    /// Reads a state and rebuilds its indexes.
    ///
    /// # Errors
    /// [`StateError`] says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<State, StateError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(StateError::Unreadable)?;
        if head.format != FORMAT {
            return Err(StateError::Foreign);
        }
        if head.version > VERSION {
            return Err(StateError::Newer { found: head.version });
        }
        let mut state: State = serde_json::from_slice(bytes).map_err(StateError::Unreadable)?;
        state.world.rebuild().map_err(StateError::Damaged)?;
        Ok(state)
    }
}

/// Reads a state file. `None` if there is none.
///
/// # Errors
/// Whatever reading the file comes to.
pub(crate) fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a state file so that a crash leaves either the old or the new one: into a file beside it, to the disk, then
/// renamed.
///
/// # Errors
/// Whatever one of these steps comes to.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The rename itself is durable only once the folder is.
    File::open(folder)?.sync_all()
}
