//! The interface's description, OpenAPI 3.1, made from the handlers and the types that travel.
//!
//! What each operation answers when all is well stands at its handler. What can go wrong is here: the codes of
//! each operation, whose statuses and titles come from `problem.rs`. `docs/openapi.json` is a copy that a test
//! keeps up to date.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use axum::{
    http::{Method, header},
    response::IntoResponse,
};
use loom_client as wire;
use serde_json::json;
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::{
        ContentBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder, SecurityRequirement, Type,
        path::{Operation, ParameterBuilder, ParameterIn, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    access::Access, actors, blobs, bundles, controls, dead_letters, deployments, events, log, problem::Problem,
    promises, schedules, serve, token_routes as tokens,
};

/// Codes of every operation that asks the store.
const COMMON: &[&str] = &["misdirected-host", "store-unavailable", "store-damaged", "internal"];

/// And of every operation that asks who calls, and about which namespace.
const GUARDED: &[&str] = &["unauthenticated", "forbidden", "invalid-address"];

/// Of every operation that reads a JSON body.
const BODY: &[&str] =
    &["invalid-json", "invalid-request", "body-too-large", "request-timeout", "unsupported-media-type"];

/// Of every operation that looks at a deployment as if to activate it.
const DEPLOYING: &[&str] = &[
    "invalid-deployment",
    "missing-module",
    "missing-secret",
    "unusable-module",
    "limits-too-high",
    "actor-type-taken",
    "too-many-deployments",
];

/// Further codes, by operation.
const CODES: &[(&str, &[&[&str]])] = &[
    (
        "sendMessage",
        &[
            BODY,
            &[
                "invalid-address",
                "unknown-actor-type",
                "idempotency-key-reused",
                "payload-erased",
                "turn-failed",
                "mailbox-full",
                "node-busy",
                "node-stopping",
            ],
        ],
    ),
    (
        "followMessage",
        &[&[
            "invalid-address",
            "invalid-request",
            "unknown-message",
            "turn-failed",
            "payload-erased",
            "node-busy",
            "node-stopping",
        ]],
    ),
    ("listActors", &[&["invalid-request", "invalid-address"]]),
    ("showActor", &[&["invalid-address", "unknown-actor", "payload-erased"]]),
    ("readState", &[&["invalid-address", "unknown-actor", "payload-erased"]]),
    ("readJournal", &[&["invalid-address", "invalid-request", "unknown-actor"]]),
    (
        "readBundle",
        &[&[
            "invalid-address",
            "invalid-request",
            "unknown-actor",
            "unknown-turn",
            "unknown-payload",
            "redaction-incomplete",
            "bundle-too-large",
            "node-busy",
        ]],
    ),
    ("followJournal", &[&["invalid-address", "invalid-request", "unknown-actor", "node-busy"]]),
    (
        "controlActor",
        &[
            BODY,
            &[
                "invalid-address",
                "node-stopping",
                "actor-diverged",
                "actor-exists",
                "already-cancelling",
                "invalid-reset",
                "no-open-turn",
                "state-erased",
                "turn-open",
                "unknown-actor",
                "unknown-turn",
            ],
        ],
    ),
    (
        "queryActorByUrl",
        &[&[
            "invalid-json",
            "invalid-request",
            "invalid-address",
            "unknown-actor",
            "unknown-actor-type",
            "no-query-export",
            "query-failed",
            "payload-erased",
            "node-busy",
            "node-stopping",
        ]],
    ),
    (
        "queryActor",
        &[
            BODY,
            &[
                "invalid-address",
                "unknown-actor",
                "unknown-actor-type",
                "no-query-export",
                "query-failed",
                "payload-erased",
                "node-busy",
                "node-stopping",
            ],
        ],
    ),
    ("listSchedules", &[&[]]),
    ("listDeadLetters", &[&["invalid-request", "invalid-address"]]),
    (
        "redeliverDeadLetter",
        &[
            BODY,
            &[
                "unknown-dead-letter",
                "unreadable-dead-letter",
                "unknown-actor-type",
                "idempotency-key-reused",
                "mailbox-full",
                "node-busy",
                "node-stopping",
            ],
        ],
    ),
    ("forgetDeadLetter", &[&["invalid-request", "unknown-dead-letter"]]),
    ("listPromises", &[&["invalid-request"]]),
    ("settlePromise", &[BODY, &["unknown-promise", "promise-resolved"]]),
    ("storeBlob", &[&["body-too-large", "unsupported-media-type", "request-timeout"]]),
    (
        "storeNamedBlob",
        &[&["invalid-request", "digest-mismatch", "body-too-large", "unsupported-media-type", "request-timeout"]],
    ),
    ("readBlob", &[&["invalid-request", "unknown-blob"]]),
    ("collectBlobs", &[&["invalid-request", "collection-under-way"]]),
    ("listDeployments", &[&["invalid-request", "unknown-deployment"]]),
    ("deploy", &[BODY, DEPLOYING]),
    ("checkDeployment", &[BODY, DEPLOYING, &["unknown-deployment"]]),
    ("rollback", &[BODY, DEPLOYING, &["unknown-deployment"]]),
    ("listTokens", &[&[]]),
    ("createToken", &[BODY, &["token-exists", "tokens-full"]]),
    ("revokeToken", &[&["unknown-token"]]),
    ("showLog", &[&["no-log"]]),
    ("readLogCheckpoint", &[&["no-log", "unknown-tile"]]),
    ("readLogTile", &[&["invalid-request", "no-log", "unknown-tile"]]),
    ("healthz", &[&[]]),
    ("readyz", &[&[]]),
    ("metrics", &[&[]]),
    ("openapi", &[&[]]),
];

/// How the description calls bearer tokens.
const BEARER: &str = "bearer";

/// The description.
#[derive(OpenApi)]
#[openapi(
    info(title = "Loom", description = "Durable WASM actors with a verifiable journal"),
    paths(
        actors::send,
        actors::follow,
        actors::list,
        actors::show,
        actors::state,
        actors::journal,
        bundles::bundle,
        events::events,
        controls::control,
        actors::query_of_url,
        actors::query,
        dead_letters::list,
        dead_letters::redeliver,
        dead_letters::forget,
        schedules::list,
        promises::list,
        promises::settle,
        blobs::post,
        blobs::put,
        blobs::get,
        blobs::collect,
        deployments::list,
        deployments::deploy,
        deployments::check,
        deployments::rollback,
        tokens::list,
        tokens::create,
        tokens::revoke,
        log::show,
        log::checkpoint,
        log::tile,
        serve::healthy,
        serve::ready,
        serve::metrics,
        read,
    ),
    components(schemas(wire::Problem, OctetStream)),
    tags(
        (name = "actors", description = "Sending, following, looking"),
        (name = "promises", description = "What waits for people and systems outside"),
        (name = "blobs", description = "Immutable bytes by CID"),
        (name = "deployments", description = "What runs"),
        (name = "tokens", description = "Who may do what"),
        (name = "log", description = "The node's transparency log, for monitors and witnesses"),
        (name = "node", description = "The node itself"),
    ),
    modifiers(&Problems),
)]
struct Description;

