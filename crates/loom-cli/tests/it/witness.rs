//! `loom witness`: a process that logs ask for cosignatures.

use loom_evidence::{Checkpoint, PublicKey, SignedCheckpoint, SigningKey};
use loom_witness::{Answer, HttpWitness};

use crate::process::{Dev, run, stdout};

fn signed(key: &SigningKey, root: u8) -> SignedCheckpoint {
    Checkpoint { origin: key.name().to_owned(), size: 1, root: [root; 32] }.sign(key)
}

#[tokio::test]
async fn a_witness_cosigns_and_remembers_across_a_kill() {
    loom_client::use_ring();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("witness");
    let data = data.to_str().unwrap();
    let key = SigningKey::from_secret("log.example/loans", &[7; 32]).unwrap();
    let log = key.public().to_string();
    let start = || {
        let arguments = ["witness", "serve", "--log", &log, "--name", "witness.example/w", "--listen", "127.0.0.1:0"];
        Dev::run(&[&arguments[..], &["--data", data]].concat())
    };
    let first = start();
    let told = reqwest::get(&first.url).await.unwrap().text().await.unwrap();
    let vkey = told.split_whitespace().find(|word| word.starts_with("witness.example/w+")).expect("it tells its key");
    let vkey: PublicKey = vkey.parse().unwrap();
    let ask = async |witness: &Dev, old, checkpoint: &SignedCheckpoint| {
        HttpWitness::new(vkey.clone(), &witness.url).unwrap().add_checkpoint(old, &[], checkpoint).await.unwrap()
    };
    let checkpoint = signed(&key, 1);
    let Answer::Cosigned(line) = ask(&first, 0, &checkpoint).await else { panic!("it grows from nothing") };
    let cosigned = checkpoint.with_signatures(&[line]).unwrap();
    assert_eq!(cosigned.cosigned_by(std::slice::from_ref(&vkey)).unwrap().len(), 1);
    first.kill();

    let second = start();
    let fork = ask(&second, 1, &signed(&key, 2)).await;
    assert!(matches!(fork, Answer::Refused { status: 409, .. }), "{fork:?}");
    let status: serde_json::Value =
        serde_json::from_str(&stdout(&["witness", "status", "--data", data, "--json"])).unwrap();
    assert_eq!((&status["origin"], &status["size"]), (&"log.example/loans".into(), &1.into()));
    assert_eq!(status["refusals"], 1, "what the log signed is kept as evidence");
    second.terminate();
}

#[test]
fn a_witness_says_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let key = SigningKey::from_secret("log.example/loans", &[7; 32]).unwrap().public().to_string();
    let serve = |log: &str, more: &[&str]| {
        let fixed = ["witness", "serve", "--listen", "127.0.0.1:0", "--data", data, "--log", log];
        run(&[&fixed[..], more].concat())
    };
    for (output, code, exit) in [
        (serve("nobody", &[]), "error[key-invalid]", 2),
        (serve(&key, &["--monitor"]), "error[witness]: the log 'log.example/loans' has no url", 1),
        (serve(&format!("{key},http://a.example/?q=1"), &[]), "error[witness]", 1),
        (run(&["witness", "status", "--data", data]), "error[witness]", 1),
    ] {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(exit) && said.contains(code), "{said}");
    }
}
