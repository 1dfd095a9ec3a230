//! Room for long bodies: so many bytes of them are in memory at once, and one at a time is judged.
//!
//! A body waits for room before it is read, and meanwhile nothing of it is taken from the connection. It keeps its room until
//! what it says is stored. Short bodies need none: of those there are at most as many as connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// A body up to this size is short.
pub(super) const SHORT_BYTES_MAX: usize = 64 * 1024;
/// Long bodies that are judged at once, each on a thread of its own. Judging one takes the processor for tens of
/// milliseconds and several times its size in memory, and the requests beside it need a processor, too.
const JUDGED_MAX: usize = 1;

/// What all long bodies share.
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    bytes_max: usize,
    judges: Semaphore,
}

/// A long body's share of the room, which is free again when this is dropped. A short body has none.
pub(super) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        // More could not be asked for.
        let bytes_max = bytes_max.min(u32::MAX as usize);
        Self { bytes: Arc::new(Semaphore::new(bytes_max)), bytes_max, judges: Semaphore::new(JUDGED_MAX) }
    }

    /// Room for a body of at most so many bytes; `None` if there is none in time. A body that could never have enough room
    /// gets all of it.
    pub(super) async fn enter(&self, bytes: usize, patience: Duration) -> Option<Place> {
        if bytes <= SHORT_BYTES_MAX {
            return Some(Place { _permit: None });
        }
        let bytes = u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.bytes).acquire_many_owned(bytes);
        let permit = tokio::time::timeout(patience, permit).await.ok()?;
        Some(Place { _permit: Some(permit.expect("the semaphore is never closed")) })
    }

    /// Judges a long body beside the requests, so that none of them waits for it, and a short one at once.
    ///
    /// # Errors
    /// When judging panicked.
    pub(super) async fn judge<T: Send + 'static>(
        &self,
        bytes: usize,
        judge: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if bytes <= SHORT_BYTES_MAX {
            return Ok(judge());
        }
        let _turn = self.judges.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(judge).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn long_bodies_share_the_room_and_short_ones_need_none() {
        let room = Room::new(10 * SHORT_BYTES_MAX);
        let enter = |bytes| room.enter(bytes, PATIENCE);
        let first = enter(6 * SHORT_BYTES_MAX).await;
        assert!(first.is_some());
        assert!(enter(SHORT_BYTES_MAX).await.is_some());
        assert!(enter(5 * SHORT_BYTES_MAX).await.is_none(), "it waits until its patience ends");
        assert!(enter(4 * SHORT_BYTES_MAX).await.is_some());
        let (second, ()) = tokio::join!(enter(5 * SHORT_BYTES_MAX), async { drop(first) });
        assert!(second.is_some(), "what becomes free goes to who waits");
        drop(second);
        let all = enter(usize::MAX).await;
        assert!(all.is_some(), "what is larger than the room has all of it");
        assert!(enter(SHORT_BYTES_MAX + 1).await.is_none());
    }

    #[tokio::test]
    async fn one_long_body_is_judged_at_a_time() {
        let room = Room::new(1);
        let (begin, begun) = std::sync::mpsc::sync_channel(2);
        let (go_on, going) = std::sync::mpsc::sync_channel::<()>(1);
        let second_begun = begin.clone();
        let long = SHORT_BYTES_MAX + 1;
        let first = room.judge(long, move || {
            begin.send(1).unwrap();
            going.recv().unwrap();
        });
        let second = room.judge(long, move || second_begun.send(2).unwrap());
        let between = room.judge(SHORT_BYTES_MAX, move || {
            assert_eq!(begun.recv(), Ok(1));
            assert!(begun.try_recv().is_err(), "the second waits for the first; a short one does not");
            go_on.send(()).unwrap();
            begun
        });
        let (first, second, begun) = tokio::join!(first, second, between);
        first.and(second).unwrap();
        assert_eq!(begun.unwrap().recv(), Ok(2));
    }
}
