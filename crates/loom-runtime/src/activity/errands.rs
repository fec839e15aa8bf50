//! What effectful activities ask for: who they are, secrets, other systems.
//!
//! Every request is answered within what the activity's deployment allows. Answers are not journaled; they
//! differ from attempt to attempt, and only the activity's output counts.

use std::{sync::Arc, time::Duration};

use data_encoding::{BASE32_NOPAD, BASE64};
use futures::{FutureExt as _, future::BoxFuture};
use loom_machine::{ActivityRequest, Failure, HeaderSource, HttpAllowance, HttpRequest, LogLine};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Job, redact::Redactor};
use crate::outside::{ExposeSecret as _, HeaderValue, HttpCall, HttpReply, Outside, SecretString};

/// Lines one attempt may log.
const LOG_LINES_MAX: u32 = 1000;

/// The errands of one attempt.
#[derive(Default)]
pub(super) struct Errands {
    requests: u32,
    lines: u32,
    redactor: Option<Arc<Redactor>>,
}

/// An answer, or the promise of one.
pub(super) enum Answered {
    Now(String),
    Later(BoxFuture<'static, String>),
}

impl Errands {
    /// What keeps this attempt's secrets to the host. Made once, when it is first needed.
    pub(super) fn redactor(&mut self, job: &Job, outside: &Outside) -> Arc<Redactor> {
        self.redactor.get_or_insert_with(|| Arc::new(Redactor::new(job, outside))).clone()
    }

    /// Answers one request.
    pub(super) fn answer(&mut self, job: &Job, outside: &Outside, text: &str) -> Answered {
        let answer = match ActivityRequest::parse(text) {
            Err(failure) => Err(failure),
            Ok(ActivityRequest::Context) => Ok(context(job)),
            Ok(ActivityRequest::Log(line)) => {
                self.log(job, outside, &line);
                Ok(Value::Null)
            }
            Ok(ActivityRequest::Secret { name }) => read_secret(job, outside, &name),
            Ok(ActivityRequest::Http(request)) => match self.call(job, outside, request) {
                Ok(call) => return Answered::Later(send(call, outside, self.redactor(job, outside))),
                Err(failure) => Err(failure),
            },
        };
        Answered::Now(as_answer(answer))
    }

    fn log(&mut self, job: &Job, outside: &Outside, line: &LogLine) {
        self.lines += 1;
        if self.lines > LOG_LINES_MAX {
            return;
        }
        let redactor = self.redactor(job, outside);
        // One line each, or a guest could write lines in the node's name.
        let message = redactor.masked(&line.message).replace(['\n', '\r'], " ");
        let fields = &*redactor.masked(line.fields.as_deref().unwrap_or_default());
        let (actor, step) = (&job.address, job.step);
        match line.level.as_str() {
            "error" => tracing::error!(target: "guest", %actor, %step, fields, "{message}"),
            "warn" => tracing::warn!(target: "guest", %actor, %step, fields, "{message}"),
            "debug" => tracing::debug!(target: "guest", %actor, %step, fields, "{message}"),
            _ => tracing::info!(target: "guest", %actor, %step, fields, "{message}"),
        }
    }

