//! Guests in Rust: packages with a `cdylib`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    BuildError,
    process::{command, output, run},
    project::BUILD_FOLDER,
    toolchain::{TARGET, Toolchain},
};

/// A fresh instance zeroes its stack on the way, so it gets as much as guests need and no more.
pub const STACK: &str = "-Clink-arg=-zstack-size=32768";

const INSTALL: &str = "`rustup target add wasm32-unknown-unknown`, or on Debian \
    `apt-get install rustc-web cargo-web rust-web-src lld`";

/// Builds the packages and copies their modules to where the project has them.
pub(crate) fn build(folder: &Path, modules: &[String]) -> Result<(), BuildError> {
    let Some(toolchain) = Toolchain::available().into_iter().next() else {
        let missing = format!("there is no Rust compiler for {TARGET} here");
        return Err(BuildError::Toolchain { missing, install: INSTALL });
    };
    let workspace = Workspace::read(folder)?;
    let flags = rustflags(&toolchain)?;
    for module in modules {
        let Some(file) = workspace.guests.get(module) else {
            let expected = format!("there is no package '{module}' with a cdylib");
            return Err(BuildError::NoSource { module: module.clone(), expected });
        };
        // One by one: in one build, packages share the features of their dependencies, so that adding a guest
        // could change the others.
        let mut cargo = toolchain.cargo();
        cargo.args(["--quiet", "--release", "--target", TARGET, "--package", module]);
        run(cargo.env("CARGO_ENCODED_RUSTFLAGS", &flags).current_dir(folder))?;
        let from = workspace.target.join(TARGET).join("release").join(file);
        let to = folder.join(BUILD_FOLDER).join(format!("{module}.wasm"));
        copy_if_changed(&from, &to)?;
    }
    Ok(())
}

/// A module that did not change keeps its time, so that whoever watches it sees that it did not.
fn copy_if_changed(from: &Path, to: &Path) -> Result<(), BuildError> {
    let bytes = fs::read(from).map_err(BuildError::io(format!("cannot read {}", from.display())))?;
    if fs::read(to).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).map_err(BuildError::io(format!("cannot write {}", to.display())))
}

struct Workspace {
    target: PathBuf,
    /// File names of the modules that cargo writes, by package.
    guests: BTreeMap<String, String>,
}

impl Workspace {
    fn read(folder: &Path) -> Result<Self, BuildError> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
            target_directory: PathBuf,
        }
        #[derive(Deserialize)]
        struct Package {
            name: String,
            targets: Vec<Target>,
        }
        #[derive(Deserialize)]
        struct Target {
            name: String,
            crate_types: Vec<String>,
        }
        let mut cargo = command("cargo");
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(folder);
        let metadata = output(&mut cargo).and_then(|text| serde_json::from_str::<Metadata>(&text).ok());
        let Some(metadata) = metadata else {
            // Once more, so that cargo's own words are seen.
            run(&mut cargo)?;
            let status = "its output is not understood".to_owned();
            return Err(BuildError::Failed { command: "cargo metadata".to_owned(), status });
        };
        let mut guests = BTreeMap::new();
        for package in metadata.packages {
            let is_guest = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
            if let Some(target) = package.targets.iter().find(is_guest) {
                guests.insert(package.name, format!("{}.wasm", target.name.replace('-', "_")));
            }
        }
        Ok(Self { target: metadata.target_directory, guests })
    }
}

/// Flags for the compiler, separated as cargo wants them. Panics carry the path of their source. A project's own
/// paths are relative already; those of packages and of the standard library differ from machine to machine.
fn rustflags(toolchain: &Toolchain) -> Result<OsString, BuildError> {
    let mut flags = OsString::from(STACK);
    let library = toolchain.sysroot.join("lib/rustlib/src/rust");
    let registries = registry_folders().map_err(BuildError::io("cannot find the folder of cargo's packages"))?;
    let registries = registries.into_iter().map(|folder| (folder, "registry"));
    for (from, to) in std::iter::once((library, "rust")).chain(registries) {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    Ok(flags)
}

/// The folders that packages were unpacked to; each is named after the registry they came through.
pub fn registry_folders() -> std::io::Result<Vec<PathBuf>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir().ok_or(std::io::ErrorKind::NotFound)?.join(".cargo"),
    };
    match fs::read_dir(home.join("registry/src")) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        // Nothing was fetched yet.
        Err(_) => Ok(Vec::new()),
    }
}
