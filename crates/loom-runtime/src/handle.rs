//! The runtime's handle: what a server or an embedding program can ask of it.

mod control;
mod deploy;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use loom_machine::{Deployment, Failure, HostFault, Message, Outcome};
use loom_storage::{
    ActiveDeployment, ActorSummary, BlobError, MessageStatus, PromiseRecord, ResolveError, Storage, StoreError,
    collect::{CollectError, Collected},
};
use loom_types::{
    ActorAddress, Cid, Codec, EncodedEntry, Entry, EntryBody, Marker, MessageId, Namespace, Payload, Resolution,
    SequenceNumber, TurnNumber, TurnResult, limits::PAYLOAD_BYTES_MAX,
};
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc::UnboundedSender, oneshot};

use crate::{
    AuditError, BlockingWork, Clock, Metrics, SaltSources, ScheduleView, activity,
    audit::AuditLog,
    causes, cron,
    deployments::{Deployments, Target},
    load,
    log::NodeLog,
    lookout::Doubts,
    metrics::NodeFigures,
    modules::Modules,
    shard::{Content, Delivery, Event, Responders, shard_of},
    upkeep::{LetGo, Upkeep},
    watch::{Watch, Watchers},
};

pub use control::RedeliverError;

/// What can be asked of a running node. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shards: Vec<UnboundedSender<Event>>,
    pub(crate) storage: Storage,
    pub(crate) deployments: Arc<Deployments>,
    pub(crate) modules: Arc<Modules>,
    pub(crate) metrics: Metrics,
    pub(crate) salts: SaltSources,
    pub(crate) blocking: BlockingWork,
    pub(crate) doubts: Doubts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) requests_max: usize,
    /// Queries that may run at once.
    pub(crate) queries: Arc<Semaphore>,
    pub(crate) queries_max: usize,
    pub(crate) upkeep: Upkeep,
    /// None without a key to sign it.
    pub(crate) log: Option<NodeLog>,
    pub(crate) watchers: Arc<Watchers>,
    /// One check of a deployment at a time: it takes a processor.
    pub(crate) checking: tokio::sync::Mutex<()>,
}

/// How a message is sent.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// The client's own id (idempotency key); a random one otherwise.
    pub id: Option<MessageId>,
    /// Also settle when the turn waits for somebody outside ([`Settled::Waiting`]).
    pub until_waiting: bool,
}

/// A message that was handed in.
pub struct Ticket {
    /// Its id.
    pub id: MessageId,
    accepted: oneshot::Receiver<Result<(), SendError>>,
    settled: oneshot::Receiver<Result<Settled, SendError>>,
}

impl Ticket {
    /// Waits until the message is durable: from then on it will be handled, exactly once.
    pub async fn accepted(&mut self) -> Result<(), SendError> {
        (&mut self.accepted).await.unwrap_or(Err(SendError::Stopping))
    }

    /// Waits until its turn has ended (or waits for somebody outside, if that was asked for).
    pub async fn settled(&mut self) -> Result<Settled, SendError> {
        (&mut self.settled).await.unwrap_or(Err(SendError::Stopping))
    }
}

/// What became of a message.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Its turn ended, durably.
    Ended {
        /// The turn.
        turn: TurnNumber,
        /// The reply's JSON text, or the failure.
        result: Result<String, Failure>,
    },
    /// Its turn waits for promises that somebody outside has to resolve.
    Waiting {
        /// The turn.
        turn: TurnNumber,
        /// Their tokens.
        promises: Vec<String>,
    },
}

