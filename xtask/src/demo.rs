//! `cargo xtask demo`: the loan-review demo from a clean checkout. The guests are committed, so nothing but this
//! workspace has to be built.

use std::path::Path;

use anyhow::Result;

use crate::{
    interface,
    process::{command, run},
    test,
};

/// Builds the binary and runs the demo with the arguments that were passed on.
pub(crate) fn demo(root: &Path, arguments: &[String]) -> Result<()> {
    eprintln!("building loom (the first build compiles a WASM engine and takes some minutes)");
    let (mut build, mut demo) = (command("cargo"), command("cargo"));
    if arguments.iter().any(|argument| argument == "--prove") {
        eprintln!("with the prover, whose first build takes some minutes more");
        // As the tests are built, so that neither builds again what the other has.
        build.args(["build", "--workspace", "--bins"]).args(test::features());
        demo = command(interface::target(root).join("debug/loom"));
    } else {
        build.args(["build", "--package", "loom-cli"]);
        demo.args(["run", "--quiet", "--package", "loom-cli", "--"]);
    }
    run(build.current_dir(root))?;
    run(demo.current_dir(root).args(["demo", "loan-review"]).args(arguments))
}
