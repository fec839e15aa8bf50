//! RISC Zero programs: every binary of the workspace in `guests/risc0/`, packed with the kernel they run on.
//!
//! `guests/prebuilt/risc0/` holds them as program binaries plus `PROGRAMS.toml`, because a proof is one of an image id,
//! and an image id is one of exact bytes. Paths do not get into these for the reasons said in [`super::rust`].
//!
//! Only Debian's Rust builds them, from the source of its standard library: no other compiler here has that for the
//! target. Where it is missing, nothing is built and what is committed stays.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use loom_build::registry_folders;
use serde::{Deserialize, Serialize};

use super::{ignore_missing, sha256};
use crate::{
    interface::target,
    process::{command, output, run},
};

const PACK: [&str; 2] = ["--example", "pack"];
const TARGET: &str = "riscv32im-risc0-zkvm-elf";
const WORKSPACE: &str = "guests/risc0";
const FILE: &str = "PROGRAMS.toml";
const HEADER: &str = "\
# What the RISC Zero programs in this folder are and how they were built.
# Written by `cargo xtask guests`, compared by `cargo xtask guests --check`.

";

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const LINKER: &str = "ld.lld";
const CARGO_FLAGS: [&str; 2] =
    ["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"];
/// The target has no atomic instructions and one thread. A panic that is nothing but a trap takes no text along.
const RUST_FLAGS: [&str; 3] = ["-Cpasses=lower-atomic", "-Zunstable-options", "-Cpanic=immediate-abort"];

/// All recorded programs, sorted by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Programs {
    #[serde(default, rename = "program")]
    programs: Vec<Recorded>,
}

/// One committed program.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    name: String,
    /// In lower-case hex, as is the rest.
    image_id: String,
    /// Of the program binary.
    sha256: String,
    bytes: u64,
    /// The source's path within the project.
    source: String,
    /// SHA-256 of the workspace's `Cargo.lock`.
    lock_sha256: String,
    compiler: String,
    flags: String,
    /// The crate that the kernel comes from.
    kernel: String,
    /// The version of the machine.
    risc0: String,
}

/// A program as it is packed.
struct Built {
    recorded: Recorded,
    binary: Vec<u8>,
}

/// Builds all programs into `guests/prebuilt/risc0/` and records them.
pub(super) fn build(root: &Path) -> Result<()> {
    let Some(compiler) = compiler() else {
        eprintln!("RISC Zero programs: left as they are, Debian's Rust with its source and {LINKER} is not here");
        return Ok(());
    };
    let prebuilt = prebuilt(root);
    fs::create_dir_all(&prebuilt)?;
    let before = Programs::read(root).unwrap_or_default();
    let mut after = Programs::default();
    // By itself: whatever includes the programs cannot be built while one is missing.
    run(command("cargo").current_dir(root).args(["build", "--quiet", "--package", "loom-risc0-verify"]).args(PACK))?;
    for built in build_all(root, &compiler, &target(root).join("debug"))? {
        let Built { recorded, binary } = built;
        fs::write(prebuilt.join(format!("{}.bin", recorded.name)), binary)?;
        let change = match before.get(&recorded.name) {
            None => "new",
            Some(before) if before.image_id == recorded.image_id => "unchanged",
            Some(_) => "changed",
        };
        eprintln!("{:24} {:>8} bytes  {}  {change}", recorded.name, recorded.bytes, &recorded.image_id[..16]);
        after.programs.push(recorded);
    }
    for gone in before.programs.iter().filter(|program| after.get(&program.name).is_none()) {
        eprintln!("{:24} is gone", gone.name);
        fs::remove_file(prebuilt.join(format!("{}.bin", gone.name))).or_else(ignore_missing)?;
    }
    fs::write(prebuilt.join(FILE), HEADER.to_owned() + &toml::to_string(&after)?)?;
    Ok(())
}

/// Compares the committed programs with what is recorded of them, and with what their sources build to where the
/// recorded compiler is.
pub(super) fn check(root: &Path) -> Result<()> {
    let recorded = Programs::read(root)?;
    let lock = sha256(&fs::read(root.join(WORKSPACE).join("Cargo.lock"))?);
    for program in &recorded.programs {
        let path = prebuilt(root).join(format!("{}.bin", program.name));
        let binary = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        ensure!(
            sha256(&binary) == program.sha256 && binary.len() as u64 == program.bytes,
            "{} is not what is recorded of it",
            path.display(),
        );
        ensure!(
            lock == program.lock_sha256,
            "{} was built with other packages; run `cargo xtask guests`",
            program.name
        );
    }
    let names = names(root)?;
    let known: Vec<&String> = recorded.programs.iter().map(|program| &program.name).collect();
    ensure!(
        names.iter().collect::<Vec<_>>() == known,
        "the programs in {WORKSPACE} are {names:?}, recorded are {known:?}; run `cargo xtask guests`"
    );
    let Some(compiler) = compiler().filter(|here| recorded.programs.iter().any(|there| there.compiler == *here)) else {
        for program in &recorded.programs {
            eprintln!("{:24} skipped: recorded compiler {} not here", program.name, program.compiler);
        }
        return Ok(());
    };
    let mut different = Vec::new();
    for built in build_all(root, &compiler, &crate::test::programs(root)?)? {
        let name = &built.recorded.name;
        match recorded.get(name) {
            Some(there) if *there == built.recorded => eprintln!("{name:24} same image id from {compiler}"),
            _ => {
                eprintln!("{name:24} DIFFERS: sources build to {}", built.recorded.image_id);
                different.push(name.clone());
            }
        }
    }
    ensure!(
        different.is_empty(),
        "{} in guests/prebuilt/risc0 not what the sources build to; run `cargo xtask guests`",
        different.join(", "),
    );
    Ok(())
}

