//! Rust compilers that can build for WASM.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{command, output};

/// What guests are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler with a standard library for the target, or with the source to build one.
#[derive(Debug)]
pub struct Toolchain {
    kind: Kind,
    /// Everything that decides about the bytes: compiler, standard library, linker.
    pub version: String,
    /// Where the compiler's own files are.
    pub sysroot: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The usual one: the target's standard library and linker come with it.
    Rustup,
    /// Debian's: it has no standard library for the target, but may build one from source.
    Debian,
}

impl Toolchain {
    /// What is on this machine, the usual one first.
    pub fn available() -> Vec<Self> {
        [Self::rustup(), Self::debian()].into_iter().flatten().collect()
    }

    fn rustup() -> Option<Self> {
        let rustc = || command("rustc");
        let library = output(rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
        if !Path::new(&library).exists() {
            return None;
        }
        let version = output(rustc().arg("--version"))?;
        let sysroot = output(rustc().args(["--print", "sysroot"]))?.into();
        Some(Self { kind: Kind::Rustup, version, sysroot })
    }

    fn debian() -> Option<Self> {
        let sysroot: PathBuf = output(command("/usr/bin/rustc").args(["--print", "sysroot"]))?.into();
        let has_source = sysroot.join("lib/rustlib/src/rust/library/std/src/lib.rs").exists();
        let has_cargo = Path::new("/usr/bin/cargo").exists();
        if !has_source || !has_cargo {
            return None;
        }
        let rustc = output(command("/usr/bin/rustc").arg("--version"))?;
        let linker = output(command("wasm-ld").arg("--version"))?;
        let version = format!("{rustc}, its std from source, {linker}");
        Some(Self { kind: Kind::Debian, version, sysroot })
    }

    /// This toolchain's `cargo build`, set up for the target.
    pub fn cargo(&self) -> Command {
        let mut cargo = command(match self.kind {
            Kind::Rustup => "cargo",
            Kind::Debian => "/usr/bin/cargo",
        });
        cargo.arg("build").args(self.flags());
        if self.kind == Kind::Debian {
            cargo.env("RUSTC", "/usr/bin/rustc");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld");
            // Building std is not stable yet; this compiler is pinned by its recorded version.
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        cargo
    }

    /// Cargo's flags, as they are recorded.
    pub fn flags(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Rustup => &[],
            Kind::Debian => &["-Zbuild-std=std,panic_abort"],
        }
    }

    /// Whether a build includes the standard library.
    pub fn builds_std(&self) -> bool {
        self.kind == Kind::Debian
    }

    /// A name for the folder with this toolchain's intermediate files.
    pub fn folder(&self) -> &'static str {
        match self.kind {
            Kind::Rustup => "rustup",
            Kind::Debian => "debian",
        }
    }
}
