//! Actors: sending, following, looking.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use loom_client as wire;
use loom_runtime::{ActorView, Handle, Journaled, SendOptions, Settled, Stage, Ticket};
use loom_storage::PromiseRecord;
use loom_types::{ActorAddress, Cid, EntryBody, Payload, Resolution, SequenceNumber, TurnResult};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use utoipa::IntoParams;

use crate::{
    auth::{Caller, Tenant},
    extract::{Actor, JsonText, Path, Query, message_id},
    openapi::{ActorPath, IdempotencyHeader, MessagePath},
    problem::Problem,
    serve::App,
    wait::Wait,
    withhold,
};

/// Actors per page when no limit is given, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1000;

/// Send a message to an actor
///
/// Durable when the answer comes. With `wait` the answer is the reply if it comes in time. Sending again under the
/// same `Idempotency-Key` is safe.
#[utoipa::path(post, path = "/v1/actors/{type}/{key}/messages", operation_id = "sendMessage", tag = "actors",
    params(ActorPath, Wait, IdempotencyHeader),
    request_body(content = serde_json::Value, content_type = "application/json", description = "The message: any JSON",
        example = json!({"type": "status"})),
    responses(
        (status = 200, description = "The reply", content_type = "application/json", body = serde_json::Value,
            headers(("loom-message-id" = String, description = "The message's id"), ("loom-turn" = u64, description = "The turn that made it"))),
        (status = 202, description = "Durable, and not answered yet", body = wire::Accepted),
    ))]
pub(crate) async fn send(
    State(app): State<App>,
    Actor(actor): Actor,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    JsonText(body): JsonText,
) -> Result<Response, Problem> {
    let id = match headers.get(wire::IDEMPOTENCY_KEY) {
        Some(key) => Some(message_id(key.to_str().unwrap_or(""))?),
        None => None,
    };
    let duration = wait.duration()?;
    let options = SendOptions { id, until_waiting: wait.until_waiting };
    let ticket = app.handle.send(&actor, &body, options)?;
    answer(ticket, duration).await
}

/// Ask for the reply to a message that was sent earlier
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/messages/{id}", operation_id = "followMessage", tag = "actors",
    params(MessagePath, Wait),
    responses(
        (status = 200, description = "The reply", content_type = "application/json", body = serde_json::Value,
            headers(("loom-message-id" = String, description = "The message's id"), ("loom-turn" = u64, description = "The turn that made it"))),
        (status = 202, description = "Durable, and not answered yet", body = wire::Accepted),
    ))]
pub(crate) async fn follow(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(path): Path<Vec<(String, String)>>,
    Query(wait): Query<Wait>,
) -> Result<Response, Problem> {
    let id = path.iter().find(|(name, _)| name == "id").map_or("", |(_, id)| id);
    // Without a wait the answer is what is known now.
    let duration = wait.duration()?.or(Some(Duration::ZERO));
    let ticket = app.handle.follow(&actor, message_id(id)?, wait.until_waiting)?;
    answer(ticket, duration).await
}

/// The reply if it comes in time, else that the message is durable.
async fn answer(mut ticket: Ticket, wait: Option<Duration>) -> Result<Response, Problem> {
    let accepted = |ticket: &Ticket, status: &str, promises: Vec<String>| {
        let body = wire::Accepted { id: ticket.id.to_string(), status: status.to_owned(), promises };
        (StatusCode::ACCEPTED, axum::Json(body)).into_response()
    };
    ticket.accepted().await?;
    let Some(wait) = wait else { return Ok(accepted(&ticket, "accepted", Vec::new())) };
    // A reply that is there already is given even if there is no time to wait.
    let grace = wait.max(Duration::from_millis(20));
    let settled = match tokio::time::timeout(grace, ticket.settled()).await {
        Ok(settled) => settled?,
        Err(_) => return Ok(accepted(&ticket, "accepted", Vec::new())),
    };
    match settled {
        Settled::Waiting { promises, .. } => Ok(accepted(&ticket, "waiting", promises)),
        Settled::Ended { result: Err(failure), .. } => Err(Problem::turn_failed(failure)),
        Settled::Ended { turn, result: Ok(reply) } => {
            let headers = [
                (header::CONTENT_TYPE.as_str(), "application/json".to_owned()),
                (wire::MESSAGE_ID, ticket.id.to_string()),
                (wire::TURN, turn.to_string()),
            ];
            Ok((StatusCode::OK, headers, reply).into_response())
        }
    }
}

/// Query of lists.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct List {
    /// Only actors of this type
    #[serde(default, rename = "type")]
    actor_type: Option<String>,
    /// `next` of the page before
    #[serde(default)]
    #[param(pattern = "^[a-z][a-z0-9-]{0,63}/[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,199}$")]
    after: Option<String>,
    /// At most this many; cut to 1,000
    #[serde(default)]
    limit: Option<usize>,
}

