//! What handlers take out of requests, with our own words for what is wrong.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{header, request::Parts},
};
use bytes::Bytes;
use loom_types::{ActorAddress, Cid, MessageId};
use serde::de::DeserializeOwned;

use crate::{auth::Tenant, problem::Problem};

/// The actor a path names.
pub(crate) struct Actor(pub(crate) ActorAddress);

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(|problem| Problem::new("invalid-address", problem.detail))?;
        let part = |name: &str| path.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str());
        let Tenant(namespace) = Tenant::from_request_parts(parts, state).await?;
        ActorAddress::within(namespace.as_str(), &format!("{}/{}", part("type"), part("key")))
            .map(Self)
            .map_err(|error| Problem::new("invalid-address", error.to_string()))
    }
}

/// The parts of a path that a route names. What they stand for need not be text: `%ff` is none.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(path)| Self(path))
            .map_err(|error| Problem::new("invalid-request", error.body_text()))
    }
}

/// The query, with unknown members refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| Problem::new("invalid-request", error.body_text()))
    }
}

/// A JSON body, as text.
pub(crate) struct JsonText(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        expect_type(&request, "application/json")?;
        let bytes = body(request).await?;
        let text =
            String::from_utf8(bytes.into()).map_err(|_| Problem::new("invalid-json", "the body is not UTF-8"))?;
        Ok(Self(text))
    }
}

/// A JSON body, parsed.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonText(text) = JsonText::from_request(request, state).await?;
        serde_json::from_str(&text).map(Self).map_err(|error| {
            // What is JSON all the same has the wrong members.
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            Problem::new(if is_json { "invalid-request" } else { "invalid-json" }, error.to_string())
        })
    }
}

/// A blob's bytes.
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        expect_type(&request, "application/octet-stream")?;
        body(request).await.map(Self)
    }
}

fn expect_type(request: &Request, expected: &str) -> Result<(), Problem> {
    let found = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let detail = format!("the content type must be {expected}, not '{}'", essence.chars().take(80).collect::<String>());
    Err(Problem::new("unsupported-media-type", detail))
}

/// How long a client may take to send a body.
#[derive(Clone, Copy)]
pub(crate) struct BodyTimeout(pub(crate) Duration);

async fn body(request: Request<Body>) -> Result<Bytes, Problem> {
    let timeout = request.extensions().get().map_or(Duration::MAX, |BodyTimeout(timeout)| *timeout);
    // The route's limit is applied by taking the body through its extension.
    let request = axum::RequestExt::with_limited_body(request);
    match tokio::time::timeout(timeout, to_bytes(request.into_body(), usize::MAX)).await {
        Ok(read) => read.map_err(|error| {
            let detail = format!("the body cannot be read, most likely because it is too large: {error}");
            Problem::new("body-too-large", detail)
        }),
        Err(_) => {
            Err(Problem::new("request-timeout", format!("the body did not arrive within {} ms", timeout.as_millis())))
        }
    }
}

pub(crate) fn cid(text: &str) -> Result<Cid, Problem> {
    text.parse().map_err(|error| {
        Problem::new("invalid-request", format!("'{}' is {error}", text.chars().take(100).collect::<String>()))
    })
}

pub(crate) fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|error: loom_types::InvalidMessageId| Problem::new("invalid-request", error.to_string()))
}
