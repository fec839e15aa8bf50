//! Deployments: activating, trying on recorded turns, listing and going back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::extract::State;
use loom_client as wire;
use loom_machine::{
    ActivitySpec, ActorSpec, Deployment, GuestLimits, HostPattern, HttpAllowance, InvalidDeployment, ProgramSpec,
    Retry, TurnLimits, VerifierSpec,
    replay::{Difference, Replayed},
};
use loom_runtime::{CheckOptions, CheckReport, Checked};
use loom_storage::{ActiveDeployment, limits::DEPLOYMENTS_KEPT_MAX};
use loom_types::Cid;
use serde::Deserialize;

use crate::{
    auth::{Caller, Tenant},
    extract::{Json, Path, Query},
    problem::Problem,
    schedules,
    serve::App,
};

/// Finished turns that a check replays if its caller does not say.
const CHECK_TURNS_DEFAULT: usize = 100;
/// How long a check goes on, if its caller does not say less.
const CHECK_TIME_MAX: Duration = Duration::from_secs(60);

/// Query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// How many former deployments of each name follow the active one.
    #[serde(default)]
    history: usize,
}

/// List active deployments
#[utoipa::path(get, path = "/v1/deployments", operation_id = "listDeployments", tag = "deployments", params(List),
    responses((status = 200, description = "All of them", body = Vec<wire::Deployment>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Tenant(namespace): Tenant,
    Query(list): Query<List>,
) -> Result<axum::Json<Vec<wire::Deployment>>, Problem> {
    let mut deployments = Vec::new();
    for (active, deployment) in app.handle.deployments(&namespace) {
        if list.history == 0 {
            deployments.push(to_wire(active, Some(&*deployment), true));
            continue;
        }
        // One more, so that the last that is told can be compared with the one before it.
        let told = list.history.min(DEPLOYMENTS_KEPT_MAX).saturating_add(1);
        let history = app.handle.deployment_history(&namespace, &active.name, told + 1).await?;
        let before = history.iter().skip(1).map(Some).chain([None]);
        for (place, ((former, manifest), before)) in history.iter().zip(before).enumerate().take(told) {
            let changed = match (manifest, before) {
                (Some(manifest), Some((_, Some(before)))) => changed(before, manifest),
                _ => Vec::new(),
            };
            let told = to_wire(former.clone(), manifest.as_deref(), place == 0);
            deployments.push(wire::Deployment { changed, ..told });
        }
    }
    Ok(axum::Json(deployments))
}

/// What runs another module than before, is another program or verifier, or is new.
fn changed(before: &Deployment, now: &Deployment) -> Vec<String> {
    let actors = now
        .actors
        .iter()
        .filter(|(name, spec)| before.actors.get(*name).is_none_or(|before| before.module != spec.module));
    let activities = now
        .activities
        .iter()
        .filter(|(name, spec)| before.activities.get(*name).is_none_or(|before| before.module != spec.module));
    let programs = now.programs.iter().filter(|(name, spec)| before.programs.get(*name) != Some(spec));
    let verifiers = now.verifiers.iter().filter(|(name, spec)| before.verifiers.get(*name) != Some(spec));
    let actors = actors.map(|(name, _)| format!("actors.{name}"));
    let activities = activities.map(|(name, _)| format!("activities.{name}"));
    let programs = programs.map(|(name, _)| format!("programs.{name}"));
    let verifiers = verifiers.map(|(name, _)| format!("verifiers.{name}"));
    actors.chain(activities).chain(programs).chain(verifiers).collect()
}

/// Check and activate a deployment
#[utoipa::path(post, path = "/v1/deployments", operation_id = "deploy", tag = "deployments",
    request_body(content = wire::Manifest, content_type = "application/json",
        example = json!({"name": "example", "actors": {"counter": {"module": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}}})),
    responses((status = 200, description = "It is active", body = wire::Deployment)))]
pub(crate) async fn deploy(
    State(app): State<App>,
    caller: Caller,
    Json(sent): Json<wire::Manifest>,
) -> Result<axum::Json<wire::Deployment>, Problem> {
    let deployment = read_manifest(&sent)?;
    let active = app.handle.deploy_by(&caller.namespace, deployment.clone(), &caller.by).await?;
    Ok(axum::Json(to_wire(active, Some(&deployment), true)))
}

