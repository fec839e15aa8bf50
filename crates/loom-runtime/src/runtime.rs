//! A running node: its shards, its timers, and how they start and stop.

use std::{collections::HashMap, sync::Arc, thread::JoinHandle};

use loom_machine::Sandbox;
use loom_storage::{Storage, StoreError};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, DeployError, Handle, Metrics, Settings,
    audit::AuditLog,
    deployments::Deployments,
    handle::Inner,
    modules::Modules,
    shard::{Context, Event, Shard, shard_of},
    timers::{Alarm, TimerService},
};

/// Actors woken at once after a start.
const WAKE_PAGE: usize = 500;

/// Why a runtime could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The active deployments could not be read.
    #[error("cannot read the active deployments")]
    Deployments(#[from] DeployError),
    /// The store could not be read.
    #[error("cannot read the store")]
    Store(#[from] StoreError),
    /// A thread could not be made.
    #[error("cannot start a shard's thread")]
    Thread(#[from] std::io::Error),
}

/// A running node.
pub struct Runtime {
    handle: Handle,
    stop: CancellationToken,
    shards: Vec<JoinHandle<()>>,
    tasks: TaskTracker,
}

impl Runtime {
    /// Starts shards and timers, and goes on with what was unfinished.
    pub async fn start(
        settings: Settings,
        storage: Storage,
        sandbox: Arc<dyn Sandbox>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        let modules =
            Arc::new(Modules::new(sandbox, storage.blobs.clone(), settings.module_cache_bytes, metrics.clone()));
        let audit = Arc::new(AuditLog::new(storage.clone(), clock.clone()));
        let deployments = Arc::new(Deployments::new(storage.clone(), modules.clone(), clock.clone(), audit.clone()));
        deployments.restore().await?;
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..settings.shards.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        let alarm = Alarm::default();
        let requests_max = settings.requests_max;
        let context = Arc::new(Context {
            settings,
            storage: storage.clone(),
            deployments: deployments.clone(),
            modules: modules.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            shards: senders.clone(),
            alarm: alarm.clone(),
        });
        let stop = CancellationToken::new();
        let mut shards = Vec::new();
        for (n, events) in receivers.into_iter().enumerate() {
            let (context, stop) = (context.clone(), stop.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let run = move || runtime.block_on(Shard::new(context, events).run(stop));
            shards.push(std::thread::Builder::new().name(format!("loom-shard-{n}")).spawn(run)?);
        }
        let tasks = TaskTracker::new();
        let timers = TimerService {
            storage: storage.clone(),
            clock: clock.clone(),
            shards: senders.clone(),
            alarm,
            metrics: metrics.clone(),
            told: HashMap::new(),
        };
        tasks.spawn(timers.run(stop.clone()));
        tasks.spawn(wake_all(storage.clone(), senders.clone(), stop.clone()));
        tasks.close();
        let requests = Arc::new(Semaphore::new(requests_max));
        let inner =
            Inner { shards: senders, storage, deployments, modules, metrics, clock, audit, requests, requests_max };
        Ok(Self { handle: Handle { inner: Arc::new(inner) }, stop, shards, tasks })
    }

    /// What can be asked of the node.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops: lets commits under way become durable, drops everything else, which the next start takes up again.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
        let join = move || {
            for shard in self.shards {
                if shard.join().is_err() {
                    tracing::error!("a shard had panicked");
                }
            }
        };
        // Joining blocks, and the shards' futures may need this runtime's threads.
        let _ = tokio::task::spawn_blocking(join).await;
    }
}

/// Wakes every actor that has something to do.
async fn wake_all(storage: Storage, shards: Vec<mpsc::UnboundedSender<Event>>, stop: CancellationToken) {
    let mut after = None;
    while !stop.is_cancelled() {
        match storage.mailbox.ready(after.as_ref(), WAKE_PAGE).await {
            Ok(page) => {
                let is_last = page.len() < WAKE_PAGE;
                after = page.last().cloned();
                for actor in page {
                    // A stopped shard needs no waking.
                    let _ = shards[shard_of(&actor, shards.len())].send(Event::Wake(actor));
                }
                if is_last {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "looking for unfinished work");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}
