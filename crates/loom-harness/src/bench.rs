//! Running the cases of a script.

use std::{collections::BTreeMap, sync::Arc};

use loom_machine::{Deployment, Failure, Guest, GuestLimits, HostFault, Module, Sandbox, Verification};
use loom_types::Cid;

use crate::{
    Problem, Script,
    check::check,
    run::{drive, host_failed},
    script::{Case, Subject},
    world::World,
};

/// A deployment whose guests can be run against scripts.
pub struct Bench<'a> {
    pub(crate) sandbox: &'a dyn Sandbox,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) modules: BTreeMap<Cid, Arc<dyn Module>>,
}

/// Why scripts cannot be run on a deployment.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A module cannot run at all.
    #[error("module {module} cannot run: {failure}")]
    Unusable {
        /// The module.
        module: Cid,
        /// Why.
        failure: Failure,
    },
    /// A limit that the engine cannot give.
    #[error("{at}: {problem}")]
    Limits {
        /// Where the manifest names it.
        at: String,
        /// Why.
        problem: String,
    },
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// How a case went.
#[derive(Debug)]
pub struct CaseReport {
    /// The case's name.
    pub name: String,
    /// What it came to.
    pub result: Result<Passed, Box<Problem>>,
    /// The guest's log lines.
    pub logs: Vec<String>,
}

/// A case that went as its script says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How often the guest ran.
    pub runs: usize,
    /// What it used in all.
    pub fuel: u64,
}

impl<'a> Bench<'a> {
    /// Compiles the modules, whose bytes are given by CID.
    pub fn new(
        sandbox: &'a dyn Sandbox,
        deployment: Deployment,
        bytes: &BTreeMap<Cid, Vec<u8>>,
    ) -> Result<Self, SetUpError> {
        for (at, limits) in deployment.limits() {
            sandbox.check_limits(limits).map_err(|problem| SetUpError::Limits { at, problem })?;
        }
        let mut modules = BTreeMap::new();
        for module in deployment.modules() {
            let missing = || HostFault::Unavailable { what: format!("module {module}"), detail: "no bytes".to_owned() };
            let compiled = sandbox.compile(module, bytes.get(&module).ok_or_else(missing)?)?;
            let compiled = compiled.map_err(|failure| SetUpError::Unusable { module, failure })?;
            modules.insert(module, compiled);
        }
        Ok(Self { sandbox, deployment: Arc::new(deployment), modules })
    }

    /// Runs every case, or those with `only` in their name; `blobs` are there for the guest to read.
    pub fn run(&self, script: &Script, blobs: &[Vec<u8>], only: Option<&str>) -> Vec<CaseReport> {
        let chosen = script.cases.iter().filter(|case| only.is_none_or(|only| case.name.contains(only)));
        chosen.map(|case| self.run_case(script.subject(), case, blobs)).collect()
    }

    fn run_case(&self, subject: Subject<'_>, case: &Case, blobs: &[Vec<u8>]) -> CaseReport {
        let mut world = World::new(case.now_ms, case.state.as_ref().map(|state| state.get()), blobs);
        let result = self.run_all(subject, case, &mut world).map_err(Box::new);
        CaseReport { name: case.name.clone(), result, logs: world.logs }
    }

    fn run_all(&self, subject: Subject<'_>, case: &Case, world: &mut World) -> Result<Passed, Problem> {
        let mut fuel = 0;
        for (index, run) in case.runs.iter().enumerate() {
            let ended = match subject {
                Subject::Actor(name) => self.run_turn(name, &case.key, run, world),
                Subject::Activity(name) => self.run_activity(name, run),
            };
            let checked = ended.and_then(|ended| check(run, &ended).map(|()| ended));
            let ended = checked.map_err(|problem| problem.in_run(index + 1))?;
            fuel += ended.fuel;
            world.state = ended.state;
        }
        Ok(Passed { runs: case.runs.len(), fuel })
    }

    /// Whether the deployment has this activity and it needs nothing from outside.
    pub(crate) fn is_pure(&self, name: &str) -> bool {
        self.deployment.activities.get(name).is_some_and(|spec| !spec.is_effectful())
    }

    /// Runs a pure activity of the deployment.
    pub(crate) fn run_pure(&self, name: &str, input: &str) -> Result<Result<String, Failure>, Problem> {
        let Some(spec) = self.deployment.activities.get(name).filter(|spec| !spec.is_effectful()) else {
            return Err(Problem::new(format!("'{name}' is no pure activity of the deployment")));
        };
        let mut guest = self.start(&spec.module, &spec.limits, input)?;
        let over = drive(guest.as_mut(), |request| {
            Err(Problem::new(format!("the pure activity '{name}' asks the host")).actual(request))
        })?;
        Ok(over.into_result())
    }

    /// Runs a verifier of the deployment.
    pub(crate) fn run_verifier(
        &self,
        verification: &Verification,
        evidence: &[u8],
    ) -> Result<Result<String, Failure>, Problem> {
        if let Some(verdict) = Verification::refused(evidence) {
            return Ok(Ok(verdict));
        }
        let spec = self.deployment.verifiers.get(&verification.verifier).expect("the turn looked it up");
        let mut guest = self.start(&spec.module, &spec.limits, &verification.input(evidence))?;
        let over = drive(guest.as_mut(), |request| {
            Err(Problem::new(format!("the verifier '{}' asks the host", verification.verifier)).actual(request))
        })?;
        Ok(verification.outcome(over.into_result()))
    }

    pub(crate) fn start(&self, module: &Cid, limits: &GuestLimits, input: &str) -> Result<Box<dyn Guest>, Problem> {
        self.modules[module].start(limits, input).map_err(host_failed)
    }
}
