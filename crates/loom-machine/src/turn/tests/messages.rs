//! Children, cycles, and messages that are taken inside a turn.

use super::*;
use crate::limits::CALL_DEPTH_MAX;

fn message(sender: Option<&str>, path: &[&str], body: &str) -> Message {
    let id = match sender {
        Some(sender) => loom_types::MessageId::from_stored(&format!("{sender}#1.0")).unwrap(),
        None => "from-a-client".parse().unwrap(),
    };
    Message {
        sender: sender.map(|sender| sender.parse().unwrap()),
        path: path.iter().map(|waits| waits.parse().unwrap()).collect(),
        ..Message::of_client(id, "default/tester/a".parse().unwrap(), body.into())
    }
}

fn sealed(bench: &mut Bench, message: &Message) -> Payload {
    Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut bench.salts)
}

#[test]
fn a_call_that_would_wait_for_itself_fails_at_once_and_names_the_way() {
    let mut bench = Bench::opened_by(message(Some("default/known/b"), &["default/known/c"], "{}"), None);
    let of = |bench: &mut Bench, to: &str| bench.ask(&format!(r#"{{"op":"call.start","to":"{to}","body":1}}"#));
    assert!(of(&mut bench, "known/c").contains("known/c -> known/b -> tester/a -> known/c"));
    assert!(of(&mut bench, "known/b").contains("known/b -> tester/a -> known/b"));
    assert!(of(&mut bench, "tester/a").contains("tester/a -> tester/a"));
    assert_eq!(of(&mut bench, "known/d"), r#"{"ok":3}"#, "and one that does not is a call");
    let effects = bench.commit();
    let Some(Effect::Send { message, .. }) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(message.path.iter().map(ActorAddress::local).collect::<Vec<_>>(), ["known/c", "known/b"]);
    let mut again = bench.restored(bench.journal.len());
    assert!(of(&mut again, "known/c").contains("cycle"), "the refusal is in the journal");
}

#[test]
fn nobody_waits_for_what_was_only_sent() {
    let mut sent = message(Some("default/known/b"), &[], "{}");
    sent.kind = MessageKind::Send;
    let mut bench = Bench::opened_by(sent, None);
    assert_eq!(bench.ask(r#"{"op":"call.start","to":"known/b","body":1}"#), r#"{"ok":0}"#);
}

#[test]
fn a_chain_of_calls_has_an_end() {
    let path: Vec<_> = (0..CALL_DEPTH_MAX - 1).map(|n| format!("default/known/k{n}")).collect();
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    let mut bench = Bench::opened_by(message(Some("default/known/b"), &path, "{}"), None);
    assert!(bench.ask(r#"{"op":"call","to":"known/z","body":1}"#).contains("too-deep"));
}

#[test]
fn a_child_is_cancelled_with_its_parent_unless_it_is_detached() {
    let mut bench = Bench::new();
    let child = bench.ask(r#"{"op":"spawn","to":"known","body":1}"#);
    assert!(child.starts_with(r#"{"ok":{"actor":"known/"#) && child.ends_with(r#""handle":0}}"#), "{child}");
    bench.ask(r#"{"op":"spawn","to":"known/free","body":1,"detached":true}"#);
    bench.ask(r#"{"op":"spawn","to":"known/late","body":1,"deadline_ms":9}"#);
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    assert_eq!(again.ask(r#"{"op":"spawn","to":"known","body":1}"#), child, "the key comes from the seed");
    for bench in [&mut bench, &mut again] {
        while bench.turn.is_replaying() {
            let n = bench.turn.cursor;
            bench.ask(
                [
                    "",
                    r#"{"op":"spawn","to":"known/free","body":1,"detached":true}"#,
                    r#"{"op":"spawn","to":"known/late","body":1,"deadline_ms":9}"#,
                ][n],
            );
        }
        bench.end(Ok("null")).unwrap();
        let cancelled: Vec<_> = bench
            .commit()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Cancel { message, .. } => Some(message.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(cancelled, ["default/tester/a#1.0", "default/tester/a#1.2"]);
    }
}

#[test]
fn a_child_that_misses_its_deadline_is_cancelled() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"spawn","to":"known/late","body":1,"deadline_ms":9}"#);
    bench.commit();
    assert_eq!(bench.ask(r#"{"op":"await","handles":[0],"mode":"any"}"#), "…");
    let completion = bench.expire(0);
    assert!(matches!(&completion, Completion::Answer(answer) if answer.contains("deadline")), "{completion:?}");
    assert!(matches!(bench.commit()[..], [Effect::ClearTimer { .. }, Effect::Cancel { .. }]));
}

#[test]
fn a_received_message_is_answered_by_reply() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(r#"{"op":"receive","type":"stop"}"#), "…");
    assert_eq!(bench.turn.receiving().collect::<Vec<_>>(), [(0, Some("stop"))]);
    let taken = message(Some("default/known/b"), &[], r#"{"type":"stop"}"#);
    let payload = sealed(&mut bench, &taken);
    let answer = r#"{"ok":{"handle":0,"message_id":"default/known/b#1.0","sender":"known/b","body":{"type":"stop"}}}"#;
    assert_eq!(bench.turn.receive(0, payload, 5), Completion::Answer(answer.into()));
    bench.commit();
    assert_eq!(bench.ask(r#"{"op":"reply","handle":0,"body":7}"#), r#"{"ok":7}"#);
    let effects = bench.commit();
    assert!(matches!(&effects[..], [Effect::Reply { outcome: Outcome::Ok(reply), .. }] if reply.text() == Some("7")));
    assert!(bench.ask(r#"{"op":"reply","handle":0,"body":8}"#).contains("answered"));
    assert!(bench.ask(r#"{"op":"reply","handle":1,"body":8}"#).contains("unknown-handle"));
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    assert_eq!(again.ask(r#"{"op":"receive","type":"stop"}"#), answer);
    assert_eq!(again.ask(r#"{"op":"reply","handle":0,"body":7}"#), r#"{"ok":7}"#);
    assert!(again.turn.pending().effects.is_empty(), "nobody is answered twice");
}

#[test]
fn what_nobody_answered_is_answered_by_the_end() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"receive"}"#);
    let payload = sealed(&mut bench, &message(None, &[], "1"));
    bench.turn.receive(0, payload, 5);
    assert!(bench.turn.has_received(&"from-a-client".parse().unwrap()));
    bench.end(Ok("\"over\"")).unwrap();
    let entry = bench.turn.pending().entries.len() - 1;
    let effects = bench.commit();
    assert!(
        matches!(&effects[..], [Effect::Answer { outcome: Outcome::Ok(reply), entry: at, .. }]
            if reply.text() == Some("\"over\"") && *at == entry),
        "{effects:?}"
    );
}

#[test]
fn a_turn_goes_on_as_a_new_one_with_its_state_and_its_caller() {
    let mut bench = Bench::with_state(Some("1"));
    bench.ask(r#"{"op":"state.set","value":2}"#);
    bench.ask(r#"{"op":"timer.start","ms":5}"#);
    bench.commit();
    let Reaction::Restart(body) = bench.try_ask(r#"{"op":"turn.restart","body":{"page":2}}"#).unwrap() else {
        panic!()
    };
    let restarted = bench.restart(&body).unwrap().unwrap();
    assert_eq!(restarted.message.body, r#"{"page":2}"#);
    assert_eq!(restarted.message.id, bench.turn.opening().message.id);
    assert_eq!(restarted.state.unwrap().text(), Some("2"));
    let ended = bench.turn.pending().entries.last().map(|(_, body)| body.clone());
    let expected = TurnResult::Restarted(restarted.payload.cid());
    assert!(matches!(ended, Some(EntryBody::TurnEnded { result, .. }) if result == expected));
    assert!(matches!(bench.commit()[..], [Effect::ClearTimer { .. }]), "nobody gets a reply yet");
    let mut again = bench.restored(bench.journal.len() - 1);
    assert!(again.try_ask(r#"{"op":"turn.restart","body":{"page":2}}"#).is_err(), "the journal says otherwise");
}
