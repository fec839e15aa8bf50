//! The guest's requests: JSON in, one typed value out, anything else an error that names the place.

use loom_types::{Cid, Codec, limits::MEDIA_TYPE_BYTES_MAX, media_type};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Failure,
    limits::{
        AWAIT_HANDLES_MAX, LOG_BYTES_MAX, PROVE_INPUT_BYTES_MAX, PROVE_PUBLIC_BYTES_MAX, RANDOM_BYTES_MAX,
        VERIFY_ARGS_BYTES_MAX, WAIT_MS_MAX,
    },
    object::is_object,
};

/// Version of the guest contract, `sdk/abi/README.md`.
pub const ABI_VERSION: u32 = 1;

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Context,
    StateGet { pointer: String },
    StateSet { pointer: String, value: Box<RawValue> },
    StateDelete { pointer: String },
    Log { level: String, message: String, fields: Option<Box<RawValue>> },
    Await { handles: Vec<u32>, mode: AwaitMode },
    PromiseAwait { handle: u32 },
    Now,
    Random { bytes: u32 },
    Uuid,
    Activity { name: String, input: Box<RawValue>, retry: RetryRequest, start: bool },
    BlobGet { cid: Cid, base64: bool },
    BlobPut { bytes: Vec<u8> },
    Call { to: String, body: Box<RawValue>, deadline_ms: Option<u64> },
    Send { to: String, body: Box<RawValue>, delay_ms: Option<u64> },
    Spawn { to: String, body: Box<RawValue>, deadline_ms: Option<u64>, is_detached: bool },
    Receive { message_type: Option<String>, timeout_ms: Option<u64> },
    Reply { handle: u32, body: Box<RawValue> },
    Restart { body: Box<RawValue> },
    Sleep { ms: u64 },
    TimerStart { ms: u64 },
    PromiseCreate { label: Option<String>, data: Option<Box<RawValue>> },
    Prove(ProveRequest),
    Verify(VerifyRequest),
}

/// A wish for a verdict.
#[derive(Clone, Debug)]
pub(crate) struct VerifyRequest {
    pub(crate) verifier: String,
    pub(crate) evidence: Cid,
    pub(crate) args: Option<Box<RawValue>>,
}

/// A wish for a proof.
#[derive(Clone)]
pub(crate) struct ProveRequest {
    pub(crate) program: String,
    pub(crate) input: PrivateInput,
    pub(crate) public: Vec<u8>,
}

impl std::fmt::Debug for ProveRequest {
    /// Without the input, which is private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProveRequest").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What a program is given in private.
#[derive(Clone)]
pub(crate) struct PrivateInput {
    pub(crate) media_type: String,
    pub(crate) value: Vec<u8>,
}

impl Request {
    /// Whether it leaves no entry.
    pub(crate) fn is_free(&self) -> bool {
        matches!(
            self,
            Request::Context
                | Request::StateGet { .. }
                | Request::StateSet { .. }
                | Request::StateDelete { .. }
                | Request::Log { .. }
                | Request::Await { .. }
                | Request::PromiseAwait { .. }
        )
    }

