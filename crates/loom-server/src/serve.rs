//! Routes, and serving them.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use loom_runtime::Handle;
use loom_types::limits::{BLOB_BYTES_MAX, PAYLOAD_BYTES_MAX};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    actors, blobs, deployments,
    problem::{self, Problem},
    promises,
};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) handle: Handle,
    registry: Arc<Registry>,
}

/// The routes.
pub fn router(handle: Handle) -> Router {
    let mut registry = Registry::default();
    handle.metrics().register(&mut registry);
    let app = App { handle, registry: Arc::new(registry) };
    let blob_routes = Router::new()
        .route("/v1/blobs", post(blobs::post))
        .route("/v1/blobs/{cid}", get(blobs::get).put(blobs::put))
        .layer(DefaultBodyLimit::max(BLOB_BYTES_MAX));
    Router::new()
        .route("/v1/actors", get(actors::list))
        .route("/v1/actors/{type}/{key}", get(actors::show))
        .route("/v1/actors/{type}/{key}/messages", post(actors::send))
        .route("/v1/actors/{type}/{key}/messages/{id}", get(actors::follow))
        .route("/v1/actors/{type}/{key}/query", get(actors::query_of_url).post(actors::query))
        .route("/v1/actors/{type}/{key}/state", get(actors::state))
        .route("/v1/actors/{type}/{key}/journal", get(actors::journal))
        .route("/v1/promises", get(promises::list))
        .route("/v1/promises/{token}", post(promises::settle))
        .route("/v1/deployments", get(deployments::list).post(deployments::deploy))
        .layer(DefaultBodyLimit::max(PAYLOAD_BYTES_MAX))
        .merge(blob_routes)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(problem::unknown_route)
        .method_not_allowed_fallback(problem::unknown_route)
        .layer(axum::middleware::from_fn(only_for_this_machine))
        .with_state(app)
}

/// Refuses requests that name another host. A node on the loopback interface can be reached by any web page whose
/// name was made to resolve to it; what the page cannot do is call itself `localhost`.
async fn only_for_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    if ["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        return next.run(request).await;
    }
    let host: String = host.chars().take(80).collect();
    Problem::new("misdirected-host", format!("this node answers to localhost, not to '{host}'")).into_response()
}

/// Serves until told to stop, then finishes requests under way.
pub async fn serve(handle: Handle, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(handle)).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// Ready when the store answers.
async fn ready(State(app): State<App>) -> impl IntoResponse {
    match app.handle.actors(&loom_types::Namespace::default(), None, None, 1).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &app.registry) {
        Ok(()) => {
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, media)], text)
        }
        Err(error) => {
            let media = "text/plain; charset=utf-8";
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, media)], error.to_string())
        }
    }
}
