//! Shadows: what the second route would have made of an event that has ended on its own.
//!
//! A shadow never changes, delays or fails its event: it begins when the event's end is committed, waits in a queue that
//! drops what it has no room for, and works in a task of its account with connections of its own, so that a sandbox that
//! does not answer costs no other account its shadows. It encodes each event for the second route; a read mark or a block is
//! also sent, but only to this machine, where a sandbox may listen. Nothing else ever is, conversions above all. What can be
//! compared is counted, and each difference is logged once for each account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::http::{Limits, Reach};
use laneway_channel::meta::{Member, Verb, encode};
use laneway_channel::{cm, meta};
use laneway_model::{AccountName, AttemptOutcome, EventKind, Outcome, Route, Status};
use tokio::sync::mpsc;

use super::directory::Target;
use crate::clock::Clock;
use crate::telemetry::Telemetry;

/// Shadows of one account that may wait: two full groups.
const WAITING_MAX: usize = 2_000;
/// How long a call to this machine may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Differences of one account that are remembered as logged. Codes are the services' own, so there is no other end to them.
const LOGGED_MAX: usize = 1_000;

/// An event whose end on its own route is committed, and its second route.
#[derive(Debug)]
pub(super) struct Job {
    member: Member,
    second: Target,
    /// What became of it on its own route.
    first: Outcome,
}

impl Job {
    /// A shadow of an event that ended with this status; `None` where its own route has given no answer to compare with.
    pub(super) fn new(member: &Member, status: Status, first: Outcome, second: Target) -> Option<Self> {
        match status {
            Status::Confirmed | Status::Relayed | Status::Failed => {
                Some(Self { member: member.clone(), second, first })
            }
            Status::Accepted
            | Status::Sending
            | Status::Retrying
            | Status::Superseded
            | Status::Expired
            | Status::InDoubt
            | Status::Discarded => None,
        }
    }

    fn kind(&self) -> EventKind {
        self.member.event.kind()
    }
}

/// What a shadow has shown, as the label `result` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Both routes gave the same answer.
    Same,
    /// They did not.
    Different,
    /// The second route has no form for it.
    NotEncodable,
    /// It was encoded, and no call was made.
    NotSent,
    /// There was no room for it.
    Dropped,
}

impl Shown {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::NotEncodable => "not_encodable",
            Self::NotSent => "not_sent",
            Self::Dropped => "dropped",
        }
    }
}

/// The ways to the tasks that follow shadows, one for each account that has had any. The tasks end with it.
pub(super) struct Shadows {
    accounts: BTreeMap<AccountName, mpsc::Sender<Job>>,
    /// What a new task begins with.
    tools: Tools,
}

/// What all tasks share.
#[derive(Clone)]
struct Tools {
    meta: meta::Client,
    cm: cm::Client,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
}

impl Shadows {
    /// No tasks yet.
    pub(super) fn new(clock: Arc<dyn Clock>, telemetry: Arc<Telemetry>) -> Self {
        let limits = Limits {
            connect_timeout: CALL_TIMEOUT,
            call_timeout: CALL_TIMEOUT,
            reach: Reach::Loopback,
            ..Limits::default()
        };
        let tools = Tools { meta: meta::Client::new(limits), cm: cm::Client::new(limits), clock, telemetry };
        Self { accounts: BTreeMap::new(), tools }
    }

    /// Hands a shadow over, or drops it; either way at once.
    pub(super) fn follow(&mut self, job: Job) {
        let (route, kind) = (job.second.route(), job.kind());
        let tools = &self.tools;
        let jobs = self.accounts.entry(job.member.event.account.clone()).or_insert_with(|| {
            let (jobs, waiting) = mpsc::channel(WAITING_MAX);
            tokio::spawn(Follower { tools: tools.clone(), logged: BTreeSet::new() }.run(waiting));
            jobs
        });
        if jobs.try_send(job).is_err() {
            tools.telemetry.delivery.shadowed(route, kind, Shown::Dropped);
        }
    }
}

