//! Deploying to a node, and going back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use loom_client::{CheckReport, CheckRequest, Client, Deployment, Former, Manifest, Rollback};

use super::check;
use crate::{
    CliError,
    arguments::{Deploy, DeployFormer, Deployments},
    manifest::Unresolved,
    output::{self, time},
    programs,
    target::Target,
    verifiers,
};

/// How long a deployment may be held up by the check that comes before it, in milliseconds.
const CHECK_TIME_MS: u64 = 10_000;

pub(super) async fn deploy(arguments: Deploy) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let done = match (&arguments.former, &arguments.folder) {
        (Some(DeployFormer::Rollback { name, to, check }), _) => {
            go_back(&target.client, name, to.clone(), *check, arguments.json).await
        }
        (None, Some(folder)) => go_forward(&target.client, folder, &arguments).await,
        (None, None) => unreachable!("the parser asks for one of them"),
    };
    target.close().await;
    done
}

async fn go_forward(client: &Client, folder: &Path, arguments: &Deploy) -> Result<(), CliError> {
    let manifest = upload(client, folder, Unresolved::read(folder)?).await?;
    if arguments.check {
        check::announce(arguments.turns);
        let request =
            CheckRequest { manifest: Some(manifest), turns: Some(arguments.turns), ..CheckRequest::default() };
        return check::conclude(&client.check(&request).await?, arguments.json);
    }
    match check_open_turns(client, &manifest).await {
        Ok(report) if arguments.require_check => check::insist(&report)?,
        Ok(report) => check::mention(&report),
        Err(error) if arguments.require_check => return Err(error),
        Err(error) => eprintln!("open turns were not checked: {error}"),
    }
    show(&client.deploy(&manifest).await?, arguments.json);
    Ok(())
}

async fn go_back(client: &Client, name: &str, to: Option<String>, is_check: bool, json: bool) -> Result<(), CliError> {
    if is_check {
        let former = Some(Former { name: name.to_owned(), to });
        let request = CheckRequest { former, ..CheckRequest::default() };
        return check::conclude(&client.check(&request).await?, json);
    }
    show(&client.rollback(name, &Rollback { to }).await?, json);
    Ok(())
}

/// What open turns would make of a deployment whose modules are uploaded. They stay with theirs, so it is only told.
pub(super) async fn check_open_turns(client: &Client, manifest: &Manifest) -> Result<CheckReport, CliError> {
    let request = CheckRequest {
        manifest: Some(manifest.clone()),
        turns: Some(0),
        time_ms: Some(CHECK_TIME_MS),
        ..CheckRequest::default()
    };
    Ok(client.check(&request).await?)
}

fn show(deployment: &Deployment, json: bool) {
    if json {
        return output::print_json(deployment);
    }
    output::outln!("{} is active as {}", deployment.name, deployment.deployment);
    output::outln!("  actors      {}", list(&deployment.actors));
    output::outln!("  activities  {}", list(&deployment.activities));
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Uploads the modules, programs and verifiers; gives the manifest that names them.
pub(super) async fn upload(client: &Client, folder: &Path, manifest: Unresolved) -> Result<Manifest, CliError> {
    let mut cids = BTreeMap::new();
    for file in manifest.files() {
        let path = folder.join(&file);
        let bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, error))?;
        cids.insert(file, client.put_blob(bytes).await?.cid);
    }
    let mut named = BTreeMap::new();
    for program in manifest.programs() {
        let (binary, spec) = programs::read(folder, program)?;
        client.put_blob(binary.to_vec()).await?;
        named.insert(program.name.to_owned(), spec);
    }
    let mut verifying = BTreeMap::new();
    for (name, verifier) in manifest.verifiers() {
        let (module, spec) = verifiers::read(folder, name, verifier, &named)?;
        client.put_blob(module.to_vec()).await?;
        verifying.insert(name.to_owned(), spec);
    }
    Ok(manifest.resolve(&cids, named, verifying))
}

pub(super) async fn deployments(arguments: Deployments) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let deployments = target.client.deployment_history(arguments.history).await;
    target.close().await;
    let deployments = deployments?;
    if arguments.json {
        deployments.iter().for_each(output::print_json);
        return Ok(());
    }
    let names: BTreeSet<_> = deployments.iter().map(|deployment| &deployment.name).collect();
    for name in names {
        output::outln!("{name}");
        for deployment in deployments.iter().filter(|deployment| deployment.name == *name) {
            output::outln!("{}", line(deployment));
        }
    }
    Ok(())
}

fn line(deployment: &Deployment) -> String {
    let status = if deployment.active { "active" } else { "former" };
    let by = deployment.by.as_deref().map_or(String::new(), |by| format!("  by {by}"));
    let changed = match deployment.changed.is_empty() {
        true => String::new(),
        false => format!("\n          changed {}", deployment.changed.join(", ")),
    };
    format!("  {status}  {}  {}{by}{changed}", deployment.deployment, time(deployment.activated_ms))
}
