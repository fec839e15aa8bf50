//! Makes projects of guests and builds them.
//!
//! A project is a folder with a `loom.toml`, sources in one language, scripts in `tests/`, and a copy of the SDK
//! in `sdk/`: it needs a compiler and the language's package registry, and nothing else of ours. Its modules are
//! `build/NAME.wasm`.
//!
//! The bytes of a module depend on its sources, the locked packages and the compiler, not on where the project
//! is or what was built before: paths are remapped, flags are fixed, and variables of a cargo that happens to be
//! around are not passed on.
//!
//! Absent on purpose: installing compilers. What is missing is named, with the command that installs it.

mod assemblyscript;
mod error;
pub mod process;
mod project;
mod rust;
mod template;
mod toolchain;

pub use self::{
    error::{BuildError, NewError},
    project::{Built, Language, build},
    rust::{STACK, registry_folders},
    template::{Kind, NewProject, create},
    toolchain::{TARGET, Toolchain},
};
