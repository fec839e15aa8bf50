//! The verifier as a function of texts: what a `verify` step runs, natively and as a module in the sandbox.
//!
//! Policy and arguments are JSON objects, described in `docs/formats/presentation.md`. What comes out is a function of
//! what goes in, the same on any machine.

mod look_up;

use base16ct::lower::encode_string;
use base64ct::{Base64, Encoding as _};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, value::MapAccessDeserializer},
};

use self::look_up::{Disclosed, Hidden, Shown, Wanted};
use crate::{
    fields::NoFields,
    verify::{Finding, NotaryKey, Policy as Trust, Rejected, Roots, TimeWindow, Verified, verify},
};

/// What the deployment says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    /// Hex: whose word counts.
    notary_keys: Vec<String>,
    /// Which authorities count.
    roots: Vec<Root>,
    /// Which servers count; any that is disclosed without.
    #[serde(default)]
    servers: Vec<String>,
    /// How old a session may be when the turn begins.
    #[serde(default)]
    age_s_max: Option<u64>,
    /// How far the notary's clock may be ahead.
    #[serde(default = "clock_skew_s")]
    clock_skew_s: u64,
    /// Whether a notary may have made the connection itself.
    #[serde(default)]
    trusted_fetch: bool,
    /// Hex: notaries of whoever runs the node. Their word is no stranger's.
    #[serde(default)]
    operator_keys: Vec<String>,
    /// Whether values count that stand behind holes; see [`crate::fields`].
    #[serde(default)]
    assume_placement: bool,
    /// JSON pointers into the response, all of which must count.
    #[serde(default)]
    fields: Vec<String>,
    /// JSON pointers to values of which nothing is disclosed but where they stand.
    #[serde(default)]
    hidden: Vec<String>,
}

/// An authority.
enum Root {
    /// Its certificate in DER, in base64.
    Certificate(String),
    Anchor(Anchor),
}

/// What counts of an authority, as lists of them have it: contents of its certificate's fields, in base64.
#[derive(Deserialize)]
struct Anchor {
    subject: String,
    subject_public_key_info: String,
    name_constraints: Option<String>,
}

// By hand: an untagged enum keeps whatever comes, floats and all, before it looks at it, and takes room in the module.
impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Root;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a certificate in base64, or an object with its subject and key")
            }

            fn visit_str<E: de::Error>(self, certificate: &str) -> Result<Root, E> {
                Ok(Root::Certificate(certificate.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, members: A) -> Result<Root, A::Error> {
                Anchor::deserialize(MapAccessDeserializer::new(members)).map(Root::Anchor)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

const fn clock_skew_s() -> u64 {
    300
}

/// What the actor asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Further JSON pointers.
    #[serde(default)]
    fields: Vec<String>,
    /// Further JSON pointers to hidden values.
    #[serde(default)]
    hidden: Vec<String>,
}

/// Why the evidence is not accepted.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the policy {0}")]
    Policy(String),
    #[error("the arguments are no object with lists 'fields' and 'hidden' of JSON pointers")]
    Arguments,
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error("it does not disclose who the server was")]
    NoIdentity,
    #[error("{0}, which the policy does not allow")]
    Mode(Finding),
    #[error("nothing of the response is disclosed, and fields are wanted")]
    NoResponse,
    #[error(transparent)]
    NoFields(#[from] NoFields),
    #[error("field {pointer:?}: {problem}")]
    Field { pointer: String, problem: String },
    #[error("the response has status {0}")]
    Status(u16),
}

impl Refused {
    fn code(&self) -> &'static str {
        match self {
            Refused::Policy(_) => "invalid-policy",
            Refused::Arguments => "invalid-args",
            Refused::Rejected(rejected) => rejected.code(),
            Refused::NoIdentity => "name-missing",
            Refused::Mode(_) => "mode-not-allowed",
            Refused::NoResponse => "nothing-disclosed",
            Refused::NoFields(_) => "response-unreadable",
            Refused::Field { .. } => "field",
            Refused::Status(_) => "status",
        }
    }
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
    attestation_id: String,
    notary_key: String,
    server_name: String,
    time: u64,
    tls_version: String,
    findings: Vec<Noted>,
    fields: Shown<Disclosed>,
    #[serde(skip_serializing_if = "Shown::is_empty")]
    hidden: Shown<Hidden>,
}

