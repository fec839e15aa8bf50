//! Limits of the guest contract. What a deployment pins stands in [`GuestLimits`](crate::GuestLimits).

/// Most handles one `await` may name.
pub const AWAIT_HANDLES_MAX: usize = 10_000;
/// Most bytes one `random` request may ask for.
pub const RANDOM_BYTES_MAX: u32 = 1024;
/// Longest sleep, delay or deadline, in milliseconds (ten years).
pub const WAIT_MS_MAX: u64 = 10 * 366 * 24 * 3600 * 1000;
/// Deadline of a `call` that names none, in milliseconds. Every call has one.
pub const CALL_DEADLINE_MS_DEFAULT: u64 = 15 * 60 * 1000;
/// Most actors that may wait for one another's replies in a row.
pub const CALL_DEPTH_MAX: usize = 64;
/// Most bytes that the answer to one `await` may have.
pub const AWAIT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many times longer a value can be when its numbers are written anew (`1e9` is `1000000000.0`), at most.
pub(crate) const NUMBER_GROWTH_MAX: usize = 8;
/// Longest log message or promise label kept, in bytes.
pub const LOG_BYTES_MAX: usize = 16 * 1024;
/// Most log lines one turn may write; later ones are dropped.
pub const LOG_LINES_MAX: u32 = 10_000;
/// Longest private input of a proof, in bytes. The program hashes all of it, which is what a long proof is made of.
pub const PROVE_INPUT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest public input of a proof, in bytes.
pub const PROVE_PUBLIC_BYTES_MAX: usize = 64 * 1024;
/// Largest piece of evidence that is given to a verifier, in bytes.
pub const EVIDENCE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest policy of a verifier, in bytes.
pub const VERIFY_POLICY_BYTES_MAX: usize = 128 * 1024;
/// Longest arguments of a verification, in bytes.
pub const VERIFY_ARGS_BYTES_MAX: usize = 64 * 1024;
/// Most steps of one turn that may be outstanding at once.
pub const OUTSTANDING_MAX: usize = 10_000;
/// Most stack frames a failure keeps.
pub const FRAMES_MAX: usize = 32;
/// Longest stack frame kept, in bytes.
pub const FRAME_BYTES_MAX: usize = 256;
/// Longest failure message kept, in bytes.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Most hosts one activity may be granted.
pub const HTTP_HOSTS_MAX: usize = 64;
/// Largest body of an HTTP request or response that a deployment may allow, in bytes.
pub const HTTP_BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Longest time for one HTTP request that a deployment may allow, in milliseconds.
pub const HTTP_TIMEOUT_MS_MAX: u64 = 5 * 60 * 1000;
/// Most redirects that a deployment may have followed.
pub const HTTP_REDIRECTS_MAX: u32 = 10;
/// Most HTTP requests of one attempt that a deployment may allow.
pub const HTTP_REQUESTS_MAX: u32 = 1000;
/// Longest URL, in bytes.
pub const HTTP_URL_BYTES_MAX: usize = 8 * 1024;
/// Most headers of one HTTP request.
pub const HTTP_HEADERS_MAX: usize = 64;
/// Longest headers of one HTTP request, names and values together, in bytes.
pub const HTTP_HEADER_BYTES_MAX: usize = 16 * 1024;
/// Most secrets one activity may be granted.
pub const SECRETS_MAX: usize = 32;
/// Longest name of a secret, in bytes.
pub const SECRET_NAME_BYTES_MAX: usize = 64;
/// How long an attempt of an effectful activity may take if the deployment does not say, in milliseconds.
pub const ACTIVITY_DEADLINE_MS_DEFAULT: u64 = 5 * 60 * 1000;
/// Longest deadline of an attempt that a deployment may set, in milliseconds.
pub const ACTIVITY_DEADLINE_MS_MAX: u64 = 60 * 60 * 1000;
