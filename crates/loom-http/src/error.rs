//! What can go wrong, as the guest is told.
//!
//! Messages name the origin at most: the rest of a URL, and everything in headers and bodies, may be secret.

use std::{fmt::Display, time::Duration};

use loom_machine::Failure;

/// The other system cannot be reached, or stopped in the middle. It may be back in a moment.
pub(crate) fn unreachable(origin: &str, why: impl Display) -> Failure {
    Failure::new("http-unreachable", format!("{origin}: {why}")).retryable()
}

/// The other system is not who it should be.
pub(crate) fn untrusted(origin: &str, why: impl Display) -> Failure {
    Failure::new("http-untrusted", format!("{origin}: {why}"))
}

/// The node will not do this, whatever the deployment says.
pub(crate) fn refused(origin: &str, why: impl Display) -> Failure {
    Failure::new("http-refused", format!("{origin}: {why}"))
}

/// The deployment does not allow this.
pub(crate) fn not_granted(what: impl Display) -> Failure {
    Failure::new("not-granted", format!("the deployment does not grant {what}"))
}

/// The response is larger than the deployment allows.
pub(crate) fn too_large(origin: &str, limit: u64) -> Failure {
    let text = format!("{origin}: the response has more than {limit} bytes (http.response_bytes_max)");
    Failure::new("http-too-large", text)
}

/// It took too long.
pub(crate) fn timeout(after: Duration) -> Failure {
    let text = format!("there was no complete response within {} ms (timeout_ms)", after.as_millis());
    Failure::new("http-timeout", text).retryable()
}

/// The request makes no sense.
pub(crate) fn invalid(problem: impl Display) -> Failure {
    Failure::new("invalid-request", format!("http: {problem}"))
}
