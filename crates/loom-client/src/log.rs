//! The node's log.

use serde::{Deserialize, Serialize};

/// How the node's log stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Log {
    /// Its name.
    pub origin: String,
    /// The public key that signs it.
    pub key: String,
    /// How many leaves it has.
    pub size: u64,
    /// What was signed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedSize>,
    /// What any witness cosigned last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnessed: Option<SignedSize>,
    /// Who is asked to cosign it.
    pub witnesses: Vec<LogWitness>,
}

/// How far a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedSize {
    /// How many leaves it commits to.
    pub size: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A witness of the node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogWitness {
    /// Its public key.
    pub key: String,
    /// How many leaves it cosigned last, since the node started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<u64>,
    /// Why it did not cosign when it was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