/// Activate a former deployment again
#[utoipa::path(post, path = "/v1/deployments/{name}/rollback", operation_id = "rollback", tag = "deployments",
    params(("name" = String, Path, description = "The application's name")),
    request_body(content = wire::Rollback, content_type = "application/json", example = json!({})),
    responses((status = 200, description = "It is active", body = wire::Deployment)))]
pub(crate) async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(sent): Json<wire::Rollback>,
) -> Result<axum::Json<wire::Deployment>, Problem> {
    let to = sent.to.as_deref().map(read_cid).transpose()?;
    let active = app.handle.rollback_by(&caller.namespace, &name, to, &caller.by).await?;
    let manifest = app.handle.former_deployment(&caller.namespace, &name, Some(active.cid)).await?;
    Ok(axum::Json(to_wire(active, Some(&manifest), true)))
}

/// Try a deployment on recorded turns
///
/// Nothing changes: open turns, and the newest that have ended, are replayed on the modules in question.
#[utoipa::path(post, path = "/v1/deployments/check", operation_id = "checkDeployment", tag = "deployments",
    request_body(content = wire::CheckRequest, content_type = "application/json",
        example = json!({"former": {"name": "example"}})),
    responses((status = 200, description = "What became of each turn", body = wire::CheckReport)))]
pub(crate) async fn check(
    State(app): State<App>,
    Tenant(namespace): Tenant,
    Json(sent): Json<wire::CheckRequest>,
) -> Result<axum::Json<wire::CheckReport>, Problem> {
    let deployment = match (&sent.manifest, &sent.former) {
        (Some(manifest), None) => Arc::new(read_manifest(manifest)?),
        (None, Some(former)) => {
            let to = former.to.as_deref().map(read_cid).transpose()?;
            app.handle.former_deployment(&namespace, &former.name, to).await?
        }
        _ => return Err(Problem::new("invalid-request", "either 'manifest' or 'former' says what to check")),
    };
    let options = CheckOptions {
        turns: sent.turns.unwrap_or(CHECK_TURNS_DEFAULT),
        time: sent.time_ms.map_or(CHECK_TIME_MAX, Duration::from_millis).min(CHECK_TIME_MAX),
    };
    let report = app.handle.check_deployment(&namespace, &deployment, options).await?;
    Ok(axum::Json(report_to_wire(report)))
}

fn report_to_wire(report: CheckReport) -> wire::CheckReport {
    let turns: Vec<_> = report.turns.into_iter().map(checked).collect();
    let count = |verdict: &str| turns.iter().filter(|checked| checked.verdict == verdict).count();
    wire::CheckReport {
        deployment: report.deployment.to_string(),
        agreed: count("agrees"),
        diverged: count("diverges"),
        impossible: count("impossible"),
        left_out: report.left_out,
        turns,
    }
}

fn checked(checked: Checked) -> wire::CheckedTurn {
    let (verdict, reason, difference) = match checked.replayed {
        Replayed::Agreed(_) => ("agrees", None, None),
        Replayed::Diverged(difference) => ("diverges", None, Some(difference_to_wire(&difference))),
        Replayed::Impossible(why) => ("impossible", Some(why.to_string()), None),
    };
    wire::CheckedTurn {
        actor: checked.actor.local().to_owned(),
        turn: checked.turn.0,
        open: checked.is_open,
        deployment: checked.deployment.to_string(),
        verdict: verdict.to_owned(),
        reason,
        difference,
    }
}

fn difference_to_wire(difference: &Difference) -> wire::Difference {
    let (journal, guest) = difference.side_by_side();
    wire::Difference {
        seq: difference.seq.0,
        step: difference.n,
        journal,
        guest,
        journal_module: difference.recorded_module.to_string(),
        guest_module: difference.module.to_string(),
    }
}

fn to_wire(active: ActiveDeployment, deployment: Option<&Deployment>, is_active: bool) -> wire::Deployment {
    wire::Deployment {
        name: active.name,
        deployment: active.cid.to_string(),
        activated_ms: active.activated_ms,
        by: active.by,
        active: is_active,
        actors: deployment.map_or_else(Vec::new, |deployment| deployment.actors.keys().cloned().collect()),
        activities: deployment.map_or_else(Vec::new, |deployment| deployment.activities.keys().cloned().collect()),
        changed: Vec::new(),
    }
}

