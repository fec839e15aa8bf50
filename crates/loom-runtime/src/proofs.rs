//! Proofs under way on this node. Whoever asks for the same run shares it, across actors and shards.
//!
//! Nothing here is durable: the steps that want a proof are, and what a prover has finished is the prover's to keep. A
//! run goes on as long as somebody waits for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use loom_machine::{ImageId, Proved};
use loom_storage::Blobs;
use loom_types::{Cid, Codec, Payload, limits::PAYLOAD_BYTES_MAX};
use prometheus_client::metrics::gauge::Gauge;

use crate::{Metrics, Proof, ProofProgress, ProofRequest, ProveError, Proving};

/// Longest public output, in bytes: in base64 it stands in a payload, with a little beside it.
const PUBLIC_OUTPUT_BYTES_MAX: usize = PAYLOAD_BYTES_MAX / 2;

/// What came of a run, for all who wait for it.
type Finished = Result<Arc<Proof>, ProveError>;
type Running = BoxFuture<'static, Finished>;

/// What a step wants proved.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) image_id: ImageId,
    /// Blob of the program.
    pub(crate) binary: Cid,
    pub(crate) public: Arc<[u8]>,
    pub(crate) input: Payload,
}

/// A run, for one of those who wait for it.
pub(crate) struct Run {
    pub(crate) progress: ProofProgress,
    pub(crate) finished: Shared<Running>,
}

struct UnderWay {
    progress: ProofProgress,
    finished: WeakShared<Running>,
}

/// What makes two runs one: program, private input by name, public input.
type Key = (ImageId, Cid, Arc<[u8]>);

/// The proofs that are under way.
pub(crate) struct Proofs {
    proving: Proving,
    blobs: Arc<dyn Blobs>,
    metrics: Metrics,
    under_way: Mutex<HashMap<Key, UnderWay>>,
}

impl Proofs {
    pub(crate) fn new(proving: Proving, blobs: Arc<dyn Blobs>, metrics: Metrics) -> Self {
        Self { proving, blobs, metrics, under_way: Mutex::default() }
    }

    pub(crate) fn proving(&self) -> &Proving {
        &self.proving
    }

    /// Joins the run that somebody waits for already, or begins one.
    pub(crate) fn run(&self, wish: Wish) -> Run {
        let key = (wish.image_id, wish.input.cid(), wish.public.clone());
        let mut under_way = self.under_way.lock().expect("nothing panics under this lock");
        // One that met a fault of the host's is not asked again; its waiters go on by themselves.
        let is_good = |run: &Shared<Running>| !matches!(run.peek(), Some(Err(_)));
        if let Some(known) = under_way.get(&key)
            && let Some(finished) = known.finished.upgrade().filter(is_good)
        {
            return Run { progress: known.progress.clone(), finished };
        }
        under_way.retain(|_, run| run.finished.upgrade().is_some());
        let progress = ProofProgress::default();
        let finished = self.begin(wish, progress.clone()).boxed().shared();
        let weak = finished.downgrade().expect("it has not been polled");
        under_way.insert(key, UnderWay { progress: progress.clone(), finished: weak });
        Run { progress, finished }
    }

    fn begin(&self, wish: Wish, progress: ProofProgress) -> impl Future<Output = Finished> + Send + 'static {
        let (proving, blobs, metrics) = (self.proving.clone(), self.blobs.clone(), self.metrics.clone());
        async move {
            let _counted = Counted::new(&metrics.proofs_running);
            let Wish { image_id, binary, public, input } = wish;
            let unreadable = |error| ProveError::Fault { reason: format!("program {binary} cannot be read: {error}") };
            let program = blobs.get(binary).await.map_err(unreadable)?;
            let (block, public) = (input.block().clone(), public.to_vec().into());
            let request = ProofRequest { image_id, program, input: block, public };
            let proof = proving.prover().prove(request, progress).await?;
            check(&proof, image_id, input.cid())?;
            metrics.proofs_finished.inc();
            metrics.proof_segments.inc_by(proof.segments.into());
            Ok(Arc::new(proof))
        }
    }
}

/// Whether the proof can be recorded. That it says which input it is about is part of the contract with programs.
fn check(proof: &Proof, image_id: ImageId, input: Cid) -> Result<(), ProveError> {
    let bytes = proof.public_output.len();
    if bytes > PUBLIC_OUTPUT_BYTES_MAX {
        let reason =
            format!("the program's public output has {bytes} bytes, at most {PUBLIC_OUTPUT_BYTES_MAX} are kept");
        return Err(ProveError::Refused { reason });
    }
    if !proved(proof, image_id).is_over(input) {
        let reason =
            "the program's public output does not begin with the SHA-256 of the input's block, so nobody could \
                      tell what the proof is about"
                .to_owned();
        return Err(ProveError::Refused { reason });
    }
    Ok(())
}

/// What the step's outcome says.
pub(crate) fn proved(proof: &Proof, image_id: ImageId) -> Proved {
    let receipt = Cid::of(Codec::Raw, &proof.receipt);
    Proved { image_id, public_output: proof.public_output.to_vec(), receipt }
}

/// Counts a run for as long as it goes on, however it ends.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
