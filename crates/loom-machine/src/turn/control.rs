//! What operators, and parents of children, do to a turn. Each leaves a `control` entry.

use std::{borrow::Cow, sync::Arc};

use loom_types::{Cid, EntryBody, Payload, SequenceNumber, media_type};
use serde::{Deserialize, Serialize};

use super::{Ambient, Completion, Outcome, Outstanding, Turn, end::abandoned};
use crate::{Deployment, Failure, object::is_object};

/// What a `control` entry says was done, with what is needed to understand the journal after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", deny_unknown_fields)]
pub enum Control {
    /// The actor takes no messages and its guest does not run, until `resume`.
    Pause,
    /// It goes on.
    Resume,
    /// The guest is told: every step it waits for fails with `cancelled`.
    Cancel {
        /// Why, for people.
        reason: String,
    },
    /// The turn ends as failed.
    FailTurn {
        /// Why, for people; the caller is told.
        reason: String,
    },
    /// The steps of the open turn whose entries come after `to` are forgotten, and the guest runs again from there.
    Reset {
        /// The last entry whose step is kept.
        to: u64,
        /// The deployment that the turn is pinned to from now on, if it changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployment: Option<CidText>,
    },
    /// The actor began with another's state.
    Fork {
        /// The other actor, `namespace/type/key`.
        from: String,
        /// Its entry that names the state.
        head: CidText,
        /// That entry's place.
        seq: u64,
    },
    /// Payloads of finished turns were erased.
    Purge {
        /// Entries before this one lost their payloads.
        before: u64,
    },
    /// A message could not be handled and was put aside.
    Park {
        /// Its id.
        message: String,
        /// Why.
        reason: String,
    },
}

/// A CID in JSON, where it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidText(pub Cid);

impl Serialize for CidText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CidText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl Control {
    /// The name that the entry carries.
    pub fn name(&self) -> &'static str {
        match self {
            Control::Pause => "pause",
            Control::Resume => "resume",
            Control::Cancel { .. } => "cancel",
            Control::FailTurn { .. } => "fail-turn",
            Control::Reset { .. } => "reset",
            Control::Fork { .. } => "fork",
            Control::Purge { .. } => "purge",
            Control::Park { .. } => "park",
        }
    }

    /// The entry, and the payload it names. `state` is the state that the actor has from now on, where that changes.
    pub fn entry(&self, by: &str, state: Option<Cid>, ambient: &mut Ambient<'_>) -> (EntryBody, Payload) {
        let text = serde_json::to_string(self).expect("strings and numbers serialise");
        let detail = Payload::seal(media_type::JSON, text.as_bytes(), ambient.salts);
        let body =
            EntryBody::Control { what: self.name().to_owned(), by: by.to_owned(), detail: Some(detail.cid()), state };
        (body, detail)
    }

    /// Reads an entry's detail.
    pub fn read(detail: &Payload) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            what: Cow<'a, str>,
        }
        let (text, unreadable) = (detail.value(), |problem: String| format!("a control entry's detail: {problem}"));
        if !is_object(text) {
            return Err(unreadable("not an object".to_owned()));
        }
        let control: Self = serde_json::from_slice(text).map_err(|error| unreadable(error.to_string()))?;
        // The reader takes a number for a name, too.
        let Named { what } = serde_json::from_slice(text).map_err(|error| unreadable(error.to_string()))?;
        if what == control.name() { Ok(control) } else { Err(unreadable(format!("'{what}'"))) }
    }
}

/// Why a turn cannot be reset. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResetError {
    /// The entry is not one of the open turn's.
    #[error("entry {to} is not one of the open turn's, which are {first} to {last}")]
    NotInTurn {
        /// The entry asked for.
        to: SequenceNumber,
        /// The turn's first.
        first: SequenceNumber,
        /// The turn's last.
        last: SequenceNumber,
    },
    /// The deployment does not run such actors.
    #[error("the deployment does not run actors of type '{actor_type}'")]
    UnknownType {
        /// The actor's type.
        actor_type: String,
    },
}

