//! The Graph side: one call in, one answer out.
//!
//! A token is taken from the `Authorization` header, or from the parameter `access_token`. `appsecret_proof` is ignored
//! like every unknown parameter.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use laneway_wire::graph::server::{
    AppRef, BlockVerb, ConversionFields, DEFAULT_VERSION, Edge, MessageRequest, Operation, Paging,
    PagingCursors, Parameters, Path, Refusal, UsageKind, app_answer, block_answer, block_request,
    blocklist_answer, blocklist_query, conversion_batch, dataset_answer, datasets_answer, dead_token_answer,
    debug_token_answer, encode_id, events_answer, id_query, message_answer, message_request,
    phone_numbers_answer, subscribed_apps_answer, success_answer, usage_header,
};

use crate::faults::{Cut, Fault, Target};
use crate::requests::LoggedCall;
use crate::shared::Shared;

/// A call as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The method.
    pub(crate) method: String,
    /// The path.
    pub(crate) path: String,
    /// What stands behind the question mark.
    pub(crate) query: Option<String>,
    /// `Content-Type`.
    pub(crate) content_type: Option<String>,
    /// `Authorization`.
    pub(crate) authorization: Option<String>,
    /// `Host`, for the addresses of further pages.
    pub(crate) host: Option<String>,
    /// The body; `None` if it was too large to read.
    pub(crate) body: Option<Bytes>,
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) struct GraphAnswer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Bytes,
    /// The version that answered.
    pub(crate) version: String,
    /// The account's usage, on calls that count.
    pub(crate) usage: Option<String>,
    /// The trace id, which is also the `fbtrace_id` of an error.
    pub(crate) trace: String,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The answer. `None`: the connection is closed without one.
    pub(crate) answer: Option<GraphAnswer>,
    /// How long either is held back.
    pub(crate) latency: Duration,
}

/// An answer before it is dressed.
struct Outcome {
    status: u16,
    body: Bytes,
    usage: Option<String>,
}

/// What every operation needs to know.
struct Context<'a> {
    shared: &'a Shared,
    call: &'a Call,
    parameters: &'a Parameters<'a>,
    /// The id in the path.
    object: &'a str,
    /// The account the token belongs to.
    waba_id: &'a str,
    /// Whether the call is to succeed without an effect.
    is_lie: bool,
    trace: &'a str,
}

/// Answers a call and logs it.
pub(crate) fn answer(shared: &Shared, call: Call) -> Reply {
    let trace = shared.inner().mint.trace();
    let path = Path::parse(&call.path);
    let version = path.as_ref().and_then(|path| path.version).unwrap_or(DEFAULT_VERSION).to_owned();
    let decoded = decode(&call);
    let strike = shared.faults.strike(|| target(&call, path?, decoded.as_ref().ok()?));
    let judge = |is_lie| match &decoded {
        Ok(parameters) => dispatch(shared, &call, path, parameters, is_lie, &trace),
        Err(refusal) => Err(refusal.clone()),
    };
    let judged = match &strike.fault {
        None => Some(judge(false)),
        Some(Fault::Lie) => Some(judge(true)),
        Some(Fault::Error(error)) => Some(Err(Refusal::Requested(error.clone()))),
        Some(Fault::Cut(Cut::Before)) => None,
        Some(Fault::Cut(Cut::After)) => {
            // What came of it is nobody's to know, whether it is a success or a refusal.
            drop(judge(false));
            None
        }
    };
    let outcome = judged.map(|outcome| {
        outcome.unwrap_or_else(|refusal| Outcome {
            status: refusal.status(),
            body: Bytes::from(refusal.body(&trace)),
            usage: strike.regain_minutes.and_then(|minutes| {
                let parameters = decoded.as_ref().ok()?;
                throttled_usage(shared, &call, parameters, minutes)
            }),
        })
    });
    let is_without_token =
        decoded.is_ok_and(|parameters| !TOKENS.iter().any(|name| parameters.contains(name)));
    let body = shown_body(&call, is_without_token);
    let path = shown_path(&call);
    shared.logged(LoggedCall {
        at: shared.clock.now(),
        method: call.method,
        path,
        // A body is a slice of the connection's read buffer, which the log must not keep alive.
        body: Bytes::copy_from_slice(&body),
        status: outcome.as_ref().map(|outcome| outcome.status),
        answer: outcome.as_ref().map(|outcome| outcome.body.clone()).unwrap_or_default(),
        faults: strike.rules,
        trace: trace.clone(),
        events: Vec::new(),
    });
    let dress = |Outcome { status, body, usage }| GraphAnswer { status, body, version, usage, trace };
    Reply { answer: outcome.map(dress), latency: strike.latency }
}

