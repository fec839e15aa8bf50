//! Deploying to a node.

use std::{collections::BTreeMap, path::Path};

use loom_client::Client;

use crate::{CliError, arguments::Deploy, manifest::Unresolved, output, target::Target};

pub(super) async fn deploy(arguments: Deploy) -> Result<(), CliError> {
    let manifest = Unresolved::read(&arguments.folder)?;
    let target = Target::open(&arguments.target).await?;
    let deployed = activate(&target.client, &arguments.folder, manifest).await;
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

/// Uploads the modules and makes the deployment the one for new turns. Turns that have begun stay with theirs.
pub(super) async fn activate(
    client: &Client,
    folder: &Path,
    manifest: Unresolved,
) -> Result<loom_client::Deployment, CliError> {
    let mut cids = BTreeMap::new();
    for file in manifest.files() {
        let path = folder.join(&file);
        let bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, error))?;
        cids.insert(file, client.put_blob(bytes).await?.cid);
    }
    Ok(client.deploy(&manifest.resolve(&cids)).await?)
}