/// Why a message was not taken in, or its reply cannot be given.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// No active deployment runs this type.
    #[error("no deployment in namespace '{namespace}' runs actors of type '{actor_type}'")]
    UnknownType {
        /// The namespace.
        namespace: String,
        /// The type.
        actor_type: String,
        /// Types that are there.
        known: Vec<String>,
    },
    /// The body is not JSON.
    #[error("the message body is not JSON: {0}")]
    NotJson(String),
    /// The body is too large.
    #[error("the message body has {bytes} bytes, at most {limit} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The id was used before with another body.
    #[error("message id '{0}' was used before with another body")]
    IdReused(MessageId),
    /// Too many messages wait for this actor.
    #[error("{waiting} messages wait for this actor already, at most {limit} may")]
    MailboxFull {
        /// How many wait.
        waiting: u64,
        /// The limit.
        limit: u64,
    },
    /// Too many requests are in flight on this node.
    #[error("{0} requests are in flight already, the most this node takes (runtime.requests_max)")]
    Busy(usize),
    /// Too many queries run on this node.
    #[error("{0} queries run already, the most this node runs at once (runtime.queries_max)")]
    QueriesBusy(usize),
    /// No message has this id.
    #[error("actor {0} has no message with this id")]
    UnknownMessage(ActorAddress),
    /// The store failed; the message may have been taken in, so send it again under the same id.
    #[error("the store failed: {0}")]
    Store(String),
    /// What it takes to answer is damaged; other actors are not affected.
    #[error("{0}")]
    Damaged(String),
    /// The result was erased.
    #[error("{0}")]
    Erased(String),
    /// The node is stopping, or had to read the actor again; send again under the same id.
    #[error("the node dropped the request, because it is stopping or could not read the actor")]
    Stopping,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => SendError::Store(causes(&error)),
            StoreError::Corrupt { .. } | StoreError::Unsealable { .. } => SendError::Damaged(error.to_string()),
            StoreError::Erased { .. } => SendError::Erased(error.to_string()),
        }
    }
}

impl SendError {
    /// Whether sending again, under the same id, may help.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            SendError::Busy(_)
                | SendError::QueriesBusy(_)
                | SendError::MailboxFull { .. }
                | SendError::Store(_)
                | SendError::Stopping
        )
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such actor.
    #[error("there is no actor {0}")]
    UnknownActor(ActorAddress),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a promise was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolvePromiseError {
    /// The value is not JSON, or too large.
    #[error(transparent)]
    Value(SendError),
    /// The store says no.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// An actor, as the journal and this process know it.
#[derive(Clone, Debug)]
pub struct ActorView {
    /// Who.
    pub address: ActorAddress,
    /// How many entries its journal has.
    pub entries: u64,
    /// CID of the newest entry.
    pub head: Cid,
    /// Number of the newest turn.
    pub turn: TurnNumber,
    /// The entry with which the unfinished turn began.
    pub open_turn: Option<SequenceNumber>,
    /// What that turn is pinned to.
    pub pinned: Option<Pinned>,
    /// What it is doing.
    pub stage: Stage,
    /// Steps of the unfinished turn that have no outcome yet.
    pub waiting_on: Vec<WaitingOn>,
    /// Whether an instance of it is in memory.
    pub is_resident: bool,
    /// Promises that somebody outside can resolve.
    pub promises: Vec<PromiseRecord>,
}

/// What a turn is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The deployment.
    pub deployment: Cid,
    /// The module that it runs for this type.
    pub module: Cid,
    /// New turns of the type run another deployment.
    pub is_former: bool,
}

/// What an actor is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: every message was handled.
    Idle,
    /// Its guest runs, or will in a moment.
    Running,
    /// Its guest waits for steps.
    Waiting,
    /// Nothing: an operator paused it.
    Paused,
    /// Stopped: replay diverged. The text shows how.
    Diverged(String),
    /// Stopped for now by a fault of the host's, which is retried.
    Faulted(String),
}

/// A step without its outcome, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingOn {
    /// The step.
    pub n: u32,
    /// `activity`, `timer`, `call` or `promise`.
    pub kind: &'static str,
    /// The activity's name, the due time or the promise's token.
    pub detail: String,
}

/// What is known of a message.
#[derive(Clone, Debug)]
pub struct MessageView {
    /// Its status.
    pub status: MessageStatus,
    /// Its result, once its turn has ended.
    pub result: Option<Result<String, Failure>>,
}

/// One entry with the payloads it names, as far as they are in the journal's segments.
#[derive(Clone, Debug)]
pub struct Journaled {
    /// Identity.
    pub encoded: EncodedEntry,
    /// The entry.
    pub entry: Entry,
    /// Its payloads, with their roles.
    pub payloads: Vec<(&'static str, Cid, Option<Payload>)>,
    /// Those of its payloads that are missing because they were erased.
    pub erased: Vec<Cid>,
}

/// What a shard knows of an actor that it has in memory.
#[derive(Clone, Debug)]
pub(crate) struct LiveView {
    pub(crate) stage: Stage,
    pub(crate) waiting_on: Vec<WaitingOn>,
    pub(crate) is_resident: bool,
    pub(crate) pinned: Option<Pinned>,
}

impl Handle {
    /// Sends a message. Returns at once; the ticket tells what becomes of it.
    pub fn send(&self, to: &ActorAddress, body: &str, options: SendOptions) -> Result<Ticket, SendError> {
        let body = check_json(body)?;
        self.target(to)?;
        let is_generated = options.id.is_none();
        let id = options.id.unwrap_or_else(|| self.random_id());
        let message = Message::of_client(id.clone(), to.clone(), body.to_owned());
        let content = Content { message, is_generated };
        self.inner.metrics.messages.inc();
        self.deliver(to, id, Some(content), options.until_waiting)
    }

