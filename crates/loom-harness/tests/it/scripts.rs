//! What scripts can say, and what the harness does by itself.

use crate::report;

fn passes(runs: &str) {
    let report = report(&format!(r#"{{"actor": "probe", "cases": [{{"name": "c", "runs": [{runs}]}}]}}"#));
    assert!(report.starts_with("ok c"), "{report}");
}

#[test]
fn state_lasts_from_run_to_run_and_is_rolled_back_by_a_failure() {
    passes(
        r#"{"input": {"do": [{"op": "state.set", "value": {"n": 1, "m": 2}}]}, "state": {"n": 1, "m": 2}},
           {"input": {"do": [{"op": "state.set", "value": 5}, {"fail": {"kind": "no", "message": "not today"}}]},
            "failure": {"kind": "no", "message": "today"}, "state_like": {"m": 2}},
           {"input": {"do": [{"op": "state.get"}, {"reply": {"$ref": 0}}]}, "output": {"n": 1, "m": 2}}"#,
    );
}

#[test]
fn what_needs_nothing_from_outside_needs_no_script() {
    passes(
        r#"{"input": {"do": [
              {"op": "now"}, {"op": "sleep", "ms": 5000}, {"op": "now"},
              {"op": "activity", "name": "echo", "input": [1.0]},
              {"op": "random", "bytes": 2}, {"op": "uuid"}, {"op": "context"},
              {"op": "log", "level": "info", "message": "m"},
              {"op": "blob.get", "cid": "bafkreihp2onrhnvegbwoyj2g7wzqmxuiewvwu2b35zmbl44yrdylg2zeae"},
              {"reply": [{"$ref": 0}, {"$ref": 2}, {"$ref": 3}, {"$ref": [6, "/key"]}]}]},
            "output": [1767225600000, 1767225605000, [1.0], "test"]}"#,
    );
}

#[test]
fn others_say_what_the_script_says() {
    passes(
        r#"{"input": {"do": [
              {"op": "activity", "name": "effect", "input": 1},
              {"op": "call", "to": "other/a", "body": 2},
              {"op": "send", "to": "other/b", "body": 3},
              {"op": "activity", "name": "effect", "input": 4},
              {"reply": {"$ref": 1}}]},
            "steps": [
              {"request": {"op": "activity", "name": "effect", "input": 1}, "answer": {"ok": "one"}},
              {"request_like": {"op": "call", "to": "other/a"}, "answer": {"ok": "two"}},
              {"request": {"op": "send", "to": "other/b", "body": 3}},
              {"request_like": {"op": "activity"}, "answer": {"err": {"kind": "busy", "message": "m"}}}],
            "output": "two"}"#,
    );
}

#[test]
fn verifiers_are_run_unless_the_script_says_what_they_say() {
    let asks =
        r#"{"op": "blob.put", "text": "a receipt"}, {"op": "verify", "verifier": "receipts", "evidence": {"$ref": 0}}"#;
    passes(&format!(
        r#"{{"input": {{"do": [{asks}, {{"reply": {{"$ref": 1}}}}]}},
            "steps": [{{"request_like": {{"op": "verify", "verifier": "receipts"}}, "answer": {{"ok": {{"accepted": true}}}}}}],
            "output": {{"accepted": true}}}}"#
    ));
    passes(&format!(
        r#"{{"input": {{"do": [{asks}, {{"fail_unless_ok": 1}}]}}, "failure": {{"kind": "invalid-verdict"}}}},
           {{"input": {{"do": [{{"op": "verify", "verifier": "receipts", "evidence": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}},
             {{"fail_unless_ok": 0}}]}}, "failure": {{"kind": "not-found"}}}}"#
    ));
}

#[test]
fn the_clock_decides_who_is_first() {
    let race = |after_ms: u32, winner: u32| {
        passes(&format!(
            r#"{{"input": {{"do": [
                 {{"op": "timer.start", "ms": 1000}},
                 {{"op": "call.start", "to": "other/a", "body": 1}},
                 {{"op": "await", "handles": [{{"$ref": 0}}, {{"$ref": 1}}], "mode": "any"}},
                 {{"reply": {{"$ref": [2, "/handle"]}}}}]}},
               "steps": [{{"request_like": {{"op": "call.start"}}, "answer": {{"ok": 1}}, "after_ms": {after_ms}}}],
               "output": {winner}}}"#
        ));
    };
    race(999, 1);
    race(1001, 0);
    // Nobody answers: the deadline does.
    passes(
        r#"{"input": {"do": [{"op": "call", "to": "other/a", "body": 1, "deadline_ms": 50}, {"fail_unless_ok": 0}]},
            "steps": [{"request_like": {"op": "call"}}], "failure": {"kind": "deadline"}}"#,
    );
}

