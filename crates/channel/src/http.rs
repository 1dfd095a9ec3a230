//! The one place that opens connections to a service.
//!
//! What matters most here is to know, when a call fails, whether any of it can have had an effect. The request's body
//! keeps that knowledge: hyper asks for it before it writes the first byte of a request to a connection, so a body that
//! was never asked for means that nothing of the call left this machine. That holds for every way to fail: a name
//! that does not resolve, a refused or slow connection, a failed TLS handshake, a kept connection that turned out to be
//! closed, and the end of the time for the whole call. Once the body was asked for, nothing short of an answer tells
//! whether the service acted on it.
//!
//! A kept connection that was closed by the service before the request was begun is no failure: hyper's pool hands the
//! untouched request to another connection, and in the end to a fresh one. It never repeats a request that was begun,
//! and neither does this module. Redirects are answers like any other; they are not followed, because that would
//! carry the token elsewhere.
//!
//! A client may be confined to this machine ([`Reach::Loopback`]). Then the addresses that a name stands for are looked at
//! where they are connected to, so that no change of the name between a look and a connection can lead out.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, connect::dns};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

/// What a call may take. Every service has its own, so that a slow one takes nothing from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one TCP connection to be made, tried addresses together.
    pub connect_timeout: Duration,
    /// For the whole call: name, connection, TLS, request, answer.
    pub call_timeout: Duration,
    /// How long a connection is kept without a call. It should be shorter than the service's own patience: a call that
    /// begins while the service closes the connection is in doubt.
    pub idle_timeout: Duration,
    /// How many connections without a call are kept per host.
    pub idle_connections_max: usize,
    /// The largest answer body that is read. The largest that Meta documents, 1,000 failed users with their errors, has
    /// about a quarter of the default.
    pub answer_bytes_max: usize,
    /// Which machines are called at all.
    pub reach: Reach,
}

/// Which machines are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Whatever the address says.
    #[default]
    Anywhere,
    /// This machine alone. A host with any address that is not loopback gets nothing, not even a connection.
    Loopback,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            idle_connections_max: 64,
            answer_bytes_max: 1024 * 1024,
            reach: Reach::Anywhere,
        }
    }
}

/// An answer, complete.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no complete answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing left this machine.
    #[error("nothing was sent")]
    NotSent(#[source] Cause),
    /// The request was begun, so it may have had its effect.
    #[error("the request was sent, and no complete answer came")]
    Lost {
        /// The status, if the answer began.
        status: Option<http::StatusCode>,
        /// What happened.
        #[source]
        cause: Cause,
    },
}

/// What happened to a call without an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// The time for the whole call was over.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The body is longer than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection could not be made, or it broke.
    #[error("{}", chain(.0.as_ref()))]
    Connection(Box<dyn StdError + Send + Sync>),
    /// The host is beyond the client's reach.
    #[error(transparent)]
    OutOfReach(#[from] NotLoopback),
}

/// A host that a client which is confined to this machine does not call.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host is not on loopback alone")]
pub(crate) struct NotLoopback;

/// The pool of connections to the services' hosts. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: legacy::Client<HttpsConnector<Connector>, Guarded>,
    limits: Limits,
}

