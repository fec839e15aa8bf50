//! Steps that have evidence verified.

use super::Turn;
use crate::{Failure, Verification, request::VerifyRequest};

impl Turn {
    /// What a request has verified, and by what; or why nothing is.
    pub(super) fn verification(&self, verify: &VerifyRequest) -> Result<Verification, Failure> {
        let VerifyRequest { verifier, evidence, args } = verify;
        let (evidence, args) = (*evidence, args.as_ref().map(|args| args.get().to_owned()));
        if let Some(recorded) = self.recorded_verification().filter(|recorded| recorded.verifier == *verifier) {
            return Ok(Verification { evidence, args, ..recorded });
        }
        let deployment = &self.opening.deployment;
        let Some(spec) = deployment.verifiers.get(verifier) else {
            let name: String = verifier.chars().take(64).collect();
            let known: Vec<_> = deployment.verifiers.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let text = format!("deployment '{}' has no verifier '{name}'; it has: {known}", deployment.name);
            return Err(Failure::new("unknown-verifier", text));
        };
        Ok(Verification {
            verifier: verifier.clone(),
            kind: spec.kind,
            module: spec.module,
            policy: spec.policy.clone(),
            at_ms: spec.kind.has_time().then_some(self.started_ms),
            evidence,
            args,
        })
    }

    /// What the step at the cursor was pinned to, where a reset pinned the turn to another deployment since: verdicts that
    /// were kept do not change with it.
    fn recorded_verification(&self) -> Option<Verification> {
        let record = self.records.get(self.cursor).filter(|_| self.is_repinned)?;
        Verification::from_json(record.request.text()?).ok()
    }
}
