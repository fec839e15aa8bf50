//! Evidence that a step has verified: read, then given to the verifier's module, which runs inside the step as a pure
//! activity does.
//!
//! Nothing is durable before the verdict is: after a crash the same evidence comes to the same verdict. What a module makes
//! of the bytes of strangers is said by [`Verification::outcome`]; a fault of the host's is none of it.

use std::sync::Arc;

use bytes::Bytes;
use loom_machine::{Failure, Guest, GuestLimits, HostFault, Module, Verification};
use loom_storage::BlobError;

use super::{Live, Phase, running::Inner};
use crate::{
    shard::{CellResult, Io},
    trace,
    verdicts::VerdictKey,
};

/// A verification whose evidence is being read.
pub(crate) struct Reading {
    verification: Verification,
    module: Arc<dyn Module>,
    limits: GuestLimits,
}

/// The evidence, or that there is none.
pub(crate) type Evidence = Result<Result<Bytes, Failure>, HostFault>;

/// A verification whose module runs.
pub(super) struct Verifying {
    verification: Verification,
    key: VerdictKey,
}

impl Live {
    /// Begins a verification. None if the guest does not go on at once.
    pub(super) fn start_verification(&mut self, io: &mut Io, verification: Verification) -> Option<String> {
        let running = self.running.as_mut().expect("a turn is driven");
        let blobs = io.context.storage.blobs.clone();
        let cid = verification.evidence;
        running.holds.push(blobs.holds().hold(cid));
        let verifiers = &running.turn.opening().deployment.verifiers;
        let limits = verifiers.get(&verification.verifier).expect("the turn looked it up").limits;
        io.context.metrics.verifications.inc();
        if let Some(verdict) = io.context.verdicts.get(VerdictKey::of(&verification, &limits)) {
            return Some(self.finish(io, Ok(&verdict)));
        }
        let module = match io.context.modules.get(&verification.module) {
            // The guest is started over when the module is there; the step is not recorded yet.
            None => {
                running.guest = None;
                self.load_module(io, verification.module);
                return None;
            }
            Some(Err(failure)) => {
                let outcome = verification.outcome(Err(failure));
                return Some(self.finish(io, outcome.as_deref()));
            }
            Some(Ok(module)) => module,
        };
        running.phase = Phase::Task;
        let (task, reading) = (self.tasks, Box::new(Reading { verification, module, limits }));
        self.background(io, async move {
            let evidence = match blobs.get(cid).await {
                Ok(bytes) => Ok(Ok(bytes)),
                Err(BlobError::NotFound(cid)) => Ok(Err(Failure::new("not-found", format!("there is no blob {cid}")))),
                Err(error) => Err(HostFault::Unavailable { what: format!("blob {cid}"), detail: error.to_string() }),
            };
            CellResult::Evidence { task, reading, evidence }
        });
        None
    }

    /// Takes the evidence and gives it to the verifier.
    pub(super) fn evidence_read(&mut self, io: &mut Io, task: u64, reading: Reading, evidence: Evidence) {
        if !self.is_at_task(task) {
            return;
        }
        let running = self.running.as_mut().expect("just looked");
        running.phase = Phase::Ready;
        let Reading { verification, module, limits } = reading;
        let known = match evidence {
            Err(fault) => return self.abandon(io, &fault),
            Ok(Err(failure)) => Some(Err(failure)),
            Ok(Ok(bytes)) => match Verification::refused(&bytes) {
                Some(verdict) => Some(Ok(verdict)),
                None => match module.start(&limits, &verification.input(&bytes)) {
                    Err(fault) => return self.abandon(io, &fault),
                    Ok(guest) => {
                        running.inner_span = trace::verification(&running.span, &verification.verifier);
                        let key = VerdictKey::of(&verification, &limits);
                        running.inner = Some(Inner::verifier(guest, Verifying { verification, key }));
                        None
                    }
                },
            },
        };
        let answer = known.map(|known| self.finish(io, known.as_deref()));
        self.drive(io, answer);
        self.go_on(io);
    }
}

impl Verifying {
    /// What came of it, now that the module has ended.
    pub(super) fn outcome(self, io: &Io, ended: Result<String, Failure>) -> Result<String, Failure> {
        let outcome = self.verification.outcome(ended);
        if let Ok(verdict) = &outcome {
            io.context.verdicts.keep(self.key, verdict);
        }
        outcome
    }
}

impl Inner {
    fn verifier(guest: Box<dyn Guest>, verifying: Verifying) -> Self {
        Self { guest, verifying: Some(Box::new(verifying)) }
    }
}
