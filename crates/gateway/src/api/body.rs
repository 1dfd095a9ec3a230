//! Reading a request's body within limits.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

/// What a request's body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The most bytes of one event.
    pub event_bytes: usize,
    /// So many bytes of a body that is not wanted are read and dropped, so that an ordinary client, which writes its
    /// whole request before it reads, sees the answer. Beyond them the connection is closed.
    pub dropped_bytes: usize,
    /// How long a body may take from the end of its head to its own end.
    pub timeout: Duration,
    /// So many bytes of bodies that are longer than an event's may be in memory at once; a further one waits before it is
    /// read.
    pub room_bytes: usize,
    /// How long it waits.
    pub room_timeout: Duration,
}

impl Default for BodyLimits {
    /// 64 KiB of event, 8 MiB dropped, 30 s, room for 64 MiB after at most 10 s.
    fn default() -> Self {
        Self {
            event_bytes: 64 * 1024,
            dropped_bytes: 8 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            room_bytes: 64 * 1024 * 1024,
            room_timeout: Duration::from_secs(10),
        }
    }
}

/// Why there is no body to work with. `close` says that the rest of it is still to come, so that the connection is of
/// no further use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is compressed, or encoded in another way.
    Encoded { close: bool },
    /// It has more bytes than an event may have.
    TooLarge { close: bool },
    /// It did not come in time.
    Slow,
    /// The client went away, or its chunks are not chunks.
    Broken,
}

impl BodyError {
    /// Whether the connection is to be closed after the answer.
    pub(super) const fn closes(&self) -> bool {
        match self {
            Self::Encoded { close } | Self::TooLarge { close } => *close,
            Self::Slow | Self::Broken => true,
        }
    }
}

/// Reads an event's body.
pub(super) async fn read(headers: &HeaderMap, body: Body, limits: &BodyLimits) -> Result<Bytes, BodyError> {
    let reading = async {
        if is_encoded(headers) {
            let close = !dropped(headers, body, limits).await?;
            return Err(BodyError::Encoded { close });
        }
        if announced(headers).is_some_and(|bytes| bytes > limits.event_bytes as u64) {
            let close = !dropped(headers, body, limits).await?;
            return Err(BodyError::TooLarge { close });
        }
        gather(headers, body, limits).await
    };
    tokio::time::timeout(limits.timeout, reading).await.unwrap_or(Err(BodyError::Slow))
}

/// Reads a body that nobody wants, so that the client sees the answer; whether all of it came.
pub(super) async fn drain(headers: &HeaderMap, body: Body, limits: &BodyLimits) -> bool {
    let all = tokio::time::timeout(limits.timeout, dropped(headers, body, limits)).await;
    matches!(all, Ok(Ok(true)))
}

async fn gather(headers: &HeaderMap, mut body: Body, limits: &BodyLimits) -> Result<Bytes, BodyError> {
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if whole.len() + joined.len() + data.len() > limits.event_bytes {
            let close = !dropped(headers, body, limits).await?;
            return Err(BodyError::TooLarge { close });
        }
        // Nearly every event comes in one piece, which then needs no copy.
        if whole.is_empty() && joined.is_empty() {
            whole = data;
        } else {
            if joined.is_empty() && announced(headers).is_some() {
                // Growing step by step would copy a long body several times.
                joined.reserve(most(headers, limits));
            }
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

/// Reads and drops; whether all of it came within the limit. A client that asks before it sends is not told to go on.
async fn dropped(headers: &HeaderMap, mut body: Body, limits: &BodyLimits) -> Result<bool, BodyError> {
    let too_much = announced(headers).is_some_and(|bytes| bytes > limits.dropped_bytes as u64);
    if too_much || headers.contains_key(header::EXPECT) {
        return Ok(false);
    }
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > limits.dropped_bytes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The most bytes that a body will have in memory: what its head announces, or as much as it may have; none if it is longer
/// than it may be, because then it is dropped.
pub(super) fn most(headers: &HeaderMap, limits: &BodyLimits) -> usize {
    match announced(headers).map(usize::try_from) {
        None => limits.event_bytes,
        Some(Ok(bytes)) if bytes <= limits.event_bytes => bytes,
        Some(Ok(_) | Err(_)) => 0,
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| {
        let value = value.as_bytes().trim_ascii();
        !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
    })
}
