//! Builds the WASM guests and the RISC Zero programs, and checks that the committed ones are what their sources build
//! to.
//!
//! `guests/prebuilt/` holds every guest as a module plus `DIGESTS.toml`, so that tests, the demo
//! and whoever has no WASM compiler can run them. A build must give the same bytes wherever the
//! project is checked out; what it depends on is the recorded compiler and flags, nothing else.

pub(crate) mod assemblyscript;
mod digests;
mod risc0;
pub(crate) mod rust;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use loom_build::Toolchain;
use sha2::{Digest, Sha256};

pub(crate) use self::digests::{Digests, Recorded};

/// A guest as it comes out of its compiler.
pub(crate) struct Built {
    pub(crate) name: String,
    /// The source's path within the project.
    pub(crate) source: String,
    pub(crate) compiler: String,
    pub(crate) flags: String,
    pub(crate) wasm: Vec<u8>,
}

/// Builds all guests into `guests/prebuilt/` and records them.
pub(crate) fn build(root: &Path) -> Result<()> {
    crate::setup::ensure(root)?;
    let prebuilt = prebuilt(root);
    fs::create_dir_all(&prebuilt)?;
    let before = Digests::read_or_default(&prebuilt)?;
    let mut built = rust::build(root, &preferred_toolchain(&before)?, None)?;
    built.extend(assemblyscript::build(root, None)?);
    let after = Digests::of(&built)?;
    for guest in &built {
        fs::write(wasm_path(&prebuilt, &guest.name), &guest.wasm)?;
        report(guest, before.get(&guest.name));
    }
    for name in before.names().filter(|name| after.get(name).is_none()) {
        eprintln!("{name:24} is gone");
        fs::remove_file(wasm_path(&prebuilt, name)).or_else(ignore_missing)?;
    }
    after.write(&prebuilt)?;
    risc0::build(root)
}

/// Compares the committed guests with their recorded digests, and rebuilds those whose recorded
/// compiler is here to compare the bytes.
pub(crate) fn check(root: &Path) -> Result<()> {
    let prebuilt = prebuilt(root);
    let recorded = Digests::read(&prebuilt)?;
    check_digests(&prebuilt, &recorded)?;
    check_complete(root, &recorded)?;
    crate::setup::ensure_npm(root)?;
    let rebuilt = rebuild(root, &recorded)?;
    let scratch = root.join("target/guests-check");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch)?;
    let mut different = Vec::new();
    for guest in recorded.iter() {
        match rebuilt.get(&guest.name) {
            None => eprintln!("{:24} skipped: recorded compiler {} not here", guest.name, guest.compiler),
            Some(built) if sha256(&built.wasm) == guest.sha256 => {
                eprintln!("{:24} same bytes from {}", guest.name, guest.compiler);
            }
            Some(built) => {
                fs::write(wasm_path(&scratch, &built.name), &built.wasm)?;
                eprintln!("{:24} DIFFERS: sources build to {}", guest.name, sha256(&built.wasm));
                different.push(guest.name.as_str());
            }
        }
    }
    ensure!(
        different.is_empty(),
        "{} in guests/prebuilt not what the sources build to (see {}); run `cargo xtask guests`",
        different.join(", "),
        scratch.display(),
    );
    risc0::check(root)
}

/// Compares the committed modules with their recorded digests; builds nothing.
fn check_digests(prebuilt: &Path, recorded: &Digests) -> Result<()> {
    for guest in recorded.iter() {
        let path = wasm_path(prebuilt, &guest.name);
        let wasm = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let actual = sha256(&wasm);
        ensure!(
            actual == guest.sha256 && wasm.len() as u64 == guest.bytes,
            "{} has digest {actual}, but {} is recorded",
            path.display(),
            guest.sha256,
        );
    }
    Ok(())
}

/// Compares the sources there are with the guests that are recorded.
fn check_complete(root: &Path, recorded: &Digests) -> Result<()> {
    let mut names = rust::names(root)?;
    names.extend(assemblyscript::names(root)?);
    for name in &names {
        ensure!(recorded.get(name).is_some(), "{name} was never built; run `cargo xtask guests`");
    }
    for name in recorded.names() {
        ensure!(names.iter().any(|n| n == name), "{name} has no source; run `cargo xtask guests`");
    }
    Ok(())
}

fn rebuild(root: &Path, recorded: &Digests) -> Result<BTreeMap<String, Built>> {
    let mut built = Vec::new();
    for toolchain in Toolchain::available() {
        let names = recorded.names_by_compiler(&toolchain.version);
        if !names.is_empty() {
            built.extend(rust::build(root, &toolchain, Some(&names))?);
        }
    }
    let names = recorded.names_by_compiler(&assemblyscript::version(root)?);
    if !names.is_empty() {
        built.extend(assemblyscript::build(root, Some(&names))?);
    }
    Ok(built.into_iter().map(|guest| (guest.name.clone(), guest)).collect())
}

/// The toolchain that the guests were built with if it is here, so that a rebuild changes only
/// what changed in the sources; otherwise the first there is.
fn preferred_toolchain(recorded: &Digests) -> Result<Toolchain> {
    let mut toolchains = Toolchain::available();
    let known = toolchains.iter().position(|t| !recorded.names_by_compiler(&t.version).is_empty());
    if toolchains.is_empty() {
        bail!("no Rust compiler for wasm32-unknown-unknown here");
    }
    Ok(toolchains.swap_remove(known.unwrap_or(0)))
}

fn report(guest: &Built, before: Option<&Recorded>) {
    let digest = sha256(&guest.wasm);
    let change = match before {
        None => "new",
        Some(before) if before.sha256 == digest => "unchanged",
        Some(_) => "changed",
    };
    eprintln!("{:24} {:>8} bytes  {}  {change}", guest.name, guest.wasm.len(), &digest[..16]);
}

/// Where the committed guests are.
pub(crate) fn prebuilt(root: &Path) -> PathBuf {
    root.join("guests/prebuilt")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn wasm_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.wasm"))
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
