//! The node's log, as C2SP tlog-tiles lays it out below `/v1/log`: for monitors, witnesses and who wants to look.

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use loom_client as wire;
use loom_evidence::TileName;
use loom_runtime::SignedSize;
use utoipa::IntoParams;

use crate::{openapi::OctetStream, problem::Problem, serve::App};

/// Nothing about these bytes ever changes.
const IMMUTABLE: &str = "private, max-age=31536000, immutable";

fn no_log() -> Problem {
    Problem::new("no-log", "this node has no key to sign a log with")
}

/// Show how the node's log stands
///
/// The key that signs it, how far it is, and who cosigns it.
#[utoipa::path(get, path = "/v1/log", operation_id = "showLog", tag = "log",
    responses((status = 200, description = "How it stands", body = wire::Log)))]
pub(crate) async fn show(State(app): State<App>) -> Result<axum::Json<wire::Log>, Problem> {
    let status = app.handle.log_status().await?.ok_or_else(no_log)?;
    let size = |SignedSize { size, at_ms }| wire::SignedSize { size, at_ms };
    let witnesses = status.witnesses.into_iter().map(|witness| wire::LogWitness {
        key: witness.key.to_string(),
        cosigned: witness.cosigned,
        problem: witness.problem,
    });
    Ok(axum::Json(wire::Log {
        origin: status.key.name().to_owned(),
        key: status.key.to_string(),
        size: status.size,
        signed: status.signed.map(size),
        witnessed: status.witnessed.map(size),
        witnesses: witnesses.collect(),
    }))
}

/// Read the newest checkpoint of the node's log
///
/// C2SP tlog-checkpoint in a signed note, with the cosignatures that this very checkpoint has by now.
#[utoipa::path(get, path = "/v1/log/checkpoint", operation_id = "readLogCheckpoint", tag = "log",
    responses((status = 200, description = "The signed note", content_type = "text/plain", body = String)))]
pub(crate) async fn checkpoint(State(app): State<App>) -> Result<Response, Problem> {
    app.handle.log_status().await?.ok_or_else(no_log)?;
    let none = || Problem::new("unknown-tile", "nothing was signed yet; the first turn that ends will be");
    let note = app.handle.log_checkpoint().await?.ok_or_else(none)?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, note).into_response())
}

/// What of the log.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; `TileName` reads it")]
pub(crate) struct TilePath {
    /// `LEVEL/INDEX` or `entries/INDEX`, the index in groups of three digits with an `x` before all but the last; then
    /// `.p/WIDTH` if it is not full
    #[param(pattern = r"^(entries|[0-9]{1,3})/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?$", example = "entries/000.p/1")]
    path: String,
}

/// Read a tile of the node's log, or the leaves below one
///
/// C2SP tlog-tiles: 256 hashes of a level, or with `entries` the 256 leaves below a tile of level 0, each behind its
/// length in two bytes. With a width, the first so many.
#[utoipa::path(get, path = "/v1/log/tile/{path}", operation_id = "readLogTile", tag = "log", params(TilePath),
    responses((status = 200, description = "Hashes or leaves", content_type = "application/octet-stream",
        body = OctetStream)))]
pub(crate) async fn tile(State(app): State<App>, Path(path): Path<String>) -> Result<Response, Problem> {
    let invalid = || Problem::new("invalid-request", format!("'{path}' is not the path of a tile"));
    let TileName { level, index, width } = TileName::read(&format!("tile/{path}")).ok_or_else(invalid)?;
    let found = match level {
        Some(level) => app.handle.log_tile(level, index, width.into()).await?,
        None => app.handle.log_entries(index, width.into()).await?,
    };
    let Some(bytes) = found else {
        app.handle.log_status().await?.ok_or_else(no_log)?;
        return Err(Problem::new("unknown-tile", format!("nothing that was signed reaches as far as '{path}'")));
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, IMMUTABLE),
    ];
    Ok((headers, bytes).into_response())
}