    /// What is asked for, if it is granted.
    fn call(&mut self, job: &Job, outside: &Outside, request: HttpRequest) -> Result<HttpCall, Failure> {
        let allowance = job.spec.http.as_ref().filter(|_| job.spec.has("http"));
        let allowance = allowance.ok_or_else(|| not_granted("no host: the activity has no 'http.hosts'"))?;
        let HttpRequest { method, url, headers, body, timeout_ms } = request;
        if !allowance.methods.contains(&method) {
            return Err(not_granted(&format!("the method {method} (http.methods)")));
        }
        self.requests += 1;
        if self.requests > allowance.requests_max {
            let limit = allowance.requests_max;
            return Err(not_granted(&format!("more than {limit} requests of one attempt (http.requests_max)")));
        }
        check_size(body.len(), allowance)?;
        let timeout_ms = timeout_ms.unwrap_or(allowance.timeout_ms).min(allowance.timeout_ms);
        let headers = headers.into_iter().map(|(name, source)| Ok((name, header(job, outside, source)?)));
        let mut headers = headers.collect::<Result<Vec<_>, Failure>>()?;
        if !job.spec.secrets.is_empty() {
            // What is compressed cannot be searched for secrets.
            headers.retain(|(name, _)| name != "accept-encoding");
            headers.push(("accept-encoding".to_owned(), HeaderValue::Text("identity".to_owned())));
        }
        Ok(HttpCall {
            headers,
            allowance: allowance.clone(),
            method,
            url,
            body,
            timeout: Duration::from_millis(timeout_ms),
        })
    }
}

fn check_size(bytes: usize, allowance: &HttpAllowance) -> Result<(), Failure> {
    let limit = allowance.request_bytes_max;
    if bytes as u64 <= limit {
        return Ok(());
    }
    let text = format!("the request's body has {bytes} bytes, at most {limit} are sent (http.request_bytes_max)");
    Err(Failure::new("http-too-large", text))
}

fn header(job: &Job, outside: &Outside, source: HeaderSource) -> Result<HeaderValue, Failure> {
    match source {
        HeaderSource::Text(text) => Ok(HeaderValue::Text(text)),
        HeaderSource::Secret(reference) => {
            let value = secret(job, outside, &reference.secret)?;
            let text = format!("{}{}", reference.prefix, value.expose_secret());
            Ok(HeaderValue::Secret(text.into()))
        }
    }
}

fn read_secret(job: &Job, outside: &Outside, name: &str) -> Result<Value, Failure> {
    if !job.spec.has("secret") {
        return Err(not_granted("reading secrets (the capability 'secret')"));
    }
    Ok(secret(job, outside, name)?.expose_secret().into())
}

fn secret(job: &Job, outside: &Outside, name: &str) -> Result<SecretString, Failure> {
    if !job.spec.secrets.contains(name) {
        // What is no name could be a value that was put in the wrong place, so it is not shown.
        return Err(not_granted("this secret (secrets)"));
    }
    outside
        .secrets
        .get(job.address.namespace(), name)
        .ok_or_else(|| Failure::new("secret-unavailable", format!("this node has no usable secret {name}")).retryable())
}

fn not_granted(what: &str) -> Failure {
    Failure::new("not-granted", format!("the deployment does not grant {what}"))
}

fn context(job: &Job) -> Value {
    json!({
        "namespace": job.address.namespace(),
        "type": job.address.actor_type(),
        "key": job.address.key(),
        "turn": job.step.turn.0,
        "step": job.step.n,
        "attempt": job.attempt,
        "idempotency_key": idempotency_key(job),
    })
}

/// The same for every attempt of a step, and for no other step. A digest, because an actor's key may say more
/// than another system should know, and may have characters that headers cannot.
fn idempotency_key(job: &Job) -> String {
    let digest = Sha256::digest(format!("{}#{}", job.address, job.step));
    format!("step-{}", BASE32_NOPAD.encode(&digest[..20]).to_ascii_lowercase())
}

fn send(call: HttpCall, outside: &Outside, redactor: Arc<Redactor>) -> BoxFuture<'static, String> {
    let reply = outside.http.send(call);
    async move {
        let answer = match reply.await {
            Ok(reply) => response(reply, &redactor),
            Err(failure) => Err(redactor.checked_failure(failure)),
        };
        as_answer(answer)
    }
    .boxed()
}

/// The response as the guest gets it. A system that repeats a secret, in an error message say, does not thereby
/// hand it to the guest.
fn response(reply: HttpReply, redactor: &Redactor) -> Result<Value, Failure> {
    let is_encoded = |(name, value): &(String, String)| name == "content-encoding" && value != "identity";
    if redactor.has_secrets() && reply.headers.iter().any(is_encoded) {
        let text =
            "the response is compressed, though it was asked not to be: nobody could tell whether it repeats a secret";
        return Err(Failure::new("http-refused", text));
    }
    let mut headers = Map::new();
    for (name, value) in reply.headers {
        let value = redactor.masked(&value);
        match headers.get_mut(&name) {
            // Cookies hold commas of their own, RFC 9110 §5.3.
            Some(Value::String(before)) if name == "set-cookie" => *before = format!("{before}\n{value}"),
            Some(Value::String(before)) => *before = format!("{before}, {value}"),
            _ => drop(headers.insert(name, value.into())),
        }
    }
    Ok(match String::from_utf8(reply.body) {
        Ok(text) => json!({ "status": reply.status, "headers": headers, "body": redactor.masked(&text) }),
        Err(error) => {
            let bytes = redactor.masked_bytes(error.into_bytes());
            json!({ "status": reply.status, "headers": headers, "base64": BASE64.encode(&bytes) })
        }
    })
}

fn as_answer(answer: Result<Value, Failure>) -> String {
    match answer {
        Ok(value) => format!("{{\"ok\":{value}}}"),
        Err(failure) => failure.to_answer(),
    }
}
