//! Leaving payloads out of a bundle so that what they held stays unknown.
//!
//! A payload's name tells nothing about its value, for it is salted. Two other things can: the value may stand in another
//! payload as well, and it may come out again when what is left is run. Both are looked for, and such a bundle is
//! refused, or more is left out until nothing is given away.
//!
//! What this cannot see: a value that can be *guessed* and tried. Whoever has a turn's module, its reply and all inputs
//! but one yes-or-no question knows the answer.

mod known;
mod traces;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use loom_evidence::{Bundle, BundleError, Manifest};
use loom_machine::Verification;
use loom_types::{ActorAddress, Cid, Entry, EntryBody, Resolution, SequenceNumber};

use self::{known::Known, traces::Traces};

/// Most places that an error names.
const PLACES_MAX: usize = 20;

/// Payloads to be left out: `inputs`, `SEQ:ROLE`, `SEQ`, or either of these after `type/key#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// All that came from outside in messages: those that turns began with, and those that they received.
    Inputs,
    /// Payloads of one entry.
    Entry {
        /// Whose journal, as `type/key`; that of the actor that the bundle is about without.
        actor: Option<String>,
        /// The entry.
        seq: SequenceNumber,
        /// Which of them (`message`, `request`, `ok`, `reply`, …); all without.
        role: Option<String>,
    },
}

/// Why nothing was left out.
#[derive(Debug, thiserror::Error)]
pub enum RedactionError {
    /// The text names nothing.
    #[error("'{0}' names no payload: use 'inputs', SEQ:ROLE or type/key#SEQ:ROLE")]
    Malformed(String),
    /// The bundle has no such payload.
    #[error("there is no payload {0} in the bundle")]
    Unknown(Redaction),
    /// What is left would give something away.
    #[error("what is left gives away what is to be left out:{}; leave these out too, or everything that does so (cascade)", listed(.0))]
    GivenAway(Vec<String>),
    /// The bundle cannot be put together again.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

fn listed(places: &[String]) -> String {
    let mut text: String = places.iter().take(PLACES_MAX).map(|place| format!("\n  {place}")).collect();
    if let Some(more) = places.len().checked_sub(PLACES_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

impl fmt::Display for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Redaction::Inputs => f.write_str("inputs"),
            Redaction::Entry { actor, seq, role } => {
                actor.iter().try_for_each(|actor| write!(f, "{actor}#"))?;
                write!(f, "{seq}")?;
                role.iter().try_for_each(|role| write!(f, ":{role}"))
            }
        }
    }
}

impl FromStr for Redaction {
    type Err = RedactionError;

    fn from_str(text: &str) -> Result<Self, RedactionError> {
        if text == "inputs" {
            return Ok(Redaction::Inputs);
        }
        let malformed = || RedactionError::Malformed(text.chars().take(80).collect());
        let (actor, entry) = text.rsplit_once('#').map_or((None, text), |(actor, entry)| (Some(actor), entry));
        let (seq, role) = entry.split_once(':').map_or((entry, None), |(seq, role)| (seq, Some(role)));
        let seq = SequenceNumber(seq.parse().map_err(|_| malformed())?);
        Ok(Redaction::Entry { actor: actor.map(str::to_owned), seq, role: role.map(str::to_owned) })
    }
}

/// What programs that are proved were given in private. A refused step may hold it in its request, which is then the
/// guest's text.
pub(super) fn private_inputs(bundle: &Bundle) -> BTreeSet<Cid> {
    let input = |entry: &Entry| match &entry.body {
        EntryBody::Step { op, request, outcome, input, .. } if op == "prove.start" => {
            input.or_else(|| outcome.is_some().then_some(*request))
        }
        _ => None,
    };
    let inputs = bundle.entries().iter().flatten().filter_map(input);
    inputs.filter(|cid| bundle.payloads().contains_key(cid)).collect()
}

