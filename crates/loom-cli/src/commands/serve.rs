//! Running a node: `loom dev` for a developer, `loom serve` for everybody else. Both go the same way from settings to
//! components; they differ in who may reach them.

use loom_client::{Client, Connection, Secret};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::watch::Watch;
use crate::{
    CliError,
    arguments::{Dev, Serve},
    node::{Exposure, ServingNode},
};

pub(super) async fn dev(arguments: Dev) -> Result<(), CliError> {
    let settings = arguments.node.settings()?.settings;
    let data = settings.data.display().to_string();
    let signals = StopSignals::new()?;
    let node = ServingNode::start(settings, Exposure::ThisMachine).await?;
    announce(&node);
    let Some(folder) = &arguments.watch else {
        eprintln!("data in {data} — deploy with `loom deploy DIR`, stop with Ctrl-C");
        return signals.stop(node).await;
    };
    eprintln!("data in {data} — watching {}, stop with Ctrl-C", folder.display());
    // A folder with tokens asks for one here too.
    let token = std::env::var("LOOM_TOKEN").ok().map(Secret::new);
    let client = Client::connect(Connection { url: node.url(), token, ..Connection::default() })?;
    tokio::select! {
        stopped = signals.stop(node) => stopped,
        () = Watch::new(client, folder, std::path::Path::new(&data)).run() => Ok(()),
    }
}

pub(super) async fn serve(arguments: Serve) -> Result<(), CliError> {
    let settings = arguments.node.settings()?.settings;
    let data = settings.data.display().to_string();
    let signals = StopSignals::new()?;
    let node = ServingNode::start(settings, Exposure::Clients).await?;
    announce(&node);
    eprintln!("data in {data}");
    signals.stop(node).await
}

fn announce(node: &ServingNode) {
    eprintln!("loom {} listens on {}", env!("CARGO_PKG_VERSION"), node.url());
    let known =
        if node.needs_token { "callers need a token" } else { "no tokens: whoever reaches it may do everything" };
    eprintln!("{known}");
}

/// What tells a node to stop. Made before it starts: whoever read that it listens may tell it at once.
pub(super) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub(super) fn new() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(|error| CliError::new("signal", error));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits until one comes.
    pub(super) async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        eprintln!("stopping");
    }

    /// Runs the node until one comes.
    async fn stop(self, node: ServingNode) -> Result<(), CliError> {
        self.wait().await;
        node.shutdown().await;
        Ok(())
    }
}
