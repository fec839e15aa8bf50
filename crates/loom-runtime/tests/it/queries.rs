//! Queries: looking at committed state while turns go on.

use loom_machine::{ActorSpec, Deployment, GuestLimits};
use loom_runtime::{QueryError, SendError, SendOptions, Settings};
use loom_storage::memory::MemoryStore;
use loom_types::Namespace;

use crate::node::{Node, everywhere, prebuilt, probe, settings};

/// Deploys the probe with the query guest as its second life: `query` issues its input as a request and returns
/// the answer.
async fn deploy_asking(node: &Node) {
    let module = node.handle.put_blob(wat::parse_str(ASKING).unwrap().into()).await.unwrap();
    let actor = ActorSpec::new(module, GuestLimits { fuel: 10_000_000, ..GuestLimits::default() });
    let deployment = Deployment::new("tests", [("probe".to_owned(), actor)].into(), Default::default()).unwrap();
    node.handle.deploy(&Namespace::default(), deployment).await.unwrap();
}

/// `execute` issues the message as a request; `query` its input, or loops for ever if that has one character.
const ASKING: &str = r#"(module
  (import "loom" "call" (func $call (param i32 i32) (result i64)))
  (memory (export "memory") 16)
  (global $free (mut i32) (i32.const 4096))
  (func (export "loom_alloc") (param $length i32) (result i32)
    (global.set $free (i32.add (global.get $free) (local.get $length)))
    (i32.sub (global.get $free) (local.get $length)))
  (func (export "loom_free") (param i32 i32))
  (func (export "execute") (param i32 i32) (result i64) (call $call (local.get 0) (local.get 1)))
  (func (export "query") (param i32 i32) (result i64)
    (if (i32.eq (local.get 1) (i32.const 1)) (then (loop $again (br $again))))
    (call $call (local.get 0) (local.get 1))))"#;

async fn query(node: &Node, key: &str, input: &str) -> Result<String, QueryError> {
    node.handle.query(&probe(key), input).await
}

#[tokio::test]
async fn a_query_sees_the_committed_state_and_does_nothing() {
    everywhere(async |node| {
        deploy_asking(node).await;
        node.run("a", r#"{"op":"state.set","value":{"n":7}}"#).await.unwrap();
        let entries = node.handle.actor(&probe("a")).await.unwrap().entries;
        let state = r#"{"op":"state.get","pointer":"/n"}"#;
        assert_eq!(query(node, "a", state).await.unwrap(), r#"{"ok":7}"#);
        let context = query(node, "a", r#"{"op":"context"}"#).await.unwrap();
        assert!(context.contains(r#""key":"a""#) && context.contains(r#""turn":1"#), "{context}");
        for step in [r#"{"op":"state.set","value":1}"#, r#"{"op":"now"}"#, r#"{"op":"send","to":"probe/b","body":1}"#] {
            let failed = query(node, "a", step).await.unwrap_err();
            assert!(
                matches!(&failed, QueryError::Failed(failure) if failure.kind == "not-allowed"),
                "{step}: {failed}"
            );
        }
        let spun = query(node, "a", "1").await.unwrap_err();
        assert!(matches!(&spun, QueryError::Failed(failure) if failure.kind == "out-of-fuel"), "{spun}");
        assert_eq!(query(node, "a", state).await.unwrap(), r#"{"ok":7}"#);
        assert_eq!(node.handle.actor(&probe("a")).await.unwrap().entries, entries, "nothing was journaled");
    })
    .await;
}

#[tokio::test]
async fn a_query_does_not_wait_for_the_turn_under_way() {
    everywhere(async |node| {
        deploy_asking(node).await;
        node.run("a", r#"{"op":"state.set","value":1}"#).await.unwrap();
        let sleep = r#"{"op":"sleep","ms":3600000}"#;
        let mut ticket = node.handle.send(&probe("a"), sleep, SendOptions::default()).unwrap();
        ticket.accepted().await.unwrap();
        assert_eq!(query(node, "a", r#"{"op":"state.get"}"#).await.unwrap(), r#"{"ok":1}"#);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_says_why() {
    let node = Node::start(MemoryStore::storage(), settings(100)).await;
    node.deploy().await;
    assert!(matches!(query(&node, "a", "1").await, Err(QueryError::UnknownActor(_))));
    node.run("a", r#"{"do":[]}"#).await.unwrap();
    assert!(matches!(query(&node, "a", "1").await, Err(QueryError::NoQueryExport(kind)) if kind == "probe"));
    assert!(matches!(query(&node, "a", "{").await, Err(QueryError::Refused(SendError::NotJson(_)))));
    let nobody = "default/nobody/a".parse().unwrap();
    let unknown = node.handle.query(&nobody, "1").await;
    assert!(matches!(unknown, Err(QueryError::Refused(SendError::UnknownType { .. }))));
    node.runtime.shutdown().await;

    let node = Node::start(MemoryStore::storage(), Settings { queries_max: 0, ..settings(100) }).await;
    let classic = node.handle.put_blob(prebuilt("echo.wasm").into()).await.unwrap();
    let actor = ActorSpec::new(classic, GuestLimits::default());
    let deployment = Deployment::new("tests", [("probe".to_owned(), actor)].into(), Default::default()).unwrap();
    node.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    assert!(matches!(query(&node, "a", "1").await, Err(QueryError::Refused(SendError::QueriesBusy(0)))));
    node.runtime.shutdown().await;
}