/// The share of its limit that a throttled account has used.
const USED_UP_PERCENT: u32 = 100;

/// The parameter that carries a token when no header does.
const TOKEN: &str = "access_token";
/// The parameter that carries a token that is asked about.
const INPUT_TOKEN: &str = "input_token";
/// What is never shown.
const TOKENS: [&str; 2] = [TOKEN, INPUT_TOKEN];

/// What a token of the sandbox may do. Meta, "Conversions API for Business Messaging" and "Get started" (D).
const SCOPES: [&str; 3] =
    ["whatsapp_business_management", "whatsapp_business_messaging", "whatsapp_business_manage_events"];
/// The name of every account's app.
const APP_NAME: &str = "Laneway sandbox";

fn decode(call: &Call) -> Result<Parameters<'_>, Refusal> {
    let body = call.body.as_ref().ok_or(Refusal::BodyTooLarge)?;
    Parameters::decode(call.query.as_deref(), call.content_type.as_deref(), body)
}

/// What fault rules look at. `None` for a call that does not exist.
fn target<'a>(call: &'a Call, path: Path<'a>, parameters: &'a Parameters<'_>) -> Option<Target<'a>> {
    let operation = path.edge.operation(&call.method)?;
    Some(Target {
        operation,
        is_typing: operation == Operation::Messages && parameters.contains("typing_indicator"),
        object: path.object,
        token: token(call, parameters).ok()?,
    })
}

/// The token that a call presents.
fn token<'a>(call: &'a Call, parameters: &'a Parameters<'_>) -> Result<Option<Cow<'a, str>>, Refusal> {
    let parameter = parameters.text(TOKEN)?;
    let header = call.authorization.as_deref().and_then(bearer);
    Ok(header.map(Cow::Borrowed).or(parameter).filter(|token| !token.is_empty()))
}

fn dispatch(
    shared: &Shared,
    call: &Call,
    path: Option<Path<'_>>,
    parameters: &Parameters<'_>,
    is_lie: bool,
    trace: &str,
) -> Result<Outcome, Refusal> {
    let unknown = || Refusal::UnknownPath { path: call.path.clone(), nearest: nearest(&call.path).usage() };
    let path = path.ok_or_else(unknown)?;
    let operation = path.edge.operation(&call.method).ok_or_else(unknown)?;
    let waba_id = authorised(shared, call, path, operation, parameters)?;
    let ctx = Context { shared, call, parameters, object: path.object, waba_id: &waba_id, is_lie, trace };
    match operation {
        Operation::Messages => ctx.messages(),
        Operation::Block => ctx.change_blocklist(BlockVerb::Block),
        Operation::UnBlock => ctx.change_blocklist(BlockVerb::UnBlock),
        Operation::Blocklist => ctx.blocklist(path),
        Operation::Events => ctx.events(),
        Operation::Dataset => Ok(success(datasets_answer(shared.inner().world.dataset(&waba_id)), None)),
        Operation::MakeDataset => {
            let body = shared.change(|inner| inner.world.make_dataset(&waba_id).map(dataset_answer))?;
            Ok(success(body, None))
        }
        Operation::PhoneNumbers => ctx.phone_numbers(path),
        Operation::SubscribedApps => Ok(ctx.subscribed_apps()),
        Operation::Subscribe => ctx.subscribe(true),
        Operation::Unsubscribe => ctx.subscribe(false),
        Operation::DebugToken => ctx.debug_token(),
        Operation::App => {
            let id = shared.inner().world.app_of(&waba_id);
            Ok(success(app_answer(AppRef { id: &id, name: APP_NAME }), None))
        }
    }
}

/// The usage of an account that is throttled: all of its limit, and how many minutes it takes to regain access.
fn throttled_usage(
    shared: &Shared,
    call: &Call,
    parameters: &Parameters<'_>,
    regain_minutes: u32,
) -> Option<String> {
    let token = token(call, parameters).ok()??;
    let inner = shared.inner();
    let waba_id = inner.world.waba_of_token(&token)?;
    Some(usage_header(waba_id, &[UsageKind::Messaging], USED_UP_PERCENT, regain_minutes))
}

