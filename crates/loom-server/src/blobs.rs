//! Blobs.

use std::time::Duration;

use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use loom_client as wire;
use loom_storage::collect::CollectError;
use loom_types::{Cid, Codec};
use serde::Deserialize;

use crate::{
    extract::{Raw, cid},
    problem::Problem,
    serve::App,
};

pub(crate) async fn post(State(app): State<App>, Raw(bytes): Raw) -> Result<axum::Json<wire::Blob>, Problem> {
    store(&app, bytes).await
}

pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    Raw(bytes): Raw,
) -> Result<axum::Json<wire::Blob>, Problem> {
    let expected = cid(&name)?;
    let actual = Cid::of(Codec::Raw, &bytes);
    if actual != expected {
        return Err(Problem::new("digest-mismatch", format!("the bytes are {actual}, not {expected}")));
    }
    store(&app, bytes).await
}

async fn store(app: &App, bytes: Bytes) -> Result<axum::Json<wire::Blob>, Problem> {
    let size = bytes.len() as u64;
    let cid = app.handle.put_blob(bytes).await?;
    Ok(axum::Json(wire::Blob { cid: cid.to_string(), bytes: size }))
}

/// Unless a client says otherwise, what was uploaded a short time ago stays: its name may be on the way.
const KEPT_SECONDS: u64 = 24 * 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collect {
    #[serde(default)]
    dry_run: bool,
    kept_seconds: Option<u64>,
}

pub(crate) async fn collect(
    State(app): State<App>,
    Query(Collect { dry_run, kept_seconds }): Query<Collect>,
) -> Result<axum::Json<wire::CollectedBlobs>, Problem> {
    let kept = Duration::from_secs(kept_seconds.unwrap_or(KEPT_SECONDS));
    let collected = app.handle.collect_blobs(kept, dry_run).await?;
    Ok(axum::Json(wire::CollectedBlobs {
        kept: collected.kept,
        removed: collected.removed,
        removed_bytes: collected.removed_bytes,
        dry_run,
    }))
}

impl From<CollectError> for Problem {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::UnderWay => Self::new("collection-under-way", error.to_string()),
            CollectError::Store(error) => error.into(),
            CollectError::Blob(error) => error.into(),
        }
    }
}

pub(crate) async fn get(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let bytes = app.handle.blob(cid(&name)?).await?;
    // Bytes of strangers: a browser must neither guess their type nor run them.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes).into_response())
}
