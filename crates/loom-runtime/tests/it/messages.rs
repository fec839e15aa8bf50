//! Children, signals, cycles, and turns that go on as new ones.

use loom_runtime::{SendOptions, Settled, Ticket};

use crate::{
    node::{Node, PATIENCE, everywhere, probe},
    turns::{eventually, journal},
};

fn options(id: &str) -> SendOptions {
    SendOptions { id: Some(id.parse().unwrap()), until_waiting: false }
}

async fn reply(mut ticket: Ticket) -> String {
    match tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap() {
        Settled::Ended { result, .. } => result.unwrap_or_else(|failure| failure.to_json()),
        other => panic!("{other:?}"),
    }
}

async fn begin(node: &Node, key: &str, id: &str, program: &str) -> Ticket {
    let mut ticket = node.handle.send(&probe(key), program, options(id)).unwrap();
    tokio::time::timeout(PATIENCE, ticket.accepted()).await.expect("accepts").unwrap();
    ticket
}

#[tokio::test]
async fn a_child_answers_its_parent() {
    everywhere(async |node| {
        let program = r#"{"do":[{"op":"spawn","to":"other","body":{"do":[{"op":"sleep","ms":1},{"reply":"grown"}]}},
            {"op":"spawn","to":"other/b","body":{"do":[{"fail":{"kind":"no","message":"m"}}]}},
            {"op":"await","handles":[{"$ref":[0,"/handle"]},{"$ref":[1,"/handle"]}],"mode":"all"},
            {"reply":{"$ref":2}}]}"#;
        let expected = r#"[{"ok":"grown"},{"err":{"kind":"no","message":"m","retryable":false}}]"#;
        assert_eq!(node.run("a", program).await.unwrap(), expected);
    })
    .await;
}

/// The child is told, and may still do something about it.
#[tokio::test]
async fn children_are_told_when_their_parent_ends() {
    everywhere(async |node| {
        // Each child says that it is up, so that its parent ends while it runs.
        let child = |key: &str, detached: bool, ms: u32| {
            format!(
                r#"{{"op":"spawn","to":"other/{key}","detached":{detached},"body":{{"do":[
                {{"op":"send","to":"probe/a","body":{{"type":"up"}}}},{{"op":"sleep","ms":{ms}}},
                {{"op":"state.set","value":"over"}}]}}}}"#
            )
        };
        let up = r#"{"op":"receive","type":"up"}"#;
        let (kept, dropped) = (child("kept", true, 30), child("dropped", false, 3_600_000));
        let program = format!(r#"{{"do":[{kept},{dropped},{up},{up},{{"reply":1}}]}}"#);
        assert_eq!(node.run("a", &program).await.unwrap(), "1");
        for key in ["kept", "dropped"] {
            let other = format!("default/other/{key}").parse().unwrap();
            eventually(async || node.handle.state(&other).await.ok().flatten().as_deref() == Some("\"over\"")).await;
        }
        let controls =
            |bodies: Vec<loom_types::EntryBody>| bodies.iter().filter(|body| body.kind() == "control").count();
        assert_eq!(controls(journal(node, "default/other/dropped").await), 1);
        assert_eq!(controls(journal(node, "default/other/kept").await), 0);
    })
    .await;
}

