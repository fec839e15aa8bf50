//! Message ids.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{address::ActorAddress, limits::MESSAGE_ID_BYTES_MAX, number::TurnNumber};

/// A step of some turn of a known actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepRef {
    /// The turn.
    pub turn: TurnNumber,
    /// The step's number within it, from 0.
    pub n: u32,
}

impl fmt::Display for StepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.turn, self.n)
    }
}

/// Identifies a message to its receiver, and is its idempotency key.
///
/// A message from an actor is named by the step that sent it (`ns/type/key#turn.n`), so that sending it again
/// after a crash gives the same id. A client chooses its own (`Idempotency-Key`) or gets a random one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

/// Why a text is no message id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message id is 1 to 128 printable ASCII characters without spaces, quotes, '#' or '\\'")]
pub struct InvalidMessageId;

impl MessageId {
    /// The id of the message that a step sends.
    pub fn of_step(sender: &ActorAddress, step: StepRef) -> Self {
        Self(format!("{sender}#{step}").into())
    }

    /// The sending actor and step, for a message from an actor.
    pub fn sender(&self) -> Option<(ActorAddress, StepRef)> {
        let (sender, step) = self.0.split_once('#')?;
        let (turn, n) = step.split_once('.')?;
        let step = StepRef { turn: TurnNumber(turn.parse().ok()?), n: n.parse().ok()? };
        Some((sender.parse().ok()?, step))
    }

    /// Reads an id that the runtime wrote earlier, from an actor or a client.
    pub fn from_stored(text: &str) -> Result<Self, InvalidMessageId> {
        let id = Self(text.into());
        if id.sender().is_some() { Ok(id) } else { text.parse() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads a client's id. The `#` that marks ids of actors is refused, so no client can pose as one.
impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        let fits = (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"#\"\\".contains(&b));
        if fits { Ok(Self(text.into())) } else { Err(InvalidMessageId) }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_names_its_message() {
        let sender: ActorAddress = "default/loan-review/A1".parse().unwrap();
        let step = StepRef { turn: TurnNumber(3), n: 4 };
        let id = MessageId::of_step(&sender, step);
        assert_eq!(id.as_str(), "default/loan-review/A1#3.4");
        assert_eq!(id.sender(), Some((sender, step)));
        assert_eq!(MessageId::from_stored(id.as_str()), Ok(id));
    }

    #[test]
    fn a_client_cannot_pose_as_an_actor() {
        for text in ["default/a/b#1.2", "", "a b", "a\"b", "ä", &"x".repeat(MESSAGE_ID_BYTES_MAX + 1)] {
            assert_eq!(text.parse::<MessageId>(), Err(InvalidMessageId), "{text:?}");
        }
    }
}
