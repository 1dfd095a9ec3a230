//! An answer to outcomes, one per member.
//!
//! The body decides, whatever the HTTP status: a block call that failed for one user of two comes as a 4xx and still
//! blocked the other, and a 200 can mean that nothing was taken. Within it the code decides, by the table in
//! [`codes`]; an error that Meta calls transient is never taken for a refusal. Only where there is no
//! known code does the status decide.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use laneway_model::{Answer, Failure, FailureClass, Outcome, Person, PhoneNumber, Scope};
use laneway_wire::graph::client::{
    BlockUsersAnswer, BlockedUser, EventsAnswer, GraphError, MessagesAnswer, minutes_to_regain_access,
};

use super::codes::{self, Class};
use super::{Call, Target, Verb, request};
use crate::Secret;
use crate::http::{Error, Reply};

/// The most characters of Meta's own words that are kept.
const WORDS_CHARS_MAX: usize = 400;

/// The longest trace id that is kept. Those in captured answers have 23 bytes.
const TRACE_ID_BYTES_MAX: usize = 64;

/// What became of the members of a call.
pub(super) fn answer(target: &Target, call: Call<'_>, reply: Result<Reply, Error>) -> Answer {
    let members = call.members.len();
    match reply {
        Err(error @ Error::NotSent(_)) => {
            uniform(None, None, failed(FailureClass::NotSent, &told(&error)), members)
        }
        Err(error @ Error::Lost { status, .. }) => {
            let status = status.map(|status| status.as_u16());
            uniform(status, None, failed(FailureClass::Unknown, &told(&error)), members)
        }
        Ok(reply) => complete(target, call, reply.status, &reply.headers, &reply.body),
    }
}

/// What a complete answer means for the members of a call: one outcome for each, in their order, whatever the answer is.
pub fn complete(
    target: &Target,
    call: Call<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer {
    let judge = Judge { target, call, status, headers };
    match call.verb {
        Verb::MarkAsRead | Verb::Typing => judge.messages(body),
        Verb::Block | Verb::UnBlock => judge.blocks(body),
        Verb::Conversions => judge.conversions(body),
    }
}

/// Everything about an answer but its body.
struct Judge<'a> {
    target: &'a Target,
    call: Call<'a>,
    status: StatusCode,
    headers: &'a HeaderMap,
}