/// Everything that must be the same for the same sources to build to the same bytes, if it is here.
fn compiler() -> Option<String> {
    let sysroot: PathBuf = output(command(RUSTC).args(["--print", "sysroot"]))?.into();
    let has_source = sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists();
    let rustc = output(command(RUSTC).arg("--version"))?;
    let linker = output(command(LINKER).arg("--version"))?;
    (has_source && Path::new(CARGO).exists()).then(|| format!("{rustc}, its core from source, {linker}"))
}

/// `programs` is where the one is that packs them.
fn build_all(root: &Path, compiler: &str, programs: &Path) -> Result<Vec<Built>> {
    let target = root.join("target/guests/risc0");
    let flags = rustflags(root, &target)?;
    let lock = locked(root)?;
    let mut built = Vec::new();
    for name in names(root)? {
        // One by one, as the WASM guests are.
        let mut cargo = command(CARGO);
        cargo.args(["build", "--release", "--locked", "--target", TARGET, "--package", &name]).args(CARGO_FLAGS);
        cargo.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1");
        cargo.env("CARGO_TARGET_RISCV32IM_RISC0_ZKVM_ELF_LINKER", LINKER);
        cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_ENCODED_RUSTFLAGS", &flags);
        run(cargo.current_dir(root.join(WORKSPACE))).with_context(|| format!("failed to build {name}"))?;
        let elf = target.join(TARGET).join("release").join(&name);
        let packed = target.join(format!("{name}.bin"));
        let image_id = pack(programs, &elf, &packed)?;
        let binary = fs::read(&packed).with_context(|| format!("failed to read {}", packed.display()))?;
        let recorded = Recorded {
            image_id,
            sha256: sha256(&binary),
            bytes: binary.len() as u64,
            source: format!("{WORKSPACE}/{name}"),
            lock_sha256: sha256(&fs::read(root.join(WORKSPACE).join("Cargo.lock"))?),
            compiler: compiler.to_owned(),
            flags: [&CARGO_FLAGS[..], &RUST_FLAGS, &["--remap-path-prefix=..."]].concat().join(" "),
            kernel: version(&lock, "risc0-zkos-v1compat")?,
            risc0: version(&lock, "risc0-zkvm")?,
            name,
        };
        built.push(Built { recorded, binary });
    }
    Ok(built)
}

/// Packs a program with its kernel, and returns its image id. An example of a leaf does it, for this crate stays without
/// RISC Zero.
fn pack(programs: &Path, elf: &Path, packed: &Path) -> Result<String> {
    let mut pack = command(programs.join("examples/pack"));
    output(pack.args([elf, packed])).with_context(|| format!("failed to pack {}", elf.display()))
}

/// The programs' names: those of the packages with a binary, sorted.
fn names(root: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Member>,
    }
    #[derive(Deserialize)]
    struct Member {
        name: String,
        targets: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Vec<String>,
    }
    let mut cargo = command("cargo");
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root.join(WORKSPACE));
    let metadata = output(&mut cargo).with_context(|| format!("failed to list the packages in {WORKSPACE}"))?;
    let Metadata { packages } = serde_json::from_str(&metadata)?;
    let is_binary = |target: &Target| target.kind.iter().any(|kind| kind == "bin");
    let programs = packages.into_iter().filter(|member| member.targets.iter().any(is_binary));
    let mut names: Vec<String> = programs.map(|member| member.name).collect();
    names.sort();
    Ok(names)
}

/// Versions of the packages in the project's own lock file, by name.
fn locked(root: &Path) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let lock: Lock = toml::from_str(&fs::read_to_string(root.join("Cargo.lock"))?)?;
    Ok(lock.package.into_iter().map(|package| (package.name, package.version)).collect())
}

fn version(lock: &BTreeMap<String, String>, package: &str) -> Result<String> {
    let version = lock.get(package).with_context(|| format!("{package} is not in Cargo.lock"))?;
    Ok(format!("{package} {version}"))
}

fn rustflags(root: &Path, target: &Path) -> Result<OsString> {
    let sysroot: PathBuf = output(command(RUSTC).args(["--print", "sysroot"])).context("no compiler")?.into();
    let mut renamed =
        vec![(root.to_owned(), "loom"), (target.to_owned(), "target"), (sysroot.join("lib/rustlib/src/rust"), "rust")];
    renamed.extend(registry_folders()?.into_iter().map(|folder| (folder, "registry")));
    let mut flags = OsString::from(RUST_FLAGS.join("\u{1f}"));
    for (from, to) in renamed {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    Ok(flags)
}

fn prebuilt(root: &Path) -> PathBuf {
    super::prebuilt(root).join("risc0")
}

impl Programs {
    fn read(root: &Path) -> Result<Self> {
        let path = prebuilt(root).join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))
    }

    fn get(&self, name: &str) -> Option<&Recorded> {
        self.programs.iter().find(|program| program.name == name)
    }
}