    /// What a new turn of the actor runs.
    pub(crate) fn target(&self, actor: &ActorAddress) -> Result<Target, SendError> {
        let deployments = &self.inner.deployments;
        deployments.target(actor.namespace(), actor.actor_type()).ok_or_else(|| {
            let namespace: Namespace = actor.namespace().parse().expect("part of an address");
            SendError::UnknownType {
                namespace: actor.namespace().to_owned(),
                actor_type: actor.actor_type().to_owned(),
                known: deployments.actor_types(&namespace).iter().map(ToString::to_string).collect(),
            }
        })
    }

    /// Waits for a message that was sent earlier.
    pub fn follow(&self, to: &ActorAddress, id: MessageId, until_waiting: bool) -> Result<Ticket, SendError> {
        self.deliver(to, id, None, until_waiting)
    }

    fn deliver(
        &self,
        to: &ActorAddress,
        id: MessageId,
        content: Option<Content>,
        until_waiting: bool,
    ) -> Result<Ticket, SendError> {
        let permit = self.inner.requests.clone().try_acquire_owned();
        let permit = permit.map_err(|_| SendError::Busy(self.inner.requests_max))?;
        let (accepted_sender, accepted) = oneshot::channel();
        let (settled_sender, settled) = oneshot::channel();
        let responders = Responders::new(accepted_sender, settled_sender, until_waiting, permit);
        let delivery = Delivery { address: to.clone(), id: id.clone(), content, responders };
        self.tell(to, Event::Deliver(Box::new(delivery))).map_err(|()| SendError::Stopping)?;
        Ok(Ticket { id, accepted, settled })
    }

    fn random_id(&self) -> MessageId {
        let mut raw = [0u8; 15];
        (self.inner.salts)().fill(&mut raw);
        let text = format!("m-{}", data_encoding::BASE32_NOPAD.encode(&raw).to_ascii_lowercase());
        text.parse().expect("letters and digits")
    }

    fn tell(&self, actor: &ActorAddress, event: Event) -> Result<(), ()> {
        let shards = &self.inner.shards;
        shards[shard_of(actor, shards.len())].send(event).map_err(drop)
    }

