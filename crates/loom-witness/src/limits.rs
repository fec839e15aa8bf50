//! How much a stranger may ask of a witness, and a witness of a log.

use std::time::Duration;

/// Most hashes of a consistency proof, as the protocol has it.
pub const PROOF_HASHES_MAX: usize = 63;
/// Largest request: a checkpoint of the greatest length, and a proof before it.
pub const REQUEST_BYTES_MAX: usize = loom_evidence::limits::CHECKPOINT_BYTES_MAX + 4 * 1024;
/// Largest answer of a witness that is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of a refusal's reason is passed on, in characters.
pub const REASON_CHARS_MAX: usize = 1024;
/// How long a witness may take to answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest encoded leaf, in bytes.
pub const LEAF_BYTES_MAX: usize = 128;
/// Largest bundle of leaves, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + LEAF_BYTES_MAX);
/// How long a log may take for one bundle.
pub const BUNDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bundles that are asked for at once, and kept in one transaction.
pub const PAGE_BUNDLES: usize = 4;
/// Most leaves that are read for one request. What lies beyond is for the next.
pub const LEAVES_PER_REQUEST_MAX: u64 = 16 * 1024;

/// Requests about one log that may wait for each other.
pub const REQUESTS_PER_LOG_MAX: usize = 8;
/// Refused checkpoints that are kept of one log.
pub const REFUSALS_MAX: u64 = 1_000;
/// Most logs that one witness watches.
pub const LOGS_MAX: usize = 1_000;

/// Connections open at once; more wait until one closes.
pub const CONNECTIONS_MAX: usize = 256;
/// Header fields of one request.
pub const HEADERS_MAX: usize = 64;
/// Request line and header fields together, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How long a client may take for a header, and how long a connection may be idle.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take for a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may let an answer wait.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take once the witness stops.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
