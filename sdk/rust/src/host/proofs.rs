//! Proofs that a program ran, over an input that stays private; and verdicts on what others prove.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use super::request::Request;
use crate::encoding::{base64_decode, base64_encode};
use crate::{Error, Handle, RawHandle};

/// A run of a program that was proved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Proof {
    /// The program, 64 hex digits.
    pub image_id: String,
    /// What the program says to everybody. The first 32 bytes name the input without telling it.
    #[serde(deserialize_with = "base64")]
    pub public_output: Vec<u8>,
    /// CID of the receipt, which anybody can verify.
    pub receipt: String,
}

/// What a verifier makes of a piece of evidence.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Verdict {
    /// Whether the evidence shows what it was asked for.
    pub accepted: bool,
    /// Why not, for machines.
    #[serde(default)]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(default)]
    pub reason: Option<String>,
    /// What accepted evidence shows: members that depend on its kind.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// Starts to prove a run of one of the deployment's programs. `input` is private: it is journaled
/// apart from everything else, and left out of bundles unless somebody asks for it. `public` is
/// not.
///
/// ```
/// # use loom_guest::{Error, host, testing};
/// # use serde_json::json;
/// # let _host = testing::script([
/// #     (
/// #         json!({"op": "prove.start", "program": "dti",
/// #             "input": {"media_type": "application/octet-stream", "base64": "AP+AAQ=="}}),
/// #         Ok(json!(4)),
/// #     ),
/// #     (
/// #         json!({"op": "await", "handles": [4], "mode": "all"}),
/// #         Ok(json!([{"ok": {"image_id": "07", "public_output": "AQI=", "receipt": "bafkreid"}}])),
/// #     ),
/// # ]);
/// let proof = host::start_proof("dti", "application/octet-stream", &[0, 255, 128, 1], &[])?.wait()?;
/// assert_eq!(proof.public_output, [1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub fn start_proof(
    program: &str,
    media_type: &str,
    input: &[u8],
    public: &[u8],
) -> Result<Handle<Proof>, Error> {
    #[derive(Serialize)]
    struct Input<'a> {
        media_type: &'a str,
        base64: String,
    }
    let input = Input {
        media_type,
        base64: base64_encode(input),
    };
    let mut request = Request::new("prove.start")
        .member("program", program)
        .member("input", &input);
    if !public.is_empty() {
        request = request.member("public", &base64_encode(public));
    }
    request.send().map(RawHandle::typed)
}

/// Has the evidence with this CID verified, by one of the deployment's verifiers. Evidence that is
/// not accepted is no error, for whoever brought it may lie.
///
/// ```
/// # use loom_guest::{Error, host, testing};
/// # use serde_json::json;
/// # let _host = testing::script([(
/// #     json!({"op": "verify", "verifier": "receipts", "evidence": "bafkreie"}),
/// #     Ok(json!({"accepted": true, "kind": "groth16", "image_id": "07ff"})),
/// # )]);
/// let verdict = host::verify("receipts", "bafkreie")?;
/// assert!(verdict.accepted);
/// assert_eq!(verdict.facts["image_id"], "07ff");
/// # Ok::<(), Error>(())
/// ```
pub fn verify(verifier: &str, evidence: &str) -> Result<Verdict, Error> {
    verify_request(verifier, evidence).send()
}

/// Like [`verify`]; `args` say what the evidence must show, in members that depend on its kind.
pub fn verify_with(
    verifier: &str,
    evidence: &str,
    args: &(impl Serialize + ?Sized),
) -> Result<Verdict, Error> {
    verify_request(verifier, evidence)
        .member("args", args)
        .send()
}

fn verify_request(verifier: &str, evidence: &str) -> Request {
    Request::new("verify")
        .member("verifier", verifier)
        .member("evidence", evidence)
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    base64_decode(&text).ok_or_else(|| D::Error::custom("not base64"))
}
