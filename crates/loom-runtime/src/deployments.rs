//! Deployments: which are active, and the manifests of those that running turns are pinned to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use loom_machine::{ActorSpec, Deployment, Directory, Failure, HostFault, InvalidDeployment, TurnLimits};
use loom_storage::{ActiveDeployment, BlobError, Hold, Storage, StoreError, limits::DEPLOYMENTS_KEPT_MAX};
use loom_types::{ActorAddress, ActorType, Cid, Namespace};

use crate::{
    AuditError, Clock, Pinned,
    audit::{AuditLog, NODE_NAMESPACE, RESERVED},
    gate::Gate,
    modules::Modules,
    outside::Outside,
    schedule::Calendar,
};

/// Why a deployment was not activated. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The manifest cannot work.
    #[error(transparent)]
    Manifest(#[from] InvalidDeployment),
    /// A module it names was not uploaded.
    #[error("module {module} of {at} is not in the blob store; upload it first")]
    MissingModule {
        /// Where the manifest names it.
        at: String,
        /// The module.
        module: Cid,
    },
    /// A module it names cannot run here.
    #[error("module {module} of {at} cannot run: {failure}")]
    UnusableModule {
        /// Where the manifest names it.
        at: String,
        /// The module.
        module: Cid,
        /// Why.
        failure: Failure,
    },
    /// A limit is more than this node gives.
    #[error("{at}: {problem}")]
    Limits {
        /// Which limits.
        at: String,
        /// What is wrong.
        problem: String,
    },
    /// The node has no secret that it names.
    #[error("{at}: this node has no usable secret {secret}")]
    MissingSecret {
        /// Where the manifest names it.
        at: String,
        /// Its name.
        secret: String,
    },
    /// A schedule's pattern or time zone makes no sense.
    #[error("schedules.{name}.{problem}")]
    Schedule {
        /// The schedule.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Another application runs this actor type.
    #[error("actor type '{actor_type}' belongs to deployment '{owner}'")]
    TypeTaken {
        /// The type.
        actor_type: String,
        /// Who runs it.
        owner: String,
    },
    /// A name more than a namespace may have.
    #[error("the namespace runs {DEPLOYMENTS_ACTIVE_MAX} deployments already")]
    TooMany,
    /// Nothing was ever deployed under this name.
    #[error("there is no deployment '{name}'")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A rollback needs one that was active before.
    #[error("{}", match .to {
        Some(to) => format!("{to} is not among the former deployments of '{name}'"),
        None => format!("'{name}' has no other deployment to go back to"),
    })]
    NoFormer {
        /// The name.
        name: String,
        /// The deployment asked for, if one was.
        to: Option<Cid>,
    },
    /// A name is the node's own.
    #[error("{what} is reserved: nothing can be deployed in namespace '{NODE_NAMESPACE}', nor as '{RESERVED}…'")]
    Reserved {
        /// The name.
        what: String,
    },
    /// The audit log could not be written, so nothing was done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// Deployments that a namespace may run at once. Each is in memory, and read at every start.
const DEPLOYMENTS_ACTIVE_MAX: usize = 1_000;

/// What a new turn of an actor type is pinned to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) cid: Cid,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) spec: ActorSpec,
    /// What its turns have to pass: the type's gate, then the namespace's. Most have none.
    pub(crate) gates: Vec<Arc<Gate>>,
}

/// What somebody does, as the audit log has it.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    /// `deploy` or `rollback`.
    pub(crate) verb: &'static str,
    /// Who.
    pub(crate) by: &'a str,
}

/// The node's view of its deployments.
pub struct Deployments {
    storage: Storage,
    modules: Arc<Modules>,
    outside: Outside,
    clock: Arc<dyn Clock>,
    audit: Arc<AuditLog>,
    /// What bounds the turns of each namespace.
    turns_of_namespace: TurnLimits,
    active: RwLock<Active>,
    /// Whether any turn ever had a gate to pass: most nodes have none, and then nobody looks.
    has_gates: AtomicBool,
    /// Manifests by id, active or not, as long as something uses them.
    manifests: Mutex<HashMap<Cid, Weak<Deployment>>>,
    /// One activation at a time, so that checks and the change are one.
    activating: tokio::sync::Mutex<()>,
    /// Told of every change of what is active.
    changed: tokio::sync::Notify,
}

