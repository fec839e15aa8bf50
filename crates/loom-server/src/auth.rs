//! Authentication: who calls, and whether the route lets them.
//!
//! A node without tokens trusts whoever reaches it; it listens on the loopback interface only and answers to no other
//! host's name (`host.rs`). From its first token on it asks everybody for one, and revoking the last does not open it
//! again before the next start.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use loom_client::{NAMESPACE, Secret};
use loom_types::{InvalidAddress, Namespace};
use subtle::ConstantTimeEq as _;

use crate::{
    access::{Access, Grants, Role},
    problem::Problem,
    tokens::{self, Tokens},
};

/// How the audit log calls whoever called a node without tokens.
const ANYBODY: &str = "anybody";
/// And whoever has the data folder open and needs no token of it.
const OPERATOR: &str = "operator";

/// How a node knows its callers.
pub struct Auth {
    tokens: Tokens,
    /// Digest of a token that only this process knows, for a command that opens the folder itself.
    own: Option<String>,
    is_required: AtomicBool,
}

impl Auth {
    /// Asks for tokens if there are any.
    pub fn new(tokens: Tokens) -> Self {
        let is_required = AtomicBool::new(!tokens.is_empty());
        Self { tokens, own: None, is_required }
    }

    /// Always asks for a token, and takes one more: the one returned, which may do everything.
    pub fn with_own_token(tokens: Tokens) -> (Self, Secret<String>) {
        let own = tokens::random();
        let auth = Self { tokens, own: Some(tokens::digest(own.expose())), is_required: AtomicBool::new(true) };
        (auth, own)
    }

    /// Whether callers need a token.
    pub fn is_required(&self) -> bool {
        self.is_required.load(Ordering::Relaxed)
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// From now on callers need one.
    pub(crate) fn require(&self) {
        self.is_required.store(true, Ordering::Relaxed);
    }

    fn caller(&self, headers: &HeaderMap) -> Result<(String, Grants), Problem> {
        if !self.is_required() {
            return Ok((ANYBODY.to_owned(), Grants::everywhere(Role::Admin)));
        }
        let Some(presented) = bearer(headers) else {
            return Err(Problem::new("unauthenticated", "this node takes requests with a bearer token only")
                .hint("name a token: --token or LOOM_TOKEN, or the header `Authorization: Bearer …`"));
        };
        if let Some(own) = &self.own
            && bool::from(tokens::digest(presented).as_bytes().ct_eq(own.as_bytes()))
        {
            return Ok((OPERATOR.to_owned(), Grants::everywhere(Role::Admin)));
        }
        match self.tokens.find(presented) {
            Some(token) => Ok((token.name, token.grants)),
            None => Err(Problem::new("unauthenticated", "the bearer token is none of this node's")
                .hint("it may have been revoked; `loom token list` shows what there is")),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who calls, and about which namespace. Only the guard makes one.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token's name.
    pub(crate) by: String,
    pub(crate) grants: Grants,
    pub(crate) namespace: Namespace,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let missing = || Problem::new("internal", "the route does not say who may call it");
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

/// The namespace that the request is about.
pub(crate) struct Tenant(pub(crate) Namespace);

impl<S: Send + Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await.map(|caller| Self(caller.namespace))
    }
}

/// What a route's guard needs to know.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) auth: Arc<Auth>,
    pub(crate) access: Access,
}

/// Lets a request through to its handler if its caller may make it.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    if guard.access == Access::Public {
        return next.run(request).await;
    }
    match guard.admit(request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Guard {
    fn admit(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        // Strangers learn nothing, not even whether a namespace's name is valid.
        let (by, grants) = self.auth.caller(headers)?;
        let namespace = namespace(headers).map_err(|error| Problem::new("invalid-address", error.to_string()))?;
        if grants.allow(self.access, &namespace) {
            return Ok(Caller { by, grants, namespace });
        }
        let needed = match self.access {
            Access::Node(role) => format!("role {role} in every namespace (*)"),
            Access::Namespace(role) => format!("role {role} in namespace '{namespace}'"),
            Access::Public => "nothing".to_owned(),
        };
        let has = match grants.role_in(&namespace) {
            Some(role) => format!("role {role} there"),
            None => "no role there".to_owned(),
        };
        Err(Problem::new("forbidden", format!("this needs {needed}; token '{by}' has {has}")))
    }
}

fn namespace(headers: &HeaderMap) -> Result<Namespace, InvalidAddress> {
    match headers.get(NAMESPACE) {
        Some(name) => name.to_str().unwrap_or("").parse(),
        None => Ok(Namespace::default()),
    }
}
