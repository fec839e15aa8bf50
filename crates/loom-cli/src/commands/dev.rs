//! Running a node, and deploying to one.

use std::{collections::BTreeMap, path::Path};

use loom_client::Client;

use crate::{
    CliError,
    arguments::{Deploy, Dev},
    manifest::Unresolved,
    node::{NodeSettings, ServingNode},
    output,
    target::Target,
};

pub(super) async fn dev(arguments: Dev) -> Result<(), CliError> {
    let mut settings = NodeSettings::new(&arguments.data);
    settings.runtime.resident_instances_max = arguments.resident_instances_max;
    settings.outside = arguments.outside;
    if let Some(shards) = arguments.shards {
        settings.runtime.shards = shards.max(1);
    }
    let node = ServingNode::start(settings, arguments.listen).await?;
    eprintln!("loom {} listens on http://{}", env!("CARGO_PKG_VERSION"), node.address);
    eprintln!("data in {} — deploy with `loom deploy DIR`, stop with Ctrl-C", arguments.data.display());
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

pub(super) async fn deploy(arguments: Deploy) -> Result<(), CliError> {
    let manifest = Unresolved::read(&arguments.folder)?;
    let target = Target::open(&arguments.target).await?;
    let deployed = upload(&target.client, &arguments.folder, manifest).await;
    target.close().await;
    let deployment = deployed?;
    if arguments.json {
        output::print_json(&deployment);
    } else {
        output::outln!("{} is active as {}", deployment.name, deployment.deployment);
        output::outln!("  actors      {}", list(&deployment.actors));
        output::outln!("  activities  {}", list(&deployment.activities));
    }
    Ok(())
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

async fn upload(client: &Client, folder: &Path, manifest: Unresolved) -> Result<loom_client::Deployment, CliError> {
    let mut cids = BTreeMap::new();
    for file in manifest.files() {
        let path = folder.join(&file);
        let bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, error))?;
        cids.insert(file, client.put_blob(bytes).await?.cid);
    }
    Ok(client.deploy(&manifest.resolve(&cids)).await?)
}
