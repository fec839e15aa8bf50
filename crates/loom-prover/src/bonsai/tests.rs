mod stub;

use std::{path::Path, sync::Arc};

use axum::http::StatusCode;
use loom_machine::ImageId as MachineImageId;
use loom_runtime::OsSalts;
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::stub::{KEY, Plan, Receipt, Stub};
use super::*;

fn testdata(crate_name: &str, file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("testdata").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The receipt of others, as a server writes it.
fn bincode() -> Receipt {
    Receipt::Bytes(StatusCode::OK, testdata("loom-prover", "groth16_3.0.receipt.bincode"))
}

fn image_id() -> MachineImageId {
    let hex = String::from_utf8(testdata("loom-risc0-verify", "groth16_3.0.image_id")).unwrap();
    MachineImageId(hex.trim().parse::<ImageId>().unwrap().0)
}

fn binary() -> Bytes {
    Bytes::from_static(loom_programs::registry::named("dti").unwrap().binary())
}

fn request() -> ProofRequest {
    let (input, public) = (Bytes::from_static(b"private"), Bytes::from_static(b"public"));
    ProofRequest { image_id: image_id(), program: binary(), input, public }
}

fn settings(url: &str) -> BonsaiSettings {
    BonsaiSettings {
        url: url.to_owned(),
        key: KEY.into(),
        poll_interval: Duration::ZERO,
        receipt: WantedReceipt::Stark,
        cycles_max: 1 << 30,
    }
}

/// A prover that takes any program for the receipt's.
fn prover_with(settings: BonsaiSettings, folder: &Path) -> Bonsai {
    let jobs = Jobs::open(folder).unwrap();
    let mut bonsai = Bonsai::new(settings, jobs, OsSalts::sources(), Handle::current()).unwrap();
    Arc::get_mut(&mut bonsai.client).unwrap().read_program = |binary, _| Program::read(binary);
    bonsai
}

fn prover(stub: &Stub, folder: &Path) -> Bonsai {
    prover_with(settings(stub.url()), folder)
}

async fn prove(stub: &Stub, folder: &Path) -> Result<Proof, ProveError> {
    let proved = prover(stub, folder).prove(request(), ProofProgress::default()).await;
    if let Err(error) = &proved {
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    }
    proved
}

fn fault(proved: Result<Proof, ProveError>) -> String {
    match proved {
        Err(ProveError::Fault { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn running(state: &str) -> Value {
    json!({ "status": "RUNNING", "state": state, "elapsed_time": 1.5 })
}

fn succeeded() -> Value {
    json!({
        "status": "SUCCEEDED", "receipt_url": "STORE/get/receipt",
        "stats": { "segments": 3, "total_cycles": 65536, "cycles": 5000 },
    })
}

fn at_once() -> Plan {
    Plan { session: [succeeded()].into(), receipt: bincode(), ..Plan::default() }
}

/// The folder of the only job.
fn job(folder: &Path) -> PathBuf {
    let mut jobs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|job| job.unwrap().path()).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

fn record(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(job(folder).join("bonsai.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_server_proves_and_forgets_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let states = ["Setup", "Executor", "ProveSegments: 2/3", "RecursionJoin: 1/2"].map(running);
    let session = states.into_iter().chain([succeeded()]).collect();
    let stub = Stub::start(Plan { session, receipt: bincode(), ..Plan::default() }).await;
    let progress = ProofProgress::default();
    let proof = prover(&stub, folder.path()).prove(request(), progress.clone()).await.unwrap();
    assert_eq!(proof.public_output, b"just a simple receipt"[..]);
    assert_eq!(proof.receipt, testdata("loom-risc0-verify", "groth16_3.0.receipt.borsh"));
    assert_eq!((proof.segments, progress.stage()), (3, ProofStage::Joining));
    stub.seen(|seen| {
        assert_eq!(seen.programs, [binary()]);
        assert_eq!(seen.inputs, [stdin(b"private", b"public")]);
        let session = json!({
            "img": image_id().to_string(), "input": "input-1", "assumptions": [], "execute_only": false,
            "exec_cycle_limit": 1 << 30,
        });
        assert_eq!(seen.sessions, [session]);
        assert_eq!(seen.deleted, ["input-1"]);
        assert!(seen.requests.iter().all(|(_, key)| key.as_deref() == Some(KEY)), "{:?}", seen.requests);
    });
    let mut files: Vec<_> = std::fs::read_dir(job(folder.path())).unwrap().map(|it| it.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["lock", "receipt.borsh"]);

    // Long after: nobody is asked.
    let asked = stub.seen(|seen| seen.requests.len());
    let again = prove(&stub, folder.path()).await.unwrap();
    assert_eq!((again.receipt, stub.seen(|seen| seen.requests.len())), (proof.receipt, asked));
}

#[tokio::test]
async fn a_program_that_is_there_is_not_sent_and_a_receipt_is_looked_for_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let session = [json!({ "status": "SUCCEEDED" })].into();
    let stub = Stub::start(Plan { has_program: true, session, ..at_once() }).await;
    prove(&stub, folder.path()).await.unwrap();
    assert_eq!(stub.seen(|seen| seen.programs.len()), 0);
}

#[tokio::test]
async fn a_restart_goes_on_with_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(Plan { session: [running("Executor")].into(), ..Plan::default() }).await;
    let first = prover(&stub, folder.path());
    let proving = tokio::spawn(first.prove(request(), ProofProgress::default()));
    // For the session, and then how it stands.
    stub.shared.asked.notified().await;
    stub.shared.asked.notified().await;
    proving.abort();
    assert!(proving.await.unwrap_err().is_cancelled());
    assert_eq!(record(folder.path())["state"], json!({ "at": "session", "uuid": "session-1" }));

    stub.plan(|plan| (plan.session, plan.receipt) = ([succeeded()].into(), bincode()));
    prove(&stub, folder.path()).await.unwrap();
    assert_eq!(stub.seen(|seen| (seen.sessions.len(), seen.inputs.len())), (1, 1));
}

#[tokio::test]
async fn who_stops_waiting_while_a_session_is_asked_for_does_not_lose_it() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Notify::new());
    let stub = Stub::start(Plan { create_gate: Some(gate.clone()), ..at_once() }).await;
    let proving = tokio::spawn(prover(&stub, folder.path()).prove(request(), ProofProgress::default()));
    stub.shared.asked.notified().await;
    proving.abort();
    assert!(proving.await.unwrap_err().is_cancelled());
    assert_eq!(record(folder.path())["state"], json!({ "at": "asking-for-session" }));

    let again = prover(&stub, folder.path()).prove(request(), ProofProgress::default());
    let again = tokio::spawn(again);
    gate.notify_one();
    again.await.unwrap().unwrap();
    assert_eq!(stub.seen(|seen| seen.sessions.len()), 1);
}

#[tokio::test]
async fn two_who_ask_at_once_share_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(at_once()).await;
    let (one, other) = tokio::join!(prove(&stub, folder.path()), prove(&stub, folder.path()));
    assert_eq!(one.unwrap().receipt, other.unwrap().receipt);
    assert_eq!(stub.seen(|seen| seen.sessions.len()), 1);
}

#[tokio::test]
async fn a_lost_answer_is_not_asked_for_again_before_somebody_has_looked() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(Plan { create_status: Some(StatusCode::BAD_GATEWAY), ..at_once() }).await;
    let reason = fault(prove(&stub, folder.path()).await);
    assert_eq!(reason, "the proving server answers 502 Bad Gateway when a session is asked for");
    stub.plan(|plan| plan.create_status = None);
    let asked = stub.seen(|seen| seen.requests.len());
    for _ in 0..2 {
        let file = job(folder.path()).join("bonsai.json");
        let reason = fault(prove(&stub, folder.path()).await);
        assert!(reason.ends_with(&format!("not known; remove {} to ask, and pay, again", file.display())), "{reason}");
    }
    assert_eq!(stub.seen(|seen| (seen.requests.len(), seen.sessions.len())), (asked, 1));

    std::fs::remove_file(job(folder.path()).join("bonsai.json")).unwrap();
    prove(&stub, folder.path()).await.unwrap();
    assert_eq!(stub.seen(|seen| seen.sessions.len()), 2);
}

#[tokio::test]
async fn an_operator_may_name_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(Plan { create_status: Some(StatusCode::BAD_GATEWAY), ..at_once() }).await;
    fault(prove(&stub, folder.path()).await);
    let mut named = record(folder.path());
    named["state"] = json!({ "at": "session", "uuid": "session-1" });
    std::fs::write(job(folder.path()).join("bonsai.json"), named.to_string()).unwrap();
    prove(&stub, folder.path()).await.unwrap();
    assert_eq!(stub.seen(|seen| seen.sessions.len()), 1);
}