    /// What it hands over in private.
    pub(crate) fn private_input(&self) -> Option<&PrivateInput> {
        match self {
            Request::Prove(prove) => Some(&prove.input),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AwaitMode {
    All,
    Any,
}

/// A retry policy as a request may give it; what is absent comes from the deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryRequest {
    pub(crate) attempts_max: Option<u32>,
    pub(crate) backoff_ms_min: Option<u64>,
    pub(crate) backoff_ms_max: Option<u64>,
}

/// The operation's name, or why there is none.
pub(crate) fn operation(text: &str) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Head {
        op: String,
    }
    let invalid = |problem: String| {
        Failure::new("invalid-request", format!("a request is a JSON object with the text member 'op': {problem}"))
    };
    let head = serde_json::from_str::<Head>(text).map_err(|error| invalid(error.to_string()))?;
    // The reader takes an array for an object's members in order.
    if is_object(text.as_bytes()) { Ok(head.op) } else { Err(invalid("it is an array".into())) }
}

/// Reads the request of operation `op`.
pub(crate) fn parse(op: &str, text: &str) -> Result<Request, Failure> {
    let request = match op {
        "context" => members::<members::Bare>(op, text).map(|_| Request::Context)?,
        "state.get" => {
            let members::Pointer { pointer, .. } = members(op, text)?;
            Request::StateGet { pointer }
        }
        "state.set" => {
            let members::Set { pointer, value, .. } = members(op, text)?;
            Request::StateSet { pointer, value }
        }
        "state.delete" => {
            let members::Pointer { pointer, .. } = members(op, text)?;
            Request::StateDelete { pointer }
        }
        "log" => log(members(op, text)?)?,
        "await" => {
            let members::Await { handles, mode, .. } = members(op, text)?;
            if handles.is_empty() || handles.len() > AWAIT_HANDLES_MAX {
                return Err(invalid(op, format!("'handles' must name 1 to {AWAIT_HANDLES_MAX} handles")));
            }
            Request::Await { handles, mode }
        }
        "promise.await" => {
            let members::Handle { handle, .. } = members(op, text)?;
            Request::PromiseAwait { handle }
        }
        "now" => members::<members::Bare>(op, text).map(|_| Request::Now)?,
        "uuid" => members::<members::Bare>(op, text).map(|_| Request::Uuid)?,
        "random" => {
            let members::Random { bytes, .. } = members(op, text)?;
            if bytes > RANDOM_BYTES_MAX {
                return Err(invalid(op, format!("'bytes' may be at most {RANDOM_BYTES_MAX}")));
            }
            Request::Random { bytes }
        }
        "activity" | "activity.start" => {
            let members::Activity { name, input, retry, .. } = members(op, text)?;
            Request::Activity { name, input, retry, start: op == "activity.start" }
        }
        "blob.get" => blob_get(op, members(op, text)?)?,
        "blob.put" => blob_put(op, members(op, text)?)?,
        "call" | "call.start" => {
            let members::Call { to, body, deadline_ms, .. } = members(op, text)?;
            let deadline_ms = deadline_ms.map(|ms| wait(op, "deadline_ms", ms)).transpose()?;
            Request::Call { to, body, deadline_ms }
        }
        "send" => {
            let members::Send { to, body, delay_ms, .. } = members(op, text)?;
            let delay_ms = delay_ms.map(|ms| wait(op, "delay_ms", ms)).transpose()?;
            Request::Send { to, body, delay_ms }
        }
        "spawn" => {
            let members::Spawn { to, body, deadline_ms, detached, .. } = members(op, text)?;
            let deadline_ms = deadline_ms.map(|ms| wait(op, "deadline_ms", ms)).transpose()?;
            Request::Spawn { to, body, deadline_ms, is_detached: detached }
        }
        "receive" | "receive.start" => {
            let members::Receive { message_type, timeout_ms, .. } = members(op, text)?;
            let timeout_ms = timeout_ms.map(|ms| wait(op, "timeout_ms", ms)).transpose()?;
            Request::Receive { message_type, timeout_ms }
        }
        "reply" => {
            let members::Reply { handle, body, .. } = members(op, text)?;
            Request::Reply { handle, body }
        }
        "turn.restart" => {
            let members::Body { body, .. } = members(op, text)?;
            Request::Restart { body }
        }
        "sleep" => Request::Sleep { ms: wait(op, "ms", members::<members::Wait>(op, text)?.ms)? },
        "timer.start" => Request::TimerStart { ms: wait(op, "ms", members::<members::Wait>(op, text)?.ms)? },
        "promise.create" => {
            let members::Promise { label, data, .. } = members(op, text)?;
            if label.as_ref().map_or(0, String::len) + data.as_ref().map_or(0, |data| data.get().len()) > LOG_BYTES_MAX
            {
                return Err(invalid(op, format!("'label' and 'data' may have {LOG_BYTES_MAX} bytes together")));
            }
            Request::PromiseCreate { label, data }
        }
        "prove.start" => prove(op, members(op, text)?)?,
        "verify" => verify(op, members(op, text)?)?,
        "http" | "secret" => {
            let message = format!("'{op}' is for activities that the deployment grants it; have one do this");
            return Err(Failure::new("not-granted", message));
        }
        _ => {
            let op: String = op.chars().take(64).collect();
            let message =
                format!("this host does not know the operation '{op}' (guest contract version {ABI_VERSION})");
            return Err(Failure::new("unknown-op", message));
        }
    };
    Ok(request)
}

pub(crate) fn invalid(op: &str, problem: impl std::fmt::Display) -> Failure {
    Failure::new("invalid-request", format!("{op}: {problem}"))
}

pub(crate) fn members<'a, T: Deserialize<'a>>(op: &str, text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| invalid(op, error))
}

fn wait(op: &str, member: &str, ms: u64) -> Result<u64, Failure> {
    if ms <= WAIT_MS_MAX { Ok(ms) } else { Err(invalid(op, format!("'{member}' may be at most {WAIT_MS_MAX}"))) }
}

fn log(line: members::Log) -> Result<Request, Failure> {
    let members::Log { level, mut message, fields, .. } = line;
    if !["debug", "info", "warn", "error"].contains(&level.as_str()) {
        return Err(invalid("log", "'level' must be debug, info, warn or error"));
    }
    crate::failure::truncate(&mut message, LOG_BYTES_MAX);
    let fields = fields.filter(|fields| fields.get().len() <= LOG_BYTES_MAX);
    Ok(Request::Log { level, message, fields })
}

fn blob_get(op: &str, get: members::BlobGet) -> Result<Request, Failure> {
    let cid = get.cid.parse().map_err(|error| invalid(op, format!("'cid': {error}")))?;
    match get.form.as_deref() {
        None | Some("text") => Ok(Request::BlobGet { cid, base64: false }),
        Some("base64") => Ok(Request::BlobGet { cid, base64: true }),
        Some(_) => Err(invalid(op, "'as' must be text or base64")),
    }
}

fn blob_put(op: &str, put: members::BlobPut) -> Result<Request, Failure> {
    match (put.text, put.base64) {
        (Some(text), None) => Ok(Request::BlobPut { bytes: text.into_bytes() }),
        (None, Some(text)) => Ok(Request::BlobPut { bytes: base64(op, "base64", &text)? }),
        _ => Err(invalid(op, "exactly one of 'text' and 'base64' must be given")),
    }
}

fn prove(op: &str, prove: members::Prove) -> Result<Request, Failure> {
    let members::Prove { program, input: members::Input { media_type, base64: value }, public, .. } = prove;
    let is_printable = |text: &str| !text.is_empty() && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if media_type.len() > MEDIA_TYPE_BYTES_MAX || !is_printable(&media_type) {
        let problem = format!("'input.media_type' must have 1 to {MEDIA_TYPE_BYTES_MAX} printable ASCII characters");
        return Err(invalid(op, problem));
    }
    if media_type.to_ascii_lowercase().starts_with(media_type::OWN) {
        return Err(invalid(op, format!("'input.media_type' may not begin with {}", media_type::OWN)));
    }
    let value = base64(op, "input.base64", &value)?;
    let public = base64(op, "public", &public.unwrap_or_default())?;
    for (name, bytes, most) in
        [("input", value.len(), PROVE_INPUT_BYTES_MAX), ("public", public.len(), PROVE_PUBLIC_BYTES_MAX)]
    {
        if bytes > most {
            return Err(invalid(op, format!("'{name}' has {bytes} bytes, at most {most} are taken")));
        }
    }
    Ok(Request::Prove(ProveRequest { program, input: PrivateInput { media_type, value }, public }))
}

fn verify(op: &str, verify: members::Verify) -> Result<Request, Failure> {
    let members::Verify { verifier, evidence, args, .. } = verify;
    let evidence: Cid = evidence.parse().map_err(|error| invalid(op, format!("'evidence': {error}")))?;
    if evidence.codec() != Codec::Raw {
        return Err(invalid(op, "'evidence' does not name a blob of bytes (bafk…)"));
    }
    if args.as_ref().is_some_and(|args| !is_object(args.get().as_bytes())) {
        return Err(invalid(op, "'args' is not an object"));
    }
    let bytes = args.as_ref().map_or(0, |args| args.get().len());
    if bytes > VERIFY_ARGS_BYTES_MAX {
        return Err(invalid(op, format!("'args' has {bytes} bytes, at most {VERIFY_ARGS_BYTES_MAX} are taken")));
    }
    Ok(Request::Verify(VerifyRequest { verifier, evidence, args }))
}

/// The bytes of a member.
pub(crate) fn base64(op: &str, member: &str, text: &str) -> Result<Vec<u8>, Failure> {
    data_encoding::BASE64.decode(text.as_bytes()).map_err(|error| invalid(op, format!("'{member}': {error}")))
}

/// The members of each request, and no others.
mod members {
    use serde::{Deserialize, de::IgnoredAny};
    use serde_json::value::RawValue;

