//! `loom dev --watch`: builds and deploys a folder, and again whenever a file of it changes.
//!
//! Nothing that goes wrong here stops the node: what was active stays active, and turns that have begun stay
//! with the deployment they began under. Files are looked at by their times and sizes a few times a second,
//! which works on every file system; a change counts once the files have come to rest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use loom_client::Client;

use super::{
    build::build_modules,
    check,
    deploy::{check_open_turns, upload},
};
use crate::{
    CliError,
    manifest::{self, Unresolved},
};

/// How often the files are looked at, and how long they must be at rest.
const POLL: Duration = Duration::from_millis(300);
/// Most files that are watched; a folder with more is no project of guests.
const FILES_MAX: usize = 10_000;
/// Most actors whose turns are looked at after a new deployment.
const ACTORS_MAX: usize = 1_000;
/// Folders that compilers and package managers write to.
const NOT_SOURCES: &[&str] = &["build", "node_modules", "target"];

/// What was seen of the files: when each was changed, and its size.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// A folder that is watched.
pub(super) struct Watch {
    client: Client,
    folder: PathBuf,
    /// The node's own folder, which may be inside.
    data: Option<PathBuf>,
    active: Option<String>,
}

impl Watch {
    pub(super) fn new(client: Client, folder: &Path, data: &Path) -> Self {
        Self { client, folder: folder.to_owned(), data: data.canonicalize().ok(), active: None }
    }

    /// Deploys and watches until it is dropped.
    pub(super) async fn run(mut self) {
        let mut done: Option<Seen> = None;
        loop {
            let seen = self.at_rest().await;
            if let Some(before) = &done {
                match changed(before, &seen) {
                    Some(path) => eprintln!("{} changed", self.shown(path)),
                    None => {
                        tokio::time::sleep(POLL).await;
                        continue;
                    }
                }
            }
            if let Err(error) = self.deploy().await {
                error.print();
                match &self.active {
                    Some(active) => eprintln!("{active} stays active"),
                    None => eprintln!("nothing is deployed yet; waiting for a change"),
                }
            }
            done = Some(seen);
        }
    }

    /// The files, once they are the same twice in a row.
    async fn at_rest(&self) -> Seen {
        let mut seen = self.look();
        loop {
            tokio::time::sleep(POLL).await;
            let again = self.look();
            if again == seen {
                return seen;
            }
            seen = again;
        }
    }

    /// The manifest, the modules, and, if modules are built here, everything they may be built of.
    fn look(&self) -> Seen {
        let mut seen = Seen::new();
        note(self.folder.join(manifest::FILE), &mut seen);
        let Ok(manifest) = Unresolved::read(&self.folder) else { return seen };
        if manifest.build().is_some() {
            self.look_into(&self.folder, &mut seen);
        } else {
            manifest.files().iter().for_each(|file| note(self.folder.join(file), &mut seen));
        }
        manifest.programs().for_each(|program| note(self.folder.join(program.file), &mut seen));
        let verifiers = manifest.verifiers().filter_map(|(_, verifier)| verifier.module.as_deref());
        verifiers.for_each(|file| note(self.folder.join(file), &mut seen));
        seen
    }

    fn look_into(&self, folder: &Path, seen: &mut Seen) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let is_own = || self.data.is_some() && path.canonicalize().ok() == self.data;
            if name.starts_with('.') || NOT_SOURCES.contains(&&*name) || seen.len() >= FILES_MAX || is_own() {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.look_into(&path, seen),
                Ok(kind) if kind.is_file() => note(path, seen),
                // Links may lead in circles.
                _ => {}
            }
        }
    }

    async fn deploy(&mut self) -> Result<(), CliError> {
        let manifest = Unresolved::read(&self.folder)?;
        if let Some(how) = manifest.build() {
            build_modules(&self.folder, how.clone(), manifest.files()).await?;
        }
        let manifest = upload(&self.client, &self.folder, manifest).await?;
        if self.active.is_some() {
            // It is only told: whoever is at work here wants to see the new version run.
            check::mention(&check_open_turns(&self.client, &manifest).await?);
        }
        let deployment = self.client.deploy(&manifest).await?;
        if self.active.as_deref() == Some(&*deployment.deployment) {
            eprintln!("{} is as it was", deployment.name);
            return Ok(());
        }
        eprintln!("{} is active as {}", deployment.name, deployment.deployment);
        if self.active.replace(deployment.deployment).is_some() {
            self.report_turns(&deployment.actors).await?;
        }
        Ok(())
    }

    /// Says how many turns go on under an older deployment, and which actors have stopped because they diverged.
    async fn report_turns(&self, actor_types: &[String]) -> Result<(), CliError> {
        let mut open = Vec::new();
        for actor_type in actor_types {
            let mut after = None;
            while open.len() < ACTORS_MAX {
                let page = self.client.actors(Some(actor_type), after.as_deref()).await?;
                open.extend(page.items.into_iter().filter(|actor| actor.status != "idle").map(|actor| actor.actor));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        open.truncate(ACTORS_MAX);
        if !open.is_empty() {
            let number =
                if open.len() == ACTORS_MAX { format!("{ACTORS_MAX} or more") } else { open.len().to_string() };
            eprintln!("turns that go on under the deployment they began with: {number}");
        }
        for actor in open {
            let shown = self.client.actor(&actor).await?;
            if shown.status == "diverged" {
                eprintln!("{actor} diverged and stopped: {}", shown.detail.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }
}

/// A file that is not there is noted as well: it may come.
fn note(path: PathBuf, seen: &mut Seen) {
    let metadata = std::fs::metadata(&path).ok();
    let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    seen.insert(path, (modified, metadata.map_or(0, |metadata| metadata.len())));
}

/// Some file that is not as it was.
fn changed<'a>(before: &'a Seen, after: &'a Seen) -> Option<&'a Path> {
    let other = |(path, file): &(&PathBuf, &(Option<SystemTime>, u64))| before.get(*path) != Some(*file);
    let gone = before.keys().find(|path| !after.contains_key(*path));
    after.iter().find(other).map(|(path, _)| path.as_path()).or_else(|| gone.map(PathBuf::as_path))
}
