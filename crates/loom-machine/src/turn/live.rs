//! Steps that happen for the first time.

use loom_types::{EntryBody, Payload, SaltSource, limits::TURN_ENTRIES_MAX, media_type};

use super::{
    Ambient, Divergence, Effect, Opening, Outcome, Reaction, Requested, Task, Turn, Work,
    prove::Input,
    record::{Asked, Record, Running},
};
use crate::{
    Failure, Retry,
    limits::{OUTSTANDING_MAX, WAIT_MS_MAX},
    random,
    request::{Request, RetryRequest},
};

/// What a request becomes.
pub(super) enum Step {
    /// It has its outcome now.
    Now(Outcome),
    /// It has its outcome now and something outstanding besides: a promise's token, a child's address.
    NowAndLater(Outcome, Work, Vec<Effect>),
    /// Its outcome comes later.
    Later(Work, Vec<Effect>),
    /// It is done at once, by the host.
    Task(Task),
}

impl Turn {
    pub(super) fn live(&mut self, op: String, request: Request, text: &str, ambient: &mut Ambient<'_>) -> Reaction {
        if let Some(failure) = self.too_many_steps() {
            return Reaction::Fail(failure);
        }
        let n = self.cursor as u32;
        let sending = self.sending(&request, n).expect("checked when its text was made");
        let media = if sending.is_some() { media_type::MESSAGE } else { media_type::JSON };
        let payload = Payload::seal(media, text.as_bytes(), ambient.salts);
        let mut input = None;
        let step = match (sending, request) {
            (Some(sending), _) => self.message_step(n, sending, &payload, ambient),
            (None, Request::Prove(prove)) => {
                let sealed = input.insert(self.seal_input(&prove, ambient)).cid();
                self.prove_step(n, prove, sealed, ambient)
            }
            (None, request) => self.step(n, request, ambient),
        };
        let asked = Asked { op, request: payload, input: input.into() };
        match step {
            Step::Now(outcome) => {
                let answer = outcome.answer();
                self.record(asked, Some(outcome), None, ambient.now_ms);
                Reaction::Answer(answer)
            }
            Step::NowAndLater(outcome, work, effects) => {
                let answer = outcome.answer();
                self.record(asked, Some(outcome), Some(work), ambient.now_ms);
                self.pending.effects.extend(effects);
                Reaction::Answer(answer)
            }
            Step::Later(work, effects) => {
                let op = asked.op.clone();
                self.record(asked, None, Some(work), ambient.now_ms);
                self.pending.effects.extend(effects);
                self.receive_again(n, ambient.now_ms);
                self.after_start(&op, n)
            }
            Step::Task(task) => {
                self.running = Some(Running { asked, replayed: false });
                Reaction::Run(task)
            }
        }
    }

    fn too_many_steps(&self) -> Option<Failure> {
        let message =
            || format!("a turn may write {TURN_ENTRIES_MAX} entries (TURN_ENTRIES_MAX); split the work over turns");
        (self.entries >= TURN_ENTRIES_MAX).then(|| Failure::new("too-many-steps", message()))
    }

    fn step(&mut self, n: u32, request: Request, ambient: &mut Ambient<'_>) -> Step {
        let seed = self.opening.seed.value().clone();
        match request {
            Request::Now => value(&ambient.now_ms.to_string(), ambient.salts),
            Request::Random { bytes } => {
                let hex = data_encoding::HEXLOWER.encode(&random::bytes(&seed, n, bytes as usize));
                value(&format!("\"{hex}\""), ambient.salts)
            }
            Request::Uuid => value(&format!("\"{}\"", random::uuid(&seed, n)), ambient.salts),
            Request::Activity { name, input, retry, start } => {
                let input = input.get().to_owned();
                let Some(spec) = self.opening.deployment.activities.get(&name) else {
                    return failed("unknown-activity", unknown_activity(&self.opening, &name), ambient.salts);
                };
                if !start && !spec.is_effectful() {
                    return Step::Task(Task::Activity { name, input });
                }
                let retry = merged(spec.retry, retry);
                self.outstanding_step(Work::Activity { name, input, retry }, vec![Effect::StartActivity { n }], ambient)
            }
            Request::BlobGet { cid, base64 } => Step::Task(Task::BlobGet { cid, base64 }),
            Request::BlobPut { bytes } => Step::Task(Task::BlobPut { bytes }),
            Request::Verify(verify) => {
                let verification = self.verification(&verify).expect("checked when its text was made");
                Step::Task(Task::Verify { verification })
            }
            Request::Sleep { ms } | Request::TimerStart { ms } => {
                let due_ms = ambient.now_ms.saturating_add(ms);
                self.outstanding_step(Work::Timer { due_ms }, vec![Effect::SetTimer { n, due_ms }], ambient)
            }
            Request::PromiseCreate { label, data } => {
                let token = promise_token(ambient.salts);
                let text = promise_created(n, &token);
                let data = data.map(|data| data.get().to_owned());
                let effect = Effect::CreatePromise { n, token: token.clone(), label, data };
                self.named_step(&text, Work::Promise { token }, vec![effect], ambient)
            }
            Request::Receive { message_type, timeout_ms, .. } => {
                let due_ms = timeout_ms.map(|ms| ambient.now_ms.saturating_add(ms));
                let timer = due_ms.map(|due_ms| Effect::SetTimer { n, due_ms });
                self.outstanding_step(Work::Receive { message_type, due_ms }, timer.into_iter().collect(), ambient)
            }
            Request::Reply { handle, body } => self.reply_step(handle, body.get(), ambient),
            Request::Call { .. } | Request::Send { .. } | Request::Spawn { .. } | Request::Prove(_) => {
                unreachable!("messages and proofs are steps of their own")
            }
            Request::Restart { .. }
            | Request::Context
            | Request::StateGet { .. }
            | Request::StateSet { .. }
            | Request::StateDelete { .. }
            | Request::Log { .. }
            | Request::Await { .. }
            | Request::PromiseAwait { .. } => unreachable!("answered without a step"),
        }
    }

