//! How much of a stranger's file is read.

/// A presentation, in bytes.
pub const PRESENTATION_BYTES_MAX: usize = 1024 * 1024;
/// What was sent, or received, in a session, disclosed or not.
pub const TRANSCRIPT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Fields of a body: its leaves.
pub const FIELDS_MAX: usize = 4096;
/// Ranges in one set.
pub const RANGES_MAX: usize = 4096;
/// Certificates of a server's chain.
pub const CERTIFICATES_MAX: usize = 10;
/// A server's name.
pub const NAME_BYTES_MAX: usize = 253;
/// Openings of commitments.
pub const OPENINGS_MAX: usize = FIELDS_MAX;
/// Bytes that are hashed for openings, which may overlap.
pub const OPENED_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A digest, in bytes.
pub const DIGEST_BYTES_MAX: usize = 64;
/// Objects and lists within one another, in the JSON of a response.
pub const JSON_DEPTH_MAX: usize = 64;
/// Fields that are taken out of one response.
pub const POINTERS_MAX: usize = 64;
