//! Where settings come from, and which source wins.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    NodeSettings,
    keys::{KEYS, Key},
};
use crate::CliError;

/// The data folder when nobody names one.
const DATA: &str = ".loom";

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Environment(variable) => write!(f, "environment {variable}"),
            Source::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Settings, and where each is from, in the order of [`KEYS`].
#[derive(Debug)]
pub(crate) struct Sourced {
    pub(crate) settings: NodeSettings,
    pub(crate) sources: Vec<Source>,
}

/// Something said about a setting.
struct Said {
    name: String,
    text: String,
    source: Source,
}

/// Puts the settings together. `flags` are name, value and the flag as it was written.
pub(crate) fn read(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: Vec<(String, String, String)>,
) -> Result<Sourced, CliError> {
    let mut said = match file {
        Some(path) => in_file(path)?,
        None => Vec::new(),
    };
    said.extend(in_environment(environment)?);
    said.extend(flags.into_iter().map(|(name, text, flag)| Said { name, text, source: Source::Flag(flag) }));
    let mut settings = NodeSettings::new(DATA);
    let mut sources = vec![Source::Default; KEYS.len()];
    for Said { name, text, source } in said {
        let at = KEYS.iter().position(|key| key.name == name).ok_or_else(|| unknown(&name, &source))?;
        let invalid = |problem: String| CliError::new("settings-invalid", format!("{source}: {name}: {problem}"));
        (KEYS[at].set)(&mut settings, &text).map_err(invalid)?;
        sources[at] = source;
    }
    check(&settings)?;
    Ok(Sourced { settings, sources })
}

/// What no single setting can say.
fn check(settings: &NodeSettings) -> Result<(), CliError> {
    if settings.tls_cert.is_some() != settings.tls_key.is_some() {
        return Err(CliError::new("settings-invalid", "tls_cert and tls_key are needed together"));
    }
    Ok(())
}

fn unknown(name: &str, source: &Source) -> CliError {
    let name: String = name.chars().take(80).collect();
    let section = name.split_once('.').map_or("", |(section, _)| section);
    let beside = |key: &&Key| key.name.split_once('.').map_or("", |(section, _)| section) == section;
    let mut known: Vec<_> = KEYS.iter().filter(beside).map(|key| key.name).collect();
    if known.is_empty() {
        known = KEYS.iter().map(|key| key.name).collect();
    }
    CliError::new("settings-invalid", format!("{source}: there is no setting '{name}'"))
        .hint(format!("there are {}", known.join(", ")))
}

fn in_file(path: &Path) -> Result<Vec<Said>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    let invalid = |problem: String| {
        let error = CliError::new("settings-invalid", format!("{}: {problem}", path.display()));
        error.hint(
            "this is the node's configuration, not a deployment's loom.toml; `loom config show` lists its settings",
        )
    };
    let table: Table = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let mut said = Vec::new();
    for (name, value) in flattened(table) {
        let text = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(is_set) => is_set.to_string(),
            Value::Array(items) if items.iter().all(Value::is_str) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => return Err(invalid(format!("{name} cannot be of type {}", other.type_str()))),
        };
        // Paths in a file are relative to it, wherever the node is started.
        let text = if is_path(&name) { beside(path, &text) } else { text };
        said.push(Said { name, text, source: Source::File(path.to_owned()) });
    }
    Ok(said)
}

/// Members of sections as `section.name`.
fn flattened(table: Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                flat.extend(section.into_iter().map(|(member, value)| (format!("{name}.{member}"), value)));
            }
            value => flat.push((name, value)),
        }
    }
    flat
}

fn is_path(name: &str) -> bool {
    ["data", "tls_cert", "tls_key", "secrets", "http.extra_ca"].contains(&name)
}

fn beside(file: &Path, path: &str) -> String {
    let folder = file.parent().unwrap_or(Path::new(""));
    folder.join(path).display().to_string()
}

/// Variables of settings. One that begins like those of a section and names no setting is a mistake; other `LOOM_…`
/// variables belong to other commands.
fn in_environment(variables: impl Iterator<Item = (String, String)>) -> Result<Vec<Said>, CliError> {
    let mut said = Vec::new();
    for (variable, text) in variables {
        let key = KEYS.iter().find(|key| key.variable() == variable);
        let source = Source::Environment(variable.clone());
        match key {
            Some(key) => said.push(Said { name: key.name.to_owned(), text, source }),
            None => {
                let sections = KEYS.iter().filter_map(|key| key.name.split_once('.')).map(|(section, _)| section);
                for section in sections {
                    let prefix = format!("LOOM_{}_", section.to_uppercase());
                    if let Some(member) = variable.strip_prefix(&prefix) {
                        return Err(unknown(&format!("{section}.{}", member.to_lowercase()), &source));
                    }
                }
            }
        }
    }
    Ok(said)
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
