//! The witnesses that the node's log is sent to.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use loom_evidence::{Hash, PublicKey, SignedCheckpoint};
use loom_runtime::{Witness, WitnessAnswer, causes};
use loom_witness::{Answer, HttpWitness, WitnessError};

use crate::{CliError, settings::WitnessAddress};

/// Those of the settings.
pub(crate) fn open(addresses: &[WitnessAddress]) -> Result<Vec<Arc<dyn Witness>>, CliError> {
    let open = |address: &WitnessAddress| {
        let witness = HttpWitness::new(address.key.clone(), &address.url);
        let witness = witness.map_err(|error| CliError::new("settings-invalid", causes(&error)))?;
        Ok(Arc::new(Remote(witness)) as Arc<dyn Witness>)
    };
    addresses.iter().map(open).collect()
}

/// A witness that is reached over HTTP.
struct Remote(HttpWitness);

impl Witness for Remote {
    fn key(&self) -> &PublicKey {
        self.0.key()
    }

    fn cosign<'a>(
        &'a self,
        old: u64,
        proof: &'a [Hash],
        checkpoint: &'a SignedCheckpoint,
    ) -> BoxFuture<'a, WitnessAnswer> {
        async move { answer(self.0.add_checkpoint(old, proof, checkpoint).await) }.boxed()
    }
}

fn answer(answer: Result<Answer, WitnessError>) -> WitnessAnswer {
    match answer {
        Ok(Answer::Cosigned(line)) => WitnessAnswer::Cosigned(line),
        Ok(Answer::Conflict { size }) => WitnessAnswer::CountsFrom(size),
        Ok(Answer::Refused { status: 503, reason }) => WitnessAnswer::Busy(reason),
        Ok(Answer::Refused { status: status @ (409 | 422), reason }) => {
            WitnessAnswer::Contradicts(format!("{reason} (status {status})"))
        }
        Ok(Answer::Refused { status, reason }) => WitnessAnswer::Refused(format!("{reason} (status {status})")),
        Err(error) => WitnessAnswer::Silent(causes(&error)),
    }
}
