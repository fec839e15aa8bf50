//! The SDKs and templates are compiled in; a file that comes or goes must compile them in again.

fn main() {
    for folder in ["templates", "../../sdk/rust", "../../sdk/assemblyscript/assembly", "build.rs"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
