use loom_guest::{Error, testing};
use serde_json::{Value, json};

use super::probe;

fn check(program: Value, expected: Value) {
    let output = probe(program.to_string());
    assert_eq!(
        serde_json::from_str::<Value>(&output).expect("output is JSON"),
        expected
    );
}

#[test]
fn answers_are_collected_and_referred_to() {
    let _host = testing::script([
        (
            json!({"op": "promise.create"}),
            Ok(json!({"handle": 4, "token": "t"})),
        ),
        (
            json!({"op": "activity", "name": "a", "input": {"seen": ["t"]}}),
            Err(Error::new("odd", "no")),
        ),
    ]);
    check(
        json!({"do": [
            {"op": "promise.create"},
            {"op": "activity", "name": "a", "input": {"seen": [{"$ref": [0, "/token"]}]}},
        ]}),
        json!({"answers": [
            {"ok": {"handle": 4, "token": "t"}},
            {"err": {"kind": "odd", "message": "no", "retryable": false}},
        ]}),
    );
}

#[test]
fn replies_end_the_program() {
    let _host = testing::script([(json!({"op": "now"}), Ok(json!(5)))]);
    check(
        json!({"do": [{"op": "now"}, {"reply": [{"$ref": 0}]}, {"op": "now"}]}),
        json!([5]),
    );
    check(json!({"do": [{"reply_bytes": 5}]}), json!("xxx"));
    assert_eq!(probe(json!({"do": [{"reply_text": "{"}]}).to_string()), "{");
}

#[test]
fn failures_end_the_program() {
    let failure = |kind: &str, message: &str| json!({"err": {"kind": kind, "message": message, "retryable": false}});
    check(
        json!({"do": [{"fail": {"kind": "odd", "message": "no"}}]}),
        failure("odd", "no"),
    );
    check(
        json!({"do": [{"reply": {"$ref": 7}}]}),
        failure("invalid-input", "reference 7 leads nowhere"),
    );
    let _host = testing::script([(json!({"op": "now"}), Err(Error::new("odd", "no")))]);
    check(
        json!({"do": [{"op": "now"}, {"fail_unless_ok": 0}]}),
        failure("odd", "no"),
    );
}

#[test]
fn texts_are_issued_as_they_are() {
    let _host = testing::answer_raw(|request| {
        assert_eq!(request, "not json");
        r#"{"ok":null}"#.to_owned()
    });
    check(
        json!({"do": [{"raw": "not json"}]}),
        json!({"answers": [{"ok": null}]}),
    );
}

#[test]
#[should_panic(expected = "boom")]
fn traps_panic() {
    probe(json!({"do": [{"trap": "boom"}]}).to_string());
}

#[test]
fn programs_that_make_no_sense_are_refused() {
    for program in [
        json!({}),
        json!({"do": [{"jump": 1}]}),
        json!({"do": [{}]}),
        json!({"do": [{"raw": "", "spin": true}]}),
    ] {
        let output = probe(program.to_string());
        assert!(output.contains("invalid-input"), "{program}: {output}");
    }
}
