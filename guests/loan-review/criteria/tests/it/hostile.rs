//! Hostile programs: what a lender uploads, and the facts of an application, separated by a line `---`. The fuzzer
//! `fuzz/fuzz_targets/criteria.rs` has the same body.

use std::collections::BTreeSet;

use criteria::{Facts, Program, evaluate};

/// A program that is read applies to any facts without a panic, to the same review each time, and every criterion
/// lands in one list at most.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (program, facts) = text.split_once("\n---\n").unwrap_or((text, "{}"));
    let Ok(program) = Program::parse(program) else {
        return;
    };
    let Ok(facts) = serde_json::from_str::<Facts>(facts) else {
        return;
    };
    let overlays = program.overlays().iter();
    let states = overlays.flat_map(|overlay| overlay.states.iter().map(|state| Some(&**state)));
    for state in states.chain([None, Some("CA")]) {
        review(&program, state, &facts);
    }
}

fn review(program: &Program, state: Option<&str>, facts: &Facts) {
    let Ok(review) = evaluate(program, state, facts) else {
        return;
    };
    assert_eq!(evaluate(program, state, facts).as_ref(), Ok(&review));
    let lists = [&review.met, &review.missed, &review.unknown];
    let ids: Vec<_> = lists.into_iter().flatten().collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "a criterion has one outcome");
}
