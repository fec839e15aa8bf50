//! Which builds of the programs there are: `guests/prebuilt/risc0/PROGRAMS.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::Digest;

/// What is known of one build.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The program's name, see [`Program`](crate::Program).
    pub name: String,
    /// What a receipt names it by.
    pub image_id: Digest,
    /// Of the program binary.
    pub sha256: Digest,
    /// Bytes of the program binary.
    pub bytes: u64,
    /// The source's folder within the project.
    pub source: String,
    /// Of the source's `Cargo.lock`.
    pub lock_sha256: Digest,
    /// Compiler, its library, linker.
    pub compiler: String,
    /// The flags that matter.
    pub flags: String,
    /// The crate that the kernel comes from.
    pub kernel: String,
    /// The version of the machine.
    pub risc0: String,
}

/// All builds that come with this version, by name.
pub fn registry() -> &'static [Build] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Programs {
        program: Vec<Build>,
    }
    static BUILDS: LazyLock<Vec<Build>> = LazyLock::new(|| {
        let text = include_str!("../../../guests/prebuilt/risc0/PROGRAMS.toml");
        toml::from_str::<Programs>(text).expect("a test reads it").program
    });
    &BUILDS
}

/// The build of this name.
pub fn named(name: &str) -> Option<&'static Build> {
    registry().iter().find(|build| build.name == name)
}

/// The build that has this image id.
pub fn identified(image_id: &[u8; 32]) -> Option<&'static Build> {
    registry().iter().find(|build| build.image_id.0 == *image_id)
}

#[cfg(feature = "binaries")]
impl Build {
    /// The program binary.
    pub fn binary(&self) -> &'static [u8] {
        match self.name.as_str() {
            "batch" => include_bytes!("../../../guests/prebuilt/risc0/batch.bin"),
            "committed-amount" => include_bytes!("../../../guests/prebuilt/risc0/committed-amount.bin"),
            "compliance" => include_bytes!("../../../guests/prebuilt/risc0/compliance.bin"),
            "dti" => include_bytes!("../../../guests/prebuilt/risc0/dti.bin"),
            "income-threshold" => include_bytes!("../../../guests/prebuilt/risc0/income-threshold.bin"),
            _ => unreachable!("a test asks for each"),
        }
    }
}
