//! Blobs.

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use loom_client as wire;
use loom_types::{Cid, Codec};

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
