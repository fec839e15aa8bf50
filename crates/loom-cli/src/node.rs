//! A node: the embedded store, the sandbox and the runtime, put together.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use loom_runtime::{Handle, Host, Runtime, SystemClock, causes};
use loom_wasmtime::WasmtimeSandbox;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{CliError, OutsideSettings};

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Folder with the database, the blobs and compiled code.
    pub data: PathBuf,
    /// The runtime's settings.
    pub runtime: loom_runtime::Settings,
    /// The sandbox's settings.
    pub sandbox: loom_wasmtime::Settings,
    /// What activities can reach.
    pub outside: OutsideSettings,
}

impl NodeSettings {
    /// Defaults for a data folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        let cache_folder = Some(data.join("compiled"));
        let sandbox = loom_wasmtime::Settings { cache_folder, ..loom_wasmtime::Settings::default() };
        Self { data, runtime: loom_runtime::Settings::default(), sandbox, outside: OutsideSettings::default() }
    }
}

/// A running node.
pub struct Node {
    runtime: Runtime,
}

impl Node {
    /// Opens the data folder and starts.
    pub async fn start(settings: NodeSettings) -> Result<Self, CliError> {
        let storage = loom_store_sqlite::open(&loom_store_sqlite::Settings::new(&settings.data))?;
        let sandbox = WasmtimeSandbox::new(settings.sandbox).map_err(|error| CliError::new("sandbox", error))?;
        let clock = Arc::new(SystemClock::default());
        let host = Host { outside: settings.outside.open()?, ..Host::real(clock) };
        let runtime = Runtime::start_on(settings.runtime, storage, Arc::new(sandbox), host).await;
        Ok(Self { runtime: runtime.map_err(|error| CliError::new("start", causes(&error)))? })
    }

    /// What can be asked of it.
    pub fn handle(&self) -> Handle {
        self.runtime.handle()
    }

    /// Stops; what was committed is durable, the rest is taken up at the next start.
    pub async fn shutdown(self) {
        self.runtime.shutdown().await;
    }
}

/// A node with its HTTP interface.
pub(crate) struct ServingNode {
    node: Node,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl ServingNode {
    pub(crate) async fn start(settings: NodeSettings, listen: SocketAddr) -> Result<Self, CliError> {
        if !listen.ip().is_loopback() {
            let message = format!("{listen} is reachable from other machines, and this version has no authentication");
            return Err(CliError::new("not-loopback", message).hint("listen on 127.0.0.1 or [::1]"));
        }
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            CliError::new("address-in-use", format!("cannot listen on {listen}: {error}"))
                .hint("choose another address with --listen; port 0 takes any free one")
        })?;
        let address = listener.local_addr().map_err(|error| CliError::new("address-in-use", error))?;
        let node = Node::start(settings).await?;
        let stop = CancellationToken::new();
        let server = tokio::spawn(loom_server::serve(node.handle(), listener, stop.clone()));
        Ok(Self { node, address, stop, server })
    }

    pub(crate) async fn shutdown(self) {
        self.stop.cancel();
        // The runtime first: it answers requests that still wait, so that the server can end.
        self.node.shutdown().await;
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!(%error, "the server ended badly");
        }
    }
}
