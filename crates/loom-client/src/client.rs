//! A typed client.

mod controls;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::{
    Accepted, Actor, ActorSummary, Blob, CheckReport, CheckRequest, CollectedBlobs, CreatedToken, Deployment, Entry,
    Events, IDEMPOTENCY_KEY, MESSAGE_ID, Manifest, NAMESPACE, NewToken, Page, Problem, Promise, Rollback, Secret,
    Settled, Settlement, TURN, Token,
};

/// How much longer than its own wait a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where modules are compiled before the answer, or turns are replayed.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(300);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the address.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server says no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer makes no sense.
    #[error("the server's answer is not understood: {0}")]
    Unexpected(String),
}

/// The certificates to trust cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificates to trust cannot be used")]
pub struct InvalidCertificates(#[source] reqwest::Error);

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub struct SendMessage {
    /// JSON text.
    pub body: String,
    /// The client's own id; sending again under it is safe.
    pub id: Option<String>,
    /// How long to wait for the reply; none to return as soon as the message is durable.
    pub wait: Option<Duration>,
    /// Come back as soon as the turn waits for promises.
    pub until_waiting: bool,
}

/// Which part of an actor's history a bundle is to have, and what of it.
#[derive(Clone, Debug, Default)]
pub struct BundleRequest {
    /// One finished turn; all up to the newest without.
    pub turn: Option<u64>,
    /// Also the turns of the actors that were called.
    pub closure: bool,
    /// Payloads to leave out: `inputs`, `SEQ:ROLE`, `SEQ`, or `type/key#` before these.
    pub redact: Vec<String>,
    /// Leave out too what would give those away.
    pub cascade: bool,
    /// Also what programs that are proved were given in private.
    pub disclose_inputs: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Answered {
    /// The reply.
    Reply {
        /// The message.
        id: String,
        /// The turn that made it.
        turn: u64,
        /// JSON text.
        reply: String,
    },
    /// Durable, but not answered yet.
    Accepted(Accepted),
}

/// Where a node is, and as whom to talk to it.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Its address, such as `http://127.0.0.1:4100`.
    pub url: String,
    /// The namespace that requests are about; the node's `default` if there is none.
    pub namespace: Option<String>,
    /// The bearer token.
    pub token: Option<Secret<String>>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
}

/// A connection to one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    namespace: Option<String>,
    token: Option<Secret<String>>,
}