    /// What is known of a client's message.
    pub async fn message(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageView>, StoreError> {
        let Some(status) = self.inner.storage.mailbox.status(actor, id).await? else { return Ok(None) };
        let result = match status.ended {
            Some(seq) => Some(read_result(&self.inner.storage, actor, seq).await?),
            None => None,
        };
        Ok(Some(MessageView { status, result }))
    }

    /// An actor.
    pub async fn actor(&self, address: &ActorAddress) -> Result<ActorView, ReadError> {
        let storage = &self.inner.storage;
        let record = storage.journal.load(address).await?.ok_or_else(|| ReadError::UnknownActor(address.clone()))?;
        let (sender, live) = oneshot::channel();
        let live = match self.tell(address, Event::Inspect(address.clone(), sender)) {
            Ok(()) => live.await.unwrap_or(None),
            Err(()) => None,
        };
        let namespace: Namespace = address.namespace().parse().expect("part of an address");
        let promises = storage.catalog.promises(&namespace, Some(address), None, 1000).await?;
        let live = live.unwrap_or_else(|| LiveView {
            stage: match record.open_turn {
                _ if record.is_paused => Stage::Paused,
                Some(_) => Stage::Waiting,
                None => Stage::Idle,
            },
            waiting_on: Vec::new(),
            is_resident: false,
            pinned: None,
        });
        let pinned = match (live.pinned, record.open_turn) {
            (None, Some(started)) => self.pinned(address, started).await?,
            (pinned, _) => pinned,
        };
        Ok(ActorView {
            address: address.clone(),
            entries: record.next_seq.0,
            head: record.head,
            turn: record.turn,
            open_turn: record.open_turn,
            pinned,
            stage: live.stage,
            waiting_on: live.waiting_on,
            is_resident: live.is_resident,
            promises,
        })
    }

    /// Actors of a namespace, by address after `after`.
    pub async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError> {
        self.inner.storage.catalog.actors(namespace, actor_type, after, limit).await
    }

    /// Unresolved promises of a namespace, by token after `after`.
    pub async fn promises(
        &self,
        namespace: &Namespace,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError> {
        self.inner.storage.catalog.promises(namespace, None, after, limit).await
    }

    /// The committed state, as JSON text; none if the actor has none.
    pub async fn state(&self, address: &ActorAddress) -> Result<Option<String>, ReadError> {
        let record = self.inner.storage.journal.load(address).await?;
        let record = record.ok_or_else(|| ReadError::UnknownActor(address.clone()))?;
        Ok(record.state.and_then(|state| state.text().map(str::to_owned)))
    }

    /// A page of the journal: entries from `from` on. Empty at the end.
    pub async fn journal(&self, address: &ActorAddress, from: SequenceNumber) -> Result<Vec<Journaled>, ReadError> {
        let segments = self.inner.storage.journal.read(address, from).await?;
        if segments.is_empty() && from.0 == 0 {
            return Err(ReadError::UnknownActor(address.clone()));
        }
        let mut page = Vec::new();
        for segment in segments {
            let payloads: HashMap<Cid, Payload> =
                segment.payloads.iter().map(|payload| (payload.cid(), payload.clone())).collect();
            let erased: HashSet<Cid> = segment.payloads.iter().filter_map(erased).collect();
            let entries = load::decode(address, &segment)?;
            for (entry, encoded) in entries.into_iter().zip(segment.entries) {
                if entry.seq >= from {
                    let named = entry.body.payloads();
                    let erased = named.iter().map(|(_, cid)| *cid).filter(|cid| erased.contains(cid)).collect();
                    let payloads =
                        named.into_iter().map(|(role, cid)| (role, cid, payloads.get(&cid).cloned())).collect();
                    page.push(Journaled { encoded, entry, payloads, erased });
                }
            }
        }
        Ok(page)
    }

    /// Watches the actor's journal: from now on nothing that is committed goes unnoticed, and what was committed
    /// before is for [`Handle::journal`] to tell. None if too many watch already.
    pub fn watch(&self, actor: &ActorAddress) -> Option<Watch> {
        self.inner.watchers.watch(actor)
    }

    /// Resolves a promise with a value or a failure. Once per token.
    pub async fn resolve(
        &self,
        token: &str,
        result: Result<&str, &Failure>,
    ) -> Result<ActorAddress, ResolvePromiseError> {
        if let Ok(value) = result {
            check_json(value).map_err(ResolvePromiseError::Value)?;
        }
        let outcome = Outcome::seal(result, &mut *(self.inner.salts)());
        let payload = outcome.payload().clone();
        let resolved = self.inner.storage.mailbox.resolve(token, outcome.resolution(), payload).await;
        if matches!(resolved, Err(ResolveError::Unavailable(_))) {
            self.inner.doubts.raise();
        }
        let actor = resolved?;
        // If the shard is gone, the outcome waits in the mailbox for the next start.
        let _ = self.tell(&actor, Event::Arrived(actor.clone(), loom_storage::Lane::Outcomes));
        Ok(actor)
    }

    /// What active deployments send at certain times.
    pub fn schedules(&self, namespace: &Namespace) -> Vec<ScheduleView> {
        cron::list(&self.inner.deployments, namespace, self.now_ms())
    }

    /// Writes into the namespace's audit log what `by` is about to do to it. Durable when it returns; only then may
    /// it be done.
    pub async fn audit(&self, namespace: &Namespace, what: &str, by: &str) -> Result<(), AuditError> {
        self.inner.audit.record(namespace, what, by).await
    }

    /// The node's time, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.inner.clock.now_ms()
    }

    /// Active deployments of a namespace.
    pub fn deployments(&self, namespace: &Namespace) -> Vec<(ActiveDeployment, Arc<Deployment>)> {
        self.inner.deployments.list(namespace)
    }

    /// Runs a pure activity once, on this thread and without a journal, just as a turn would: for trying out and
    /// for measuring. Its module must be loaded, as activating a deployment sees to.
    pub fn try_activity(
        &self,
        deployment: &Deployment,
        name: &str,
        input: &str,
    ) -> Result<Result<String, Failure>, HostFault> {
        let unknown =
            || Failure::new("unknown-activity", format!("deployment '{}' has no activity '{name}'", deployment.name));
        let Some(spec) = deployment.activities.get(name) else { return Ok(Err(unknown())) };
        activity::run_to_end(&self.inner.modules, spec, input)
    }

    /// Stores a blob and names it.
    pub async fn put_blob(&self, bytes: bytes::Bytes) -> Result<Cid, BlobError> {
        let cid = Cid::of(Codec::Raw, &bytes);
        self.inner.storage.blobs.put(cid, bytes).await.map(|()| cid)
    }

    /// Reads a blob.
    pub async fn blob(&self, cid: Cid) -> Result<bytes::Bytes, BlobError> {
        self.inner.storage.blobs.get(cid).await
    }

    /// Removes blobs to which nothing leads and that were put longer ago than `kept`; with `dry_run` only counts
    /// them.
    pub async fn collect_blobs(&self, kept: Duration, dry_run: bool) -> Result<Collected, CollectError> {
        self.inner.upkeep.collect_blobs(kept, dry_run).await
    }

    /// Lets go of what is old by the settings, as happens every `runtime.upkeep_interval`.
    pub async fn upkeep(&self) -> Result<LetGo, CollectError> {
        self.inner.upkeep.round().await
    }

    /// Whether the node can take messages in: commits become durable, and the deployments of earlier are back
    /// (no handle exists before they are).
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.inner.storage.catalog.probe().await
    }

