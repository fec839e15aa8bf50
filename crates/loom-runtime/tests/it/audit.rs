//! The audit log: written before what it names takes effect, and nothing happens without it.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use loom_machine::{ActorSpec, Deployment, GuestLimits};
use loom_runtime::{AuditError, ControlError, DeployError, Handle, NODE_NAMESPACE, ReadError, audit_address};
use loom_storage::{ActorRecord, Capabilities, Commit, CommitError, Journal, Storage, StoreError, memory::MemoryStore};
use loom_types::{ActorAddress, EntryBody, FencingToken, Namespace, Segment, SequenceNumber};

use crate::node::{Node, prebuilt, settings};

/// A store that takes no commits.
struct ReadOnly(Arc<dyn Journal>);

#[async_trait]
impl Journal for ReadOnly {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError> {
        self.0.acquire(actor).await
    }

    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError> {
        self.0.load(actor).await
    }

    fn commit(&self, _commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        let full = Arc::new(std::io::Error::other("the disk is full"));
        Box::pin(std::future::ready(Err(CommitError::Unavailable(full))))
    }

    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError> {
        self.0.read(actor, from).await
    }
}

async fn deployment(handle: &Handle, actor_type: &str) -> Deployment {
    let module = handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let actor = ActorSpec::new(module, GuestLimits::default());
    Deployment::new("app", [(actor_type.to_owned(), actor)].into(), [].into()).unwrap()
}

/// What was done and by whom; checks that the log is one chain.
async fn audited(handle: &Handle, namespace: &Namespace) -> Vec<(String, String)> {
    let entries = handle.journal(&audit_address(namespace), SequenceNumber(0)).await.unwrap();
    let mut before = None;
    let mut done = Vec::new();
    for (seq, journaled) in entries.iter().enumerate() {
        assert_eq!((journaled.entry.seq.0, journaled.entry.prev), (seq as u64, before));
        before = Some(journaled.encoded.cid);
        match &journaled.entry.body {
            EntryBody::Opened {} => assert_eq!(seq, 0),
            EntryBody::Control { what, by, .. } => done.push((what.clone(), by.clone())),
            body => panic!("{body:?}"),
        }
    }
    done
}

#[tokio::test]
async fn a_deployment_is_audited_in_its_namespace() {
    let node = Node::start(MemoryStore::storage(), settings(10)).await;
    let (acme, other): (Namespace, Namespace) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let deployment = deployment(&node.handle, "probe").await;
    let active = node.handle.deploy_by(&acme, deployment.clone(), "ci").await.unwrap();
    node.handle.deploy_by(&acme, deployment, "ada").await.unwrap();
    let deployed = format!("deploy app {}", active.cid);
    assert_eq!(audited(&node.handle, &acme).await, [(deployed.clone(), "ci".to_owned()), (deployed, "ada".to_owned())]);
    let elsewhere = node.handle.journal(&audit_address(&other), SequenceNumber(0)).await;
    assert!(matches!(elsewhere, Err(ReadError::UnknownActor(_))));
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_audited_is_not_done() {
    let memory = MemoryStore::storage();
    let storage = Storage { journal: Arc::new(ReadOnly(memory.journal.clone())), ..memory };
    let node = Node::start(storage, settings(10)).await;
    let deployment = deployment(&node.handle, "probe").await;
    let refused = node.handle.deploy_by(&Namespace::default(), deployment, "ci").await;
    assert!(matches!(refused, Err(DeployError::Audit(AuditError::Commit(_)))), "{refused:?}");
    assert!(node.handle.deployments(&Namespace::default()).is_empty());
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn entries_written_at_once_while_others_look_all_arrive() {
    let node = Node::start(MemoryStore::storage(), settings(0)).await;
    let namespace = Namespace::default();
    let writers = (0..20).map(|n| {
        let (handle, namespace) = (node.handle.clone(), namespace.clone());
        tokio::spawn(async move {
            // Following a message loads the actor, which takes the right to append away from the log.
            let _ = handle.follow(&audit_address(&namespace), format!("m{n}").parse().unwrap(), false);
            handle.audit(&namespace, &format!("act {n} {}", "ä".repeat(n * 300)), "ada").await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut acts: Vec<u32> = audited(&node.handle, &namespace)
        .await
        .iter()
        .map(|(what, _)| what.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    acts.sort_unstable();
    assert_eq!(acts, (0..20).collect::<Vec<_>>());
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn the_nodes_own_names_cannot_be_deployed() {
    let node = Node::start(MemoryStore::storage(), settings(10)).await;
    let reserved = deployment(&node.handle, "loom-audit").await;
    let refused = node.handle.deploy(&Namespace::default(), reserved).await;
    assert!(matches!(refused, Err(DeployError::Reserved { .. })), "{refused:?}");
    let fine = deployment(&node.handle, "loomed").await;
    let refused = node.handle.deploy(&NODE_NAMESPACE.parse().unwrap(), fine.clone()).await;
    assert!(matches!(refused, Err(DeployError::Reserved { .. })), "{refused:?}");
    node.handle.deploy_by(&Namespace::default(), fine, "ada").await.unwrap();
    let refused = node.handle.pause(&audit_address(&Namespace::default()), "ada").await;
    assert!(matches!(refused, Err(ControlError::Reserved(_))), "{refused:?}");
    node.runtime.shutdown().await;
}
