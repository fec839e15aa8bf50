//! An effectful activity: `{"url": "https://…", "secret": "API_KEY"}` is answered with
//! `{"status": 200, "body": "…", "attempt": 1}`.
//!
//! The secret, if one is named, goes into `authorization` without coming here; every request
//! carries the step's idempotency key. A status such as 503 fails the attempt, and the node tries
//! again.

use loom_guest::{Error, outside};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    url: String,
    #[serde(default)]
    secret: Option<String>,
}

#[derive(Serialize)]
struct Output {
    status: u16,
    body: String,
    attempt: u32,
}

loom_guest::activity!(fetch);

fn fetch(input: Input) -> Result<Output, Error> {
    let attempt = outside::attempt();
    let mut request = outside::get(&input.url).header("idempotency-key", &attempt.idempotency_key);
    if let Some(secret) = &input.secret {
        request = request.secret_header("authorization", secret, "Bearer ");
    }
    let response = request.send()?.error_for_status()?;
    Ok(Output {
        status: response.status,
        body: response.text()?,
        attempt: attempt.attempt,
    })
}

#[cfg(test)]
mod tests {
    use loom_guest::testing;
    use serde_json::json;

    use super::fetch;

    fn run(status: u16) -> String {
        let attempt = json!({"namespace": "default", "type": "loan", "key": "17", "turn": 1,
            "step": 0, "attempt": 2, "idempotency_key": "step-a"});
        let request = json!({"op": "http", "method": "GET", "url": "https://a.example", "headers":
            {"authorization": {"secret": "KEY", "prefix": "Bearer "}, "idempotency-key": "step-a"}});
        let response = json!({"status": status, "headers": {}, "body": "hello"});
        let _host = testing::script([
            (json!({"op": "context"}), Ok(attempt)),
            (request, Ok(response)),
        ]);
        let input = json!({"url": "https://a.example", "secret": "KEY"});
        loom_guest::run(input.to_string(), fetch)
    }

    #[test]
    fn answers_with_the_page() {
        assert_eq!(run(200), r#"{"status":200,"body":"hello","attempt":2}"#);
    }

    #[test]
    fn fails_where_another_attempt_may_help() {
        assert!(run(503).contains(r#""retryable":true"#));
        assert!(run(404).contains(r#""retryable":false"#));
    }
}
