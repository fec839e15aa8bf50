//! Bundles: what an auditor takes away.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use loom_runtime::{BundleOptions, BundleRequestError};
use loom_types::TurnNumber;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Actor, Query},
    openapi::{ActorPath, OctetStream},
    problem::Problem,
    serve::App,
};

/// Which part of the history, and what of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// One finished turn; all up to the newest without
    #[param(value_type = Option<usize>)]
    turn: Option<u64>,
    /// Also the turns of the actors that were called
    #[param(default = false)]
    #[serde(default)]
    closure: bool,
    /// Payloads to leave out, with commas between: `inputs`, `SEQ:ROLE`, `SEQ`, or `type/key#` before these
    #[param(value_type = Option<String>)]
    #[serde(default)]
    redact: String,
    /// Leave out too what would give those away; otherwise such a bundle is refused
    #[param(default = false)]
    #[serde(default)]
    cascade: bool,
    /// Also what programs that are proved were given in private; otherwise it is left out
    #[param(default = false)]
    #[serde(default)]
    disclose_inputs: bool,
}

/// Get a bundle: an actor's history, as one file that anybody can verify offline
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/bundle", operation_id = "readBundle", tag = "actors",
    params(ActorPath, Which),
    responses((status = 200, description = "The file", content_type = "application/vnd.ipld.car", body = OctetStream)))]
pub(crate) async fn bundle(
    State(app): State<App>,
    Actor(actor): Actor,
    Query(Which { turn, closure, redact, cascade, disclose_inputs }): Query<Which>,
) -> Result<Response, Problem> {
    let redact = redact.split(',').filter(|one| !one.is_empty()).map(str::parse).collect::<Result<_, _>>();
    let redact = redact.map_err(BundleRequestError::from)?;
    let options = BundleOptions { turn: turn.map(TurnNumber), closure, redact, cascade, disclose_inputs };
    let bundle = app.handle.bundle(&actor, &options).await?;
    let pieces: Vec<Bytes> = bundle.into_pieces().collect();
    // A file that was cut short on its way is noticed.
    let length = pieces.iter().map(Bytes::len).sum::<usize>().to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.ipld.car"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_LENGTH, length.as_str()),
    ];
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
    Ok((headers, body).into_response())
}
