//! What a verifier's module is around the verifier: evidence, a policy and a time -> a verdict.
//!
//! In: `{"evidence": BASE64, "policy": {…}, "at_ms": N, "args": {…}}`. Out: the verdict, text for
//! text as the verifier writes it. An input in another form is not the evidence's fault, and fails.

use base64ct::{Base64, Encoding as _};
use loom_guest::Error;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What the module is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    evidence: String,
    policy: Box<RawValue>,
    at_ms: u64,
    args: Box<RawValue>,
}

/// A verifier: evidence, policy, time and arguments in, a verdict out.
pub type Verifier = fn(&[u8], &str, u64, &str) -> String;

/// Has the evidence verified.
pub fn verify(input: Input, verdict: Verifier) -> Result<Box<RawValue>, Error> {
    let Input {
        evidence,
        policy,
        at_ms,
        args,
    } = input;
    let evidence = Base64::decode_vec(&evidence)
        .map_err(|error| Error::new("invalid-input", error.to_string()))?;
    let verdict = verdict(&evidence, policy.get(), at_ms, args.get());
    RawValue::from_string(verdict).map_err(|error| Error::new("invalid-output", error.to_string()))
}

#[cfg(test)]
mod tests {
    use loom_guest::run;
    use serde_json::{Value, json};

    use base64ct::{Base64, Encoding as _};

    use super::{Input, verify};

    fn says(evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> String {
        let text = String::from_utf8_lossy(evidence);
        format!(r#"{{ "accepted":true,"said":["{text}",{policy},{at_ms},{args}]}}"#)
    }

    fn run_on(input: Value) -> String {
        run(input.to_string(), |input: Input| verify(input, says))
    }

    #[test]
    fn a_verdict_is_handed_on_as_it_is() {
        let evidence = Base64::encode_string(b"bytes");
        let input = json!({"evidence": evidence, "policy": {"a": 1.0}, "at_ms": 7, "args": {}});
        let expected = r#"{ "accepted":true,"said":["bytes",{"a":1.0},7,{}]}"#;
        assert_eq!(run_on(input), expected);
    }

    #[test]
    fn an_input_in_another_form_is_a_failure() {
        for input in [
            json!({"evidence": "…", "policy": {}, "at_ms": 1, "args": {}}),
            json!({"evidence": "", "policy": {}, "args": {}}),
            json!({"evidence": "", "policy": {}, "at_ms": 1, "args": {}, "more": 1}),
        ] {
            assert!(run_on(input).starts_with(r#"{"err":{"kind":"invalid-input""#));
        }
    }
}
