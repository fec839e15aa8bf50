//! Waiting for outcomes. What a guest gets is a function of the outcomes' order in the journal.

use loom_types::ActorAddress;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Outcome, Reaction, Turn,
    outcome::ok,
    record::{Received, Waiting},
};
use crate::{Failure, limits::AWAIT_BYTES_MAX};

impl Turn {
    pub(super) fn wait(&mut self, waiting: Waiting, handles: &[u32]) -> Reaction {
        if let Some(unknown) = handles.iter().find(|n| !self.is_handle(**n)) {
            return Reaction::Answer(unknown_handle(*unknown).to_answer());
        }
        match self.satisfied(&waiting) {
            Some(answer) => Reaction::Answer(answer),
            None => {
                self.waiting = Some(waiting);
                Reaction::Wait
            }
        }
    }

    /// Whether the guest can know `n` as a handle. While replaying, records past the cursor exist already.
    fn is_handle(&self, n: u32) -> bool {
        let record = self.records.get(n as usize).filter(|record| record.work.is_some() && !record.is_discarded);
        (n as usize) < self.cursor && record.is_some()
    }

    pub(super) fn satisfied(&self, waiting: &Waiting) -> Option<String> {
        match waiting {
            Waiting::One(n) => self.completed(*n).map(|(_, answer)| answer),
            Waiting::All(handles) => self.all(handles),
            Waiting::Any(handles) => handles
                .iter()
                .filter_map(|n| self.completion(*n).map(|(order, _)| (*order, *n)))
                .min_by_key(|(order, _)| *order)
                .and_then(|(_, n)| self.completed(n).map(|(_, answer)| (n, answer)))
                .map(|(n, answer)| ok(&format!("{{\"handle\":{n},\"result\":{answer}}}"))),
        }
    }

    /// The answers of all of them, once all are there. A handle may be named more than once, so together they can be
    /// larger than anything else that a guest is given.
    fn all(&self, handles: &[u32]) -> Option<String> {
        if !handles.iter().all(|n| self.completion(*n).is_some()) {
            return None;
        }
        let mut answers = String::new();
        for n in handles {
            let (_, answer) = self.completed(*n)?;
            if !answers.is_empty() {
                answers.push(',');
            }
            if answers.len() + answer.len() > AWAIT_BYTES_MAX {
                let text = format!("the outcomes have more than {AWAIT_BYTES_MAX} bytes together; await fewer");
                return Some(Failure::new("output-too-large", text).to_answer());
            }
            answers.push_str(&answer);
        }
        Some(ok(&format!("[{answers}]")))
    }

    fn completion(&self, n: u32) -> Option<&(u64, Outcome)> {
        self.records.get(n as usize)?.completion.as_ref()
    }

    /// The place among the outcomes, and the answer that the guest gets.
    fn completed(&self, n: u32) -> Option<(u64, String)> {
        let record = self.records.get(n as usize)?;
        let (order, outcome) = record.completion.as_ref()?;
        let answer = match &record.received {
            Some(received) => ok(&received.answer(n)),
            None => outcome.answer(),
        };
        Some((*order, answer))
    }
}

impl Received {
    /// The message as the guest is given it.
    fn answer(&self, n: u32) -> String {
        #[derive(Serialize)]
        struct Answer<'a> {
            handle: u32,
            message_id: &'a str,
            sender: Option<&'a str>,
            body: &'a RawValue,
        }
        let Self { message, .. } = self;
        let answer = Answer {
            handle: n,
            message_id: message.id.as_str(),
            sender: message.sender.as_ref().map(ActorAddress::local),
            body: serde_json::from_str(&message.body).expect("bodies are checked where they enter"),
        };
        serde_json::to_string(&answer).expect("strings serialise")
    }
}

pub(super) fn unknown_handle(n: u32) -> Failure {
    Failure::new("unknown-handle", format!("no step of this turn has the handle {n}"))
}
