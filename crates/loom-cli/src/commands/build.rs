//! Compiling a project's modules.

use std::path::{Path, PathBuf};

use loom_build::{BuildError, Built, Language};

use crate::{
    CliError,
    arguments::Build,
    manifest::{self, Unresolved},
    output::{self, grouped},
};

pub(super) async fn build(arguments: Build) -> Result<(), CliError> {
    let manifest = Unresolved::read(&arguments.folder)?;
    let Some(how) = manifest.build() else {
        let path = arguments.folder.join(manifest::FILE);
        let message = format!("{} does not say how its modules are built", path.display());
        return Err(CliError::new("config-invalid", message).hint("add [build] with a language or a command"));
    };
    let built = build_modules(&arguments.folder, how.clone(), manifest.files()).await?;
    for Built { module, path, bytes } in built {
        if arguments.json {
            output::print_json(&serde_json::json!({ "module": module, "path": path, "bytes": bytes }));
        } else {
            output::outln!("{}  {} bytes", path.display(), grouped(bytes));
        }
    }
    Ok(())
}

/// Builds what the manifest names. Compilers write to standard error; nothing else waits meanwhile.
pub(super) async fn build_modules(
    folder: &Path,
    how: manifest::Build,
    files: Vec<String>,
) -> Result<Vec<Built>, CliError> {
    let folder = folder.to_owned();
    let build = move || match (how.language, how.command) {
        (Some(language), _) => build_in(&folder, language, &files),
        (None, command) => run_command(&folder, &command.unwrap_or_default(), &files),
    };
    tokio::task::spawn_blocking(build).await.map_err(|error| CliError::new("build-failed", error))?
}

/// In a language that is known, modules are `build/NAME.wasm`.
fn build_in(folder: &Path, language: Language, files: &[String]) -> Result<Vec<Built>, CliError> {
    let name = |file: &String| {
        let name = file.strip_prefix("build/").and_then(|file| file.strip_suffix(".wasm")).map(str::to_owned);
        name.filter(|name| !name.contains('/')).ok_or_else(|| {
            CliError::new("config-invalid", format!("'{file}' is not build/NAME.wasm, so nothing says what builds it"))
        })
    };
    let modules = files.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    Ok(loom_build::build(language, folder, &modules)?)
}

fn run_command(folder: &Path, text: &str, files: &[String]) -> Result<Vec<Built>, CliError> {
    let mut shell = loom_build::process::command("sh");
    shell.args(["-c", text]).current_dir(folder).stdout(std::io::stderr()).stdin(std::process::Stdio::null());
    let status = shell.status().map_err(|error| CliError::new("build-failed", format!("cannot start sh: {error}")))?;
    if !status.success() {
        return Err(CliError::new("build-failed", format!("`{text}` failed ({status})")));
    }
    let built = |file: &String| {
        let path: PathBuf = folder.join(file);
        let bytes = std::fs::metadata(&path).map_err(|error| CliError::file(&path, error))?.len();
        Ok(Built { module: file.clone(), path, bytes })
    };
    files.iter().map(built).collect()
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        match &error {
            BuildError::Toolchain { install, .. } => Self::new("toolchain-missing", &error).hint(install),
            BuildError::Failed { .. } => Self::new("build-failed", &error),
            BuildError::NoSource { .. } => Self::new("config-invalid", &error),
            BuildError::Io { source, .. } => Self::new("build-failed", format!("{error}: {source}")),
        }
    }
}