/// Makes *ring* the process's cryptography. Whoever builds a `reqwest::Client` of their own calls this first.
pub fn use_ring() {
    // An error says that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Client {
    /// A client for the node at `url`, such as `http://127.0.0.1:4100`, without a token.
    pub fn new(url: &str) -> Self {
        let connection = Connection { url: url.to_owned(), ..Connection::default() };
        Self::connect(connection).expect("a client without certificates can be built")
    }

    /// A client; connects when it is used.
    pub fn connect(connection: Connection) -> Result<Self, InvalidCertificates> {
        use_ring();
        let Connection { url, namespace, token, ca } = connection;
        let mut http = reqwest::Client::builder();
        if let Some(pem) = ca {
            http = http.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).map_err(InvalidCertificates)?);
        }
        let http = http.build().map_err(InvalidCertificates)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), namespace, token })
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same node and token, about another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.patient_request(method, path).timeout(PATIENCE)
    }

    /// A request whose answer may take any time.
    fn patient_request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        request
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let unreachable = |source| ClientError::Unreachable { url: self.url.clone(), source };
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
            Err(_) => Err(ClientError::Unexpected(format!("{status}: {}", text.chars().take(200).collect::<String>()))),
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let text = self.text(request).await?;
        serde_json::from_str(&text).map_err(|error| ClientError::Unexpected(error.to_string()))
    }

    async fn text(&self, request: RequestBuilder) -> Result<String, ClientError> {
        let response = self.answer(request).await?;
        response.text().await.map_err(|error| ClientError::Unexpected(error.to_string()))
    }

    /// Sends a message to `type/key`.
    pub async fn send(&self, actor: &str, message: SendMessage) -> Result<Answered, ClientError> {
        let SendMessage { body, id, wait, until_waiting } = message;
        let mut request = self
            .request(Method::POST, &format!("/v1/actors/{actor}/messages"))
            .header("content-type", "application/json")
            .body(body);
        if let Some(id) = id {
            request = request.header(IDEMPOTENCY_KEY, id);
        }
        self.waited(request, wait, until_waiting).await
    }

    /// Asks again for the reply to a message.
    pub async fn follow(
        &self,
        actor: &str,
        id: &str,
        wait: Option<Duration>,
        until_waiting: bool,
    ) -> Result<Answered, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/actors/{actor}/messages/{id}"));
        self.waited(request, wait, until_waiting).await
    }

    async fn waited(
        &self,
        request: RequestBuilder,
        wait: Option<Duration>,
        until_waiting: bool,
    ) -> Result<Answered, ClientError> {
        let request = if until_waiting { request.query(&[("until_waiting", "true")]) } else { request };
        let request = match wait {
            Some(wait) => request.query(&[("wait", format!("{}ms", wait.as_millis()))]).timeout(wait + PATIENCE),
            None => request,
        };
        let response = self.answer(request).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (id, turn) = (header(MESSAGE_ID), header(TURN));
        let status = response.status();
        let text = response.text().await.map_err(|error| ClientError::Unexpected(error.to_string()))?;
        if status == StatusCode::ACCEPTED {
            let accepted = serde_json::from_str(&text).map_err(|error| ClientError::Unexpected(error.to_string()))?;
            return Ok(Answered::Accepted(accepted));
        }
        let missing = || ClientError::Unexpected("a reply came without its headers".to_owned());
        let turn = turn.and_then(|turn| turn.parse().ok()).ok_or_else(missing)?;
        Ok(Answered::Reply { id: id.ok_or_else(missing)?, turn, reply: text })
    }

    /// A page of actors.
    pub async fn actors(
        &self,
        actor_type: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page<ActorSummary>, ClientError> {
        let query: Vec<_> = [("type", actor_type), ("after", after)]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
        self.json(self.request(Method::GET, "/v1/actors").query(&query)).await
    }

    /// One actor.
    pub async fn actor(&self, actor: &str) -> Result<Actor, ClientError> {
        self.json(self.request(Method::GET, &format!("/v1/actors/{actor}"))).await
    }

    /// Its state, as JSON text.
    pub async fn state(&self, actor: &str) -> Result<String, ClientError> {
        self.text(self.request(Method::GET, &format!("/v1/actors/{actor}/state"))).await
    }

    /// What its module says about its committed state; `input` and the answer are JSON text.
    pub async fn query(&self, actor: &str, input: String) -> Result<String, ClientError> {
        let request = self.request(Method::POST, &format!("/v1/actors/{actor}/query"));
        self.text(request.header("content-type", "application/json").body(input)).await
    }

    /// A page of its journal from entry `from` on; empty at the end.
    pub async fn journal(&self, actor: &str, from: u64) -> Result<Vec<Entry>, ClientError> {
        self.json(self.request(Method::GET, &format!("/v1/actors/{actor}/journal")).query(&[("from", from)])).await
    }

    /// Follows its journal from entry `from` on: what is there already, then what comes.
    pub async fn events(&self, actor: &str, from: u64) -> Result<Events, ClientError> {
        // No timeout: silence means that nothing happens.
        let request = self.patient_request(Method::GET, &format!("/v1/actors/{actor}/events"));
        self.answer(request.query(&[("from", from)])).await.map(Events::new)
    }

    /// A page of unresolved promises.
    pub async fn promises(&self, after: Option<&str>) -> Result<Page<Promise>, ClientError> {
        let query: Vec<_> = after.map(|after| ("after", after)).into_iter().collect();
        self.json(self.request(Method::GET, "/v1/promises").query(&query)).await
    }

    /// Settles a promise.
    pub async fn settle(&self, token: &str, settlement: &Settlement) -> Result<Settled, ClientError> {
        self.json(self.request(Method::POST, &format!("/v1/promises/{token}")).json(settlement)).await
    }

    /// Stores a blob.
    pub async fn put_blob(&self, bytes: Vec<u8>) -> Result<Blob, ClientError> {
        let request = self.request(Method::POST, "/v1/blobs").header("content-type", "application/octet-stream");
        self.json(request.body(bytes)).await
    }

    /// Reads a blob.
    pub async fn blob(&self, cid: &str) -> Result<Vec<u8>, ClientError> {
        let response = self.answer(self.request(Method::GET, &format!("/v1/blobs/{cid}"))).await?;
        let bytes = response.bytes().await.map_err(|error| ClientError::Unexpected(error.to_string()))?;
        Ok(bytes.to_vec())
    }

    /// An actor's history as a bundle.
    pub async fn bundle(&self, actor: &str, asked: &BundleRequest) -> Result<Vec<u8>, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/actors/{actor}/bundle"));
        let BundleRequest { turn, closure, redact, cascade, disclose_inputs } = asked;
        let turn = turn.map(|turn| ("turn", turn.to_string()));
        let redact = (!redact.is_empty()).then(|| ("redact", redact.join(",")));
        let flags = [("closure", *closure), ("cascade", *cascade), ("disclose_inputs", *disclose_inputs)];
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
        let flags = flags.map(|(name, _)| (name, "true".to_owned()));
        let query: Vec<_> = turn.into_iter().chain(redact).chain(flags).collect();
        let response = self.answer(request.timeout(DEPLOY_PATIENCE).query(&query)).await?;
        let bytes = response.bytes().await.map_err(|error| ClientError::Unexpected(error.to_string()))?;
        Ok(bytes.to_vec())
    }

    /// Removes blobs to which nothing leads and that were stored longer ago than `kept_seconds`, or only counts them.
    pub async fn collect_blobs(&self, dry_run: bool, kept_seconds: u64) -> Result<CollectedBlobs, ClientError> {
        let request = self.request(Method::POST, "/v1/blobs/gc");
        let dry_run = dry_run.to_string();
        self.json(request.query(&[("dry_run", dry_run), ("kept_seconds", kept_seconds.to_string())])).await
    }

    /// Checks and activates a deployment, whose modules are uploaded already.
    pub async fn deploy(&self, manifest: &Manifest) -> Result<Deployment, ClientError> {
        self.json(self.request(Method::POST, "/v1/deployments").timeout(DEPLOY_PATIENCE).json(manifest)).await
    }

    /// Active deployments.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, ClientError> {
        self.json(self.request(Method::GET, "/v1/deployments")).await
    }

    /// Active deployments, each followed by up to `history` former ones of its name, newest first.
    pub async fn deployment_history(&self, history: usize) -> Result<Vec<Deployment>, ClientError> {
        self.json(self.request(Method::GET, "/v1/deployments").query(&[("history", history)])).await
    }

    /// Replays recorded turns against a deployment. Nothing changes.
    pub async fn check(&self, request: &CheckRequest) -> Result<CheckReport, ClientError> {
        self.json(self.request(Method::POST, "/v1/deployments/check").timeout(DEPLOY_PATIENCE).json(request)).await
    }

    /// Activates a former deployment again.
    pub async fn rollback(&self, name: &str, rollback: &Rollback) -> Result<Deployment, ClientError> {
        let path = format!("/v1/deployments/{name}/rollback");
        self.json(self.request(Method::POST, &path).timeout(DEPLOY_PATIENCE).json(rollback)).await
    }

    /// Makes a token.
    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken, ClientError> {
        self.json(self.request(Method::POST, "/v1/tokens").json(token)).await
    }

    /// The tokens that the caller may manage.
    pub async fn tokens(&self) -> Result<Vec<Token>, ClientError> {
        self.json(self.request(Method::GET, "/v1/tokens")).await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, name: &str) -> Result<Token, ClientError> {
        self.json(self.request(Method::DELETE, &format!("/v1/tokens/{name}"))).await
    }

    /// Whether the node is there and well.
    pub async fn health(&self) -> Result<(), ClientError> {
        self.text(self.request(Method::GET, "/healthz")).await.map(drop)
    }
}
