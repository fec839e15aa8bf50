//! The program language and its evaluation, case by case.

use serde_json::{Value, json};

use super::limits::{
    CONDITION_DEPTH_MAX, FACTS_MAX, LIST_ITEMS_MAX, PROGRAM_BYTES_MAX, TEXT_BYTES_MAX,
};
use super::{EvaluateError, Facts, Program, evaluate, limit};

fn criterion(id: &str, require: Value) -> Value {
    json!({"id": id, "severity": "deny", "code": 1, "text": "too high", "require": require})
}

fn program_of(criteria: Value, overlays: Value) -> String {
    let mut program =
        json!({"format": "loom-criteria/1", "name": "t", "version": "1", "criteria": criteria});
    if !overlays.is_null() {
        program["overlays"] = overlays;
    }
    program.to_string()
}

fn facts(json: Value) -> Facts {
    serde_json::from_value(json).unwrap()
}

/// `+id` met, `-id` missed, `?id` unknown, after the decision.
fn review(program: &str, state: Option<&str>, given: Value) -> String {
    let program = Program::parse(program).unwrap();
    let review = match evaluate(&program, state, &facts(given)) {
        Ok(review) => review,
        Err(error) => return error.to_string(),
    };
    let mut line = format!("{:?}", review.decision).to_lowercase();
    for (sign, ids) in [
        ('+', &review.met),
        ('-', &review.missed),
        ('?', &review.unknown),
    ] {
        for id in ids {
            line.push_str(&format!(" {sign}{id}"));
        }
    }
    line
}

#[test]
fn conditions_are_three_valued() {
    let cases = [
        (
            json!({"field": "x", "at_most": 50}),
            json!(50),
            "approve +c",
        ),
        (json!({"field": "x", "at_most": 50}), json!(51), "deny -c"),
        (
            json!({"field": "x", "at_most": 50}),
            json!(null),
            "refer ?c",
        ),
        (
            json!({"field": "x", "at_most": 50}),
            json!({"min": 40, "max": 50}),
            "approve +c",
        ),
        (
            json!({"field": "x", "at_most": 50}),
            json!({"min": 50, "max": 60}),
            "refer ?c",
        ),
        (
            json!({"field": "x", "at_most": 50}),
            json!({"min": 51, "max": 60}),
            "deny -c",
        ),
        (
            json!({"field": "x", "at_most": 50}),
            json!({"min": 51, "max": null}),
            "deny -c",
        ),
        (
            json!({"field": "x", "at_most": 50}),
            json!({"min": 50, "max": null}),
            "refer ?c",
        ),
        (
            json!({"field": "x", "at_least": 50}),
            json!(50),
            "approve +c",
        ),
        (json!({"field": "x", "at_least": 50}), json!(49), "deny -c"),
        (
            json!({"field": "x", "at_least": 50}),
            json!({"min": 50, "max": null}),
            "approve +c",
        ),
        (
            json!({"field": "x", "at_least": 50}),
            json!({"min": 49, "max": null}),
            "refer ?c",
        ),
        (
            json!({"field": "x", "at_least": 50}),
            json!({"min": 40, "max": 49}),
            "deny -c",
        ),
        (json!({"field": "x", "is": 3}), json!(3), "approve +c"),
        (json!({"field": "x", "is": 3}), json!(4), "deny -c"),
        (
            json!({"field": "x", "is": 3}),
            json!({"min": 3, "max": 3}),
            "approve +c",
        ),
        (
            json!({"field": "x", "is": 3}),
            json!({"min": 3, "max": 4}),
            "refer ?c",
        ),
        (json!({"field": "x", "in": [1, 2]}), json!(2), "approve +c"),
        (
            json!({"field": "x", "in": [1, 2]}),
            json!({"min": 1, "max": 2}),
            "approve +c",
        ),
        (
            json!({"field": "x", "in": [1, 2]}),
            json!({"min": 2, "max": null}),
            "refer ?c",
        ),
        (
            json!({"field": "x", "in": [1, 2]}),
            json!({"min": 3, "max": 9}),
            "deny -c",
        ),
        (
            json!({"field": "x", "in": [1]}),
            json!({"min": i64::MIN, "max": i64::MAX}),
            "refer ?c",
        ),
        (
            json!({"field": "x", "present": true}),
            json!(null),
            "deny -c",
        ),
        (
            json!({"field": "x", "present": true}),
            json!({"min": 0, "max": null}),
            "approve +c",
        ),
        (
            json!({"not": {"field": "x", "is": 3}}),
            json!(null),
            "refer ?c",
        ),
        (
            json!({"not": {"field": "x", "is": 3}}),
            json!(4),
            "approve +c",
        ),
        // One member decides, whatever the unknown one is.
        (
            json!({"all": [{"field": "y", "is": 1}, {"field": "x", "is": 3}]}),
            json!(4),
            "deny -c",
        ),
        (
            json!({"all": [{"field": "y", "is": 1}, {"field": "x", "is": 3}]}),
            json!(3),
            "refer ?c",
        ),
        (
            json!({"any": [{"field": "y", "is": 1}, {"field": "x", "is": 3}]}),
            json!(3),
            "approve +c",
        ),
        (
            json!({"any": [{"field": "y", "is": 1}, {"field": "x", "is": 3}]}),
            json!(4),
            "refer ?c",
        ),
        (
            json!({"any": [{"field": "x", "is": 3}, {"field": "y", "is": 1}]}),
            json!(3),
            "approve +c",
        ),
        (
            json!({"field": "z", "is": 3}),
            json!(1),
            "criterion \"c\" names \"z\", which is no fact of this application",
        ),
    ];
    for (require, x, expected) in cases {
        let program = program_of(json!([criterion("c", require.clone())]), Value::Null);
        assert_eq!(
            review(&program, None, json!({"x": x, "y": null})),
            expected,
            "{require} with x = {x}"
        );
    }
}

