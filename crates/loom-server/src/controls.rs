//! What operators ask of actors. Each is in the namespace's audit log before it is tried, and in the actor's journal
//! when it was done.

use axum::extract::State;
use loom_client as wire;
use loom_runtime::Handle;
use loom_types::{ActorAddress, Cid, SequenceNumber, TurnNumber};

use crate::{
    auth::Caller,
    extract::{self, Actor, Json},
    openapi::ActorPath,
    problem::Problem,
    serve::App,
};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// A request that was checked as far as that needs no actor.
enum Control {
    Pause,
    Resume,
    Cancel { reason: String },
    FailTurn { reason: String },
    Reset { to: SequenceNumber, deployment: Option<Cid> },
    Fork { to: ActorAddress, turn: Option<TurnNumber> },
    Purge,
}

/// Control an actor
///
/// Each is an entry of the actor's journal, and in the audit log, before it is answered.
#[utoipa::path(post, path = "/v1/actors/{type}/{key}/control", operation_id = "controlActor", tag = "actors",
    params(ActorPath),
    request_body(content = wire::Control, content_type = "application/json", example = json!({"what": "pause"})),
    responses((status = 200, description = "It was done, durably", body = wire::Controlled)))]
pub(crate) async fn control(
    State(app): State<App>,
    caller: Caller,
    Actor(actor): Actor,
    Json(sent): Json<wire::Control>,
) -> Result<axum::Json<wire::Controlled>, Problem> {
    let control = check(&actor, sent)?;
    app.handle.audit(&caller.namespace, &described(&control, &actor), &caller.by).await?;
    let changed = perform(&app.handle, &actor, control, &caller.by).await?;
    Ok(axum::Json(wire::Controlled { actor: changed.local().to_owned() }))
}

fn check(actor: &ActorAddress, sent: wire::Control) -> Result<Control, Problem> {
    Ok(match sent {
        wire::Control::Pause {} => Control::Pause,
        wire::Control::Resume {} => Control::Resume,
        wire::Control::Cancel { reason } => Control::Cancel { reason: bounded(reason)? },
        wire::Control::FailTurn { reason } => Control::FailTurn { reason: bounded(reason)? },
        wire::Control::Reset { to, deployment } => {
            let deployment = deployment.as_deref().map(extract::cid).transpose()?;
            Control::Reset { to: SequenceNumber(to), deployment }
        }
        wire::Control::Purge {} => Control::Purge,
        wire::Control::Fork { to, turn } => {
            let to = ActorAddress::within(actor.namespace(), &format!("{}/{to}", actor.actor_type()))
                .map_err(|error| Problem::new("invalid-address", error.to_string()))?;
            Control::Fork { to, turn: turn.map(TurnNumber) }
        }
    })
}

fn bounded(reason: String) -> Result<String, Problem> {
    if reason.len() <= REASON_BYTES_MAX {
        return Ok(reason);
    }
    Err(Problem::new("invalid-request", format!("a reason has at most {REASON_BYTES_MAX} bytes")))
}

/// For the audit log. Reasons may be about people, and stay in the actor's own journal.
fn described(control: &Control, actor: &ActorAddress) -> String {
    let actor = actor.local();
    match control {
        Control::Pause => format!("pause {actor}"),
        Control::Resume => format!("resume {actor}"),
        Control::Cancel { .. } => format!("cancel {actor}"),
        Control::FailTurn { .. } => format!("fail-turn {actor}"),
        Control::Reset { to, deployment: None } => format!("reset {actor} to {to}"),
        Control::Reset { to, deployment: Some(cid) } => format!("reset {actor} to {to} on {cid}"),
        Control::Purge => format!("purge {actor}"),
        Control::Fork { to, turn: None } => format!("fork {actor} to {}", to.local()),
        Control::Fork { to, turn: Some(turn) } => format!("fork {actor} after turn {turn} to {}", to.local()),
    }
}

/// Gives the actor whose journal says that it was done.
async fn perform(handle: &Handle, actor: &ActorAddress, control: Control, by: &str) -> Result<ActorAddress, Problem> {
    match control {
        Control::Pause => handle.pause(actor, by).await?,
        Control::Resume => handle.resume(actor, by).await?,
        Control::Cancel { reason } => handle.cancel(actor, &reason, by).await?,
        Control::FailTurn { reason } => handle.fail_turn(actor, &reason, by).await?,
        Control::Reset { to, deployment } => handle.reset(actor, to, deployment, by).await?,
        Control::Purge => handle.purge(actor, by).await.map(drop)?,
        Control::Fork { to, turn } => {
            handle.fork(actor, turn, &to, by).await?;
            return Ok(to);
        }
    }
    Ok(actor.clone())
}
