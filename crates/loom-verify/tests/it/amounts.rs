//! An amount that nobody was shown: a notary's presentation and a receipt in one bundle, and what they show together.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use loom_machine::{
    ActorSpec, Deployment, GuestLimits, ImageId, ProgramSpec, VerifierKind, VerifierSpec, canonical_object,
};
use loom_programs::{Program, committed_amount::Input, registry, stdin};
use loom_runtime::{BundleOptions, Proof, ProofProgress, ProofRequest, ProveError, Prover};
use loom_types::Namespace;
use loom_verify::{Claim, Class, Receipts, Report};
use serde_json::json;

use crate::world::{World, file, prebuilt, sandbox};

/// The notary of the presentations, whose secret is 32 sevens.
const NOTARY: &str = "02989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f";

fn testdata(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loom-tlsnotary/testdata");
    std::fs::read(folder.join(name)).unwrap().into()
}

fn image_id() -> ImageId {
    ImageId(registry::named("committed-amount").unwrap().image_id.0)
}

/// Runs the program and proves nothing: a receipt is what was put out.
struct Runs;

impl Prover for Runs {
    fn prove(&self, request: ProofRequest, _: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        let input = stdin(&request.input, b"");
        let output: Bytes = kit::host::run(&input, ::committed_amount::run).expect("taken").journal.into();
        std::future::ready(Ok(Proof { public_output: output.clone(), receipt: output, segments: 1 })).boxed()
    }
}

impl Receipts for Runs {
    fn verify(&self, receipt: &[u8], _: ImageId) -> Result<Vec<u8>, String> {
        Ok(receipt.to_vec())
    }
}

/// What opens the closing balance.
fn input(threshold_cents: u64) -> Input {
    let full = loom_tlsnotary::decode(&testdata("committed/full.tlsn")).unwrap();
    let opened = loom_tlsnotary::committed::opened(&full, "/closing_balance").unwrap();
    let (attestation_id, blinder) = (opened.attestation_id, opened.blinder);
    let range = [opened.range.start, opened.range.end];
    Input { attestation_id, range, blinder, text: opened.text, threshold_cents }
}

/// A module that gives everything this verdict. The auditor gives it again.
fn says(verdict: &str) -> Vec<u8> {
    let length = verdict.len();
    let text = verdict.replace('\\', "\\\\").replace('"', "\\\"");
    let packed = 16u64 << 32 | length as u64;
    wat::parse_str(format!(
        r#"(module
        (memory (export "memory") 64)
        (data (i32.const 16) "{text}")
        (func (export "loom_alloc") (param i32) (result i32) (i32.const 65536))
        (func (export "loom_free") (param i32 i32))
        (func (export "execute") (param i32 i32) (result i64) (i64.const {packed})))"#
    ))
    .unwrap()
}

/// A node that takes presentations of this notary and has amounts proved.
async fn world(presentation: &Bytes) -> World {
    let world = World::with_prover(Some((image_id(), Arc::new(Runs)))).await;
    let root = data_encoding::BASE64.encode(&testdata("pki/ec-root.der"));
    let policy = json!({"notary_keys": [NOTARY], "roots": [root]}).to_string();
    let verdict = loom_tlsnotary::activity::verdict(presentation, &policy, 1_795_350_794_000, "{}");
    assert!(verdict.starts_with(r#"{"accepted":true"#), "{verdict}");
    let put = |bytes: Vec<u8>| world.handle.put_blob(bytes.into());
    let verifier = VerifierSpec {
        kind: VerifierKind::Tlsnotary,
        module: put(says(&verdict)).await.unwrap(),
        limits: VerifierSpec::limits_default(),
        policy: canonical_object(&policy).unwrap(),
    };
    let limits = GuestLimits { fuel: 20_000_000, ..GuestLimits::default() };
    let probe = ActorSpec::new(put(prebuilt("probe.wasm")).await.unwrap(), limits);
    let program = ProgramSpec { image_id: image_id(), binary: put(b"program".to_vec()).await.unwrap() };
    let deployment = Deployment::new("tests", [("probe".to_owned(), probe)].into(), [].into()).unwrap();
    let deployment = deployment.with_verifiers([("statements".to_owned(), verifier)].into()).unwrap();
    let deployment = deployment.with_programs([("enough".to_owned(), program)].into()).unwrap();
    world.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    world
}

/// What the report says after one turn: with this presentation, if any, and this proof.
async fn reported(presentation: Option<&Bytes>, input: &Input, options: BundleOptions) -> Report {
    let shown = testdata("committed/shown.tlsn");
    let world = world(presentation.unwrap_or(&shown)).await;
    let block = data_encoding::BASE64.encode(&input.encode().unwrap());
    let media_type = Program::CommittedAmount.media_type();
    let mut steps = vec![
        json!({"op": "prove.start", "program": "enough", "input": {"media_type": media_type, "base64": block}}),
        json!({"op": "await", "handles": [{"$ref": 0}], "mode": "all"}),
    ];
    if let Some(presentation) = presentation {
        let evidence = world.handle.put_blob(presentation.clone()).await.unwrap().to_string();
        steps.push(json!({"op": "verify", "verifier": "statements", "evidence": evidence}));
    }
    world.run(&json!({"do": steps}).to_string()).await;
    let bundle = world.bundle_with(options).await;
    let report = loom_verify::verify_with(&file(&bundle), &world.auditor(), &*sandbox(), &Runs).unwrap();
    world.runtime.shutdown().await;
    assert!(report.ok, "{report:#?}");
    report
}

fn hidden() -> BundleOptions {
    BundleOptions { disclose_inputs: false, ..BundleOptions::default() }
}

fn claim<'a>(report: &'a Report, last: &str) -> Option<&'a Claim> {
    report.claims.iter().find(|claim| claim.subject.ends_with(last))
}