/// The account on whose behalf the call is made, if its token may touch the object.
fn authorised(
    shared: &Shared,
    call: &Call,
    path: Path<'_>,
    operation: Operation,
    parameters: &Parameters<'_>,
) -> Result<String, Refusal> {
    let token = token(call, parameters)?;
    let inner = shared.inner();
    let world = &inner.world;
    let token = token.ok_or(Refusal::MissingToken(world.switches.missing_token.into()))?;
    let waba_id = world.waba_of_token(&token).ok_or(Refusal::InvalidToken)?;
    let owns = match path.edge {
        Edge::Messages | Edge::BlockUsers => world.owns_number(waba_id, path.object),
        Edge::Events => world.owns_dataset(waba_id, path.object),
        Edge::Dataset | Edge::PhoneNumbers | Edge::SubscribedApps => waba_id == path.object,
        Edge::DebugToken | Edge::App => true,
    };
    if owns {
        return Ok(waba_id.to_owned());
    }
    let verb = match operation {
        Operation::Messages
        | Operation::Block
        | Operation::Events
        | Operation::MakeDataset
        | Operation::Subscribe => "post",
        Operation::UnBlock | Operation::Unsubscribe => "delete",
        Operation::Blocklist
        | Operation::Dataset
        | Operation::PhoneNumbers
        | Operation::SubscribedApps
        | Operation::DebugToken
        | Operation::App => "get",
    };
    Err(Refusal::UnknownObject { verb, id: path.object.to_owned() })
}

impl Context<'_> {
    fn messages(&self) -> Result<Outcome, Refusal> {
        let request = message_request(self.parameters)?;
        let now = self.shared.clock.now();
        let body = self.shared.change(|inner| match &request {
            MessageRequest::Read { .. } if self.is_lie => Ok(Bytes::from_static(success_answer())),
            MessageRequest::Text { recipient, .. } if self.is_lie => {
                let (contact, wamid) =
                    inner.world.pretend_to_write(&mut inner.mint, self.waba_id, recipient)?;
                Ok(Bytes::from(message_answer(&contact, &wamid)))
            }
            MessageRequest::Read { message_id, typing } => {
                inner.world.read(self.object, message_id, *typing, now)?;
                Ok(Bytes::from_static(success_answer()))
            }
            MessageRequest::Text { recipient, body } => {
                let (contact, wamid) =
                    inner.world.business_writes(&mut inner.mint, self.object, (recipient, body), now)?;
                Ok(Bytes::from(message_answer(&contact, &wamid)))
            }
        })?;
        Ok(Outcome {
            status: 200,
            body,
            usage: Some(usage_header(self.waba_id, &[UsageKind::Messaging], 0, 0)),
        })
    }

    fn change_blocklist(&self, verb: BlockVerb) -> Result<Outcome, Refusal> {
        let entries = block_request(self.parameters)?;
        let now = self.shared.clock.now();
        let (answer, partial_status) = self.shared.change(|inner| {
            let answer = if self.is_lie {
                inner.world.pretend_to_change_blocklist(self.waba_id, &entries)
            } else {
                inner.world.change_blocklist(self.object, verb, &entries, now)?
            };
            Ok((answer, inner.world.switches.partial_block_status))
        })?;
        let status = if answer.failed.is_empty() { 200 } else { partial_status.number() };
        let body = Bytes::from(block_answer(verb, &answer, self.trace));
        Ok(Outcome { status, body, usage: Some(usage_header(self.waba_id, &[UsageKind::Messaging], 1, 0)) })
    }

    fn blocklist(&self, path: Path<'_>) -> Result<Outcome, Refusal> {
        let query = blocklist_query(self.parameters)?;
        let (page, shows_input) = {
            let inner = self.shared.inner();
            let page = inner.world.blocklist_page(self.object, &query)?;
            (page, inner.world.switches.blocklist_shows_input)
        };
        let address = |side: &str, cursor: String| self.page_address(path, page.limit, side, &cursor);
        let next = page.cursors.filter(|_| page.has_next).map(|(_, after)| address("after", after.encode()));
        let previous =
            page.cursors.filter(|_| page.has_previous).map(|(before, _)| address("before", before.encode()));
        let body = blocklist_answer(&page.rows, page.cursors, next, previous, shows_input);
        let kinds = [UsageKind::Management, UsageKind::Messaging];
        Ok(success(body, Some(usage_header(self.waba_id, &kinds, 1, 0))))
    }

    fn phone_numbers(&self, path: Path<'_>) -> Result<Outcome, Refusal> {
        let query = id_query(self.parameters)?;
        let page = self.shared.inner().world.numbers_page(self.waba_id, &query);
        let paging = page.rows.first().zip(page.rows.last()).map(|(first, last)| {
            let cursors = PagingCursors { before: encode_id(&first.id), after: encode_id(&last.id) };
            let address = |side, cursor| self.page_address(path, page.limit, side, cursor);
            let next = page.has_next.then(|| address("after", &cursors.after));
            let previous = page.has_previous.then(|| address("before", &cursors.before));
            Paging { cursors, next, previous }
        });
        Ok(success(phone_numbers_answer(&page.rows, paging), None))
    }

    fn subscribed_apps(&self) -> Outcome {
        let inner = self.shared.inner();
        let id = inner.world.subscribed_app(self.waba_id);
        success(subscribed_apps_answer(id.as_deref().map(|id| AppRef { id, name: APP_NAME })), None)
    }

    fn subscribe(&self, subscribed: bool) -> Result<Outcome, Refusal> {
        self.shared.change(|inner| {
            inner.world.subscribe(self.waba_id, subscribed);
            Ok::<_, Refusal>(())
        })?;
        Ok(success(success_answer().to_vec(), None))
    }

    /// A token may ask about its own app's; that of another account is another app's.
    fn debug_token(&self) -> Result<Outcome, Refusal> {
        let token = self.parameters.text(INPUT_TOKEN)?.filter(|token| !token.is_empty());
        let token = token.ok_or(Refusal::ParameterRequired(INPUT_TOKEN))?;
        let inner = self.shared.inner();
        let body = match inner.world.waba_of_token(&token) {
            None => dead_token_answer(),
            Some(waba_id) if waba_id != self.waba_id => return Err(Refusal::OtherAppsToken),
            Some(waba_id) => {
                let app = inner.world.app_of(waba_id);
                let user = format!("1{app}");
                debug_token_answer(AppRef { id: &app, name: APP_NAME }, &SCOPES, waba_id, &user)
            }
        };
        Ok(success(body, None))
    }

    /// The address of a neighbouring page.
    fn page_address(&self, path: Path<'_>, limit: u64, side: &str, cursor: &str) -> String {
        let host = self.call.host.as_deref().unwrap_or("localhost");
        let (version, edge) = (path.version.unwrap_or(DEFAULT_VERSION), path.edge.name());
        let limit = limit.to_string();
        let query = [("limit", limit.as_str()), (side, cursor)];
        let query = serde_urlencoded::to_string(query).expect("texts have a query form");
        format!("http://{host}/{version}/{}/{edge}?{query}", self.object)
    }

    fn events(&self) -> Result<Outcome, Refusal> {
        let batch = conversion_batch(self.parameters)?;
        if self.is_lie {
            return Ok(success(events_answer(0, self.trace), None));
        }
        let received = batch.events.len();
        let fields: Vec<ConversionFields<'_>> = batch
            .events
            .iter()
            .enumerate()
            .map(|(index, event)| ConversionFields::read(index, event))
            .collect::<Result<_, _>>()?;
        let now = self.shared.clock.now();
        let mut inner = self.shared.inner();
        inner.world.check_conversions(self.waba_id, &fields, now)?;
        drop(fields);
        inner.world.record_conversions(self.object, batch, now);
        drop(inner);
        self.shared.changed();
        Ok(success(events_answer(received, self.trace), None))
    }
}

