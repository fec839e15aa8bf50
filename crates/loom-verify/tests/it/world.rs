//! A node in memory that makes bundles, and an auditor.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use loom_evidence::{Bundle, SigningKey};
use loom_machine::{
    ActivitySpec, ActorSpec, Deployment, Failure, GuestLimits, HostFault, ImageId, Module, ProgramSpec, Sandbox,
};
use loom_runtime::{
    BundleOptions, Handle, Host, Prover, Proving, Runtime, SendOptions, Settings, Settled, SystemClock,
};
use loom_storage::memory::MemoryStore;
use loom_types::{ActorAddress, Cid, Namespace, TurnNumber};
use loom_verify::{Auditor, Report};
use loom_wasmtime::WasmtimeSandbox;

/// Longest wait for anything. Passing tests never get near it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Every operation whose outcome is computed again, some whose is not, and a wait.
pub(crate) const WIDE: &str = r#"{"do":[{"op":"now"},{"op":"random","bytes":9},{"op":"uuid"},
    {"op":"state.set","value":{"a":[1.0,"ä😀"]}},
    {"op":"activity","name":"echo","input":{"x":1}},{"op":"activity","name":"effect","input":2},
    {"op":"activity.start","name":"echo","input":3},{"op":"activity","name":"nothing","input":4},
    {"op":"blob.put","text":"a blob"},{"op":"blob.get","cid":{"$ref":8}},
    {"op":"call","to":"other/b","body":{"do":[{"reply":"hello"}]}},
    {"op":"send","to":"other/d","body":{"do":[]}},{"op":"send","to":"nobody/d","body":1},
    {"op":"sleep","ms":1},{"op":"teleport"},{"reply":[{"$ref":1},{"$ref":2},{"$ref":4},{"$ref":9},{"$ref":10}]}]}"#;

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) handle: Handle,
    pub(crate) key: SigningKey,
}

type Compiled = Result<Arc<dyn Module>, Failure>;

/// One engine for all tests of the process, which compiles each module once: that is what takes time.
pub(crate) struct CompilesOnce {
    engine: WasmtimeSandbox,
    compiled: Mutex<HashMap<Cid, Compiled>>,
}

impl Sandbox for CompilesOnce {
    fn engine(&self) -> &str {
        self.engine.engine()
    }

    fn check_limits(&self, limits: &GuestLimits) -> Result<(), String> {
        self.engine.check_limits(limits)
    }

    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Compiled, HostFault> {
        let mut compiled = self.compiled.lock().unwrap();
        if let Some(known) = compiled.get(&cid) {
            return Ok(known.clone());
        }
        let module = self.engine.compile(cid, bytes)?;
        compiled.insert(cid, module.clone());
        Ok(module)
    }
}

pub(crate) fn sandbox() -> Arc<CompilesOnce> {
    static SANDBOX: OnceLock<Arc<CompilesOnce>> = OnceLock::new();
    let make = || {
        let engine = WasmtimeSandbox::new(loom_wasmtime::Settings::default()).unwrap();
        Arc::new(CompilesOnce { engine, compiled: Mutex::default() })
    };
    SANDBOX.get_or_init(make).clone()
}

pub(crate) fn prebuilt(name: &str) -> Vec<u8> {
    let crates = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let path = crates.join("../../guests/prebuilt").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn probe() -> ActorAddress {
    "default/probe/a".parse().unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_prover(None).await
    }

    /// A node that can have runs of 'dti' proved.
    pub(crate) async fn with_prover(prover: Option<(ImageId, Arc<dyn Prover>)>) -> Self {
        let key = SigningKey::from_secret("log.example/node", &[7; 32]).unwrap();
        let prove = prover.as_ref().map(|(_, prover)| Proving::new([9; 32], prover.clone()));
        let host = Host { log_key: Some(key.clone()), prove, ..Host::real(Arc::new(SystemClock::default())) };
        let settings = Settings { shards: 1, ..Settings::default() };
        let runtime = Runtime::start_on(settings, MemoryStore::storage(), sandbox(), host).await.unwrap();
        let handle = runtime.handle();
        let limits = GuestLimits { fuel: 20_000_000, ..GuestLimits::default() };
        let probe = ActorSpec::new(handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap(), limits);
        let echo = handle.put_blob(prebuilt("echo.wasm").into()).await.unwrap();
        let pure = ActivitySpec::pure(echo, limits);
        let effectful = ActivitySpec { capabilities: ["http".to_owned()].into(), ..pure.clone() };
        let actors: BTreeMap<_, _> = [("probe".to_owned(), probe.clone()), ("other".to_owned(), probe)].into();
        let activities = [("echo".to_owned(), pure), ("effect".to_owned(), effectful)].into();
        let mut deployment = Deployment::new("tests", actors, activities).unwrap();
        if let Some((image_id, _)) = prover {
            let binary = handle.put_blob(Bytes::from_static(b"program")).await.unwrap();
            let programs = [("dti".to_owned(), ProgramSpec { image_id, binary })].into();
            deployment = deployment.with_programs(programs).unwrap();
        }
        handle.deploy(&Namespace::default(), deployment).await.unwrap();
        Self { runtime, handle, key }
    }

    /// Sends a program to the probe and waits for the end of its turn.
    pub(crate) async fn run(&self, program: &str) {
        let mut ticket = self.handle.send(&probe(), program, SendOptions::default()).unwrap();
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
        assert!(matches!(settled, Settled::Ended { .. }), "{settled:?}");
    }

    pub(crate) async fn bundle(&self, turn: Option<u64>) -> Bundle {
        let options = BundleOptions { turn: turn.map(TurnNumber), ..BundleOptions::default() };
        self.bundle_with(options).await
    }

    pub(crate) async fn bundle_with(&self, options: BundleOptions) -> Bundle {
        self.handle.bundle(&probe(), &options).await.unwrap()
    }

    pub(crate) async fn bundle_of(&self, actor: &str) -> Bundle {
        let actor = ActorAddress::within("default", actor).unwrap();
        self.handle.bundle(&actor, &BundleOptions::default()).await.unwrap()
    }

    /// Somebody who trusts this node's key.
    pub(crate) fn auditor(&self) -> Auditor {
        Auditor { keys: vec![self.key.public()], ..Auditor::default() }
    }
}

pub(crate) fn file(bundle: &Bundle) -> Bytes {
    let mut bytes = Vec::new();
    bundle.write(&mut bytes).unwrap();
    bytes.into()
}

pub(crate) fn verified(bundle: &Bundle, auditor: &Auditor) -> Report {
    loom_verify::verify(&file(bundle), auditor, &*sandbox()).unwrap()
}
