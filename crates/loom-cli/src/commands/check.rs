//! What a check of a deployment found, for people and for programs.

use std::{collections::BTreeMap, io::IsTerminal as _};

use loom_client::{CheckReport, CheckedTurn};

use crate::{CliError, output};

/// Says what takes a while.
pub(super) fn announce(turns: usize) {
    if std::io::stderr().is_terminal() {
        eprintln!("replaying open turns and up to {turns} finished ones");
    }
}

/// Prints everything; turns that diverged make it an error.
pub(super) fn conclude(report: &CheckReport, json: bool) -> Result<(), CliError> {
    if json {
        output::print_json(report);
    } else {
        output::print(format_args!("{}", told(report)));
    }
    match report.diverged {
        0 => Ok(()),
        diverged => Err(CliError::new(
            "deployment-diverges",
            format!("{diverged} of {} turns would not do again what their journals say", report.turns.len()),
        )
        .exit(4)),
    }
}

/// The same where a deployment depends on it.
pub(super) fn insist(report: &CheckReport) -> Result<(), CliError> {
    if report.diverged == 0 {
        return Ok(());
    }
    eprint!("{}", told(report));
    let open = format!("{} open turns would not do again what their journals say", report.diverged);
    Err(CliError::new("deployment-diverges", format!("{open}; nothing was activated"))
        .hint("without --require-check it is activated for new turns, and open ones stay with theirs")
        .exit(4))
}

/// A word on open turns that diverge: nothing breaks, they stay with the deployment they began with.
pub(super) fn mention(report: &CheckReport) {
    if report.diverged > 0 {
        eprint!("{}", told(report));
        eprintln!("they go on under the deployment they are pinned to; do not reset them to this one");
    }
}

/// Actors and what became of their turns, the first difference of each with both doings one under the other.
fn told(report: &CheckReport) -> String {
    let mut by_actor: BTreeMap<&str, Vec<&CheckedTurn>> = BTreeMap::new();
    for turn in &report.turns {
        by_actor.entry(&turn.actor).or_default().push(turn);
    }
    let mut text = String::new();
    for (actor, mut turns) in by_actor {
        turns.sort_by_key(|turn| turn.turn);
        let agreed = turns.iter().filter(|turn| turn.verdict == "agrees").count();
        if agreed > 0 {
            let turns = if agreed == 1 { "1 turn".to_owned() } else { format!("{agreed} turns") };
            text.push_str(&format!("{actor}  agrees in {turns}\n"));
        }
        turns.iter().filter(|turn| turn.verdict != "agrees").for_each(|turn| text.push_str(&line(actor, turn)));
    }
    let CheckReport { deployment, agreed, diverged, impossible, .. } = report;
    text.push_str(&format!("{deployment}: {agreed} agree, {diverged} diverge, {impossible} cannot be replayed\n"));
    if report.left_out {
        text.push_str("not every turn was looked at: a limit or the time did not allow it\n");
    }
    text
}

fn line(actor: &str, turn: &CheckedTurn) -> String {
    let number = format!("turn {}{}", turn.turn, if turn.open { " (open)" } else { "" });
    match (&turn.difference, &turn.reason) {
        (Some(difference), _) => {
            let place = difference.step.map_or("its end".to_owned(), |step| format!("step {step}"));
            format!(
                "{actor}  diverges at {number}, {place}, entry {}\n    journal  {}\n    guest    {}\n    \
                 modules  {} in the journal\n             {} now\n",
                difference.seq,
                difference.journal,
                difference.guest,
                difference.journal_module,
                difference.guest_module
            )
        }
        (None, reason) => {
            format!("{actor}  {number} cannot be replayed: {}\n", reason.as_deref().unwrap_or("no reason is given"))
        }
    }
}
