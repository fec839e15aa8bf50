//! The notary over HTTP. Strangers come here: every size, number and wait is bounded.

mod connections;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

pub use self::connections::serve;
use crate::{
    NotarizeError, Notary, TRUSTED_FETCH, Tokens,
    error::causes,
    key,
    limits::{BODY_TIMEOUT, CALL_BYTES_MAX},
    protocol::{About, Answer, Call, Problem, VERSION},
};

/// What answers.
#[derive(Clone)]
struct Service {
    notary: Notary,
    tokens: Arc<Tokens>,
}

/// The routes without a listener. The bounds of connections are those of [`serve`] alone.
pub fn router(notary: Notary, tokens: Tokens) -> Router {
    Router::new()
        .route("/v1/notarize", post(notarize))
        .route("/v1/key", get(about))
        .route("/healthz", get(async || "ok\n"))
        .with_state(Service { notary, tokens: Arc::new(tokens) })
}

async fn about(State(service): State<Service>) -> Response {
    let about = About {
        v: VERSION,
        mode: TRUSTED_FETCH.to_owned(),
        algorithm: key::name(service.notary.public_key().algorithm).to_owned(),
        key: service.notary.public_key_text(),
        allowed: service.notary.allowed().iter().map(ToString::to_string).collect(),
    };
    axum::Json(about).into_response()
}

async fn notarize(State(service): State<Service>, headers: HeaderMap, body: Body) -> Response {
    match attested(&service, &headers, body).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(response) => response,
    }
}

async fn attested(service: &Service, headers: &HeaderMap, body: Body) -> Result<Answer, Response> {
    let client = caller(service, headers)?;
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, CALL_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(problem(413, "body-too-large", "the body is too long or ended early")),
        Err(_) => return Err(problem(408, "request-timeout", "the body took too long")),
    };
    // What serde says of a wrong text could repeat a part of it.
    let call: Call = serde_json::from_slice(&body).map_err(|error| {
        let place = format!("line {}, column {}: not a request to a notary", error.line(), error.column());
        problem(400, "notary-request-invalid", &place)
    })?;
    let (request, layout) = call.read().map_err(|invalid| refused(&invalid.into()))?;
    let presentation = service.notary.notarize(&request, layout).await.map_err(|error| {
        tracing::info!(client, code = error.code(), "nothing notarised: {}", causes(&error));
        refused(&error)
    })?;
    tracing::info!(client, ?request, "notarised");
    Ok(Answer::new(&presentation, layout))
}

/// Who asks, by its token. Without tokens it is whoever reaches the loopback interface, and no web page: one can send
/// no JSON to another origin without asking, and here nobody answers such a question.
fn caller<'a>(service: &'a Service, headers: &HeaderMap) -> Result<&'a str, Response> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.split(';').next().unwrap_or_default().trim() != "application/json" {
        return Err(problem(415, "unsupported-media-type", "the body has to be application/json"));
    }
    if service.tokens.is_empty() {
        return match host_is_local(headers) {
            true => Ok("anybody"),
            false => Err(problem(421, "misdirected-host", "without tokens only this machine's own names are answered")),
        };
    }
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented =
        text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let known = presented.and_then(|(_, token)| service.tokens.find(token.trim()));
    known
        .ok_or_else(|| problem(401, "unauthenticated", "this notary takes requests with one of its bearer tokens only"))
}

/// Whether the caller thinks that it talks to this machine. A name that somebody made point here is another.
fn host_is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn refused(error: &NotarizeError) -> Response {
    problem(error.status(), error.code(), &causes(error))
}

fn problem(status: u16, code: &str, detail: &str) -> Response {
    let status_code = StatusCode::from_u16(status).expect("a status of three digits");
    let problem = Problem {
        r#type: format!("docs/errors/{code}.md"),
        code: code.to_owned(),
        title: status_code.canonical_reason().unwrap_or_default().to_owned(),
        status,
        detail: detail.to_owned(),
    };
    let text = serde_json::to_string(&problem).expect("text and numbers serialise");
    let mut response = (status_code, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
    if status == 503 {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}
