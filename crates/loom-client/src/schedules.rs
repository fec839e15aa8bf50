//! Messages that are sent at certain times.

use serde::{Deserialize, Serialize};

/// What becomes of occurrences that nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// The latest is sent late, those before it never.
    #[default]
    Latest,
    /// None is sent.
    None,
}

/// A message to be sent again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestSchedule {
    /// Minute, hour, day of month, month, day of week.
    pub cron: String,
    /// Where the clock is read, such as `Europe/Berlin`; UTC without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// `type/key` of the receiver, an actor of this deployment.
    pub to: String,
    /// The message.
    #[serde(default)]
    pub body: serde_json::Value,
    /// What becomes of missed occurrences.
    #[serde(default)]
    pub catch_up: CatchUp,
}

/// A schedule of an active deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Schedule {
    /// The deployment's name.
    pub deployment: String,
    /// Its own.
    pub name: String,
    /// What is sent when and to whom.
    pub schedule: ManifestSchedule,
    /// The next occurrence, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<u64>,
}