/// Follows an account's shadows one after the other, so that blocks of one person keep their order.
struct Follower {
    tools: Tools,
    logged: BTreeSet<(Route, &'static str, String)>,
}

impl Follower {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            // Once the driver is gone, what still waits is left.
            if jobs.is_closed() {
                return;
            }
            let (shown, why) = self.shown(&job).await;
            self.tools.telemetry.delivery.shadowed(job.second.route(), job.kind(), shown);
            if let Some(why) = why {
                self.log(&job, shown, why);
            }
        }
    }

    /// What a shadow shows, and why, where that is worth a line.
    async fn shown(&self, job: &Job) -> (Shown, Option<String>) {
        if let Err(why) = encodes(&job.second, &job.member) {
            return (Shown::NotEncodable, Some(why));
        }
        if !may_be_sent(job.kind()) {
            return (Shown::NotSent, None);
        }
        let (members, now) = (std::slice::from_ref(&job.member), self.tools.clock.wall());
        let answer = match &job.second {
            Target::Meta(target) => {
                let verb = Verb::of(job.kind());
                self.tools.meta.send(target, meta::Call { verb, members, now }, || {}).await
            }
            Target::Cm(target) => self.tools.cm.send(target, &job.member.event, now, || {}).await,
        };
        match answer.outcomes.first() {
            Some(second) => compared(&job.first, second),
            None => (Shown::NotSent, None),
        }
    }

    /// Logs a difference the first time that it is seen. What the services wrote stays out of it.
    fn log(&mut self, job: &Job, shown: Shown, why: String) {
        let key = (job.second.route(), job.kind().as_str(), why);
        if self.logged.len() >= LOGGED_MAX || self.logged.contains(&key) {
            return;
        }
        let event = &job.member.event;
        tracing::warn!(
            account.name = event.account.as_str(),
            event.id = %job.member.id,
            event.r#type = key.1,
            number = %event.business.masked(),
            person = event.person.as_ref().map(laneway_model::Person::masked),
            route = key.0.as_str(),
            result = shown.as_str(),
            why = key.2,
            "the second route would have made something else of an event; events like it are only counted from now on"
        );
        self.logged.insert(key);
    }
}

