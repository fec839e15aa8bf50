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
    let mut ambient = Ambient { now_ms: 9, salts: &mut again.salts, directory: &Knows, inputs: None };
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

/// What a journal of another writer may hold, and other readers refuse.
#[test]
fn only_an_object_with_its_name_is_a_detail() {
    let mut salts = Counting(0);
    let mut read = |text: &str| Control::read(&Payload::json(text, &mut salts));
    assert_eq!(read(r#" {"to":3,"what":"reset"}"#), Ok(Control::Reset { to: 3, deployment: None }));
    for text in [r#"["reset",3]"#, r#"{"what":4,"to":3}"#, r#"{"what":"reset","to":[3]}"#, "3"] {
        read(text).expect_err(text);
    }
}

/// Operators may reset as often as they like; each time costs what it forgets, not what there is.
#[test]
fn resets_take_no_step_twice() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"now"}"#);
    for _ in 0..3 {
        for _ in 0..3 {
            bench.ask(r#"{"op":"uuid"}"#);
        }
        bench.commit();
        // Entry 1 is the turn's start, entry 2 its first step.
        bench.reset(2).unwrap();
        bench.commit();
        let mut restored = bench.restored(bench.journal.len());
        for bench in [&mut bench, &mut restored] {
            bench.ask(r#"{"op":"now"}"#);
            assert!(!bench.turn.is_replaying(), "one step is left");
        }
    }
}

#[test]
fn a_journal_cannot_have_more_steps_than_a_turn_may_ask_for() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"now"}"#);
    bench.commit();
    let Some((at, EntryBody::Step { op, request, outcome, .. })) = bench.journal.last().cloned() else {
        panic!("a step was asked for")
    };
    let step = |n| (at, EntryBody::Step { n, op: op.clone(), request, outcome, input: None });
    let most = loom_types::limits::TURN_ENTRIES_MAX;
    bench.journal.extend((1..most).map(step));
    bench.restored(bench.journal.len());
    bench.journal.push(step(most));
    let corrupt = bench.try_restored(bench.journal.len()).err().expect("one too many");
    assert!(corrupt.problem.contains("after 100000 entries"), "{corrupt}");
}

/// One outcome may be asked for under many handles.
#[test]
fn what_many_handles_give_together_has_a_limit() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"call.start","to":"known/b","body":1}"#);
    bench.complete(0, &format!("\"{}\"", "x".repeat(1 << 20)));
    let all = |count: usize| format!(r#"{{"op":"await","handles":[{}0],"mode":"all"}}"#, "0,".repeat(count - 1));
    bench.commit();
    assert!(bench.ask(&all(63)).starts_with(r#"{"ok":[{"ok":"x"#));
    let refused = bench.ask(&all(10_000));
    assert!(refused.starts_with(r#"{"err":{"kind":"output-too-large""#), "{}", &refused[..100]);
    assert!(bench.turn.pending().entries.is_empty(), "it leaves no entry");
}
