//! Program binaries: a program's ELF with the kernel that it runs on.

use bytes::Bytes;
use loom_risc0_verify::ImageId;
use risc0_binfmt::ProgramBinary;

use crate::ProgramError;

/// Largest program binary, in bytes. The ones that come with Loom have less than a hundredth of it.
pub(crate) const PROGRAM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A program binary whose image id is known. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    binary: Bytes,
    image_id: ImageId,
}

impl Program {
    /// Reads a binary, and computes its image id.
    pub fn read(binary: Bytes) -> Result<Self, ProgramError> {
        if binary.len() > PROGRAM_BYTES_MAX {
            return Err(ProgramError::TooLarge { bytes: binary.len(), max: PROGRAM_BYTES_MAX });
        }
        // The library reads strangers' ELF files here, and panics over some.
        let computed = std::panic::catch_unwind(|| {
            let program = ProgramBinary::decode(&binary)?;
            program.compute_image_id()
        });
        match computed {
            Ok(Ok(id)) => Ok(Self { image_id: ImageId(id.into()), binary }),
            Ok(Err(error)) => Err(ProgramError::Malformed(error.to_string())),
            Err(_) => Err(ProgramError::Malformed("its parts overlap or lie outside memory".to_owned())),
        }
    }

    /// Reads the binary of a program that is known.
    pub fn read_as(binary: Bytes, expected: ImageId) -> Result<Self, ProgramError> {
        let program = Self::read(binary)?;
        match program.image_id == expected {
            true => Ok(program),
            false => Err(ProgramError::Other { found: program.image_id, expected }),
        }
    }

    /// Its name.
    pub fn image_id(&self) -> ImageId {
        self.image_id
    }

    /// Its bytes.
    pub fn binary(&self) -> &Bytes {
        &self.binary
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({}, {} bytes)", self.image_id, self.binary.len())
    }
}
