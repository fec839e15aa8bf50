//! `loom.toml`: a deployment as people write it, with modules as files.

use std::{collections::BTreeMap, path::Path};

use loom_build::Language;
use loom_client::{
    HttpAllowance, Limits, Manifest, ManifestActivity, ManifestActor, ManifestProgram, ManifestSchedule,
    ManifestVerifier, RetryPolicy, TurnLimits,
};
use serde::Deserialize;

use crate::CliError;

/// The file's name.
pub(crate) const FILE: &str = "loom.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    name: String,
    #[serde(default)]
    build: Option<Build>,
    #[serde(default)]
    actors: BTreeMap<String, Actor>,
    #[serde(default)]
    activities: BTreeMap<String, Activity>,
    #[serde(default)]
    schedules: BTreeMap<String, ManifestSchedule>,
    #[serde(default)]
    programs: BTreeMap<String, Program>,
    #[serde(default)]
    verifiers: BTreeMap<String, Verifier>,
}

/// A verifier as `loom.toml` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verifier {
    pub(crate) kind: String,
    /// A file; the one that comes with Loom without.
    pub(crate) module: Option<String>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) policy: serde_json::Map<String, serde_json::Value>,
}

/// A program's file, or its file and its image id.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Program {
    File(String),
    Named(NamedProgram),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedProgram {
    file: String,
    image_id: Option<String>,
}

/// A program as `loom.toml` has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) file: &'a str,
    /// As it is written; to be computed without.
    pub(crate) image_id: Option<&'a str>,
}

/// How the modules are made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    /// `build/NAME.wasm` is made of the package NAME, or of `src/NAME.ts`.
    pub(crate) language: Option<Language>,
    /// A command for the shell, run in the folder.
    pub(crate) command: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Actor {
    module: String,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    turns: TurnLimits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Activity {
    module: String,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    capabilities: Vec<String>,
    #[serde(default)]
    retry: RetryPolicy,
    #[serde(default)]
    http: Option<HttpAllowance>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    deadline_ms: Option<u64>,
}

/// A manifest whose modules are still files.
#[derive(Debug)]
pub(crate) struct Unresolved(Source);

impl Unresolved {
    /// Reads `folder/loom.toml`.
    pub(crate) fn read(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CliError::file(&path, error).hint("a deployment is a folder with a loom.toml; examples/loan-review has one")
        })?;
        let invalid = |error: String| CliError::new("config-invalid", format!("{}: {error}", path.display()));
        let manifest = Self::parse(&text).map_err(|error| invalid(error.to_string()))?;
        match manifest.build() {
            Some(Build { language, command }) if language.is_some() == command.is_some() => {
                Err(invalid("[build] needs exactly one of 'language' and 'command'".to_owned()))
            }
            _ => Ok(manifest),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text).map(Self)
    }

    /// How its modules are made, if it says so.
    pub(crate) fn build(&self) -> Option<&Build> {
        self.0.build.as_ref()
    }

    /// Every module file of its actors and activities, once.
    pub(crate) fn files(&self) -> Vec<String> {
        let actors = self.0.actors.values().map(|actor| &actor.module);
        let mut files: Vec<_> =
            actors.chain(self.0.activities.values().map(|activity| &activity.module)).cloned().collect();
        files.sort();
        files.dedup();
        files
    }

    /// Every program it names.
    pub(crate) fn programs(&self) -> impl Iterator<Item = ProgramFile<'_>> {
        self.0.programs.iter().map(|(name, program)| match program {
            Program::File(file) => ProgramFile { name, file, image_id: None },
            Program::Named(NamedProgram { file, image_id }) => {
                ProgramFile { name, file, image_id: image_id.as_deref() }
            }
        })
    }

    /// Every verifier it names.
    pub(crate) fn verifiers(&self) -> impl Iterator<Item = (&str, &Verifier)> {
        self.0.verifiers.iter().map(|(name, verifier)| (name.as_str(), verifier))
    }

    /// The manifest, with the CIDs that the modules' files turned out to have, the programs and the verifiers.
    pub(crate) fn resolve(
        self,
        cids: &BTreeMap<String, String>,
        programs: BTreeMap<String, ManifestProgram>,
        verifiers: BTreeMap<String, ManifestVerifier>,
    ) -> Manifest {
        let Source { name, build: _, actors, activities, schedules, programs: _, verifiers: _ } = self.0;
        let cid = |file: &String| cids.get(file).cloned().unwrap_or_default();
        let actors = actors.into_iter().map(|(name, actor)| {
            let module = cid(&actor.module);
            (name, ManifestActor { module, limits: actor.limits, turns: actor.turns })
        });
        let activities = activities.into_iter().map(|(name, activity)| {
            let Activity { module, limits, capabilities, retry, http, secrets, deadline_ms } = activity;
            let module = cid(&module);
            (name, ManifestActivity { module, limits, capabilities, retry, http, secrets, deadline_ms })
        });
        Manifest { name, actors: actors.collect(), activities: activities.collect(), schedules, programs, verifiers }
    }
}
