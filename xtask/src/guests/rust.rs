//! Rust guests: every `cdylib` of the workspaces in `guests/` and `guests/verifiers/`.
//!
//! Two things keep the bytes independent of where the project is: the paths in panic messages are
//! remapped here, and all packages are below the workspace's folder (the SDK and the verifiers by links), because
//! cargo makes the absolute path of any other package part of its symbols.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use loom_build::{STACK, TARGET, Toolchain, registry_folders};
use serde::Deserialize;

use super::Built;
use crate::process::{command, run};

/// A workspace of guests.
struct Workspace {
    folder: &'static str,
    /// Flags of the compiler: the size of its guests' stacks, and what is left out of them.
    flags: &'static [&'static str],
    /// Flags that only count where the standard library is built along.
    with_std: WithStd,
}

/// Flags of a build that includes the standard library.
struct WithStd {
    cargo: &'static [&'static str],
    compiler: &'static [&'static str],
}

/// Arithmetic over large fields takes stack, so verifiers get more. They go without names and texts of panics: a trap
/// of theirs is the evidence's fault, which no backtrace explains.
const WORKSPACES: [Workspace; 2] = [
    Workspace { folder: "guests", flags: &[STACK], with_std: WithStd { cargo: &[], compiler: &[] } },
    Workspace {
        folder: "guests/verifiers",
        flags: &["-Clink-arg=-zstack-size=1048576", "-Cstrip=symbols"],
        with_std: WithStd {
            cargo: &["-Zbuild-std-features=optimize_for_size"],
            compiler: &["-Zunstable-options", "-Cpanic=immediate-abort"],
        },
    },
];

impl Workspace {
    /// Flags of cargo beside the toolchain's own, and of the compiler.
    fn flags(&self, toolchain: &Toolchain) -> (&'static [&'static str], Vec<&'static str>) {
        if toolchain.builds_std() {
            (self.with_std.cargo, [self.flags, self.with_std.compiler].concat())
        } else {
            (&[], self.flags.to_vec())
        }
    }
}

/// A package that builds to a guest.
struct Package {
    name: String,
    folder: PathBuf,
    /// The file cargo writes.
    file: String,
}

/// The guests' names: those of their packages.
pub(crate) fn names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for workspace in &WORKSPACES {
        names.extend(packages(root, workspace)?.into_iter().map(|package| package.name));
    }
    Ok(names)
}

/// Builds all guests, or those with the given names.
pub(crate) fn build(root: &Path, toolchain: &Toolchain, only: Option<&[&str]>) -> Result<Vec<Built>> {
    let mut built = Vec::new();
    for workspace in &WORKSPACES {
        built.extend(build_workspace(root, workspace, toolchain, only)?);
    }
    Ok(built)
}

fn build_workspace(
    root: &Path,
    workspace: &Workspace,
    toolchain: &Toolchain,
    only: Option<&[&str]>,
) -> Result<Vec<Built>> {
    let target = root.join("target/guests").join(toolchain.folder());
    let (cargo_flags, flags) = workspace.flags(toolchain);
    let recorded = [toolchain.flags(), cargo_flags, &flags, &["--remap-path-prefix=..."]].concat().join(" ");
    let flags = encoded(&flags, root, &target, toolchain)?;
    let mut built = Vec::new();
    for package in packages(root, workspace)? {
        if only.is_some_and(|only| !only.contains(&package.name.as_str())) {
            continue;
        }
        // One by one: in one build, packages share the features of their dependencies, so adding a
        // guest could change the others.
        let mut cargo = toolchain.cargo();
        cargo.args(cargo_flags).args(["--release", "--target", TARGET, "--package", &package.name]);
        cargo.env("CARGO_TARGET_DIR", &target);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", &flags);
        cargo.current_dir(root.join(workspace.folder));
        run(&mut cargo).with_context(|| format!("failed to build {}", package.name))?;
        let path = target.join(TARGET).join("release").join(&package.file);
        let wasm = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let source = package.folder.strip_prefix(root).unwrap_or(&package.folder);
        built.push(Built {
            source: source.to_string_lossy().into_owned(),
            name: package.name,
            compiler: toolchain.version.clone(),
            flags: recorded.clone(),
            wasm,
        });
    }
    Ok(built)
}

fn packages(root: &Path, workspace: &Workspace) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Member>,
    }
    #[derive(Deserialize)]
    struct Member {
        name: String,
        manifest_path: PathBuf,
        targets: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        crate_types: Vec<String>,
    }
    let mut cargo = command("cargo");
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root.join(workspace.folder));
    let metadata = crate::process::output(&mut cargo)
        .with_context(|| format!("failed to list the packages in {} with `cargo metadata`", workspace.folder))?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    let mut packages = Vec::new();
    for member in metadata.packages {
        let is_guest = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        if let Some(target) = member.targets.iter().find(is_guest) {
            let folder = member.manifest_path.parent().expect("a manifest is in a folder");
            packages.push(Package {
                name: member.name,
                folder: folder.to_owned(),
                file: format!("{}.wasm", target.name.replace('-', "_")),
            });
        }
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// Flags for the compiler, separated as cargo wants them. Panics carry the path of their source,
/// so paths that differ from machine to machine are given common names.
fn encoded(flags: &[&str], root: &Path, target: &Path, toolchain: &Toolchain) -> Result<OsString> {
    let mut renamed = vec![(root.to_owned(), "loom")];
    renamed.push((target.to_owned(), "target"));
    renamed.push((toolchain.sysroot.join("lib/rustlib/src/rust"), "rust"));
    renamed.extend(registry_folders()?.into_iter().map(|folder| (folder, "registry")));
    let mut flags = OsString::from(flags.join("\u{1f}"));
    for (from, to) in renamed {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    Ok(flags)
}