fn success(body: Vec<u8>, usage: Option<String>) -> Outcome {
    Outcome { status: 200, body: Bytes::from(body), usage }
}

/// The token of an `Authorization` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let is_known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    is_known.then_some(token.trim())
}

/// The edge whose name is nearest to the end of an unknown path.
fn nearest(path: &str) -> Edge {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let distance = |edge: &Edge| strsim::damerau_levenshtein(name, edge.name());
    Edge::ALL.into_iter().min_by_key(distance).unwrap_or(Edge::Messages)
}

/// Path and query with the token blanked out.
fn shown_path(call: &Call) -> String {
    match &call.query {
        None => call.path.clone(),
        Some(query) => format!("{}?{}", call.path, without_token(query)),
    }
}

/// The body with the token blanked out of a form, or left out altogether where it cannot be told what it holds.
fn shown_body(call: &Call, is_without_token: bool) -> Bytes {
    let Some(body) = &call.body else { return Bytes::new() };
    if is_without_token || body.is_empty() {
        return body.clone();
    }
    let alone = Parameters::decode(None, call.content_type.as_deref(), body);
    match (alone, std::str::from_utf8(body)) {
        (Ok(parameters), _) if !TOKENS.iter().any(|name| parameters.contains(name)) => body.clone(),
        (Ok(_), Ok(text)) if !text.trim_start().starts_with('{') => Bytes::from(without_token(text)),
        (Err(_), Ok(text)) if !TOKENS.iter().any(|name| text.contains(name)) => body.clone(),
        (Ok(_) | Err(_), _) => Bytes::from_static(b"[not shown: it may hold an access token]"),
    }
}

fn without_token(form: &str) -> String {
    let shown = |pair| {
        // A name may hide behind percent signs, so the decoded one is looked at.
        let decoded: Vec<(String, String)> = serde_urlencoded::from_str(pair).unwrap_or_default();
        match TOKENS.iter().find(|token| decoded.iter().any(|(name, _)| name == *token)) {
            Some(token) => Cow::Owned(format!("{token}=[redacted]")),
            None => Cow::Borrowed(pair),
        }
    };
    form.split('&').map(shown).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests;
