//! Promises: listing and settling.

use axum::extract::{Path, State};
use loom_client as wire;
use loom_machine::Failure;
use serde::Deserialize;

use crate::{
    actors,
    auth::Tenant,
    extract::{Json, Query},
    problem::Problem,
    serve::App,
};

/// Promises per page.
const PAGE: usize = 100;

/// Query of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    #[serde(default)]
    after: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Tenant(namespace): Tenant,
    Query(list): Query<List>,
) -> Result<axum::Json<wire::Page<wire::Promise>>, Problem> {
    let promises = app.handle.promises(&namespace, list.after.as_deref(), PAGE).await?;
    let next = (promises.len() == PAGE).then(|| promises.last().map(|promise| promise.token.clone())).flatten();
    Ok(axum::Json(wire::Page { items: promises.into_iter().map(actors::promise).collect(), next }))
}

/// Whoever has the token may: it is 160 random bits, made for this, and good for once.
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
