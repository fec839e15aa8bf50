//! A server for tests, on a port of its own, in memory, without guests.

use std::{sync::Arc, time::Duration};

use loom_client::{Client, Connection, NewToken, Secret};
use loom_machine::{Failure, GuestLimits, HostFault, Module, Sandbox};
use loom_runtime::{Runtime, SystemClock};
use loom_server::{Auth, Components, Settings, Tokens};
use loom_storage::memory::MemoryStore;
use loom_types::Cid;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything; passing tests never get near it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// No module runs in it.
struct NoSandbox;

impl Sandbox for NoSandbox {
    fn engine(&self) -> &str {
        "none"
    }

    fn check_limits(&self, _limits: &GuestLimits) -> Result<(), String> {
        Ok(())
    }

    fn compile(&self, _cid: Cid, _bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault> {
        Ok(Err(Failure::new("not-wasm", "nothing runs here")))
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    runtime: Runtime,
    stop: CancellationToken,
    served: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let runtime = loom_runtime::Settings { shards: 1, ..loom_runtime::Settings::default() };
        let clock = Arc::new(SystemClock::default());
        let runtime = Runtime::start(runtime, MemoryStore::storage(), Arc::new(NoSandbox), clock).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&folder.path().join("tokens.json")).unwrap();
        let mut settings = Settings::default();
        change(&mut settings);
        let components = Components { handle: runtime.handle(), auth: Auth::new(tokens), settings, tls: None };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let served = tokio::spawn(loom_server::serve(components, listener, stop.clone()));
        Self { address, runtime, stop, served, folder }
    }

    pub(crate) fn client(&self, token: Option<&Secret<String>>, namespace: &str) -> Client {
        let connection = Connection {
            url: format!("http://{}", self.address),
            namespace: Some(namespace.to_owned()),
            token: token.cloned(),
            ca: None,
        };
        Client::connect(connection).unwrap()
    }

    /// Makes a token, as `by` or, for the first, as anybody.
    pub(crate) async fn token(&self, by: Option<&Secret<String>>, name: &str, grants: &str) -> Secret<String> {
        self.client(by, "default").create_token(&new_token(name, grants)).await.unwrap().token
    }

    /// The file with its tokens.
    pub(crate) fn tokens_file(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("tokens.json")).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.runtime.shutdown().await;
        tokio::time::timeout(PATIENCE, self.served).await.unwrap().unwrap();
    }
}

/// `acme=read other=admin` and so on.
pub(crate) fn new_token(name: &str, grants: &str) -> NewToken {
    let grants = grants.split(' ').map(|grant| grant.split_once('=').unwrap());
    let grants = grants.map(|(namespace, role)| (namespace.to_owned(), role.to_owned())).collect();
    NewToken { name: name.to_owned(), grants }
}