#[derive(Serialize)]
struct Noted {
    code: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct NotAccepted {
    accepted: bool,
    code: &'static str,
    reason: String,
}

/// What is to be said of these bytes under this policy, for a turn that began at `at_ms`: JSON text.
pub fn verdict(evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> String {
    let verdict = match judged(evidence, policy, at_ms, args) {
        Ok((accepted, _)) => serde_json::to_string(&accepted),
        Err(refused) => {
            let (code, reason) = (refused.code(), refused.to_string());
            serde_json::to_string(&NotAccepted { accepted: false, code, reason })
        }
    };
    verdict.expect("strings, numbers and booleans serialise")
}

/// All that a presentation shows that is accepted under this policy, for whoever wants more of it than its verdict has.
pub fn accepted(evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> Option<Verified> {
    judged(evidence, policy, at_ms, args).ok().map(|(_, verified)| verified)
}

fn judged(evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> Result<(Accepted, Verified), Refused> {
    let policy: Policy = object(policy).map_err(|problem| Refused::Policy(format!("is not read: {problem}")))?;
    let arguments: Arguments = object(args).map_err(|_| Refused::Arguments)?;
    let verified = policy.verify(evidence, at_ms / 1000)?;
    let server_name = verified.server_name.clone().ok_or(Refused::NoIdentity)?;
    let findings = policy.findings(&verified)?;
    let all = |own: &[String], further: Vec<String>| own.iter().cloned().chain(further).collect();
    let (fields, hidden) = (all(&policy.fields, arguments.fields), all(&policy.hidden, arguments.hidden));
    let wanted = Wanted { fields, hidden, assume_placement: policy.assume_placement };
    let (fields, hidden) = wanted.look_up(&verified)?;
    let accepted = Accepted {
        accepted: true,
        attestation_id: encode_string(&verified.attestation_id),
        notary_key: verified.notary_key.to_string(),
        server_name,
        time: verified.time,
        tls_version: verified.tls_version.to_string(),
        findings,
        fields,
        hidden,
    };
    Ok((accepted, verified))
}

impl Policy {
    fn verify(&self, evidence: &[u8], at: u64) -> Result<Verified, Refused> {
        let time = TimeWindow {
            not_before: self.age_s_max.map_or(0, |age| at.saturating_sub(age)),
            not_after: at.saturating_add(self.clock_skew_s),
        };
        let (notary_keys, roots) = (keys("notary_keys", &self.notary_keys)?, self.roots()?);
        let trust = Trust { notary_keys: &notary_keys, roots: &roots, server_names: &self.servers, time };
        Ok(verify(evidence, &trust)?)
    }

    fn roots(&self) -> Result<Roots, Refused> {
        let mut roots = Roots::none();
        for (place, root) in self.roots.iter().enumerate() {
            let invalid = |problem: String| Refused::Policy(format!("has no authority at 'roots' {place}: {problem}"));
            let bytes = |text: &str| Base64::decode_vec(text).map_err(|error| invalid(error.to_string()));
            match root {
                Root::Certificate(der) => roots.add(&bytes(der)?).map_err(|error| invalid(error.to_string()))?,
                Root::Anchor(Anchor { subject, subject_public_key_info, name_constraints }) => roots.add_anchor(
                    bytes(subject)?,
                    bytes(subject_public_key_info)?,
                    name_constraints.as_deref().map(bytes).transpose()?,
                ),
            }
        }
        Ok(roots)
    }

    /// What a reader should know, unless the policy refuses it.
    fn findings(&self, verified: &Verified) -> Result<Vec<Noted>, Refused> {
        let mut findings = Vec::new();
        for finding in &verified.findings {
            let is_allowed = match finding {
                Finding::TrustedFetch => self.trusted_fetch,
                Finding::UnknownMode { .. } => false,
                _ => true,
            };
            if !is_allowed {
                return Err(Refused::Mode(finding.clone()));
            }
            findings.push(Noted { code: finding.code(), detail: finding.to_string() });
        }
        if keys("operator_keys", &self.operator_keys)?.contains(&verified.notary_key) {
            let detail = "the notary is run by whoever runs this node: its word is the operator's own";
            findings.push(Noted { code: "operator-notary", detail: detail.to_owned() });
        }
        Ok(findings)
    }
}

fn keys(member: &str, texts: &[String]) -> Result<Vec<NotaryKey>, Refused> {
    let mut keys = Vec::new();
    for text in texts {
        let read = NotaryKey::from_hex(text);
        keys.extend(read.map_err(|problem| Refused::Policy(format!("has no key in '{member}': {problem}")))?);
    }
    Ok(keys)
}

/// Reads an object; a list of its members in order is none.
fn object<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err("it is no object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}
