//! Verifiers of evidence: what a deployment says of them, and what a `verify` step asks of one.
//!
//! A verifier is a module like a pure activity's: evidence, policy and time in, a verdict out. Everything that it goes by is
//! pinned in the step's request, so that whoever has the evidence comes to the same verdict at any time. What a verifier
//! makes of bytes from strangers is their fault and not its caller's: one that traps or uses up its limits over them has
//! rejected them.

use loom_types::{Cid, Codec};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    CidText, Failure, GuestLimits,
    limits::{EVIDENCE_BYTES_MAX, VERIFY_POLICY_BYTES_MAX},
    object::is_object,
};

/// What kind of evidence a verifier is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifierKind {
    /// RISC Zero receipts.
    Risc0,
    /// TLSNotary presentations.
    Tlsnotary,
}

impl VerifierKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Risc0, Self::Tlsnotary];

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Risc0 => "risc0",
            Self::Tlsnotary => "tlsnotary",
        }
    }

    /// Whether a verdict depends on when it is asked for. A proof does not age.
    pub fn has_time(self) -> bool {
        match self {
            Self::Risc0 => false,
            Self::Tlsnotary => true,
        }
    }
}

impl std::str::FromStr for VerifierKind {
    type Err = UnknownVerifierKind;

    fn from_str(text: &str) -> Result<Self, UnknownVerifierKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownVerifierKind)
    }
}

/// A verifier's kind was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of verifier, which is risc0 or tlsnotary")]
pub struct UnknownVerifierKind;

/// A verifier of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierSpec {
    /// What it verifies.
    pub kind: VerifierKind,
    /// Blob of the module.
    pub module: Cid,
    /// Its limits.
    pub limits: GuestLimits,
    /// What it goes by: the text of a JSON object, as [`canonical_object`] writes it.
    pub policy: String,
}

impl VerifierSpec {
    /// Limits fit for verifying: each segment of a receipt takes half a billion units, and the largest evidence has forty.
    pub fn limits_default() -> GuestLimits {
        GuestLimits { fuel: 25_000_000_000, memory_bytes: 64 * 1024 * 1024, ..GuestLimits::default() }
    }

    /// What is wrong with it, and where.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        if self.module.codec() != Codec::Raw {
            return Some(("module", "does not name a blob of bytes (bafk…)".to_owned()));
        }
        if self.policy.len() > VERIFY_POLICY_BYTES_MAX {
            let problem = format!("has {} bytes, at most {VERIFY_POLICY_BYTES_MAX} are taken", self.policy.len());
            return Some(("policy", problem));
        }
        let is_canonical = canonical_object(&self.policy).is_some_and(|text| text == self.policy);
        (!is_canonical).then(|| ("policy", "is not the text of a JSON object in its one form".to_owned()))
    }
}

/// A JSON object in its one form: no white space, members in order of their names. None for what is no object.
pub fn canonical_object(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.is_object().then(|| value.to_string())
}

/// What a `verify` step asks: everything that its verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verification {
    /// The verifier's name in the deployment.
    pub verifier: String,
    /// What it verifies.
    pub kind: VerifierKind,
    /// Blob of its module.
    pub module: Cid,
    /// What it goes by: the text of a JSON object.
    pub policy: String,
    /// When the turn began, in milliseconds since the Unix epoch; none where time decides nothing.
    pub at_ms: Option<u64>,
    /// Blob of the evidence.
    pub evidence: Cid,
    /// What the actor expects: the text of a JSON object.
    pub args: Option<String>,
}

/// Its form in the journal: members in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journaled {
    op: String,
    verifier: String,
    kind: VerifierKind,
    module: CidText,
    policy: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<u64>,
    evidence: CidText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
}

/// The code of a verdict on evidence over which the verifier itself stopped.
const STOPPED: &str = "verifier-trapped";
/// The code of a verdict on evidence that no verifier is given.
const TOO_LARGE: &str = "evidence-too-large";
/// How a module can end without having returned anything.
const STOPS: [&str; 5] = ["trap", "out-of-fuel", "memory-limit", "stack-overflow", "output-too-large"];

