//! The server beneath the API: what it does with clients that are slow, many, or too much, and how it stops.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use laneway_gateway::server::{self, HEADERS_MAX, Limits};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Raw;

/// Short enough for a test to wait for, and far longer than anything that a client does here at once.
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(600);

const LIMITS: Limits = Limits {
    connections: 100,
    head_bytes: 2048,
    head_timeout: LONG,
    idle_timeout: LONG,
    write_timeout: LONG,
    grace: LONG,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Server {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(limits: Limits, router: Router) -> Server {
    let bound = server::listen("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let (address, shutdown) = (bound.address(), CancellationToken::new());
    let task = tokio::spawn(bound.serve(router, shutdown.clone()));
    Server { address, shutdown, task }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A router whose answer waits to be let go; the first receiver hears of each request, the sender lets one go.
fn gated() -> (Router, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, beginnings) = mpsc::channel(10);
    let (release, released) = mpsc::channel(10);
    let released = std::sync::Arc::new(tokio::sync::Mutex::new(released));
    let router = Router::new().route(
        "/",
        get(async move || {
            begun.send(()).await.unwrap();
            released.lock().await.recv().await.unwrap();
            "hello"
        }),
    );
    (router, beginnings, release)
}

/// Reads an answer whose body is `hello`.
async fn hello_on(raw: &mut Raw) {
    assert!(raw.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    raw.expect("hello").await;
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_closed() {
    let server = start(Limits { head_timeout: SHORT, ..LIMITS }, hello()).await;
    for said in ["", "GET / HTTP/1.1\r\nhost:"] {
        let mut raw = Raw::connect(server.address).await;
        raw.write(said).await;
        assert_eq!(raw.rest().await, "", "{said:?}");
    }

    let server = start(Limits { idle_timeout: SHORT, ..LIMITS }, hello()).await;
    let mut raw = Raw::connect(server.address).await;
    for _ in 0..3 {
        raw.write(GET).await;
        hello_on(&mut raw).await;
    }
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn a_byte_now_and_then_gives_a_head_no_more_time() {
    let server = start(Limits { head_timeout: SHORT, idle_timeout: SHORT, ..LIMITS }, hello()).await;
    for (said, byte, answer) in [
        ("", b'G', ""),
        ("GET /", b'x', ""),
        ("GET / HTTP/1.1\r\nhost:", b'x', ""),
        // Empty lines before a request are allowed, and make it no longer.
        ("", b'\n', ""),
        // The head of the next request has its own time, and the one before was answered.
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /", b'x', "HTTP/1.1 200 OK\r\n"),
    ] {
        let mut raw = Raw::connect(server.address).await;
        raw.write(said).await;
        let all = raw.dribble(byte).await;
        assert!(all.starts_with(answer) && all.is_empty() == answer.is_empty(), "{said:?} got {all:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let endless = Router::new().route("/", get(async || vec![b'x'; 64 * 1024 * 1024]));
    let server = start(Limits { write_timeout: SHORT, connections: 1, ..LIMITS }, endless).await;
    let mut stuck = Raw::connect(server.address).await;
    stuck.write(GET).await;
    stuck.head().await;
    // The one place becomes free only when the server has given up on the first client.
    let mut next = Raw::connect(server.address).await;
    next.write(GET).await;
    assert!(next.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn heads_have_a_size_and_a_number_of_fields() {
    let server = start(LIMITS, hello()).await;
    let fields = |count: usize| "a: b\r\n".repeat(count);
    for (head, status) in [
        (format!("GET / HTTP/1.0\r\n{}\r\n", fields(HEADERS_MAX)), "200"),
        (format!("GET / HTTP/1.0\r\n{}\r\n", fields(HEADERS_MAX + 1)), "431"),
        (format!("GET / HTTP/1.0\r\na: {}\r\n\r\n", "x".repeat(1900)), "200"),
        (format!("GET / HTTP/1.0\r\na: {}\r\n\r\n", "x".repeat(2048)), "431"),
        (format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(2048)), "431"),
        ("what is this\r\n\r\n".to_owned(), "400"),
    ] {
        let mut raw = Raw::connect(server.address).await;
        raw.write(&head).await;
        let answer = raw.rest().await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head:?}");
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_next_request() {
    let server = start(LIMITS, hello()).await;
    let mut raw = Raw::connect(server.address).await;
    raw.write(format!("{GET}GET / HT")).await;
    hello_on(&mut raw).await;
    raw.write("TP/1.1\r\nhost: x\r\n\r\n").await;
    hello_on(&mut raw).await;
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_their_turn() {
    let server = start(Limits { connections: 2, ..LIMITS }, hello()).await;
    let mut first = Raw::connect(server.address).await;
    let mut second = Raw::connect(server.address).await;
    for raw in [&mut first, &mut second] {
        raw.write(GET).await;
        hello_on(raw).await;
    }
    let mut third = Raw::connect(server.address).await;
    third.write(GET).await;
    tokio::select! {
        biased;
        _ = third.head() => panic!("there are two places only"),
        () = async {
            // The first two are still served meanwhile.
            first.write(GET).await;
            hello_on(&mut first).await;
        } => {}
    }
    drop(first);
    hello_on(&mut third).await;
}

#[tokio::test]
async fn stopping_lets_requests_finish_and_closes_the_rest() {
    let (router, mut beginnings, release) = gated();
    let server = start(LIMITS, router).await;
    let mut idle = Raw::connect(server.address).await;
    let mut busy = Raw::connect(server.address).await;
    busy.write(GET).await;
    beginnings.recv().await.unwrap();
    server.shutdown.cancel();
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    assert!(!server.task.is_finished());
    release.send(()).await.unwrap();
    hello_on(&mut busy).await;
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn stopping_takes_no_longer_than_it_may() {
    let (router, mut beginnings, _release) = gated();
    let server = start(Limits { grace: SHORT, ..LIMITS }, router).await;
    let mut stuck = Raw::connect(server.address).await;
    stuck.write(GET).await;
    beginnings.recv().await.unwrap();
    server.shutdown.cancel();
    server.task.await.unwrap();
    assert_eq!(stuck.rest().await, "");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let bound = server::listen("127.0.0.1:0".parse().unwrap(), LIMITS).await.unwrap();
    let error = server::listen(bound.address(), LIMITS).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

/// The limit on descriptors is a process's own, so the test runs itself again in a process that has few.
#[test]
fn running_out_of_descriptors_is_survived() {
    const FEW: &str = "LANEWAY_TEST_WITH_FEW_DESCRIPTORS";
    const NAME: &str = "server::running_out_of_descriptors_is_survived";
    if std::env::var_os(FEW).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(run_out_of_descriptors());
    }
    let again = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .args([NAME])
        .env(FEW, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

async fn run_out_of_descriptors() {
    let server = start(LIMITS, hello()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    let mut raw = Raw(socket.connect(server.address).await.unwrap());
    raw.write(GET).await;
    assert!(
        tokio::time::timeout(SHORT, raw.head()).await.is_err(),
        "there is no descriptor for the connection"
    );
    drop(files);
    hello_on(&mut raw).await;
}
