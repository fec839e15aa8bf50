//! What travels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ManifestSchedule;

/// Header with the message id that a client chose; sending again under it is safe.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header with the namespace that a request is about; `default` without it.
pub const NAMESPACE: &str = "loom-namespace";
/// Header of a reply: the message's id.
pub const MESSAGE_ID: &str = "loom-message-id";
/// Header of a reply: the number of the turn that made it.
pub const TURN: &str = "loom-turn";
/// Media type of errors, RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error, RFC 9457. `code` is stable and has a page in `docs/errors/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A reference to the code's page, relative to the documentation.
    #[serde(rename = "type")]
    pub kind: String,
    /// Stable and machine-readable.
    pub code: String,
    /// The same for every occurrence, for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence, for people.
    pub detail: String,
    /// What to do next, where there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// With `turn-failed`: how the turn failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TurnFailure>,
}

/// How a turn failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TurnFailure {
    /// Stable kind: the host's (`docs/errors/guest-failures.md`) or the guest's own.
    pub kind: String,
    /// For people.
    pub message: String,
    /// Whether sending the message again may help.
    pub retryable: bool,
    /// The guest's stack, innermost first; only for traps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
}

/// 202: the message is durable, and its turn has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Accepted {
    /// The message's id; `GET …/messages/{id}` tells more.
    pub id: String,
    /// `accepted`, or `waiting` when the turn waits for promises.
    pub status: String,
    /// Promises that somebody has to resolve first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promises: Vec<String>,
}

/// An actor in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActorSummary {
    /// `type/key`.
    pub actor: String,
    /// `idle`, `open` while a turn is unfinished, or `paused`.
    pub status: String,
    /// Turns so far.
    pub turns: u64,
    /// Journal entries so far.
    pub entries: u64,
    /// Arrivals waiting in its mailbox.
    pub waiting: u64,
    /// Last change, in milliseconds since the Unix epoch.
    pub changed_ms: u64,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An actor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Actor {
    /// `type/key`.
    pub actor: String,
    /// `idle`, `running`, `waiting`, `paused`, `diverged` or `faulted`.
    pub status: String,
    /// With `diverged` and `faulted`: what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Turns so far.
    pub turns: u64,
    /// The entry with which the unfinished turn began, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_turn_entry: Option<u64>,
    /// The deployment that the open turn is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The module that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// New turns of the type run another deployment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_deployment: bool,
    /// Journal entries so far.
    pub entries: u64,
    /// CID of the newest entry.
    pub head: String,
    /// Whether a waiting instance is in memory.
    pub resident: bool,
    /// Steps of the unfinished turn that have no outcome yet, as far as the actor is in memory.
    pub waiting_on: Vec<WaitingOn>,
    /// Promises that somebody can resolve.
    pub promises: Vec<Promise>,
}

/// A step without its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitingOn {
    /// The step's number in its turn.
    pub step: u32,
    /// `activity`, `timer`, `call` or `promise`.
    pub kind: String,
    /// The activity's name, the due time in milliseconds, or the token.
    pub detail: String,
}

/// An unresolved promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Promise {
    /// Whoever has it may resolve the promise.
    pub token: String,
    /// `type/key` of the actor that waits.
    pub actor: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<serde_json::Value>))]
    pub data: Option<Box<RawValue>>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// How a promise is settled: exactly one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Settlement {
    /// With this value.
    Ok(Box<RawValue>),
    /// Rejected.
    Err(Rejection),
}

/// Why a promise is rejected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// For the guest and for people.
    pub message: String,
}

/// The actor whose promise was settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settled {
    /// `type/key`.
    pub actor: String,
}

/// An entry of a journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entry {
    /// Its identity.
    pub cid: String,
    /// Position, from 0.
    pub seq: u64,
    /// CID of the entry before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The turn; 0 outside any.
    pub turn: u64,
    /// Milliseconds since the Unix epoch, by the node's clock.
    pub at_ms: u64,
    /// `opened`, `turn-started`, `step`, `outcome`, `turn-ended` or `control`.
    pub kind: String,
    /// The kind's own members; payloads by CID.
    pub body: serde_json::Value,
    /// The payloads it names, by role.
    pub payloads: BTreeMap<String, Payload>,
}

/// A payload of an entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payload {
    /// Its block's CID.
    pub cid: String,
    /// What the value is; absent where the block is not stored beside the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The value, if it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<serde_json::Value>))]
    pub json: Option<Box<RawValue>>,
    /// The value in base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Whether the value was erased on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// A blob that was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Blob {
    /// Its name.
    pub cid: String,
    /// Its size.
    pub bytes: u64,
}

/// What came of collecting blobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CollectedBlobs {
    /// Blobs that stay.
    pub kept: u64,
    /// Blobs that were removed, or would be.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Whether they were only counted.
    pub dry_run: bool,
}

/// A deployment's manifest as it is sent. Limits that are absent have their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The application's name.
    pub name: String,
    /// Actor types by name.
    #[serde(default)]
    pub actors: BTreeMap<String, ManifestActor>,
    /// Activities by name.
    #[serde(default)]
    pub activities: BTreeMap<String, ManifestActivity>,
    /// Messages to be sent at certain times, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<String, ManifestSchedule>,
    /// Programs whose runs can be proved, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, ManifestProgram>,
    /// Verifiers of evidence, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub verifiers: BTreeMap<String, ManifestVerifier>,
}

/// A verifier of evidence. Limits that are absent have defaults of their own, fit for verifying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestVerifier {
    /// `risc0` or `tlsnotary`.
    pub kind: String,
    /// CID of the uploaded module.
    pub module: String,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// What it goes by, an object whose members depend on the kind.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub policy: serde_json::Map<String, serde_json::Value>,
}

/// A RISC Zero program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestProgram {
    /// Its image id, 64 lower-case hex digits.
    pub image_id: String,
    /// CID of the uploaded program binary.
    pub binary: String,
}

/// An actor type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestActor {
    /// CID of the uploaded module.
    pub module: String,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// How many turns may be under way on a node, and begin.
    #[serde(default, skip_serializing_if = "TurnLimits::is_none")]
    pub turns: TurnLimits,
}

/// How many turns of a type; no limits without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TurnLimits {
    /// Turns at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
    /// Turns that begin in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
}

impl TurnLimits {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestActivity {
    /// CID of the uploaded module.
    pub module: String,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// What it may do beyond computing.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// How it is retried.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// What the capability `http` lets it reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpAllowance>,
    /// Secrets of the node that it may use, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// How long one attempt may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// What an activity may do over HTTP; absent limits have their defaults.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is described at loom_machine::HttpAllowance")]
pub struct HttpAllowance {
    pub hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirects_max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_max: Option<u32>,
}

/// Limits; absent ones have their defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is described at loom_machine::GuestLimits")]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_elements: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// Retry policy; absent members have their defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is described at loom_machine::Retry")]
pub struct RetryPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms_min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms_max: Option<u64>,
}

/// An active deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deployment {
    /// The application's name.
    pub name: String,
    /// The deployment's id: CID of its canonical manifest.
    pub deployment: String,
    /// When it was activated, in milliseconds since the Unix epoch.
    pub activated_ms: u64,
    /// Who activated it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether new turns run it.
    pub active: bool,
    /// Actor types it runs.
    pub actors: Vec<String>,
    /// Activities it has.
    pub activities: Vec<String>,
    /// What runs another module than in the deployment before, as `actors.NAME` or `activities.NAME`; only in a history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}