/// Leaves payloads out of a bundle. With `cascade` also everything that would give them away; without, that is an error
/// which names it. `aside` is left out as well, and nobody looks for what gives that away.
pub fn redact(
    bundle: Bundle,
    redactions: &[Redaction],
    cascade: bool,
    aside: &BTreeSet<Cid>,
) -> Result<Bundle, RedactionError> {
    let places = Places::of(&bundle);
    let mut hidden = BTreeSet::new();
    for redaction in redactions {
        let named = places.named(&bundle, redaction);
        if named.is_empty() {
            return Err(RedactionError::Unknown(redaction.clone()));
        }
        hidden.extend(named);
    }
    let mut without: BTreeSet<Cid> = BTreeSet::new();
    loop {
        let mut giving: BTreeMap<Cid, String> = BTreeMap::new();
        let gone: BTreeSet<Cid> = hidden.union(aside).copied().collect();
        let given_away = Known::without(&bundle, &gone).given_away().filter(|(given, _)| hidden.contains(given));
        for (hidden, from) in given_away {
            let reason = format!("{} comes out again when what is left is run", places.name(hidden));
            giving.insert(from, format!("{}: {reason}", places.name(from)));
        }
        for (shown, hidden) in Traces::of(&bundle, &hidden).shown_by(&bundle, &gone, &without) {
            let reason = format!("something of {} stands there", places.name(hidden));
            giving.entry(shown).or_insert_with(|| format!("{}: {reason}", places.name(shown)));
        }
        for (receipt, hidden) in receipts_of(&bundle, &hidden).filter(|(receipt, _)| !without.contains(receipt)) {
            let reason = format!("it has the public output that {} says", places.name(hidden));
            giving.insert(receipt, format!("{}: {reason}", places.name(receipt)));
        }
        for (evidence, hidden) in evidence_of(&bundle, &hidden).filter(|(evidence, _)| !without.contains(evidence)) {
            let reason = format!("{} comes out again when it is verified", places.name(hidden));
            giving.insert(evidence, format!("{}: {reason}", places.name(evidence)));
        }
        if giving.is_empty() {
            break;
        }
        if !cascade {
            return Err(RedactionError::GivenAway(giving.into_values().collect()));
        }
        let (payloads, material): (Vec<Cid>, Vec<Cid>) =
            giving.into_keys().partition(|cid| bundle.payloads().contains_key(cid));
        hidden.extend(payloads);
        without.extend(material);
    }
    let mut parts = bundle.parts();
    parts.retain(|cid, _| !hidden.contains(cid) && !aside.contains(cid) && !without.contains(cid));
    let mut manifest: Manifest = bundle.manifest().clone();
    manifest.material.retain(|cid| !without.contains(cid));
    Ok(Bundle::assemble(manifest, parts)?)
}

/// Evidence in the bundle that a hidden verdict is about, each with that.
fn evidence_of<'a>(bundle: &'a Bundle, hidden: &'a BTreeSet<Cid>) -> impl Iterator<Item = (Cid, Cid)> + 'a {
    let judged = bundle.entries().iter().flatten().filter_map(|entry| match &entry.body {
        EntryBody::Step { op, request, outcome: Some(outcome), .. }
            if op == Verification::OP && hidden.contains(&outcome.cid()) =>
        {
            let verification = Verification::from_json(bundle.payloads().get(request)?.text()?).ok()?;
            Some((verification.evidence, outcome.cid()))
        }
        _ => None,
    });
    judged.filter(|(evidence, _)| bundle.material().contains_key(evidence))
}

/// Receipts in the bundle that back a hidden outcome, each with that.
fn receipts_of<'a>(bundle: &'a Bundle, hidden: &'a BTreeSet<Cid>) -> impl Iterator<Item = (Cid, Cid)> + 'a {
    let backed = bundle.entries().iter().flatten().filter_map(|entry| match &entry.body {
        EntryBody::Outcome { result, evidence, .. } if hidden.contains(&result.cid()) => {
            Some(evidence.iter().map(|receipt| (*receipt, result.cid())))
        }
        _ => None,
    });
    backed.flatten().filter(|(receipt, _)| bundle.material().contains_key(receipt))
}

/// Where payloads are named.
struct Places {
    /// By payload: the first entry that names it, and its role there.
    first: BTreeMap<Cid, String>,
}

impl Places {
    fn of(bundle: &Bundle) -> Self {
        let mut first = BTreeMap::new();
        for entry in bundle.entries().iter().flatten() {
            for (role, cid) in entry.body.payloads() {
                first.entry(cid).or_insert_with(|| format!("{}#{}:{role}", entry.actor.local(), entry.seq));
            }
        }
        Self { first }
    }

    fn name(&self, cid: Cid) -> String {
        self.first.get(&cid).cloned().unwrap_or_else(|| format!("blob {cid}"))
    }

    fn named(&self, bundle: &Bundle, redaction: &Redaction) -> Vec<Cid> {
        let subject = &bundle.manifest().histories[0].actor;
        let mut named = Vec::new();
        for entries in bundle.entries() {
            let mut received = BTreeSet::new();
            for entry in entries {
                let wanted = |role: &str| match redaction {
                    Redaction::Inputs => role == "message" || is_received(entry, &received),
                    Redaction::Entry { actor, seq, role: wanted } => {
                        *seq == entry.seq
                            && is_of(&entry.actor, actor.as_deref(), subject)
                            && wanted.as_ref().is_none_or(|wanted| wanted == role)
                    }
                };
                named.extend(entry.body.payloads().into_iter().filter(|(role, _)| wanted(role)).map(|(_, cid)| cid));
                note_receive(entry, &mut received);
            }
        }
        named.retain(|cid| bundle.payloads().contains_key(cid));
        named
    }
}

fn is_of(actor: &ActorAddress, wanted: Option<&str>, subject: &ActorAddress) -> bool {
    wanted.map_or_else(|| actor == subject, |wanted| actor.local() == wanted)
}

/// Remembers the steps of an open turn that receive.
fn note_receive(entry: &Entry, receiving: &mut BTreeSet<u32>) {
    match &entry.body {
        EntryBody::TurnStarted { .. } => receiving.clear(),
        EntryBody::Step { n, op, .. } if op.starts_with("receive") => drop(receiving.insert(*n)),
        _ => {}
    }
}

fn is_received(entry: &Entry, receiving: &BTreeSet<u32>) -> bool {
    matches!(&entry.body, EntryBody::Outcome { n, result: Resolution::Ok(_), .. } if receiving.contains(n))
}

#[cfg(test)]
mod tests;