#[test]
fn when_limits_a_criterion_and_the_gravest_outcome_decides() {
    let program = program_of(
        json!([
            {"id": "limit", "severity": "deny", "code": 1, "text": "too high",
             "when": {"field": "kind", "is": 1}, "require": {"field": "x", "at_most": 50}},
            {"id": "look", "severity": "refer", "code": 3, "text": "look", "require": {"field": "y", "at_most": 5}},
            {"id": "note", "severity": "deny", "code": 4, "text": "note", "require": {"field": "z", "is": 1},
             "unknown": {"severity": "none"}},
        ]),
        Value::Null,
    );
    let cases = [
        (
            json!({"kind": 1, "x": 50, "y": 5, "z": 1}),
            "approve +limit +look +note",
        ),
        (
            json!({"kind": 2, "x": 99, "y": 5, "z": 1}),
            "approve +look +note",
        ),
        (
            json!({"kind": null, "x": 50, "y": 5, "z": 1}),
            "approve +limit +look +note",
        ),
        (
            json!({"kind": null, "x": 51, "y": 5, "z": 1}),
            "refer +look +note ?limit",
        ),
        (
            json!({"kind": 1, "x": 50, "y": 6, "z": null}),
            "refer +limit -look ?note",
        ),
        (
            json!({"kind": 1, "x": 50, "y": 5, "z": null}),
            "approve +limit +look ?note",
        ),
        (
            json!({"kind": 1, "x": 51, "y": 6, "z": null}),
            "deny -limit -look ?note",
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(
            review(&program, Some("CA"), given.clone()),
            expected,
            "{given}"
        );
    }
}

#[test]
fn overlays_replace_and_add_by_state() {
    let stricter = |limit: i64| criterion("cap", json!({"field": "x", "at_most": limit}));
    let program = program_of(
        json!([stricter(50)]),
        json!([
            {"states": ["TX", "OK"], "criteria": [stricter(40)]},
            {"states": ["TX"], "criteria": [criterion("extra", json!({"field": "y", "at_most": 1}))]},
        ]),
    );
    let cases = [
        (Some("CA"), 45, 9, "approve +cap"),
        (Some("OK"), 45, 9, "deny -cap"),
        (Some("TX"), 40, 9, "deny +cap -extra"),
        (Some("TX"), 40, 1, "approve +cap +extra"),
        (None, 40, 1, "approve +cap +extra"),
        (None, 45, 1, "refer +extra ?cap"),
        (None, 51, 1, "deny +extra -cap"),
        (None, 40, 9, "refer +cap ?extra"),
    ];
    for (state, x, y, expected) in cases {
        assert_eq!(
            review(&program, state, json!({"x": x, "y": y})),
            expected,
            "{state:?} {x} {y}"
        );
    }
}

#[test]
fn reasons_carry_code_and_text_of_the_case() {
    let program = program_of(
        json!([
            criterion("missed", json!({"field": "x", "at_most": 1})),
            {"id": "gap", "severity": "deny", "code": 4, "text": "no", "require": {"field": "y", "at_most": 1},
             "unknown": {"severity": "refer", "code": 6, "text": "cannot tell"}},
            criterion("gap-default", json!({"field": "y", "at_most": 1})),
        ]),
        Value::Null,
    );
    let program = Program::parse(&program).unwrap();
    let review = evaluate(&program, None, &facts(json!({"x": 2, "y": null}))).unwrap();
    assert_eq!(
        serde_json::to_value(&review).unwrap(),
        json!({
            "decision": "deny",
            "met": [],
            "missed": ["missed"],
            "unknown": ["gap", "gap-default"],
            "reasons": [
                {"id": "missed", "code": 1, "text": "too high"},
                {"id": "gap", "code": 6, "text": "cannot tell"},
                {"id": "gap-default", "code": 7, "text": "not enough information to decide: too high"},
            ],
        })
    );
}

#[test]
fn an_invalid_program_is_refused_with_its_place() {
    let ok = criterion("a", json!({"field": "x", "is": 1}));
    let with = |member: &str, value: Value| {
        let mut changed = ok.clone();
        changed[member] = value;
        program_of(json!([ok, changed]), Value::Null)
    };
    let mut deep = json!({"field": "x", "is": 1});
    for _ in 0..CONDITION_DEPTH_MAX {
        deep = json!({"not": deep});
    }
    let overlay =
        |states: Value| program_of(json!([ok]), json!([{"states": states, "criteria": [ok]}]));
    let cases = [
        (
            "[]".to_owned(),
            "criteria program: expected an object, found a list",
        ),
        (
            r#"{"format":"loom-criteria/2"}"#.to_owned(),
            "criteria program, format: \"loom-criteria/2\", this",
        ),
        (
            r#"{"format":"x","format":"y"}"#.to_owned(),
            "criteria program: member \"format\" appears twice at line 1",
        ),
        ("{".to_owned(), "criteria program: EOF while parsing"),
        ("[".repeat(200), "criteria program: nested deeper than 22"),
        (
            " ".repeat(PROGRAM_BYTES_MAX + 1),
            "criteria program: 65537 bytes, PROGRAM_BYTES_MAX is 65536",
        ),
        (
            program_of(json!([]), Value::Null),
            "criteria program, criteria: an empty list",
        ),
        (
            program_of(json!([7]), Value::Null),
            "criteria program, criteria[0]: expected an object, found an integer",
        ),
        (
            program_of(json!([ok, ok]), Value::Null),
            "criteria program, criteria[1].id: \"a\" is used twice",
        ),
        (
            with("id", json!("ä")),
            "criteria program, criteria[1].id: \"ä\" may hold only",
        ),
        (
            with("id", json!("i".repeat(65))),
            "criteria program, criteria[1].id: 65 bytes, 64 are allowed",
        ),
        (
            with("severity", json!("approve")),
            "criteria program, criteria[1].severity: \"approve\", expected",
        ),
        (
            with("code", json!(0)),
            "criteria program, criteria[1].code: 0 is no reason code",
        ),
        (
            with("text", json!("x".repeat(TEXT_BYTES_MAX + 1))),
            "criteria program, criteria[1].text: 401 bytes",
        ),
        (
            with("wehn", json!({})),
            "criteria program, criteria[1]: unknown member \"wehn\"",
        ),
        (
            with("require", json!({})),
            "criteria program, criteria[1].require: empty",
        ),
        (
            with("require", json!({"field": "x"})),
            "criteria program, criteria[1].require: no comparison",
        ),
        (
            with("require", json!({"field": "x", "is": 1, "at_most": 2})),
            "criteria program, criteria[1].require: unknown member \"is\"",
        ),
        (
            with("require", json!({"field": "x", "at_most": 1.5})),
            "criteria program: a number that is not an integer",
        ),
        (
            with("require", json!({"field": "x", "at_most": 1e3})),
            "criteria program: a number that is not an integer",
        ),
        (
            with("require", json!({"field": "x", "at_most": u64::MAX})),
            "criteria program: an integer beyond 64 bits",
        ),
        (
            with(
                "require",
                json!({"all": [{"field": "x", "is": 1}, {"any": [{"field": "x", "at_least": "9"}]}]}),
            ),
            "criteria program, criteria[1].require.all[1].any[0].at_least: expected an integer, found a string",
        ),
        (
            with("require", json!({"field": "x", "in": []})),
            "criteria program, criteria[1].require.in: an empty list",
        ),
        (
            with(
                "require",
                json!({"field": "x", "in": vec![1; LIST_ITEMS_MAX + 1]}),
            ),
            "criteria program, criteria[1].require.in: 65 items, 64 are allowed",
        ),
        (
            with("require", json!({"field": "x", "present": false})),
            "criteria program, criteria[1].require.present",
        ),
        (
            with("when", deep),
            "criteria program, criteria[1].when.not.not.not.not.not.not.not.not: nested deeper",
        ),
        (
            with("unknown", json!({})),
            "criteria program, criteria[1].unknown: member \"severity\" is missing",
        ),
        (
            overlay(json!(["tx"])),
            "criteria program, overlays[0].states[0]: \"tx\" is no two-letter",
        ),
        (
            overlay(json!(["TX", "TX"])),
            "criteria program, overlays[0].states[1]: \"TX\" is named twice",
        ),
        (
            program_of(
                json!([ok]),
                json!([{"states": ["TX", "OK"], "criteria": [ok]}, {"states": ["OK"], "criteria": [ok]}]),
            ),
            "criteria program, overlays[1].criteria[0].id: \"a\" is set twice for one state",
        ),
    ];
    for (text, expected) in cases {
        let error = Program::parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with(expected),
            "got {error}\nfor {:.200}",
            text
        );
    }
}

