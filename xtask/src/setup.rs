//! Installs what building the guests needs and the machine lacks. Quick when nothing is missing,
//! and says what it does when something is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use loom_build::Toolchain;

use crate::guests::sha256;
use crate::process::{command, output, run};

/// Folders with a `package-lock.json`. The SDK comes first: the guests link to it.
const NPM_FOLDERS: [&str; 2] = ["sdk/assemblyscript", "guests/assemblyscript"];

/// Upstream's verifier of presentations, which only `cargo xtask test` needs.
pub(crate) const NPM_UPSTREAM: &str = "crates/loom-notary/tests/upstream";

/// Debian's own Rust for the web, which builds std from source. A rustup that has the target is
/// used where it is there, but never asked to download it: that is the user's decision.
const DEBIAN_RUST: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// Makes sure that all guests can be built.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    ensure_rust()?;
    ensure_npm(root)
}

/// Makes sure that some Rust compiler for WASM guests is there.
pub(crate) fn ensure_rust() -> Result<()> {
    if !Toolchain::available().is_empty() {
        return Ok(());
    }
    eprintln!("setup: no Rust compiler for wasm32-unknown-unknown here");
    apt_install(&DEBIAN_RUST)
        .context("where rustup may download, `rustup target add wasm32-unknown-unknown` will do")?;
    if Toolchain::available().is_empty() {
        bail!("there is still no Rust compiler for wasm32-unknown-unknown");
    }
    Ok(())
}

/// Makes sure that Node.js and the npm packages of the AssemblyScript SDK and guests are there.
pub(crate) fn ensure_npm(root: &Path) -> Result<()> {
    ensure_npm_in(root, &NPM_FOLDERS)
}

/// Makes sure that Node.js and the npm packages of these folders are there.
pub(crate) fn ensure_npm_in(root: &Path, folders: &[&str]) -> Result<()> {
    let outdated: Vec<_> = folders.iter().filter(|folder| !is_installed(&root.join(folder))).collect();
    if !outdated.is_empty() && output(command("npm").arg("--version")).is_none() {
        eprintln!("setup: no npm here");
        apt_install(&["nodejs", "npm"])?;
    }
    for folder in outdated {
        eprintln!("setup: npm ci in {folder}");
        npm_ci(&root.join(folder)).with_context(|| format!("failed to install {folder}"))?;
    }
    Ok(())
}

/// Whether what is installed is what the lock file says: a stamp holds the lock file's digest.
fn is_installed(folder: &Path) -> bool {
    let stamp = fs::read_to_string(folder.join(STAMP)).ok();
    let lock = fs::read(folder.join("package-lock.json")).ok();
    stamp.is_some() && stamp == lock.map(|lock| sha256(&lock))
}

const STAMP: &str = "node_modules/.lock-sha256";

fn npm_ci(folder: &Path) -> Result<()> {
    let quietly = ["--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
    run(command("npm").arg("ci").args(quietly).args(["--loglevel", "error"]).current_dir(folder))?;
    let lock = fs::read(folder.join("package-lock.json"))?;
    fs::write(folder.join(STAMP), sha256(&lock))?;
    Ok(())
}

/// Installs Debian packages, as root or by sudo, with fresh package lists if the first try fails.
fn apt_install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|name| !is_in_debian(name)).collect();
    eprintln!("setup: apt-get install {}", missing.join(" "));
    let install = || {
        let options = ["install", "--yes", "--quiet", "--no-install-recommends"];
        run(apt_get()?.args(options).args(&missing))
    };
    if install().is_ok() {
        return Ok(());
    }
    eprintln!("setup: apt-get update, then once more");
    run(apt_get()?.args(["update", "--quiet"]))?;
    install().with_context(|| format!("install {} by hand, then try again", missing.join(", ")))
}

fn apt_get() -> Result<std::process::Command> {
    if output(command("apt-get").arg("--version")).is_none() {
        bail!("this machine has no apt-get");
    }
    let is_root = output(command("id").arg("-u")).as_deref() == Some("0");
    let mut apt_get = if is_root {
        command("apt-get")
    } else {
        let mut sudo = command("sudo");
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    };
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(apt_get)
}

fn is_in_debian(package: &str) -> bool {
    let status = output(command("dpkg-query").args(["--show", "--showformat=${Status}", package]));
    status.as_deref() == Some("install ok installed")
}