impl Verification {
    /// Name of the operation.
    pub const OP: &'static str = "verify";

    /// The request's text in the journal.
    pub fn to_json(&self) -> String {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("it was read as JSON");
        let journaled = Journaled {
            op: Self::OP.to_owned(),
            verifier: self.verifier.clone(),
            kind: self.kind,
            module: CidText(self.module),
            policy: raw(&self.policy),
            at_ms: self.at_ms,
            evidence: CidText(self.evidence),
            args: self.args.as_deref().map(raw),
        };
        serde_json::to_string(&journaled).expect("strings and numbers serialise")
    }

    /// Reads it; anything that [`Verification::to_json`] would not write is refused.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let Journaled { op, verifier, kind, module, policy, at_ms, evidence, args } =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let are_blobs = [module.0, evidence.0].iter().all(|cid| cid.codec() == Codec::Raw);
        if op != Self::OP || !are_blobs || !is_object(text.as_bytes()) || !is_object(policy.get().as_bytes()) {
            return Err("not a request for a verdict".to_owned());
        }
        let (policy, args) = (policy.get().to_owned(), args.map(|args| args.get().to_owned()));
        let read = Self { verifier, kind, module: module.0, policy, at_ms, evidence: evidence.0, args };
        if read.to_json() == text { Ok(read) } else { Err("it is written in another form".to_owned()) }
    }

    /// What the verifier's module is given.
    pub fn input(&self, evidence: &[u8]) -> String {
        let evidence = data_encoding::BASE64.encode(evidence);
        let (policy, at_ms, args) = (&self.policy, self.time_ms(), self.arguments());
        format!(r#"{{"evidence":"{evidence}","policy":{policy},"at_ms":{at_ms},"args":{args}}}"#)
    }

    /// The time as a verifier is given it.
    pub fn time_ms(&self) -> u64 {
        self.at_ms.unwrap_or(0)
    }

    /// The arguments as a verifier is given them.
    pub fn arguments(&self) -> &str {
        self.args.as_deref().unwrap_or("{}")
    }

    /// The verdict that evidence has for its size alone, whoever verifies.
    pub fn refused(evidence: &[u8]) -> Option<String> {
        let bytes = evidence.len();
        let reason = || format!("it has {bytes} bytes, at most {EVIDENCE_BYTES_MAX} are verified");
        (bytes > EVIDENCE_BYTES_MAX).then(|| rejection(TOO_LARGE, &reason()))
    }

    /// The step's outcome, of how the module ended.
    pub fn outcome(&self, ended: Result<String, Failure>) -> Result<String, Failure> {
        let fault = |problem: &str| {
            let text = format!("the module of verifier '{}' gives no verdict: {problem}", self.verifier);
            Failure::new("invalid-verdict", text)
        };
        match ended {
            Ok(text) if Verdict::read(&text).is_some() => Ok(text),
            Ok(_) => Err(fault("its output is no object with the member 'accepted'")),
            Err(stop) if STOPS.contains(&stop.kind.as_str()) => {
                Ok(rejection(STOPPED, &format!("the verifier could not finish over it: {}", stop.kind)))
            }
            Err(failure) => Err(fault(&failure.to_string())),
        }
    }
}

/// What a verdict says that does not depend on the kind of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Verdict {
    /// Whether the evidence shows what it was asked for.
    pub accepted: bool,
    /// Why not, for machines.
    #[serde(default)]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Verdict {
    /// Reads a verdict; none if the text is none.
    pub fn read(text: &str) -> Option<Self> {
        is_object(text.as_bytes()).then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// Whether the verifier itself could not finish, which depends on its engine and its limits.
    pub fn is_stopped(&self) -> bool {
        !self.accepted && self.code.as_deref() == Some(STOPPED)
    }
}

