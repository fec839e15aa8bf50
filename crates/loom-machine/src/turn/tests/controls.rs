//! What operators do to a turn.

use super::*;

#[test]
fn a_cancelled_guest_is_told_and_may_clean_up() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"timer.start","ms":5}"#);
    assert_eq!(bench.ask(r#"{"op":"call","to":"known/b","body":1}"#), "…");
    bench.commit();
    let Completion::Answer(answer) = bench.cancel("enough") else { panic!("the guest waits") };
    assert_eq!(answer, r#"{"err":{"kind":"cancelled","message":"enough","retryable":false}}"#);
    assert!(matches!(bench.commit()[..], [Effect::ClearTimer { n: 0, .. }, Effect::ClearTimer { n: 1, .. }]));
    assert!(bench.ask(r#"{"op":"send","to":"known/b","body":"undo"}"#).starts_with(r#"{"ok""#));
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    again.ask(r#"{"op":"timer.start","ms":5}"#);
    assert_eq!(again.ask(r#"{"op":"call","to":"known/b","body":1}"#), answer);
}

#[test]
fn a_turn_can_be_failed_even_where_its_replay_diverged() {
    let mut bench = Bench::with_state(Some("1"));
    bench.ask(r#"{"op":"now"}"#);
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    assert!(again.try_ask(r#"{"op":"uuid"}"#).is_err());
    let mut ambient = Ambient { now_ms: 9, salts: &mut again.salts, directory: &Knows };
    again.turn.note(&Control::FailTurn { reason: "broken".into() }, "admin", &mut ambient);
    let ended = again.turn.fail(Failure::new("turn-failed", "broken"), 0, &mut ambient);
    assert!(matches!(ended.outcome, Outcome::Err(_)));
    let kinds: Vec<_> = again.turn.pending().entries.iter().map(|(_, body)| body.kind()).collect();
    assert_eq!(kinds, ["control", "turn-ended"]);
}

#[test]
fn a_reset_forgets_steps_but_neither_numbers_nor_outcomes() {
    let mut bench = Bench::new();
    let call = r#"{"op":"call.start","to":"known/b","body":1}"#;
    assert_eq!(bench.ask(call), r#"{"ok":0}"#); // entry 2 of the journal, after the turn's start
    bench.ask(r#"{"op":"send","to":"known/b","body":"wrong"}"#);
    bench.ask(r#"{"op":"timer.start","ms":5}"#);
    bench.complete(0, "7");
    bench.commit();
    assert_eq!(
        bench.reset(9),
        Err(ResetError::NotInTurn { to: SequenceNumber(9), first: SequenceNumber(1), last: SequenceNumber(5) })
    );
    bench.reset(2).unwrap();
    assert!(matches!(bench.commit()[..], [Effect::ClearTimer { n: 2, .. }]));
    let mut restored = bench.restored(bench.journal.len());
    for bench in [&mut bench, &mut restored] {
        assert!(bench.turn.is_replaying());
        assert_eq!(bench.ask(call), r#"{"ok":0}"#);
        assert!(!bench.turn.is_replaying(), "the other steps are forgotten");
        let sent = bench.ask(r#"{"op":"send","to":"known/b","body":"right"}"#);
        assert_eq!(sent, r#"{"ok":"default/tester/a#1.3"}"#, "under a number that was never used");
        assert_eq!(bench.ask(r#"{"op":"await","handles":[0],"mode":"all"}"#), r#"{"ok":[{"ok":7}]}"#);
    }
    bench.commit();
    bench.reset(1).unwrap();
    assert!(!bench.turn.is_replaying());
    assert_eq!(bench.ask(call), r#"{"ok":4}"#, "a second reset counts on as well");
}

#[test]
fn what_a_forgotten_step_received_comes_again() {
    let mut bench = Bench::new();
    let message = Message::of_client("m2".parse().unwrap(), "default/tester/a".parse().unwrap(), "5".into());
    assert_eq!(bench.ask(r#"{"op":"receive"}"#), "…");
    let payload = Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut bench.salts);
    bench.turn.receive(0, payload, 5);
    bench.commit();
    bench.reset(1).unwrap();
    bench.commit();
    let mut restored = bench.restored(bench.journal.len());
    for bench in [&mut bench, &mut restored] {
        assert!(bench.ask(r#"{"op":"receive","type":"other"}"#).contains('…'), "it does not fit");
        bench.turn.waiting = None;
        let answer = bench.ask(r#"{"op":"receive"}"#);
        assert!(answer.contains(r#""handle":2,"message_id":"m2""#), "{answer}");
        assert_eq!(bench.ask(r#"{"op":"receive"}"#), "…", "once");
    }
}

#[test]
fn what_comes_again_is_answered_once() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"receive.start"}"#);
    bench.settle(0);
    bench.commit();
    bench.reset(1).unwrap();
    bench.commit();
    bench.ask(r#"{"op":"receive.start"}"#);
    bench.commit();
    for mut bench in [bench.restored(bench.journal.len()), bench] {
        bench.ask(r#"{"op":"receive.start"}"#);
        bench.end(Ok("1")).unwrap();
        let effects = bench.commit();
        let answers = effects.iter().filter(|effect| matches!(effect, Effect::Answer { .. })).count();
        assert_eq!(answers, 1, "{effects:?}");
    }
}
