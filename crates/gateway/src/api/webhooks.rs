//! `/webhooks`: what Meta, and CM.com, tell of their own accord.
//!
//! The order of things: read the body within its limits, check the signature over the bytes as they came, make them and
//! what they tell durable, answer 200. Whoever gets anything else sends the same again, so nothing is lost by a refusal
//! that passes; Meta goes on for up to 7 days (documented).

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use laneway_channel::Secret;
use laneway_channel::meta::webhook::{self, SIGNATURE_HEADER, SignatureError};
use laneway_journal::{Append, RawNotification};
use laneway_model::{AppName, Timestamp};
use laneway_wire::cm::IncomingMessage;
use serde::Serialize;
use subtle::{Choice, ConstantTimeEq};
use utoipa::ToSchema;

use super::body::{self, BodyLimits};
use super::problem::{Problem, ProblemBody, ProblemCode};
use super::query::Query;
use super::room::Place;
use super::turned_away::{TurnedAway, read_body};
use super::{Api, RETRY_AFTER, answer};
use crate::config::{Account, App, Config};
use crate::inbound::{Heard, Posts, forward_cm, forward_meta, hear_cm, hear_meta, is_early};
use crate::outbox::PostKind;
use crate::telemetry::{Route, Source};

/// The most bytes of a notification. Meta sends up to 3 MB (documented).
const NOTIFICATION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest challenge that is given back; Meta's are short numbers.
const CHALLENGE_BYTES_MAX: usize = 256;

/// A notification is durable.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Received {
    /// Updates that are about numbers of this node.
    believed: usize,
    /// Updates that are about others, and only kept.
    strange: usize,
}

/// Meta asks whether the callback is this one
#[utoipa::path(
    get, path = "/webhooks/meta/{app}", tag = "webhooks", operation_id = "verify_meta_webhook", security(()),
    params(
        ("app" = String, Path, description = "The app's name in the configuration"),
        ("hub.mode" = Option<String>, Query, description = "`subscribe`"),
        ("hub.challenge" = Option<String>, Query, description = "What is to be answered"),
        ("hub.verify_token" = Option<String>, Query, description = "The app's `verify_token`"),
    ),
    responses(
        (status = 200, description = "The challenge, and nothing else", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter cannot be used", body = ProblemBody),
        (status = 403, description = "The verify token is another", body = ProblemBody),
        (status = 404, description = "There is no such app", body = ProblemBody),
    )
)]
pub(super) async fn challenge(
    State(api): State<Arc<Api>>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Response {
    let config = api.config();
    let response = match challenged(&config, name, &uri) {
        Ok(challenge) => answer::raw(StatusCode::OK, "text/plain; charset=utf-8", challenge),
        Err(problem) => problem.into_response(),
    };
    api.answered(Route::MetaWebhook, response)
}

/// Meta notifies
///
/// The answer 200 means that the notification is durable.
#[utoipa::path(
    post, path = "/webhooks/meta/{app}", tag = "webhooks", operation_id = "meta_webhook", security(()),
    params(
        ("app" = String, Path, description = "The app's name in the configuration"),
        ("X-Hub-Signature-256" = String, Header,
            description = "`sha256=` and the HMAC-SHA256 of the body under the app's secret, in hexadecimal digits"),
    ),
    request_body(content = Object, description = "As Meta sends it, up to 4 MiB"),
    responses(
        (status = 200, description = "It is durable", body = Received),
        (status = 401, description = "The signature is missing or wrong", body = ProblemBody),
        (status = 404, description = "There is no such app", body = ProblemBody),
        (status = 408, description = "The body did not come in time", body = ProblemBody),
        (status = 413, description = "The body is longer than 4 MiB", body = ProblemBody),
        (status = 415, description = "The body is compressed", body = ProblemBody),
        (status = 503, description = "It cannot be made durable now; see `Retry-After`", body = ProblemBody),
    )
)]
pub(super) async fn meta(
    State(api): State<Arc<Api>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let response = match meta_received(&api, name, request).await {
        Ok(received) => answer::json(StatusCode::OK, &received),
        Err(away) => away.into_response(),
    };
    api.answered(Route::MetaWebhook, response)
}

