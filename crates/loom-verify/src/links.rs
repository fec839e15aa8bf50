//! Histories side by side: a message is the one that another actor sent, an answer the one that another actor gave.
//!
//! One value is one block, under one salt. A message's payload is named by the step that sent it and by the turn that
//! took it, an answer's by the turn or step that gave it and by the outcome that carries it. Where both sides are in
//! the file, neither is anybody's word any more: it rests on the other side's turn.

use std::collections::{BTreeMap, HashMap, HashSet};

use loom_evidence::Bundle;
use loom_machine::Message;
use loom_types::{ActorAddress, Cid, Entry, EntryBody, Resolution, StepRef, TurnNumber, TurnResult};

use crate::{Class, Report, anchor::Anchors};

/// What running a turn again has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    /// Its steps came out again.
    pub(crate) steps: bool,
    /// And so did its end.
    pub(crate) end: bool,
}

/// What is known of each turn, by history.
pub(crate) type Runs = Vec<BTreeMap<TurnNumber, Ran>>;

/// Compares the histories of a bundle with one another. `anchors`: trusted keys that vouch
/// for each history.
pub(crate) fn check(bundle: &Bundle, runs: &Runs, anchors: &Anchors, report: &mut Report) {
    let links = Links::find(bundle);
    let mut causes = Vec::new();
    let mut stronger = HashMap::new();
    for (message, taken) in links.taken.iter().flat_map(|(message, all)| all.iter().map(move |it| (message, it))) {
        match links.sent.get(message) {
            Some(sent) => {
                causes.push((sent.entry.at, taken.entry.at));
                let ran = runs[sent.entry.at.history].get(&sent.entry.turn).is_some_and(|ran| ran.steps);
                let from = format!("{} turn {} step {}", sent.entry.actor, sent.entry.turn, sent.n);
                let (class, how) = weight(ran, !anchors[sent.entry.at.history].is_empty());
                stronger.insert(taken.subject(), (class, format!("sent by {from}, which {how}")));
            }
            None => links.contradict_sender(bundle, *message, taken, report),
        }
    }
    let (takers, nobody) = (links.takers(), BTreeMap::new());
    let mut gave = HashMap::new();
    let mut is_over = HashMap::new();
    for answered in &links.outcomes {
        let taken = links.taken.get(&answered.message).map(Vec::as_slice).unwrap_or_default();
        // A file may have the same question and the same answer as often as it likes.
        let key = (answered.message, answered.result.cid());
        let given = *gave
            .entry(key)
            .or_insert_with(|| links.given_to(takers.get(&answered.message).unwrap_or(&nobody), answered.result.cid()));
        let (is_over, may_be_nothing) = *is_over.entry(answered.message).or_insert_with(|| {
            (taken.iter().all(|it| links.is_over(it)), taken.iter().any(|it| links.may_answer_nothing(it)))
        });
        match (given, answered.result) {
            (Some(given), _) => {
                causes.push((given.entry.at, answered.entry.at));
                let ran = runs[given.entry.at.history].get(&given.entry.turn);
                let ran = ran.is_some_and(|ran| if given.at_end { ran.end } else { ran.steps });
                let (class, how) = weight(ran, !anchors[given.entry.at.history].is_empty());
                let from = format!("{} turn {}", given.entry.actor, given.entry.turn);
                stronger.insert(answered.subject(), (class, format!("answered by {from}, which {how}")));
            }
            // Failures may be the host's: a deadline, a cancellation.
            (None, Resolution::Ok(answer)) if may_be_nothing && is_nothing(bundle, answer) => {}
            (None, Resolution::Ok(_)) if !taken.is_empty() && is_over => {
                let reason = format!("{} took the message and did not give this answer", taken[0].entry.actor);
                report.contradiction(answered.entry.of(bundle), reason);
            }
            (None, _) => {}
        }
    }
    report.strengthen(&stronger);
    if let Some(at) = in_a_circle(bundle, &causes) {
        let entry = &bundle.entries()[at.history][at.place];
        report.contradiction(entry, "what happens here is the cause of itself, by way of other entries");
    }
}

/// Operations that send a message.
pub(crate) fn is_sending(op: &str) -> bool {
    matches!(op, "call" | "call.start" | "send" | "spawn")
}

fn weight(ran: bool, is_anchored: bool) -> (Class, &'static str) {
    match (ran, is_anchored) {
        (true, _) => (Class::ReExecuted, "was run again"),
        (false, true) => (Class::Attested, "was not run again, and stands in the log"),
        (false, false) => (Class::Claimed, "was not run again"),
    }
}

/// An entry's place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct At {
    history: usize,
    place: usize,
}

/// An entry, as far as links need it.
#[derive(Clone, Copy)]
struct Named<'a> {
    at: At,
    actor: &'a ActorAddress,
    turn: TurnNumber,
}