#[test]
fn people_and_activities_beside_the_turn() {
    passes(
        r#"{"input": {"do": [
              {"op": "promise.create", "label": "approval"},
              {"op": "activity.start", "name": "echo", "input": "echoed"},
              {"op": "await", "handles": [{"$ref": [0, "/handle"]}, {"$ref": 1}], "mode": "all"},
              {"reply": {"$ref": 2}}]},
            "steps": [{"request": {"op": "promise.create", "label": "approval"}, "answer": {"ok": "yes"}}],
            "output": [{"ok": "yes"}, {"ok": "echoed"}]}"#,
    );
}

#[test]
fn a_listed_request_is_compared_and_a_strict_run_lists_them_all() {
    passes(
        r#"{"input": {"do": [{"op": "now"}, {"op": "state.set", "value": 1}]},
            "steps": [{"request": {"op": "state.set", "value": 1}}]},
           {"strict": true, "input": {"do": [{"op": "now"}, {"op": "activity", "name": "echo", "input": 1}]},
            "steps": [{"request": {"op": "now"}}, {"request_like": {"op": "activity"}, "answer": {"ok": 2}}],
            "output": {"answers": [{"ok": 1767225600000}, {"ok": 2}]}}"#,
    );
}

#[test]
fn activities_are_run_as_they_are() {
    let script = r#"{"activity": "echo", "cases": [
        {"name": "a", "runs": [{"input": {"x": 1}, "output": {"x": 1}}]},
        {"name": "b", "runs": [{"input": {"err": {"kind": "k", "message": "m"}}, "failure": {"kind": "k"}}]}]}"#;
    assert_eq!(report(script), "ok a (1 runs)\nok b (1 runs)");
}

#[test]
fn children_and_messages_of_the_mailbox() {
    passes(
        r#"{"input": {"do": [
              {"op": "spawn", "to": "worker/a", "body": 1},
              {"op": "await", "handles": [{"$ref": [0, "/handle"]}], "mode": "all"},
              {"op": "receive", "type": "go", "timeout_ms": 1000},
              {"op": "reply", "handle": {"$ref": [2, "/handle"]}, "body": "gone"},
              {"op": "receive", "type": "stop", "timeout_ms": 1000},
              {"reply": [{"$ref": 1}, {"$ref": [2, "/body/n"]}]}]},
            "steps": [
              {"request_like": {"op": "spawn", "to": "worker/a"}, "answer": {"ok": "done"}, "after_ms": 5},
              {"request_like": {"op": "receive", "type": "go"}, "answer": {"ok": {"type": "go", "n": 7}}},
              {"request_like": {"op": "reply", "body": "gone"}},
              {"request_like": {"op": "receive", "type": "stop"}}],
            "output": [[{"ok": "done"}], 7]}"#,
    );
}

#[test]
fn a_turn_that_restarts_goes_on_in_the_same_run() {
    passes(
        r#"{"input": {"do": [{"op": "state.set", "value": 1},
              {"op": "turn.restart", "body": {"do": [{"op": "state.get"}]}}]},
            "steps": [{"request_like": {"op": "turn.restart"}}],
            "output": {"answers": [{"ok": 1}]}, "state": 1}"#,
    );
}

/// What comes of a proof is the script's to say; the input is a member of the request like any other.
#[test]
fn proofs_come_out_as_the_script_says() {
    let asks = r#"{"op":"prove.start","program":"dti","input":{"media_type":"text/plain","base64":"NTAwMA=="}}"#;
    let input =
        format!(r#"{{"do":[{asks},{{"op":"await","handles":[{{"$ref":0}}],"mode":"all"}},{{"reply":{{"$ref":1}}}}]}}"#);
    let script = |program: &str, answer: &str, output: &str| {
        let request = asks.replace("dti", program);
        format!(
            r#"{{"actor":"probe","cases":[{{"name":"proves","runs":[{{"input":{},"steps":[
                {{"request":{request}{answer}}}],"output":{output}}}]}}]}}"#,
            input.replace("dti", program)
        )
    };
    let answer = r#","after_ms":60000,"answer":{"ok":{"public_output":"AQI="}}"#;
    assert_eq!(report(&script("dti", answer, r#"[{"ok":{"public_output":"AQI="}}]"#)), "ok proves (1 runs)");
    let refused = r#","answer":{"err":{"kind":"proof-refused","message":"no"}}"#;
    let output = r#"[{"err":{"kind":"proof-refused","message":"no","retryable":false}}]"#;
    assert_eq!(report(&script("dti", refused, output)), "ok proves (1 runs)");
    let waits = report(&script("dti", "", "null"));
    assert!(waits.contains("a proof of dti") && waits.contains("answer"), "{waits}");
}
