//! A running node: its shards, its timers, and how they start and stop.

use std::{collections::HashMap, sync::Arc, thread::JoinHandle};

use futures::{FutureExt as _, future::BoxFuture};
use loom_machine::Sandbox;
use loom_storage::{Storage, StoreError};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, DeployError, Handle, Host, Metrics, Settings,
    audit::AuditLog,
    cron::CronService,
    deployments::Deployments,
    handle::Inner,
    log::NodeLog,
    lookout::{Doubts, Lookout},
    modules::Modules,
    proofs::Proofs,
    shard::{Context, Shard},
    timers::{Alarm, TimerService},
    trace::Traces,
    upkeep::Upkeep,
    verdicts::Verdicts,
    watch::Watchers,
};

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

/// A node's parts, for whoever drives them: threads in [`Runtime::start`], one executor in a simulation.
pub struct Assembly {
    /// What can be asked of the node.
    pub handle: Handle,
    /// The shards, each for a thread of its own. They run until told to stop.
    pub shards: Vec<BoxFuture<'static, ()>>,
    /// What else runs beside them.
    pub services: Vec<BoxFuture<'static, ()>>,
}

impl Assembly {
    /// Puts a node together. Nothing of it runs yet; everything ends when `stop` is cancelled.
    pub async fn new(
        settings: Settings,
        storage: Storage,
        sandbox: Arc<dyn Sandbox>,
        host: Host,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let stored = storage;
        let storage = loom_storage::spilling(stored.clone());
        let metrics = Metrics::default();
        let (blobs, cache_bytes) = (storage.blobs.clone(), settings.module_cache_bytes);
        let modules = Arc::new(Modules::new(sandbox, blobs, host.blocking, cache_bytes, metrics.clone()));
        let (clock, outside) = (host.clock.clone(), host.outside.clone());
        let audit = Arc::new(AuditLog::new(storage.clone(), clock.clone()));
        let turns = settings.turns_of_namespace();
        let deployments =
            Arc::new(Deployments::new(storage.clone(), modules.clone(), outside, clock.clone(), audit.clone(), turns));
        deployments.restore().await?;
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..settings.shards.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        let (alarm, doubts) = (Alarm::default(), Doubts::default());
        let (requests_max, queries_max) = (settings.requests_max, settings.queries_max);
        let message_ids_kept = settings.message_ids_kept;
        let upkeep = Upkeep::new(&settings, stored, deployments.clone(), host.clock.clone());
        let interval = settings.checkpoint_interval;
        let witnesses = host.witnesses;
        let log = host
            .log_key
            .map(|key| NodeLog::new(storage.clone(), clock.clone(), key, witnesses, interval, metrics.clone()));
        let watchers = Arc::new(Watchers::default());
        let proofs = host.prove.map(|proving| Proofs::new(proving, storage.blobs.clone(), metrics.clone()));
        let context = Arc::new(Context {
            settings,
            storage: storage.clone(),
            deployments: deployments.clone(),
            modules: modules.clone(),
            verdicts: Verdicts::new(metrics.clone()),
            outside: host.outside,
            proofs: proofs.map(Arc::new),
            clock: host.clock.clone(),
            salts: host.salts.clone(),
            metrics: metrics.clone(),
            shards: senders.clone(),
            alarm: alarm.clone(),
            doubts: doubts.clone(),
            traces: Traces::default(),
            watchers: watchers.clone(),
        });
        let shard = |events| Shard::new(context.clone(), events).run(stop.clone()).boxed();
        let shards = receivers.into_iter().map(shard).collect();
        let timers = TimerService {
            storage: storage.clone(),
            clock: host.clock.clone(),
            shards: senders.clone(),
            alarm,
            doubts: doubts.clone(),
            metrics: metrics.clone(),
            told: HashMap::new(),
        };
        let (storage_again, shards_again) = (storage.clone(), senders.clone());
        let lookout =
            Lookout { storage: storage_again, clock: host.clock, shards: shards_again, doubts: doubts.clone() };
        let cron_clock = clock.clone();
        let requests = Arc::new(Semaphore::new(requests_max));
        let inner = Inner {
            shards: senders,
            storage,
            deployments: deployments.clone(),
            modules,
            metrics,
            salts: host.salts,
            blocking: host.blocking,
            doubts,
            clock,
            audit,
            requests,
            requests_max,
            queries: Arc::new(Semaphore::new(queries_max)),
            queries_max,
            upkeep: upkeep.clone(),
            log: log.clone(),
            watchers,
            checking: tokio::sync::Mutex::new(()),
        };
        let handle = Handle { inner: Arc::new(inner) };
        let cron = CronService::new(handle.clone(), deployments, cron_clock, message_ids_kept);
        let mut services = vec![
            timers.run(stop.clone()).boxed(),
            lookout.run(stop.clone()).boxed(),
            upkeep.run(stop.clone()).boxed(),
            cron.run(stop.clone()).boxed(),
        ];
        services.extend(log.map(|log| log.run(stop).boxed()));
        Ok(Self { handle, shards, services })
    }
}

/// A running node.
pub struct Runtime {
    handle: Handle,
    stop: CancellationToken,
    shards: Vec<JoinHandle<()>>,
    tasks: TaskTracker,
}

impl Runtime {
    /// Starts a node whose activities reach nothing outside.
    pub async fn start(
        settings: Settings,
        storage: Storage,
        sandbox: Arc<dyn Sandbox>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        Self::start_on(settings, storage, sandbox, Host::real(clock)).await
    }

    /// Starts shards and timers, and goes on with what was unfinished.
    pub async fn start_on(
        settings: Settings,
        storage: Storage,
        sandbox: Arc<dyn Sandbox>,
        host: Host,
    ) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let assembly = Assembly::new(settings, storage, sandbox, host, stop.clone()).await?;
        let mut shards = Vec::new();
        for (n, shard) in assembly.shards.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let run = move || runtime.block_on(shard);
            shards.push(std::thread::Builder::new().name(format!("loom-shard-{n}")).spawn(run)?);
        }
        let tasks = TaskTracker::new();
        for service in assembly.services {
            tasks.spawn(service);
        }
        tasks.close();
        Ok(Self { handle: assembly.handle, stop, shards, tasks })
    }

    /// What can be asked of the node.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops: lets commits under way become durable, drops everything else, which the next start takes up again.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.handle.inner.watchers.close();
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
