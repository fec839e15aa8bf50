//! Trying other modules on what is recorded, and what becomes of an actor whose turn was pinned to the wrong one.

use std::{collections::BTreeMap, time::Duration};

use loom_machine::{
    ActorSpec, Deployment, GuestLimits,
    replay::{Did, Impossible, Replayed},
};
use loom_runtime::{CheckOptions, CheckReport, ControlError, DeployError, SendOptions, Settled, Stage};
use loom_types::{Cid, Codec, Namespace, SequenceNumber};

use crate::node::{Node, PATIENCE, everywhere, prebuilt, probe};

const OPTIONS: CheckOptions = CheckOptions { turns: 100, time: PATIENCE };
const OPEN: CheckOptions = CheckOptions { turns: 0, time: PATIENCE };
/// Waits for a person between two steps.
const WAITS: &str = r#"{"do":[{"op":"uuid"},{"op":"promise.create","label":"approval"},
    {"op":"promise.await","handle":{"$ref":[1,"/handle"]}},{"op":"now"},{"reply":{"$ref":2}}]}"#;

/// The tests' deployment with another module for its actors. The echo guest ends at once with what it got.
async fn with_module(node: &Node, module: &str) -> Deployment {
    let (_, active) = node.handle.deployments(&Namespace::default()).remove(0);
    let module = node.handle.put_blob(prebuilt(module).into()).await.unwrap();
    let actors = active.actors.iter().map(|(name, spec)| (name.clone(), ActorSpec { module, ..spec.clone() }));
    Deployment::new("tests", actors.collect(), active.activities.clone()).unwrap()
}

async fn check(node: &Node, deployment: &Deployment, options: CheckOptions) -> CheckReport {
    node.handle.check_deployment(&Namespace::default(), deployment, options).await.unwrap()
}

/// Begins a turn that waits; gives its promise.
async fn waiting(node: &Node, key: &str) -> String {
    match node.send(key, WAITS, SendOptions { id: None, until_waiting: true }).await {
        Settled::Waiting { promises, .. } => promises[0].clone(),
        other => panic!("{other:?}"),
    }
}

async fn stage(node: &Node, key: &str) -> Stage {
    node.handle.actor(&probe(key)).await.unwrap().stage
}

