//! Running a node: `loom dev` for a developer, `loom serve` for everybody else. Both go the same way from settings to
//! components; they differ in who may reach them.

use loom_client::{Client, Connection, Secret};

use super::watch::Watch;
use crate::{
    CliError,
    arguments::{Dev, Serve},
    node::{Exposure, ServingNode},
};

pub(super) async fn dev(arguments: Dev) -> Result<(), CliError> {
    let settings = arguments.node.settings()?.settings;
    let data = settings.data.display().to_string();
    let node = ServingNode::start(settings, Exposure::ThisMachine).await?;
    announce(&node);
    let Some(folder) = &arguments.watch else {
        eprintln!("data in {data} — deploy with `loom deploy DIR`, stop with Ctrl-C");
        return until_told_to_stop(node).await;
    };
    eprintln!("data in {data} — watching {}, stop with Ctrl-C", folder.display());
    // A folder with tokens asks for one here too.
    let token = std::env::var("LOOM_TOKEN").ok().map(Secret::new);
    let client = Client::connect(Connection { url: node.url(), token, ..Connection::default() })?;
    tokio::select! {
        stopped = until_told_to_stop(node) => stopped,
        () = Watch::new(client, folder, std::path::Path::new(&data)).run() => Ok(()),
    }
}

pub(super) async fn serve(arguments: Serve) -> Result<(), CliError> {
    let settings = arguments.node.settings()?.settings;
    let data = settings.data.display().to_string();
    let node = ServingNode::start(settings, Exposure::Clients).await?;
    announce(&node);
    eprintln!("data in {data}");
    until_told_to_stop(node).await
}

fn announce(node: &ServingNode) {
    eprintln!("loom {} listens on {}", env!("CARGO_PKG_VERSION"), node.url());
    let known =
        if node.needs_token { "callers need a token" } else { "no tokens: whoever reaches it may do everything" };
    eprintln!("{known}");
}

async fn until_told_to_stop(node: ServingNode) -> Result<(), CliError> {
    wait_for_signal().await?;
    eprintln!("stopping");
    node.shutdown().await;
    Ok(())
}

async fn wait_for_signal() -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| CliError::new("signal", error))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