#[derive(Default)]
struct Active {
    by_name: HashMap<(Namespace, String), (ActiveDeployment, Arc<Deployment>)>,
    by_type: HashMap<String, HashMap<String, Target>>,
    /// Of namespaces; none where the node has no limits.
    gates: HashMap<String, Arc<Gate>>,
}

impl Deployments {
    pub(crate) fn new(
        storage: Storage,
        modules: Arc<Modules>,
        outside: Outside,
        clock: Arc<dyn Clock>,
        audit: Arc<AuditLog>,
        turns_of_namespace: TurnLimits,
    ) -> Self {
        Self {
            storage,
            modules,
            outside,
            clock,
            audit,
            turns_of_namespace,
            active: RwLock::default(),
            has_gates: AtomicBool::new(false),
            manifests: Mutex::default(),
            activating: tokio::sync::Mutex::new(()),
            changed: tokio::sync::Notify::new(),
        }
    }

    /// Reads what the store says is active.
    pub(crate) async fn restore(&self) -> Result<(), DeployError> {
        for active in self.storage.catalog.active().await? {
            let deployment = self.manifest(active.cid).await.map_err(DeployError::Host)?;
            self.insert(active, deployment);
        }
        Ok(())
    }

    /// Checks a manifest and makes it the active one of its name. The manifest's modules must be uploaded. If it is
    /// done for somebody, the audit log says so first.
    pub async fn activate(
        &self,
        namespace: &Namespace,
        deployment: Deployment,
        act: Option<Act<'_>>,
    ) -> Result<ActiveDeployment, DeployError> {
        let _one_at_a_time = self.activating.lock().await;
        let _holds = self.hold(&deployment);
        self.check(namespace, &deployment).await?;
        let cid = deployment.cid();
        self.storage.blobs.put(cid, deployment.encode().into()).await?;
        if let Some(Act { verb, by }) = act {
            self.audit.record(namespace, &format!("{verb} {} {cid}", deployment.name), by).await?;
        }
        let active = ActiveDeployment {
            namespace: namespace.clone(),
            name: deployment.name.clone(),
            cid,
            activated_ms: self.clock.now_ms(),
            by: act.map(|act| act.by.to_owned()),
        };
        self.storage.catalog.activate(active.clone()).await?;
        self.insert(active.clone(), Arc::new(deployment));
        Ok(active)
    }

    /// Keeps a manifest, its modules and its programs until it is active.
    pub(crate) fn hold(&self, deployment: &Deployment) -> Vec<Hold> {
        let actors = deployment.actors.values().map(|spec| spec.module);
        let activities = deployment.activities.values().map(|spec| spec.module);
        let programs = deployment.programs.values().map(|spec| spec.binary);
        let verifiers = deployment.verifiers.values().map(|spec| spec.module);
        let names = actors.chain(activities).chain(verifiers).chain(programs).chain([deployment.cid()]);
        names.map(|cid| self.storage.blobs.holds().hold(cid)).collect()
    }

    /// Every deployment that a turn of this process can be pinned to.
    pub(crate) fn known(&self) -> Vec<Cid> {
        let manifests = self.manifests.lock().expect("nothing panics under this lock");
        manifests.iter().filter(|(_, manifest)| manifest.strong_count() > 0).map(|(cid, _)| *cid).collect()
    }

    fn is_full(&self, namespace: &Namespace, name: &str) -> bool {
        let active = self.active.read().expect("nothing panics under this lock");
        let others = active.by_name.keys().filter(|(of, other)| of == namespace && other != name);
        others.count() >= DEPLOYMENTS_ACTIVE_MAX
    }