/// Writes the event for its second route as if it were to be sent there.
fn encodes(second: &Target, member: &Member) -> Result<(), String> {
    match second {
        Target::Meta(target) => {
            let verb = Verb::of(member.event.kind());
            let call = meta::Call {
                verb,
                members: std::slice::from_ref(member),
                now: laneway_model::Timestamp::default(),
            };
            let encoded = encode::encode(&target.waba_id, call).map_err(|error| error.to_string())?;
            meta::request::request(target, verb, encoded.body).map_err(|error| error.to_string())?;
        }
        Target::Cm(target) => {
            let body = cm::encode::encode(&member.event);
            cm::request::request(target, body).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// A conversion counts wherever it arrives, and a typing indicator is over when its shadow begins.
const fn may_be_sent(kind: EventKind) -> bool {
    match kind {
        EventKind::MarkAsRead | EventKind::Block | EventKind::UnBlock => true,
        EventKind::Typing | EventKind::Conversion(_) => false,
    }
}

/// Holds two answers against each other by their class: words and codes are each service's own.
fn compared(first: &Outcome, second: &Outcome) -> (Shown, Option<String>) {
    let (first, second) = (class(first), class(second));
    if second == AttemptOutcome::NotSent {
        return (Shown::NotSent, None);
    }
    if first == second {
        return (Shown::Same, None);
    }
    (Shown::Different, Some(format!("{} on its own route, {} on the other", first.as_str(), second.as_str())))
}

/// The class of an answer. CM.com's yes and Meta's are one.
fn class(outcome: &Outcome) -> AttemptOutcome {
    match outcome {
        Outcome::Confirmed | Outcome::Relayed => AttemptOutcome::Confirmed,
        Outcome::Failed(_) => AttemptOutcome::from(outcome),
    }
}

#[cfg(test)]
mod tests {
    use laneway_channel::Secret;
    use laneway_model::{
        AccountName, Action, Event, EventId, Failure, FailureClass, PhoneNumber, Scope, Timestamp,
    };

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::clock::SystemClock;

    fn failed(class: FailureClass) -> Outcome {
        let detail = "no".to_owned();
        Outcome::Failed(Failure { class, scope: Scope::Event, code: Some(7), subcode: None, detail })
    }

    #[test]
    fn answers_are_compared_by_their_class() {
        let rejected = || failed(FailureClass::Rejected);
        for (first, second, expected) in [
            (Outcome::Confirmed, Outcome::Relayed, (Shown::Same, None)),
            (Outcome::Relayed, Outcome::Confirmed, (Shown::Same, None)),
            (rejected(), rejected(), (Shown::Same, None)),
            (
                Outcome::Relayed,
                rejected(),
                (Shown::Different, Some("confirmed on its own route, rejected on the other")),
            ),
            (
                rejected(),
                Outcome::Confirmed,
                (Shown::Different, Some("rejected on its own route, confirmed on the other")),
            ),
            (
                Outcome::Confirmed,
                failed(FailureClass::Unauthorized),
                (Shown::Different, Some("confirmed on its own route, unauthorized on the other")),
            ),
            (Outcome::Confirmed, failed(FailureClass::NotSent), (Shown::NotSent, None)),
        ] {
            let (shown, why) = compared(&first, &second);
            assert_eq!((shown, why.as_deref()), expected, "{first:?} {second:?}");
        }
    }

    #[test]
    fn only_what_does_no_harm_may_be_sent() {
        for kind in EventKind::all() {
            let expected = ["MarkAsRead", "Block", "UnBlock"].contains(&kind.as_str());
            assert_eq!(may_be_sent(kind), expected, "{kind}");
        }
    }

    fn job(status: Status) -> Option<Job> {
        job_of("shop", "http://127.0.0.1:9", status)
    }

    fn job_of(account: &str, cm_url: &str, status: Status) -> Option<Job> {
        let event = Event {
            account: AccountName::parse(account).unwrap(),
            business: PhoneNumber::parse("+316098765432").unwrap(),
            person: None,
            action: Action::Block,
            reference: None,
            custom: None,
            accepted_at: Timestamp::default(),
        };
        let member = Member { id: EventId::new(Timestamp::default(), 0, 1), event: Arc::new(event) };
        let target = cm::Target { cm_url: cm_url.to_owned(), token: Secret::new("token") };
        Job::new(&member, status, Outcome::Confirmed, Target::Cm(Arc::new(target)))
    }

    #[test]
    fn only_an_answer_can_be_compared() {
        for (status, expected) in [
            (Status::Confirmed, true),
            (Status::Relayed, true),
            (Status::Failed, true),
            (Status::Retrying, false),
            (Status::InDoubt, false),
            (Status::Superseded, false),
            (Status::Expired, false),
        ] {
            assert_eq!(job(status).is_some(), expected, "{status}");
        }
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted() {
        let telemetry = Arc::new(Telemetry::new());
        let (jobs, mut waiting) = mpsc::channel(1);
        let mut shadows = Shadows::new(Arc::new(SystemClock::new()), Arc::clone(&telemetry));
        shadows.accounts.insert(AccountName::parse("shop").unwrap(), jobs);
        for _ in 0..3 {
            shadows.follow(job(Status::Confirmed).unwrap());
        }
        assert!(waiting.try_recv().is_ok() && waiting.try_recv().is_err());
        let (_, metrics) = telemetry.encode();
        let line = r#"laneway_shadow_total{route="cm",type="Block",result="dropped"} 2"#;
        assert!(metrics.contains(line), "{metrics}");
    }

    /// Takes a request, to its end.
    async fn request(service: &TcpListener) -> TcpStream {
        let (mut stream, _) = service.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            stream.read_buf(&mut read).await.unwrap();
        }
        stream
    }

    async fn answer(mut stream: TcpStream) {
        let text = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(text).await.unwrap();
    }

    #[tokio::test]
    async fn an_account_whose_second_route_hangs_holds_no_other_up() {
        let telemetry = Arc::new(Telemetry::new());
        let mut shadows = Shadows::new(Arc::new(SystemClock::new()), Arc::clone(&telemetry));
        let (slow, quick) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let url = |service: &TcpListener| format!("http://{}", service.local_addr().unwrap());
        let (slow_url, quick_url) = (url(&slow), url(&quick));
        let mut follow =
            |account, url: &str| shadows.follow(job_of(account, url, Status::Confirmed).unwrap());
        follow("slow", &slow_url);
        follow("quick", &quick_url);
        follow("slow", &slow_url);
        let waits = request(&slow).await;
        // The first gets its answer only when the other account's has come; behind it, it would be late by then.
        answer(request(&quick).await).await;
        answer(waits).await;
        // Each account's are followed one by one: the next means that the one before is counted.
        follow("quick", &quick_url);
        let _next = (request(&slow).await, request(&quick).await);
        let (_, metrics) = telemetry.encode();
        let line = r#"laneway_shadow_total{route="cm",type="Block",result="same"} 2"#;
        assert!(metrics.contains(line), "{metrics}");
    }
}
