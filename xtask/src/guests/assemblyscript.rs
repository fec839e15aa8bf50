//! AssemblyScript guests: every `*.ts` in `guests/assemblyscript`, and every `index.ts` of a folder
//! inside another folder of guests (`guests/EXAMPLE/NAME/index.ts`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Built;
use crate::process::{command, run};

/// Where the npm packages are, and the guests that are a single file.
const FOLDER: &str = "guests/assemblyscript";

/// Small and quick, and with the functions that the host needs to pass strings.
const FLAGS: [&str; 2] = ["-O3s", "--exportRuntime"];

struct Module {
    name: String,
    /// The path within the project.
    source: String,
}

/// The guests' names: those of their files or folders.
pub(crate) fn names(root: &Path) -> Result<Vec<String>> {
    Ok(modules(root)?.into_iter().map(|module| module.name).collect())
}

/// What decides about the bytes: the compiler and the optimiser behind it.
pub(crate) fn version(root: &Path) -> Result<String> {
    let asc = package_version(root, "assemblyscript")?;
    let binaryen = package_version(root, "binaryen")?;
    Ok(format!("asc {asc} (binaryen {binaryen})"))
}

/// Builds all guests, or those with the given names.
pub(crate) fn build(root: &Path, only: Option<&[&str]>) -> Result<Vec<Built>> {
    let compiler = version(root)?;
    let mut built = Vec::new();
    for module in modules(root)? {
        if only.is_some_and(|only| !only.contains(&module.name.as_str())) {
            continue;
        }
        let wasm = compile(root, &module).with_context(|| format!("failed to build {}", module.source))?;
        built.push(Built {
            name: module.name,
            source: module.source,
            compiler: compiler.clone(),
            flags: FLAGS.join(" "),
            wasm,
        });
    }
    Ok(built)
}

fn compile(root: &Path, module: &Module) -> Result<Vec<u8>> {
    let scratch = root.join("target/guests/assemblyscript");
    fs::create_dir_all(&scratch)?;
    let wasm = scratch.join(format!("{}.wasm", module.name));
    // The compiler puts the path it is given into the module, so it gets one that is relative.
    let source = match Path::new(&module.source).strip_prefix(FOLDER) {
        Ok(file) => file.to_owned(),
        Err(_) => Path::new("../..").join(&module.source),
    };
    let mut asc = command("node");
    asc.arg("node_modules/assemblyscript/bin/asc.js").arg(source).args(FLAGS);
    asc.args(["--path", "node_modules", "--outFile"]).arg(&wasm);
    run(asc.current_dir(root.join(FOLDER)))?;
    Ok(fs::read(&wasm)?)
}

fn modules(root: &Path) -> Result<Vec<Module>> {
    let mut sources = entries(&root.join(FOLDER))?;
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "ts"));
    for example in entries(&root.join("guests"))? {
        for guest in entries(&example)? {
            sources.push(guest.join("index.ts"));
        }
    }
    sources.retain(|path| path.is_file());
    let mut modules = Vec::new();
    for path in sources {
        let named = if path.ends_with("index.ts") { path.parent() } else { Some(path.as_path()) };
        let name = named.and_then(Path::file_stem).context("a guest without a name")?;
        let source = path.strip_prefix(root).expect("the path was made from the root");
        modules
            .push(Module { name: name.to_string_lossy().into_owned(), source: source.to_string_lossy().into_owned() });
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(modules)
}

/// What is in a folder; nothing if it is not one.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() || folder.ends_with("node_modules") {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder)?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

fn package_version(root: &Path, package: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Manifest {
        version: String,
    }
    let path = root.join(FOLDER).join("node_modules").join(package).join("package.json");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}; run `cargo xtask setup`", path.display()))?;
    let manifest: Manifest = serde_json::from_str(&text)?;
    Ok(manifest.version)
}
