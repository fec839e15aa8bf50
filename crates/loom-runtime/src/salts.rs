//! Salts from the operating system, drawn in batches.

use std::sync::Arc;

use loom_types::SaltSource;

/// Gives each part of a node that seals payloads a source of its own.
pub type SaltSources = Arc<dyn Fn() -> Box<dyn SaltSource + Send> + Send + Sync>;

/// Bytes drawn at once: a system call per salt would cost more than the salt.
const BATCH: usize = 4096;

/// The operating system's generator.
pub struct OsSalts {
    buffer: [u8; BATCH],
    used: usize,
}

impl OsSalts {
    /// Sources for a real node.
    pub fn sources() -> SaltSources {
        Arc::new(|| Box::new(Self::default()))
    }
}

impl Default for OsSalts {
    fn default() -> Self {
        Self { buffer: [0; BATCH], used: BATCH }
    }
}

impl SaltSource for OsSalts {
    #[expect(clippy::disallowed_methods, reason = "this is the real source")]
    fn fill(&mut self, bytes: &mut [u8]) {
        if bytes.len() > BATCH - self.used {
            getrandom::fill(&mut self.buffer).expect("the operating system provides randomness");
            self.used = 0;
        }
        let end = self.used + bytes.len();
        bytes.copy_from_slice(&self.buffer[self.used..end]);
        // What was handed out does not stay behind in memory.
        self.buffer[self.used..end].fill(0);
        self.used = end;
    }
}
