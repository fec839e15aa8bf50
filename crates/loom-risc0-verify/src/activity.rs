//! The verifier as a function of texts: what a `verify` step runs, natively and as a module in the sandbox.
//!
//! Both have to come to the same text, byte for byte, on machines whose words are 32 and 64 bits long. So nothing of what
//! the libraries say about an error is in a verdict, only what is this crate's own. A panic is the one difference: here it
//! is a rejection, and in WebAssembly a trap, of which whoever runs the module makes one.

use data_encoding::{BASE64, HEXLOWER};
use risc0_zkvm::sha::{Impl, Sha256 as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    ImageId, Kind, Rejected, Unreadable, Verified,
    limits::OUTPUT_SHOWN_BYTES_MAX,
    verify::{caught, verify_as},
};

/// What the deployment says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    /// Programs whose receipts count; whichever the arguments name without.
    #[serde(default)]
    image_ids: Option<Vec<String>>,
}

/// What the actor asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    #[serde(default)]
    image_id: Option<String>,
    /// Base64.
    #[serde(default)]
    public_output: Option<String>,
    /// Hex.
    #[serde(default)]
    public_output_sha256: Option<String>,
}

/// Which programs are meant.
struct Programs {
    allowed: Option<Vec<ImageId>>,
    expected: Option<ImageId>,
}

/// Why the evidence is not accepted.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Refused {
    #[error("the policy is no object with the list 'image_ids' of image ids")]
    Policy,
    #[error("the arguments are no object with an 'image_id', a 'public_output' in base64 or a 'public_output_sha256'")]
    Arguments,
    #[error("neither the policy nor the arguments say which program must have run")]
    NoProgram,
    #[error("the policy does not name the program {0}")]
    NotAllowed(ImageId),
    #[error("it proves another output than the arguments name")]
    OtherOutput,
    #[error("{}", reason(.0))]
    Rejected(#[from] Rejected),
}

#[derive(Serialize)]
struct Accepted<'a> {
    accepted: bool,
    kind: &'a str,
    image_id: String,
    /// Left out where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_output: Option<String>,
    public_output_sha256: String,
}

#[derive(Serialize)]
struct NotAccepted<'a> {
    accepted: bool,
    code: &'a str,
    reason: String,
}

/// What is to be said of these bytes under this policy: JSON text. A proof does not age, so the time decides nothing.
pub fn verdict(evidence: &[u8], policy: &str, _at_ms: u64, args: &str) -> String {
    let judged = caught(|| judged(evidence, policy, args)).map_err(Refused::from).flatten();
    let text = match judged {
        Ok((image_id, Verified { kind, journal })) => serde_json::to_string(&accepted(image_id, kind, &journal)),
        Err(refused) => {
            let (code, reason) = (refused.code(), refused.to_string());
            serde_json::to_string(&NotAccepted { accepted: false, code, reason })
        }
    };
    text.expect("strings and booleans serialise")
}

fn accepted(image_id: ImageId, kind: Kind, journal: &[u8]) -> Accepted<'static> {
    let is_short = journal.len() <= OUTPUT_SHOWN_BYTES_MAX;
    Accepted {
        accepted: true,
        kind: kind.name(),
        image_id: image_id.to_string(),
        public_output: is_short.then(|| BASE64.encode(journal)),
        public_output_sha256: sha256(journal),
    }
}

fn judged(evidence: &[u8], policy: &str, args: &str) -> Result<(ImageId, Verified), Refused> {
    let policy: Policy = object(policy).ok_or(Refused::Policy)?;
    let arguments: Arguments = object(args).ok_or(Refused::Arguments)?;
    let output = arguments.public_output.map(|text| BASE64.decode(text.as_bytes())).transpose();
    let output = output.map_err(|_| Refused::Arguments)?;
    let programs = Programs {
        allowed: policy.image_ids.map(|ids| read_all(&ids).ok_or(Refused::Policy)).transpose()?,
        expected: arguments.image_id.map(|id| id.parse()).transpose().map_err(|_| Refused::Arguments)?,
    };
    let (image_id, verified) = verify_as(evidence, |claimed| programs.choose(claimed))?;
    let is_other_digest = |digest: String| !digest.eq_ignore_ascii_case(&sha256(&verified.journal));
    if output.is_some_and(|output| output != verified.journal)
        || arguments.public_output_sha256.is_some_and(is_other_digest)
    {
        return Err(Refused::OtherOutput);
    }
    Ok((image_id, verified))
}

impl Programs {
    /// The program that must have run, of a receipt that says it is about `claimed`.
    fn choose(&self, claimed: Option<ImageId>) -> Result<ImageId, Refused> {
        let only = match self.allowed.as_deref() {
            Some([only]) => Some(*only),
            Some(_) => None,
            // The receipt alone must not say what it is to be checked for.
            None if self.expected.is_none() => return Err(Refused::NoProgram),
            None => None,
        };
        let image_id = self.expected.or(claimed).or(only).ok_or(Refused::NoProgram)?;
        match &self.allowed {
            Some(allowed) if !allowed.contains(&image_id) => Err(Refused::NotAllowed(image_id)),
            _ => Ok(image_id),
        }
    }
}

impl Refused {
    /// Stable, machine-readable.
    fn code(&self) -> &'static str {
        match self {
            Refused::Policy => "invalid-policy",
            Refused::Arguments => "invalid-args",
            Refused::NoProgram => "no-program",
            Refused::NotAllowed(_) => "program-not-allowed",
            Refused::OtherOutput => "other-output",
            Refused::Rejected(rejected) => match rejected {
                Rejected::Unreadable(_) => "unreadable",
                Rejected::NoSeal => "no-seal",
                Rejected::Inconsistent(_) => "inconsistent",
                Rejected::OtherProgram { .. } => "other-program",
                Rejected::Invalid(_) => "invalid-proof",
                Rejected::Panicked(_) => "panicked",
            },
        }
    }
}

/// Without the words of libraries.
fn reason(rejected: &Rejected) -> String {
    match rejected {
        Rejected::Unreadable(Unreadable::Malformed(_)) => "not a receipt".to_owned(),
        Rejected::Invalid(_) => "the proof does not hold".to_owned(),
        Rejected::Panicked(_) => "the verifier could not finish".to_owned(),
        other => other.to_string(),
    }
}

fn read_all(ids: &[String]) -> Option<Vec<ImageId>> {
    ids.iter().map(|id| id.parse().ok()).collect()
}

/// Reads an object; a list of its members in order is none.
fn object<T: DeserializeOwned>(text: &str) -> Option<T> {
    let is_object = text.trim_ascii_start().starts_with('{');
    is_object.then(|| serde_json::from_str(text).ok()).flatten()
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(Impl::hash_bytes(bytes).as_bytes())
}
