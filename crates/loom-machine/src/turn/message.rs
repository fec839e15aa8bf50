//! Messages a turn sends, the children it starts, and those it takes in while it runs.

use loom_types::{ActorAddress, MessageId, Payload, StepRef, limits::PAYLOAD_BYTES_MAX};

use super::{
    Ambient, Completion, Effect, Opening, Outcome, Turn, Work,
    live::{Step, failed},
    record::{Answered, Received},
    wait::unknown_handle,
};
use crate::{
    Failure, Message, MessageKind,
    limits::{CALL_DEADLINE_MS_DEFAULT, CALL_DEPTH_MAX},
    random,
    request::Request,
};

/// A message on its way, and what its step waits for.
pub(super) struct Sending {
    pub(super) message: Message,
    follow: Follow,
}

enum Follow {
    Nothing,
    Reply,
    Child { is_detached: bool },
}

impl Sending {
    /// What the guest learns at once: the message's id, or its child.
    pub(super) fn answer(&self, n: u32) -> String {
        match self.follow {
            Follow::Child { .. } => serde_json::json!({ "handle": n, "actor": self.message.to.local() }).to_string(),
            Follow::Nothing | Follow::Reply => {
                serde_json::to_string(self.message.id.as_str()).expect("strings serialise")
            }
        }
    }
}

impl Turn {
    /// The journaled form of a request, where it is not the guest's own text: a message's envelope, a wish for a
    /// proof without its input, or one for a verdict with all that it depends on.
    pub(super) fn journaled_text(&self, request: &Request, text: &str, n: u32) -> Result<Option<String>, Failure> {
        if text.len() > PAYLOAD_BYTES_MAX {
            return Err(Failure::new("input-too-large", "a request has more than 4 MiB"));
        }
        if let Request::Prove(prove) = request {
            return self.journaled_prove(prove).map(Some);
        }
        if let Request::Verify(verify) = request {
            return Ok(Some(self.verification(verify)?.to_json()));
        }
        let Some(sending) = self.sending(request, n)? else { return Ok(None) };
        let envelope = sending.message.encode();
        if envelope.len() > PAYLOAD_BYTES_MAX {
            return Err(Failure::new("input-too-large", "a message has more than 4 MiB with its envelope"));
        }
        Ok(Some(envelope))
    }

    /// The message that a request sends, if it sends one.
    pub(super) fn sending(&self, request: &Request, n: u32) -> Result<Option<Sending>, Failure> {
        let (to, kind, body, deadline_ms, delay_ms, follow) = match request {
            Request::Call { to, body, deadline_ms } => {
                (self.receiver(to)?, MessageKind::Call, body, *deadline_ms, None, Follow::Reply)
            }
            Request::Send { to, body, delay_ms } => {
                (self.receiver(to)?, MessageKind::Send, body, None, *delay_ms, Follow::Nothing)
            }
            Request::Spawn { to, body, deadline_ms, is_detached } => {
                let follow = Follow::Child { is_detached: *is_detached };
                (self.child(to, n)?, MessageKind::Call, body, *deadline_ms, None, follow)
            }
            _ => return Ok(None),
        };
        let Opening { address, turn, .. } = &self.opening;
        let path = if kind == MessageKind::Call { self.path(&to)? } else { Vec::new() };
        let id = MessageId::of_step(address, StepRef { turn: *turn, n });
        let (sender, body) = (Some(address.clone()), body.get().to_owned());
        let is_detached = matches!(follow, Follow::Child { is_detached: true });
        let message = Message { id, kind, sender, to, path, deadline_ms, delay_ms, is_detached, body };
        Ok(Some(Sending { message, follow }))
    }

    fn receiver(&self, to: &str) -> Result<ActorAddress, Failure> {
        ActorAddress::within(self.opening.address.namespace(), to)
            .map_err(|error| Failure::new("invalid-request", format!("'to': {error}")))
    }

    /// A child is addressed like everybody else, or by its type alone; its key then comes from the turn's seed.
    fn child(&self, to: &str, n: u32) -> Result<ActorAddress, Failure> {
        if to.contains('/') {
            return self.receiver(to);
        }
        self.receiver(&format!("{to}/{}", random::uuid(self.opening.seed.value(), n)))
    }

    /// Who waits for this turn, outermost first, if one more call can be added. An actor that is among them, or is
    /// this one, could never answer.
    fn path(&self, to: &ActorAddress) -> Result<Vec<ActorAddress>, Failure> {
        let message = &self.opening.message;
        // A sender that does not wait for this turn cannot be kept waiting.
        let mut path = message.path.clone();
        path.extend(message.sender.clone());
        if message.kind == MessageKind::Send {
            path.clear();
        }
        if *to == self.opening.address || path.contains(to) {
            let whole = path.iter().chain([&self.opening.address, to]).map(ActorAddress::local);
            let whole: Vec<_> = whole.skip_while(|waits| *waits != to.local()).collect();
            return Err(Failure::new("cycle", format!("the call would wait for itself: {}", whole.join(" -> "))));
        }
        if path.len() >= CALL_DEPTH_MAX {
            let text = format!("{CALL_DEPTH_MAX} actors wait for one another already (CALL_DEPTH_MAX)");
            return Err(Failure::new("too-deep", text));
        }
        Ok(path)
    }