    /// The runtime's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Registers every figure of the runtime and of its store.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.inner.metrics.register(registry);
        let node = NodeFigures {
            journal: self.inner.storage.journal.clone(),
            watchers: self.inner.watchers.clone(),
            requests: self.inner.requests.clone(),
            requests_max: self.inner.requests_max,
            engine: self.inner.modules.sandbox().engine().to_owned(),
        };
        registry.sub_registry_with_prefix("loom").register_collector(Box::new(node));
    }
}

/// What a payload's marker says was erased.
fn erased(payload: &Payload) -> Option<Cid> {
    match payload.marker() {
        Some(Marker::Erased(cid)) => Some(cid),
        _ => None,
    }
}

/// Identifies a body for idempotency.
pub(crate) fn body_digest(body: &str) -> [u8; 32] {
    Sha256::digest(body.as_bytes()).into()
}

/// The JSON value in `text`, without white space around it: the guest gets the same bytes however it is replayed.
pub(crate) fn check_json(text: &str) -> Result<&str, SendError> {
    if text.len() > PAYLOAD_BYTES_MAX - 1024 {
        // Room for the envelope around it.
        return Err(SendError::TooLarge { bytes: text.len(), limit: PAYLOAD_BYTES_MAX - 1024 });
    }
    let checked = serde_json::from_str::<&serde_json::value::RawValue>(text).map(|value| value.get());
    checked.map_err(|error| SendError::NotJson(error.to_string()))
}

/// The answer to a client's message that the entry at `seq` gives: the turn's end, or a `reply` inside it.
pub(crate) async fn read_result(
    storage: &Storage,
    actor: &ActorAddress,
    seq: SequenceNumber,
) -> Result<Result<String, Failure>, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt { what: format!("journal of {actor}: entry {seq}: {what}") };
    let segments = storage.journal.read(actor, seq).await?;
    let segment = segments.first().ok_or_else(|| corrupt("is missing"))?;
    let entries = load::decode(actor, segment)?;
    let entry = entries.iter().find(|entry| entry.seq == seq).ok_or_else(|| corrupt("is missing"))?;
    let find = |cid: Cid| {
        if segment.payloads.iter().any(|payload| erased(payload) == Some(cid)) {
            return Err(StoreError::Erased { what: format!("the answer that entry {seq} of {actor} gave") });
        }
        let payload = segment.payloads.iter().find(|payload| payload.cid() == cid);
        payload.ok_or_else(|| corrupt("its payload is missing"))
    };
    let result = match &entry.body {
        EntryBody::TurnEnded { result, .. } => result,
        EntryBody::Step { outcome: Some(Resolution::Ok(reply)), .. } => {
            return Ok(Ok(find(*reply)?.text().unwrap_or("null").to_owned()));
        }
        _ => return Err(corrupt("answers no message")),
    };
    let payload = find(result.cid())?;
    Ok(match result {
        TurnResult::Reply(_) => Ok(payload.text().unwrap_or("null").to_owned()),
        TurnResult::Failure(_) => Err(Failure::from_json(payload.value())),
        TurnResult::Restarted(_) => Ok("null".to_owned()),
    })
}

/// The step's outcome as the machine takes it.
pub(crate) fn outcome_of(result: Resolution, payload: Payload) -> Outcome {
    match result {
        Resolution::Ok(_) => Outcome::Ok(payload),
        Resolution::Err(_) => Outcome::Err(payload),
    }
}
