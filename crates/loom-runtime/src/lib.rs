//! Runs actors.
//!
//! Actors are spread over *shards*, one thread each. A shard owns its actors: it alone appends to their
//! journals, so turns need no locks. A turn runs until its guest waits for something outside; what it did until
//! then is committed in one piece, and only when that is durable does anybody outside see it (the output commit
//! rule). Waiting guests stay resident up to a limit and are otherwise replayed from the journal.
//!
//! ```text
//! client ── Handle ──► shard ──► Turn ◄──► guest          (loom-machine, Sandbox)
//!                        │  ▲
//!                 commit │  │ durable: replies, wake-ups, activities
//!                        ▼  │
//!                      storage ◄── timers
//! ```
//!
//! Absent on purpose: HTTP, files, any name of a backend or engine; shared mutable state between shards other
//! than caches that may be lost.
//!
//! Start at [`Runtime::start`], then `shard.rs` and `cell.rs`.

mod activity;
mod audit;
mod bundle;
mod causes;
mod cell;
mod chain;
mod check;
mod clock;
mod control;
mod cron;
mod deployments;
mod gate;
mod handle;
mod host;
mod load;
mod log;
mod lookout;
mod metrics;
mod modules;
mod outside;
mod proofs;
mod prover;
mod query;
mod runtime;
mod salts;
mod schedule;
mod settings;
mod shard;
mod timers;
pub mod trace;
mod upkeep;
mod verdicts;
mod watch;

pub use loom_storage::Storage;

pub use self::{
    audit::{AuditError, NODE_NAMESPACE, address as audit_address},
    bundle::{BundleOptions, BundleRequestError, Redaction, RedactionError, redact},
    causes::causes,
    check::{
        CHECK_ACTORS_MAX, CHECK_ENTRIES_MAX, CHECK_OPEN_TURNS_MAX, CHECK_TURNS_MAX, CheckOptions, CheckReport, Checked,
    },
    clock::{Clock, SystemClock},
    control::ControlError,
    cron::ScheduleView,
    deployments::{DeployError, Deployments},
    handle::{
        ActorView, Handle, Journaled, MessageView, Pinned, ReadError, RedeliverError, ResolvePromiseError, SendError,
        SendOptions, Settled, Stage, Ticket, WaitingOn,
    },
    host::{BlockingWork, Host},
    log::{
        HandoverError, LogError, LogKeyError, LogStatus, SignedSize, Witness, WitnessAnswer, WitnessStatus,
        check_log_key, record_handover, signed_log,
    },
    metrics::Metrics,
    outside::{
        ExposeSecret, HeaderValue, Http, HttpCall, HttpReply, Outside, SECRET_BYTES_MAX, SECRET_BYTES_MIN,
        SecretString, Secrets,
    },
    prover::{Proof, ProofProgress, ProofRequest, ProofStage, ProveError, Prover, Proving},
    query::QueryError,
    runtime::{Assembly, Runtime, StartError},
    salts::{OsSalts, SaltSources},
    settings::Settings,
    upkeep::LetGo,
    watch::Watch,
};
pub(crate) use control::ControlRequest;
