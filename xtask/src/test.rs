//! `cargo xtask test`: everything CI checks, in the order in which it fails soonest.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

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
#[expect(clippy::disallowed_methods, reason = "how long a part takes is for people")]
pub(crate) fn test(root: &Path) -> Result<()> {
    setup::ensure(root)?;
    let mut took = Vec::new();
    for (name, part) in PARTS {
        eprintln!("\n── {name}");
        let start = Instant::now();
        part(root).with_context(|| format!("'{name}' failed"))?;
        took.push(format!("{name} {} s", start.elapsed().as_secs()));
    }
    eprintln!("\nall {} parts passed: {}", PARTS.len(), took.join(", "));
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
        None if std::env::var_os("CI").is_some() => panic!("no C++ compiler, and CI proves (apt-get install g++)"),
        None => {
            eprintln!("without the prover and its proofs: no C++ compiler (apt-get install g++)");
            "loom-cli/bonsai,loom-prover/bonsai"
        }
    };
    ["--features", features]
}

/// The project's programs and examples, built as the tests are, so that neither builds again what the other has: where
/// they are.
pub(crate) fn programs(root: &Path) -> Result<PathBuf> {
    let words = ["build", "--quiet", "--workspace", "--bins", "--examples"];
    cargo(root, &[&words, &features()[..]].concat())?;
    Ok(interface::target(root).join("debug"))
}

/// Of the whole, and of what the first README command builds.
fn lints(root: &Path) -> Result<()> {
    for features in [&features()[..], &[]] {
        let words = [&["clippy", "--workspace", "--all-targets"], features, &["--", "-D", "warnings"]];
        cargo(root, &words.concat())?;
    }
    Ok(())
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
    let words = [&["doc", "--workspace", "--no-deps"], &features()[..]].concat();
    run(command("cargo").current_dir(root).env("RUSTDOCFLAGS", "-D warnings").args(words))
}

fn deny(root: &Path) -> Result<()> {
    if output(command("cargo").args(["deny", "--version"])).is_none() {
        eprintln!("skipped: cargo-deny is not installed (cargo install cargo-deny); its rules are in deny.toml");
        return Ok(());
    }
    cargo(root, &["deny", "check"])
}
