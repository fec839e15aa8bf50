//! What a notary takes from outside: time, randomness, and addresses for names.

use std::sync::Arc;

use loom_http::{Resolve, SystemResolver};

/// Where a notary reads time.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since the Unix epoch.
    fn now_seconds(&self) -> u64;
}

/// Where a notary draws ids, blinders and keys.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable data.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Random + '_ {
    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the real clock")]
    fn now_seconds(&self) -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the real source")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides randomness");
    }
}

/// All of it.
#[derive(Clone)]
pub struct Outside {
    /// What time it is: in the attestation, and for the server's certificate.
    pub clock: Arc<dyn Clock>,
    /// Ids and blinders.
    pub random: Arc<dyn Random>,
    /// Addresses, which are checked before they are used.
    pub resolver: Arc<dyn Resolve>,
}

impl Outside {
    /// Those of this machine.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(OsRandom), resolver: Arc::new(SystemResolver::default()) }
    }
}
