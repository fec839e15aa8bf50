//! A node: the embedded store, the sandbox and the runtime, put together.

use std::{net::SocketAddr, sync::Arc};

use loom_client::Secret;
use loom_runtime::{Handle, Host, Runtime, SystemClock, causes};
use loom_server::{Auth, Components, Tls, Tokens};
use loom_wasmtime::WasmtimeSandbox;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{CliError, key, outside, proving, settings::NodeSettings, witnesses};

/// A running node.
pub struct Node {
    runtime: Runtime,
}

impl Node {
    /// Opens the data folder and starts.
    pub async fn start(settings: NodeSettings) -> Result<Self, CliError> {
        let outside = outside::open(&settings)?;
        let storage = loom_store_sqlite::open(&settings.store)?;
        let sandbox = WasmtimeSandbox::new(settings.sandbox).map_err(|error| CliError::new("sandbox", error))?;
        let clock = Arc::new(SystemClock::default());
        // The folder is ours by now, so nobody else makes a key for it.
        let log_key = Some(key::open(&settings.data, &storage).await?);
        let witnesses = witnesses::open(&settings.witnesses)?;
        let prove = proving::open(&settings.data, &settings.prover)?;
        let host = Host { outside, log_key, witnesses, prove, ..Host::real(clock) };
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

/// Who is meant to reach a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Clients, on this machine or others. Other machines' need tokens and TLS.
    Clients,
    /// Clients on this machine.
    ThisMachine,
    /// The process that starts it.
    ThisProcess,
}

/// A node with its HTTP interface.
pub(crate) struct ServingNode {
    node: Node,
    address: SocketAddr,
    scheme: &'static str,
    /// For [`Exposure::ThisProcess`].
    pub(crate) own_token: Option<Secret<String>>,
    pub(crate) needs_token: bool,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl ServingNode {
    pub(crate) async fn start(settings: NodeSettings, exposure: Exposure) -> Result<Self, CliError> {
        check(&settings, exposure)?;
        let tls = settings.tls_files().map(|(certificates, key)| Tls::load(certificates, key)).transpose()?;
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            CliError::new("address-in-use", format!("cannot listen on {}: {error}", settings.listen))
                .hint("choose another address with --listen; port 0 takes any free one")
        })?;
        let address = listener.local_addr().map_err(|error| CliError::new("address-in-use", error))?;
        let (limits, tokens_file) = (settings.server.clone(), settings.tokens_file());
        let node = Node::start(settings).await?;
        // Read now that nobody else has the folder open.
        let tokens = Tokens::open(&tokens_file)?;
        let (auth, own_token) = match exposure {
            Exposure::ThisProcess => {
                let (auth, token) = Auth::with_own_token(tokens);
                (auth, Some(token))
            }
            _ => (Auth::new(tokens), None),
        };
        let (scheme, needs_token) = (if tls.is_some() { "https" } else { "http" }, auth.is_required());
        let components = Components { handle: node.handle(), auth, settings: limits, tls };
        let stop = CancellationToken::new();
        let server = tokio::spawn(loom_server::serve(components, listener, stop.clone()));
        Ok(Self { node, address, scheme, own_token, needs_token, stop, server })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) async fn shutdown(self) {
        self.stop.cancel();
        // The runtime first: it answers requests that still wait, so that the server can end.
        self.node.shutdown().await;
        if let Err(error) = self.server.await {
            tracing::warn!(%error, "the server ended badly");
        }
    }
}

/// Refuses to be reachable for others without knowing who they are, or in the clear unless that was asked for.
fn check(settings: &NodeSettings, exposure: Exposure) -> Result<(), CliError> {
    let listen = settings.listen;
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if exposure != Exposure::Clients {
        let message = format!("{listen} is reachable from other machines, which `loom dev` is not for");
        return Err(CliError::new("not-loopback", message).hint("listen on 127.0.0.1 or [::1], or use `loom serve`"));
    }
    if Tokens::open(&settings.tokens_file())?.is_empty() {
        let message = format!("{listen} is reachable from other machines, and there are no tokens to know them by");
        let hint = format!("loom token create NAME --grant '*=admin' --data {}", settings.data.display());
        return Err(CliError::new("tokens-missing", message).hint(hint));
    }
    if settings.tls_files().is_none() && !settings.insecure_plaintext {
        let message =
            format!("{listen} is reachable from other machines, and without TLS whoever is on the way reads along");
        let hint = "name --tls-cert and --tls-key; or --insecure-plaintext, if something else encrypts";
        return Err(CliError::new("plaintext-refused", message).hint(hint));
    }
    Ok(())
}
