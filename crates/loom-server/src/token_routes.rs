//! Tokens over HTTP: making, listing, revoking.
//!
//! Whoever manages a token must administer every namespace it reaches. Others do not learn that it exists.

use axum::extract::State;
use loom_client as wire;
use loom_runtime::NODE_NAMESPACE;
use loom_types::{Name, Namespace};

use crate::{
    access::Grants,
    auth::Caller,
    extract::{Json, Path},
    problem::Problem,
    serve::App,
    tokens::{TokenRecord, TokensError},
};

/// List tokens
#[utoipa::path(get, path = "/v1/tokens", operation_id = "listTokens", tag = "tokens",
    responses((status = 200, description = "Those that the caller administers", body = Vec<wire::Token>)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> axum::Json<Vec<wire::Token>> {
    let tokens = app.auth.tokens().all();
    axum::Json(tokens.iter().filter(|token| caller.grants.administer(&token.grants)).map(to_wire).collect())
}

/// Make a token
///
/// Its answer is the only time that anybody sees it. From the first token on the node asks everybody for one.
#[utoipa::path(post, path = "/v1/tokens", operation_id = "createToken", tag = "tokens",
    request_body(content = wire::NewToken, content_type = "application/json",
        example = json!({"name": "ci", "grants": {"default": "deploy"}})),
    responses((status = 200, description = "The token", body = wire::CreatedToken)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(sent): Json<wire::NewToken>,
) -> Result<axum::Json<wire::CreatedToken>, Problem> {
    let invalid = |error: &dyn std::error::Error| Problem::new("invalid-request", error.to_string());
    let name: Name = sent.name.parse().map_err(|error| invalid(&error))?;
    let grants = Grants::parse(&sent.grants).map_err(|error| invalid(&error))?;
    if !caller.grants.administer(&grants) {
        let detail = format!("a token for {grants} needs role admin in every namespace it names");
        return Err(Problem::new("forbidden", detail));
    }
    let change = app.auth.tokens().change().await;
    let (record, token) = change.draw(&name, grants, app.handle.now_ms())?;
    audit(&app, &record.grants, &format!("create token {name} {}", record.grants), &caller.by).await?;
    change.add(record.clone())?;
    app.auth.require();
    Ok(axum::Json(wire::CreatedToken { record: to_wire(&record), token }))
}

/// Revoke a token
#[utoipa::path(delete, path = "/v1/tokens/{name}", operation_id = "revokeToken", tag = "tokens",
    params(("name" = String, Path, description = "The token's name")),
    responses((status = 200, description = "It is gone", body = wire::Token)))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<axum::Json<wire::Token>, Problem> {
    let change = app.auth.tokens().change().await;
    let record = change.named(&name)?;
    if !caller.grants.administer(&record.grants) {
        return Err(TokensError::Unknown(record.name).into());
    }
    audit(&app, &record.grants, &format!("revoke token {} {}", record.name, record.grants), &caller.by).await?;
    change.remove(&record.name)?;
    Ok(axum::Json(to_wire(&record)))
}

/// Into the log of every namespace that the token reaches. One that reaches all stands in the node's own.
async fn audit(app: &App, grants: &Grants, what: &str, by: &str) -> Result<(), Problem> {
    let node: Namespace = NODE_NAMESPACE.parse().expect("a valid name");
    for namespace in grants.namespaces() {
        app.handle.audit(namespace.as_ref().unwrap_or(&node), what, by).await?;
    }
    Ok(())
}

fn to_wire(record: &TokenRecord) -> wire::Token {
    wire::Token { name: record.name.clone(), grants: record.grants.to_wire(), created_ms: record.created_ms }
}
