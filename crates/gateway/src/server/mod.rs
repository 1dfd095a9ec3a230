//! The HTTP server: it accepts connections, keeps each within its limits, and hands requests to a router.
//!
//! `axum::serve` has no place for a timeout, a limit or a bound on shutting down, so the loop stands here, over hyper's
//! own connection. Everything that a client could do to hold a connection open has an end: saying nothing, saying its
//! head slowly, not reading its answer (see [`Limits`]); how long a body may take is the business of its reader.
//!
//! ```no_run
//! # async fn example(router: axum::Router) -> std::io::Result<()> {
//! use laneway_gateway::server::{self, Limits};
//! let bound = server::listen("127.0.0.1:0".parse().expect("an address"), Limits::default()).await?;
//! println!("listening on http://{}", bound.address());
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! bound.serve(router, shutdown).await;
//! # Ok(())
//! # }
//! ```

mod patience;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use patience::{Exchange, Lasting, Patient};

/// The most header fields of a request. This is hyper's own limit, left as it is because setting it costs an
/// allocation per request; more are answered 431.
pub const HEADERS_MAX: usize = 100;

/// What one listener allows its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. At the limit no further one is accepted until one ends; the system queues them meanwhile.
    pub connections: usize,
    /// Bytes of a request's head (request line and headers); more are answered 431.
    pub head_bytes: usize,
    /// How long a client may take to send a request's head, counted from its first byte, and on a new connection from
    /// the start.
    pub head_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a client may read nothing of an answer that is being sent.
    pub write_timeout: Duration,
    /// How long requests in flight may take to finish once the server is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    /// 10,000 connections, heads of 16 KiB within 10 s, 75 s of idling, 30 s for a reader to move, 10 s to finish.
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

/// Marks an answer whose body is as long in coming as somebody else takes: its request lasts until the body has ended, so
/// that its connection does not count as idle meanwhile. Anything else is written at once.
#[derive(Clone, Copy, Debug)]
pub struct Streamed;

/// How long the accept loop rests when the system has no descriptor or memory for a further connection. Trying again at
/// once would only burn the processor that has to finish the others.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// An address that is taken and not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

/// Takes the address; port 0 takes a free one. Connections queue up from now on and are answered by [`Bound::serve`].
///
/// # Errors
/// When the address cannot be had.
pub async fn listen(address: SocketAddr, limits: Limits) -> io::Result<Bound> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address, limits })
}

impl Bound {
    /// The address that clients use.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the router until `shutdown` is cancelled; then accepts nothing more, lets requests in flight finish within
    /// [`Limits::grace`], cuts off those that have not, and returns.
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let Self { listener, limits, .. } = self;
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let connection = Connection { router, limits, http: http_of(limits), stopping: shutdown.clone() };
        let connection = Arc::new(connection);
        let slots = Arc::new(Semaphore::new(limits.connections));
        while let Some((stream, slot)) = next(&listener, &slots, &shutdown).await {
            let (connection, cut) = (Arc::clone(&connection), cut.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = connection.run(stream) => {}
                    () = cut.cancelled() => {}
                }
                drop(slot);
            });
        }
        drop(listener);
        tasks.close();
        if tokio::time::timeout(limits.grace, tasks.wait()).await.is_err() {
            tracing::warn!(
                server.connections = tasks.len(),
                "cut off connections that did not finish in time"
            );
            cut.cancel();
            tasks.wait().await;
        }
    }
}

/// The next connection and its place among the allowed ones, or none once the server is told to stop.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accept = async {
        let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
        let mut is_reported = false;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, slot),
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    if !is_reported {
                        tracing::error!(error = %error, "cannot accept connections; trying again until it works");
                        is_reported = true;
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        accepted = accept => Some(accepted),
    }
}

/// Whether the error tells of the client that was about to be accepted (it went away) and not of this machine.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn http_of(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    // Timeouts are `Patient`'s; hyper's would use the one for heads also between requests.
    // `pipeline_flush` stays off: with it, an answer waits for as long as a part of the next head is there, and the
    // answer to a bad head is never sent (seen with hyper 1.12).
    http.header_read_timeout(None).max_header_size(limits.head_bytes);
    http
}

/// What every connection of a listener shares.
struct Connection {
    router: Router,
    limits: Limits,
    http: http1::Builder,
    stopping: CancellationToken,
}

impl Connection {
    /// Serves one connection to its end.
    async fn run(&self, stream: TcpStream) {
        // Answers are written whole, so there is nothing that waiting could gather.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "cannot set TCP_NODELAY");
        }
        let exchange = Arc::new(Exchange::new());
        let io = TokioIo::new(Patient::new(stream, self.limits, Arc::clone(&exchange)));
        let service = service_fn(|request: Request<Incoming>| {
            let busy = exchange.begin();
            let answer = self.router.clone().call(request);
            async move {
                let answer: Result<Response, Infallible> = answer.await;
                answer.map(|response| match response.extensions().get() {
                    Some(Streamed) => response.map(|body| Body::new(Lasting { body, _busy: busy })),
                    None => response,
                })
            }
        });
        let mut http = pin!(self.http.serve_connection(io, service));
        let ended = tokio::select! {
            ended = http.as_mut() => ended,
            () = self.stopping.cancelled() => {
                http.as_mut().graceful_shutdown();
                http.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}
