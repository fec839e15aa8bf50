//! What is seen of every request: figures by route and status, and a span in the caller's trace.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method},
    middleware::Next,
    response::Response,
};
use loom_runtime::trace::{self, TraceContext};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use tracing::{Instrument as _, Span, field};

/// Longest `tracestate` that is passed on; W3C asks for at least this much.
const TRACE_STATE_BYTES_MAX: usize = 512;

/// Upper bounds of the latency buckets, in seconds. Requests may wait for their reply for minutes.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

/// Figures of the interface. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
}

impl HttpMetrics {
    /// Makes them and registers them under the prefix `loom_http`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { requests: Family::default(), seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)) };
        let registry = registry.sub_registry_with_prefix("loom").sub_registry_with_prefix("http");
        registry.register("requests", "Requests answered", metrics.requests.clone());
        let help = "Seconds until the answer began; a reply that is waited for counts in full";
        registry.register("request_seconds", help, metrics.seconds.clone());
        metrics
    }

    fn observe(&self, route: Route, status: u16, took: Duration) {
        let Route { method, route: path } = route.clone();
        self.requests.get_or_create(&Answered { method, route: path, status }).inc();
        self.seconds.get_or_create(&route).observe(took.as_secs_f64());
    }
}

/// Counts a request and runs it inside its span.
pub(crate) async fn observe(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    #[expect(clippy::disallowed_methods, reason = "this measures")]
    let start = std::time::Instant::now();
    let matched = request.extensions().get::<MatchedPath>();
    // Paths of strangers must not become labels.
    let route = matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let route = Route { method: known(request.method()), route };
    let span = span(&route, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    metrics.observe(route, status, start.elapsed());
    response
}

/// Methods are labels too, so only those with a meaning have a name of their own.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn span(route: &Route, headers: &HeaderMap) -> Span {
    let span = tracing::debug_span!(
        target: trace::TARGET,
        parent: None,
        "request",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = route.method,
        http.route = route.route,
        http.response.status_code = field::Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{} {}", route.method, route.route));
        if let Some(parent) = context(headers) {
            trace::set_parent(&span, &parent);
        }
    }
    span
}

/// The caller's trace context. What makes no sense of it is ignored, as W3C asks.
fn context(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let traceparent = text("traceparent")?.to_owned();
    let tracestate = text("tracestate").filter(|state| state.len() <= TRACE_STATE_BYTES_MAX).unwrap_or("").to_owned();
    Some(TraceContext { traceparent, tracestate })
}
