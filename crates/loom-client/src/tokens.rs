//! Tokens as they travel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// What a token may do: a role (`read`, `invoke`, `deploy`, `admin`) by namespace, `*` for every namespace.
pub type Grants = BTreeMap<String, String>;

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What the audit log calls whoever uses it.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
}

/// A token that was made. This is the only time that anybody sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// What it is called and may do.
    #[serde(flatten)]
    pub record: Token,
    /// The token itself.
    #[serde(serialize_with = "Secret::reveal")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: Secret<String>,
}

/// A token as the node knows it: everything but the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
}
