//! Limits of the ports.

/// Deployments kept per name, the active one included; older ones are forgotten when another is activated.
pub const DEPLOYMENTS_KEPT_MAX: usize = 100;
/// Most bytes of segments one read returns (at least one segment is returned).
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