impl Named<'_> {
    fn of<'b>(&self, bundle: &'b Bundle) -> &'b Entry {
        &bundle.entries()[self.at.history][self.at.place]
    }
}

/// A step that sent a message.
struct Sent<'a> {
    entry: Named<'a>,
    n: u32,
}

/// A turn that took a message, at its beginning or with a `receive`.
struct Taken<'a> {
    entry: Named<'a>,
    /// The step that received it, inside the turn, and its operation.
    received: Option<(u32, &'a str)>,
}

impl Taken<'_> {
    fn subject(&self) -> String {
        let Self { entry: Named { actor, turn, .. }, received } = self;
        match received {
            None => format!("{actor} turn {turn} message"),
            Some((n, op)) => format!("{actor} turn {turn} step {n} {op}"),
        }
    }
}

/// What answers a message: the end of a turn, or a `reply`.
#[derive(Clone, Copy)]
struct Given<'a> {
    entry: Named<'a>,
    at_end: bool,
}

/// An outcome that is another actor's answer, or says that there was none.
struct Answered<'a> {
    entry: Named<'a>,
    n: u32,
    op: &'a str,
    message: Cid,
    result: Resolution,
}

impl Answered<'_> {
    fn subject(&self) -> String {
        format!("{} turn {} step {} {}", self.entry.actor, self.entry.turn, self.n, self.op)
    }
}

#[derive(Default)]
struct Links<'a> {
    sent: HashMap<Cid, Sent<'a>>,
    /// More than one where a message was tried again.
    taken: BTreeMap<Cid, Vec<Taken<'a>>>,
    /// By payload; by the first of the turns that went on in each other's place. The last of them that gave it.
    given: HashMap<Cid, BTreeMap<TurnAt, Given<'a>>>,
    outcomes: Vec<Answered<'a>>,
    /// Turns that are whole in the file.
    over: HashSet<TurnAt>,
    /// Turns that went on in another's place: the first of them.
    first: HashMap<TurnAt, TurnAt>,
    /// Of these the last is whole in the file, and so are all before it.
    answered: HashSet<TurnAt>,
    histories: HashMap<&'a ActorAddress, usize>,
}

/// A turn of a history.
type TurnAt = (usize, TurnNumber);

impl<'a> Links<'a> {
    fn find(bundle: &'a Bundle) -> Self {
        let histories = bundle.manifest().histories.iter().map(|history| &history.actor).zip(0..).collect();
        let mut links = Self { histories, ..Self::default() };
        for (history, entries) in bundle.entries().iter().enumerate() {
            let mut steps: HashMap<u32, (&str, Cid)> = HashMap::new();
            let (mut began, mut goes_on) = (None, false);
            for (place, entry) in entries.iter().enumerate() {
                let named = Named { at: At { history, place }, actor: &entry.actor, turn: entry.turn };
                match &entry.body {
                    EntryBody::TurnStarted { message, .. } => {
                        steps.clear();
                        began = Some(entry.turn);
                        // A turn that goes on as another was sent by nobody.
                        if !std::mem::take(&mut goes_on) {
                            links.taken.entry(*message).or_default().push(Taken { entry: named, received: None });
                        }
                    }
                    EntryBody::Step { n, op, request, outcome, .. } => {
                        steps.insert(*n, (op, *request));
                        let is_refused = matches!(outcome, Some(Resolution::Err(_)));
                        if is_sending(op) && !is_refused {
                            links.sent.entry(*request).or_insert(Sent { entry: named, n: *n });
                        }
                        if let ("reply", Some(Resolution::Ok(answer))) = (op.as_str(), outcome) {
                            links.gives(*answer, Given { entry: named, at_end: false });
                        }
                    }
                    EntryBody::Outcome { n, result, .. } => {
                        let Some((op, request)) = steps.get(n).copied() else { continue };
                        if is_sending(op) {
                            let (n, message, result) = (*n, request, *result);
                            links.outcomes.push(Answered { entry: named, n, op, message, result });
                        } else if let ("receive" | "receive.start", Resolution::Ok(message)) = (op, result) {
                            let taken = Taken { entry: named, received: Some((*n, op)) };
                            links.taken.entry(*message).or_default().push(taken);
                        }
                    }
                    EntryBody::TurnEnded { result, .. } if began == Some(entry.turn) => {
                        goes_on = matches!(result, TurnResult::Restarted(_));
                        let (turn, first) = ((history, entry.turn), links.first_of((history, entry.turn)));
                        links.over.insert(turn);
                        if goes_on {
                            links.first.insert((history, entry.turn.next()), first);
                        } else {
                            links.answered.insert(first);
                            links.gives(result.cid(), Given { entry: named, at_end: true });
                        }
                    }
                    _ => {}
                }
            }
        }
        links
    }