fn rejection(code: &str, reason: &str) -> String {
    #[derive(Serialize)]
    struct Rejection<'a> {
        accepted: bool,
        code: &'a str,
        reason: &'a str,
    }
    serde_json::to_string(&Rejection { accepted: false, code, reason }).expect("strings serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verification() -> Verification {
        Verification {
            verifier: "receipts".to_owned(),
            kind: VerifierKind::Tlsnotary,
            module: Cid::of(Codec::Raw, b"module"),
            policy: r#"{"keys":["k"]}"#.to_owned(),
            at_ms: Some(1000),
            evidence: Cid::of(Codec::Raw, b"evidence"),
            args: Some(r#"{"server":"a.b"}"#.to_owned()),
        }
    }

    #[test]
    fn a_request_has_one_form() {
        let all = verification();
        let bare = Verification { kind: VerifierKind::Risc0, at_ms: None, args: None, ..all.clone() };
        for one in [&all, &bare] {
            let text = one.to_json();
            assert_eq!(Verification::from_json(&text).unwrap(), *one, "{text}");
            for other in [text.replace(':', ": "), text.replace("verify", "verified"), text.replace("bafk", "bafy")] {
                assert!(Verification::from_json(&other).is_err(), "{other}");
            }
        }
        let (module, evidence) = (all.module, all.evidence);
        let expected = format!(
            r#"{{"op":"verify","verifier":"receipts","kind":"tlsnotary","module":"{module}","policy":{{"keys":["k"]}},"at_ms":1000,"evidence":"{evidence}","args":{{"server":"a.b"}}}}"#
        );
        assert_eq!(all.to_json(), expected);
    }

    #[test]
    fn a_module_is_given_the_evidence_and_all_that_is_pinned() {
        let expected = r#"{"evidence":"AQI=","policy":{"keys":["k"]},"at_ms":1000,"args":{"server":"a.b"}}"#;
        assert_eq!(verification().input(&[1, 2]), expected);
        let bare = Verification { at_ms: None, args: None, ..verification() };
        assert_eq!(bare.input(&[]), r#"{"evidence":"","policy":{"keys":["k"]},"at_ms":0,"args":{}}"#);
    }

    #[test]
    fn a_verifier_that_stops_has_rejected_and_one_that_says_nothing_has_failed() {
        let outcome = |ended: Result<&str, Failure>| verification().outcome(ended.map(str::to_owned));
        for verdict in [r#"{"accepted":true,"kind":"groth16"}"#, r#" {"accepted":false}"#] {
            assert_eq!(outcome(Ok(verdict)).unwrap(), verdict);
        }
        for kind in STOPS {
            let verdict = outcome(Err(Failure::new(kind, "words of an engine"))).unwrap();
            let read = Verdict::read(&verdict).unwrap();
            assert!(read.is_stopped() && verdict.contains(kind) && !verdict.contains("words"), "{verdict}");
        }
        for other in ["true", "[true]", "{}", r#"{"accepted":"yes"}"#, r#"{"accepted":true,"code":1}"#] {
            assert_eq!(outcome(Ok(other)).unwrap_err().kind, "invalid-verdict", "{other}");
        }
        assert_eq!(outcome(Err(Failure::new("invalid-input", "m"))).unwrap_err().kind, "invalid-verdict");
    }

    #[test]
    fn evidence_beyond_the_limit_is_rejected_unseen() {
        let large = vec![0; EVIDENCE_BYTES_MAX + 1];
        assert_eq!(Verification::refused(&large[1..]), None);
        let verdict = Verdict::read(&Verification::refused(&large).unwrap()).unwrap();
        assert_eq!((verdict.accepted, verdict.code.as_deref()), (false, Some(TOO_LARGE)));
    }

    #[test]
    fn a_policy_has_one_form() {
        assert_eq!(canonical_object(" {\"b\": 1, \"a\": [ 2 ]}").as_deref(), Some(r#"{"a":[2],"b":1}"#));
        for other in ["", "1", "[]", "null", "{"] {
            assert_eq!(canonical_object(other), None, "{other}");
        }
    }
}
