//! Texts cross the boundary unchanged, in every direction and both encodings.

use std::sync::{Arc, LazyLock};

use loom_machine::{Failure, GuestLimits, Module};
use serde_json::{Value, json};

use crate::support::{
    MIB, Ran, compile, compile_wat, prebuilt, relay_assemblyscript, relay_bytes, run, sandbox, try_run, vectors,
};

fn limits() -> GuestLimits {
    GuestLimits { memory_bytes: 64 * MIB, output_bytes: 8 * MIB, ..GuestLimits::default() }
}

/// The texts of the vectors, with the long ones written out.
fn texts() -> Vec<(String, String)> {
    let vectors = vectors();
    let text = |case: &Value| match case.get("repeat") {
        Some(repeat) => repeat["text"].as_str().unwrap().repeat(repeat["count"].as_u64().unwrap().try_into().unwrap()),
        None => case["text"].as_str().unwrap().to_owned(),
    };
    let cases = vectors["strings"].as_array().unwrap();
    cases.iter().map(|case| (case["name"].as_str().unwrap().to_owned(), text(case))).collect()
}

#[test]
fn echo_returns_every_text_unchanged() {
    let sandbox = sandbox();
    for guest in ["echo.wasm", "echo-rust.wasm"] {
        let echo = compile(&sandbox, &prebuilt(guest));
        for (name, text) in texts() {
            let quoted = serde_json::to_string(&text).unwrap();
            assert!(run(&*echo, &limits(), &quoted).end == Ok(quoted), "{guest}: {name}, quoted");

            // As it is, it comes back if it is JSON, and is refused for that only if it is not.
            let plain = run(&*echo, &limits(), &text);
            match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                Ok(_) => assert!(plain.end == Ok(text), "{guest}: {name}"),
                Err(_) => assert_eq!(plain.kind(), "output-not-json", "{guest}: {name}"),
            }
        }
    }
}

#[test]
fn input_requests_and_answers_need_not_be_json_to_cross() {
    let sandbox = sandbox();
    for (encoding, relay) in [("bytes", relay_bytes()), ("AssemblyScript", relay_assemblyscript())] {
        let relay = compile_wat(&sandbox, &relay);
        let texts = texts();
        for (index, (name, text)) in texts.iter().enumerate() {
            // The answer is another text, so that nothing left over can be taken for it.
            let (_, other) = &texts[(index + 1) % texts.len()];
            let ran = try_run(&*relay, &limits(), text, |_| other.clone()).unwrap();
            assert_eq!(ran.end, Ok("null".into()), "{encoding}: {name}");
            let [first, second] = &ran.requests[..2] else { panic!("{encoding}: {name}") };
            assert!(first == text, "{encoding}: {name}, from input to request");
            assert!(second == other, "{encoding}: {name}, from answer to request");
        }
    }
}

/// Runs a program on the probe, and answers each request with the next of `answers`.
fn probe(items: Value, answers: &[String]) -> Ran {
    static PROBE: LazyLock<Arc<dyn Module>> = LazyLock::new(|| compile(&sandbox(), &prebuilt("probe.wasm")));
    let mut answers = answers.iter();
    let program = json!({ "do": items }).to_string();
    try_run(&**PROBE, &limits(), &program, |_| answers.next().unwrap().clone()).unwrap()
}

#[test]
fn a_real_actor_sends_and_receives_every_text() {
    let texts = texts();
    let items: Vec<Value> = texts.iter().map(|(_, text)| json!({ "raw": text })).collect();
    let answers: Vec<String> = texts.iter().map(|(_, text)| json!({ "ok": text }).to_string()).collect();
    // One at a time: together the long ones are more than a guest may say at once.
    for ((item, answer), (name, text)) in items.into_iter().zip(answers).zip(texts) {
        let ran = probe(json!([item, { "reply": { "$ref": 0 } }]), &[answer]);
        assert!(ran.requests == [text.clone()], "{name}");
        assert!(ran.end == Ok(serde_json::to_string(&text).unwrap()), "{name}");
    }
}

#[test]
fn the_operations_of_the_vectors_cross_unchanged() {
    for case in vectors()["operations"].as_array().unwrap() {
        let (request, answer) = (case["request"].as_str().unwrap(), case["answer"].as_str().unwrap());
        let ran = probe(json!([{ "raw": request }]), &[answer.to_owned()]);
        assert_eq!(ran.requests, [request], "{}", case["name"]);
        let output: Value = serde_json::from_str(&ran.end.unwrap()).unwrap();
        match serde_json::from_str::<Value>(answer) {
            Ok(answer) => assert_eq!(output, json!({ "answers": [answer] }), "{}", case["name"]),
            Err(_) => assert_eq!(output["err"]["kind"], "invalid-answer", "{}", case["name"]),
        }
    }
}

#[test]
fn outputs_are_read_as_the_vectors_say() {
    for case in vectors()["outputs"].as_array().unwrap() {
        let output = case["output"].as_str().unwrap();
        let ran = probe(json!([{ "reply_text": output }]), &[]);
        if let Some(kind) = case["kind"].as_str() {
            assert_eq!(ran.kind(), kind, "{output:?}");
            continue;
        }
        assert_eq!(ran.end, Ok(output.to_owned()));
        let failure = case.get("failure").map(|failure| {
            let text = |name: &str| failure[name].as_str().unwrap();
            let made = Failure::new(text("kind"), text("message"));
            Failure { retryable: failure["retryable"].as_bool().unwrap(), ..made }
        });
        assert_eq!(Failure::in_output(output), failure, "{output:?}");
        if failure.is_none() {
            assert_eq!(serde_json::from_str::<Value>(output).unwrap(), case["ok"], "{output:?}");
        }
    }
}
