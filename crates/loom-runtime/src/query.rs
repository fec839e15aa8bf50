//! Queries: looking at an actor without a turn.
//!
//! A query reads the committed state from the store and runs the export `query` of the module that the actor's
//! next turn would run. It takes no part in anything: the actor's cell is not loaded, turns go on meanwhile, and
//! nothing is journaled. What a turn under way has changed is not seen until that turn ends.

use std::time::Duration;

use loom_machine::{Failure, Guest, HostFault, Progress, Query};
use loom_storage::StoreError;
use loom_types::ActorAddress;
use tokio_util::sync::CancellationToken;

use crate::{Handle, SendError, deployments::Target, handle::check_json};

/// Longest time of one query.
const QUERY_TIME_MAX: Duration = Duration::from_secs(30);

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The input cannot be used, no deployment runs the type, or the node has too much to do.
    #[error(transparent)]
    Refused(#[from] SendError),
    /// There is no such actor.
    #[error("there is no actor {0}")]
    UnknownActor(ActorAddress),
    /// The module answers no queries.
    #[error("the module of actor type '{0}' has no export 'query'")]
    NoQueryExport(String),
    /// The guest failed. Nothing else did.
    #[error("{0}")]
    Failed(Failure),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host failed; asking again may help.
    #[error(transparent)]
    Host(#[from] HostFault),
}

impl Handle {
    /// Asks an actor's module about the actor's committed state.
    pub async fn query(&self, actor: &ActorAddress, input: &str) -> Result<String, QueryError> {
        let input = check_json(input)?.to_owned();
        let target = self.target(actor)?;
        let inner = &self.inner;
        let permit = inner.queries.clone().try_acquire_owned();
        let permit = permit.map_err(|_| SendError::QueriesBusy(inner.queries_max))?;
        let record = inner.storage.journal.load(actor).await?;
        let record = record.ok_or_else(|| QueryError::UnknownActor(actor.clone()))?;
        let state = record.state.and_then(|state| state.text().map(str::to_owned));
        let query = Query::new(actor, record.turn, target.cid, state);
        let guest = self.query_guest(actor, &target, &input).await?;
        inner.metrics.queries.inc();
        // Whoever asked may go away; then the guest stops at its next slice.
        let abandoned = CancellationToken::new();
        let _guard = abandoned.clone().drop_guard();
        let run = move || {
            let _permit = permit;
            run(guest, query, &abandoned)
        };
        let ran = tokio::select! {
            ran = inner.blocking.run(run) => ran,
            // The guard goes with this future, and the guest stops.
            () = inner.clock.sleep(QUERY_TIME_MAX) => {
                inner.metrics.queries_failed.inc();
                let text = format!("the query took longer than {} s", QUERY_TIME_MAX.as_secs());
                return Err(QueryError::Failed(Failure::new("deadline", text)));
            }
        };
        let output = ran.map_err(|error| HostFault::Host(format!("running a query: {error}")))??;
        output.map_err(|failure| {
            inner.metrics.queries_failed.inc();
            QueryError::Failed(failure)
        })
    }

    async fn query_guest(
        &self,
        actor: &ActorAddress,
        target: &Target,
        input: &str,
    ) -> Result<Box<dyn Guest>, QueryError> {
        let module = self.inner.modules.load(target.spec.module).await?.map_err(QueryError::Failed)?;
        let guest = module.start_query(&target.spec.limits, input)?;
        guest.ok_or_else(|| QueryError::NoQueryExport(actor.actor_type().to_owned()))
    }
}

fn run(
    mut guest: Box<dyn Guest>,
    mut query: Query,
    abandoned: &CancellationToken,
) -> Result<Result<String, Failure>, HostFault> {
    let mut answer = None;
    while !abandoned.is_cancelled() {
        answer = match guest.resume(answer.as_deref())? {
            Progress::Called(request) => Some(query.answer(&request)),
            Progress::Yielded => None,
            Progress::Returned(output) => return Ok(Failure::in_output(&output).map_or(Ok(output), Err)),
            Progress::Failed(failure) => return Ok(Err(failure)),
        };
    }
    Err(HostFault::Host("nobody waits for the query any more".into()))
}
