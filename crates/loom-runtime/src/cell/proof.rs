//! Proofs that the running turn waits for.
//!
//! A proof begins when its step is durable and ends with its outcome, or when nobody wants it any more: the turn is over,
//! or the step was cancelled or left behind by a reset. A fault of the host's leaves no entry; the run is asked for again
//! after a pause that doubles.

use loom_machine::{Failure, ImageId, Outcome, Work};
use loom_storage::Hold;
use loom_types::{Cid, StepRef};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;

use super::Live;
use crate::{
    Proof, ProofProgress, ProveError,
    proofs::{Wish, proved},
    shard::{CellResult, Io},
    trace,
};

/// A proof that a step waits for.
pub(crate) struct Awaited {
    pub(crate) progress: ProofProgress,
    /// Faults of the host's before this run. They tell it from the runs before it.
    faults: u32,
    span: Span,
    /// Lets go of the run.
    _wanted: DropGuard,
}

/// How waiting for a proof ended. None if nobody wants it any more.
pub(crate) type Proven = Option<Result<Stored, ProveError>>;

/// A proof whose receipt is durable.
pub(crate) struct Stored {
    proof: std::sync::Arc<Proof>,
    receipt: Cid,
    hold: Hold,
}

impl Live {
    /// Asks for the proof of step `n`, which is durable.
    pub(super) fn start_proof(&mut self, io: &mut Io, n: u32, faults: u32) {
        let Some(running) = self.running.as_mut() else { return };
        let Some(Work::Proof { program, image_id, public, .. }) = running.turn.outstanding_work(n).cloned() else {
            return;
        };
        // Without a prover it waits for a node that has one; with it, somebody may be at it already.
        let Some(proofs) = io.context.proofs.clone().filter(|_| !running.proofs.contains_key(&n)) else { return };
        let deployment = &running.turn.opening().deployment;
        let spec = deployment.programs.get(&program).filter(|spec| spec.image_id == image_id);
        let Some(binary) = spec.map(|spec| spec.binary) else {
            // A reset pinned the turn to this deployment, and kept the step.
            let text = format!("deployment '{}' has no program '{program}' {image_id} to go on with", deployment.name);
            return self.proof_failed(io, n, &Failure::new("unknown-program", text));
        };
        let Some(input) = running.turn.private_input(n).cloned() else {
            return tracing::error!(actor = %self.address, n, "the input of a proof is gone");
        };
        let run = proofs.run(Wish { image_id, binary, public, input });
        let wanted = CancellationToken::new();
        let (progress, span) = (run.progress, trace::proof(&running.span, &program, n));
        let step = StepRef { turn: running.number(), n };
        running.proofs.insert(n, Awaited { progress, faults, span, _wanted: wanted.clone().drop_guard() });
        let blobs = io.context.storage.blobs.clone();
        self.background(io, async move {
            // Without a random choice among what is ready: a simulation has to repeat it.
            let finished = tokio::select! {
                biased;
                () = wanted.cancelled() => return CellResult::Proof { step, faults, proven: None },
                finished = run.finished => finished,
            };
            let proven = match finished {
                Err(error) => Err(error),
                Ok(proof) => {
                    let receipt = proved(&proof, image_id).receipt;
                    let hold = blobs.holds().hold(receipt);
                    let fault = |error| ProveError::Fault { reason: format!("the receipt cannot be stored: {error}") };
                    let stored = blobs.put(receipt, proof.receipt.clone()).await.map_err(fault);
                    stored.map(|()| Stored { proof, receipt, hold })
                }
            };
            CellResult::Proof { step, faults, proven: Some(proven) }
        });
    }

    /// Takes what came of a proof.
    pub(super) fn proof_done(&mut self, io: &mut Io, step: StepRef, faults: u32, proven: Proven) {
        let Some(running) = self.running.as_mut().filter(|running| running.number() == step.turn) else { return };
        let (n, Some(proven)) = (step.n, proven) else { return };
        let Some(awaited) = running.proofs.get(&n).filter(|awaited| awaited.faults == faults) else { return };
        if proven.is_err() {
            trace::failed(&awaited.span);
        }
        let Some(Work::Proof { image_id, .. }) = running.turn.outstanding_work(n).cloned() else { return };
        match proven {
            Ok(Stored { proof, receipt, hold }) => {
                running.proofs.remove(&n);
                running.holds.push(hold);
                let text = proved(&proof, image_id).to_json();
                let outcome = Outcome::seal(Ok(&text), &mut io.salts);
                let worker = io.context.settings.worker.clone();
                self.complete_with(io, n, outcome, &worker, vec![receipt]);
            }
            Err(ProveError::Refused { reason }) => {
                running.proofs.remove(&n);
                self.proof_failed(io, n, &Failure::new("proof-refused", reason));
            }
            Err(ProveError::Fault { reason }) => {
                tracing::warn!(actor = %self.address, %step, reason, faults, "proof abandoned, asking again");
                io.context.metrics.host_faults.inc();
                let settings = &io.context.settings;
                let pause = settings.fault_backoff_min.saturating_mul(1 << faults.min(16));
                let pause = io.context.clock.sleep(pause.min(settings.fault_backoff_max));
                self.background(io, async move {
                    pause.await;
                    CellResult::RetryProof { step, faults }
                });
            }
        }
    }

    pub(super) fn retry_proof(&mut self, io: &mut Io, step: StepRef, faults: u32) {
        let Some(running) = self.running.as_mut().filter(|running| running.number() == step.turn) else { return };
        if running.proofs.get(&step.n).is_some_and(|awaited| awaited.faults == faults) {
            running.proofs.remove(&step.n);
            self.start_proof(io, step.n, faults.saturating_add(1));
        }
    }

    fn proof_failed(&mut self, io: &mut Io, n: u32, failure: &Failure) {
        let outcome = Outcome::seal(Err(failure), &mut io.salts);
        let worker = io.context.settings.worker.clone();
        self.complete_with(io, n, outcome, &worker, Vec::new());
    }
}

/// What people are told of a proof that is waited for. `awaited`: none where nothing is at it.
pub(super) fn describe(program: &str, image_id: ImageId, awaited: Option<&Awaited>) -> String {
    let id = image_id.to_string();
    match awaited {
        Some(awaited) => format!("{program} {}, {}", &id[..8], awaited.progress.stage()),
        None => format!("{program} {}, not begun: its step is not durable yet, or this node has no prover", &id[..8]),
    }
}
