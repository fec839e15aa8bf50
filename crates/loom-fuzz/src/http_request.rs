//! HTTP requests to the whole interface, in process: answered, and every refusal says why.
//!
//! The input is readable: a line `METHOD TARGET`, header lines, an empty line, the body.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use loom_machine::{
    ActivitySpec, ActorSpec, Deployment, Failure, Guest, GuestLimits, HostFault, Module, Progress, Sandbox,
};
use loom_runtime::{Handle, Runtime, Settings, SystemClock};
use loom_server::{Auth, Router, Tokens};
use loom_storage::memory::MemoryStore;
use loom_types::{Cid, Namespace};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// Requests to one node before a fresh one, so that memory stays small.
const REQUESTS_PER_NODE: usize = 2000;

/// Sends one request.
pub(crate) fn run(input: &[u8]) {
    let Some(request) = request(input) else { return };
    static NODE: Mutex<Option<Node>> = Mutex::new(None);
    let mut node = NODE.lock().expect("a panic ends the process or the test");
    if node.as_ref().is_some_and(|node| node.requests > REQUESTS_PER_NODE) {
        node.take().expect("just looked").stop();
    }
    node.get_or_insert_with(Node::start).answers(request);
}

fn request(input: &[u8]) -> Option<Request<Full<Bytes>>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let head = std::str::from_utf8(&input[..end]).ok()?;
    let body = input.get(end + 2..).unwrap_or_default();
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    if !head.contains("\nhost:") {
        request = request.header(header::HOST, "localhost");
    }
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    request.body(Full::new(Bytes::copy_from_slice(body))).ok()
}

/// A node in memory behind its whole interface. It asks for tokens and has one of its own, so no request can shut the
/// later ones out.
struct Node {
    tokio: tokio::runtime::Runtime,
    runtime: Runtime,
    router: Router,
    token: HeaderValue,
    requests: usize,
    _folder: TempDir,
}

impl Node {
    fn start() -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let settings = Settings { shards: 1, ..Settings::default() };
        let clock = Arc::new(SystemClock::default());
        let runtime = tokio.block_on(async {
            let runtime = Runtime::start(settings, MemoryStore::storage(), Arc::new(Echoes), clock).await;
            let runtime = runtime.expect("a node in memory");
            deploy(&runtime.handle()).await;
            runtime
        });
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = Tokens::open(&folder.path().join("tokens.json")).expect("there are none");
        let (auth, own) = Auth::with_own_token(tokens);
        let token = format!("Bearer {}", own.expose()).parse().expect("a header's value");
        let router = loom_server::router(runtime.handle(), auth, &loom_server::Settings::default());
        Self { tokio, runtime, router, token, requests: 0, _folder: folder }
    }

    fn stop(self) {
        self.tokio.block_on(self.runtime.shutdown());
    }

    fn answers(&mut self, mut request: Request<Full<Bytes>>) {
        self.requests += 1;
        request.headers_mut().entry(header::AUTHORIZATION).or_insert(self.token.clone());
        self.tokio.block_on(answered(self.router.clone(), request));
    }
}

async fn answered(router: Router, request: Request<Full<Bytes>>) {
    let shown = format!("{} {}", request.method(), request.uri());
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{shown}");
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/problem+json");
    let body = response.into_body().collect().await.expect("the body is in memory").to_bytes();
    if status.is_client_error() || status.is_server_error() {
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        assert!(is_problem && problem["code"].is_string(), "{shown}: {status} {}", String::from_utf8_lossy(&body));
    }
}

async fn deploy(handle: &Handle) {
    let module = handle.put_blob("a module".into()).await.expect("stored in memory");
    let limits = GuestLimits::default();
    let actors = [("echo".to_owned(), ActorSpec::new(module, limits))].into();
    let activity = ActivitySpec::pure(module, limits);
    let deployment = Deployment::new("fuzz", actors, [("step".to_owned(), activity)].into());
    let deployment = deployment.expect("the names are fine");
    handle.deploy(&Namespace::default(), deployment).await.expect("activated");
}

/// A sandbox in which every module answers with its input.
struct Echoes;

impl Sandbox for Echoes {
    fn engine(&self) -> &str {
        "echoes/1"
    }

    fn check_limits(&self, _limits: &GuestLimits) -> Result<(), String> {
        Ok(())
    }

    fn compile(&self, _cid: Cid, bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault> {
        if bytes.is_empty() {
            return Ok(Err(Failure::new("not-wasm", "an empty module")));
        }
        Ok(Ok(Arc::new(Echoes)))
    }
}

impl Module for Echoes {
    fn calls_host(&self) -> bool {
        false
    }

    fn resident_bytes(&self) -> u64 {
        1
    }

    fn start(&self, _limits: &GuestLimits, input: &str) -> Result<Box<dyn Guest>, HostFault> {
        Ok(Box::new(Echo(input.to_owned())))
    }
}

struct Echo(String);

impl Guest for Echo {
    fn resume(&mut self, _answer: Option<&str>) -> Result<Progress, HostFault> {
        Ok(Progress::Returned(self.0.clone()))
    }

    fn fuel_used(&self) -> u64 {
        1
    }
}