#[tokio::test]
async fn a_server_that_takes_no_session_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(Plan { create_status: Some(StatusCode::TOO_MANY_REQUESTS), ..at_once() }).await;
    fault(prove(&stub, folder.path()).await);
    assert_eq!(stub.seen(|seen| seen.deleted.clone()), ["input-1"]);
    stub.plan(|plan| plan.create_status = None);
    prove(&stub, folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_run_that_fails_is_refused_and_what_is_said_of_it_stays_here() {
    let folder = tempfile::tempdir().unwrap();
    let said = format!("guest panicked: an income of 1234\n{KEY}");
    let session = [running("Executor"), json!({ "status": "FAILED", "error_msg": said })].into();
    let stub = Stub::start(Plan { session, ..Plan::default() }).await;
    for _ in 0..2 {
        let refused = prove(&stub, folder.path()).await.unwrap_err();
        let name = job(folder.path()).file_name().unwrap().to_str().unwrap().to_owned();
        let reason =
            format!("the proving server says that the run failed; bonsai.json in the folder of proof {name} says more");
        assert_eq!(refused, ProveError::Refused { reason });
    }
    let ended = json!({ "at": "ended", "status": "FAILED", "said": "guest panicked: an income of 1234 (secret)" });
    assert_eq!(record(folder.path())["state"], ended);
    assert_eq!(stub.seen(|seen| (seen.sessions.len(), seen.deleted.len())), (1, 1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::metadata(job(folder.path()).join("bonsai.json")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_session_that_ends_for_no_fault_of_the_run_waits_for_an_operator() {
    for (status, how) in [("ABORTED", "aborted the session"), ("TIMED_OUT", "run out of time for the session")] {
        let folder = tempfile::tempdir().unwrap();
        let stub = Stub::start(Plan { session: [json!({ "status": status })].into(), ..at_once() }).await;
        for _ in 0..2 {
            let reason = fault(prove(&stub, folder.path()).await);
            assert!(reason.contains(how) && reason.contains("bonsai.json"), "{reason}");
        }
        assert_eq!(stub.seen(|seen| seen.sessions.len()), 1);
        std::fs::remove_file(job(folder.path()).join("bonsai.json")).unwrap();
        stub.plan(|plan| plan.session = [succeeded()].into());
        prove(&stub, folder.path()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_receipt_of_this_program_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let Receipt::Bytes(_, good) = bincode() else { unreachable!() };
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    let page = b"<html>this is an error</html>".to_vec();
    let no_receipt = "the proving server sends no receipt: it is no receipt in bincode";
    let stub = Stub::start(at_once()).await;
    for (receipt, problem) in [
        (Receipt::Bytes(StatusCode::OK, page.clone()), no_receipt),
        (Receipt::Bytes(StatusCode::OK, Vec::new()), no_receipt),
        (Receipt::Bytes(StatusCode::OK, [&good[..], b"\n"].concat()), no_receipt),
        (Receipt::Bytes(StatusCode::INTERNAL_SERVER_ERROR, page), "500 Internal Server Error when the receipt is"),
        (Receipt::Bytes(StatusCode::OK, flipped), "does not verify: the proof does not hold"),
        (Receipt::Endless(good.clone()), "when the receipt is fetched is not understood: it is too long"),
        (Receipt::None, "404 Not Found when the receipt is fetched"),
    ] {
        stub.plan(|plan| plan.receipt = receipt);
        let reason = fault(prove(&stub, folder.path()).await);
        assert!(reason.contains(problem), "{reason}");
    }
    // The session is still there, and so is its receipt.
    stub.plan(|plan| plan.receipt = bincode());
    prove(&stub, folder.path()).await.unwrap();
    assert_eq!(stub.seen(|seen| seen.sessions.len()), 1);

    let other = ProofRequest { image_id: MachineImageId([7; 32]), ..request() };
    let reason = fault(prover(&stub, folder.path()).prove(other, ProofProgress::default()).await);
    assert!(reason.contains("the proving server's receipt does not verify: it proves a run of"), "{reason}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(at_once()).await;
    for (session, problem) in [
        (json!({ "status": "DONE" }), "there is no such status"),
        (json!([1, 2]), "it is not the JSON expected"),
        (json!({ "status": "SUCCEEDED", "receipt_url": "not an address" }), "it names an address that is none"),
        (json!({ "status": "SUCCEEDED", "receipt_url": "http://192.0.2.1/receipt" }), "an address without TLS"),
        (json!({ "status": "SUCCEEDED", "receipt_url": "file:///etc/passwd" }), "an address without TLS"),
        (json!({ "status": "SUCCEEDED", "receipt_url": "https://me:word@example.org/" }), "an address with a password"),
    ] {
        stub.plan(|plan| plan.session = [session].into());
        let reason = fault(prove(&stub, folder.path()).await);
        assert!(reason.contains(problem), "{reason}");
    }
    stub.plan(|plan| plan.endless_status = true);
    let reason = fault(prove(&stub, folder.path()).await);
    assert!(reason.ends_with("it is too long"), "{reason}");
}

#[tokio::test]
async fn the_key_goes_to_nobody_but_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = Stub::start(at_once()).await;
    let stub = Stub::start(Plan { store: Some(store.url().to_owned()), ..at_once() }).await;
    stub.plan(|plan| plan.redirect = Some(format!("{}/sessions/status/session-1", store.url())));
    let reason = fault(prove(&stub, folder.path()).await);
    assert_eq!(reason, "the proving server answers 302 Found when it is asked how the session stands");
    stub.plan(|plan| plan.redirect = None);
    prove(&stub, folder.path()).await.unwrap();
    let expected: Vec<_> =
        [format!("PUT /put/image/{}", image_id()), "PUT /put/input".to_owned(), "GET /get/receipt".to_owned()]
            .map(|request| (request, None))
            .into();
    store.seen(|seen| assert_eq!(seen.requests, expected));
    stub.seen(|seen| assert!(seen.requests.iter().all(|(_, key)| key.as_deref() == Some(KEY)), "{:?}", seen.requests));
    let shown = format!("{:?} {:?}", settings(stub.url()), prover(&stub, folder.path()));
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn nobody_answers_and_the_address_stays_unsaid() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(at_once()).await;
    let url = stub.url().to_owned();
    drop(stub);
    let reason = fault(prover_with(settings(&url), folder.path()).prove(request(), ProofProgress::default()).await);
    assert!(reason.starts_with("the proving server does not answer when it is asked for the program"), "{reason}");
    // Nothing was asked for, so nothing keeps it from being asked.
    assert!(!job(folder.path()).join("bonsai.json").exists());
}

#[tokio::test]
async fn a_snark_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let snark = [json!({ "status": "RUNNING" }), json!({ "status": "ABORTED" })].into();
    let stub = Stub::start(Plan { snark, ..at_once() }).await;
    let wanted = BonsaiSettings { receipt: WantedReceipt::Groth16, ..settings(stub.url()) };
    let prove = || prover_with(wanted.clone(), folder.path()).prove(request(), ProofProgress::default());
    let reason = fault(prove().await);
    assert!(reason.contains("aborted the session"), "{reason}");
    std::fs::remove_file(job(folder.path()).join("bonsai.json")).unwrap();
    stub.plan(|plan| plan.snark = [json!({ "status": "SUCCEEDED", "output": "STORE/get/receipt" })].into());
    stub.plan(|plan| plan.receipt = Receipt::None);
    fault(prove().await);
    stub.plan(|plan| plan.receipt = bincode());
    assert_eq!(prove().await.unwrap().segments, 3);
    stub.seen(|seen| {
        assert_eq!(seen.snarks, [json!({ "session_id": "session-1" }), json!({ "session_id": "session-2" })]);
        assert_eq!(seen.sessions.len(), 2);
    });
}

#[tokio::test]
async fn a_job_that_another_server_has_is_not_asked_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = Stub::start(Plan { receipt: Receipt::None, ..at_once() }).await;
    fault(prove(&first, folder.path()).await);
    let second = Stub::start(at_once()).await;
    let reason = fault(prove(&second, folder.path()).await);
    assert!(reason.contains(&format!("of another proving server, {}/;", first.url())), "{reason}");
    assert_eq!(second.seen(|seen| seen.requests.len()), 0);
}

#[tokio::test]
async fn a_program_of_another_name_is_refused_here() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(at_once()).await;
    let jobs = Jobs::open(folder.path()).unwrap();
    let bonsai = Bonsai::new(settings(stub.url()), jobs, OsSalts::sources(), Handle::current()).unwrap();
    let refused = bonsai.prove(request(), ProofProgress::default()).await;
    assert!(matches!(refused, Err(ProveError::Refused { .. })), "{refused:?}");
    assert_eq!(stub.seen(|seen| seen.requests.len()), 0);
}

#[test]
fn servers_are_reached_over_tls_or_are_on_this_machine() {
    let check = |url: &str| Api::new(url, KEY.into()).map(|api| api.url().to_owned());
    for (url, shown) in [
        ("https://api.example.org", "https://api.example.org/"),
        ("https://api.example.org/v1", "https://api.example.org/v1/"),
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081/"),
        ("http://[::1]:8081", "http://[::1]:8081/"),
        ("http://localhost", "http://localhost/"),
    ] {
        assert_eq!(check(url).as_deref(), Ok(shown));
    }
    for url in [
        "",
        "api.example.org",
        "http://api.example.org",
        "http://192.168.1.2",
        "http://localhost.example.org",
        "https://me:word@api.example.org",
        "https://api.example.org?key=1",
        "https://api.example.org#a",
        "ftp://api.example.org",
    ] {
        assert_eq!(check(url), Err(InvalidServer::Url), "{url}");
    }
    for key in ["", "two\nlines", "ä\u{7f}"] {
        assert!(matches!(Api::new("https://api.example.org", key.into()), Err(InvalidServer::Key)), "{key:?}");
    }
    // One elsewhere has no say in what is asked of this machine.
    let api = Api::new("https://api.example.org", KEY.into()).unwrap();
    for url in ["http://127.0.0.1:4100/", "https://localhost/"] {
        assert!(api.given("it is tried", reqwest::Method::GET, url).is_err(), "{url}");
    }
}

#[test]
fn stages_have_our_names() {
    for (state, stage_of_ours) in [
        ("Setup", ProofStage::Executing),
        ("ProveSegments: 2/3", ProofStage::Segment { number: 2, of: 3 }),
        ("ProveSegments: 0/3", ProofStage::Segment { number: 1, of: 3 }),
        ("ProveSegments: 9/3", ProofStage::Segment { number: 3, of: 3 }),
        ("ProveSegments: 1/0", ProofStage::Executing),
        ("ProveSegments", ProofStage::Executing),
        ("RecursionJoin: 1/2", ProofStage::Joining),
        ("Finalize", ProofStage::Joining),
        ("", ProofStage::Executing),
    ] {
        assert_eq!(stage(state), stage_of_ours, "{state}");
    }
}

/// Written by the crate `bincode` 1.3.3. The seals of the last two are cut short: they are for reading alone.
#[test]
fn receipts_in_bincode_become_borsh_byte_for_byte() {
    let groth16 = ("loom-risc0-verify", "groth16_3.0.receipt");
    for (from, name) in [groth16, ("loom-prover", "composite"), ("loom-prover", "succinct")] {
        let bincode = testdata("loom-prover", &format!("{name}.bincode"));
        assert_eq!(receipt::to_borsh(&bincode).unwrap(), testdata(from, &format!("{name}.borsh")), "{name}");
        for length in 0..bincode.len() {
            assert_eq!(receipt::to_borsh(&bincode[..length]), Err(NoReceipt), "{name}: {length} bytes");
        }
        assert_eq!(receipt::to_borsh(&[&bincode[..], b"\0"].concat()), Err(NoReceipt), "{name}");
    }
    // One without a proof, and a length that there cannot be.
    assert_eq!(receipt::to_borsh(&[3, 0, 0, 0]), Err(NoReceipt));
    assert_eq!(receipt::to_borsh(&[&[0; 4][..], &[0xff; 8]].concat()), Err(NoReceipt));
}
