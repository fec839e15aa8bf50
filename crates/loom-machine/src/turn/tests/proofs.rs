//! Steps that ask for a proof.

use super::*;

const INCOME: &str =
    r#"{"op":"prove.start","program":"dti","input":{"media_type":"text/plain","base64":"NTAwMA=="},"public":"AQI="}"#;

fn steps(bench: &Bench) -> Vec<EntryBody> {
    let bodies = bench.journal.iter().map(|(_, body)| body.clone());
    bodies.filter(|body| matches!(body, EntryBody::Step { .. })).collect()
}

fn request_of(bench: &Bench, step: &EntryBody) -> String {
    let EntryBody::Step { request, .. } = step else { panic!("{step:?}") };
    bench.payloads[request].text().unwrap().to_owned()
}

#[test]
fn the_input_is_a_payload_of_its_own_and_the_request_does_not_have_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(INCOME), r#"{"ok":0}"#);
    assert_eq!(bench.commit(), [Effect::StartProof { n: 0 }]);
    let step = steps(&bench).remove(0);
    let image_id = "07".repeat(32);
    let request = format!(r#"{{"op":"prove.start","program":"dti","image_id":"{image_id}","public":"AQI="}}"#);
    assert_eq!(request_of(&bench, &step), request);
    let EntryBody::Step { input: Some(input), outcome: None, .. } = step else { panic!("{step:?}") };
    assert_eq!(step.payloads().iter().map(|(role, _)| *role).collect::<Vec<_>>(), ["request", "input"]);
    let payload = &bench.payloads[&input];
    assert_eq!((payload.media_type(), &payload.value()[..]), ("text/plain", &b"5000"[..]));
    assert_eq!(bench.turn.private_input(0), Some(payload));
    let work = bench.turn.outstanding_work(0).cloned().unwrap();
    let expected = Work::Proof { program: "dti".into(), image_id: ImageId([7; 32]), public: [1, 2].into(), input };
    assert_eq!(work, expected);
    // A restarted node waits for the same.
    let again = bench.restored(bench.journal.len());
    assert_eq!(again.turn.outstanding_work(0), Some(&expected));
    assert_eq!(again.turn.private_input(0), Some(payload));
}

#[test]
fn equal_inputs_are_one_block() {
    let mut bench = Bench::new();
    let other = INCOME.replace("NTAwMA==", "NTAwMQ==");
    for request in [INCOME, &other, INCOME] {
        bench.ask(request);
    }
    bench.commit();
    let inputs: Vec<_> = steps(&bench)
        .into_iter()
        .map(|step| if let EntryBody::Step { input, .. } = step { input.unwrap() } else { unreachable!() })
        .collect();
    assert!(inputs[0] == inputs[2] && inputs[0] != inputs[1], "{inputs:?}");
}

#[test]
fn an_outcome_is_awaited_and_replayed() {
    let mut bench = Bench::new();
    bench.ask(INCOME);
    assert_eq!(bench.ask(r#"{"op":"await","handles":[0],"mode":"all"}"#), "…");
    assert_eq!(bench.complete(0, "1"), Completion::Answer(r#"{"ok":[{"ok":1}]}"#.into()));
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    assert_eq!(again.ask(INCOME), r#"{"ok":0}"#);
    assert_eq!(again.ask(r#"{"op":"await","handles":[0],"mode":"all"}"#), r#"{"ok":[{"ok":1}]}"#);
    assert!(again.turn.take_pending().is_empty());
}

#[test]
fn another_input_diverges_and_does_not_say_what_it_is() {
    let mut bench = Bench::new();
    bench.ask(INCOME);
    bench.commit();
    for other in [
        INCOME.replace("NTAwMA==", "NTAwMQ=="),
        INCOME.replace("text/plain", "text/html"),
        INCOME.replace("AQI=", "AQM="),
        INCOME.replace(r#","public":"AQI=""#, ""),
    ] {
        let divergence = bench.restored(bench.journal.len()).try_ask(&other).unwrap_err();
        assert_ne!(divergence.expected, divergence.actual, "{other}");
        let text = divergence.to_string();
        assert!(!text.contains("NTAwM") && !text.contains("5000") && !text.contains("5001"), "{text}");
    }
}

/// A bundle without the input: what the guest hands over cannot be compared, all else is.
#[test]
fn what_was_left_out_is_not_compared() {
    let mut bench = Bench::new();
    bench.ask(INCOME);
    bench.commit();
    let EntryBody::Step { input: Some(input), .. } = steps(&bench).remove(0) else { panic!("it has one") };
    bench.payloads.remove(&input);
    let restored = || bench.restored(bench.journal.len());
    assert_eq!(restored().turn.private_input(0), None);
    assert_eq!(restored().ask(INCOME), r#"{"ok":0}"#);
    assert_eq!(restored().ask(&INCOME.replace("NTAwMA==", "NTAwMQ==")), r#"{"ok":0}"#);
    assert!(restored().try_ask(&INCOME.replace("AQI=", "AQM=")).is_err());
    assert!(restored().try_ask(r#"{"op":"now"}"#).is_err());
}

#[test]
fn refusals_are_journaled_and_do_not_depend_on_the_node_that_replays() {
    let unknown = INCOME.replace("dti", "ltv");
    let mut bench = Bench::new();
    bench.can_prove = false;
    assert!(bench.ask(INCOME).contains(r#""kind":"no-prover""#));
    let answer = bench.ask(&unknown);
    assert!(answer.contains("unknown-program") && answer.contains("it has: dti"), "{answer}");
    assert!(bench.commit().is_empty());
    // Of the first, the program and so the salt are known; the second is the guest's own text.
    let steps = steps(&bench);
    assert!(matches!(steps[0], EntryBody::Step { input: Some(_), outcome: Some(_), .. }));
    assert!(matches!(steps[1], EntryBody::Step { input: None, outcome: Some(_), .. }));
    assert_eq!(request_of(&bench, &steps[1]), unknown);
    for can_prove in [false, true] {
        let mut again = bench.restored(bench.journal.len());
        again.can_prove = can_prove;
        assert!(again.ask(INCOME).contains("no-prover"));
        assert!(again.ask(&unknown).contains("unknown-program"));
        assert!(again.try_ask(INCOME).is_ok() && !again.turn.take_pending().is_empty(), "what comes next is new");
    }
}

#[test]
fn a_journal_whose_proof_has_no_input_is_corrupt() {
    let mut bench = Bench::new();
    bench.ask(INCOME);
    bench.commit();
    let last = bench.journal.len() - 1;
    let (_, EntryBody::Step { input, .. }) = &mut bench.journal[last] else { panic!("a step") };
    *input = None;
    assert!(bench.try_restored(last + 1).is_err());
}