/// List actors
#[utoipa::path(get, path = "/v1/actors", operation_id = "listActors", tag = "actors", params(List),
    responses((status = 200, description = "A page", body = wire::Page<wire::ActorSummary>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Tenant(namespace): Tenant,
    Query(list): Query<List>,
) -> Result<axum::Json<wire::Page<wire::ActorSummary>>, Problem> {
    let address = |text: &String| ActorAddress::within(namespace.as_str(), text);
    let after = list.after.as_ref().map(address).transpose();
    let after = after.map_err(|error| Problem::new("invalid-address", error.to_string()))?;
    let limit = list.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let actors = app.handle.actors(&namespace, list.actor_type.as_deref(), after.as_ref(), limit).await?;
    let next = (actors.len() == limit).then(|| actors.last().map(|actor| actor.address.local().to_owned())).flatten();
    let items = actors.into_iter().map(|actor| wire::ActorSummary {
        actor: actor.address.local().to_owned(),
        status: match actor.is_open {
            _ if actor.is_paused => "paused",
            true => "open",
            false => "idle",
        }
        .to_owned(),
        turns: actor.turn.0,
        entries: actor.next_seq.0,
        waiting: actor.waiting,
        changed_ms: actor.changed_ms,
    });
    Ok(axum::Json(wire::Page { items: items.collect(), next }))
}

/// Show one actor
#[utoipa::path(get, path = "/v1/actors/{type}/{key}", operation_id = "showActor", tag = "actors", params(ActorPath),
    responses((status = 200, description = "What it is doing", body = wire::Actor)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Actor(actor): Actor,
) -> Result<axum::Json<wire::Actor>, Problem> {
    let view = app.handle.actor(&actor).await?;
    Ok(axum::Json(withhold::from_actor(&caller, to_wire(view))))
}

fn to_wire(view: ActorView) -> wire::Actor {
    let (status, detail) = match view.stage {
        Stage::Idle => ("idle", None),
        Stage::Running => ("running", None),
        Stage::Waiting => ("waiting", None),
        Stage::Paused => ("paused", None),
        Stage::Diverged(detail) => ("diverged", Some(detail)),
        Stage::Faulted(detail) => ("faulted", Some(detail)),
    };
    let waiting_on = view.waiting_on.into_iter().map(|step| wire::WaitingOn {
        step: step.n,
        kind: step.kind.to_owned(),
        detail: step.detail,
    });
    wire::Actor {
        actor: view.address.local().to_owned(),
        status: status.to_owned(),
        detail,
        turns: view.turn.0,
        open_turn_entry: view.open_turn.map(|entry| entry.0),
        deployment: view.pinned.map(|pinned| pinned.deployment.to_string()),
        module: view.pinned.map(|pinned| pinned.module.to_string()),
        former_deployment: view.pinned.is_some_and(|pinned| pinned.is_former),
        entries: view.entries,
        head: view.head.to_string(),
        resident: view.is_resident,
        waiting_on: waiting_on.collect(),
        promises: view.promises.into_iter().map(promise).collect(),
    }
}

pub(crate) fn promise(record: PromiseRecord) -> wire::Promise {
    wire::Promise {
        token: record.token,
        actor: record.actor.local().to_owned(),
        label: record.label,
        data: record.data.and_then(|data| RawValue::from_string(data).ok()),
        created_ms: record.created_ms,
    }
}

/// Read an actor's committed state
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/state", operation_id = "readState", tag = "actors",
    params(ActorPath),
    responses((status = 200, description = "The state; null if it has none", content_type = "application/json",
        body = serde_json::Value)))]
pub(crate) async fn state(State(app): State<App>, Actor(actor): Actor) -> Result<Response, Problem> {
    let state = app.handle.state(&actor).await?;
    let body = state.unwrap_or_else(|| "null".to_owned());
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Query of queries that have no body.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// JSON text; `null` without
    #[serde(default)]
    input: Option<String>,
}

/// Ask an actor's committed state, with a short input
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/query", operation_id = "queryActorByUrl", tag = "actors",
    params(ActorPath, Input),
    responses((status = 200, description = "What the module's `query` returned", body = serde_json::Value)))]
pub(crate) async fn query_of_url(
    State(app): State<App>,
    Actor(actor): Actor,
    Query(Input { input }): Query<Input>,
) -> Result<Response, Problem> {
    queried(&app.handle, &actor, input.as_deref().unwrap_or("null")).await
}

/// Ask an actor's committed state
///
/// Runs the `query` of the actor's module on its committed state, beside its turns. Nothing changes.
#[utoipa::path(post, path = "/v1/actors/{type}/{key}/query", operation_id = "queryActor", tag = "actors",
    params(ActorPath),
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({"what": "total"})),
    responses((status = 200, description = "What the module's `query` returned", body = serde_json::Value)))]