    /// Whether it could be activated: its manifest, its modules, its limits, its names.
    pub(crate) async fn check(&self, namespace: &Namespace, deployment: &Deployment) -> Result<(), DeployError> {
        if namespace.as_str() == NODE_NAMESPACE {
            return Err(DeployError::Reserved { what: format!("namespace '{namespace}'") });
        }
        for actor_type in deployment.actors.keys() {
            if actor_type.starts_with(RESERVED) {
                return Err(DeployError::Reserved { what: format!("actor type '{actor_type}'") });
            }
            if let Some(target) = self.target(namespace.as_str(), actor_type)
                && target.deployment.name != deployment.name
            {
                let owner = target.deployment.name.clone();
                return Err(DeployError::TypeTaken { actor_type: actor_type.clone(), owner });
            }
        }
        if self.is_full(namespace, &deployment.name) {
            return Err(DeployError::TooMany);
        }
        for (name, spec) in &deployment.activities {
            if let Some(secret) =
                spec.secrets.iter().find(|secret| self.outside.secrets.get(namespace.as_str(), secret).is_none())
            {
                let at = format!("activities.{name}.secrets");
                return Err(DeployError::MissingSecret { at, secret: secret.clone() });
            }
        }
        for (name, schedule) in &deployment.schedules {
            Calendar::of(schedule).map_err(|problem| DeployError::Schedule { name: name.clone(), problem })?;
        }
        for (at, limits) in deployment.limits() {
            self.modules.sandbox().check_limits(limits).map_err(|problem| DeployError::Limits { at, problem })?;
        }
        let actors = deployment.actors.iter().map(|(name, spec)| (format!("actors.{name}"), spec.module, true));
        let activities = deployment
            .activities
            .iter()
            .map(|(name, spec)| (format!("activities.{name}"), spec.module, spec.is_effectful()));
        let verifiers =
            deployment.verifiers.iter().map(|(name, spec)| (format!("verifiers.{name}"), spec.module, false));
        for (at, module, may_call) in actors.chain(activities).chain(verifiers) {
            self.check_module(at, module, may_call).await?;
        }
        for (name, spec) in &deployment.programs {
            if !self.storage.blobs.has(spec.binary).await? {
                return Err(DeployError::MissingModule { at: format!("programs.{name}"), module: spec.binary });
            }
        }
        Ok(())
    }

    async fn check_module(&self, at: String, module: Cid, may_call: bool) -> Result<(), DeployError> {
        if !self.storage.blobs.has(module).await? {
            return Err(DeployError::MissingModule { at, module });
        }
        let failure = match self.modules.load(module).await? {
            Ok(compiled) if may_call || !compiled.calls_host() => return Ok(()),
            Ok(_) => Failure::new(
                "unknown-import",
                "it imports loom.call, which only actors and activities with a capability may",
            ),
            Err(failure) => failure,
        };
        Err(DeployError::UnusableModule { at, module, failure })
    }

    fn insert(&self, active: ActiveDeployment, deployment: Arc<Deployment>) {
        let mut state = self.active.write().expect("nothing panics under this lock");
        let key = (active.namespace.clone(), active.name.clone());
        let Active { by_type, gates, .. } = &mut *state;
        let namespace = active.namespace.to_string();
        if let (false, Some(gate)) = (gates.contains_key(&namespace), Gate::new(self.turns_of_namespace)) {
            gates.insert(namespace.clone(), gate);
        }
        let of_namespace = gates.get(&namespace).cloned();
        let types = by_type.entry(namespace).or_default();
        let before: HashMap<_, _> = types.extract_if(|_, target| target.deployment.name == deployment.name).collect();
        for (actor_type, spec) in &deployment.actors {
            let of_type = gate_of(spec, before.get(actor_type));
            let gates: Vec<_> = of_type.into_iter().chain(of_namespace.clone()).collect();
            self.has_gates.fetch_or(!gates.is_empty(), Ordering::Relaxed);
            let target = Target { cid: active.cid, deployment: deployment.clone(), spec: spec.clone(), gates };
            types.insert(actor_type.clone(), target);
        }
        self.remember(active.cid, &deployment);
        state.by_name.insert(key, (active, deployment));
        drop(state);
        self.changed.notify_one();
    }

