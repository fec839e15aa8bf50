//! What is said when a guest does not do what its script says, or the script cannot be used.

use expect_test::{Expect, expect};

use crate::report;

fn check(run: &str, expected: Expect) {
    expected.assert_eq(&report(&format!(r#"{{"actor": "probe", "cases": [{{"name": "c", "runs": [{run}]}}]}}"#)));
}

#[test]
fn another_request_is_shown_beside_the_expected_one() {
    check(
        r#"{"input": {"do": [{"op": "activity", "name": "effect", "input": {"a": [1, 2]}}]},
            "steps": [{"request": {"op": "activity", "name": "effect", "input": {"a": [1, 3]}}}]}"#,
        expect![[r#"
            FAILED c
            run 1: step 1: the guest asks for something else
              expected  {"input":{"a":[1,3]},"name":"effect","op":"activity"}
              actual    {"input":{"a":[1,2]},"name":"effect","op":"activity"}
              at /input/a/1: expected 3, found 2"#]],
    );
}

#[test]
fn a_request_that_is_not_listed_comes_with_what_to_write() {
    check(
        r#"{"input": {"do": [{"op": "call", "to": "other/a", "body": 1}]}}"#,
        expect![[r#"
        FAILED c
        run 1: step 1: the guest asks for something that the script does not list
          expected  no further step
          actual    {"body":1,"op":"call","to":"other/a"}
          to list it, add to "steps": {"request": {"body":1,"op":"call","to":"other/a"}, "answer": {"ok": null}}"#]],
    );
}

#[test]
fn a_request_that_is_not_made_is_missed() {
    check(
        r#"{"input": {"do": []}, "steps": [{"request": {"op": "send", "to": "other/a", "body": 1}}]}"#,
        expect![[r#"
        FAILED c
        run 1: step 1: the guest ended without asking for it
          expected  {"body":1,"op":"send","to":"other/a"}
          actual    the end of the run"#]],
    );
}

#[test]
fn an_answer_that_never_comes_is_no_hang() {
    check(
        r#"{"input": {"do": [{"op": "promise.create"}, {"op": "promise.await", "handle": {"$ref": [0, "/handle"]}}]},
            "steps": [{"request": {"op": "promise.create"}}]}"#,
        expect![[r#"
            FAILED c
            run 1: the guest waits for an answer that never comes
              actual    promise prm-aaaaaaaaaaaaiaaaaaaaaaaaaqaaaaaa
              give its step in the script an "answer""#]],
    );
}

#[test]
fn an_answer_that_would_have_no_effect_is_refused() {
    check(
        r#"{"input": {"do": [{"op": "now"}]}, "steps": [{"request": {"op": "now"}, "answer": {"ok": 5}}]}"#,
        expect![[r#"
            FAILED c
            run 1: the host answers 'now' by itself
              actual    {"ok":1767225600000}
              leave out its "answer""#]],
    );
}

#[test]
fn other_ends_are_shown() {
    check(
        r#"{"input": {"do": [{"reply": {"a": 1, "b": 2}}]}, "output": {"a": 1, "b": 3}}"#,
        expect![[r#"
        FAILED c
        run 1: the output differs
          expected  {"a":1,"b":3}
          actual    {"a":1,"b":2}
          at /b: expected 3, found 2"#]],
    );
    check(
        r#"{"input": {"do": [{"op": "state.set", "value": 2}, {"reply": 1}]}, "output": 1, "state": 1}"#,
        expect![[r#"
            FAILED c
            run 1: the state afterwards differs
              expected  1
              actual    2"#]],
    );
    check(
        r#"{"input": {"do": [{"fail": {"kind": "no", "message": "m"}}]}}"#,
        expect![[r#"
        FAILED c
        run 1: the run fails
          actual    no: m"#]],
    );
    check(
        r#"{"input": {"do": [{"reply": 1}]}, "failure": {"kind": "no"}}"#,
        expect![[r#"
        FAILED c
        run 1: the run succeeds
          expected  failure no
          actual    1"#]],
    );
    check(
        r#"{"input": {"do": [{"spin": true}]}, "failure": {"kind": "trap"}}"#,
        expect![[r#"
        FAILED c
        run 1: the run fails in another way
          expected  trap
          actual    out-of-fuel: the guest used all of its 20000000 units of fuel (limits.fuel)
          at execute+0xc3e"#]],
    );
}

#[test]
fn scripts_that_make_no_sense_are_refused_with_the_place() {
    let refused = |script: &str, part: &str| {
        let report = report(script);
        assert!(report.contains(part), "{script}: {report}");
    };
    refused("", "EOF");
    refused(r#"{"cases": []}"#, "exactly one of 'actor' and 'activity'");
    refused(r#"{"actor": "a", "cases": []}"#, "without a case");
    refused(r#"{"actor": "a", "cases": [{"name": "n", "runs": []}]}"#, "case 'n': needs at least one run");
    refused(r#"{"actor": "a", "cases": [{"name": "n", "runs": [{"extra": 1}]}]}"#, "unknown field `extra`");
    refused(
        r#"{"actor": "a", "cases": [{"name": "n", "runs": [{"output": null, "failure": {"kind": "k"}}]}]}"#,
        "case 'n', run 1: give one of",
    );
    refused(
        r#"{"actor": "a", "cases": [{"name": "n", "runs": [{"steps": [{}]}]}]}"#,
        "run 1, step 1: needs exactly one",
    );
    refused(
        r#"{"activity": "a", "cases": [{"name": "n", "runs": [{"state": 1}]}]}"#,
        "an activity has no state and no sender",
    );
    refused(r#"{"actor": "a", "cases": [{"name": "n", "runs": [{}]}]}"#, "the manifest has no actor type 'a'");
}
