//! Guests in AssemblyScript: `src/NAME.ts`, compiled by the `asc` of the project's own packages.

use std::{fs, path::Path};

use crate::{
    BuildError,
    process::{command, output, run, run_quietly},
    project::BUILD_FOLDER,
};

/// Small and quick, and with the functions that the host needs to pass strings.
const FLAGS: [&str; 2] = ["-O3s", "--exportRuntime"];
const COMPILER: &str = "node_modules/assemblyscript/bin/asc.js";
const LOCK: &str = "package-lock.json";
/// A copy of the lock file that the installed packages were installed from.
const STAMP: &str = "node_modules/.installed-lock.json";

/// Installs the packages if they are not there, and compiles the modules.
pub(crate) fn build(folder: &Path, modules: &[String]) -> Result<(), BuildError> {
    for program in ["node", "npm"] {
        if output(command(program).arg("--version")).is_none() {
            let missing = format!("there is no {program} here");
            let install = "install Node.js 20 or newer with npm: https://nodejs.org, or `apt-get install nodejs npm`";
            return Err(BuildError::Toolchain { missing, install });
        }
    }
    install(folder)?;
    for module in modules {
        let source = format!("src/{module}.ts");
        if !folder.join(&source).is_file() {
            let expected = format!("there is no {source}");
            return Err(BuildError::NoSource { module: module.clone(), expected });
        }
        let mut asc = command("node");
        asc.args([COMPILER, &source]).args(FLAGS).args(["--path", "node_modules", "--outFile"]);
        run(asc.arg(format!("{BUILD_FOLDER}/{module}.wasm")).current_dir(folder))?;
    }
    Ok(())
}

fn install(folder: &Path) -> Result<(), BuildError> {
    let lock = fs::read(folder.join(LOCK)).ok();
    if lock.is_some() && lock == fs::read(folder.join(STAMP)).ok() && folder.join(COMPILER).is_file() {
        return Ok(());
    }
    let mut npm = command("npm");
    // What is locked is installed as it is locked; without a lock file, one is made.
    npm.arg(if lock.is_some() { "ci" } else { "install" });
    npm.args(["--legacy-peer-deps", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]);
    run_quietly(npm.args(["--loglevel", "error"]).current_dir(folder))?;
    fs::copy(folder.join(LOCK), folder.join(STAMP)).map(drop).map_err(BuildError::io(format!("cannot copy {LOCK}")))
}
