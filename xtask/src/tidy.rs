//! `cargo xtask tidy`: what the compiler does not check. Arrows between crates point down, source files say what
//! they are for, error codes have their pages, and nothing is left to do in the code.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};

/// Which crates of ours a crate may use, tests aside. A new arrow is a design decision: ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("loom-types", &[]),
    ("loom-machine", &["loom-types"]),
    ("loom-storage", &["loom-types"]),
    ("loom-evidence", &["loom-types"]),
    (
        "loom-verify",
        &[
            "loom-evidence",
            "loom-machine",
            "loom-programs",
            "loom-risc0-verify",
            "loom-tlsnotary",
            "loom-types",
            "loom-wasmtime",
        ],
    ),
    ("loom-witness", &["loom-evidence", "loom-types"]),
    ("loom-notary", &["loom-client", "loom-http", "loom-machine", "loom-tlsnotary"]),
    ("loom-programs", &[]),
    ("loom-risc0-verify", &[]),
    ("loom-tlsnotary", &[]),
    ("loom-prover", &["loom-programs", "loom-risc0-verify", "loom-runtime"]),
    ("loom-runtime", &["loom-evidence", "loom-machine", "loom-storage", "loom-types"]),
    (
        "loom-sim",
        &[
            "loom-evidence",
            "loom-machine",
            "loom-runtime",
            "loom-storage",
            "loom-tlsnotary",
            "loom-types",
            "loom-verify",
        ],
    ),
    ("loom-client", &[]),
    ("loom-server", &["loom-client", "loom-evidence", "loom-machine", "loom-runtime", "loom-storage", "loom-types"]),
    ("loom-wasmtime", &["loom-machine", "loom-types"]),
    ("loom-http", &["loom-machine", "loom-runtime"]),
    ("loom-store-sqlite", &["loom-storage", "loom-types"]),
    ("loom-loan-review", &[]),
    ("loom-harness", &["loom-machine", "loom-types"]),
    ("loom-build", &[]),
    (
        "loom-fuzz",
        &[
            "loom-evidence",
            "loom-machine",
            "loom-runtime",
            "loom-server",
            "loom-storage",
            "loom-tlsnotary",
            "loom-types",
            "loom-verify",
            "loom-wasmtime",
            "loom-witness",
        ],
    ),
    (
        "loom-cli",
        &[
            "loom-build",
            "loom-client",
            "loom-harness",
            "loom-http",
            "loom-loan-review",
            "loom-evidence",
            "loom-machine",
            "loom-notary",
            "loom-programs",
            "loom-prover",
            "loom-risc0-verify",
            "loom-runtime",
            "loom-server",
            "loom-store-sqlite",
            "loom-tlsnotary",
            "loom-types",
            "loom-verify",
            "loom-wasmtime",
            "loom-witness",
        ],
    ),
];

/// Packages that must not get into the core, by crate.
const HEAVY: &[(&str, &[&str])] = &[
    ("wasmtime", &["loom-wasmtime"]),
    ("rusqlite", &["loom-store-sqlite", "loom-witness"]),
    ("axum", &["loom-notary", "loom-server", "loom-witness"]),
    ("reqwest", &["loom-client", "loom-notary", "loom-prover", "loom-witness"]),
    ("hyper", &["loom-http", "loom-notary", "loom-server", "loom-witness"]),
    ("rustls", &["loom-client", "loom-http", "loom-notary", "loom-prover", "loom-server", "loom-witness"]),
    ("opentelemetry", &["loom-cli"]),
    ("opentelemetry-otlp", &["loom-cli"]),
    ("tracing-opentelemetry", &["loom-cli"]),
];

/// Checks everything and names all that is wrong.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut problems = Vec::new();
    check_arrows(root, &mut problems)?;
    check_sources(root, &mut problems)?;
    check_error_pages(root, &mut problems)?;
    if problems.is_empty() {
        eprintln!("tidy");
        return Ok(());
    }
    bail!("{} to mend:\n{}", problems.len(), problems.join("\n"))
}

fn check_arrows(root: &Path, problems: &mut Vec<String>) -> Result<()> {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for entry in fs::read_dir(root.join("crates"))? {
        let path = entry?.path().join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest: toml::Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let name = manifest["package"]["name"].as_str().unwrap_or_default().to_owned();
        let Some(allowed) = arrows.get(name.as_str()) else {
            problems.push(format!("{name}: is not in xtask's map of arrows; add it there and to ARCHITECTURE.md"));
            continue;
        };
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for used in dependencies.into_iter().flat_map(toml::Table::keys) {
            if used.starts_with("loom-") && !allowed.contains(&used.as_str()) {
                problems.push(format!("{name}: must not depend on {used}"));
            }
            let heavy = HEAVY.iter().find(|(package, _)| package == used);
            if heavy.is_some_and(|(_, crates)| !crates.contains(&name.as_str())) {
                problems.push(format!("{name}: must not depend on {used}, which belongs to a leaf"));
            }
        }
    }
    Ok(())
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !path.is_symlink() && !["target", "node_modules"].contains(&name) {
            sources(&path, found)?;
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn check_sources(root: &Path, problems: &mut Vec<String>) -> Result<()> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "guests", "sdk"] {
        sources(&root.join(folder), &mut files)?;
    }
    // Spelt in two parts, so that this file does not find itself.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    for path in files {
        let text = fs::read_to_string(&path)?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let is_test = shown.contains("/tests/") || shown.ends_with("tests.rs");
        if !text.starts_with("//!") && !is_test {
            problems.push(format!("{shown}: does not begin with a `//!` that says what it is for"));
        }
        for word in unfinished {
            if text.contains(word) {
                problems.push(format!("{shown}: contains {word}"));
            }
        }
    }
    Ok(())
}

/// Every code that the interface can send has a page.
fn check_error_pages(root: &Path, problems: &mut Vec<String>) -> Result<()> {
    let path = root.join("crates/loom-server/src/problem.rs");
    let text = fs::read_to_string(&path)?;
    let codes = text.lines().filter_map(|line| {
        let (code, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
        rest.trim_start().starts_with("=> (StatusCode::").then_some(code)
    });
    for code in codes {
        if !root.join(format!("docs/errors/{code}.md")).exists() {
            problems.push(format!("docs/errors/{code}.md: is missing"));
        }
    }
    Ok(())
}
