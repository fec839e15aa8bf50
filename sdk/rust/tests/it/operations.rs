//! Requests and answers, byte for byte.

use std::cell::RefCell;
use std::rc::Rc;

use loom_guest::host::{self, Level, Received, Retry, Spawn, state};
use loom_guest::outside::{self, Response};
use loom_guest::{Error, Handle, Promise, RawHandle, testing};
use serde::Serialize;
use serde_json::{Value, json};

use crate::vectors::{Operation, Vectors};

#[test]
fn requests_and_answers_agree_with_the_vectors() {
    for vector in Vectors::read().operations {
        check(&vector);
    }
}

fn check(vector: &Operation) {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let host = testing::answer_raw({
        let (requests, answer) = (requests.clone(), vector.answer.clone());
        move |request| {
            requests.borrow_mut().push(request.to_owned());
            answer.clone()
        }
    });
    let result = perform(&vector.name);
    drop(host);
    assert_eq!(
        *requests.borrow(),
        [vector.request.as_str()],
        "{}",
        vector.name
    );
    assert_result(vector, result);
}

/// An expected error without a message leaves the message to the SDK.
fn assert_result(vector: &Operation, result: Result<Value, Error>) {
    let mut actual = match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "err": error }),
    };
    if let (Some(expected), Some(error)) = (vector.result.get("err"), actual.get_mut("err"))
        && expected.get("message").is_none()
    {
        *error = json!({ "kind": error["kind"] });
    }
    assert_eq!(actual, vector.result, "{}", vector.name);
}

/// Does what the vector of this name is about, as a guest would.
fn perform(name: &str) -> Result<Value, Error> {
    let retry = Retry {
        attempts_max: Some(5),
        backoff_ms_min: Some(100),
        backoff_ms_max: Some(60_000),
    };
    match name {
        "context" | "context-from-outside" => Ok(context()),
        "state-get"
        | "state-get-missing"
        | "answer-with-white-space"
        | "answer-with-escapes"
        | "answer-with-large-integers"
        | "answer-of-another-shape"
        | "answer-not-json" => state::get::<Value>().map(|value| json!(value)),
        "state-get-at" => state::get_at::<Value>("/a~1b/0/é").map(|value| json!(value)),
        "state-set" => done(state::set(&json!({"visits": 3}))),
        "state-set-at" => done(state::set_at("/log/-", "done")),
        "state-set-null" => done(state::set(&())),
        "state-set-escapes" => done(state::set(
            "\"\\/\u{8}\t\n\u{c}\r\0\u{1}\u{1f}\u{7f} é\u{2028}\u{feff}😀",
        )),
        "state-set-integers" => done(state::set(&[9_007_199_254_740_993, i64::MIN, i64::MAX, 0])),
        "state-delete" => state::delete().map(Value::from),
        "state-delete-at" => state::delete_at("/visits").map(Value::from),
        "now" => Ok(host::now_ms().into()),
        "random" => Ok(host::random_bytes(4).into()),
        "uuid" => Ok(host::uuid().into()),
        "activity" => host::activity("score", &json!({"amount": 7})),
        "activity-with-retry" => host::activity_with("score", &(), retry),
        "activity-with-some-retry" => host::activity_with(
            "score",
            &(),
            Retry {
                attempts_max: Some(1),
                ..Retry::default()
            },
        ),
        "activity-failed" | "activity-failed-retryable" | "activity-failed-briefly" => {
            host::activity("score", &json!({}))
        }
        "activity-start" => raw(host::start_activity::<Value>("score", &[1, 2])),
        "activity-start-with-retry" => {
            let retry = Retry {
                backoff_ms_min: Some(0),
                ..Retry::default()
            };
            raw(host::start_activity_with::<Value>("score", &[1, 2], retry))
        }
        "call" => host::call("loan/17", &json!({"type": "review"})),
        "call-with-deadline" => host::call_with_deadline("loan/17", "x", 5000),
        "call-start" => raw(host::start_call::<Value>("loan/17", &())),
        "call-start-with-deadline" => {
            raw(host::start_call_with_deadline::<Value>("loan/17", &(), 0))
        }
        "send" => host::send("audit/log", &json!({"event": "done"})).map(Value::from),
        "send-after" => host::send_after("audit/log", &[(); 0], 60_000).map(Value::from),
        "spawn" => child(host::spawn("loan", &json!({"amount": 7}))),
        "spawn-detached" => child(host::spawn("loan/17", &()).deadline_ms(60_000).detached()),
        "spawn-refused" => child(host::spawn("moon", &())),
        "receive" => received(host::receive(Some("approve"), Some(60_000))),
        "receive-any" => received(host::receive(None, None)),
        "receive-late" => received(host::receive(None, Some(0))),
        "receive-start" => raw(host::start_receive::<Value>(Some("approve"), None)),
        "reply" | "reply-answered" => done(some_message().reply("noted")),
        "turn-restart-refused" => Err(host::restart(&json!({"page": 2}))),
        "sleep" => done(host::sleep(86_400_000)),
        "timer-start" => raw(host::start_timer(1)),
        "prove-start" => raw(host::start_proof("dti", "application/json", b"{}", &[1, 2])),
        "prove-start-private" => raw(host::start_proof("dti", "text/plain", "café".as_bytes(), &[])),
        "prove-await" => RawHandle(16).typed::<host::Proof>().wait().map(|proof| {
            json!({"image_id": proof.image_id, "public_output": proof.public_output, "receipt": proof.receipt})
        }),
        "verify" => {
            judged(host::verify_with("receipts", "bafkreie", &json!({"image_id": "07ff"})))
        }
        "verify-rejected" => judged(host::verify("receipts", "bafkreif")),
        "verify-unknown" => judged(host::verify("passports", "bafkreif")),
        "promise-create" => {
            let promise = host::promise::<Value>("approve loan 17", &json!({"amount": 7}))?;
            Ok(json!({"handle": promise.handle.raw(), "token": promise.token}))
        }
        "promise-await" | "promise-await-rejected" => Promise {
            token: String::new(),
            handle: handle(12),
        }
        .wait(),
        "await-one" | "await-all-cancelled" => handle(7).wait(),
        "await-all" => wait_all([7, 8, 11].map(handle)),
        "await-none" => wait_all([]),
        "await-any" | "await-any-failed" => {
            let (index, result) = host::wait_any::<Value>(&[RawHandle(7), RawHandle(11)])?;
            Ok(json!({"index": index, "result": settled(result)}))
        }
        "blob-put" => host::blob_put(&[0, 255, 128, 1]).map(Value::from),
        "blob-put-text" => host::blob_put_text("café\n").map(Value::from),
        "blob-get" => host::blob_get("bafkreia").map(Value::from),
        "blob-get-text" => host::blob_get_text("bafkreib").map(Value::from),
        "blob-get-missing" => host::blob_get_text("bafkreic").map(Value::from),
        "log-debug" | "log-info" | "log-warn" | "log-error" | "log-with-fields" => {
            log(name);
            Ok(Value::Null)
        }
        "attempt" => Ok(attempt()),
        "secret" | "secret-not-granted" => outside::secret("API_KEY").map(Value::from),
        "http-get" | "http-unreachable" => response(get()),
        "http-status" | "http-status-retryable" => {
            response(get().and_then(Response::error_for_status))
        }
        "http-post" => response(post()),
        "http-bytes" => {
            let put = outside::request("PUT", "https://api.example.com/");
            response(put.bytes(&[0, 255, 128, 1]).send())
        }
        "unknown-op" => unknown_operation(),
        other => panic!("no test performs the vector {other}"),
    }
}

