//! How much is read from a stranger.

/// Largest bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Most blocks of a bundle.
pub const BLOCKS_MAX: usize = 1_000_000;
/// Largest manifest, in bytes: 46 for each entry.
pub const MANIFEST_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Most histories in a bundle.
pub const HISTORIES_MAX: usize = 1_000;
/// Longest signed checkpoint, in bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 64 * 1024;
/// Longest handover of a log's key, in bytes.
pub const HANDOVER_BYTES_MAX: usize = 4 * 1024;
/// Most handovers of one log in a bundle.
pub const HANDOVERS_MAX: usize = 64;
/// Largest log, in leaves. Far beyond what a node writes, and far from where arithmetic ends.
pub const LOG_SIZE_MAX: u64 = 1 << 48;
