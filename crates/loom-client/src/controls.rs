//! What operators ask of actors, and messages that could not be handled.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is asked of an actor.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Control {
    /// Take no message, and run no guest, until it is resumed.
    Pause {},
    /// Go on.
    Resume {},
    /// Tell the open turn's guest to stop; what it does then is its own business.
    Cancel {
        /// Why, for the guest and for people.
        reason: String,
    },
    /// End the open turn as failed, wherever its guest is.
    FailTurn {
        /// Why; the caller is told.
        reason: String,
    },
    /// Forget the open turn's steps after an entry, and run its guest again from there.
    Reset {
        /// The last entry that counts.
        to: u64,
        /// The deployment that the turn goes on with; its own without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployment: Option<String>,
    },
    /// Make a new actor of the same type that begins with this one's state.
    Fork {
        /// The new actor's key.
        to: String,
        /// The state after this turn; after the newest that ended without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<u64>,
    },
    /// Erase every payload and the state; entries stay.
    Purge {},
}

/// It was done, durably.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controlled {
    /// `type/key` of the actor whose journal says so: the new one after a fork.
    pub actor: String,
}

/// A message that could not be handled.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its number in the namespace's list.
    pub id: u64,
    /// `type/key` of its receiver.
    pub actor: String,
    /// The turn that tried.
    pub turn: u64,
    /// The message's id.
    pub message: String,
    /// Why it could not be handled.
    pub reason: String,
    /// When it was put here, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `type/key` of the actor that sent it; none for a client, or if the message cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The message's body; none if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<serde_json::Value>))]
    pub body: Option<Box<RawValue>>,
}

/// Asks to send a dead letter again. An object, so that it may get members.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redelivery {}
