//! Messages that could not be handled: listing, sending again, dropping.

use axum::{extract::State, http::StatusCode};
use loom_client as wire;
use loom_machine::Message;
use loom_storage::DeadLetter;
use loom_types::ActorAddress;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    auth::{Caller, Tenant},
    extract::{Json, Path, Query},
    problem::Problem,
    serve::App,
};

/// Dead letters per page.
const PAGE: usize = 100;

/// Query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// Only those of this actor, `type/key`
    #[serde(default)]
    actor: Option<String>,
    /// Go on after this one: `next` of the page before
    #[serde(default)]
    #[param(value_type = Option<usize>)]
    after: Option<u64>,
}

/// List dead letters
///
/// Messages that could not be handled and that nobody waits for.
#[utoipa::path(get, path = "/v1/dead-letters", operation_id = "listDeadLetters", tag = "actors", params(List),
    responses((status = 200, description = "A page", body = wire::Page<wire::DeadLetter>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Tenant(namespace): Tenant,
    Query(list): Query<List>,
) -> Result<axum::Json<wire::Page<wire::DeadLetter>>, Problem> {
    let address = |text: &String| ActorAddress::within(namespace.as_str(), text);
    let actor = list.actor.as_ref().map(address).transpose();
    let actor = actor.map_err(|error| Problem::new("invalid-address", error.to_string()))?;
    let letters = app.handle.dead_letters(&namespace, actor.as_ref(), list.after.unwrap_or(0), PAGE).await?;
    let next = (letters.len() == PAGE).then(|| letters.last().map(|letter| letter.id.to_string())).flatten();
    Ok(axum::Json(wire::Page { items: letters.into_iter().map(to_wire).collect(), next }))
}

/// Send a dead letter again
#[utoipa::path(post, path = "/v1/dead-letters/{id}", operation_id = "redeliverDeadLetter", tag = "actors",
    params(("id" = usize, Path, description = "Its number in the list")),
    request_body(content = wire::Redelivery, content_type = "application/json", example = json!({})),
    responses((status = 202, description = "The message is durable under a new id", body = wire::Accepted)))]
pub(crate) async fn redeliver(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(wire::Redelivery {}): Json<wire::Redelivery>,
) -> Result<(StatusCode, axum::Json<wire::Accepted>), Problem> {
    let id = number(&id)?;
    app.handle.audit(&caller.namespace, &format!("retry dead letter {id}"), &caller.by).await?;
    let ticket = app.handle.redeliver(&caller.namespace, id).await?;
    let accepted = wire::Accepted { id: ticket.id.to_string(), status: "accepted".to_owned(), promises: Vec::new() };
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)))
}

/// Drop a dead letter
#[utoipa::path(delete, path = "/v1/dead-letters/{id}", operation_id = "forgetDeadLetter", tag = "actors",
    params(("id" = usize, Path, description = "Its number in the list")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn forget(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    app.handle.audit(&caller.namespace, &format!("drop dead letter {id}"), &caller.by).await?;
    match app.handle.forget_dead_letter(&caller.namespace, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new("unknown-dead-letter", format!("there is no dead letter {id}"))),
    }
}

fn number(id: &str) -> Result<u64, Problem> {
    id.parse().map_err(|_| Problem::new("invalid-request", "a dead letter's id is a number"))
}

fn to_wire(letter: DeadLetter) -> wire::DeadLetter {
    let message = Message::decode(letter.payload.value()).ok();
    let sender = message.as_ref().and_then(|message| message.sender.as_ref());
    wire::DeadLetter {
        id: letter.id,
        actor: letter.actor.local().to_owned(),
        turn: letter.turn.0,
        message: letter.message.to_string(),
        reason: letter.reason,
        at_ms: letter.at_ms,
        sender: sender.map(|sender| sender.local().to_owned()),
        body: message.and_then(|message| RawValue::from_string(message.body).ok()),
    }
}
