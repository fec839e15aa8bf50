//! Writing an actor's files to a folder: `activities/NAME-CID.wasm`, `state/actors/TYPE/KEY/state.json` and
//! `journal.jsonl` beside it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use loom_client::{Client, Entry};
use loom_machine::Deployment;
use serde_json::json;

use crate::{CliError, arguments::Export, commands::journal, output, target::Target};

pub(super) async fn export(arguments: Export) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let written = write_all(&target.client, &arguments.actor, &arguments.out).await;
    target.close().await;
    let written = written?;
    if arguments.json {
        let files: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
        output::print_json(&json!({ "actor": arguments.actor, "files": files }));
    } else {
        for path in written {
            output::outln!("{}", path.display());
        }
    }
    Ok(())
}

async fn write_all(client: &Client, actor: &str, out: &Path) -> Result<Vec<PathBuf>, CliError> {
    let entries = journal::read(client, actor).await?;
    let state = client.state(actor).await?;
    // The key's characters are all fit for a file name; `:` is the one that some systems refuse.
    let folder = out.join("state").join("actors").join(actor.replace(':', "_"));
    let mut written = Vec::new();
    let mut write = |path: PathBuf, bytes: &[u8]| {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        made.map_err(|error| CliError::file(&path, error)).map(|()| written.push(path))
    };
    write(folder.join("state.json"), format!("{state}\n").as_bytes())?;
    let lines: Vec<_> =
        entries.iter().map(|entry| serde_json::to_string(entry).expect("our own types serialise")).collect();
    write(folder.join("journal.jsonl"), (lines.join("\n") + "\n").as_bytes())?;
    for (name, module) in modules(client, &entries).await? {
        let bytes = client.blob(&module).await?;
        write(out.join("activities").join(format!("{name}-{}.wasm", &module[module.len() - 8..])), &bytes)?;
    }
    Ok(written)
}

/// Modules of every deployment that a turn of the actor was pinned to, by name and CID.
async fn modules(client: &Client, entries: &[Entry]) -> Result<BTreeSet<(String, String)>, CliError> {
    let deployment = |entry: &Entry| entry.body.get("deployment").and_then(|cid| cid.as_str()).map(str::to_owned);
    let deployments: BTreeSet<String> = entries.iter().filter_map(deployment).collect();
    let mut modules = BTreeSet::new();
    for cid in deployments {
        let manifest = Deployment::decode(&client.blob(&cid).await?)
            .map_err(|error| CliError::new("unexpected-answer", format!("deployment {cid}: {error}")))?;
        let actors = manifest.actors.iter().map(|(name, spec)| (name.clone(), spec.module.to_string()));
        let activities = manifest.activities.iter().map(|(name, spec)| (name.clone(), spec.module.to_string()));
        modules.extend(actors.chain(activities));
    }
    Ok(modules)
}
