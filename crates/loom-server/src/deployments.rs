//! Deployments.

use std::collections::BTreeMap;

use axum::extract::State;
use loom_client as wire;
use loom_machine::{ActivitySpec, ActorSpec, Deployment, GuestLimits, InvalidDeployment, Retry, TurnLimits};
use loom_storage::ActiveDeployment;
use loom_types::Cid;

use crate::{
    auth::{Caller, Tenant},
    extract::Json,
    problem::Problem,
    schedules,
    serve::App,
};

pub(crate) async fn list(State(app): State<App>, Tenant(namespace): Tenant) -> axum::Json<Vec<wire::Deployment>> {
    let active = app.handle.deployments(&namespace);
    axum::Json(active.into_iter().map(|(active, deployment)| to_wire(active, &deployment)).collect())
}

pub(crate) async fn deploy(
    State(app): State<App>,
    caller: Caller,
    Json(sent): Json<wire::Manifest>,
) -> Result<axum::Json<wire::Deployment>, Problem> {
    let deployment = manifest(&sent).map_err(|error| Problem::new("invalid-deployment", error.to_string()))?;
    let active = app.handle.deploy_by(&caller.namespace, deployment.clone(), &caller.by).await?;
    Ok(axum::Json(to_wire(active, &deployment)))
}

fn to_wire(active: ActiveDeployment, deployment: &Deployment) -> wire::Deployment {
    wire::Deployment {
        name: active.name,
        deployment: active.cid.to_string(),
        activated_ms: active.activated_ms,
        actors: deployment.actors.keys().cloned().collect(),
        activities: deployment.activities.keys().cloned().collect(),
    }
}

/// A manifest as it is sent, with defaults filled in and checked.
pub fn manifest(sent: &wire::Manifest) -> Result<Deployment, InvalidDeployment> {
    let mut actors = BTreeMap::new();
    for (name, actor) in &sent.actors {
        let module = module(&format!("actors.{name}.module"), &actor.module)?;
        let wire::TurnLimits { concurrency_max, rate_per_second } = actor.turns;
        let turns = TurnLimits { concurrency_max, rate_per_second };
        actors.insert(name.clone(), ActorSpec { module, limits: limits(&actor.limits), turns });
    }
    let mut activities = BTreeMap::new();
    for (name, activity) in &sent.activities {
        let module = module(&format!("activities.{name}.module"), &activity.module)?;
        let capabilities = activity.capabilities.iter().cloned().collect();
        let (limits, retry) = (limits(&activity.limits), retry(&activity.retry));
        activities.insert(name.clone(), ActivitySpec { module, limits, capabilities, retry });
    }
    let schedules = sent.schedules.iter().map(|(name, sent)| (name.clone(), schedules::from_wire(sent)));
    Deployment::new(&sent.name, actors, activities)?.with_schedules(schedules.collect())
}

fn module(at: &str, text: &str) -> Result<Cid, InvalidDeployment> {
    text.parse()
        .map_err(|error| InvalidDeployment::Invalid { at: at.to_owned(), problem: format!("'{text}' is {error}") })
}

fn limits(sent: &wire::Limits) -> GuestLimits {
    let defaults = GuestLimits::default();
    GuestLimits {
        fuel: sent.fuel.unwrap_or(defaults.fuel),
        memory_bytes: sent.memory_bytes.unwrap_or(defaults.memory_bytes),
        table_elements: sent.table_elements.unwrap_or(defaults.table_elements),
        stack_bytes: sent.stack_bytes.unwrap_or(defaults.stack_bytes),
        output_bytes: sent.output_bytes.unwrap_or(defaults.output_bytes),
    }
}

fn retry(sent: &wire::RetryPolicy) -> Retry {
    let defaults = Retry::default();
    Retry {
        attempts_max: sent.attempts_max.unwrap_or(defaults.attempts_max),
        backoff_ms_min: sent.backoff_ms_min.unwrap_or(defaults.backoff_ms_min),
        backoff_ms_max: sent.backoff_ms_max.unwrap_or(defaults.backoff_ms_max),
    }
}
