//! Deployments: content-addressed manifests naming modules, limits and capabilities.

mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use loom_types::{ActorType, Cid, Codec, DecodeError, Name, canonical, limits::PAYLOAD_BYTES_MAX};
use serde::{Deserialize, Serialize};

use self::schedule::SCHEDULES_MAX;
pub use self::schedule::{CatchUp, Schedule};
use crate::{
    HttpAllowance, ProgramSpec, VerifierSpec,
    limits::{ACTIVITY_DEADLINE_MS_DEFAULT, ACTIVITY_DEADLINE_MS_MAX, SECRET_NAME_BYTES_MAX, SECRETS_MAX, WAIT_MS_MAX},
};

const VERSION: u64 = 1;
/// Largest encoded manifest, in bytes.
const MANIFEST_BYTES_MAX: usize = 1024 * 1024;

/// Most actor types and activities of one deployment.
const SPECS_MAX: usize = 1000;
/// Most programs of one deployment.
const PROGRAMS_MAX: usize = 100;
/// Most verifiers of one deployment.
const VERIFIERS_MAX: usize = 100;
/// Largest limit on an actor type's turns; more is no limit.
const TURNS_MAX: u32 = 1_000_000;
/// Most capabilities of one activity.
const CAPABILITIES_MAX: usize = 8;

/// What a guest may use. Pinned in the deployment, so a turn replays under the limits it ran under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestLimits {
    /// Fuel per turn or activity call (about one unit per WASM instruction).
    pub fuel: u64,
    /// Linear memory, in bytes.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// WASM stack, in bytes. A property of the node's engine; a deployment pins it.
    pub stack_bytes: u64,
    /// Longest output (reply) and longest single request to the host, in bytes of UTF-8.
    pub output_bytes: u64,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            memory_bytes: 16 * 1024 * 1024,
            table_elements: 10_000,
            stack_bytes: 512 * 1024,
            output_bytes: 1024 * 1024,
        }
    }
}

/// How an effectful activity is tried again after a retryable failure or a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts_max: u32,
    /// Wait after the first failure, in milliseconds; doubles each time.
    pub backoff_ms_min: u64,
    /// Longest wait, in milliseconds.
    pub backoff_ms_max: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts_max: 10, backoff_ms_min: 200, backoff_ms_max: 60_000 }
    }
}

impl Retry {
    /// Wait after `attempts` failed ones, in milliseconds.
    pub fn backoff_ms(&self, attempts: u32) -> u64 {
        let doublings = attempts.saturating_sub(1).min(32);
        self.backoff_ms_min.saturating_mul(1 << doublings).min(self.backoff_ms_max)
    }
}

/// How many turns of an actor type may be under way on one node, and how many may begin. Unlike [`GuestLimits`] they
/// change nothing about a turn, only when it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnLimits {
    /// Turns at once; no limit without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
    /// Turns that begin in a second; no limit without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
}

impl TurnLimits {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An actor type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorSpec {
    /// Blob of the module.
    pub module: Cid,
    /// Its limits.
    pub limits: GuestLimits,
    /// How many turns. Left out where there is no limit, so that the ids of deployments without stay what they were.
    #[serde(default, skip_serializing_if = "TurnLimits::is_none")]
    pub turns: TurnLimits,
}

impl ActorSpec {
    /// Without limits on its turns.
    pub fn new(module: Cid, limits: GuestLimits) -> Self {
        Self { module, limits, turns: TurnLimits::default() }
    }
}

/// An activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivitySpec {
    /// Blob of the module.
    pub module: Cid,
    /// Its limits.
    pub limits: GuestLimits,
    /// What it may do beyond computing. Empty for a pure activity.
    pub capabilities: BTreeSet<String>,
    /// How it is retried, when it is effectful.
    pub retry: Retry,
    /// What the capability `http` lets it reach; without it, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpAllowance>,
    /// Secrets of the node, by name. With the capability `http` they can be put into headers, with `secret` read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
    /// How long one attempt may take, in milliseconds of real time, when it is effectful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

impl ActivitySpec {
    /// A pure activity.
    pub fn pure(module: Cid, limits: GuestLimits) -> Self {
        Self {
            module,
            limits,
            capabilities: BTreeSet::new(),
            retry: Retry::default(),
            http: None,
            secrets: BTreeSet::new(),
            deadline_ms: None,
        }
    }

