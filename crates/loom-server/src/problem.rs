//! Errors on the wire: every code, its status and its title, in one place. Each code has a page in
//! `docs/errors/`.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use loom_client::{PROBLEM_JSON, Problem as Wire, TurnFailure};
use loom_machine::{Failure, HostFault};
use loom_runtime::{
    AuditError, BundleRequestError, ControlError, DeployError, LogError, QueryError, ReadError, RedactionError,
    RedeliverError, ResolvePromiseError, SendError, causes,
};
use loom_storage::{BlobError, ResolveError, StoreError};

use crate::tokens::TokensError;

/// How long a client should wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    code: &'static str,
    pub(crate) detail: String,
    hint: Option<String>,
    failure: Option<TurnFailure>,
}

impl Problem {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), hint: None, failure: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn turn_failed(failure: Failure) -> Self {
        Self::failed("turn-failed", failure)
    }

    fn failed(code: &'static str, failure: Failure) -> Self {
        let Failure { kind, message, retryable, backtrace } = failure;
        let detail = format!("{kind}: {message}");
        let failure = Some(TurnFailure { kind, message, retryable, backtrace });
        Self { failure, ..Self::new(code, detail) }
    }

    /// What every occurrence of a code has in common.
    pub(crate) fn status_and_title(code: &str) -> (StatusCode, &'static str) {
        match code {
            "invalid-json" => (StatusCode::BAD_REQUEST, "The body is not JSON"),
            "invalid-address" => (StatusCode::BAD_REQUEST, "The address is not valid"),
            "invalid-request" => (StatusCode::BAD_REQUEST, "The request is not valid"),
            "digest-mismatch" => (StatusCode::BAD_REQUEST, "The bytes are not those the CID names"),
            "unauthenticated" => (StatusCode::UNAUTHORIZED, "The request needs a token"),
            "forbidden" => (StatusCode::FORBIDDEN, "The token may not do this"),
            "unknown-route" => (StatusCode::NOT_FOUND, "There is no such resource"),
            "method-not-allowed" => (StatusCode::METHOD_NOT_ALLOWED, "The resource does not do this"),
            "unknown-actor-type" => (StatusCode::NOT_FOUND, "No deployment runs this actor type"),
            "unknown-actor" => (StatusCode::NOT_FOUND, "There is no such actor"),
            "unknown-message" => (StatusCode::NOT_FOUND, "There is no such message"),
            "unknown-promise" => (StatusCode::NOT_FOUND, "There is no such promise"),
            "unknown-blob" => (StatusCode::NOT_FOUND, "There is no such blob"),
            "unknown-turn" => (StatusCode::NOT_FOUND, "There is no such turn, or it has not ended"),
            "unknown-dead-letter" => (StatusCode::NOT_FOUND, "There is no such dead letter"),
            "unknown-deployment" => (StatusCode::NOT_FOUND, "There is no such deployment"),
            "no-log" => (StatusCode::NOT_FOUND, "The node keeps no log"),
            "unknown-tile" => (StatusCode::NOT_FOUND, "The log does not reach so far"),
            "unknown-token" => (StatusCode::NOT_FOUND, "There is no such token"),
            "request-timeout" => (StatusCode::REQUEST_TIMEOUT, "The request took too long to arrive"),
            "turn-open" => (StatusCode::CONFLICT, "The actor is in the middle of a turn"),
            "no-open-turn" => (StatusCode::CONFLICT, "The actor is not in the middle of a turn"),
            "actor-diverged" => (StatusCode::CONFLICT, "The actor's replay diverged"),
            "actor-exists" => (StatusCode::CONFLICT, "There is such an actor already"),
            "already-cancelling" => (StatusCode::CONFLICT, "The turn is being cancelled already"),
            "token-exists" => (StatusCode::CONFLICT, "Another token has this name"),
            "promise-resolved" => (StatusCode::CONFLICT, "The promise is settled already"),
            "idempotency-key-reused" => (StatusCode::CONFLICT, "The idempotency key was used for another message"),
            "collection-under-way" => (StatusCode::CONFLICT, "Blobs are being collected already"),
            "unknown-payload" => (StatusCode::NOT_FOUND, "There is no such payload in the bundle"),
            "redaction-incomplete" => {
                (StatusCode::UNPROCESSABLE_ENTITY, "What is left would give away what is to be left out")
            }
            "bundle-too-large" => (StatusCode::UNPROCESSABLE_ENTITY, "The history is too long for one bundle"),
            "too-many-deployments" => (StatusCode::UNPROCESSABLE_ENTITY, "The namespace runs too many deployments"),
            "actor-type-taken" => (StatusCode::CONFLICT, "Another deployment runs this actor type"),
            "state-erased" => (StatusCode::GONE, "The state was erased"),
            "body-too-large" => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            "unsupported-media-type" => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type is not accepted"),
            "misdirected-host" => (StatusCode::MISDIRECTED_REQUEST, "The request is for another host"),
            "invalid-deployment" => (StatusCode::UNPROCESSABLE_ENTITY, "The deployment's manifest cannot work"),
            "missing-module" => (StatusCode::UNPROCESSABLE_ENTITY, "A module was not uploaded"),
            "unusable-module" => (StatusCode::UNPROCESSABLE_ENTITY, "A module cannot run"),
            "missing-secret" => (StatusCode::UNPROCESSABLE_ENTITY, "A secret is not there"),
            "invalid-reset" => (StatusCode::UNPROCESSABLE_ENTITY, "The turn cannot be reset like this"),
            "unreadable-dead-letter" => (StatusCode::UNPROCESSABLE_ENTITY, "The dead letter cannot be read"),
            "tokens-full" => (StatusCode::UNPROCESSABLE_ENTITY, "The node keeps no more tokens"),
            "limits-too-high" => (StatusCode::UNPROCESSABLE_ENTITY, "A limit is more than this node gives"),
            "no-query-export" => (StatusCode::UNPROCESSABLE_ENTITY, "The module answers no queries"),
            "query-failed" => (StatusCode::UNPROCESSABLE_ENTITY, "The query failed"),
            "turn-failed" => (StatusCode::UNPROCESSABLE_ENTITY, "The turn failed"),
            "payload-erased" => (StatusCode::GONE, "The value was erased"),
            "mailbox-full" => (StatusCode::TOO_MANY_REQUESTS, "Too many messages wait for this actor"),
            "node-busy" => (StatusCode::TOO_MANY_REQUESTS, "Too many requests are in flight"),
            "store-unavailable" => (StatusCode::SERVICE_UNAVAILABLE, "The store does not answer"),
            "node-stopping" => (StatusCode::SERVICE_UNAVAILABLE, "The node is stopping"),
            "store-damaged" => (StatusCode::INTERNAL_SERVER_ERROR, "Stored data is damaged"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "The node failed"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title) = Self::status_and_title(self.code);
        if status.is_server_error() {
            tracing::warn!(code = self.code, detail = %self.detail, "request failed");
        }
        let wire = Wire {
            kind: format!("docs/errors/{}.md", self.code),
            code: self.code.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            hint: self.hint,
            failure: self.failure,
        };
        let body = serde_json::to_string(&wire).expect("strings and numbers serialise");
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let name: HeaderName = header::RETRY_AFTER;
            response.headers_mut().insert(name, RETRY_AFTER_SECONDS.parse().expect("a number"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let name: HeaderName = header::WWW_AUTHENTICATE;
            response.headers_mut().insert(name, HeaderValue::from_static("Bearer realm=\"loom\""));
        }
        response
    }
}

/// Whatever no route matches.
pub(crate) async fn unknown_route(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::new("unknown-route", format!("{method} {} is not part of the interface", uri.path()))
}

/// A method that its route does not have; axum adds those it has.
pub(crate) async fn method_not_allowed(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::new("method-not-allowed", format!("{method} is not something that {} does", uri.path()))
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        let detail = error.to_string();
        match error {
            SendError::UnknownType { known, .. } => {
                let hint = match known.is_empty() {
                    true => "nothing is deployed yet: loom deploy DIR".to_owned(),
                    false => format!("deployed types: {}", known.join(", ")),
                };
                Self::new("unknown-actor-type", detail).hint(hint)
            }
            SendError::NotJson(_) => Self::new("invalid-json", detail),
            SendError::TooLarge { .. } => Self::new("body-too-large", detail),
            SendError::IdReused(_) => Self::new("idempotency-key-reused", detail),
            SendError::MailboxFull { .. } => Self::new("mailbox-full", detail),
            SendError::Busy(_) | SendError::QueriesBusy(_) => Self::new("node-busy", detail),
            SendError::UnknownMessage(_) => Self::new("unknown-message", detail),
            SendError::Store(_) => {
                Self::new("store-unavailable", detail).hint("send again under the same Idempotency-Key")
            }
            SendError::Damaged(_) => Self::new("store-damaged", detail),
            SendError::Erased(_) => Self::new("payload-erased", detail),
            SendError::Stopping => Self::new("node-stopping", detail).hint("send again under the same Idempotency-Key"),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) => "store-unavailable",
            StoreError::Corrupt { .. } | StoreError::Unsealable { .. } => "store-damaged",
            StoreError::Erased { .. } => "payload-erased",
        };
        Self::new(code, causes(&error))
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownActor(_) => Self::new("unknown-actor", error.to_string()),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<BundleRequestError> for Problem {
    fn from(error: BundleRequestError) -> Self {
        let detail = causes(&error);
        match error {
            BundleRequestError::UnknownActor(_) => Self::new("unknown-actor", detail),
            BundleRequestError::UnknownTurn { .. } => Self::new("unknown-turn", detail),
            BundleRequestError::TooLarge { .. } | BundleRequestError::TooWide | BundleRequestError::TooLong => {
                Self::new("bundle-too-large", detail)
            }
            BundleRequestError::Redaction(error) => match error {
                RedactionError::Malformed(_) => Self::new("invalid-request", detail),
                RedactionError::Unknown(_) => Self::new("unknown-payload", detail),
                RedactionError::GivenAway(_) => Self::new("redaction-incomplete", detail),
                RedactionError::Bundle(_) => Self::new("internal", detail),
            },
            BundleRequestError::Busy { .. } => Self::new("node-busy", detail),
            BundleRequestError::Blob(error) => error.into(),
            BundleRequestError::Store(error) => error.into(),
            BundleRequestError::Log(error) => error.into(),
            BundleRequestError::Damaged(_) => Self::new("store-damaged", detail),
            BundleRequestError::Host(_) => Self::new("internal", detail),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Store(error) => error.into(),
            LogError::Tile(BlobError::Unavailable(_)) => Self::new("store-unavailable", causes(&error)),
            _ => Self::new("store-damaged", causes(&error)),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::Refused(error) => error.into(),
            QueryError::UnknownActor(_) => Self::new("unknown-actor", detail),
            QueryError::NoQueryExport(_) => {
                Self::new("no-query-export", detail).hint("export 'query', or read the state itself: GET …/state")
            }
            QueryError::Failed(failure) => Self::failed("query-failed", failure),
            QueryError::Store(error) => error.into(),
            QueryError::Host(HostFault::PoolFull { .. }) => Self::new("node-busy", detail),
            QueryError::Host(_) => Self::new("internal", detail),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::UnknownActor(_) => "unknown-actor",
            ControlError::Reserved(_) => "forbidden",
            ControlError::Busy(_) => "turn-open",
            ControlError::NoOpenTurn(_) => "no-open-turn",
            ControlError::Diverged(_) => "actor-diverged",
            ControlError::Stopping => "already-cancelling",
            ControlError::Reset(_) | ControlError::Deployment { .. } => "invalid-reset",
            ControlError::Exists(_) => "actor-exists",
            ControlError::NoSuchTurn { .. } => "unknown-turn",
            ControlError::Erased { .. } => "state-erased",
            ControlError::OtherType(_) => "invalid-request",
            ControlError::Store(_) => "store-unavailable",
            ControlError::Dropped => "node-stopping",
        };
        Self::new(code, error.to_string())
    }
}

impl From<RedeliverError> for Problem {
    fn from(error: RedeliverError) -> Self {
        match error {
            RedeliverError::Unknown(_) => Self::new("unknown-dead-letter", error.to_string()),
            RedeliverError::Unreadable { .. } => Self::new("unreadable-dead-letter", error.to_string()),
            RedeliverError::Send(error) => error.into(),
            RedeliverError::Store(error) => error.into(),
        }
    }
}

impl From<ResolvePromiseError> for Problem {
    fn from(error: ResolvePromiseError) -> Self {
        let detail = error.to_string();
        match error {
            ResolvePromiseError::Value(error) => error.into(),
            ResolvePromiseError::Resolve(ResolveError::Unknown) => Self::new("unknown-promise", detail),
            ResolvePromiseError::Resolve(ResolveError::Resolved) => Self::new("promise-resolved", detail),
            ResolvePromiseError::Resolve(ResolveError::Unavailable(_)) => Self::new("store-unavailable", detail),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        let code = match error {
            BlobError::NotFound(_) => "unknown-blob",
            BlobError::Damaged(_) => "store-damaged",
            BlobError::TooLarge { .. } => "body-too-large",
            BlobError::Unavailable(_) => "store-unavailable",
        };
        Self::new(code, error.to_string())
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            AuditError::Commit(_) => Self::new("store-unavailable", error.to_string()),
        }
    }
}

impl From<TokensError> for Problem {
    fn from(error: TokensError) -> Self {
        let code = match error {
            TokensError::Exists(_) => "token-exists",
            TokensError::Unknown(_) => "unknown-token",
            TokensError::Full => "tokens-full",
            TokensError::File { .. } => "store-unavailable",
            TokensError::Permissions { .. } | TokensError::Format { .. } => "store-damaged",
        };
        Self::new(code, error.to_string())
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        let detail = error.to_string();
        match error {
            DeployError::Manifest(_) => Self::new("invalid-deployment", detail),
            DeployError::MissingModule { .. } => Self::new("missing-module", detail),
            DeployError::UnusableModule { .. } => Self::new("unusable-module", detail),
            DeployError::Limits { .. } => Self::new("limits-too-high", detail),
            DeployError::MissingSecret { .. } => Self::new("missing-secret", detail)
                .hint("start the node with it: LOOM_SECRET_NAME in its environment, or a file in --secrets DIR"),
            DeployError::TypeTaken { .. } => Self::new("actor-type-taken", detail),
            DeployError::TooMany => Self::new("too-many-deployments", detail),
            DeployError::Schedule { .. } | DeployError::Reserved { .. } => Self::new("invalid-deployment", detail),
            DeployError::UnknownName { .. } | DeployError::NoFormer { .. } => Self::new("unknown-deployment", detail),
            DeployError::Audit(error) => error.into(),
            DeployError::Store(error) => error.into(),
            DeployError::Blob(error) => error.into(),
            DeployError::Host(_) => Self::new("internal", detail),
        }
    }
}