#[tokio::test]
async fn a_receipt_and_a_presentation_are_worth_the_notarys_word() {
    let shown = testdata("committed/shown.tlsn");
    for (threshold_cents, reached) in [(500_000, "at least 5000.00"), (600_000, "less than 6000.00")] {
        let report = reported(Some(&shown), &input(threshold_cents), hidden()).await;
        let amount = claim(&report, " prove.start amount").unwrap_or_else(|| panic!("{report:#?}"));
        assert_eq!((amount.class, &amount.by[..]), (Class::Attested, &[NOTARY.to_owned()][..]));
        let attestation = data_encoding::HEXLOWER.encode(b"committed amount");
        assert_eq!(
            amount.detail,
            format!(
                "notary {NOTARY} says that statements.examplebank.test named an amount at \"/closing_balance\" (bytes \
                 399 to 406 of attestation {attestation}); it is proved to be {reached}, and it is not shown"
            )
        );
        assert_eq!(claim(&report, " prove.start").map(|claim| claim.class), Some(Class::Proved));
        let text = format!("{report:?}");
        assert!(!text.contains("5873"), "{text}");
    }
}

#[tokio::test]
async fn who_can_read_the_amount_is_told_so() {
    let shown = testdata("committed/shown.tlsn");
    let disclosed = BundleOptions { disclose_inputs: true, ..BundleOptions::default() };
    let report = reported(Some(&shown), &input(1), disclosed).await;
    let amount = claim(&report, " amount").unwrap();
    assert!(amount.detail.ends_with("and it is not shown; this file shows it"), "{}", amount.detail);
    let full = testdata("committed/full.tlsn");
    let report = reported(Some(&full), &input(1), hidden()).await;
    let amount = claim(&report, " amount").unwrap();
    assert!(amount.detail.ends_with("at least 0.01; the presentation shows it"), "{}", amount.detail);
}

/// Proved all the same, but of bytes that anybody may have made up.
#[tokio::test]
async fn without_a_notarys_commitment_a_receipt_is_about_no_known_bytes() {
    let shown = testdata("committed/shown.tlsn");
    let genuine = input(500_000);
    let cases = [
        (None, genuine.clone()),
        (Some(&shown), Input { text: "9999.99".to_owned(), ..genuine.clone() }),
        (Some(&shown), Input { blinder: [0; 16], ..genuine.clone() }),
        (Some(&shown), Input { attestation_id: [0; 16], ..genuine.clone() }),
        (Some(&shown), Input { range: [400, 407], ..genuine }),
    ];
    for (presentation, input) in cases {
        let report = reported(presentation, &input, hidden()).await;
        assert!(claim(&report, " amount").is_none(), "{input:?}: {report:#?}");
        let proof = claim(&report, " prove.start").unwrap();
        assert!(proof.class == Class::Proved && proof.detail.contains("whose amount it is, nobody says"), "{proof:?}");
    }
}

#[test]
fn the_output_of_another_program_is_no_amount() {
    let block = kit::host::block([7; 16], Program::CommittedAmount.media_type(), &input(1).encode().unwrap());
    let output = kit::host::run(&stdin(&block, b""), ::committed_amount::run).unwrap().journal;
    assert!(loom_verify::committed_amount(&image_id().0, &output).is_some());
    assert!(loom_verify::committed_amount(&image_id().0, &output[1..]).is_none());
    let dti = registry::named("dti").unwrap().image_id.0;
    assert!(loom_verify::committed_amount(&dti, &output).is_none());
    assert!(loom_verify::committed_amount(&[7; 32], &output).is_none());
}
