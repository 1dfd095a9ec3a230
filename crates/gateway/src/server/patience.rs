//! A connection that does not wait for its client for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Limits;

/// Counts the beginnings and ends of the requests of one connection, so that its reader knows whether a request is
/// being answered: the count is odd while one is. Reader and service run in one task, so the order of accesses is the
/// program's.
#[derive(Debug)]
pub(super) struct Exchange {
    count: AtomicU64,
    opened: Instant,
    /// When the last request ended, in microseconds after `opened`.
    ended_micros: AtomicU64,
}

/// A request is being answered as long as this lives.
pub(super) struct Busy(Arc<Exchange>);

/// A body that belongs to its request for as long as it lives.
pub(super) struct Lasting {
    pub(super) body: Body,
    pub(super) _busy: Busy,
}

impl hyper::body::Body for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Exchange {
    /// An exchange that begins now.
    pub(super) fn new() -> Self {
        Self { count: AtomicU64::new(0), opened: now(), ended_micros: AtomicU64::new(0) }
    }

    /// Marks the beginning of a request.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.count.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    fn last_end(&self) -> Instant {
        self.opened + Duration::from_micros(self.ended_micros.load(Ordering::Relaxed))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let elapsed = self.0.opened.elapsed().as_micros();
        self.0.ended_micros.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// The runtime's time, which its timers run by. The node's clock would not do: in `dev` it can be moved by hand, and a
/// client does not get slow by that.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines of connections are compared with the runtime's timers"
)]
fn now() -> Instant {
    Instant::now()
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when the client takes longer than its [`Limits`] allow.
///
/// The timer is moved only when a deadline comes nearer; one that fires early is set again. So a busy connection costs
/// two looks at the clock per request and no work in the timer. It runs while a request is being answered, too: nobody
/// may read again when the answer is out, and then only the timer wakes the connection to find that it is idle.
pub(super) struct Patient<S> {
    stream: S,
    limits: Limits,
    exchange: Arc<Exchange>,
    /// The count of the exchange that the fields below stand for.
    seen: u64,
    /// Whether a part of a request's head has come.
    in_head: bool,
    /// Until when the client must have sent the next bytes; none while a request is being answered.
    deadline: Option<Instant>,
    reading: Pin<Box<Sleep>>,
    /// Runs while the client does not take what is being sent.
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, limits: Limits, exchange: Arc<Exchange>) -> Self {
        let deadline = now() + limits.head_timeout;
        Self {
            stream,
            limits,
            seen: 0,
            exchange,
            in_head: true,
            deadline: Some(deadline),
            reading: Box::pin(sleep_until(deadline)),
            writing: None,
        }
    }

    /// Takes note of requests that have begun or ended since the last look.
    fn catch_up(&mut self) {
        let count = self.exchange.count.load(Ordering::Relaxed);
        if count != self.seen {
            let is_busy = count % 2 == 1;
            self.seen = count;
            self.in_head = false;
            self.deadline = (!is_busy).then(|| self.exchange.last_end() + self.limits.idle_timeout);
        }
    }

    /// Takes note of bytes from the client.
    fn heard(&mut self) {
        if self.deadline.is_some() && !self.in_head {
            self.in_head = true;
            self.deadline = Some(now() + self.limits.head_timeout);
        }
    }

    fn wait_for_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // While a request is being answered, no deadline is nearer than this.
            let look_again = self.deadline.unwrap_or_else(|| now() + self.limits.idle_timeout);
            if self.reading.deadline() > look_again || self.reading.is_elapsed() {
                self.reading.as_mut().reset(look_again);
            }
            ready!(self.reading.as_mut().poll(cx));
            if self.deadline.is_some_and(|deadline| now() >= deadline) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let limit = self.limits.write_timeout;
        ready!(self.writing.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.catch_up();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                this.heard();
                Poll::Ready(result)
            }
            Poll::Pending => this.wait_for_client(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const LIMITS: Limits = Limits {
        connections: 1,
        head_bytes: 8192,
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        write_timeout: Duration::from_secs(30),
        grace: Duration::from_secs(1),
    };

    fn pair() -> (DuplexStream, Patient<DuplexStream>, Arc<Exchange>) {
        let (client, server) = duplex(16);
        let exchange = Arc::new(Exchange::new());
        (client, Patient::new(server, LIMITS, Arc::clone(&exchange)), exchange)
    }

    /// Reads until the stream gives up, and says after how many seconds of virtual time it did.
    async fn seconds_until_timeout(server: &mut Patient<DuplexStream>) -> u64 {
        let start = now();
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing() {
        let (_client, mut server, _) = pair();
        assert_eq!(seconds_until_timeout(&mut server).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_in_has_one_deadline() {
        let (mut client, mut server, _) = pair();
        let start = now();
        let trickle = async {
            loop {
                client.write_all(b"x").await.unwrap();
                tokio::time::advance(Duration::from_secs(3)).await;
            }
        };
        let read = async { while server.read_u8().await.is_ok() {} };
        tokio::select! {
            () = trickle => unreachable!("it never ends by itself"),
            () = read => {}
        }
        assert!((10..20).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_and_at_the_next_head() {
        let (mut client, mut server, exchange) = pair();
        for _ in 0..3 {
            client.write_all(b"x").await.unwrap();
            server.read_u8().await.unwrap();
            drop(exchange.begin());
        }
        assert_eq!(seconds_until_timeout(&mut server).await, 75);

        let (mut client, mut server, exchange) = pair();
        drop(exchange.begin());
        let idle = tokio::time::timeout(Duration::from_secs(20), server.read_u8()).await;
        assert!(idle.is_err(), "idling is allowed for longer than a head");
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        assert_eq!(seconds_until_timeout(&mut server).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_answered_there_is_no_hurry() {
        let (_client, mut server, exchange) = pair();
        let busy = exchange.begin();
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, server.read_u8()).await.is_err());
        drop(busy);
        assert_eq!(seconds_until_timeout(&mut server).await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_waits_after_begins_the_idle_time() {
        let (_client, mut server, exchange) = pair();
        let busy = exchange.begin();
        let start = now();
        // The reader is asked once, while the request is being answered, and then only when the timer wakes it.
        let reader = tokio::spawn(async move { server.read_u8().await.unwrap_err() });
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(busy);
        assert_eq!(reader.await.unwrap().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 175);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read() {
        let (mut client, mut server, _) = pair();
        let start = now();
        let error = server.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));

        let (mut patient_client, mut patient_server, _) = pair();
        let write = async { patient_server.write_all(&[0; 64]).await.unwrap() };
        let read = async {
            for _ in 0..64 {
                tokio::time::advance(Duration::from_secs(20)).await;
                patient_client.read_u8().await.unwrap();
            }
        };
        tokio::join!(write, read);
        client.shutdown().await.unwrap();
    }
}