impl Turn {
    /// Notes a control that changes nothing about the turn itself.
    pub fn note(&mut self, control: &Control, by: &str, ambient: &mut Ambient<'_>) {
        let (body, detail) = control.entry(by, None, ambient);
        self.pending.entry(ambient.now_ms, body);
        self.pending.payloads.push(detail);
        self.entries += 1;
    }

    /// Tells the guest to stop: everything it waits for fails with `cancelled`. What it does then is its own
    /// business, so that it can undo what it did. To be called while the guest waits.
    pub fn cancel(&mut self, reason: &str, by: &str, ambient: &mut Ambient<'_>) -> Completion {
        self.note(&Control::Cancel { reason: reason.to_owned() }, by, ambient);
        let failure = Failure::new("cancelled", reason);
        let outstanding: Vec<_> = self.outstanding().collect();
        let mut last = Completion::Recorded;
        for Outstanding { n, work } in outstanding {
            let outcome = Outcome::seal(Err(&failure), ambient.salts);
            // A child that is not waited for any more is cancelled in its turn.
            self.pending.effects.extend(abandoned(n, &work));
            if let Completion::Answer(answer) = self.note_outcome(n, outcome, 1, "", Vec::new(), ambient.now_ms) {
                last = Completion::Answer(answer);
            }
        }
        last
    }

    /// Forgets the steps whose entries come after `to`. Outcomes of the steps that are kept stay, whenever they came:
    /// they are what happened outside. The guest has to be started over.
    pub fn reset(
        &mut self,
        to: SequenceNumber,
        first: SequenceNumber,
        deployment: Option<(Cid, Arc<Deployment>)>,
        by: &str,
        ambient: &mut Ambient<'_>,
    ) -> Result<(), ResetError> {
        let last = SequenceNumber(first.0 + u64::from(self.entries));
        if to < first || to > last {
            return Err(ResetError::NotInTurn { to, first, last });
        }
        let cid = deployment.as_ref().map(|(cid, _)| *cid);
        if let Some((cid, deployment)) = deployment {
            self.repin(cid, deployment).map_err(|actor_type| ResetError::UnknownType { actor_type })?;
        }
        let kept: Vec<_> = self.outstanding().map(|outstanding| outstanding.n).collect();
        self.discard((to.0 - first.0) as u32);
        for n in kept {
            let record = &self.records[n as usize];
            if let (true, Some(work)) = (record.is_discarded, record.work.clone()) {
                self.pending.effects.extend(abandoned(n, &work));
            }
        }
        self.note(&Control::Reset { to: to.0, deployment: cid.map(CidText) }, by, ambient);
        self.rewind();
        Ok(())
    }

    /// Pins the turn to another deployment; gives the actor's type if that does not run it.
    pub(super) fn repin(&mut self, cid: Cid, deployment: Arc<Deployment>) -> Result<(), String> {
        let actor_type = self.opening.address.actor_type();
        let Some(spec) = deployment.actors.get(actor_type) else { return Err(actor_type.to_owned()) };
        self.opening.module = spec.module;
        self.opening.deployment_cid = cid;
        self.opening.deployment = deployment;
        self.is_repinned = true;
        Ok(())
    }

    /// Marks the steps after entry `last_kept` of the turn as forgotten.
    pub(super) fn discard(&mut self, last_kept: u32) {
        let first = self.kept.partition_point(|n| self.records[*n].entry <= last_kept);
        for n in self.kept.split_off(first) {
            let record = &mut self.records[n];
            record.is_discarded = true;
            // What it took from the mailbox is not lost.
            if let (Some(received), Some((_, outcome))) = (&record.received, &record.completion)
                && received.answered.is_none()
            {
                self.left_behind.push((received.message.clone(), outcome.payload().clone()));
            }
        }
    }
}
