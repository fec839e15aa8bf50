//! `cargo xtask sim`: plays many simulated runs. `docs/guides/simulation.md` says what they show.

use std::path::Path;

use anyhow::Result;

use crate::process::{command, run};

/// Builds the simulation and runs it with the arguments that were passed on.
pub(crate) fn sim(root: &Path, arguments: &[String]) -> Result<()> {
    let mut sim = command("cargo");
    sim.current_dir(root).args(["run", "--quiet", "--package", "loom-sim", "--"]);
    run(sim.args(arguments))
}