/// CM.com posts an incoming message
///
/// The secret in the path is one of an account's `cm_webhook_secrets`: CM.com signs nothing. The answer 200 means that the
/// message is durable.
#[utoipa::path(
    post, path = "/webhooks/cm/{secret}", tag = "webhooks", operation_id = "cm_webhook", security(()),
    params(("secret" = String, Path, description = "One of the account's `cm_webhook_secrets`")),
    request_body(content = Object, description = "As CM.com posts it, up to 4 MiB"),
    responses(
        (status = 200, description = "It is durable", body = Received),
        (status = 401, description = "The secret is nobody's", body = ProblemBody),
        (status = 408, description = "The body did not come in time", body = ProblemBody),
        (status = 413, description = "The body is longer than 4 MiB", body = ProblemBody),
        (status = 415, description = "The body is compressed", body = ProblemBody),
        (status = 503, description = "It cannot be made durable now, or is to a number that Meta may still tell to be the account's; see `Retry-After`", body = ProblemBody),
    )
)]
pub(super) async fn cm(
    State(api): State<Arc<Api>>,
    secret: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let response = match cm_received(&api, secret, request).await {
        Ok(received) => answer::json(StatusCode::OK, &received),
        Err(away) => away.into_response(),
    };
    api.answered(Route::CmWebhook, response)
}

