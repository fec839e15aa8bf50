//! A worker without the rest of Loom, for tests of the crate: `loom-prover-worker PO2 FOLDER` makes the receipt of a job
//! in segments of at most 2^PO2 cycles. Nodes start `loom worker --only prove`, which does the same.

use std::{io::Write as _, process::ExitCode};

use loom_prover::{Event, IfBusy, Job, Limits, WorkError, work};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, po2, folder] = &arguments[..] else { return ExitCode::from(2) };
    let limits = Limits { segment_po2: po2.parse().ok(), ..Limits::default() };
    let ended = work(&Job::open(folder), &limits, IfBusy::Wait, say).map(drop);
    match ended {
        Ok(()) => return ExitCode::SUCCESS,
        Err(WorkError::Refused(reason)) => say(Event::Refused { reason }),
        Err(error) => say(Event::Failed { detail: error.to_string() }),
    }
    ExitCode::FAILURE
}

fn say(event: Event) {
    let line = serde_json::to_string(&event).unwrap_or_default();
    // Whoever reads may be gone; then the work is done for whoever comes next.
    let _ = writeln!(std::io::stdout(), "{line}");
}