    /// How long one attempt may take; only the outside is measured in real time.
    pub fn deadline(&self) -> Option<std::time::Duration> {
        let ms = self.deadline_ms.unwrap_or(ACTIVITY_DEADLINE_MS_DEFAULT);
        self.is_effectful().then(|| std::time::Duration::from_millis(ms))
    }

    /// Whether the deployment gives it this capability.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    /// Whether it can reach the outside, so that every run may differ and its outcome is only claimed.
    pub fn is_effectful(&self) -> bool {
        !self.capabilities.is_empty()
    }
}

/// A manifest. Its CID is the deployment's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    v: u64,
    /// The application; deploying the same name again replaces it for new turns.
    pub name: String,
    /// Actor types by name.
    pub actors: BTreeMap<String, ActorSpec>,
    /// Activities by name, visible only within this deployment.
    pub activities: BTreeMap<String, ActivitySpec>,
    /// Messages to be sent at certain times, by name. Left out where there are none, so that the ids of deployments
    /// without stay what they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<String, Schedule>,
    /// Programs whose runs its actors may have proved, by name. Left out where there are none, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, ProgramSpec>,
    /// Verifiers of evidence that its actors are handed, by name. Left out where there are none, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub verifiers: BTreeMap<String, VerifierSpec>,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeployment {
    /// Not a manifest.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A manifest that cannot work.
    #[error("{at}: {problem}")]
    Invalid {
        /// Which member.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Deployment {
    /// Checks names, limits and capabilities.
    pub fn new(
        name: &str,
        actors: BTreeMap<String, ActorSpec>,
        activities: BTreeMap<String, ActivitySpec>,
    ) -> Result<Self, InvalidDeployment> {
        let (schedules, programs, verifiers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let deployment = Self { v: VERSION, name: name.to_owned(), actors, activities, schedules, programs, verifiers };
        deployment.check().map(|()| deployment)
    }

    /// The same with messages to be sent at certain times.
    pub fn with_schedules(self, schedules: BTreeMap<String, Schedule>) -> Result<Self, InvalidDeployment> {
        let deployment = Self { schedules, ..self };
        deployment.check().map(|()| deployment)
    }

    /// The same with programs whose runs can be proved.
    pub fn with_programs(self, programs: BTreeMap<String, ProgramSpec>) -> Result<Self, InvalidDeployment> {
        let deployment = Self { programs, ..self };
        deployment.check().map(|()| deployment)
    }

    /// The same with verifiers of evidence.
    pub fn with_verifiers(self, verifiers: BTreeMap<String, VerifierSpec>) -> Result<Self, InvalidDeployment> {
        let deployment = Self { verifiers, ..self };
        deployment.check().map(|()| deployment)
    }

    fn check(&self) -> Result<(), InvalidDeployment> {
        let invalid = |at: String, problem: String| Err(InvalidDeployment::Invalid { at, problem });
        if let Err(error) = self.name.parse::<Name>() {
            return invalid("name".into(), error.to_string());
        }
        if self.actors.is_empty() && self.activities.is_empty() {
            return invalid("actors".into(), "the manifest names no actor and no activity".into());
        }
        if self.actors.len() + self.activities.len() > SPECS_MAX {
            return invalid("actors".into(), format!("a manifest names at most {SPECS_MAX} actors and activities"));
        }
        for (name, spec) in &self.actors {
            if let Err(error) = name.parse::<ActorType>() {
                return invalid(format!("actors.{name}"), error.to_string());
            }
            check_limits(&format!("actors.{name}.limits"), &spec.limits)?;
            check_turns(&format!("actors.{name}.turns"), spec.turns)?;
        }
        for (name, spec) in &self.activities {
            let at = format!("activities.{name}");
            if let Err(error) = name.parse::<Name>() {
                return invalid(at, error.to_string());
            }
            check_limits(&format!("{at}.limits"), &spec.limits)?;
            check_activity(&at, spec)?;
        }
        self.check_schedules()?;
        if self.programs.len() > PROGRAMS_MAX {
            return invalid("programs".into(), format!("a manifest names at most {PROGRAMS_MAX} programs"));
        }
        for (name, spec) in &self.programs {
            if let Err(error) = name.parse::<Name>() {
                return invalid(format!("programs.{name}"), error.to_string());
            }
            if spec.binary.codec() != Codec::Raw {
                return invalid(format!("programs.{name}.binary"), "does not name a blob of bytes (bafk…)".into());
            }
        }
        self.check_verifiers()?;
        let bytes = self.encode().len();
        if bytes > MANIFEST_BYTES_MAX {
            let problem = format!("the manifest has {bytes} bytes, at most {MANIFEST_BYTES_MAX} are read back");
            return invalid("activities".into(), problem);
        }
        Ok(())
    }

    fn check_schedules(&self) -> Result<(), InvalidDeployment> {
        let invalid = |problem: String| Err(InvalidDeployment::Invalid { at: "schedules".to_owned(), problem });
        if self.schedules.len() > SCHEDULES_MAX {
            return invalid(format!("a manifest names at most {SCHEDULES_MAX} schedules"));
        }
        for (name, schedule) in &self.schedules {
            schedule.check(name, |actor_type| self.actors.contains_key(actor_type))?;
        }
        Ok(())
    }

    fn check_verifiers(&self) -> Result<(), InvalidDeployment> {
        let invalid = |at: String, problem: String| Err(InvalidDeployment::Invalid { at, problem });
        if self.verifiers.len() > VERIFIERS_MAX {
            return invalid("verifiers".into(), format!("a manifest names at most {VERIFIERS_MAX} verifiers"));
        }
        for (name, spec) in &self.verifiers {
            let at = format!("verifiers.{name}");
            if let Err(error) = name.parse::<Name>() {
                return invalid(at, error.to_string());
            }
            check_limits(&format!("{at}.limits"), &spec.limits)?;
            if let Some((member, problem)) = spec.problem() {
                return invalid(format!("{at}.{member}"), problem);
            }
        }
        Ok(())
    }

    /// Canonical bytes (DAG-CBOR).
    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidDeployment> {
        let deployment: Self = canonical::decode("deployment", bytes, MANIFEST_BYTES_MAX)?;
        if deployment.v != VERSION {
            return Err(DecodeError::Version { what: "deployment", found: deployment.v, known: VERSION }.into());
        }
        deployment.check().map(|()| deployment)
    }

    /// The deployment's id.
    pub fn cid(&self) -> Cid {
        Cid::of(Codec::DagCbor, &self.encode())
    }

    /// Every module it names.
    pub fn modules(&self) -> BTreeSet<Cid> {
        let actors = self.actors.values().map(|spec| spec.module);
        let activities = self.activities.values().map(|spec| spec.module);
        actors.chain(activities).chain(self.verifiers.values().map(|spec| spec.module)).collect()
    }

    /// Every set of limits it pins, with where it stands.
    pub fn limits(&self) -> impl Iterator<Item = (String, &GuestLimits)> {
        let actors = self.actors.iter().map(|(name, spec)| (format!("actors.{name}.limits"), &spec.limits));
        let activities = self.activities.iter().map(|(name, spec)| (format!("activities.{name}.limits"), &spec.limits));
        let verifiers = self.verifiers.iter().map(|(name, spec)| (format!("verifiers.{name}.limits"), &spec.limits));
        actors.chain(activities).chain(verifiers)
    }
}

fn check_turns(at: &str, turns: TurnLimits) -> Result<(), InvalidDeployment> {
    for (name, value) in [("concurrency_max", turns.concurrency_max), ("rate_per_second", turns.rate_per_second)] {
        if value.is_some_and(|value| !(1..=TURNS_MAX).contains(&value)) {
            let problem = format!("must be between 1 and {TURNS_MAX}");
            return Err(InvalidDeployment::Invalid { at: format!("{at}.{name}"), problem });
        }
    }
    Ok(())
}

fn check_activity(at: &str, spec: &ActivitySpec) -> Result<(), InvalidDeployment> {
    let invalid =
        |member: &str, problem: String| Err(InvalidDeployment::Invalid { at: format!("{at}.{member}"), problem });
    let named = |name: &String| name.parse::<Name>().is_ok();
    if spec.capabilities.len() > CAPABILITIES_MAX || !spec.capabilities.iter().all(named) {
        return invalid("capabilities", format!("at most {CAPABILITIES_MAX} names of a-z, 0-9 and -"));
    }
    if spec.retry.backoff_ms_max > WAIT_MS_MAX {
        return invalid("retry.backoff_ms_max", format!("may be at most {WAIT_MS_MAX}"));
    }
    if spec.retry.attempts_max == 0 || spec.retry.backoff_ms_min > spec.retry.backoff_ms_max {
        return invalid("retry", "needs attempts_max >= 1 and backoff_ms_min <= backoff_ms_max".into());
    }
    if spec.http.is_some() && !spec.has("http") {
        return invalid("http", "needs 'http' among the capabilities".into());
    }
    if let Some((member, problem)) = spec.http.as_ref().and_then(HttpAllowance::problem) {
        return invalid(&format!("http.{member}"), problem);
    }
    if spec.secrets.len() > SECRETS_MAX || !spec.secrets.iter().all(|name| is_secret_name(name)) {
        let name = "A-Z, 0-9 and _ beginning with a letter";
        return invalid("secrets", format!("at most {SECRETS_MAX} names of {name}"));
    }
    if !spec.secrets.is_empty() && spec.http.is_none() && !spec.has("secret") {
        return invalid("secrets", "are of no use without 'http' and 'http.hosts', or the capability 'secret'".into());
    }
    match spec.deadline_ms {
        Some(ms) if ms == 0 || ms > ACTIVITY_DEADLINE_MS_MAX => {
            invalid("deadline_ms", format!("must be between 1 and {ACTIVITY_DEADLINE_MS_MAX}"))
        }
        Some(_) if !spec.is_effectful() => {
            invalid("deadline_ms", "is for effectful activities; fuel limits a pure one".into())
        }
        _ => Ok(()),
    }
}

/// Whether this can name a secret: names are those of environment variables.
fn is_secret_name(name: &str) -> bool {
    name.len() <= SECRET_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn check_limits(at: &str, limits: &GuestLimits) -> Result<(), InvalidDeployment> {
    let invalid = |name: &str, problem: &str| {
        Err(InvalidDeployment::Invalid { at: format!("{at}.{name}"), problem: problem.to_owned() })
    };
    // Values above `i64::MAX` would not survive JSON readers; no engine counts further either.
    if limits.fuel == 0 || limits.fuel > i64::MAX as u64 {
        return invalid("fuel", "must be between 1 and 2^63-1");
    }
    if limits.memory_bytes < 65_536 || limits.memory_bytes > 4 << 30 {
        return invalid("memory_bytes", "must be between one WASM page (65536) and 4 GiB");
    }
    if limits.output_bytes == 0 || limits.output_bytes > PAYLOAD_BYTES_MAX as u64 {
        return invalid("output_bytes", "must be between 1 and 4194304, the largest payload");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostPattern;

    fn spec() -> ActorSpec {
        ActorSpec::new(Cid::of(Codec::Raw, b"m"), GuestLimits::default())
    }

    fn verifier() -> VerifierSpec {
        VerifierSpec {
            kind: crate::VerifierKind::Risc0,
            module: Cid::of(Codec::Raw, b"verifier"),
            limits: VerifierSpec::limits_default(),
            policy: r#"{"image_ids":[]}"#.to_owned(),
        }
    }

    #[test]
    fn a_manifest_survives_a_round_trip() {
        let deployment = Deployment::new("app", [("a".to_owned(), spec())].into(), BTreeMap::new()).unwrap();
        assert_eq!(Deployment::decode(&deployment.encode()).unwrap(), deployment);
    }

    /// What a manifest may leave out does not change the ids of those that do.
    #[test]
    fn what_may_be_left_out_is_part_of_the_id_only_where_there_is_any() {
        let plain = Deployment::new("app", [("a".to_owned(), spec())].into(), BTreeMap::new()).unwrap();
        let id = "bafyreigv37r2do4pzrhee4tur5sqbxap4n54i3ichyia3jexvh7qudw57m";
        assert_eq!(plain.cid().to_string(), id);
        assert_eq!(plain.clone().with_schedules(BTreeMap::new()).unwrap().cid(), plain.cid());
        let schedule = Schedule {
            cron: "0 2 * * *".to_owned(),
            timezone: None,
            to: "a/x".to_owned(),
            body: "null".to_owned(),
            catch_up: CatchUp::Latest,
        };
        let mut limited = spec();
        limited.turns.rate_per_second = Some(5);
        let limited = Deployment::new("app", [("a".to_owned(), limited)].into(), BTreeMap::new()).unwrap();
        assert_ne!(limited.cid(), plain.cid());
        assert_eq!(Deployment::decode(&limited.encode()).unwrap(), limited);
        let spec = ProgramSpec { image_id: crate::ImageId([7; 32]), binary: Cid::of(Codec::Raw, b"program") };
        assert_eq!(plain.clone().with_programs(BTreeMap::new()).unwrap().cid(), plain.cid());
        let proving = plain.clone().with_programs([("dti".to_owned(), spec)].into()).unwrap();
        assert_ne!(proving.cid(), plain.cid());
        assert_eq!(Deployment::decode(&proving.encode()).unwrap(), proving);
        assert_eq!(plain.clone().with_verifiers(BTreeMap::new()).unwrap().cid(), plain.cid());
        let verifying = plain.clone().with_verifiers([("receipts".to_owned(), verifier())].into()).unwrap();
        assert_ne!(verifying.cid(), plain.cid());
        assert_eq!(Deployment::decode(&verifying.encode()).unwrap(), verifying);
        let scheduled = plain.clone().with_schedules([("nightly".to_owned(), schedule)].into()).unwrap();
        assert_ne!(scheduled.cid(), plain.cid());
        assert_eq!(Deployment::decode(&scheduled.encode()).unwrap(), scheduled);
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_place() {
        let mut broken = spec();
        broken.limits.fuel = 0;
        let error = Deployment::new("app", [("a".to_owned(), broken)].into(), BTreeMap::new()).unwrap_err();
        assert_eq!(error.to_string(), "actors.a.limits.fuel: must be between 1 and 2^63-1");
        let mut closed = spec();
        closed.turns.concurrency_max = Some(0);
        let error = Deployment::new("app", [("a".to_owned(), closed)].into(), BTreeMap::new()).unwrap_err();
        assert_eq!(error.to_string(), "actors.a.turns.concurrency_max: must be between 1 and 1000000");
        let plain = || Deployment::new("app", [("a".to_owned(), spec())].into(), BTreeMap::new()).unwrap();
        let program = |codec| ProgramSpec { image_id: crate::ImageId([7; 32]), binary: Cid::of(codec, b"program") };
        let with = |name: &str, codec| plain().with_programs([(name.to_owned(), program(codec))].into());
        assert!(with("dti", Codec::Raw).is_ok());
        assert!(with("DTI", Codec::Raw).unwrap_err().to_string().starts_with("programs.DTI: "));
        assert!(with("dti", Codec::DagCbor).unwrap_err().to_string().starts_with("programs.dti.binary: "));
        let with = |name: &str, change: fn(&mut VerifierSpec)| {
            let mut verifier = verifier();
            change(&mut verifier);
            plain().with_verifiers([(name.to_owned(), verifier)].into()).map_err(|error| error.to_string())
        };
        assert!(with("receipts", |_| ()).is_ok());
        assert!(with("Receipts", |_| ()).unwrap_err().starts_with("verifiers.Receipts: "));
        let refused = |change| with("receipts", change).unwrap_err();
        assert!(refused(|verifier| verifier.limits.fuel = 0).starts_with("verifiers.receipts.limits.fuel: "));
        let other = |verifier: &mut VerifierSpec| verifier.module = Cid::of(Codec::DagCbor, b"verifier");
        assert!(refused(other).starts_with("verifiers.receipts.module: "));
        for policy in ["", "[]", "{ }", r#"{"b":1,"a":2}"#] {
            let mut spaced = verifier();
            spaced.policy = policy.to_owned();
            let error = plain().with_verifiers([("receipts".to_owned(), spaced)].into()).unwrap_err();
            assert!(error.to_string().starts_with("verifiers.receipts.policy: is not"), "{error}");
        }
        assert!(refused(|verifier| verifier.policy = " ".repeat(200_000)).contains("at most 131072"));
        assert!(Deployment::new("App", [("a".to_owned(), spec())].into(), BTreeMap::new()).is_err());
        assert!(Deployment::new("app", BTreeMap::new(), BTreeMap::new()).is_err());
    }

    #[test]
    fn a_manifest_that_could_not_be_read_back_is_not_made() {
        let actors: BTreeMap<_, _> = (0..5000).map(|n| (format!("actor-{n}"), spec())).collect();
        assert!(Deployment::new("app", actors, BTreeMap::new()).is_err());
        // The largest that is allowed, with the longest names, is read back.
        let name = |n: usize| format!("a{n:063}");
        let activity = ActivitySpec {
            capabilities: (0..CAPABILITIES_MAX).map(name).collect(),
            retry: Retry { attempts_max: u32::MAX, backoff_ms_min: WAIT_MS_MAX, backoff_ms_max: WAIT_MS_MAX },
            ..ActivitySpec::pure(spec().module, spec().limits)
        };
        let activities: BTreeMap<_, _> = (0..SPECS_MAX).map(|n| (name(n), activity.clone())).collect();
        let largest = Deployment::new(&name(0), BTreeMap::new(), activities).unwrap();
        assert_eq!(Deployment::decode(&largest.encode()).unwrap(), largest);
        // Grants have no such bound each; together they have.
        let host = |n: usize| HostPattern::try_from(format!("h{n:060}.example.com")).unwrap();
        let http = Some(HttpAllowance::new((0..64).map(host).collect()));
        let granted = ActivitySpec { capabilities: ["http".to_owned()].into(), http, ..activity };
        let activities: BTreeMap<_, _> = (0..SPECS_MAX).map(|n| (name(n), granted.clone())).collect();
        let error = Deployment::new("app", BTreeMap::new(), activities).unwrap_err();
        assert!(error.to_string().contains("are read back"), "{error}");
    }

    fn with_activity(change: impl FnOnce(&mut ActivitySpec)) -> Result<Deployment, InvalidDeployment> {
        let mut activity = ActivitySpec::pure(spec().module, spec().limits);
        change(&mut activity);
        Deployment::new("app", BTreeMap::new(), [("fetch".to_owned(), activity)].into())
    }

    fn allowance() -> Option<HttpAllowance> {
        Some(HttpAllowance::new([HostPattern::try_from("api.example.com".to_owned()).unwrap()].into()))
    }

    #[test]
    fn allowances_survive_a_round_trip_and_their_absence_changes_no_bytes() {
        let granted = with_activity(|activity| {
            activity.capabilities = ["http".to_owned(), "secret".to_owned()].into();
            activity.http = allowance();
            activity.secrets = ["API_KEY".to_owned()].into();
            activity.deadline_ms = Some(5000);
        })
        .unwrap();
        assert_eq!(Deployment::decode(&granted.encode()).unwrap(), granted);
        let pure = with_activity(|_| ()).unwrap().encode();
        let has = |word: &[u8]| pure.windows(word.len()).any(|window| window == word);
        assert!(
            !has(b"http") && !has(b"secrets") && !has(b"deadline_ms"),
            "as manifests were before there were capabilities"
        );
    }

    #[test]
    fn allowances_that_cannot_work_are_refused_with_their_place() {
        let refused = |change: fn(&mut ActivitySpec)| with_activity(change).unwrap_err().to_string();
        let http = |activity: &mut ActivitySpec| activity.capabilities = ["http".to_owned()].into();
        assert!(with_activity(http).is_ok(), "a capability without an allowance reaches nothing");
        assert!(refused(|activity| activity.http = allowance()).starts_with("activities.fetch.http: needs"));
        assert!(refused(|activity| activity.deadline_ms = Some(1)).starts_with("activities.fetch.deadline_ms: is for"));
        assert!(refused(|activity| activity.secrets = ["K".to_owned()].into()).starts_with("activities.fetch.secrets"));
        assert!(
            refused(|activity| {
                activity.capabilities = ["secret".to_owned()].into();
                activity.secrets = ["not-one".to_owned()].into();
            })
            .starts_with("activities.fetch.secrets: at most")
        );
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let retry = Retry { attempts_max: 9, backoff_ms_min: 100, backoff_ms_max: 1000 };
        assert_eq!([1, 2, 3, 4, 5, 60].map(|n| retry.backoff_ms(n)), [100, 200, 400, 800, 1000, 1000]);
    }
}
