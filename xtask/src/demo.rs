//! `cargo xtask demo`: the loan-review demo from a clean checkout. The guests are committed, so nothing but this
//! workspace has to be built.

use std::path::Path;

use anyhow::Result;

use crate::{
    process::{command, run},
    test,
};

/// Builds the binary and runs the demo with the arguments that were passed on.
pub(crate) fn demo(root: &Path, arguments: &[String]) -> Result<()> {
    eprintln!("building loom (the first build compiles a WASM engine and takes some minutes)");
    let mut demo = command("cargo");
    if arguments.iter().any(|argument| argument == "--prove") {
        eprintln!("with the prover, whose first build takes some minutes more");
        demo = command(test::programs(root)?.join("loom"));
    } else {
        run(command("cargo").current_dir(root).args(["build", "--package", "loom-cli"]))?;
        demo.args(["run", "--quiet", "--package", "loom-cli", "--"]);
    }
    run(demo.current_dir(root).args(["demo", "loan-review"]).args(arguments))
}
