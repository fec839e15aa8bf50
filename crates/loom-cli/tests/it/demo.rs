//! The loan-review demo: its numbers are the journal's numbers.

use std::{collections::BTreeMap, path::Path};

use loom_cli::{Node, NodeSettings};
use loom_types::{EntryBody, Namespace, SequenceNumber, TurnResult};
use serde_json::Value;

use crate::process::stdout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_number_of_the_demo_can_be_recomputed_from_the_journal() {
    let report = check(&[]).await;
    let expected = std::fs::read_to_string(
        std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
            .join("../../examples/loan-review/expected.json"),
    );
    let expected: Value = serde_json::from_str(&expected.unwrap()).unwrap();
    let expected = &expected["applications.csv"];
    for (ours, theirs) in [("approved", "approve"), ("denied", "deny"), ("referred", "refer"), ("reasons", "reasons")] {
        assert_eq!(report[ours], expected[theirs], "{ours}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ratios_are_derived_where_debt_is_given() {
    let file = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../examples/loan-review/derived-dti.jsonl");
    let report = stdout(&["demo", "loan-review", "--json", "--applications", file.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["approved"], &report["denied"], &report["referred"]),
        (&23.into(), &15.into(), &2.into()),
        "{report}"
    );
}

/// The same on real applications, where they are at hand: `LOOM_TEST_DATA` names the folder they are in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_applications_are_reviewed() {
    let Some(folder) = std::env::var_os("LOOM_TEST_DATA") else {
        eprintln!("LOOM_TEST_DATA is not set: real applications are not at hand, nothing is checked here");
        return;
    };
    for file in ["hmda/applications.csv", "hmda/full_schema.csv"] {
        let path = Path::new(&folder).join(file);
        // Tests run in their crate's folder; the variable is relative to the project.
        let path = if path.is_relative() {
            std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
                .join("../..")
                .join(path)
        } else {
            path
        };
        check(&["--applications", path.to_str().unwrap(), "--count", "900"]).await;
    }
}

async fn check(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let report = stdout(&[&["demo", "loan-review", "--json", "--data", data], arguments].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    assert_eq!(number("decided"), number("approved") + number("denied") + number("referred"));
    assert_eq!(number("applications"), number("decided") + number("rejected"));
    assert_eq!(report["portfolio_agrees"], true);
    let evidence = report["evidence"].as_array().unwrap();
    let verdicts: Vec<_> = evidence.iter().map(|shown| (shown["what"].as_str().unwrap(), &shown["ok"])).collect();
    let (holds, rejected) = (Value::Bool(true), Value::Bool(false));
    assert_eq!(verdicts, [("an approval", &holds), ("a denial", &holds), ("a forgery", &rejected)]);
    assert_eq!((&evidence[0]["turns"]["re_executed"], &evidence[1]["turns"]["re_executed"]), (&1.into(), &1.into()));
    assert!(report["agreement"].as_f64().unwrap() > report["baseline"].as_f64().unwrap(), "{report}");

    let node = Node::start(NodeSettings::new(folder.path())).await.unwrap();
    let (mut decisions, mut reasons) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    let mut after = None;
    loop {
        let page = node.handle().actors(&Namespace::default(), Some("loan-review"), after.as_ref(), 500).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.address.clone());
        for actor in page {
            let (decision, why) = decision(&node, &actor.address).await;
            *decisions.entry(decision).or_default() += 1;
            for id in why {
                *reasons.entry(id).or_default() += 1;
            }
        }
    }
    node.shutdown().await;
    let counted = |name: &str| decisions.get(name).copied().unwrap_or(0);
    assert_eq!(
        (counted("approve"), counted("deny"), counted("referred"), counted("failed")),
        (number("approved"), number("denied"), number("referred"), number("rejected"))
    );
    let reported: BTreeMap<String, u64> = serde_json::from_value(report["reasons"].clone()).unwrap();
    assert_eq!(reasons, reported);
    report
}

/// The decision and its reasons, from the actor's journal alone.
async fn decision(node: &Node, actor: &loom_types::ActorAddress) -> (String, Vec<String>) {
    let entries = node.handle().journal(actor, SequenceNumber(0)).await.unwrap();
    let ids = |reasons: &Value| -> Vec<String> {
        let reasons = reasons.as_array().into_iter().flatten();
        reasons.filter_map(|reason| reason["id"].as_str().map(str::to_owned)).collect()
    };
    let value = |index: usize, role: &str| -> Value {
        let payloads = &entries[index].payloads;
        let payload = payloads.iter().find(|(found, ..)| *found == role).and_then(|(_, _, payload)| payload.as_ref());
        serde_json::from_slice(payload.unwrap().value()).unwrap()
    };
    let last = entries.len() - 1;
    match &entries[last].entry.body {
        EntryBody::TurnEnded { result: TurnResult::Reply(_), .. } => {
            let reply = value(last, "reply");
            (reply["decision"].as_str().unwrap().to_owned(), ids(&reply["reasons"]))
        }
        EntryBody::TurnEnded { result: TurnResult::Failure(_), .. } => ("failed".to_owned(), Vec::new()),
        EntryBody::Step { op, .. } if op == "promise.create" => {
            ("referred".to_owned(), ids(&value(last, "request")["data"]["reasons"]))
        }
        body => panic!("{actor} ends in {body:?}"),
    }
}

/// A CSV that gives no reason to trust it.
#[test]
fn malformed_rows_are_counted_by_name_and_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("applications.csv");
    let header = "application_id,lei,state_code,approved,loan_type,loan_purpose,occupancy_type,loan_amount,property_value,\
        combined_loan_to_value_ratio,income,debt_to_income_ratio,derived_race";
    let rows = [
        "B1,SYNTHETICLENDER00001,TX,1,1,1,1,105000,155000,70,80,36,",
        "B2,SYNTHETICLENDER00001,TX,1,1,1,1,105000,155000,70,80,36,White",
        "B3,SYNTHETICLENDER00001,TX,1,1,1,1,lots,155000,70,80,36,",
        "B4,too,few",
        "B1,SYNTHETICLENDER00001,TX,1,1,1,1,105000,155000,70,80,36,",
        "\"B5",
        "B6,SYNTHETICLENDER00001,TX,1,1,1,1,105000,155000,70,80,<20%,",
    ];
    std::fs::write(&file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    let report = stdout(&["demo", "loan-review", "--json", "--applications", file.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((report["applications"].as_u64(), report["rejected"].as_u64()), (Some(7), Some(5)), "{report}");
    assert_eq!(report["rejected_by_code"]["protected-attribute"], 1, "{report}");
    assert_eq!(report["rejected_by_code"]["malformed-application"], 1, "{report}");
}

#[test]
#[cfg(not(feature = "prover"))]
fn a_build_without_a_prover_says_so_before_it_reviews_anything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = crate::process::run(&["demo", "loan-review", "--prove", "--data", data.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error[no-prover]") && said.contains("hint: ") && said.contains("--features prover"),
        "{said}"
    );
    assert!(!data.exists());
}

/// Two applications, of which the first states an income of 262,000 a year and a debt of 8,515 a month.
#[test]
#[cfg(feature = "prover")]
fn ratios_are_proved_alone_and_together_and_strangers_can_check_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let demo = ["demo", "loan-review", "--prove", "--count", "2", "--prove-count", "1", "--json", "--data", data];
    let printed = stdout(&demo);
    let report: Value = serde_json::from_str(&printed).unwrap();
    let (alone, batch) = (&report["proofs"]["alone"][0], &report["proofs"]["batch"]);
    assert_eq!(
        (&alone["application"], &alone["agrees"], &batch["agrees"]),
        (&"D0001".into(), &true.into(), &true.into())
    );
    let said = (&alone["says"]["dti_bps"], &alone["says"]["limit_bps"], &alone["says"]["within_limit"]);
    assert_eq!(said, (&3900.into(), &5000.into(), &true.into()), "{report}");
    assert_eq!((&batch["says"]["cases"], &batch["says"]["within_limit"]), (&2.into(), &1.into()), "{report}");
    for (proof, rows) in [(alone, 16_384), (batch, 32_768)] {
        assert_eq!((&proof["segments"], &proof["rows"]), (&1.into(), &rows.into()), "{report}");
        assert!(
            proof["seconds"].as_f64().unwrap() > 0.0 && proof["receipt_bytes"].as_u64().unwrap() > 1000,
            "{report}"
        );
    }

    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (receipt, image_id, case) = (text(&batch["receipt"]), text(&batch["image_id"]), text(&batch["case"]));
    let verify = ["receipt", "verify", &receipt, "--image-id", &image_id, "--case", &case, "--json"];
    let verdict: Value = serde_json::from_str(&stdout(&verify)).unwrap();
    assert_eq!((&verdict["accepted"], &verdict["case"]["dti_bps"]), (&true.into(), &3900.into()), "{verdict}");
    let (receipt, image_id) = (text(&alone["receipt"]), text(&alone["image_id"]));
    stdout(&["receipt", "verify", &receipt, "--image-id", &image_id]);

    // What an auditor gets of it, and who may not read what of it.
    let evidence = report["evidence"].as_array().unwrap();
    let approval = evidence.iter().find(|shown| shown["what"] == "an approval").unwrap();
    assert_eq!((&approval["ok"], &approval["proved"]), (&true.into(), &1.into()), "{report}");
    for figure in ["\"262\"", "26200000", "\"8515\"", "10218000"] {
        assert!(!printed.contains(figure), "{figure}: {printed}");
    }

    // Again: nothing is reviewed or proved twice.
    let again: Value = serde_json::from_str(&stdout(&demo)).unwrap();
    let receipts =
        |report: &Value| [&report["proofs"]["alone"][0], &report["proofs"]["batch"]].map(|it| it["says"].clone());
    assert_eq!((receipts(&again), &again["node"]["activities"]), (receipts(&report), &0.into()));
}

/// Four applicants come with a bank's statement: one is honest, one claims more, one changed the file, one brings
/// another's. What the lender's actor decided stands in its journal with whom it believed.
#[test]
fn income_is_decided_on_as_the_bank_states_it() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let report = stdout(&["demo", "loan-review", "--attest", "--count", "8", "--json", "--data", data]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let attested = report["attested"]["applications"].as_array().unwrap();
    let [honest, boastful, forger, repeater] = &attested[..] else { panic!("{report}") };
    assert!(honest["refused"].is_null() && !honest["decided"].is_null(), "{report}");
    assert_eq!((&boastful["decided"], &boastful["reasons"][0]), (&"denied".into(), &"income-overstated".into()));
    assert_eq!((&forger["refused"], &repeater["refused"]), (&"statement-refused".into(), &"statement-used".into()));

    // Anybody can check the statements: the honest one's holds, and shows no more than the lender needs.
    let key = report["attested"]["notary_key"].as_str().unwrap();
    let authority = format!("{data}/bank-authority.pem");
    let verify = |file: &Value| {
        let trusted = ["--notary-key", key, "--root", &authority, "--field", "/income/annual", "--json"];
        let output = crate::process::run(&[&["tlsn", "verify", file.as_str().unwrap()], &trusted[..]].concat());
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (exit, held) = verify(&honest["presentation"]);
    assert_eq!((exit, &held["fields"]["/income/annual"]["placed"]), (0, &true.into()), "{held}");
    let received = held["received"].as_str().unwrap();
    assert!(received.contains("Applicant") && !received.contains("000123456789"), "{received}");
    assert!(!held["sent"].as_str().unwrap().contains("token"), "{held}");
    let (exit, forged) = verify(&forger["presentation"]);
    assert_eq!((exit, &forged["code"]), (1, &"opening-uncommitted".into()));
}
