//! How much a client may ask of a notary, and a server may answer.
//!
//! A presentation of the largest response with the most pieces still fits into the file that verifiers read.

use std::time::Duration;

/// A URL, in bytes.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// Header fields of a request, those that the notary adds aside.
pub const REQUEST_HEADERS_MAX: usize = 64;
/// The header fields of a request together, in bytes.
pub const REQUEST_HEADERS_BYTES_MAX: usize = 16 * 1024;
/// Parameters of a URL, or of a body, that are looked at for credentials and for what a server repeats.
pub const REQUEST_PARAMETERS_MAX: usize = 256;
/// Sealed values that are looked for in what was said.
pub const SEALED_MAX: usize = 512;
/// The body of a request, in bytes.
pub const REQUEST_BODY_BYTES_MAX: usize = 64 * 1024;

/// Status line and header fields of a response, in bytes.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Header fields of a response.
pub const RESPONSE_HEADERS_MAX: usize = 100;
/// A response as it comes over the wire, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 320 * 1024;
/// Parts of a response's body that can be disclosed on their own. What is more is only disclosed together.
pub const PIECES_MAX: usize = 3_000;
/// Ranges of the pieces of a body together. A body with more is one piece.
pub const RANGES_MAX: usize = 7_000;
/// Ranges that chunks add to them. A body that comes in more fragments is one piece.
pub const SPLITS_MAX: usize = 500;
/// Objects and lists within one another; a body with more is one piece.
pub const JSON_DEPTH_MAX: usize = 64;
/// A credential that is shorter than this, in bytes, is not looked for in what was said: too much would look like it.
pub const ECHO_BYTES_MIN: usize = 8;
/// Certificates of a server's chain.
pub const CERTIFICATES_MAX: usize = 10;

/// Patterns of what a notary fetches.
pub const ALLOWED_MAX: usize = 1_000;
/// Addresses of one host that are tried.
pub const ADDRESSES_MAX: usize = 4;
/// How long connecting to one address may take, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long request and response may take together.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(60);
/// Fetches at once; who asks for more is told to come back.
pub const FETCHES_MAX: usize = 32;

/// Largest body of a request to the notary itself, in bytes.
pub const CALL_BYTES_MAX: usize = 512 * 1024;
/// Largest answer of a notary, in bytes: a presentation in base64.
pub const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long a notary may take to answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// Tokens of one notary.
pub const TOKENS_MAX: usize = 1_000;

/// Connections open at once; more wait until one closes.
pub const CONNECTIONS_MAX: usize = 256;
/// Header fields of one request to the notary itself.
pub const HEADERS_MAX: usize = 64;
/// Its request line and header fields together, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How long a client may take for a header, and how long a connection may be idle.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take for a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may let an answer wait.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take once the notary stops.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
