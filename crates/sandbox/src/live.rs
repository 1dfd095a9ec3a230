//! `GET /sandbox/live`: tells whoever listens that something changed, as server-sent events.
//!
//! A frame carries no contents, only marks: numbers that differ from those of the frame before where something changed.
//! So a listener that missed frames has missed nothing, and however much happens, it is told a few times a second at most.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::State as Shares;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::control::ControlError;
use crate::limits::{LIVE_PAUSE, LIVE_SILENCE_MAX};
use crate::shared::Shared;

/// What a frame says.
#[derive(Serialize)]
struct Marks<'a> {
    /// Differs after a restart.
    start: u64,
    /// Differs when anything in the world changed: numbers, chats, block lists, conversions, switches, the clock.
    world: u64,
    /// Differs when anything changed at all, so also the calls, their notes, and the fault rules.
    all: u64,
    /// The number of the latest Graph call.
    requests: u64,
    /// The sandbox's time in milliseconds since 1970.
    now_ms: u64,
    /// How far that is ahead of the machine's.
    offset_ms: u64,
    /// Where the program under test takes events, if that is known.
    gateway: Option<&'a str>,
}

/// Answers `GET /sandbox/live` for as long as the caller stays and the sandbox runs.
pub(crate) async fn live(Shares(shared): Shares<Arc<Shared>>) -> Result<Response, ControlError> {
    let seat = Arc::clone(&shared.listeners).try_acquire_owned().map_err(|_| ControlError::no_seat())?;
    let (frames, told) = mpsc::channel(1);
    tokio::spawn(tell(shared, frames, seat));
    let mut response = Response::new(Body::new(Told(told)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Sends the marks now and after every change, until the listener is gone or the sandbox stops.
async fn tell(shared: Arc<Shared>, frames: mpsc::Sender<Bytes>, _seat: OwnedSemaphorePermit) {
    let mut changes = shared.changes.subscribe();
    let mut moved = shared.clock.changed();
    let mut is_open = true;
    while is_open {
        // Marked as seen before the marks are read, so that a change between the two is told again.
        changes.mark_unchanged();
        moved.mark_unchanged();
        let frame = frame(&shared);
        is_open = tokio::select! {
            sent = frames.send(frame) => sent.is_ok(),
            () = shared.stopping.cancelled() => false,
        };
        is_open = is_open
            && tokio::select! {
                // Neither bell can be gone: `shared` owns both.
                _ = changes.changed() => true,
                _ = moved.changed() => true,
                () = tokio::time::sleep(LIVE_SILENCE_MAX) => true,
                () = frames.closed() => false,
                () = shared.stopping.cancelled() => false,
            };
        if is_open {
            tokio::time::sleep(LIVE_PAUSE).await;
        }
    }
}

fn frame(shared: &Shared) -> Bytes {
    let marks = Marks {
        start: shared.starts,
        world: *shared.dirty.borrow(),
        all: *shared.changes.borrow(),
        requests: shared.log().seen(),
        now_ms: shared.clock.now_ms(),
        offset_ms: shared.clock.offset_ms(),
        gateway: shared.gateway.get().map(String::as_str),
    };
    let marks = serde_json::to_string(&marks).expect("numbers and a text are always JSON");
    Bytes::from(format!("event: marks\ndata: {marks}\n\n"))
}

/// A body that ends when nobody writes to it any more.
struct Told(mpsc::Receiver<Bytes>);

impl HttpBody for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