    fn gives(&mut self, answer: Cid, given: Given<'a>) {
        let first = self.first_of((given.entry.at.history, given.entry.turn));
        let known = self.given.entry(answer).or_default().entry(first).or_insert(given);
        if known.entry.turn < given.entry.turn {
            *known = given;
        }
    }

    /// The turn in whose place this one went on, or this one.
    fn first_of(&self, turn: TurnAt) -> TurnAt {
        self.first.get(&turn).copied().unwrap_or(turn)
    }

    /// Where one of the turns that took a message, or one that went on in its place, gave this answer. The shorter list
    /// is walked: both are as long as whoever made the file likes.
    fn given_to(&self, takers: &BTreeMap<TurnAt, TurnNumber>, answer: Cid) -> Option<Given<'a>> {
        let given = self.given.get(&answer)?;
        // Nobody answers what they take only later.
        let is_after = |given: &Given<'a>, taken: TurnNumber| given.entry.turn >= taken;
        if takers.len() <= given.len() {
            let by = |(turn, taken): (&TurnAt, &TurnNumber)| given.get(turn).filter(|given| is_after(given, *taken));
            return takers.iter().find_map(by).copied();
        }
        given
            .iter()
            .find(|(turn, given)| takers.get(turn).is_some_and(|taken| is_after(given, *taken)))
            .map(|(_, it)| *it)
    }

    /// Of each message the turns that took it, as the first of those that went on in each other's place; and which of
    /// these took it first.
    fn takers(&self) -> HashMap<Cid, BTreeMap<TurnAt, TurnNumber>> {
        let mut takers: HashMap<Cid, BTreeMap<TurnAt, TurnNumber>> = HashMap::new();
        for (message, taken) in self.taken.iter().flat_map(|(message, all)| all.iter().map(move |it| (*message, it))) {
            let (turn, turns) = (taken.entry.turn, takers.entry(message).or_default());
            let earliest = turns.entry(self.first_of((taken.entry.at.history, turn))).or_insert(turn);
            *earliest = turn.min(*earliest);
        }
        takers
    }

    /// Whether all that could have answered the message is in the file.
    fn is_over(&self, taken: &Taken<'_>) -> bool {
        self.answered.contains(&self.first_of((taken.entry.at.history, taken.entry.turn)))
    }

    /// A turn that goes on as another answers what it received, and has not answered, with `null`. That stands in none of
    /// its entries.
    fn may_answer_nothing(&self, taken: &Taken<'_>) -> bool {
        let next = (taken.entry.at.history, taken.entry.turn.next());
        taken.received.is_some() && self.first.contains_key(&next)
    }

    /// A message that names a step which the file has, and which sent something else.
    fn contradict_sender(&self, bundle: &Bundle, message: Cid, taken: &Taken<'_>, report: &mut Report) {
        let Some(payload) = bundle.payloads().get(&message) else { return };
        let Ok(Message { id, .. }) = Message::decode(payload.value()) else { return };
        let Some((sender, StepRef { turn, n })) = id.sender() else { return };
        let Some(history) = self.histories.get(&sender) else { return };
        if self.over.contains(&(*history, turn)) {
            report.contradiction(
                taken.entry.of(bundle),
                format!("{sender} did not send this message in step {n} of turn {turn}"),
            );
        }
    }
}

/// Whether the answer is `null`, as far as the file says.
fn is_nothing(bundle: &Bundle, answer: Cid) -> bool {
    bundle.payloads().get(&answer).is_none_or(|payload| payload.value().as_ref() == b"null")
}

/// An entry that is a cause of itself. Entries follow those before them in their history, a message's taking follows
/// its sending, and an outcome follows the answer.
fn in_a_circle(bundle: &Bundle, causes: &[(At, At)]) -> Option<At> {
    let mut effects: HashMap<At, Vec<At>> = HashMap::new();
    let mut waits_for: HashMap<At, usize> = HashMap::new();
    for (cause, effect) in causes {
        effects.entry(*cause).or_default().push(*effect);
        *waits_for.entry(*effect).or_default() += 1;
    }
    // How far each history can be told with nothing coming from nowhere.
    let mut told = vec![0; bundle.entries().len()];
    let mut open: Vec<usize> = (0..told.len()).collect();
    while let Some(history) = open.pop() {
        while told[history] < bundle.entries()[history].len() {
            let at = At { history, place: told[history] };
            if waits_for.get(&at).is_some_and(|waits| *waits > 0) {
                break;
            }
            told[history] += 1;
            for effect in effects.remove(&at).into_iter().flatten() {
                *waits_for.get_mut(&effect).expect("it waits for this") -= 1;
                open.push(effect.history);
            }
        }
    }
    let stuck = |history: &usize| told[*history] < bundle.entries()[*history].len();
    (0..told.len()).find(stuck).map(|history| At { history, place: told[history] })
}
