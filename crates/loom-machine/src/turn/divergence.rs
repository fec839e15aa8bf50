//! A guest that does not do again what its journal says.

use std::fmt;

use loom_types::{ActorAddress, Cid, TurnNumber};

/// Characters of a long request that are shown before the first difference.
const SHOWN_BEFORE: usize = 40;
/// Characters of a request that are shown altogether.
const SHOWN_MAX: usize = 160;

/// A request as the guest made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The operation.
    pub op: String,
    /// The request's text.
    pub request: String,
}

impl fmt::Display for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.request)
    }
}

/// The guest did not do again what the journal says it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The actor.
    pub address: ActorAddress,
    /// The turn.
    pub turn: TurnNumber,
    /// The step where the two part.
    pub n: u32,
    /// Place of that step's entry among the turn's, where `turn-started` is 0.
    pub entry: u32,
    /// Place of the turn's newest entry.
    pub entry_last: u32,
    /// What the journal holds.
    pub expected: Option<Requested>,
    /// What the guest asked for; none if it ended instead.
    pub actual: Option<Requested>,
    /// The module that the turn began with.
    pub began_with: Cid,
    /// The module that was run.
    pub module: Cid,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |requested: &Option<Requested>| {
            requested.as_ref().map_or("the end of the turn".into(), Requested::to_string)
        };
        let (journal, guest) = side_by_side(&show(&self.expected), &show(&self.actual));
        write!(
            f,
            "replay of {} diverged at turn {} step {}\n  journal: {journal}\n  guest:   {guest}\n  begun with module {}\n  \
             run with module   {}",
            self.address, self.turn, self.n, self.began_with, self.module
        )
    }
}

impl std::error::Error for Divergence {}

/// Two texts, each in one line, cut in the same place so that what differs stands in both, one under the other.
pub fn side_by_side(journal: &str, guest: &str) -> (String, String) {
    let same = journal.chars().zip(guest.chars()).take_while(|(one, other)| one == other).count();
    let is_short = [journal, guest].iter().all(|text| text.chars().nth(SHOWN_MAX).is_none());
    let from = if is_short { 0 } else { same.saturating_sub(SHOWN_BEFORE) };
    (excerpt(journal, from), excerpt(guest, from))
}

fn excerpt(text: &str, from: usize) -> String {
    let mut rest = text.chars().skip(from).map(|c| if c.is_control() { ' ' } else { c });
    let mut shown = String::from(if from > 0 { "…" } else { "" });
    shown.extend(rest.by_ref().take(SHOWN_MAX));
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_stands_in_both_lines_in_the_same_place() {
        let same = "a".repeat(1000);
        let (journal, guest) = side_by_side(&format!("{same}1{same}"), &format!("{same}2"));
        assert!(journal.starts_with('…') && journal.ends_with('…') && guest.ends_with('2'));
        assert_eq!(journal.find('1'), guest.find('2'));
        assert_eq!(side_by_side("sleep {\n}", "now"), ("sleep { }".to_owned(), "now".to_owned()));
    }
}
