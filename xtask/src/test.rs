//! `cargo xtask test`: everything CI checks, in the order in which it fails soonest.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{
    guests, guide, interface,
    process::{command, output, run},
    setup, tidy,
};

/// A named part of the run.
type Part = (&'static str, fn(&Path) -> Result<()>);

const PARTS: &[Part] = &[
    ("format", format),
    ("tidy", tidy::check),
    ("spelling", spelling),
    ("lints", lints),
    ("tests", tests),
    ("upstream's verifier", upstream),
    ("HTTP interface", interface::check),
    ("guest tests", guest_tests),
    ("guide", guide::walk),
    ("docs", docs),
    ("licences and advisories", deny),
    ("guests", guests::check),
];

/// Runs every part; the first that fails ends the run and is named.
pub(crate) fn test(root: &Path) -> Result<()> {
    setup::ensure(root)?;
    for (name, part) in PARTS {
        eprintln!("\n── {name}");
        part(root).with_context(|| format!("'{name}' failed"))?;
    }
    eprintln!("\nall {} parts passed", PARTS.len());
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    run(command("cargo").current_dir(root).args(arguments))
}

fn format(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"])?;
    for manifest in ["guests/Cargo.toml", "sdk/rust/Cargo.toml"] {
        cargo(root, &["fmt", "--all", "--manifest-path", manifest, "--check"])?;
    }
    cargo(root, &[&["fmt", "--manifest-path", VERIFIERS, "--check"], &VERIFIER_PACKAGES[..]].concat())?;
    cargo(root, &[&["fmt", "--manifest-path", PROGRAMS, "--check"], &PROGRAM_PACKAGES[..]].concat())
}

fn spelling(root: &Path) -> Result<()> {
    if output(command("typos").arg("--version")).is_none() {
        eprintln!("skipped: typos is not installed (cargo install typos-cli, or pip install typos)");
        return Ok(());
    }
    run(command("typos").current_dir(root))
}

/// The programs that are proved: a workspace of their own.
const PROGRAMS: &str = "guests/risc0/Cargo.toml";
/// Its packages. What it has by a link is tested where it is.
#[rustfmt::skip]
const PROGRAM_PACKAGES: [&str; 12] = [
    "-p", "batch", "-p", "committed-amount", "-p", "compliance", "-p", "dti", "-p", "income-threshold",
    "-p", "loom-risc0-kit",
];

/// Verifiers as modules: a workspace of their own as well. What they verify is tested where it is written.
const VERIFIERS: &str = "guests/verifiers/Cargo.toml";
/// Its packages.
const VERIFIER_PACKAGES: [&str; 6] = ["-p", "verifier-kit", "-p", "risc0-verifier", "-p", "tls-notary-verifier"];

/// With the prover, where it can be built. One choice for all parts, so that nothing is built twice.
pub(crate) fn features() -> [&'static str; 2] {
    let features = match output(command("c++").arg("--version")) {
        Some(_) => "loom-cli/bonsai,loom-cli/prover,loom-prover/bonsai,loom-prover/local",
        None => {
            eprintln!("without the prover and its proofs: no C++ compiler (apt-get install g++)");
            "loom-cli/bonsai,loom-prover/bonsai"
        }
    };
    ["--features", features]
}

fn lints(root: &Path) -> Result<()> {
    let words = [&["clippy", "--workspace", "--all-targets"], &features()[..], &["--", "-D", "warnings"]];
    cargo(root, &words.concat())
}

fn tests(root: &Path) -> Result<()> {
    cargo(root, &[&["test", "--workspace", "--no-fail-fast"], &features()[..]].concat())
}

/// Has upstream's verifier, unmodified, read what the notary writes in the layout that it knows.
fn upstream(root: &Path) -> Result<()> {
    setup::ensure_npm_in(root, &[setup::NPM_UPSTREAM])?;
    let folder = tempfile::tempdir()?;
    let words = [&["test", "--quiet", "--workspace"], &features()[..], &["--test", "it", "--", "upstream::"]].concat();
    run(command("cargo").current_dir(root).env("LOOM_PRESENTATIONS", folder.path()).args(words))?;
    run(command("node").current_dir(root.join(setup::NPM_UPSTREAM)).arg("verify.mjs").arg(folder.path()))
}

fn guest_tests(root: &Path) -> Result<()> {
    cargo(root, &["test", "--manifest-path", "guests/Cargo.toml"])?;
    cargo(root, &["test", "--manifest-path", VERIFIERS, "-p", "verifier-kit"])?;
    cargo(root, &[&["test", "--manifest-path", PROGRAMS], &PROGRAM_PACKAGES[..]].concat())?;
    for folder in ["sdk/assemblyscript", "guests/assemblyscript"] {
        run(command("npm").current_dir(root.join(folder)).arg("test"))?;
    }
    run(command("node").current_dir(root).args(["--test", "guests/loan-review/normalise/tests/"]))
}

fn docs(root: &Path) -> Result<()> {
    run(command("cargo").current_dir(root).env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps"]))
}

fn deny(root: &Path) -> Result<()> {
    if output(command("cargo").args(["deny", "--version"])).is_none() {
        eprintln!("skipped: cargo-deny is not installed (cargo install cargo-deny); its rules are in deny.toml");
        return Ok(());
    }
    cargo(root, &["deny", "check"])
}