impl Judge<'_> {
    fn messages(&self, body: &[u8]) -> Answer {
        let Some(answer) = MessagesAnswer::read(body) else { return self.all(None, self.no_answer()) };
        let outcome = match (&answer.error, answer.success) {
            (Some(error), _) => self.refused(error),
            (None, Some(true)) if self.status.is_success() => Outcome::Confirmed,
            // Meta documents no such answer; it says that nothing happened and not why, so it is tried again.
            (None, Some(false)) if self.status.is_success() => {
                failed(FailureClass::Transient, "Meta answered that it did not succeed, without a reason.")
            }
            (None, _) => self.no_answer(),
        };
        self.all(answer.error.as_ref().and_then(|error| error.trace_id.clone()), outcome)
    }

    fn conversions(&self, body: &[u8]) -> Answer {
        let Some(answer) = EventsAnswer::read(body) else { return self.all(None, self.no_answer()) };
        let sent = self.call.members.len() as u64;
        let outcome = match (&answer.error, answer.events_received) {
            (Some(error), _) => self.refused_whole(error),
            (None, Some(received)) if self.status.is_success() => match received {
                0 => {
                    let meaning = "Meta answered that it received none of the events, so they do not count.";
                    let words: Vec<&str> = answer.messages.iter().map(String::as_str).collect();
                    failed(FailureClass::Rejected, &self.quoted(meaning, &words))
                }
                received if received == sent => Outcome::Confirmed,
                received => {
                    let meaning = format!(
                        "Meta answered that it received {received} of {sent} events, and not which; each of them may count or not."
                    );
                    failed(FailureClass::Doubtful, &meaning)
                }
            },
            (None, _) => self.no_answer(),
        };
        let trace_id = answer.trace_id.or_else(|| answer.error.and_then(|error| error.trace_id));
        let trace_id = self.trace_id(trace_id);
        if outcome == Outcome::Confirmed && !answer.messages.is_empty() {
            // All were received, so they count; the remarks are for a person, who finds them by the trace id.
            tracing::warn!(
                meta.trace_id = trace_id.as_deref().unwrap_or_default(),
                meta.remarks = answer.messages.len(),
                call.members = sent,
                "Meta received the conversions and made remarks about them"
            );
        }
        self.all(trace_id, outcome)
    }

    fn blocks(&self, body: &[u8]) -> Answer {
        let Some(answer) = BlockUsersAnswer::read(body) else { return self.all(None, self.no_answer()) };
        let trace_id = answer.error.as_ref().and_then(|error| error.trace_id.clone());
        let outcomes = self
            .call
            .members
            .iter()
            .map(|member| self.block(member.event.person.as_ref(), &answer))
            .collect();
        Answer { http_status: Some(self.status.as_u16()), trace_id: self.trace_id(trace_id), outcomes }
    }

    /// What became of one user. A user whom the answer does not name although it names others, or names no error at
    /// all, is in doubt: blocking and unblocking may be repeated, so the next call settles it.
    fn block(&self, person: Option<&Person>, answer: &BlockUsersAnswer) -> Outcome {
        let done = if self.call.verb == Verb::UnBlock { &answer.removed } else { &answer.added };
        let is_named = |list: &[BlockedUser]| list.iter().any(|user| is_person(person, user));
        if is_named(done) {
            return Outcome::Confirmed;
        }
        if let Some(user) = answer.failed.iter().find(|user| is_person(person, user)) {
            return match user.errors.first() {
                Some(error) => self.refused(error),
                None => failed(FailureClass::Transient, "It failed for this user, and Meta did not say why."),
            };
        }
        let names_others = !(done.is_empty() && answer.failed.is_empty());
        match &answer.error {
            Some(error) if error.code != Some(codes::BLOCKS_FAILED) || !names_others => {
                self.refused_whole(error)
            }
            None if !self.status.is_success() => self.no_answer(),
            Some(_) | None => failed(FailureClass::Unknown, "Meta's answer does not name this user."),
        }
    }

    /// The outcome of an error about the whole call. Meta refuses a call because of any one of its events and does not
    /// say of which: "If any event you send is invalid, we reject the entire batch" (Conversions API, documented).
    fn refused_whole(&self, error: &GraphError) -> Outcome {
        self.shared(self.refused(error))
    }

    /// What a refusal of the whole call means for each of several members.
    fn shared(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed(failure)
                if failure.class == FailureClass::Rejected
                    && failure.scope == Scope::Event
                    && self.call.members.len() > 1 =>
            {
                Outcome::Failed(Failure { class: FailureClass::RefusedTogether, ..failure })
            }
            Outcome::Confirmed | Outcome::Relayed | Outcome::Failed(_) => outcome,
        }
    }

    /// The outcome of an error in Graph's form.
    fn refused(&self, error: &GraphError) -> Outcome {
        let row = error.code.and_then(|code| codes::find(code, error.subcode));
        let (class, scope, meaning) = match row {
            Some(row) => (row.class, row.scope, row.meaning),
            None => codes::by_status(self.status.as_u16()),
        };
        let (class, scope) = match class {
            Class::Rejected | Class::Unauthorized if error.is_transient => (Class::Transient, Scope::Event),
            Class::Rejected | Class::Unauthorized | Class::Transient | Class::Throttled(_) => (class, scope),
        };
        Outcome::Failed(Failure {
            class: self.class(class),
            scope,
            code: error.code,
            subcode: error.subcode,
            detail: self.quoted(meaning, &error.words()),
        })
    }

    /// The outcome of an answer that is not Graph's: the status decides, and a success without its proof is none.
    fn no_answer(&self) -> Outcome {
        if self.status.is_success() {
            return failed(
                FailureClass::Unknown,
                "The answer is a success by its status, but not one of Meta's; something may stand in between.",
            );
        }
        let (class, scope, meaning) = codes::by_status(self.status.as_u16());
        self.shared(Outcome::Failed(Failure {
            class: self.class(class),
            scope,
            code: None,
            subcode: None,
            detail: meaning.to_owned(),
        }))
    }

    /// The row's class for this call: a throttle gets its end, from the code's own wait and from the usage header,
    /// whichever is later. Meta documents no `Retry-After`.
    fn class(&self, class: Class) -> FailureClass {
        match class {
            Class::Transient => FailureClass::Transient,
            Class::Rejected => FailureClass::Rejected,
            Class::Unauthorized => FailureClass::Unauthorized,
            Class::Throttled(least) => {
                let header =
                    self.headers.get("x-business-use-case-usage").and_then(|value| value.to_str().ok());
                let told = header.and_then(|text| minutes_to_regain_access(text, &self.target.waba_id));
                let told = told.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
                FailureClass::Throttled {
                    until: least.max(told).map(|wait| self.call.now.saturating_add(wait)),
                }
            }
        }
    }

    /// A sentence and Meta's own words after it, shortened, and without the token, which some of Meta's messages repeat.
    fn quoted(&self, meaning: &str, words: &[&str]) -> String {
        if words.is_empty() {
            return meaning.to_owned();
        }
        let token = request::token(self.target, self.call.verb.family());
        let words = without(token, &words.join(" / "));
        let mut short: String = words.chars().take(WORDS_CHARS_MAX).collect();
        if short.len() < words.len() {
            short.push('…');
        }
        format!("{meaning} Meta says: {short}")
    }

    fn all(&self, trace_id: Option<String>, outcome: Outcome) -> Answer {
        let status = Some(self.status.as_u16());
        uniform(status, self.trace_id(trace_id), outcome, self.call.members.len())
    }

    /// The id for Meta's support: the body's, or else the header that has the same form in captured answers. It is kept
    /// and logged as it is, so a text that no trace id can be counts as none.
    fn trace_id(&self, in_body: Option<String>) -> Option<String> {
        let token = request::token(self.target, self.call.verb.family()).expose();
        let can_be_one = |id: &str| {
            (1..=TRACE_ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
                && (token.is_empty() || !id.contains(token))
        };
        let in_header = || self.headers.get("x-fb-request-id")?.to_str().ok().map(ToOwned::to_owned);
        in_body.filter(|id| can_be_one(id)).or_else(|| in_header().filter(|id| can_be_one(id)))
    }
}