    /// Completes when something else is active than the last time; for one waiter.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Active deployments of all namespaces, in an order that does not depend on chance.
    pub(crate) fn all(&self) -> Vec<(ActiveDeployment, Arc<Deployment>)> {
        let state = self.active.read().expect("nothing panics under this lock");
        let mut all: Vec<_> = state.by_name.values().cloned().collect();
        all.sort_by(|(one, _), (other, _)| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        all
    }

    pub(crate) fn has_gates(&self) -> bool {
        self.has_gates.load(Ordering::Relaxed)
    }

    /// What a new turn of this type runs.
    pub(crate) fn target(&self, namespace: &str, actor_type: &str) -> Option<Target> {
        let state = self.active.read().expect("nothing panics under this lock");
        state.by_type.get(namespace)?.get(actor_type).cloned()
    }

    /// What a turn is pinned to, for people.
    pub(crate) fn pinned(&self, actor: &ActorAddress, deployment: Cid, module: Cid) -> Pinned {
        let target = self.target(actor.namespace(), actor.actor_type());
        Pinned { deployment, module, is_former: target.is_none_or(|target| target.cid != deployment) }
    }

    /// Active deployments of a namespace with their manifests, by name.
    pub fn list(&self, namespace: &Namespace) -> Vec<(ActiveDeployment, Arc<Deployment>)> {
        let state = self.active.read().expect("nothing panics under this lock");
        let mut list: Vec<_> =
            state.by_name.values().filter(|(active, _)| active.namespace == *namespace).cloned().collect();
        list.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        list
    }

    /// What was activated under a name, newest first, with the manifests that can still be read.
    pub(crate) async fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<(ActiveDeployment, Option<Arc<Deployment>>)>, StoreError> {
        let mut history = Vec::new();
        for former in self.storage.catalog.history(namespace, name, limit).await? {
            let manifest = self.manifest(former.cid).await.ok();
            history.push((former, manifest));
        }
        Ok(history)
    }

    /// The deployment that a rollback goes to: `to`, or the one that was active before.
    pub(crate) async fn former(
        &self,
        namespace: &Namespace,
        name: &str,
        to: Option<Cid>,
    ) -> Result<Arc<Deployment>, DeployError> {
        let history = self.storage.catalog.history(namespace, name, DEPLOYMENTS_KEPT_MAX).await?;
        let active = history.first().ok_or_else(|| DeployError::UnknownName { name: name.to_owned() })?.cid;
        let is_wanted = |former: &&ActiveDeployment| match to {
            Some(to) => former.cid == to,
            None => former.cid != active,
        };
        let former = history.iter().find(is_wanted);
        let former = former.ok_or_else(|| DeployError::NoFormer { name: name.to_owned(), to })?;
        Ok(self.manifest(former.cid).await?)
    }

    /// Actor types of a namespace, for messages about unknown ones.
    pub fn actor_types(&self, namespace: &Namespace) -> Vec<ActorType> {
        let state = self.active.read().expect("nothing panics under this lock");
        let types = state.by_type.get(namespace.as_str()).into_iter().flat_map(HashMap::keys);
        let mut types: Vec<_> = types.filter_map(|name| name.parse().ok()).collect();
        types.sort();
        types
    }

    /// The manifest of a deployment that a turn is pinned to.
    pub(crate) async fn manifest(&self, cid: Cid) -> Result<Arc<Deployment>, HostFault> {
        let known = self.manifests.lock().expect("nothing panics under this lock").get(&cid).and_then(Weak::upgrade);
        if let Some(known) = known {
            return Ok(known);
        }
        let unavailable = |detail: String| HostFault::Unavailable { what: format!("deployment {cid}"), detail };
        let bytes = self.storage.blobs.get(cid).await.map_err(|error| unavailable(error.to_string()))?;
        let deployment = Arc::new(Deployment::decode(&bytes).map_err(|error| unavailable(error.to_string()))?);
        self.remember(cid, &deployment);
        Ok(deployment)
    }

    /// Lets a manifest be found for as long as somebody uses it.
    fn remember(&self, cid: Cid, deployment: &Arc<Deployment>) {
        let mut manifests = self.manifests.lock().expect("nothing panics under this lock");
        if manifests.len() == manifests.capacity() {
            manifests.retain(|_, manifest| manifest.strong_count() > 0);
        }
        manifests.insert(cid, Arc::downgrade(deployment));
    }
}

/// The gate of an actor type. While its limits stay the same it stays the same gate, with everybody in it and in line.
fn gate_of(spec: &ActorSpec, before: Option<&Target>) -> Option<Arc<Gate>> {
    let kept = before.filter(|before| before.spec.turns == spec.turns).and_then(|before| before.gates.first());
    kept.filter(|gate| gate.limits() == spec.turns).cloned().or_else(|| Gate::new(spec.turns))
}

impl Directory for Deployments {
    fn has_actor_type(&self, namespace: &str, actor_type: &str) -> bool {
        let state = self.active.read().expect("nothing panics under this lock");
        state.by_type.get(namespace).is_some_and(|types| types.contains_key(actor_type))
    }
}
