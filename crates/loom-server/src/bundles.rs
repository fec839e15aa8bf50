//! Bundles: what an auditor takes away.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use loom_types::TurnNumber;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Actor, Query},
    openapi::{ActorPath, OctetStream},
    problem::Problem,
    serve::App,
};

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// One finished turn; all up to the newest without
    #[param(value_type = Option<usize>)]
    turn: Option<u64>,
}

/// Get a bundle: an actor's history, as one file that anybody can verify offline
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/bundle", operation_id = "readBundle", tag = "actors",
    params(ActorPath, Which),
    responses((status = 200, description = "The file", content_type = "application/vnd.ipld.car", body = OctetStream)))]
pub(crate) async fn bundle(
    State(app): State<App>,
    Actor(actor): Actor,
    Query(Which { turn }): Query<Which>,
) -> Result<Response, Problem> {
    let bundle = app.handle.bundle(&actor, turn.map(TurnNumber)).await?;
    let mut bytes = Vec::new();
    bundle.write(&mut bytes).expect("memory takes everything");
    let headers = [(header::CONTENT_TYPE, "application/vnd.ipld.car"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, bytes).into_response())
}
