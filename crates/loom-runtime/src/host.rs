//! What a node takes from the machine it runs on.
//!
//! Everything that two runs of the same node could find different comes in here, so that a simulation can
//! decide it: time, randomness, and on which threads work is done.

use std::sync::Arc;

use loom_evidence::SigningKey;

use crate::{Clock, OsSalts, Outside, Proving, SaltSources, Witness};

/// What a node takes from the machine it runs on. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for salts, seeds, tokens and generated ids.
    pub salts: SaltSources,
    /// Where work is done that takes long.
    pub blocking: BlockingWork,
    /// What effectful activities reach.
    pub outside: Outside,
    /// What signs the node's log. Without it nothing is signed, and bundles prove less.
    pub log_key: Option<SigningKey>,
    /// Who is asked to cosign it.
    pub witnesses: Vec<Arc<dyn Witness>>,
    /// What proves runs of programs. Without it, steps that ask for a proof fail.
    pub prove: Option<Proving>,
}

impl Host {
    /// A real machine, with this clock, whose activities reach nothing outside.
    pub fn real(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            salts: OsSalts::sources(),
            blocking: BlockingWork::OnThreads,
            outside: Outside::none(),
            log_key: None,
            witnesses: Vec::new(),
            prove: None,
        }
    }
}

/// Where work is done that may take seconds, such as compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockingWork {
    /// On tokio's threads for it.
    OnThreads,
    /// Right where it is asked for; for a simulation, which has one thread and no tokio.
    InPlace,
}

impl BlockingWork {
    /// Does the work. It fails only if it panics.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        match self {
            BlockingWork::OnThreads => tokio::task::spawn_blocking(work).await,
            BlockingWork::InPlace => Ok(work()),
        }
    }
}