#[test]
fn the_deepest_condition_is_read_in_an_overlay_as_well() {
    let mut deep = json!({"field": "x", "in": [1]});
    for _ in 1..CONDITION_DEPTH_MAX {
        deep = json!({"all": [deep]});
    }
    let criteria = json!([criterion("a", deep)]);
    let program = program_of(
        criteria.clone(),
        json!([{"states": ["TX"], "criteria": criteria}]),
    );
    assert_eq!(review(&program, Some("TX"), json!({"x": 1})), "approve +a");
}

#[test]
fn bad_facts_are_refused() {
    let program = Program::parse(&program_of(
        json!([criterion("a", json!({"field": "x", "is": 1}))]),
        Value::Null,
    ))
    .unwrap();
    let many: Facts = (0..=FACTS_MAX)
        .map(|n| (n.to_string(), super::Fact::Missing))
        .collect();
    assert_eq!(
        evaluate(&program, None, &many),
        Err(EvaluateError::TooManyFacts(FACTS_MAX + 1))
    );
    let empty = Facts::from([(
        "x".to_owned(),
        super::Fact::Between {
            min: 2,
            max: Some(1),
        },
    )]);
    assert_eq!(
        evaluate(&program, None, &empty),
        Err(EvaluateError::EmptyRange("x".to_owned()))
    );
    for json in [
        "1.5",
        "\"1\"",
        "{\"min\":1}",
        "{\"min\":2,\"max\":1}",
        "{\"min\":1,\"min\":1,\"max\":2}",
        "true",
    ] {
        assert!(serde_json::from_str::<super::Fact>(json).is_err(), "{json}");
    }
}