impl Client {
    /// A pool without connections.
    pub(crate) fn new(limits: Limits) -> Self {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_timeout)
            .pool_max_idle_per_host(limits.idle_connections_max)
            .retry_canceled_requests(true)
            .build(connector(limits.connect_timeout, limits.reach));
        Self { pool, limits }
    }

    /// Makes one call. A request without a body counts as not sent until its answer begins, because nobody asks for
    /// its body; only calls that may be repeated freely have none.
    ///
    /// # Errors
    /// [`Error`] tells apart what was not sent from what may have had its effect.
    pub(crate) async fn call(&self, request: http::Request<Bytes>) -> Result<Reply, Error> {
        self.call_noting(request, || {}).await
    }

    /// The same; `leaves` is called at the moment when the request leaves, just before its first byte is written to a
    /// connection. It is called once, or not at all if nothing leaves; a request without a body never says when it leaves.
    pub(crate) async fn call_noting(
        &self,
        request: http::Request<Bytes>,
        leaves: impl FnOnce() + Send + 'static,
    ) -> Result<Reply, Error> {
        self.limits.reach.admits(request.uri()).map_err(|error| Error::NotSent(error.into()))?;
        let progress = Progress::default();
        let leaves: Option<Leaves> = Some(Box::new(leaves));
        let request = request.map(|bytes| Guarded { bytes: Some(bytes), progress: progress.clone(), leaves });
        let mut status = None;
        let cause =
            match tokio::time::timeout(self.limits.call_timeout, self.exchange(request, &mut status)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(cause)) => cause,
                Err(_) => Cause::Timeout(self.limits.call_timeout),
            };
        if status.is_none() && progress.abandon() {
            Err(Error::NotSent(cause))
        } else {
            Err(Error::Lost { status, cause })
        }
    }

    async fn exchange(
        &self,
        request: http::Request<Guarded>,
        status: &mut Option<http::StatusCode>,
    ) -> Result<Reply, Cause> {
        let answer = self.pool.request(request).await.map_err(|error| Cause::Connection(error.into()))?;
        let (parts, body) = answer.into_parts();
        *status = Some(parts.status);
        let body = Limited::new(body, self.limits.answer_bytes_max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Cause::TooLarge(self.limits.answer_bytes_max)
            } else {
                Cause::Connection(error)
            }
        })?;
        Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

/// What opens connections.
pub(crate) type Connector = HttpConnector<Resolver>;

/// How connections are opened. Plain `http` works, too, because a sandbox speaks nothing else.
pub(crate) fn connector(connect_timeout: Duration, reach: Reach) -> HttpsConnector<Connector> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver { system: dns::GaiResolver::new(), reach });
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp)
}

impl Reach {
    /// Judges an address as far as it can be without asking what its name stands for; the rest is [`Resolver`]'s. hyper
    /// asks no resolver about a host that is an IP address.
    fn admits(self, uri: &http::Uri) -> Result<(), NotLoopback> {
        let host = uri.host().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse();
        match (self, ip) {
            (Self::Anywhere, _) | (Self::Loopback, Err(_)) => Ok(()),
            (Self::Loopback, Ok(ip)) => self.admits_all([ip].into_iter()),
        }
    }

    fn admits_all(self, mut addresses: impl Iterator<Item = IpAddr>) -> Result<(), NotLoopback> {
        match self {
            Self::Anywhere => Ok(()),
            Self::Loopback if addresses.all(|address| address.is_loopback()) => Ok(()),
            Self::Loopback => Err(NotLoopback),
        }
    }
}

/// The system's resolver, which hands out no address beyond the client's reach.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    system: dns::GaiResolver,
    reach: Reach,
}

impl Service<dns::Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(ctx)
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        let (found, reach) = (self.system.call(name), self.reach);
        Box::pin(async move {
            let addresses: Vec<_> = found.await?.collect();
            reach.admits_all(addresses.iter().map(SocketAddr::ip)).map_err(io::Error::other)?;
            Ok(addresses.into_iter())
        })
    }
}

/// How far a request came; shared by the caller and the body that hyper holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

const UNTOUCHED: u8 = 0;
const BEGUN: u8 = 1;
const ABANDONED: u8 = 2;

impl Progress {
    /// Takes the right to write the request; false if the caller has given it up.
    pub(crate) fn begin(&self) -> bool {
        let began = self.0.compare_exchange(UNTOUCHED, BEGUN, Ordering::SeqCst, Ordering::SeqCst);
        began != Err(ABANDONED)
    }

    /// Gives the request up; false if it was begun.
    pub(crate) fn abandon(&self) -> bool {
        let abandoned = self.0.compare_exchange(UNTOUCHED, ABANDONED, Ordering::SeqCst, Ordering::SeqCst);
        abandoned != Err(BEGUN)
    }
}