    use super::{AwaitMode, RetryRequest};
    use crate::object::{name, object};

    macro_rules! members {
        ($name:ident { $($(#[$attr:meta])* $field:ident: $type:ty),* $(,)? }) => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(super) struct $name {
                #[serde(rename = "op")]
                _op: IgnoredAny,
                $($(#[$attr])* pub(super) $field: $type,)*
            }
        };
    }

    members!(Bare {});
    members!(Pointer {
        #[serde(default)]
        pointer: String
    });
    members!(Set { #[serde(default)] pointer: String, value: Box<RawValue> });
    members!(Log { level: String, message: String, #[serde(default)] fields: Option<Box<RawValue>> });
    members!(Await {
        handles: Vec<u32>,
        #[serde(deserialize_with = "name")]
        mode: AwaitMode
    });
    members!(Handle { handle: u32 });
    members!(Random {
        #[serde(default = "default_random_bytes")]
        bytes: u32
    });
    members!(Activity {
        name: String,
        input: Box<RawValue>,
        #[serde(default, deserialize_with = "object")]
        retry: RetryRequest
    });
    members!(BlobGet { cid: String, #[serde(default, rename = "as")] form: Option<String> });
    members!(BlobPut { #[serde(default)] text: Option<String>, #[serde(default)] base64: Option<String> });
    members!(Call { to: String, body: Box<RawValue>, #[serde(default)] deadline_ms: Option<u64> });
    members!(Send { to: String, body: Box<RawValue>, #[serde(default)] delay_ms: Option<u64> });
    members!(Spawn {
        to: String,
        body: Box<RawValue>,
        #[serde(default)]
        deadline_ms: Option<u64>,
        #[serde(default)]
        detached: bool,
    });
    members!(Receive {
        #[serde(default, rename = "type")]
        message_type: Option<String>,
        #[serde(default)]
        timeout_ms: Option<u64>,
    });
    members!(Reply { handle: u32, body: Box<RawValue> });
    members!(Body { body: Box<RawValue> });
    members!(Wait { ms: u64 });
    members!(Prove {
        program: String,
        #[serde(deserialize_with = "object")]
        input: Input,
        #[serde(default)]
        public: Option<String>,
    });
    members!(Verify { verifier: String, evidence: String, #[serde(default)] args: Option<Box<RawValue>> });
    members!(Promise { #[serde(default)] label: Option<String>, #[serde(default)] data: Option<Box<RawValue>> });

    /// A member of a member.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Input {
        pub(super) media_type: String,
        pub(super) base64: String,
    }

    fn default_random_bytes() -> u32 {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: &str, expected: &str) {
        let failure = operation(text).and_then(|op| parse(&op, text)).expect_err(text);
        assert_eq!(failure.kind, kind, "{text}");
        assert!(failure.message.contains(expected), "{text}: {}", failure.message);
    }

    #[test]
    fn bad_requests_are_errors_that_name_the_place() {
        check("", "invalid-request", "'op'");
        check("[]", "invalid-request", "'op'");
        check(r#"["now"]"#, "invalid-request", "an array");
        check(r#"{"op":1}"#, "invalid-request", "'op'");
        check(r#"{"op":"teleport"}"#, "unknown-op", "'teleport' (guest contract version 1)");
        check(r#"{"op":"http","method":"GET","url":"https://a.b"}"#, "not-granted", "'http' is for activities");
        check(r#"{"op":"now","x":1}"#, "invalid-request", "unknown field `x`");
        check(r#"{"op":"sleep"}"#, "invalid-request", "missing field `ms`");
        check(r#"{"op":"sleep","ms":-1}"#, "invalid-request", "invalid value");
        check(r#"{"op":"sleep","ms":99999999999999}"#, "invalid-request", "at most");
        check(r#"{"op":"await","handles":[],"mode":"all"}"#, "invalid-request", "handles");
        check(r#"{"op":"await","handles":[1],"mode":"some"}"#, "invalid-request", "unknown variant");
        check(r#"{"op":"await","handles":[1],"mode":{"all":null}}"#, "invalid-request", "expected a string");
        check(r#"{"op":"activity","name":"a","input":1,"retry":[3,1,1]}"#, "invalid-request", "not an object");
        check(r#"{"op":"blob.put"}"#, "invalid-request", "exactly one");
        check(r#"{"op":"blob.get","cid":"x"}"#, "invalid-request", "not a CID");
        check(r#"{"op":"random","bytes":4096}"#, "invalid-request", "at most 1024");
        let prove = |input: &str| format!(r#"{{"op":"prove.start","program":"p","input":{input}}}"#);
        check(&prove("1"), "invalid-request", "not an object");
        check(&prove(r#"["text/plain",""]"#), "invalid-request", "not an object");
        check(&prove(r#"{"media_type":"","base64":""}"#), "invalid-request", "1 to 128 printable");
        check(&prove(r#"{"media_type":"a b","base64":""}"#), "invalid-request", "1 to 128 printable");
        check(&prove(r#"{"media_type":"application/vnd.Loom.seed","base64":""}"#), "invalid-request", "may not begin");
        check(&prove(r#"{"media_type":"text/plain","base64":"AAA"}"#), "invalid-request", "'input.base64'");
        let long = data_encoding::BASE64.encode(&vec![0; PROVE_INPUT_BYTES_MAX + 1]);
        check(&prove(&format!(r#"{{"media_type":"text/plain","base64":"{long}"}}"#)), "invalid-request", "at most");
        let verify = |rest: &str| format!(r#"{{"op":"verify","verifier":"v","evidence":{rest}}}"#);
        check(&verify("1"), "invalid-request", "expected a string");
        check(&verify(r#""x""#), "invalid-request", "'evidence'");
        check(&verify(&format!(r#""{}""#, Cid::of(Codec::DagCbor, b"e"))), "invalid-request", "a blob of bytes");
        let blob = Cid::of(Codec::Raw, b"e");
        check(&verify(&format!(r#""{blob}","args":[]"#)), "invalid-request", "'args' is not an object");
        check(&verify(&format!(r#""{blob}","at_ms":1"#)), "invalid-request", "unknown field");
        let long = " ".repeat(VERIFY_ARGS_BYTES_MAX);
        check(&verify(&format!(r#""{blob}","args":{{{long}}}"#)), "invalid-request", "at most");
        check(r#"{"op":"log","level":"loud","message":""}"#, "invalid-request", "level");
    }
}
