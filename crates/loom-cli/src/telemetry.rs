//! Traces: spans go to an OpenTelemetry collector, OTLP over HTTP, if one is named. Otherwise nothing here runs,
//! and a span costs a look at a flag.
//!
//! The only place that knows OpenTelemetry. What the runtime and the server need of it is behind
//! [`loom_runtime::trace::Propagation`].

use std::collections::HashMap;

use loom_runtime::trace::{self, Propagation, TraceContext};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::Targets, registry::Registry};

use crate::CliError;

/// Collects spans and sends them, in batches and on a thread of its own.
pub(crate) struct Telemetry {
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Begins to collect for the collector at `endpoint`, such as `http://127.0.0.1:4318`.
    pub(crate) fn start(endpoint: &str) -> Result<Self, CliError> {
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(&endpoint).build().map_err(|error| {
            CliError::new("config-invalid", format!("cannot send traces to {endpoint}: {error}"))
                .hint("name an OTLP/HTTP collector, such as http://127.0.0.1:4318")
        })?;
        let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "loom".to_owned());
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(name).with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        trace::install(Box::new(W3c(TraceContextPropagator::new())));
        Ok(Self { provider })
    }

    /// What collects. Log lines of guests become events of their turn's span.
    pub(crate) fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let wanted = Targets::new()
            .with_target(trace::TARGET, tracing::Level::DEBUG)
            .with_target("guest", tracing::Level::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("loom"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(wanted)
    }

    /// Sends what is left.
    pub(crate) fn stop(self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// W3C trace context.
struct W3c(TraceContextPropagator);

impl W3c {
    fn read(&self, context: &TraceContext) -> Context {
        let TraceContext { traceparent, tracestate } = context.clone();
        let headers: HashMap<_, _> =
            [("traceparent".to_owned(), traceparent), ("tracestate".to_owned(), tracestate)].into();
        self.0.extract_with_context(&Context::new(), &headers)
    }
}

impl Propagation for W3c {
    fn set_parent(&self, span: &Span, parent: &TraceContext) {
        let parent = self.read(parent);
        // Without a valid context the span begins a trace of its own; whoever is not collected needs no parent.
        if parent.span().span_context().is_valid() {
            let _ = span.set_parent(parent);
        }
    }

    fn link(&self, span: &Span, other: &TraceContext) {
        span.add_link(self.read(other).span().span_context().clone());
    }

    fn context(&self, span: &Span) -> Option<TraceContext> {
        let mut headers = HashMap::new();
        self.0.inject_context(&span.context(), &mut headers);
        let traceparent = headers.remove("traceparent")?;
        Some(TraceContext { traceparent, tracestate: headers.remove("tracestate").unwrap_or_default() })
    }
}
