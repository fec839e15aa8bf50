//! What a turn is pinned to, and what it takes from the world.

use std::sync::Arc;

use loom_types::{ActorAddress, Cid, Payload, SaltSource, TurnNumber};

use crate::{Deployment, InputSalts, Message};

/// What a turn takes from the world, handed in with each call.
pub struct Ambient<'a> {
    /// The node's clock, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Salts for new payloads and unguessable tokens.
    pub salts: &'a mut dyn SaltSource,
    /// Which actor types exist.
    pub directory: &'a dyn Directory,
    /// Salts for private inputs; none where nothing can be proved.
    pub inputs: Option<&'a dyn InputSalts>,
}

/// Which actor types a message can be sent to.
pub trait Directory {
    /// Whether some active deployment runs this type.
    fn has_actor_type(&self, namespace: &str, actor_type: &str) -> bool;
}

/// Everything a turn is pinned to.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The actor.
    pub address: ActorAddress,
    /// The turn's number.
    pub turn: TurnNumber,
    /// The message it handles, decoded.
    pub message: Message,
    /// The message's payload.
    pub message_payload: Payload,
    /// Id of the deployment.
    pub deployment_cid: Cid,
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// The actor's module.
    pub module: Cid,
    /// The engine that runs it.
    pub engine: String,
    /// 32 random bytes.
    pub seed: Payload,
}
