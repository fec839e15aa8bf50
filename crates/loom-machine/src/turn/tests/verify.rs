//! Steps that have evidence verified.

use super::*;
use crate::{ActorSpec, Verification};

fn evidence() -> Cid {
    Cid::of(Codec::Raw, b"evidence")
}

fn request(verifier: &str) -> String {
    format!(r#"{{"op":"verify","verifier":"{verifier}","evidence":"{}","args":{{"x":1}}}}"#, evidence())
}

fn journaled(bench: &Bench) -> Vec<Verification> {
    let steps = bench.journal.iter().filter_map(|(_, body)| match body {
        EntryBody::Step { request, outcome: Some(_), .. } => Some(bench.payloads[request].text().unwrap()),
        _ => None,
    });
    steps.map(|text| Verification::from_json(text).expect(text)).collect()
}

/// A deployment like the other, but with another module, another policy, or no verifiers at all.
fn other(verifiers: bool) -> (Cid, Arc<Deployment>) {
    let actor = ActorSpec::new(Cid::of(Codec::Raw, b"actor"), GuestLimits::default());
    let plain = Deployment::new("tests", [("tester".to_owned(), actor)].into(), Default::default()).unwrap();
    let verifier = |policy: &str| VerifierSpec {
        kind: VerifierKind::Tlsnotary,
        module: Cid::of(Codec::Raw, b"another verifier"),
        limits: VerifierSpec::limits_default(),
        policy: policy.to_owned(),
    };
    let named = [("pages".to_owned(), verifier(r#"{"keys":[]}"#))];
    let deployment = if verifiers { plain.with_verifiers(named.into()).unwrap() } else { plain };
    (deployment.cid(), Arc::new(deployment))
}

#[test]
fn everything_that_a_verdict_depends_on_is_journaled() {
    let mut bench = Bench::new();
    let verdict = format!(r#"{{"ok":{{"accepted":true,"evidence":"{}"}}}}"#, evidence());
    assert_eq!(bench.ask(&request("pages")), verdict);
    assert_eq!(bench.ask(&request("receipts")), verdict);
    assert!(bench.commit().is_empty());
    let pages = Verification {
        verifier: "pages".to_owned(),
        kind: VerifierKind::Tlsnotary,
        module: Cid::of(Codec::Raw, b"verifier"),
        policy: r#"{"keys":["k"]}"#.to_owned(),
        // When the turn began, not when it asked.
        at_ms: Some(1000),
        evidence: evidence(),
        args: Some(r#"{"x":1}"#.to_owned()),
    };
    let receipts = Verification {
        verifier: "receipts".to_owned(),
        kind: VerifierKind::Risc0,
        policy: "{}".to_owned(),
        at_ms: None,
        ..pages.clone()
    };
    assert_eq!(journaled(&bench), [pages, receipts]);
}

#[test]
fn a_replay_gets_the_recorded_verdict_and_verifies_nothing() {
    let mut bench = Bench::new();
    let first = bench.ask(&request("pages"));
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    assert!(matches!(again.try_ask(&request("pages")).unwrap(), Reaction::Answer(answer) if answer == first));
    assert!(again.turn.pending().is_empty());
    let twisted = [
        request("receipts"),
        request("pages").replace("\"x\":1", "\"x\":2"),
        request("pages").replace(&evidence().to_string(), &Cid::of(Codec::Raw, b"other").to_string()),
    ];
    for other in twisted {
        assert!(bench.restored(bench.journal.len()).try_ask(&other).is_err(), "{other}");
    }
}

#[test]
fn a_verifier_that_the_deployment_does_not_have_is_a_refusal() {
    let mut bench = Bench::new();
    let answer = bench.ask(&request("passports"));
    assert!(answer.contains("unknown-verifier") && answer.contains("it has: pages, receipts"), "{answer}");
    bench.commit();
    assert_eq!(bench.restored(bench.journal.len()).ask(&request("passports")), answer);
}

/// What an operator deploys to mend an actor may have other verifiers; what they said before stands.
#[test]
fn a_verdict_that_a_reset_keeps_stays_what_it_was() {
    let mut bench = Bench::new();
    let first = bench.ask(&request("pages"));
    bench.ask(r#"{"op":"now"}"#);
    bench.commit();
    for verifiers in [true, false] {
        let mut bench = bench.restored(bench.journal.len());
        let mut ambient = Ambient { now_ms: 2000, salts: &mut bench.salts, directory: &Knows, inputs: None };
        let to = Some(other(verifiers));
        bench.turn.reset(SequenceNumber(2), SequenceNumber(1), to, "admin", &mut ambient).unwrap();
        assert!(matches!(bench.try_ask(&request("pages")).unwrap(), Reaction::Answer(answer) if answer == first));
        // From here on the other deployment says what there is.
        let next = bench.try_ask(&request("pages")).unwrap();
        match (verifiers, next) {
            (true, Reaction::Run(Task::Verify { verification })) => {
                assert_eq!((&*verification.policy, verification.at_ms), (r#"{"keys":[]}"#, Some(1000)));
            }
            (false, Reaction::Answer(answer)) => assert!(answer.contains("unknown-verifier"), "{answer}"),
            (_, next) => panic!("{next:?}"),
        }
    }
}

#[test]
fn a_journal_with_a_verification_and_no_verdict_is_corrupt() {
    let mut bench = Bench::new();
    bench.ask(&request("pages"));
    bench.commit();
    let last = bench.journal.len() - 1;
    let (_, EntryBody::Step { outcome, .. }) = &mut bench.journal[last] else { panic!("a step") };
    *outcome = None;
    assert!(bench.try_restored(last + 1).is_err());
}
