//! Deployments: activating them, going back to a former one, and trying them on recorded turns first.

use std::sync::Arc;

use loom_machine::{Deployment, Turn};
use loom_storage::{ActiveDeployment, StoreError};
use loom_types::{ActorAddress, Cid, Namespace, SequenceNumber};

use super::{Handle, Pinned};
use crate::{
    DeployError,
    check::{Check, CheckOptions, CheckReport},
    deployments::Act,
    load,
    shard::Event,
};

impl Handle {
    /// Checks and activates a deployment, for a program that embeds the runtime and answers to nobody.
    pub async fn deploy(&self, namespace: &Namespace, deployment: Deployment) -> Result<ActiveDeployment, DeployError> {
        self.activate(namespace, deployment, None).await
    }

    /// The same for somebody, whom the namespace's audit log names before anything changes.
    pub async fn deploy_by(
        &self,
        namespace: &Namespace,
        deployment: Deployment,
        by: &str,
    ) -> Result<ActiveDeployment, DeployError> {
        self.activate(namespace, deployment, Some(Act { verb: "deploy", by })).await
    }

    async fn activate(
        &self,
        namespace: &Namespace,
        deployment: Deployment,
        act: Option<Act<'_>>,
    ) -> Result<ActiveDeployment, DeployError> {
        let active = self.inner.deployments.activate(namespace, deployment, act).await?;
        for shard in &self.inner.shards {
            // A shard that has stopped reads the deployment when the node starts again.
            let _ = shard.send(Event::Deployed);
        }
        Ok(active)
    }

    /// What an open turn is pinned to, by its journal; none if it is not open any more.
    pub(super) async fn pinned(
        &self,
        actor: &ActorAddress,
        started: SequenceNumber,
    ) -> Result<Option<Pinned>, StoreError> {
        let (entries, payloads) = load::read_turn(&self.inner.storage, actor, started).await?;
        let find = |cid: &Cid| payloads.get(cid).cloned();
        let Some(deployment) = Turn::deployment_of(&entries, &find) else { return Ok(None) };
        let manifest = self.inner.deployments.manifest(deployment).await.ok();
        let spec = manifest.and_then(|manifest| manifest.actors.get(actor.actor_type()).cloned());
        Ok(spec.map(|spec| self.inner.deployments.pinned(actor, deployment, spec.module)))
    }

    /// What was activated under a name, newest first, with the manifests that can still be read. The first is active.
    pub async fn deployment_history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<(ActiveDeployment, Option<Arc<Deployment>>)>, StoreError> {
        self.inner.deployments.history(namespace, name, limit).await
    }

    /// The former deployment that [`Handle::rollback_by`] would activate.
    pub async fn former_deployment(
        &self,
        namespace: &Namespace,
        name: &str,
        to: Option<Cid>,
    ) -> Result<Arc<Deployment>, DeployError> {
        self.inner.deployments.former(namespace, name, to).await
    }

    /// Activates a former deployment of `name` again: `to`, or the one that was active before. Like every activation it
    /// is for new turns; open ones stay with the deployment they are pinned to.
    pub async fn rollback_by(
        &self,
        namespace: &Namespace,
        name: &str,
        to: Option<Cid>,
        by: &str,
    ) -> Result<ActiveDeployment, DeployError> {
        let former = self.former_deployment(namespace, name, to).await?;
        self.activate(namespace, (*former).clone(), Some(Act { verb: "rollback", by })).await
    }

    /// Replays open turns and recent finished ones of the deployment's actor types against its modules. Nothing
    /// changes, and no shard is kept waiting: it is done on a thread for it, one check at a time.
    pub async fn check_deployment(
        &self,
        namespace: &Namespace,
        deployment: &Deployment,
        options: CheckOptions,
    ) -> Result<CheckReport, DeployError> {
        let _one_at_a_time = self.inner.checking.lock().await;
        let _holds = self.inner.deployments.hold(deployment);
        self.inner.deployments.check(namespace, deployment).await?;
        Check::new(self.inner.clone(), namespace.clone(), options).run(deployment).await
    }
}
