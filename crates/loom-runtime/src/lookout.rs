//! The lookout: wakes actors that have something to do and that nobody told.
//!
//! Telling an actor is only a hint, and it is not given when the node was not running, or when an answer of the
//! store got lost: a commit may have delivered its messages, a promise may be resolved, and whoever did it does
//! not know. So the store is searched at every start, and again after every such doubt.

use std::{sync::Arc, time::Duration};

use loom_storage::Storage;
use tokio::sync::{Notify, mpsc::UnboundedSender};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock,
    shard::{Event, shard_of},
};

/// Actors woken at once. A page costs the store as much as all that wait, so there are few.
const PAGE: usize = 10_000;
/// Pause before the store is searched again: doubts come in numbers, and after trouble.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks for a search. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Doubts {
    notify: Arc<Notify>,
}

impl Doubts {
    /// Something may have been done that nobody was told of.
    pub(crate) fn raise(&self) {
        self.notify.notify_one();
    }
}

/// The service.
pub(crate) struct Lookout {
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shards: Vec<UnboundedSender<Event>>,
    pub(crate) doubts: Doubts,
}

impl Lookout {
    /// Searches once, and again after every doubt, until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.search(&stop).await {
                tracing::warn!(%error, "looking for unfinished work");
                self.doubts.raise();
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.doubts.notify.notified() => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock.sleep(PAUSE) => {}
            }
        }
    }

    async fn search(&self, stop: &CancellationToken) -> Result<(), loom_storage::StoreError> {
        let mut after = None;
        while !stop.is_cancelled() {
            let page = self.storage.mailbox.ready(after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().cloned();
            for actor in page {
                // A stopped shard needs no waking.
                let _ = self.shards[shard_of(&actor, self.shards.len())].send(Event::Wake(actor));
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }
}
