//! Requests that are passed on as they are, with bodies that stream both ways.
//!
//! Nothing is gathered: a frame of the request's body is asked of the client when the service's connection can take it,
//! and a frame of the answer is read when the client can. So a body may have any size, and what bounds a request is
//! time: no part of it may stand still for longer than [`Limits::stall_timeout`].
//!
//! As in [`crate::http`], it matters most to know whether anything was sent; the same rule says so. A request is never
//! begun twice.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::http::header::{self, HeaderMap, HeaderName};
use ::http::{Request, Response, Uri, Version};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Sleep, sleep};

use crate::http::{self, Progress, chain};

/// What a request that is passed on may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one TCP connection to be made, tried addresses together.
    pub connect_timeout: Duration,
    /// How long nothing may move: neither the request's body, nor the answer's beginning, nor its body.
    pub stall_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// How many connections without a request are kept per host.
    pub idle_connections_max: usize,
}

impl Default for Limits {
    /// 5 s to connect, 60 s without movement, 30 s of idling, 64 idle connections.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30),
            idle_connections_max: 64,
        }
    }
}

/// How many times within the time of standing still it is looked whether something moved.
const LOOKS: u32 = 12;

/// Why there is no answer to pass back. What happened is for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("the service's address and the request's path do not make an address")]
    Address,
    /// Nothing left this machine.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// The request was begun, so it may have had its effect.
    #[error("the request was sent, and no answer came: {0}")]
    Lost(String),
    /// The client did not send its body to the end.
    #[error("the request's own body stood still or broke off")]
    Client,
}

/// Passes requests on. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Client<B> {
    pool: legacy::Client<HttpsConnector<http::Connector>, Outgoing<B>>,
    limits: Limits,
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// A client without connections.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_timeout)
            .pool_max_idle_per_host(limits.idle_connections_max)
            .retry_canceled_requests(true)
            .build(http::connector(limits.connect_timeout, http::Reach::Anywhere));
        Self { pool, limits }
    }

    /// Sends a request to the same path and query at `base`, an address without a path, and returns the answer as soon
    /// as its head is there. Method, headers and body are the request's, but for `Host` and the headers that belong to
    /// one connection (RFC 9110, section 7.6.1).
    ///
    /// # Errors
    /// [`Error`] tells apart what was not sent from what may have had its effect.
    pub async fn pass(&self, base: &str, request: Request<B>) -> Result<Response<Answer>, Error> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let address: Uri = format!("{base}{path}").parse().map_err(|_| Error::Address)?;
        head.uri = address;
        head.version = Version::HTTP_11;
        leave_out_hops(&mut head.headers);
        // The body's own length counts; Expect has been answered by the server that reads the body.
        for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
            head.headers.remove(name);
        }
        let has_body = !body.is_end_stream();
        let pace = Arc::new(Pace::default());
        let request = Request::from_parts(head, Outgoing { body, pace: Arc::clone(&pace) });
        let failure = match self.answer(request, &pace).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let never_begun = failure.is_connect || has_body && pace.progress.abandon();
        Err(match failure {
            _ if never_begun => Error::NotSent(failure.told),
            _ if pace.waits_for_client.load(Ordering::SeqCst) => Error::Client,
            _ => Error::Lost(failure.told),
        })
    }

    async fn answer(&self, request: Request<Outgoing<B>>, pace: &Pace) -> Result<Response<Answer>, Failure> {
        let limit = self.limits.stall_timeout;
        let mut answer = self.pool.request(request);
        let (mut moved, mut still) = (0, 0);
        loop {
            match tokio::time::timeout(limit / LOOKS, &mut answer).await {
                Ok(Ok(answer)) => {
                    let (mut head, body) = answer.into_parts();
                    leave_out_hops(&mut head.headers);
                    return Ok(Response::from_parts(head, Answer { body, limit, waiting: None }));
                }
                Ok(Err(error)) => {
                    return Err(Failure { is_connect: error.is_connect(), told: chain(&error) });
                }
                Err(_) => {
                    let frames = pace.frames.load(Ordering::SeqCst);
                    still = if frames == moved { still + 1 } else { 0 };
                    if still == LOOKS {
                        let told = format!("nothing moved for {} s", limit.as_secs());
                        return Err(Failure { is_connect: false, told });
                    }
                    moved = frames;
                }
            }
        }
    }
}

struct Failure {
    is_connect: bool,
    told: String,
}

/// How far a request's body came.
#[derive(Debug, Default)]
struct Pace {
    progress: Progress,
    /// Frames given out.
    frames: AtomicU64,
    /// Whether the service could take more than the client has sent.
    waits_for_client: AtomicBool,
}

/// A request's body on its way to the service.
#[derive(Debug)]
struct Outgoing<B> {
    body: B,
    pace: Arc<Pace>,
}

impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if !this.pace.progress.begin() {
            return Poll::Ready(Some(Err("the request was given up before it began".into())));
        }
        this.pace.waits_for_client.store(true, Ordering::SeqCst);
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        this.pace.frames.fetch_add(1, Ordering::SeqCst);
        // A body that breaks off is the client's doing, too, and ends the request.
        let goes_on = !matches!(frame, Some(Err(_)));
        this.pace.waits_for_client.store(!goes_on, Ordering::SeqCst);
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body on its way to the client. It fails when the service lets it stand still; how long a client may take
/// to read is the server's business.
#[derive(Debug)]
pub struct Answer {
    body: Incoming,
    limit: Duration,
    /// Runs while the service has nothing more to read.
    waiting: Option<Pin<Box<Sleep>>>,
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff {
    /// The connection to the service did.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
    /// The service sent nothing more.
    #[error("the service sent nothing more for {} s", .0.as_secs())]
    Stalled(Duration),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BrokenOff::from)));
        }
        let limit = this.limit;
        ready!(this.waiting.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Some(Err(BrokenOff::Stalled(limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Takes out what concerns one connection only, and what `Connection` names as such.
fn leave_out_hops(headers: &mut HeaderMap) {
    const HOPS: [HeaderName; 8] = [
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    let named: Vec<HeaderName> = named.collect();
    for name in HOPS.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_is_left_out() {
        let rows = [
            ("connection", "close, X-Hop", false),
            ("x-hop", "1", false),
            ("keep-alive", "timeout=5", false),
            ("proxy-connection", "keep-alive", false),
            ("proxy-authorization", "Basic abc", false),
            ("te", "trailers", false),
            ("trailer", "x-sum", false),
            ("transfer-encoding", "chunked", false),
            ("upgrade", "h2c", false),
            ("x-cm-producttoken", "00000000-0000-0000-0000-000000000000", true),
            ("content-type", "application/json", true),
            ("content-encoding", "gzip", true),
            ("authorization", "Bearer abc", true),
        ];
        let pairs = rows.map(|(name, value, _)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut headers = HeaderMap::from_iter::<[(HeaderName, ::http::HeaderValue); 13]>(pairs);
        leave_out_hops(&mut headers);
        for (name, _, expected) in rows {
            assert_eq!(headers.contains_key(name), expected, "{name}");
        }
    }
}
