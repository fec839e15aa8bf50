//! Traces: one request, its turn, the turns it leads to and their activities are one trace, the caller's.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, routing::post};
use loom_client::SendMessage;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;

use crate::process::{Dev, PATIENCE, deployment, stdout};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A collector that keeps every span.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start(&self) -> String {
        loom_client::use_ring();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(Self::take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    }

    async fn take(State(collector): State<Self>, body: Bytes) {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        collector.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
    }

    /// The spans of a trace.
    fn trace(&self, id: &str) -> Trace {
        let spans = self.spans.lock().unwrap();
        Trace(spans.iter().filter(|span| hex(&span.trace_id) == id).cloned().collect())
    }
}

struct Trace(Vec<Span>);

impl Trace {
    /// The one span of this name for this actor, if an actor is named.
    fn span(&self, name: &str, actor: Option<&str>) -> &Span {
        let is_of = |span: &&Span| {
            actor.is_none_or(|actor| {
                span.attributes
                    .iter()
                    .any(|attribute| attribute.key == "loom.actor" && format!("{:?}", attribute.value).contains(actor))
            })
        };
        let found: Vec<_> = self.0.iter().filter(|span| span.name == name).filter(is_of).collect();
        assert_eq!(found.len(), 1, "{name} {actor:?} in {:#?}", self.0);
        found[0]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_all_it_leads_to_are_one_trace() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::default();
    let otlp = collector.start().await;
    let dev = Dev::start(&folder.path().join("data"), &["--otlp-endpoint", &otlp]);
    stdout(&["deploy", deployment(&folder.path().join("app")).to_str().unwrap(), "--url", &dev.url]);
    let program = r#"{"do":[{"op":"activity","name":"echo","input":1},
        {"op":"call","to":"other/called","body":{"do":[{"op":"activity","name":"effect","input":2},{"trap":"oh"}]}}]}"#;
    let request = reqwest::Client::new()
        .post(format!("{}/v1/actors/probe/a/messages?wait=60s", dev.url))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("tracestate", "vendor=1")
        .body(program);
    request.send().await.unwrap();
    // Stopping sends what is left.
    dev.terminate();

    let trace = collector.trace(TRACE);
    let request = trace.span("POST /v1/actors/{type}/{key}/messages", None);
    let turn = trace.span("turn probe", None);
    let called = trace.span("turn other", Some("default/other/called"));
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(request.trace_state, "vendor=1");
    assert_eq!(turn.parent_span_id, request.span_id);
    assert_eq!(called.parent_span_id, turn.span_id, "a message carries its sender's trace");
    assert_eq!(trace.span("activity echo", None).parent_span_id, turn.span_id);
    assert_eq!(trace.span("activity effect", None).parent_span_id, called.span_id);
    assert_eq!(called.status.as_ref().unwrap().code(), StatusCode::Error, "it trapped");
    assert!(trace.0.iter().any(|span| span.name == "commit" && span.parent_span_id == turn.span_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_taken_up_again_is_linked_to_who_follows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, collector) = (folder.path().join("data"), Collector::default());
    let otlp = collector.start().await;
    let dev = Dev::start(&data, &["--otlp-endpoint", &otlp]);
    stdout(&["deploy", deployment(&folder.path().join("app")).to_str().unwrap(), "--url", &dev.url]);
    let waits = r#"{"do":[{"op":"promise.create"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}}]}"#;
    let message =
        || SendMessage { body: waits.to_owned(), id: Some("m".to_owned()), wait: Some(PATIENCE), until_waiting: true };
    dev.client().send("probe/a", message()).await.unwrap();
    dev.kill();

    let dev = Dev::start(&data, &["--otlp-endpoint", &otlp]);
    let follow = reqwest::Client::new()
        .get(format!("{}/v1/actors/probe/a/messages/m?wait=60s&until_waiting=true", dev.url))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(follow.send().await.unwrap().status(), 202);
    let token = dev.client().promises(None).await.unwrap().items.remove(0).token;
    stdout(&["promise", "resolve", &token, "1", "--url", &dev.url]);
    stdout(&["call", "probe/a", r#"{"do":[]}"#, "--url", &dev.url]);
    dev.terminate();

    let follower = collector.trace(TRACE);
    let request = follower.span("GET /v1/actors/{type}/{key}/messages/{id}", None);
    let spans = collector.spans.lock().unwrap();
    let linked: Vec<_> = spans.iter().filter(|span| !span.links.is_empty()).collect();
    assert_eq!(linked.len(), 1, "{linked:#?}");
    assert_eq!(linked[0].name, "turn probe");
    assert_eq!(linked[0].links[0].span_id, request.span_id);
    assert!(linked[0].parent_span_id.is_empty(), "its own trace was not kept");
}