pub(crate) async fn query(
    State(app): State<App>,
    Actor(actor): Actor,
    JsonText(input): JsonText,
) -> Result<Response, Problem> {
    queried(&app.handle, &actor, &input).await
}

async fn queried(handle: &Handle, actor: &ActorAddress, input: &str) -> Result<Response, Problem> {
    let output = handle.query(actor, input).await?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], output).into_response())
}

/// Query of journals and event streams.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Start {
    /// Sequence number of the first entry
    #[serde(default)]
    #[param(required = false, value_type = usize)]
    pub(crate) from: u64,
}

/// Read a page of an actor's journal
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/journal", operation_id = "readJournal", tag = "actors",
    params(ActorPath, Start),
    responses((status = 200, description = "Entries with their payloads; empty at the end", body = Vec<wire::Entry>)))]
pub(crate) async fn journal(
    State(app): State<App>,
    caller: Caller,
    Actor(actor): Actor,
    Query(Start { from }): Query<Start>,
) -> Result<axum::Json<Vec<wire::Entry>>, Problem> {
    let page = read_journal(&app.handle, &actor, from).await?;
    Ok(axum::Json(page.iter().map(|entry| withhold::from_entry(&caller, journal_entry(entry))).collect()))
}

async fn read_journal(handle: &Handle, actor: &ActorAddress, from: u64) -> Result<Vec<Journaled>, Problem> {
    Ok(handle.journal(actor, SequenceNumber(from)).await?)
}

/// An entry as the interface shows it.
pub fn journal_entry(journaled: &Journaled) -> wire::Entry {
    let Journaled { encoded, entry, payloads, erased } = journaled;
    let wire_payload =
        |cid: &Cid, payload: Option<&Payload>| to_wire_payload(cid.to_string(), payload, erased.contains(cid));
    let payloads: BTreeMap<_, _> =
        payloads.iter().map(|(role, cid, payload)| ((*role).to_owned(), wire_payload(cid, payload.as_ref()))).collect();
    wire::Entry {
        cid: encoded.cid.to_string(),
        seq: entry.seq.0,
        prev: entry.prev.map(|prev| prev.to_string()),
        turn: entry.turn.0,
        at_ms: entry.at_ms,
        kind: entry.body.kind().to_owned(),
        body: body(&entry.body),
        payloads,
    }
}

fn to_wire_payload(cid: String, payload: Option<&Payload>, erased: bool) -> wire::Payload {
    let text = payload.and_then(Payload::text).map(str::to_owned);
    let is_json = payload.is_some_and(|payload| payload.media_type().ends_with("json"));
    let json = text.filter(|_| is_json).and_then(|text| RawValue::from_string(text).ok());
    let base64 = match (&json, payload) {
        (None, Some(payload)) => Some(data_encoding::BASE64.encode(payload.value())),
        _ => None,
    };
    wire::Payload { cid, media_type: payload.map(|payload| payload.media_type().to_owned()), json, base64, erased }
}

fn body(body: &EntryBody) -> serde_json::Value {
    let resolution = |resolution: &Resolution| match resolution {
        Resolution::Ok(cid) => json!({ "ok": cid.to_string() }),
        Resolution::Err(cid) => json!({ "err": cid.to_string() }),
    };
    match body {
        EntryBody::Opened {} => json!({}),
        EntryBody::TurnStarted { message, deployment, module, engine, seed } => json!({
            "message": message.to_string(),
            "deployment": deployment.to_string(),
            "module": module.to_string(),
            "engine": engine,
            "seed": seed.to_string(),
        }),
        EntryBody::Step { n, op, request, outcome, input } => {
            let mut step = json!({
                "n": n,
                "op": op,
                "request": request.to_string(),
                "outcome": outcome.as_ref().map(resolution),
            });
            if let Some(input) = input {
                step["input"] = json!(input.to_string());
            }
            step
        }
        EntryBody::Outcome { n, result, attempts, worker, evidence } => json!({
            "n": n,
            "result": resolution(result),
            "attempts": attempts,
            "worker": worker,
            "evidence": evidence.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        EntryBody::TurnEnded { result, state, fuel } => json!({
            "result": match result {
                TurnResult::Reply(cid) => json!({ "reply": cid.to_string() }),
                TurnResult::Failure(cid) => json!({ "failure": cid.to_string() }),
                TurnResult::Restarted(cid) => json!({ "restarted": cid.to_string() }),
            },
            "state": state.map(|state| state.to_string()),
            "fuel": fuel,
        }),
        EntryBody::Control { what, by, detail, state } => {
            let text = |cid: &Option<loom_types::Cid>| cid.map(|cid| cid.to_string());
            json!({ "what": what, "by": by, "detail": text(detail), "state": text(state) })
        }
    }
}
