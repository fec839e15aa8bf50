use kit::host::{block, input, run as run_on};
use sha2::{Digest as _, Sha256};

use super::{BLOCK_BYTES_MAX, MEDIA_TYPE, run};

const PROGRAM: &str = r#"{"format": "loom-criteria/1", "name": "t", "version": "1",
    "criteria": [
        {"id": "cap", "severity": "deny", "code": 1, "text": "too high", "require": {"field": "x", "at_most": 50}},
        {"id": "floor", "severity": "refer", "code": 2, "text": "too low", "require": {"field": "x", "at_least": 10}}],
    "overlays": [{"states": ["MN"], "criteria": [
        {"id": "minnesota", "severity": "refer", "code": 3, "text": "odd", "require": {"field": "y", "is": 0}}]}]}"#;

fn journal(facts: &str, program: &str) -> Option<Vec<u8>> {
    run_on(&input(&sealed(facts), program.as_bytes()), run).map(|output| output.journal)
}

fn sealed(facts: &str) -> Vec<u8> {
    block([1; 16], MEDIA_TYPE, facts.as_bytes())
}

#[test]
fn the_output_is_two_digests_the_decision_and_what_was_missed() {
    let cases: [(&str, u8, &[&str]); 6] = [
        (r#"{"state": null, "facts": {"x": 20, "y": 0}}"#, 1, &[]),
        (r#"{"state": null, "facts": {"x": 51, "y": null}}"#, 2, &["cap"]),
        (r#"{"state": "IA", "facts": {"x": 9, "y": 1}}"#, 3, &["floor"]),
        (r#"{"state": "MN", "facts": {"x": 9, "y": 1}}"#, 3, &["floor", "minnesota"]),
        (r#"{"state": "MN", "facts": {"x": {"min": 60, "max": null}, "y": 1}}"#, 2, &["cap", "minnesota"]),
        (r#"{"facts": {"x": {"min": 40, "max": 60}, "y": 1}}"#, 3, &[]),
    ];
    for (facts, decision, missed) in cases {
        let mut expected = [Sha256::digest(sealed(facts)), Sha256::digest(PROGRAM)].concat();
        expected.extend([decision, missed.len() as u8, 0]);
        for id in missed {
            expected.push(id.len() as u8);
            expected.extend(id.bytes());
        }
        assert_eq!(journal(facts, PROGRAM), Some(expected), "{facts}");
    }
}

#[test]
fn what_the_activity_fails_on_has_no_proof() {
    let good = r#"{"state": null, "facts": {"x": 20, "y": 0}}"#;
    assert!(journal(good, PROGRAM).is_some());
    for facts in ["", "{}", r#"{"facts": {}}"#, r#"{"facts": {"x": 1.5, "y": 0}}"#, r#"{"facts": {"x": 1}, "more": 1}"#]
    {
        assert_eq!(journal(facts, PROGRAM), None, "{facts}");
    }
    for program in ["", "{}", &PROGRAM[1..], &PROGRAM.replace("loom-criteria/1", "loom-criteria/2")] {
        assert_eq!(journal(good, program), None, "{program}");
    }
    let spaces = " ".repeat(64 * 1024 - PROGRAM.len());
    assert!(journal(good, &format!("{PROGRAM}{spaces}")).is_some());
    assert_eq!(journal(good, &format!("{PROGRAM}{spaces} ")), None);
}

#[test]
fn only_blocks_of_json_are_taken() {
    let facts = r#"{"state": null, "facts": {"x": 20, "y": 0}}"#;
    let good = sealed(facts);
    for at in (0..2).chain(18..good.len() - facts.len()) {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert_eq!(run_on(&input(&bad, PROGRAM.as_bytes()), run), None, "bit {bit} of byte {at}");
        }
    }
    let long = format!("{}{facts}", " ".repeat(BLOCK_BYTES_MAX));
    assert_eq!(journal(&long, PROGRAM), None);
    for length in 0..4 + good.len() {
        assert_eq!(run_on(&input(&good, b"")[..length], run), None, "{length} bytes");
    }
}
