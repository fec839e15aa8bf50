//! Promises: listing and settling.

use axum::extract::State;
use loom_client as wire;
use loom_machine::Failure;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    actors,
    auth::Tenant,
    extract::{Json, Path, Query},
    problem::Problem,
    serve::App,
};

/// Promises per page.
const PAGE: usize = 100;

/// Query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct List {
    /// `next` of the page before
    #[serde(default)]
    after: Option<String>,
}

/// List promises that nobody has settled
#[utoipa::path(get, path = "/v1/promises", operation_id = "listPromises", tag = "promises", params(List),
    responses((status = 200, description = "A page", body = wire::Page<wire::Promise>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Tenant(namespace): Tenant,
    Query(list): Query<List>,
) -> Result<axum::Json<wire::Page<wire::Promise>>, Problem> {
    let promises = app.handle.promises(&namespace, list.after.as_deref(), PAGE).await?;
    let next = (promises.len() == PAGE).then(|| promises.last().map(|promise| promise.token.clone())).flatten();
    Ok(axum::Json(wire::Page { items: promises.into_iter().map(actors::promise).collect(), next }))
}

/// Settle a promise
///
/// Whoever has the token may: it is 160 random bits, made for this, and good for once.
#[utoipa::path(post, path = "/v1/promises/{token}", operation_id = "settlePromise", tag = "promises",
    params(("token" = String, Path, description = "Whoever has it may settle the promise")),
    request_body(content = wire::Settlement, content_type = "application/json",
        example = json!({"ok": {"decision": "approve"}})),
    responses((status = 200, description = "Whose promise it was", body = wire::Settled)))]
pub(crate) async fn settle(
    State(app): State<App>,
    Path(token): Path<String>,
    Json(settlement): Json<wire::Settlement>,
) -> Result<axum::Json<wire::Settled>, Problem> {
    let actor = match settlement {
        wire::Settlement::Ok(value) => app.handle.resolve(&token, Ok(value.get())).await?,
        wire::Settlement::Err(rejection) => {
            app.handle.resolve(&token, Err(&Failure::new("rejected", rejection.message))).await?
        }
    };
    Ok(axum::Json(wire::Settled { actor: actor.local().to_owned() }))
}
