//! Evidence that simulated actors have verified: a presentation of a real session, and one that is none.

use loom_machine::{VerifierKind, VerifierSpec, canonical_object};
use loom_types::{Cid, Codec};
use serde_json::json;

use crate::guest::VERIFIER;

/// The verifier's name in the deployment.
pub(crate) const NAME: &str = "statements";

const GENUINE: &[u8] =
    include_bytes!("../../loom-tlsnotary/testdata/valid/s1-bank-blake3-k256.fields.presentation.tlsn");
const KEY: &str = "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f";
const ROOT: &[u8] = include_bytes!("../../loom-tlsnotary/testdata/pki/ec-root.der");
/// Sessions are from the simulation's future, by less than this.
const CLOCK_SKEW_S: u64 = 10 * 365 * 24 * 60 * 60;

/// The evidence as a guest hands it to the host.
pub(crate) fn base64(is_genuine: bool) -> String {
    data_encoding::BASE64.encode(if is_genuine { GENUINE } else { b"no presentation" })
}

/// What the deployment says of the verifier.
pub(crate) fn verifier() -> VerifierSpec {
    let root = data_encoding::BASE64.encode(ROOT);
    let policy = json!({"notary_keys": [KEY], "roots": [root], "clock_skew_s": CLOCK_SKEW_S}).to_string();
    VerifierSpec {
        kind: VerifierKind::Tlsnotary,
        module: Cid::of(Codec::Raw, VERIFIER),
        limits: VerifierSpec::limits_default(),
        policy: canonical_object(&policy).expect("it is an object"),
    }
}