    pub(super) fn outstanding_step(&self, work: Work, effects: Vec<Effect>, ambient: &mut Ambient<'_>) -> Step {
        self.too_many_outstanding(ambient).unwrap_or(Step::Later(work, effects))
    }

    /// An outstanding step whose guest gets more than a handle at once.
    pub(super) fn named_step(&self, text: &str, work: Work, effects: Vec<Effect>, ambient: &mut Ambient<'_>) -> Step {
        self.too_many_outstanding(ambient).unwrap_or_else(|| {
            let outcome = Outcome::Ok(Payload::json(text, ambient.salts));
            Step::NowAndLater(outcome, work, effects)
        })
    }

    fn too_many_outstanding(&self, ambient: &mut Ambient<'_>) -> Option<Step> {
        (self.outstanding_count() >= OUTSTANDING_MAX).then(|| {
            let text =
                format!("a turn may have {OUTSTANDING_MAX} steps outstanding (OUTSTANDING_MAX); await some first");
            failed("too-many-outstanding", text, ambient.salts)
        })
    }

    /// Journals a request that cannot be done. A later host may know it, so replay must not ask again.
    pub(super) fn refuse(
        &mut self,
        op: String,
        text: &str,
        failure: Failure,
        ambient: &mut Ambient<'_>,
    ) -> Result<Reaction, Box<Divergence>> {
        if text.len() > loom_types::limits::PAYLOAD_BYTES_MAX {
            return Ok(Reaction::Answer(failure.to_answer()));
        }
        let op: String = op.chars().take(64).collect();
        if self.is_replaying() {
            let record = &self.records[self.cursor];
            if record.op == op
                && record.request.value() == text.as_bytes()
                && let Some(outcome) = &record.immediate
            {
                let answer = outcome.answer();
                self.advance();
                return Ok(Reaction::Answer(answer));
            }
            return Err(self.divergence(Some(Requested { op, request: text.to_owned() })));
        }
        if let Some(failure) = self.too_many_steps() {
            return Ok(Reaction::Fail(failure));
        }
        let asked = Asked { op, request: Payload::json(text, ambient.salts), input: Input::None };
        let outcome = Outcome::seal(Err(&failure), ambient.salts);
        self.record(asked, Some(outcome), None, ambient.now_ms);
        Ok(Reaction::Answer(failure.to_answer()))
    }

    pub(super) fn record(&mut self, asked: Asked, immediate: Option<Outcome>, work: Option<Work>, now_ms: u64) {
        let n = self.cursor as u32;
        let outcome = immediate.as_ref().map(Outcome::resolution);
        let input = asked.input.payload();
        let (op, request) = (asked.op.clone(), asked.request.cid());
        let step = EntryBody::Step { n, op, request, outcome, input: input.map(Payload::cid) };
        self.pending.entry(now_ms, step);
        self.pending.payloads.push(asked.request.clone());
        self.pending.payloads.extend(input.cloned());
        self.pending.payloads.extend(immediate.as_ref().map(|outcome| outcome.payload().clone()));
        self.entries += 1;
        let entry = self.entries;
        self.keep(Record::new(asked, immediate, work, entry));
        self.cursor += 1;
    }
}

fn value(text: &str, salts: &mut dyn SaltSource) -> Step {
    Step::Now(Outcome::Ok(Payload::json(text, salts)))
}

pub(super) fn failed(kind: &str, message: String, salts: &mut dyn SaltSource) -> Step {
    Step::Now(Outcome::seal(Err(&Failure::new(kind, message)), salts))
}

pub(super) fn unknown_activity(opening: &Opening, name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    let known: Vec<_> = opening.deployment.activities.keys().map(String::as_str).collect();
    format!("deployment '{}' has no activity '{name}'; it has: {}", opening.deployment.name, known.join(", "))
}

/// The answer to `promise.create`.
pub(super) fn promise_created(n: u32, token: &str) -> String {
    format!("{{\"handle\":{n},\"token\":\"{token}\"}}")
}

/// A policy from the deployment with what the request overrides.
pub(super) fn merged(spec: Retry, request: RetryRequest) -> Retry {
    let backoff_ms_min = request.backoff_ms_min.unwrap_or(spec.backoff_ms_min).min(WAIT_MS_MAX);
    Retry {
        attempts_max: request.attempts_max.unwrap_or(spec.attempts_max).max(1),
        backoff_ms_min,
        backoff_ms_max: request.backoff_ms_max.unwrap_or(spec.backoff_ms_max).clamp(backoff_ms_min, WAIT_MS_MAX),
    }
}

fn promise_token(salts: &mut dyn SaltSource) -> String {
    let mut raw = [0u8; 20];
    salts.fill(&mut raw);
    format!("prm-{}", data_encoding::BASE32_NOPAD.encode(&raw).to_ascii_lowercase())
}