/// A body that knows whether it was asked for, and that is never given out after its caller has reported that nothing
/// was sent: the two meet in one atomic step. A head that leaves without the body it announces is no complete request,
/// so no server acts on it.
struct Guarded {
    bytes: Option<Bytes>,
    progress: Progress,
    leaves: Option<Leaves>,
}

/// Whom a request tells that it leaves.
type Leaves = Box<dyn FnOnce() + Send>;

impl Body for Guarded {
    type Data = Bytes;
    type Error = Abandoned;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abandoned>>> {
        Poll::Ready(match self.bytes.take() {
            None => None,
            Some(_) if !self.progress.begin() => Some(Err(Abandoned)),
            Some(bytes) => {
                self.leaves.take().into_iter().for_each(|leaves| leaves());
                Some(Ok(Frame::data(bytes)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// The error and all that caused it, in one line.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The caller of the request no longer waits for it.
#[derive(Debug, thiserror::Error)]
#[error("the call was given up before it began")]
struct Abandoned;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body gives when hyper asks for it.
    fn asked(progress: &Progress) -> Result<Bytes, Abandoned> {
        let mut body =
            Guarded { bytes: Some(Bytes::from_static(b"{}")), progress: progress.clone(), leaves: None };
        let Poll::Ready(Some(frame)) =
            Pin::new(&mut body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
        else {
            panic!("a body in memory is always ready");
        };
        frame.map(|frame| frame.into_data().unwrap())
    }

    #[test]
    fn a_body_is_given_out_or_reported_as_not_sent_but_never_both() {
        let begun = Progress::default();
        assert!(asked(&begun).is_ok());
        assert!(!begun.abandon());

        let given_up = Progress::default();
        assert!(given_up.abandon());
        assert!(asked(&given_up).is_err());
    }

    #[test]
    fn what_is_confined_to_this_machine_calls_no_other() {
        for (address, admitted) in [
            ("http://127.0.0.1:8090", true),
            ("http://127.9.9.9", true),
            ("https://[::1]:8090/v26.0", true),
            ("http://0.0.0.0:8090", false),
            ("http://192.0.2.1", false),
            ("https://10.0.0.1", false),
            ("http://[2001:db8::1]:8090", false),
            ("http://[::ffff:192.0.2.1]", false),
            // What a name stands for is seen when it is resolved.
            ("http://localhost", true),
            ("https://graph.facebook.com", true),
        ] {
            let uri = address.parse().unwrap();
            assert_eq!(Reach::Loopback.admits(&uri).is_ok(), admitted, "{address}");
            assert!(Reach::Anywhere.admits(&uri).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_name_is_as_near_as_the_farthest_of_its_addresses() {
        for (addresses, admitted) in [
            (["127.0.0.1", "::1"], true),
            (["127.0.0.1", "192.0.2.1"], false),
            (["2001:db8::1", "::1"], false),
            (["169.254.0.1", "10.0.0.1"], false),
        ] {
            let addresses = addresses.map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(Reach::Loopback.admits_all(addresses.into_iter()).is_ok(), admitted, "{addresses:?}");
            assert!(Reach::Anywhere.admits_all(addresses.into_iter()).is_ok());
        }
    }

    #[tokio::test]
    async fn a_resolver_hands_out_what_is_within_reach() {
        for reach in [Reach::Anywhere, Reach::Loopback] {
            let mut resolver = Resolver { system: dns::GaiResolver::new(), reach };
            let found = resolver.call("localhost".parse().unwrap()).await.unwrap();
            assert!(found.map(|address| address.ip()).all(|ip| ip.is_loopback()), "{reach:?}");
        }
    }

    #[test]
    fn causes_are_told_with_their_own_causes() {
        let error = Cause::Connection(Box::new(Error::NotSent(Cause::TooLarge(7))));
        assert_eq!(error.to_string(), "nothing was sent: the answer is larger than 7 bytes");
        assert_eq!(Cause::Timeout(Duration::from_millis(1500)).to_string(), "no answer within 1500 ms");
    }
}
