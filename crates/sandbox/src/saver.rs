//! Keeps the state file up to date, off the path of any request.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::limits::{SAVE_DELAY, SAVE_PAUSE_FACTOR};
use crate::shared::Shared;
use crate::state;

/// Saves shortly after each change that `dirty` or the clock rings for, until the sandbox stops. Changes are gathered for a moment, and a save is followed by
/// a pause of several times its own duration, so that a large world is not saved all the time.
pub(crate) async fn run(shared: Arc<Shared>, mut dirty: watch::Receiver<u64>, path: PathBuf) {
    let mut moved = shared.clock.changed();
    let mut pause = SAVE_DELAY;
    loop {
        tokio::select! {
            // Neither bell can be gone: `shared` owns both.
            _ = dirty.changed() => {}
            _ = moved.changed() => {}
            () = shared.stopping.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.stopping.cancelled() => return,
        }
        dirty.mark_unchanged();
        moved.mark_unchanged();
        let started = shared.clock.uptime();
        if let Err(error) = save(&shared, path.clone()).await {
            tracing::error!(path = %path.display(), %error, "the sandbox's state could not be saved");
        }
        pause = SAVE_DELAY.max((shared.clock.uptime() - started) * SAVE_PAUSE_FACTOR);
    }
}

/// Saves once.
///
/// # Errors
/// Whatever writing the file comes to.
pub(crate) async fn save(shared: &Arc<Shared>, path: PathBuf) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let saving = tokio::task::spawn_blocking(move || state::write(&path, &shared.state().encode()));
    saving.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
