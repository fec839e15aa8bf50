//! A proving server that proves nothing: it follows a plan, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::task::AbortOnDropHandle;

pub(super) const KEY: &str = "a-key-that-nobody-else-may-see";

/// What it will do.
#[derive(Default)]
pub(super) struct Plan {
    /// It has the program already.
    pub(super) has_program: bool,
    /// Where inputs and receipts are, if not here.
    pub(super) store: Option<String>,
    /// What to answer to who asks for a session, after it was counted; else its name.
    pub(super) create_status: Option<StatusCode>,
    /// Let who asks for a session wait, after it was counted, until told.
    pub(super) create_gate: Option<Arc<Notify>>,
    /// How sessions stand, each for one question and the last for ever.
    pub(super) session: VecDeque<Value>,
    /// The same of SNARKs.
    pub(super) snark: VecDeque<Value>,
    /// Where who asks how a session stands is sent instead.
    pub(super) redirect: Option<String>,
    /// A body without an end for who asks how a session stands.
    pub(super) endless_status: bool,
    pub(super) receipt: Receipt,
}

/// What there is for who asks for a receipt.
#[derive(Clone, Default)]
pub(super) enum Receipt {
    #[default]
    None,
    Bytes(StatusCode, Vec<u8>),
    /// These, again and again.
    Endless(Vec<u8>),
}

/// What it was asked.
#[derive(Default)]
pub(super) struct Seen {
    /// Method and path of each request, and the key that came with it.
    pub(super) requests: Vec<(String, Option<String>)>,
    pub(super) programs: Vec<Bytes>,
    pub(super) inputs: Vec<Bytes>,
    pub(super) sessions: Vec<Value>,
    pub(super) snarks: Vec<Value>,
    pub(super) deleted: Vec<String>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) plan: Mutex<Plan>,
    pub(super) seen: Mutex<Seen>,
    /// Somebody asks for a session, or how one stands.
    pub(super) asked: Notify,
    url: String,
}

pub(super) struct Stub {
    pub(super) shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

impl Stub {
    pub(super) async fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { plan: plan.into(), url, ..Shared::default() });
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { shared, _server: AbortOnDropHandle::new(server) }
    }

    pub(super) fn url(&self) -> &str {
        &self.shared.url
    }

    pub(super) fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.shared.plan.lock().unwrap());
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.seen.lock().unwrap())
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let key = parts.headers.get("x-api-key").map(|key| key.to_str().unwrap().to_owned());
    if key.is_some() {
        assert_eq!(parts.headers["x-risc0-version"], "3.0.6");
    }
    let body = to_bytes(body, 1 << 26).await.unwrap();
    let (method, path) = (parts.method.as_str(), parts.uri.path().to_owned());
    shared.seen.lock().unwrap().requests.push((format!("{method} {path}"), key));
    let gate = shared.plan.lock().unwrap().create_gate.clone();
    let words: Vec<&str> = path.split('/').skip(1).collect();
    if let ("POST", ["sessions", "create"]) = (method, &words[..]) {
        shared.seen.lock().unwrap().sessions.push(serde_json::from_slice(&body).unwrap());
        shared.asked.notify_one();
        if let Some(gate) = gate {
            gate.notified().await;
        }
    }
    reply(&shared, method, &words, body)
}

fn reply(shared: &Shared, method: &str, words: &[&str], body: Bytes) -> Response {
    let mut plan = shared.plan.lock().unwrap();
    let mut seen = shared.seen.lock().unwrap();
    let store = plan.store.clone().unwrap_or_else(|| shared.url.clone());
    let json = |value: Value| axum::Json(value).into_response();
    match (method, words) {
        ("GET", ["images", "upload", _]) if plan.has_program => StatusCode::NO_CONTENT.into_response(),
        ("GET", ["images", "upload", id]) => json(json!({ "url": format!("{store}/put/image/{id}") })),
        ("PUT", ["put", "image", _]) => {
            seen.programs.push(body);
            StatusCode::OK.into_response()
        }
        ("GET", ["inputs", "upload"]) => json(json!({ "url": format!("{store}/put/input"), "uuid": "input-1" })),
        ("PUT", ["put", "input"]) => {
            seen.inputs.push(body);
            StatusCode::OK.into_response()
        }
        ("DELETE", ["inputs", name]) => {
            seen.deleted.push((*name).to_owned());
            StatusCode::OK.into_response()
        }
        ("POST", ["sessions", "create"]) => match plan.create_status {
            Some(status) => (status, format!("no session for {KEY}")).into_response(),
            None => json(json!({ "uuid": format!("session-{}", seen.sessions.len()) })),
        },
        ("GET", ["sessions", "status", _]) => {
            shared.asked.notify_one();
            if let Some(elsewhere) = &plan.redirect {
                return (StatusCode::FOUND, [("location", elsewhere.clone())]).into_response();
            }
            if plan.endless_status {
                return endless(b"{".to_vec());
            }
            json(next(&mut plan.session, &store))
        }
        ("GET", ["receipts", _]) => json(json!({ "url": format!("{store}/get/receipt?signature=very-secret") })),
        ("POST", ["snark", "create"]) => {
            seen.snarks.push(serde_json::from_slice(&body).unwrap());
            json(json!({ "uuid": format!("snark-{}", seen.snarks.len()) }))
        }
        ("GET", ["snark", "status", _]) => json(next(&mut plan.snark, &store)),
        ("GET", ["get", "receipt"]) => match plan.receipt.clone() {
            Receipt::None => StatusCode::NOT_FOUND.into_response(),
            Receipt::Bytes(status, bytes) => (status, bytes).into_response(),
            Receipt::Endless(bytes) => endless(bytes),
        },
        _ => (StatusCode::NOT_FOUND, format!("{method} {words:?} is not in the protocol")).into_response(),
    }
}

/// `STORE` in it becomes the address of the store.
fn next(plan: &mut VecDeque<Value>, store: &str) -> Value {
    let next = if plan.len() > 1 { plan.pop_front() } else { plan.front().cloned() };
    let text = next.expect("somebody planned it").to_string();
    serde_json::from_str(&text.replace("STORE", store)).unwrap()
}

fn endless(bytes: Vec<u8>) -> Response {
    let chunk = Bytes::from(bytes.repeat((1 << 16) / bytes.len() + 1));
    let chunks = futures::stream::repeat_with(move || Ok::<_, std::convert::Infallible>(chunk.clone()));
    Body::from_stream(chunks).into_response()
}