fn get() -> Result<Response, Error> {
    outside::get("https://api.example.com/a?b=c").send()
}

fn post() -> Result<Response, Error> {
    outside::post("https://api.example.com/")
        .secret_header("authorization", "API_KEY", "Bearer ")
        .json(&json!({"amount": 7}))?
        .timeout_ms(5000)
        .send()
}

fn response(response: Result<Response, Error>) -> Result<Value, Error> {
    let Response {
        status,
        headers,
        body,
    } = response?;
    Ok(json!({"status": status, "content-type": headers.get("content-type"), "body": body}))
}

fn child(child: Spawn) -> Result<Value, Error> {
    let child = child.start::<Value>()?;
    Ok(json!({"actor": child.actor, "handle": child.handle.raw()}))
}

fn received(message: Result<Received<Value>, Error>) -> Result<Value, Error> {
    let Received {
        message_id,
        sender,
        body,
        ..
    } = message?;
    Ok(json!({"message_id": message_id, "sender": sender, "body": body}))
}

fn judged(verdict: Result<host::Verdict, Error>) -> Result<Value, Error> {
    verdict.map(|verdict| {
        let program = verdict.facts.get("image_id");
        json!({
            "accepted": verdict.accepted, "code": verdict.code, "reason": verdict.reason, "image_id": program,
        })
    })
}

fn some_message() -> Received<Value> {
    let message = json!({"handle": 15, "message_id": "m-4", "sender": null, "body": null});
    serde_json::from_value(message).unwrap()
}

fn attempt() -> Value {
    let attempt = outside::attempt();
    json!({
        "namespace": attempt.namespace,
        "type": attempt.actor_type,
        "key": attempt.key,
        "turn": attempt.turn,
        "step": attempt.step,
        "attempt": attempt.attempt,
        "idempotency_key": attempt.idempotency_key,
    })
}

fn context() -> Value {
    let context = host::context();
    json!({
        "namespace": context.namespace,
        "type": context.actor_type,
        "key": context.key,
        "message_id": context.message_id,
        "sender": context.sender,
        "deployment": context.deployment,
        "turn": context.turn,
    })
}

fn unknown_operation() -> Result<Value, Error> {
    let answer: Value = serde_json::from_str(&host::raw(r#"{"op":"teleport","to":"moon"}"#))?;
    Err(serde_json::from_value(answer["err"].clone())?)
}

fn wait_all<const N: usize>(handles: [Handle<Value>; N]) -> Result<Value, Error> {
    Ok(host::wait_all(handles)?.into_iter().map(settled).collect())
}

fn handle(raw: u64) -> Handle<Value> {
    RawHandle(raw).typed()
}

fn raw<T>(handle: Result<Handle<T>, Error>) -> Result<Value, Error> {
    handle.map(|handle| json!(handle.raw()))
}

fn settled(result: Result<impl Serialize, Error>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "err": error }),
    }
}

fn done(result: Result<(), Error>) -> Result<Value, Error> {
    result.map(|()| Value::Null)
}

fn log(name: &str) {
    match name {
        "log-debug" => host::log(Level::Debug, "half way"),
        "log-info" => host::log(Level::Info, "half way"),
        "log-warn" => loom_guest::log::warn!("half {}", "way"),
        "log-error" => host::log(Level::Error, "half way"),
        _ => host::log_with(Level::Info, "half way", &json!({"left": 5})),
    }
}
