//! Trying deployments on recorded turns, and going back to former ones: what travels.

use serde::{Deserialize, Serialize};

use crate::Manifest;

/// Which turns to replay against what.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The deployment, if it was not activated yet; its modules are uploaded already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// A former deployment instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// How many finished turns to replay besides the open ones [default: 100].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<usize>,
    /// How long to go on, in milliseconds [default and most: 60,000].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

/// A former deployment.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    /// The application's name.
    pub name: String,
    /// Its id; the one that was active before, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Which former deployment to activate again.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Its id; the one that was active before, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What a check found. Nothing was changed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The id of the deployment that was tried.
    pub deployment: String,
    /// Turns that did again what their journals say.
    pub agreed: usize,
    /// Turns that did something else.
    pub diverged: usize,
    /// Turns that could not be replayed.
    pub impossible: usize,
    /// A limit or the time left out turns that were to be looked at.
    pub left_out: bool,
    /// Every turn that was looked at.
    pub turns: Vec<CheckedTurn>,
}

/// A turn that was looked at.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckedTurn {
    /// `type/key`.
    pub actor: String,
    /// Its number.
    pub turn: u64,
    /// It is not over.
    pub open: bool,
    /// The deployment it is pinned to.
    pub deployment: String,
    /// `agrees`, `diverges` or `impossible`.
    pub verdict: String,
    /// With `impossible`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// With `diverges`: where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// The first entry at which a guest and its journal part.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The entry.
    pub seq: u64,
    /// Its step; absent at the turn's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// What the journal says, in one line, cut in the same place as `guest`.
    pub journal: String,
    /// What the guest did.
    pub guest: String,
    /// CID of the module whose doing the journal holds.
    pub journal_module: String,
    /// CID of the module that was run.
    pub guest_module: String,
}