    pub(super) fn message_step(
        &mut self,
        n: u32,
        sending: Sending,
        payload: &Payload,
        ambient: &mut Ambient<'_>,
    ) -> Step {
        let answer = sending.answer(n);
        let Sending { message, follow } = sending;
        let (namespace, actor_type) = (message.to.namespace(), message.to.actor_type());
        if !ambient.directory.has_actor_type(namespace, actor_type) {
            let text = format!("no deployment in namespace '{namespace}' runs actors of type '{actor_type}'");
            return failed("unknown-actor-type", text, ambient.salts);
        }
        let at = |ms: u64| ambient.now_ms.saturating_add(ms);
        let not_before_ms = message.delay_ms.map(at);
        let (id, to, deadline_ms) = (message.id.clone(), message.to.clone(), message.deadline_ms);
        let due_ms = at(deadline_ms.unwrap_or(CALL_DEADLINE_MS_DEFAULT));
        let send = Effect::Send { message, payload: payload.clone(), not_before_ms };
        match follow {
            Follow::Nothing => {
                self.pending.effects.push(send);
                Step::Now(Outcome::Ok(Payload::json(&answer, ambient.salts)))
            }
            Follow::Reply => {
                let effects = vec![send, Effect::SetTimer { n, due_ms }];
                self.outstanding_step(Work::Call { due_ms }, effects, ambient)
            }
            Follow::Child { is_detached } => {
                let due_ms = deadline_ms.map(at);
                let mut effects = vec![send];
                effects.extend(due_ms.map(|due_ms| Effect::SetTimer { n, due_ms }));
                let work = Work::Child { to, message: id, is_detached, due_ms };
                self.named_step(&answer, work, effects, ambient)
            }
        }
    }

    /// Answers a message that was taken inside the turn.
    pub(super) fn reply_step(&mut self, handle: u32, body: &str, ambient: &mut Ambient<'_>) -> Step {
        let (n, entry) = (self.cursor as u32, self.pending.entries.len());
        let Some(answered) = self.received(handle).map(|received| received.answered) else {
            let failure = unknown_handle(handle);
            return failed(&failure.kind, failure.message, ambient.salts);
        };
        let outcome = Outcome::Ok(Payload::json(body, ambient.salts));
        match answered {
            None => {
                let message = self.note_answer(handle, Answered::By(n)).expect("just looked");
                self.pending.effects.extend(reply_to(&message, &outcome, entry));
            }
            // The answer of a step that a reset left behind was given and stands.
            Some(Answered::By(step)) if self.records[step as usize].is_discarded => {}
            Some(_) => return failed("answered", format!("message {handle} has its answer already"), ambient.salts),
        }
        Step::Now(outcome)
    }

    pub(super) fn received(&self, handle: u32) -> Option<&Received> {
        self.records.get(handle as usize).filter(|_| (handle as usize) < self.cursor)?.received.as_ref()
    }

    /// Notes what answered the message of step `handle`.
    pub(super) fn note_answer(&mut self, handle: u32, answered: Answered) -> Option<Message> {
        let received = self.records.get_mut(handle as usize)?.received.as_mut()?;
        received.answered = Some(answered);
        Some(received.message.clone())
    }

    /// What the guest waits to receive: the steps, each with the `type` it wants, if it wants a certain one.
    pub fn receiving(&self) -> impl Iterator<Item = (u32, Option<&str>)> {
        self.records.iter().zip(0u32..).filter_map(|(record, n)| match &record.work {
            Some(Work::Receive { message_type, .. }) if record.is_outstanding() => Some((n, message_type.as_deref())),
            _ => None,
        })
    }

    /// Gives a message to step `n`, which is one of [`Turn::receiving`].
    pub fn receive(&mut self, n: u32, payload: Payload, now_ms: u64) -> Completion {
        self.complete(n, Outcome::Ok(payload), 1, "", Vec::new(), now_ms)
    }

    /// Messages that were taken by steps which a reset left behind come again, first of all.
    pub(super) fn receive_again(&mut self, n: u32, now_ms: u64) {
        let Some(Work::Receive { message_type, .. }) = self.outstanding_work(n) else { return };
        let fits = |(message, _): &(Message, Payload)| message.has_type(message_type.as_deref());
        if let Some(place) = self.left_behind.iter().position(fits) {
            let (_, payload) = self.left_behind.remove(place);
            self.receive(n, payload, now_ms);
        }
    }

    /// The steps that a reset left behind do not answer a message that another step has taken again.
    pub(super) fn forget_received(&mut self, message: &Message) {
        let left = self.records.iter_mut().filter(|record| record.is_discarded);
        left.filter(|record| record.received.as_ref().is_some_and(|received| received.message.id == message.id))
            .for_each(|record| record.received = None);
    }

    /// Whether a client's message with this id was taken inside the turn.
    pub fn has_received(&self, id: &MessageId) -> bool {
        self.records.iter().filter_map(|record| record.received.as_ref()).any(|received| received.message.id == *id)
    }

    /// Whatever was received and never answered gets `outcome`, which is known from entry `entry` on.
    pub(super) fn answer_the_rest(&mut self, outcome: &Outcome, entry: usize) {
        for record in &mut self.records {
            if let Some(received) = record.received.as_mut().filter(|received| received.answered.is_none()) {
                received.answered = Some(Answered::AtEnd);
                self.pending.effects.extend(reply_to(&received.message, outcome, entry));
            }
        }
    }
}

/// How a message's sender learns its answer, if it waits for one.
pub(super) fn reply_to(message: &Message, outcome: &Outcome, entry: usize) -> Option<Effect> {
    match (message.kind, message.id.sender()) {
        (MessageKind::Send, _) => None,
        (MessageKind::Call, Some((to, step))) => Some(Effect::Reply { to, step, outcome: outcome.clone() }),
        (MessageKind::Call, None) => {
            Some(Effect::Answer { message: Box::new(message.clone()), outcome: outcome.clone(), entry })
        }
    }
}