fn challenged(
    config: &Config,
    name: Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<String, Problem> {
    let app = app_of(config, name)?;
    let query = Query::read(uri, &["hub.mode", "hub.challenge", "hub.verify_token"])?;
    let token = query.text("hub.verify_token").unwrap_or_default();
    if !bool::from(token.as_bytes().ct_eq(app.verify_token.expose().as_bytes())) {
        let problem = Problem::new(ProblemCode::VerifyTokenInvalid, "this is not the app's verify token");
        return Err(problem.hint(
            "the token in Meta's App Dashboard and verify_token in the configuration must be the same",
        ));
    }
    let challenge = query.value("hub.challenge", |text| match text.len() {
        0..=CHALLENGE_BYTES_MAX => Ok(text.to_owned()),
        _ => Err("is longer than any challenge"),
    })?;
    Ok(challenge.unwrap_or_default())
}

async fn meta_received(
    api: &Api,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Received, TurnedAway> {
    let config = api.config();
    let (head, body) = request.into_parts();
    let app = match app_of(&config, name) {
        Ok(app) => app,
        Err(problem) => {
            let closes = !body::drain(&head.headers, body, &api.limits).await;
            return Err(TurnedAway { problem, closes });
        }
    };
    let (body, _place) = read(api, &head.headers, body).await?;
    let signature = match head.headers.get(SIGNATURE_HEADER).map(http::HeaderValue::to_str) {
        Some(Ok(signature)) => Some(signature.to_owned()),
        // What no signature can be.
        Some(Err(_)) => Some(String::new()),
        None => None,
    };
    let received_at = api.node.clock.wall();
    let (name, secrets) = (app.name.clone(), app.app_secrets.clone());
    let bytes = body.len();
    let judge = move || judged(&config, name, &secrets, signature, body, received_at);
    let judged = api.room.judge(bytes, judge).await.map_err(|_| unavailable())?;
    let judged = judged.map_err(|error| {
        api.node.telemetry.unsigned(Source::Meta);
        let problem = Problem::new(ProblemCode::SignatureInvalid, error.to_string());
        TurnedAway {
            problem: problem.hint("Meta signs with the app's secret, which must be one of its app_secrets"),
            closes: false,
        }
    })?;
    store(api, Source::Meta, judged).await
}

/// A notification that is believed to be what its sender wrote: what is stored of it.
struct Judged {
    raw: RawNotification,
    heard: Heard,
    posts: Posts,
}

/// What a body tells and to whom it is passed on, if one of the secrets has signed it.
fn judged(
    config: &Config,
    app: AppName,
    secrets: &[Secret],
    signature: Option<String>,
    body: Bytes,
    received_at: Timestamp,
) -> Result<Judged, SignatureError> {
    webhook::verify(secrets, signature.as_deref(), &body)?;
    let signature = signature.unwrap_or_default();
    let raw = RawNotification { app, received_at, signature, body: Arc::from(&*body) };
    // One copy is enough, for a long one.
    drop(body);
    let (heard, posts) = match webhook::Body::read(&raw.body) {
        Some(body) => {
            let told = body.notification(received_at);
            (hear_meta(config, &raw.app, &told), forward_meta(config, &raw, &body, &told))
        }
        None => (Heard::unreadable(), Posts::new()),
    };
    Ok(Judged { raw, heard, posts })
}

async fn cm_received(
    api: &Api,
    secret: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Received, TurnedAway> {
    let config = api.config();
    let (head, body) = request.into_parts();
    let Some(account) = secret.ok().and_then(|Path(secret)| account_of(&config, &secret)) else {
        api.node.telemetry.unsigned(Source::Cm);
        let closes = !body::drain(&head.headers, body, &api.limits).await;
        let problem = Problem::new(ProblemCode::SignatureInvalid, "the secret in the path is nobody's")
            .hint("it must be one of an account's cm_webhook_secrets");
        return Err(TurnedAway { problem, closes });
    };
    let (body, _place) = read(api, &head.headers, body).await?;
    let received_at = api.node.clock.wall();
    let messages = IncomingMessage::read(&body);
    if messages.as_ref().is_some_and(|messages| is_early(&config, account, messages)) {
        let problem = Problem::new(
            ProblemCode::Unavailable,
            "the account's numbers are not known yet; send the message again",
        );
        return Err(TurnedAway { problem: problem.retry_after(RETRY_AFTER), closes: false });
    }
    let heard = messages.map_or_else(Heard::unreadable, |messages| hear_cm(account, &messages, received_at));
    let raw = RawNotification {
        app: AppName::parse(App::CM).expect("the name is one"),
        received_at,
        signature: String::new(),
        body: Arc::from(&*body),
    };
    let posts = forward_cm(account, &raw, &heard);
    store(api, Source::Cm, Judged { raw, heard, posts }).await
}

/// The notification, what it tells, and what is passed on of it become durable together.
async fn store(api: &Api, source: Source, judged: Judged) -> Result<Received, TurnedAway> {
    let Judged { raw, heard, posts } = judged;
    let touches = heard.touches.clone();
    let posts = api.node.outbox.admit(PostKind::Forward, posts);
    let append = Append { notifications: vec![raw], touches, posts, ..Append::default() };
    if let Err(error) = api.node.journal.append(append).await {
        api.journal_failed(&error);
        return Err(unavailable());
    }
    api.node.heard.note(&heard.latest);
    api.node.messages.note(&heard.touches);
    crate::contacts::tell_clicked(&api.node, &heard.touches).await;
    api.node.telemetry.heard(source, &heard);
    Ok(Received { believed: heard.believed, strange: heard.strange })
}

async fn read(api: &Api, headers: &HeaderMap, body: axum::body::Body) -> Result<(Bytes, Place), TurnedAway> {
    let limits = BodyLimits { event_bytes: NOTIFICATION_BYTES_MAX, ..api.limits };
    read_body(api, headers, body, limits, "the body is longer than a notification").await
}

fn app_of(config: &Config, name: Result<Path<String>, PathRejection>) -> Result<&App, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    config.apps.iter().find(|app| app.name.as_str() == name).ok_or_else(|| {
        Problem::new(ProblemCode::NotFound, "there is no app of this name")
            .hint("the name in the path is that of an [[app]] in the configuration")
    })
}

/// Whose secret this is. Every secret of every account is looked at, so that how long it takes tells nothing.
fn account_of<'c>(config: &'c Config, presented: &str) -> Option<&'c Account> {
    let is_secret = |secret: &Secret| secret.expose().as_bytes().ct_eq(presented.as_bytes());
    let mut found = None;
    for account in config.accounts.iter() {
        let any =
            account.cm_webhook_secrets.iter().map(is_secret).fold(Choice::from(0), |any, one| any | one);
        if bool::from(any) {
            found = found.or(Some(account));
        }
    }
    found
}

fn unavailable() -> TurnedAway {
    let problem =
        Problem::new(ProblemCode::Unavailable, "the notification cannot be stored now; send it again");
    TurnedAway { problem: problem.retry_after(RETRY_AFTER), closes: false }
}