/// The parts of an actor's address in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; `extract::Actor` reads them")]
pub(crate) struct ActorPath {
    /// The actor's type
    #[param(pattern = "^[a-z][a-z0-9-]{0,63}$", example = "loan-review")]
    r#type: String,
    /// The actor's key
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,199}$", example = "L1")]
    key: String,
}

/// A blob's name in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct BlobPath {
    /// The blob's CID
    #[param(pattern = "^bafkrei[a-z2-7]{52}$")]
    cid: String,
}

/// The header under which a message is sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; `extract::message_id` reads it")]
pub(crate) struct IdempotencyHeader {
    /// Your own id for the message; sending it again under the same id is safe
    #[param(rename = "idempotency-key", pattern = r##"^[!$-\[\]-~]{1,128}$"##)]
    idempotency_key: Option<String>,
}

/// The parts of a message's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; `extract` reads them")]
pub(crate) struct MessagePath {
    /// The actor's type
    #[param(pattern = "^[a-z][a-z0-9-]{0,63}$", example = "loan-review")]
    r#type: String,
    /// The actor's key
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,199}$", example = "L1")]
    key: String,
    /// The message's id
    #[param(pattern = r##"^[!$-\[\]-~]{1,128}$"##, example = "m1")]
    id: String,
}

/// The header of a reader that comes again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; `events` reads it")]
pub(crate) struct LastEventHeader {
    /// Go on after this entry
    #[param(rename = "last-event-id", value_type = Option<usize>)]
    last_event_id: Option<u64>,
}

/// Bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct OctetStream(Vec<u8>);

/// Adds what can go wrong to every operation.
struct Problems;

impl Modify for Problems {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        description.info.version = env!("CARGO_PKG_VERSION").to_owned();
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        description.components.get_or_insert_default().add_security_scheme(BEARER, bearer);
        let access = serve::access();
        for (path, item) in &mut description.paths.paths {
            for (method, operation) in operations(item) {
                let id = operation.operation_id.clone().unwrap_or_default();
                let own = CODES.iter().find(|(operation, _)| *operation == id).map_or(&[][..], |(_, codes)| codes);
                let is_of = |(of, at, _): &&(Method, &str, Access)| of == method && described(at) == *path;
                let is_public = access.iter().find(is_of).is_some_and(|(_, _, access)| *access == Access::Public);
                let guarded = if is_public { &[][..] } else { GUARDED };
                let codes: BTreeSet<&str> =
                    own.iter().copied().flatten().chain(guarded).chain(COMMON).copied().collect();
                add_problems(operation, &codes);
                if !is_public {
                    guard(operation);
                }
            }
        }
    }
}

/// A route's path in the words of OpenAPI, which knows no rest of a path.
fn described(path: &str) -> String {
    path.replace("{*", "{")
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A node with tokens asks for one; a node without does not. The namespace is a header of every such request.
fn guard(operation: &mut Operation) {
    let none = SecurityRequirement::default();
    operation.security = Some(vec![none, SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z][a-z0-9-]{0,63}$")).build();
    let namespace = ParameterBuilder::new()
        .name(wire::NAMESPACE)
        .parameter_in(ParameterIn::Header)
        .description(Some("The tenant; `default` without"))
        .schema(Some(name))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(namespace));
}

fn add_problems(operation: &mut Operation, codes: &BTreeSet<&str>) {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes {
        by_status.entry(Problem::status_and_title(code).0.as_u16()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let titles = codes.iter().map(|code| format!("`{code}`: {}", Problem::status_and_title(code).1));
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .examples_from_iter(codes.iter().map(|code| (*code, example(code))))
            .build();
        let response = ResponseBuilder::new()
            .description(titles.collect::<Vec<_>>().join("; "))
            .content(wire::PROBLEM_JSON, content)
            .build();
        operation.responses.responses.insert(status.to_string(), RefOr::T(response));
    }
}

fn example(code: &str) -> utoipa::openapi::example::Example {
    let (status, title) = Problem::status_and_title(code);
    let value = json!({
        "type": format!("docs/errors/{code}.md"),
        "code": code,
        "title": title,
        "status": status.as_u16(),
        "detail": "what happened this time",
    });
    utoipa::openapi::example::ExampleBuilder::new().value(Some(value)).build()
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = Description::openapi().to_pretty_json().expect("the description serialises");
    text.push('\n');
    text
});

/// Read this description
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value)))]
pub(crate) async fn read() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;

    #[test]
    fn the_committed_description_is_up_to_date() {
        expect_file!["../../../docs/openapi.json"].assert_eq(&TEXT);
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let routes: BTreeSet<String> =
            serve::access().into_iter().map(|(method, path, _)| format!("{method} {}", described(path))).collect();
        let mut description = Description::openapi();
        let paths = description.paths.paths.iter_mut();
        let described: BTreeSet<String> = paths
            .flat_map(|(path, item)| operations(item).map(|(method, _)| format!("{method} {path}")).collect::<Vec<_>>())
            .collect();
        assert_eq!(routes, described);
    }

    #[test]
    fn every_code_is_somebodys_and_every_operation_has_its_row() {
        let mut description = Description::openapi();
        let ids: BTreeSet<String> = description
            .paths
            .paths
            .values_mut()
            .flat_map(operations)
            .map(|(_, operation)| operation.operation_id.clone().unwrap())
            .collect();
        assert_eq!(ids, CODES.iter().map(|(id, _)| (*id).to_owned()).collect());
        let source = include_str!("problem.rs");
        let all = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => (StatusCode::"));
        for (code, _) in all {
            // These are answers to requests that no operation describes.
            let is_told = ["unknown-route", "method-not-allowed"].contains(&code)
                || COMMON.contains(&code)
                || GUARDED.contains(&code)
                || CODES.iter().any(|(_, codes)| codes.concat().contains(&code));
            assert!(is_told, "{code}");
        }
    }
}