fn uniform(status: Option<u16>, trace_id: Option<String>, outcome: Outcome, members: usize) -> Answer {
    Answer::uniform(status, trace_id, &outcome, members)
}

/// A failure that Meta gave no code for.
fn failed(class: FailureClass, detail: &str) -> Outcome {
    Outcome::Failed(Failure {
        class,
        scope: Scope::Event,
        code: None,
        subcode: None,
        detail: detail.to_owned(),
    })
}

pub(crate) fn told(error: &Error) -> String {
    match error {
        Error::NotSent(cause) => format!("Nothing was sent: {cause}."),
        Error::Lost { cause, .. } => format!("It was sent, and no complete answer came: {cause}."),
    }
}

/// Whether an entry of an answer is about this person. `input` is what the request said; `wa_id` and `user_id` are what
/// Meta made of it.
fn is_person(person: Option<&Person>, user: &BlockedUser) -> bool {
    let names = [&user.input, &user.wa_id, &user.user_id];
    let mut names = names.into_iter().flatten();
    match person {
        None => false,
        Some(Person::Phone(number)) => names.any(|name| PhoneNumber::parse(name) == Ok(*number)),
        Some(Person::Bsuid(id)) => names.any(|name| name == id.as_str()),
    }
}

/// A text in which every word that is the token, or a long part of it, is replaced.
pub(crate) fn without(token: &Secret, text: &str) -> String {
    const PART_BYTES_MIN: usize = 12;
    let token = token.expose();
    let is_secret = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        !token.is_empty() && (word.contains(token) || word.len() >= PART_BYTES_MIN && token.contains(word))
    };
    let words = text.split_inclusive(char::is_whitespace);
    words
        .map(|word| if is_secret(word) { "[redacted] " } else { word })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests;
