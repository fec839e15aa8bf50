//! `cargo xtask demo`: the loan-review demo from a clean checkout. The guests are committed, so nothing but this
//! workspace has to be built.

use std::path::Path;

use anyhow::Result;

use crate::process::{command, run};

/// Builds the binary and runs the demo with the arguments that were passed on.
pub(crate) fn demo(root: &Path, arguments: &[String]) -> Result<()> {
    eprintln!("building loom (the first build compiles a WASM engine and takes some minutes)");
    let mut build = command("cargo");
    run(build.current_dir(root).args(["build", "--package", "loom-cli"]))?;
    let mut demo = command("cargo");
    demo.current_dir(root).args(["run", "--quiet", "--package", "loom-cli", "--", "demo", "loan-review"]);
    run(demo.args(arguments))
}
