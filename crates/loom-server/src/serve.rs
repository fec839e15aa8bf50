//! Routes with the role that each asks for, and serving them.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    handler::Handler,
    http::{Method, StatusCode, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::{MethodFilter, MethodRouter, on},
};
use loom_runtime::Handle;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{Access, Role},
    actors,
    auth::{Auth, Guard, guard},
    blobs, bundles, connections, controls, dead_letters, deployments, events,
    host::only_for_this_machine,
    log,
    observe::{HttpMetrics, observe},
    openapi,
    problem::{self, Problem},
    promises, schedules,
    settings::Settings,
    tls::Tls,
    token_routes as tokens,
};

/// What an interface is made of.
pub struct Components {
    /// The runtime.
    pub handle: Handle,
    /// How callers are known.
    pub auth: Auth,
    /// Bounds.
    pub settings: Settings,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) handle: Handle,
    pub(crate) auth: Arc<Auth>,
    registry: Arc<Registry>,
}

/// A route: what may be asked, of whom, and who answers.
struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    handler: MethodRouter<App>,
}

/// Every route of the interface. There is no other way into the router, so none can lack its role.
fn routes(settings: &Settings) -> Vec<Route> {
    use Access::{Namespace, Node, Public};
    use Role::{Admin, Deploy, Invoke, Read};
    let blob = DefaultBodyLimit::max(settings.blob_bytes_max);
    vec![
        get("/v1/actors", Namespace(Read), actors::list),
        get("/v1/actors/{type}/{key}", Namespace(Read), actors::show),
        get("/v1/actors/{type}/{key}/state", Namespace(Read), actors::state),
        get("/v1/actors/{type}/{key}/journal", Namespace(Read), actors::journal),
        get("/v1/actors/{type}/{key}/events", Namespace(Read), events::events),
        get("/v1/actors/{type}/{key}/bundle", Namespace(Read), bundles::bundle),
        // A query is a function of the state, which readers see anyway; its fuel and how many run at once are bounded.
        get("/v1/actors/{type}/{key}/query", Namespace(Read), actors::query_of_url),
        post("/v1/actors/{type}/{key}/query", Namespace(Read), actors::query),
        get("/v1/actors/{type}/{key}/messages/{id}", Namespace(Invoke), actors::follow),
        post("/v1/actors/{type}/{key}/messages", Namespace(Invoke), actors::send),
        post("/v1/actors/{type}/{key}/control", Namespace(Admin), controls::control),
        get("/v1/dead-letters", Namespace(Read), dead_letters::list),
        post("/v1/dead-letters/{id}", Namespace(Admin), dead_letters::redeliver),
        delete("/v1/dead-letters/{id}", Namespace(Admin), dead_letters::forget),
        get("/v1/schedules", Namespace(Read), schedules::list),
        get("/v1/promises", Namespace(Invoke), promises::list),
        // The token in the path is the right to settle this promise and nothing else.
        post("/v1/promises/{token}", Public, promises::settle),
        get("/v1/blobs/{cid}", Namespace(Read), blobs::get),
        post("/v1/blobs", Namespace(Invoke), blobs::post).layer(blob),
        put("/v1/blobs/{cid}", Namespace(Invoke), blobs::put).layer(blob),
        // Blobs belong to no tenant, so letting go of them is the node's business.
        post("/v1/blobs/gc", Node(Admin), blobs::collect),
        get("/v1/deployments", Namespace(Read), deployments::list),
        post("/v1/deployments", Namespace(Deploy), deployments::deploy),
        post("/v1/deployments/check", Namespace(Deploy), deployments::check),
        post("/v1/deployments/{name}/rollback", Namespace(Deploy), deployments::rollback),
        get("/v1/tokens", Namespace(Admin), tokens::list),
        post("/v1/tokens", Namespace(Admin), tokens::create),
        delete("/v1/tokens/{name}", Namespace(Admin), tokens::revoke),
        // It shows when actors of every tenant did something, so it is not for a reader of one.
        get("/v1/log", Node(Read), log::show),
        get("/v1/log/checkpoint", Node(Read), log::checkpoint),
        get("/v1/log/tile/{*path}", Node(Read), log::tile),
        get("/metrics", Node(Read), metrics),
        get("/healthz", Public, healthy),
        get("/readyz", Public, ready),
        get("/openapi.json", Public, openapi::read),
    ]
}

/// What each route asks of its caller, for documents and tests.
pub fn access() -> Vec<(Method, &'static str, Access)> {
    routes(&Settings::default()).into_iter().map(|route| (route.method, route.path, route.access)).collect()
}

macro_rules! route_functions {
    ($($function:ident $method:ident),*) => {$(
        fn $function<H, T>(path: &'static str, access: Access, handler: H) -> Route
        where
            H: Handler<T, App>,
            T: 'static,
        {
            Route { method: Method::$method, path, access, handler: on(MethodFilter::$method, handler) }
        }
    )*};
}

route_functions!(get GET, post POST, put PUT, delete DELETE);

impl Route {
    fn layer(self, limit: DefaultBodyLimit) -> Self {
        Self { handler: self.handler.layer(limit), ..self }
    }
}

/// The interface without a listener, for whoever brings the requests: a guard stands before every handler, but the
/// bounds of connections are those of [`serve`] alone.
pub fn router(handle: Handle, auth: Auth, settings: &Settings) -> Router {
    let mut registry = Registry::default();
    handle.register_metrics(&mut registry);
    let http = HttpMetrics::register(&mut registry);
    let auth = Arc::new(auth);
    let app = App { handle, auth: auth.clone(), registry: Arc::new(registry) };
    let mut router = Router::new();
    for Route { path, access, handler, .. } in routes(settings) {
        let state = Guard { auth: auth.clone(), access };
        router = router.route(path, handler.route_layer(from_fn_with_state(state, guard)));
    }
    router
        .fallback(problem::unknown_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(settings.body_bytes_max))
        .layer(Extension(crate::extract::BodyTimeout(settings.body_timeout)))
        .layer(from_fn_with_state(auth, only_for_this_machine))
        .layer(from_fn_with_state(http, observe))
        .with_state(app)
}

/// Serves until told to stop, then finishes requests under way.
pub async fn serve(components: Components, listener: TcpListener, stop: CancellationToken) {
    let Components { handle, auth, settings, tls } = components;
    let router = router(handle, auth, &settings);
    connections::run(router, &settings, tls, listener, stop).await;
}

/// Say that the process is there
///
/// Nothing is asked of anybody else: a node that answers need not be restarted.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "node",
    responses((status = 200, description = "It is", content_type = "text/plain", body = String)))]
pub(crate) async fn healthy() -> &'static str {
    "ok\n"
}

/// Say whether messages can be taken in
///
/// The deployments are back and the store makes things durable: something of no consequence is written to see it.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "node",
    responses((status = 200, description = "They can", content_type = "text/plain", body = String)))]
pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    app.handle.ready().await?;
    Ok("ready\n")
}

/// Read the node's figures
///
/// In the OpenMetrics text format, which Prometheus reads.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "node",
    responses((status = 200, description = "The figures",
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8", body = String)))]
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
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
