//! The catalog port: deployments, and lists for people.

use async_trait::async_trait;
use loom_types::{ActorAddress, Cid, MessageId, Namespace, Payload, SequenceNumber, StepRef, TurnNumber};

use crate::StoreError;

/// What a namespace runs under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveDeployment {
    /// The tenant.
    pub namespace: Namespace,
    /// The application's name.
    pub name: String,
    /// The deployment's id; its manifest is a blob.
    pub cid: Cid,
    /// When it was activated, in milliseconds since the Unix epoch.
    pub activated_ms: u64,
    /// Who activated it; none for a program that embeds the node.
    pub by: Option<String>,
}

/// One actor in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorSummary {
    /// Who.
    pub address: ActorAddress,
    /// How many entries its journal has.
    pub next_seq: SequenceNumber,
    /// Number of the newest turn.
    pub turn: TurnNumber,
    /// Whether that turn is unfinished.
    pub is_open: bool,
    /// Whether it is paused.
    pub is_paused: bool,
    /// How much waits in its mailbox.
    pub waiting: u64,
    /// When it last changed, in milliseconds since the Unix epoch.
    pub changed_ms: u64,
}

/// A promise that nobody has resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromiseRecord {
    /// Unguessable name.
    pub token: String,
    /// The actor that waits.
    pub actor: ActorAddress,
    /// Its step.
    pub step: StepRef,
    /// What it is about.
    pub label: Option<String>,
    /// JSON text that goes with it.
    pub data: Option<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// A message that could not be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the list.
    pub id: u64,
    /// Its receiver.
    pub actor: ActorAddress,
    /// The turn that tried.
    pub turn: TurnNumber,
    /// Its id.
    pub message: MessageId,
    /// The envelope.
    pub payload: Payload,
    /// Why, for people.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Which deployments are active, and what there is. Lists are for people and may lag behind by a moment.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Makes `deployment` the active one of its name; the one before becomes history. Durable when it returns.
    async fn activate(&self, deployment: ActiveDeployment) -> Result<(), StoreError>;

    /// Every active deployment.
    async fn active(&self) -> Result<Vec<ActiveDeployment>, StoreError>;

    /// Whether commits would become durable now: writes something of no consequence, as durably as a commit. A
    /// store that cannot try it reads instead.
    async fn probe(&self) -> Result<(), StoreError> {
        self.active().await.map(drop)
    }

    /// What was activated under a name, newest first, at most `limit`. The first is active. Of the others, the newest
    /// [`DEPLOYMENTS_KEPT_MAX`](crate::limits::DEPLOYMENTS_KEPT_MAX) are kept, the active one counted.
    async fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<ActiveDeployment>, StoreError>;

    /// Actors of a namespace, optionally of one type, by address after `after`, at most `limit`.
    async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError>;

    /// Unresolved promises, of one actor or of a whole namespace, by token after `after`, at most `limit`.
    async fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError>;

    /// Messages that could not be handled, of one actor or of a whole namespace, by id after `after`, at most `limit`.
    async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// Forgets one; false if there is none of this id in the namespace. Durable when it returns.
    async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError>;
}