/// The text of a divergence, once the guest was replayed.
async fn diverged(node: &Node, key: &str) -> String {
    let found = async {
        loop {
            if let Stage::Diverged(text) = stage(node, key).await {
                return text;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test]
async fn turns_agree_with_the_module_that_made_them() {
    everywhere(async |node| {
        for program in [
            r#"{"do":[{"op":"state.set","value":{"a":1}},{"op":"activity","name":"echo","input":{"x":[1]}},{"op":"uuid"}]}"#,
            r#"{"do":[{"op":"state.get"},{"op":"activity","name":"effect","input":1},{"op":"now"},{"reply":{"$ref":0}}]}"#,
            r#"{"do":[{"op":"send","to":"other/b","body":{"do":[]}},{"op":"sleep","ms":1},{"op":"context"},{"reply":{"$ref":2}}]}"#,
        ] {
            node.run("a", program).await.unwrap();
        }
        for fails in [r#"{"do":[{"op":"state.set","value":2},{"trap":"on purpose"}]}"#, r#"{"do":[{"fail":{"kind":"mine","message":"m"}}]}"#] {
            node.run("a", fails).await.unwrap_err();
        }
        let promise = waiting(node, "a").await;
        node.handle.fail_turn(&probe("a"), "enough", "anna").await.unwrap();
        assert!(node.handle.resolve(&promise, Ok("1")).await.is_err());
        waiting(node, "a").await;
        let before = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
        let report = check(node, &with_module(node, "probe.wasm").await, OPTIONS).await;
        let agreed = |checked: &&loom_runtime::Checked| matches!(checked.replayed, Replayed::Agreed(_));
        assert!(report.turns.iter().all(|checked| agreed(&checked)), "{report:#?}");
        let of_a: Vec<_> = report.turns.iter().filter(|checked| checked.actor == probe("a")).collect();
        assert_eq!((of_a.len(), of_a.iter().filter(|checked| checked.is_open).count()), (7, 1), "{report:#?}");
        assert!(!report.left_out);
        let after = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
        assert_eq!(before.len(), after.len(), "nothing is written");
    })
    .await;
}

#[tokio::test]
async fn a_module_that_does_something_else_diverges_at_the_first_entry_that_differs() {
    everywhere(async |node| {
        node.run("a", r#"{"do":[{"op":"now"},{"reply":1}]}"#).await.unwrap();
        node.run("a", r#"{"do":[{"reply":2}]}"#).await.unwrap();
        waiting(node, "a").await;
        let other = with_module(node, "echo.wasm").await;
        let open = check(node, &other, OPEN).await;
        assert_eq!((open.turns.len(), open.diverged()), (1, 1), "{open:#?}");
        let report = check(node, &other, OPTIONS).await;
        assert_eq!((report.turns.len(), report.diverged()), (3, 3), "{report:#?}");
        let parted = |turn: u64| match &report.turns.iter().find(|checked| checked.turn.0 == turn).unwrap().replayed {
            Replayed::Diverged(difference) => (**difference).clone(),
            other => panic!("{other:?}"),
        };
        let first = parted(1);
        assert!(matches!(&first.journal, Did::Asked(asked) if asked.op == "now"), "{first:?}");
        assert_eq!((first.seq, first.n, &first.guest), (SequenceNumber(2), Some(0), &Did::Ended));
        let second = parted(2);
        assert_eq!((&second.journal, second.n), (&Did::Replied("2".into()), None), "the end counts too");
        assert!(second.side_by_side().1.starts_with("replies {\"do\""), "{second:?}");
        // With less than it takes, the same module comes to another end; with no time, to none.
        let mut starved = with_module(node, "probe.wasm").await;
        starved.actors.values_mut().for_each(|spec| spec.limits = GuestLimits { fuel: 100, ..spec.limits });
        assert_eq!(check(node, &starved, OPTIONS).await.diverged(), 3);
        let late = check(node, &other, CheckOptions { time: Duration::ZERO, ..OPTIONS }).await;
        let is_late =
            |checked: &loom_runtime::Checked| matches!(checked.replayed, Replayed::Impossible(Impossible::OutOfTime));
        assert!(late.left_out && late.turns.iter().all(is_late), "{late:#?}");
    })
    .await;
}

/// docs/guides/upgrades.md, the worked example.
#[tokio::test]
async fn a_turn_that_diverged_goes_on_when_it_is_reset_to_a_deployment_that_asks_for_the_same() {
    everywhere(async |node| {
        let promise = waiting(node, "a").await;
        let (good, _) = node.handle.deployments(&Namespace::default()).remove(0);
        let other = with_module(node, "echo.wasm").await;
        let wrong = node.handle.deploy_by(&Namespace::default(), other, "anna").await.unwrap();
        assert_eq!(stage(node, "a").await, Stage::Waiting, "an open turn stays with its deployment");
        let entries = node.handle.actor(&probe("a")).await.unwrap().entries;
        node.handle.reset(&probe("a"), SequenceNumber(entries - 1), Some(wrong.cid), "anna").await.unwrap();
        let text = diverged(node, "a").await;
        let last = node.handle.actor(&probe("a")).await.unwrap().entries - 1;
        let (module, echo) =
            (Cid::of(Codec::Raw, &prebuilt("probe.wasm")), Cid::of(Codec::Raw, &prebuilt("echo.wasm")));
        for part in [
            "diverged at turn 1 step 0".to_owned(),
            "journal: uuid {".to_owned(),
            "guest:   the end of the turn".to_owned(),
            format!("begun with module {module}"),
            format!("run with module   {echo}"),
            "entry 2 (step 0)".to_owned(),
            format!("loom reset probe/a --to {last} --deployment ID"),
            "loom reset probe/a --to 1 ".to_owned(),
            "loom fail probe/a".to_owned(),
        ] {
            assert!(text.contains(&part), "{part}\n{text}");
        }
        let cancelled = node.handle.cancel(&probe("a"), "stop", "anna").await;
        assert!(matches!(cancelled, Err(ControlError::Diverged(_))), "{cancelled:?}");
        node.handle.reset(&probe("a"), SequenceNumber(last), Some(good.cid), "anna").await.unwrap();
        let mut ticket = node.handle.follow(&probe("a"), message_of(node, "a").await, false).unwrap();
        node.handle.resolve(&promise, Ok(r#"{"approved":true}"#)).await.unwrap();
        match tokio::time::timeout(PATIENCE, ticket.settled()).await.unwrap().unwrap() {
            Settled::Ended { result, .. } => assert_eq!(result.unwrap(), r#"{"approved":true}"#),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

async fn message_of(node: &Node, key: &str) -> loom_types::MessageId {
    let journal = node.handle.journal(&probe(key), SequenceNumber(0)).await.unwrap();
    let payload = journal[1].payloads[0].2.as_ref().unwrap();
    loom_machine::Message::decode(payload.value()).unwrap().id
}

#[tokio::test]
async fn a_former_deployment_is_activated_again() {
    everywhere(async |node| {
        let namespace = Namespace::default();
        let nothing = node.handle.rollback_by(&namespace, "nobody", None, "anna").await;
        assert!(matches!(nothing, Err(DeployError::UnknownName { .. })), "{nothing:?}");
        let alone = node.handle.rollback_by(&namespace, "tests", None, "anna").await;
        assert!(matches!(alone, Err(DeployError::NoFormer { to: None, .. })), "{alone:?}");
        let (first, _) = node.handle.deployments(&namespace).remove(0);
        let other = with_module(node, "echo.wasm").await;
        let second = node.handle.deploy_by(&namespace, other, "anna").await.unwrap();
        assert_eq!(node.run("a", "[7]").await.unwrap(), "[7]", "the echo guest");
        let back = node.handle.rollback_by(&namespace, "tests", None, "berta").await.unwrap();
        assert_eq!(back.cid, first.cid);
        assert_eq!(node.run("a", r#"{"do":[{"reply":8}]}"#).await.unwrap(), "8");
        let forth = node.handle.rollback_by(&namespace, "tests", Some(second.cid), "anna").await.unwrap();
        assert_eq!(forth.cid, second.cid);
        let history = node.handle.deployment_history(&namespace, "tests", 9).await.unwrap();
        let told: BTreeMap<_, _> =
            history.iter().enumerate().map(|(at, (former, _))| (at, (former.cid, former.by.clone()))).collect();
        let by = |name: &str| Some(name.to_owned());
        let expected =
            [(second.cid, by("anna")), (first.cid, by("berta")), (second.cid, by("anna")), (first.cid, None)];
        assert_eq!(told.into_values().collect::<Vec<_>>(), expected);
        let nowhere = Cid::of(Codec::DagCbor, b"nowhere");
        let bad = node.handle.rollback_by(&namespace, "tests", Some(nowhere), "anna").await;
        assert!(matches!(bad, Err(DeployError::NoFormer { to: Some(_), .. })), "{bad:?}");
    })
    .await;
}
