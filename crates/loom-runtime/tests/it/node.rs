//! A node for tests: the probe actor under two names, an echo activity, and a choice of store and pool.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use loom_machine::{ActivitySpec, ActorSpec, Deployment, Failure, GuestLimits, Retry};
use loom_runtime::{Handle, Runtime, SendOptions, Settings, Settled, SystemClock};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::{ActorAddress, Namespace};
use loom_wasmtime::WasmtimeSandbox;

/// Longest wait for anything. Passing tests never get near it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Node {
    pub(crate) runtime: Runtime,
    pub(crate) handle: Handle,
    _folder: Option<tempfile::TempDir>,
}

pub(crate) fn prebuilt(name: &str) -> Vec<u8> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../guests/prebuilt")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One engine for all tests of the process: compiling the guests once is what takes time.
pub(crate) fn sandbox() -> Arc<WasmtimeSandbox> {
    static SANDBOX: std::sync::OnceLock<Arc<WasmtimeSandbox>> = std::sync::OnceLock::new();
    SANDBOX
        .get_or_init(|| {
            let settings = loom_wasmtime::Settings { instances_max: 400, ..loom_wasmtime::Settings::default() };
            Arc::new(WasmtimeSandbox::new(settings).unwrap())
        })
        .clone()
}

pub(crate) fn settings(resident: usize) -> Settings {
    Settings {
        shards: 2,
        resident_instances_max: resident,
        actors_cached_max: resident,
        fault_backoff_min: Duration::from_millis(5),
        ..Settings::default()
    }
}

impl Node {
    pub(crate) async fn start(storage: Storage, settings: Settings) -> Self {
        Self::start_on(storage, settings, sandbox()).await
    }

    pub(crate) async fn start_on(storage: Storage, settings: Settings, sandbox: Arc<WasmtimeSandbox>) -> Self {
        let runtime = Runtime::start(settings, storage, sandbox, Arc::new(SystemClock::default())).await.unwrap();
        let handle = runtime.handle();
        Self::of(runtime, handle)
    }

    pub(crate) fn of(runtime: Runtime, handle: Handle) -> Self {
        Self { runtime, handle, _folder: None }
    }

    pub(crate) async fn deploy(&self) {
        self.deploy_with(|_| ()).await;
    }

    pub(crate) async fn deploy_with(&self, change: impl FnOnce(&mut GuestLimits)) {
        let mut limits = GuestLimits { fuel: 200_000_000, ..GuestLimits::default() };
        change(&mut limits);
        let probe = self.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
        let echo = self.handle.put_blob(prebuilt("echo.wasm").into()).await.unwrap();
        let actor = ActorSpec::new(probe, limits);
        let activity = |capabilities: &[&str]| ActivitySpec {
            capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
            retry: Retry { attempts_max: 3, backoff_ms_min: 1, backoff_ms_max: 5 },
            ..ActivitySpec::pure(echo, limits)
        };
        let actors: BTreeMap<_, _> = ["probe", "other"].map(|name| (name.to_owned(), actor.clone())).into();
        let activities: BTreeMap<_, _> =
            [("echo".to_owned(), activity(&[])), ("effect".to_owned(), activity(&["http"]))].into();
        let deployment = Deployment::new("tests", actors, activities).unwrap();
        self.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    }

    /// Sends a program to the probe `key` and waits for the end of its turn.
    pub(crate) async fn run(&self, key: &str, program: &str) -> Result<String, Failure> {
        match self.send(key, program, SendOptions::default()).await {
            Settled::Ended { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(&self, key: &str, program: &str, options: SendOptions) -> Settled {
        let mut ticket = self.handle.send(&probe(key), program, options).unwrap();
        match tokio::time::timeout(PATIENCE, ticket.settled()).await {
            Ok(settled) => settled.unwrap(),
            Err(_) => panic!("{key} does not settle: {:#?}", self.handle.actor(&probe(key)).await),
        }
    }
}

pub(crate) fn probe(key: &str) -> ActorAddress {
    format!("default/probe/{key}").parse().unwrap()
}

/// Runs a scenario on every store, with room for waiting instances and with none.
pub(crate) async fn everywhere(scenario: impl AsyncFn(&Node)) {
    for resident in [100, 0] {
        let node = Node::start(MemoryStore::storage(), settings(resident)).await;
        node.deploy().await;
        scenario(&node).await;
        node.runtime.shutdown().await;

        let folder = tempfile::tempdir().unwrap();
        let storage = loom_store_sqlite::open(&loom_store_sqlite::Settings::new(folder.path())).unwrap();
        let node = Node { _folder: Some(folder), ..Node::start(storage, settings(resident)).await };
        node.deploy().await;
        scenario(&node).await;
        node.runtime.shutdown().await;
    }
}