/// A child whose turn has not begun never runs.
#[tokio::test]
async fn a_child_that_waits_in_line_is_cancelled_there() {
    everywhere(async |node| {
        let busy = r#"{"do":[{"op":"receive","type":"go"}]}"#;
        let other: loom_types::ActorAddress = "default/other/line".parse().unwrap();
        let first = node.handle.send(&other, busy, options("busy")).unwrap();
        let parent =
            r#"{"do":[{"op":"spawn","to":"other/line","body":{"do":[{"op":"state.set","value":"ran"}]}},{"reply":1}]}"#;
        assert_eq!(node.run("a", parent).await.unwrap(), "1");
        let go = node.handle.send(&other, r#"{"type":"go","do":[]}"#, options("go")).unwrap();
        reply(go).await;
        reply(first).await;
        eventually(async || node.handle.actor(&other).await.unwrap().turn.0 == 2).await;
        eventually(async || journal(node, "default/other/line").await.last().unwrap().kind() == "turn-ended").await;
        assert_eq!(node.handle.state(&other).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_cycle_fails_at_once_with_its_path() {
    everywhere(async |node| {
        let back = r#"{"do":[{"op":"call","to":"probe/a","body":{"do":[]}}]}"#;
        let middle = format!(r#"{{"do":[{{"op":"call","to":"other/c","body":{back}}}]}}"#);
        let program = format!(r#"{{"do":[{{"op":"call","to":"other/b","body":{middle}}}]}}"#);
        let answer = node.run("a", &program).await.unwrap();
        assert!(answer.contains("probe/a -> other/b -> other/c -> probe/a"), "{answer}");
        let myself = node.run("a", r#"{"do":[{"op":"call","to":"probe/a","body":{"do":[]}}]}"#).await.unwrap();
        assert!(myself.contains("probe/a -> probe/a"), "{myself}");
    })
    .await;
}

#[tokio::test]
async fn a_turn_receives_what_it_wants_and_leaves_the_rest_in_line() {
    everywhere(async |node| {
        let program = r#"{"do":[{"op":"receive","type":"stop"},{"op":"reply","handle":{"$ref":[0,"/handle"]},"body":"noted"},
            {"op":"receive","type":"stop"},{"reply":[{"$ref":[0,"/body/n"]},{"$ref":[2,"/body/n"]}]}]}"#;
        let main = begin(node, "a", "main", program).await;
        let rest = begin(node, "a", "rest", r#"{"do":[{"reply":"rest"}]}"#).await;
        let first = begin(node, "a", "first", r#"{"type":"stop","n":1}"#).await;
        assert_eq!(reply(first).await, "\"noted\"");
        let second = begin(node, "a", "second", r#"{"type":"stop","n":2}"#).await;
        assert_eq!(reply(main).await, "[1,2]");
        assert_eq!(reply(second).await, "[1,2]", "who got no answer of its own gets the turn's");
        assert_eq!(reply(rest).await, "\"rest\"", "in a turn of its own");
        for (id, expected) in [("first", "\"noted\""), ("second", "[1,2]"), ("main", "[1,2]")] {
            let again = node.handle.follow(&probe("a"), id.parse().unwrap(), false).unwrap();
            assert_eq!(reply(again).await, expected, "and is told the same later");
        }
    })
    .await;
}

#[tokio::test]
async fn a_receive_has_an_end() {
    everywhere(async |node| {
        let program = r#"{"do":[{"op":"receive","type":"never","timeout_ms":5}]}"#;
        let answer = node.run("a", program).await.unwrap();
        assert!(answer.contains(r#""kind":"deadline""#), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn actors_are_received_and_answered_too() {
    everywhere(async |node| {
        let server = r#"{"do":[{"op":"receive.start","type":"ask"},
            {"op":"await","handles":[{"$ref":0}],"mode":"any"},
            {"op":"reply","handle":{"$ref":0},"body":{"to":{"$ref":[1,"/result/ok/sender"]}}}]}"#;
        let server = begin(node, "server", "m", server).await;
        let client = r#"{"do":[{"op":"call","to":"probe/server","body":{"type":"ask"}},{"reply":{"$ref":0}}]}"#;
        assert_eq!(node.run("client", client).await.unwrap(), r#"{"to":"probe/client"}"#);
        reply(server).await;
    })
    .await;
}

#[tokio::test]
async fn a_turn_goes_on_as_a_new_one_and_its_caller_waits_for_the_last() {
    everywhere(async |node| {
        let last = r#"{"do":[{"op":"state.get"},{"op":"context"}]}"#;
        let second = format!(r#"{{"do":[{{"op":"state.set","pointer":"/b","value":2}},{{"op":"turn.restart","body":{last}}}]}}"#);
        let first = format!(
            r#"{{"do":[{{"op":"state.set","pointer":"/a","value":1}},{{"op":"sleep","ms":1}},{{"op":"timer.start","ms":60000}},
            {{"op":"turn.restart","body":{second}}}]}}"#
        );
        let ticket = begin(node, "a", "long", &first).await;
        let answer = reply(ticket).await;
        for part in [r#"{"a":1,"b":2}"#, r#""turn":3"#, r#""message_id":"long""#] {
            assert!(answer.contains(part), "{answer}");
        }
        let again = node.handle.follow(&probe("a"), "long".parse().unwrap(), false).unwrap();
        assert_eq!(reply(again).await, answer);
        let ends = journal(node, "default/probe/a").await;
        assert_eq!(ends.iter().filter(|body| body.kind() == "turn-ended").count(), 3);
    })
    .await;
}
