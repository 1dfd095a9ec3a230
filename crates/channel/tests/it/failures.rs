//! What a call without a complete answer leads to: only what never left this machine counts as not sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use laneway_channel::http::Reach;
use laneway_channel::meta::{Call, Verb};
use laneway_model::{Answer, Failure, FailureClass, Outcome, Scope};

use super::server::{SUCCESS, Server, Step};
use super::*;

/// Makes a call, which leaves exactly if it does not count as not sent.
async fn send(client: &meta::Client, target: &Target) -> Answer {
    let left = Arc::new(AtomicBool::new(false));
    let leaves = {
        let left = Arc::clone(&left);
        move || left.store(true, Ordering::SeqCst)
    };
    let call = Call { verb: Verb::MarkAsRead, members: &[read_mark()], now: NOW };
    let answer = client.send(target, call, leaves).await;
    let is_sent = match &answer.outcomes[..] {
        [Outcome::Failed(failure)] => {
            let unsent = [FailureClass::NotSent, FailureClass::Unauthorized];
            answer.http_status.is_some() || !unsent.contains(&failure.class)
        }
        _ => true,
    };
    assert_eq!(left.load(Ordering::SeqCst), is_sent, "{answer:?}");
    answer
}

#[track_caller]
fn failure(answer: &Answer) -> &Failure {
    match &answer.outcomes[..] {
        [Outcome::Failed(failure)] => failure,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_failed(answer: &Answer, class: FailureClass, status: Option<u16>, detail: &str) {
    let failure = failure(answer);
    assert_eq!(
        (failure.class, failure.scope, answer.http_status),
        (class, Scope::Event, status),
        "{failure:?}"
    );
    assert!(failure.detail.contains(detail), "{:?} has no {detail:?}", failure.detail);
}

const NOTHING: &str = "Nothing was sent: ";
const LOST: &str = "It was sent, and no complete answer came: ";

/// Nobody listens on port 1.
#[tokio::test]
async fn refused_connection() {
    let answer = send(&client(), &target("http://127.0.0.1:1")).await;
    assert_failed(&answer, FailureClass::NotSent, None, NOTHING);
}

/// A label of more than 63 characters is no name, which a resolver knows without asking anyone.
#[tokio::test]
async fn name_that_does_not_resolve() {
    let answer = send(&client(), &target(&format!("http://{}.invalid", "a".repeat(64)))).await;
    assert_failed(&answer, FailureClass::NotSent, None, NOTHING);
}

#[tokio::test]
async fn tls_that_fails() {
    let server =
        Server::start(&[&[Step::ReadByte, Step::Write("HTTP/1.1 400 Bad Request\r\n\r\n"), Step::Stall]])
            .await;
    let answer = send(&client(), &target(&format!("https://{}", server.address()))).await;
    assert_failed(&answer, FailureClass::NotSent, None, NOTHING);
}

#[tokio::test]
async fn tls_that_does_not_end() {
    let server = Server::start(&[&[Step::Stall]]).await;
    let client = meta::Client::new(Limits { call_timeout: Duration::from_millis(50), ..limits() });
    let answer = send(&client, &target(&format!("https://{}", server.address()))).await;
    assert_failed(&answer, FailureClass::NotSent, None, "Nothing was sent: no answer within 50 ms.");
}

/// 0.0.0.0 leads to the same socket, but is no loopback address. There is one script only, so one connection is taken.
#[tokio::test]
async fn a_host_beyond_this_machine() {
    let server = Server::start(&[&[Step::Read, SUCCESS]]).await;
    let client = meta::Client::new(Limits { reach: Reach::Loopback, ..limits() });
    let beyond = target(&server.url().replace("127.0.0.1", "0.0.0.0"));
    let answer = send(&client, &beyond).await;
    assert_failed(&answer, FailureClass::NotSent, None, NOTHING);
    assert_failed(&answer, FailureClass::NotSent, None, "the host is not on loopback alone");
    assert_eq!(send(&client, &target(&server.url())).await.outcomes, [Outcome::Confirmed]);
    assert_eq!(server.requests().await.len(), 1);
}

/// Does to the first connection what the script says, and expects the call to be in doubt and not to be repeated: the
/// server has no second script, so it takes no second connection.
async fn check_lost(scripts: &'static [&'static [Step]], status: Option<u16>, detail: &str) {
    let server = Server::start(scripts).await;
    let client = meta::Client::new(Limits {
        call_timeout: Duration::from_millis(200),
        answer_bytes_max: 64,
        ..limits()
    });
    let answer = send(&client, &target(&server.url())).await;
    assert_failed(&answer, FailureClass::Unknown, status, LOST);
    assert_failed(&answer, FailureClass::Unknown, status, detail);
}

#[tokio::test]
async fn closed_after_the_request() {
    check_lost(&[&[Step::Read]], None, "connection closed before message completed").await;
}

#[tokio::test]
async fn closed_within_the_request() {
    check_lost(&[&[Step::ReadByte]], None, "client error (SendRequest)").await;
}

#[tokio::test]
async fn no_answer_in_time() {
    check_lost(&[&[Step::Read, Step::Stall]], None, "no answer within 200 ms").await;
}

#[tokio::test]
async fn not_http() {
    check_lost(&[&[Step::Read, Step::Write("Good morning\r\n\r\n")]], None, "client error (SendRequest)")
        .await;
}

#[tokio::test]
async fn half_a_head() {
    check_lost(&[&[Step::Read, Step::Write("HTTP/1.1 200 OK\r\n")]], None, LOST).await;
}

#[tokio::test]
async fn half_a_body() {
    const HALF: Step = Step::Write("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"succ");
    check_lost(&[&[Step::Read, HALF]], Some(200), LOST).await;
}

#[tokio::test]
async fn a_body_that_stalls() {
    const HALF: Step = Step::Write("HTTP/1.1 400 Bad Request\r\ncontent-length: 16\r\n\r\n{\"succ");
    check_lost(&[&[Step::Read, HALF, Step::Stall]], Some(400), "no answer within 200 ms").await;
}

#[tokio::test]
async fn a_body_past_the_limit() {
    const LARGE: Step =
        Step::Answer(r#"{"success":true,"filler":"0123456789012345678901234567890123456789"}"#);
    check_lost(&[&[Step::Read, LARGE, Step::Stall]], Some(200), "larger than 64 bytes").await;
}

/// Another call's round trip, so that what the sockets have to say has been heard.
async fn look_around(client: &meta::Client) {
    let other = Server::start(&[&[Step::Read, SUCCESS]]).await;
    assert_eq!(send(client, &target(&other.url())).await.outcomes, [Outcome::Confirmed]);
    other.requests().await;
}

/// A kept connection that the server has closed meanwhile costs nothing: the call goes out on a fresh one.
#[tokio::test]
async fn a_kept_connection_that_was_closed() {
    let server = Server::start(&[&[Step::Read, SUCCESS], &[Step::Read, SUCCESS]]).await;
    let (client, target) = (client(), target(&server.url()));
    assert_eq!(send(&client, &target).await.outcomes, [Outcome::Confirmed]);
    look_around(&client).await;
    assert_eq!(send(&client, &target).await.outcomes, [Outcome::Confirmed]);
    assert_eq!(server.requests().await.len(), 2);
}

/// A kept connection that takes the request and then ends leaves the call in doubt; it is not repeated elsewhere.
#[tokio::test]
async fn a_kept_connection_that_ends_with_the_request() {
    let server = Server::start(&[&[Step::Read, SUCCESS, Step::Read], &[Step::Read, SUCCESS]]).await;
    let (client, target) = (client(), target(&server.url()));
    assert_eq!(send(&client, &target).await.outcomes, [Outcome::Confirmed]);
    assert_failed(&send(&client, &target).await, FailureClass::Unknown, None, LOST);
    assert_eq!(send(&client, &target).await.outcomes, [Outcome::Confirmed]);
    assert_eq!(server.requests().await.len(), 3);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    const MOVED: Step = Step::Write(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n",
    );
    let server = Server::start(&[&[Step::Read, MOVED]]).await;
    let answer = send(&client(), &target(&server.url())).await;
    assert_eq!((failure(&answer).class, failure(&answer).scope), (FailureClass::Unauthorized, Scope::Waba));
    assert_eq!(answer.http_status, Some(302));
}

#[track_caller]
fn assert_unsendable(answer: &Answer, class: FailureClass, scope: Scope, detail: &str) {
    let failure = failure(answer);
    assert_eq!((failure.class, failure.scope, failure.detail.as_str()), (class, scope, detail));
    assert_eq!(answer.http_status, None);
}

#[tokio::test]
async fn what_cannot_be_addressed_waits_for_a_person() {
    for url in ["", "graph.facebook.com", "ftp://graph.facebook.com", "http://", "http://a b", "/v26.0"] {
        let answer = send(&client(), &target(url)).await;
        assert_unsendable(&answer, FailureClass::Unauthorized, Scope::Waba, {
            "Nothing was sent: graph_url and graph_version do not make an http or https address."
        });
    }
    let bad_token = Target { access_token: Secret::new("a\nb"), ..target("http://127.0.0.1:1") };
    assert_unsendable(&send(&client(), &bad_token).await, FailureClass::Unauthorized, Scope::Credential, {
        "Nothing was sent: the access token contains characters that no token has."
    });
}

#[tokio::test]
async fn what_is_no_call_is_not_made() {
    let call = Call { verb: Verb::Block, members: &[read_mark()], now: NOW };
    let answer = client().send(&target("http://127.0.0.1:1"), call, || {}).await;
    assert_unsendable(&answer, FailureClass::Rejected, Scope::Event, {
        "Nothing was sent: an event of type MarkAsRead does not belong in this call."
    });
}
