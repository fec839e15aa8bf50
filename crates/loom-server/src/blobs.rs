//! Blobs.

use std::time::Duration;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use loom_client as wire;
use loom_storage::collect::CollectError;
use loom_types::{Cid, Codec};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Path, Query, Raw, cid},
    openapi::{BlobPath, OctetStream},
    problem::Problem,
    serve::App,
};

/// Store a blob
#[utoipa::path(post, path = "/v1/blobs", operation_id = "storeBlob", tag = "blobs",
    request_body(content = OctetStream, content_type = "application/octet-stream"),
    responses((status = 200, description = "Its name", body = wire::Blob)))]
pub(crate) async fn post(State(app): State<App>, Raw(bytes): Raw) -> Result<axum::Json<wire::Blob>, Problem> {
    store(&app, bytes).await
}

/// Store a blob whose name is known
#[utoipa::path(put, path = "/v1/blobs/{cid}", operation_id = "storeNamedBlob", tag = "blobs", params(BlobPath),
    request_body(content = OctetStream, content_type = "application/octet-stream"),
    responses((status = 200, description = "Its name", body = wire::Blob)))]
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

/// Query of collections.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Collect {
    /// Only count them
    #[serde(default)]
    #[param(required = false)]
    dry_run: bool,
    /// Keep those that were put at most this long ago; a day without
    #[param(value_type = Option<usize>)]
    kept_seconds: Option<u64>,
}

/// Remove blobs to which nothing leads
#[utoipa::path(post, path = "/v1/blobs/gc", operation_id = "collectBlobs", tag = "blobs", params(Collect),
    responses((status = 200, description = "What was kept and removed", body = wire::CollectedBlobs)))]
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

/// Read a blob
#[utoipa::path(get, path = "/v1/blobs/{cid}", operation_id = "readBlob", tag = "blobs", params(BlobPath),
    responses((status = 200, description = "Its bytes", content_type = "application/octet-stream", body = OctetStream)))]
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
