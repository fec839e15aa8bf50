//! `loom prove`: from an input in a file to a receipt that anybody can check.

use serde_json::{Value, json};

use crate::process::run;

/// Runs `loom prove` on a folder of its own; says how it ended, its JSON, and its complaint.
fn prove(folder: &std::path::Path, program: &str, input: &Value, more: &[&str]) -> (i32, Value, String) {
    let (file, data, out) = (folder.join("input.json"), folder.join("data"), folder.join("the.receipt"));
    std::fs::write(&file, input.to_string()).unwrap();
    let paths = [&file, &data, &out].map(|path| path.to_str().unwrap());
    let arguments = ["prove", program, "--input", paths[0], "--data", paths[1], "--out", paths[2], "--json"];
    let output = run(&[&arguments, more].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), json, String::from_utf8(output.stderr).unwrap())
}

/// Has a worker make what waits in that folder; says how it ended, what it did, and its complaint.
#[cfg(feature = "prover")]
fn work(folder: &std::path::Path, more: &[&str]) -> (i32, String, String) {
    let data = folder.join("data");
    let output = run(&[&["worker", "--only", "prove", "--once", "--data", data.to_str().unwrap()], more].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
#[cfg(not(feature = "prover"))]
fn a_build_without_a_prover_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, _, said) = prove(folder.path(), "dti", &json!({}), &[]);
    assert!(exit == 1 && said.contains("error[no-prover]") && said.contains("--features prover"), "{said}");
}

#[test]
#[cfg(feature = "prover")]
fn a_ratio_is_proved_once_and_anybody_can_check_it() {
    let folder = tempfile::tempdir().unwrap();
    let case = json!({"income_cents": 850_000, "debt_cents": 306_000, "limit_bps": 4300});
    let (exit, dry, said) = prove(folder.path(), "dti", &case, &["--dry-run"]);
    assert_eq!((exit, &dry["cost"]["segment_po2"]), (0, &json!([14])), "{said}");
    // Somebody without the memory for it leaves it to a worker, which finds it in the data folder.
    let (exit, _, said) = prove(folder.path(), "dti", &case, &["--memory-mib", "100"]);
    assert!(exit == 1 && said.contains("a proof takes at least 162 MiB"), "{said}");
    let (exit, worked, said) = work(folder.path(), &[]);
    assert!(exit == 0 && worked.starts_with("proved   ") && worked.contains(": 1 segment(s), "), "{worked}{said}");
    assert_eq!(work(folder.path(), &[]), (0, String::new(), String::new()));
    let (exit, proved, said) = prove(folder.path(), "dti", &case, &[]);
    assert_eq!((exit, &proved["cost"]), (0, &Value::Null), "{said}");
    assert_eq!((&proved["public_output"], &proved["input"]), (&dry["public_output"], &dry["input"]));
    assert_eq!((&proved["says"]["dti_bps"], &proved["says"]["within_limit"]), (&json!(3600), &json!(true)));

    let (receipt, image_id) = (proved["receipt"].as_str().unwrap(), proved["image_id"].as_str().unwrap());
    let output = run(&["receipt", "verify", receipt, "--image-id", image_id, "--json"]);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&verdict["accepted"], &verdict["says"]), (&json!(true), &proved["says"]));
}

#[test]
#[cfg(feature = "prover")]
fn what_cannot_be_proved_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let case = |income: u64| json!({"income_cents": income, "debt_cents": 1, "limit_bps": 4300});
    let complaints = [
        ("dti", case(0), &[][..], 2, "error[input-invalid]: "),
        ("dti", json!({"income": 1}), &[], 2, "unknown field `income`"),
        ("no-such-program", case(1), &[], 2, "error[unreadable]: no-such-program is neither a program of Loom's"),
        ("dti", case(1), &["--cycles-max", "100"], 3, "error[input-refused]: the run takes more than 100 cycles"),
        ("dti", case(1), &["--memory-mib", "100"], 1, "a proof takes at least 162 MiB"),
        ("dti", case(1), &["--segment-po2", "30"], 2, "it is not a number from 14 to 21"),
    ];
    for (program, input, more, expected, text) in complaints {
        let (exit, _, said) = prove(folder.path(), program, &input, more);
        assert!(exit == expected && said.contains(text), "{exit}: {said}");
        assert!(!folder.path().join("the.receipt").exists());
    }
}

#[test]
#[cfg(feature = "prover")]
fn a_worker_tries_what_fails_later_and_what_is_refused_never_again() {
    let folder = tempfile::tempdir().unwrap();
    let case = json!({"income_cents": 123_456_700, "debt_cents": 1, "limit_bps": 4300});
    assert_eq!(prove(folder.path(), "dti", &case, &["--memory-mib", "100"]).0, 1);
    let (exit, worked, said) = work(folder.path(), &["--memory-mib", "100"]);
    assert!(exit == 1 && worked.is_empty() && said.contains("a proof takes at least 162 MiB"), "{exit} {said}");
    let (exit, worked, said) = work(folder.path(), &["--cycles-max", "100"]);
    assert!(exit == 0 && worked.contains("the run takes more than 100 cycles"), "{exit} {worked} {said}");
    assert_eq!(work(folder.path(), &[]), (0, String::new(), String::new()));
    let jobs = std::fs::read_dir(folder.path().join("data/proofs")).unwrap();
    for file in jobs.flat_map(|job| std::fs::read_dir(job.unwrap().path()).unwrap()) {
        assert!(["refused.json", "lock"].iter().any(|kept| file.as_ref().unwrap().file_name() == *kept), "{file:?}");
    }
}
