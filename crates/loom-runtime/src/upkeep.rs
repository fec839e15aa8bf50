//! Upkeep: letting go of what is old, by the settings, beside everything else.
//!
//! Nothing here changes an entry. Payloads are erased by the store, which leaves a marker; ids are forgotten; blobs go
//! when nothing leads to them (see `loom_storage::collect` for why no commit can lose one).

use std::{sync::Arc, time::Duration};

use loom_storage::{
    Storage,
    collect::{self, CollectError, Collected, Spared},
    retain,
};
use tokio_util::sync::CancellationToken;

use crate::{Clock, Settings, causes, deployments::Deployments};

/// Lets go of what is old. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upkeep {
    /// With markers in the place of large payloads, which nobody here has to read.
    storage: Storage,
    deployments: Arc<Deployments>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    payloads_kept: Option<Duration>,
    message_ids_kept: Option<Duration>,
    blobs_kept: Option<Duration>,
}

/// What one round let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetGo {
    /// Payloads erased.
    pub payloads: u64,
    /// Client ids forgotten.
    pub message_ids: u64,
    /// Blobs removed, and their bytes.
    pub blobs: Collected,
}

impl Upkeep {
    pub(crate) fn new(
        settings: &Settings,
        storage: Storage,
        deployments: Arc<Deployments>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            storage,
            deployments,
            clock,
            interval: settings.upkeep_interval,
            payloads_kept: settings.payloads_kept,
            message_ids_kept: settings.message_ids_kept,
            blobs_kept: settings.blobs_kept,
        }
    }

    /// One round after the other until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(self.interval) => {}
            }
            // A round may be cut short anywhere; the next one goes on.
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.round() => round,
            };
            match round {
                Ok(let_go) if let_go == LetGo::default() => {}
                Ok(let_go) => tracing::info!(?let_go, "upkeep"),
                Err(error) => tracing::warn!(error = %causes(&error), "upkeep"),
            }
        }
    }

    /// Lets go of what is old by now.
    pub(crate) async fn round(&self) -> Result<LetGo, CollectError> {
        let mut let_go = LetGo::default();
        if let Some(kept) = self.message_ids_kept {
            let_go.message_ids = retain::forget_old_ids(&self.storage, self.before(kept)).await?;
        }
        if let Some(kept) = self.payloads_kept {
            let_go.payloads = retain::erase_old_payloads(&self.storage, self.before(kept)).await?;
        }
        if let Some(kept) = self.blobs_kept {
            let collected = self.collect_blobs(kept, false).await?;
            // What stays is no news.
            let_go.blobs = Collected { kept: 0, ..collected };
        }
        Ok(let_go)
    }

    /// Removes blobs to which nothing leads and that were put longer ago than `kept`, or only counts them.
    pub(crate) async fn collect_blobs(&self, kept: Duration, dry_run: bool) -> Result<Collected, CollectError> {
        // A turn in progress is pinned to a deployment that this process knows, active or not.
        let spared = || Spared { roots: self.deployments.known(), put_since_ms: self.before(kept).saturating_add(1) };
        let marked = collect::mark(&self.storage, spared).await?;
        if dry_run { Ok(marked.preview()) } else { marked.sweep(&self.storage).await }
    }

    fn before(&self, kept: Duration) -> u64 {
        self.clock.now_ms().saturating_sub(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX))
    }
}
