//! A prover that proves nothing, and its proof system: a receipt is the program's name and what it put out.
//!
//! What comes of a run follows from its input alone. How long it takes, and whether the host fails meanwhile, is chance.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use loom_machine::{ImageId, ProgramSpec};
use loom_runtime::{Clock as _, Proof, ProofProgress, ProofRequest, ProofStage, ProveError, Prover};
use loom_types::{Cid, Codec, Payload};
use loom_verify::Receipts;

use crate::{record::Fact, world::World};

/// The program of every simulation.
pub(crate) const PROGRAM: &[u8] = b"native program";
/// The value of an input that the program refuses.
pub(crate) const REFUSED: &[u8] = b"2";

const IMAGE_ID: ImageId = ImageId([7; 32]);
/// What receipts begin with.
pub(crate) const RECEIPT: &[u8] = b"receipt ";

/// What the deployment says of the program.
pub(crate) fn program() -> ProgramSpec {
    ProgramSpec { image_id: IMAGE_ID, binary: Cid::of(Codec::Raw, PROGRAM) }
}

/// Proves on a node of the simulation.
pub(crate) struct SimProver {
    pub(crate) world: Arc<World>,
}

impl Prover for SimProver {
    fn prove(&self, request: ProofRequest, progress: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        let world = self.world.clone();
        async move {
            let disk = world.disk();
            let input = Cid::of(Codec::DagCbor, &request.input);
            disk.recorder.note(Fact::Proving { input });
            let of = 3;
            for number in 1..=of {
                progress.report(ProofStage::Segment { number, of });
                let pause = disk.draw(|random| random.between(0, 900));
                disk.clock.sleep(Duration::from_millis(pause)).await;
                if world.fails() {
                    return Err(ProveError::Fault { reason: "simulated".to_owned() });
                }
            }
            let payload = Payload::from_block(request.input.clone()).expect("the runtime gives whole blocks");
            if **payload.value() == *REFUSED {
                return Err(ProveError::Refused { reason: "the program does not like its input".to_owned() });
            }
            let public_output: Bytes = [&input.digest()[..], &request.public].concat().into();
            let receipt: Bytes = [RECEIPT, &request.image_id.0, &public_output].concat().into();
            Ok(Proof { public_output, receipt, segments: of })
        }
        .boxed()
    }
}

/// Verifies the receipts of [`SimProver`].
pub(crate) struct SimReceipts;

impl Receipts for SimReceipts {
    fn verify(&self, receipt: &[u8], image_id: ImageId) -> Result<Vec<u8>, String> {
        let rest = receipt.strip_prefix(RECEIPT).and_then(|rest| rest.strip_prefix(&image_id.0));
        rest.map(<[u8]>::to_vec).ok_or_else(|| "no receipt of this simulation, or of another program".to_owned())
    }
}
