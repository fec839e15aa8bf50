//! The node under simulation, through all its lives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use loom_evidence::SigningKey;
use loom_machine::{ActivitySpec, ActorSpec, Deployment, GuestLimits, Retry, Sandbox};
use loom_runtime::{Assembly, BlockingWork, Clock as _, Handle, Host, Outside, Proving, Settings};
use loom_types::{Cid, Codec, Namespace};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    executor::Group,
    guest::{ACTOR, EFFECT, NativeSandbox, PURE, VERIFIER},
    prover::{self, SimProver},
    random::Random,
    record::Fact,
    scenario::{ACTOR_TYPES, Ending, Scenario},
    statements,
    store::{Disk, FaultyStore},
    world::World,
};

/// Attempts at an effectful activity.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Pause before a start that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// The way to whichever node is running right now.
#[derive(Default)]
pub(crate) struct Door {
    node: Mutex<Option<(Handle, CancellationToken)>>,
    opened: Notify,
}

impl Door {
    /// The handle of the running node, as soon as one runs.
    pub(crate) async fn handle(&self) -> Handle {
        self.node().await.0
    }

    /// Asks the running node. None if it went down meanwhile: a dead process does not answer.
    pub(crate) async fn ask<T>(&self, question: impl AsyncFnOnce(Handle) -> T) -> Option<T> {
        let (handle, down) = self.node().await;
        tokio::select! {
            biased;
            answer = question(handle) => Some(answer),
            () = down.cancelled() => None,
        }
    }

    async fn node(&self) -> (Handle, CancellationToken) {
        loop {
            let opened = self.opened.notified();
            if let Some(node) = self.node.lock().expect("nothing panics under this lock").clone() {
                return node;
            }
            opened.await;
        }
    }

    fn open(&self, handle: Handle) {
        *self.node.lock().expect("nothing panics under this lock") = Some((handle, CancellationToken::new()));
        self.opened.notify_waiters();
    }

    fn close(&self) {
        if let Some((_, down)) = self.node.lock().expect("nothing panics under this lock").take() {
            down.cancel();
        }
    }
}

/// A node that comes up again whenever it went down.
pub(crate) struct Lives {
    pub(crate) seed: u64,
    pub(crate) disk: Arc<Disk>,
    pub(crate) world: Arc<World>,
    pub(crate) door: Arc<Door>,
    pub(crate) settings: Settings,
    pub(crate) endings: Vec<Ending>,
}

impl Lives {
    pub(crate) fn new(scenario: &Scenario, disk: Arc<Disk>, world: Arc<World>, door: Arc<Door>) -> Self {
        let settings = scenario.settings.clone();
        Self { seed: scenario.seed, disk, world, door, settings, endings: scenario.endings.clone() }
    }

    /// One life after the other; for ever.
    pub(crate) async fn run(self) {
        let mut endings = self.endings.clone().into_iter();
        for incarnation in 1.. {
            let ending = endings.next();
            self.live(incarnation, ending).await;
            self.door.close();
            self.disk.clock.sleep(ending.map_or(TRY_AGAIN, |ending| ending.down)).await;
        }
    }

    fn host(&self, incarnation: u64) -> Host {
        let (seed, sources) = (self.seed, AtomicU64::new(0));
        let salts = move || -> Box<dyn loom_types::SaltSource + Send> {
            let source = sources.fetch_add(1, Ordering::Relaxed);
            Box::new(Random::part(seed, &format!("salts {incarnation}.{source}")))
        };
        Host {
            clock: Arc::new(self.disk.clock.clone()),
            salts: Arc::new(salts),
            blocking: BlockingWork::InPlace,
            outside: Outside::none(),
            log_key: Some(log_key()),
            witnesses: Vec::new(),
            prove: Some(Proving::new([5; 32], Arc::new(SimProver { world: self.world.clone() }))),
        }
    }

    async fn live(&self, incarnation: u64, ending: Option<Ending>) {
        let (group, stop, tasks) = (Group(incarnation), CancellationToken::new(), TaskTracker::new());
        let store = FaultyStore::new(self.disk.clone(), group);
        let sandbox: Arc<dyn Sandbox> = Arc::new(NativeSandbox { world: self.world.clone() });
        let assembly = loop {
            let settings = self.settings.clone();
            let host = self.host(incarnation);
            match Assembly::new(settings, store.ports(), sandbox.clone(), host, stop.clone()).await {
                Ok(assembly) => break assembly,
                Err(_) => self.disk.clock.sleep(TRY_AGAIN).await,
            }
        };
        self.disk.recorder.note(Fact::Started { incarnation });
        for part in assembly.shards.into_iter().chain(assembly.services) {
            self.disk.spawner.spawn(group, tasks.track_future(part));
        }
        tasks.close();
        if incarnation == 1 {
            deploy(&assembly.handle).await;
            self.disk.calm.store(false, Ordering::Relaxed);
        }
        self.door.open(assembly.handle);
        let Some(ending) = ending else { return self.disk.crashed.notified().await };
        tokio::select! {
            biased;
            () = self.disk.crashed.notified() => return,
            () = self.disk.clock.sleep(ending.after) => {}
        }
        if !ending.is_orderly {
            store.crash("by plan");
            return self.disk.crashed.notified().await;
        }
        self.door.close();
        stop.cancel();
        tokio::select! {
            biased;
            () = self.disk.crashed.notified() => return,
            () = tasks.wait() => {}
        }
        store.close();
        self.disk.recorder.note(Fact::Stopped);
    }
}

/// The key of the node's log.
pub(crate) fn log_key() -> SigningKey {
    SigningKey::from_secret("simulated", &[1; 32]).expect("a good name")
}

async fn deploy(handle: &Handle) {
    for module in [ACTOR, PURE, EFFECT, VERIFIER, prover::PROGRAM] {
        handle.put_blob(Bytes::from_static(module)).await.expect("nothing fails yet");
    }
    handle.deploy(&Namespace::default(), deployment()).await.expect("the manifest is in order");
}

/// What is deployed in every simulation.
pub(crate) fn deployment() -> Deployment {
    let limits = GuestLimits::default();
    let module = |bytes: &[u8]| Cid::of(Codec::Raw, bytes);
    let actor = ActorSpec::new(module(ACTOR), limits);
    let retry = Retry { attempts_max: ATTEMPTS_MAX, backoff_ms_min: 20, backoff_ms_max: 400 };
    let activity = |bytes, capabilities: &[&str]| ActivitySpec {
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>(),
        retry,
        ..ActivitySpec::pure(module(bytes), limits)
    };
    let actors = ACTOR_TYPES.map(|name| (name.to_owned(), actor.clone()));
    let activities = [("pure".to_owned(), activity(PURE, &[])), ("effect".to_owned(), activity(EFFECT, &["http"]))];
    let deployment = Deployment::new("simulation", BTreeMap::from(actors), BTreeMap::from(activities));
    let programs = [("program".to_owned(), prover::program())].into();
    let deployment = deployment.and_then(|deployment| deployment.with_programs(programs));
    let verifiers = [(statements::NAME.to_owned(), statements::verifier())].into();
    deployment.and_then(|deployment| deployment.with_verifiers(verifiers)).expect("it is in order")
}