fn read_manifest(sent: &wire::Manifest) -> Result<Deployment, Problem> {
    manifest(sent).map_err(|error| Problem::new("invalid-deployment", error.to_string()))
}

fn read_cid(text: &str) -> Result<Cid, Problem> {
    text.parse().map_err(|error| Problem::new("invalid-request", format!("'{text}' is {error}")))
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
        activities.insert(name.clone(), activity_spec(&format!("activities.{name}"), activity)?);
    }
    let schedules = sent.schedules.iter().map(|(name, sent)| (name.clone(), schedules::from_wire(sent)));
    let mut programs = BTreeMap::new();
    for (name, program) in &sent.programs {
        programs.insert(name.clone(), program_spec(&format!("programs.{name}"), program)?);
    }
    let mut verifiers = BTreeMap::new();
    for (name, verifier) in &sent.verifiers {
        verifiers.insert(name.clone(), verifier_spec(&format!("verifiers.{name}"), verifier)?);
    }
    let deployment = Deployment::new(&sent.name, actors, activities)?.with_schedules(schedules.collect())?;
    deployment.with_programs(programs)?.with_verifiers(verifiers)
}

fn verifier_spec(at: &str, sent: &wire::ManifestVerifier) -> Result<VerifierSpec, InvalidDeployment> {
    let kind = sent.kind.parse().map_err(|error| InvalidDeployment::Invalid {
        at: format!("{at}.kind"),
        problem: format!("'{}' is {error}", sent.kind),
    })?;
    Ok(VerifierSpec {
        kind,
        module: module(&format!("{at}.module"), &sent.module)?,
        limits: limits_or(&sent.limits, VerifierSpec::limits_default()),
        policy: serde_json::Value::Object(sent.policy.clone()).to_string(),
    })
}

fn program_spec(at: &str, sent: &wire::ManifestProgram) -> Result<ProgramSpec, InvalidDeployment> {
    let image_id = sent.image_id.parse().map_err(|error| InvalidDeployment::Invalid {
        at: format!("{at}.image_id"),
        problem: format!("'{}' is {error}", sent.image_id),
    })?;
    Ok(ProgramSpec { image_id, binary: module(&format!("{at}.binary"), &sent.binary)? })
}

fn activity_spec(at: &str, sent: &wire::ManifestActivity) -> Result<ActivitySpec, InvalidDeployment> {
    Ok(ActivitySpec {
        module: module(&format!("{at}.module"), &sent.module)?,
        limits: limits(&sent.limits),
        capabilities: sent.capabilities.iter().cloned().collect(),
        retry: retry(&sent.retry),
        http: sent.http.as_ref().map(|allowance| http(&format!("{at}.http"), allowance)).transpose()?,
        secrets: sent.secrets.iter().cloned().collect(),
        deadline_ms: sent.deadline_ms,
    })
}

fn http(at: &str, sent: &wire::HttpAllowance) -> Result<HttpAllowance, InvalidDeployment> {
    let invalid = |problem: String| InvalidDeployment::Invalid { at: format!("{at}.hosts"), problem };
    let hosts = sent.hosts.iter().cloned().map(HostPattern::try_from).collect::<Result<_, _>>();
    let defaults = HttpAllowance::new(hosts.map_err(|error| invalid(error.to_string()))?);
    let methods = sent.methods.as_ref().map(|methods| methods.iter().cloned().collect());
    Ok(HttpAllowance {
        methods: methods.unwrap_or(defaults.methods),
        request_bytes_max: sent.request_bytes_max.unwrap_or(defaults.request_bytes_max),
        response_bytes_max: sent.response_bytes_max.unwrap_or(defaults.response_bytes_max),
        timeout_ms: sent.timeout_ms.unwrap_or(defaults.timeout_ms),
        redirects_max: sent.redirects_max.unwrap_or(defaults.redirects_max),
        requests_max: sent.requests_max.unwrap_or(defaults.requests_max),
        hosts: defaults.hosts,
    })
}

fn module(at: &str, text: &str) -> Result<Cid, InvalidDeployment> {
    text.parse()
        .map_err(|error| InvalidDeployment::Invalid { at: at.to_owned(), problem: format!("'{text}' is {error}") })
}

fn limits(sent: &wire::Limits) -> GuestLimits {
    limits_or(sent, GuestLimits::default())
}

fn limits_or(sent: &wire::Limits, defaults: GuestLimits) -> GuestLimits {
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