#[test]
fn a_mutated_program_never_panics() {
    let seed = program_of(
        json!([
            criterion(
                "a",
                json!({"all": [{"field": "x", "at_most": 1}, {"not": {"field": "y", "in": [1, 2]}}]})
            ),
            criterion("b", json!({"any": [{"field": "x", "present": true}]})),
        ]),
        json!([{"states": ["TX"], "criteria": [criterion("a", json!({"field": "x", "is": 1}))]}]),
    );
    let given = facts(json!({"x": {"min": -5, "max": null}, "y": null}));
    for position in 0..seed.len() {
        for byte in *b"\"{}[]:,09-ex" {
            let mut bytes = seed.clone().into_bytes();
            bytes[position] = byte;
            let text = String::from_utf8(bytes).unwrap();
            if let Ok(program) = Program::parse(&text) {
                let _ = evaluate(&program, None, &given);
            }
        }
    }
}

#[test]
fn the_lowest_limit_that_applies_is_found() {
    let mut jumbo = criterion("jumbo", json!({"field": "dti", "at_most": 43}));
    jumbo["when"] = json!({"field": "jumbo", "is": 1});
    let both = json!({"all": [{"field": "dti", "at_most": 50}, {"field": "ltv", "at_most": 97}]});
    let either = json!({"any": [{"field": "dti", "at_most": 10}, {"field": "ltv", "at_most": 1}]});
    let criteria = json!([
        criterion("both", both),
        jumbo,
        criterion("either", either),
        criterion("least", json!({"field": "dti", "at_least": 5})),
    ]);
    let overlays = json!([{"states": ["TX"],
        "criteria": [criterion("texas", json!({"field": "dti", "at_most": 45}))]}]);
    let program = Program::parse(&program_of(criteria, overlays)).unwrap();
    let cases = [
        (Some("CA"), json!(0), "dti", Some(50)),
        (Some("CA"), json!(1), "dti", Some(43)),
        (Some("CA"), json!(null), "dti", Some(50)),
        (Some("TX"), json!(0), "dti", Some(45)),
        (None, json!(0), "dti", Some(45)),
        (Some("CA"), json!(0), "ltv", Some(97)),
        (Some("CA"), json!(0), "jumbo", None),
    ];
    for (state, jumbo, name, expected) in cases {
        let given = facts(json!({"dti": 40, "ltv": 80, "jumbo": jumbo}));
        assert_eq!(
            limit(&program, state, &given, name),
            Ok(expected),
            "{state:?} {jumbo} {name}"
        );
    }
    let unknown = limit(&program, None, &facts(json!({"dti": 1})), "dti");
    assert_eq!(
        unknown,
        Err(EvaluateError::UnknownFact {
            criterion: "jumbo".into(),
            fact: "jumbo".into()
        })
    );
}
