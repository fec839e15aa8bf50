//! Links with the layout that all programs share. Linkers run in the folder of the workspace.

/// What the program's functions need together; see `guest.ld`.
const STACK_BYTES: u32 = 1_024;

fn main() {
    println!("cargo:rerun-if-changed=../guest.ld");
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "zkvm") {
        println!("cargo:rustc-link-arg-bins=--defsym=_stack_bytes={STACK_BYTES}");
        println!("cargo:rustc-link-arg-bins=-Tguest.ld");
    }
}
