//! `loom witness`: a process that logs ask for cosignatures.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use loom_evidence::{Checkpoint, PublicKey, SignedCheckpoint, SigningKey};
use loom_witness::{Answer, HttpWitness};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    process::{Dev, deployment, run, stdout},
    usage::eventually,
};

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

/// One address in front of processes that get another port with every start.
struct Front {
    url: String,
    behind: Arc<Mutex<Option<String>>>,
}

impl Front {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind: Arc<Mutex<Option<String>>> = Arc::default();
        let now_behind = behind.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Some(address) = now_behind.lock().unwrap().clone() else { continue };
                tokio::spawn(async move {
                    // Either may go at any time.
                    let Ok(mut server) = TcpStream::connect(address).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, behind }
    }

    fn lead_to(&self, process: &Dev) {
        *self.behind.lock().unwrap() = Some(process.url.strip_prefix("http://").unwrap().to_owned());
    }
}

/// A node whose log a monitor watches, each in a process of its own.
struct Watched {
    folder: tempfile::TempDir,
    monitor: Dev,
    monitor_key: String,
    log_key: String,
    node_front: Front,
    monitor_front: Front,
}

impl Watched {
    async fn start() -> Self {
        loom_client::use_ring();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (node_front, monitor_front) = (Front::open().await, Front::open().await);
        let log_key = stdout(&["key", "generate", "--name", "log.example/loans", "--data", &path("data")]);
        let log_key = log_key.trim().to_owned();
        let log = format!("{log_key},{}/v1/log", node_front.url);
        let arguments = ["witness", "serve", "--monitor", "--log", &log, "--name", "witness.example/m"];
        let monitor = Dev::run(&[&arguments[..], &["--listen", "127.0.0.1:0", "--data", &path("monitor")]].concat());
        monitor_front.lead_to(&monitor);
        let told = reqwest::get(&monitor.url).await.unwrap().text().await.unwrap();
        let monitor_key = told.split_whitespace().find(|word| word.starts_with("witness.example/m+")).unwrap();
        Self { monitor_key: monitor_key.to_owned(), folder, monitor, log_key, node_front, monitor_front }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn node(&self) -> Dev {
        let witnesses = format!("{} {}", self.monitor_key, self.monitor_front.url);
        let environment = [("LOOM_LOG_WITNESSES", witnesses.as_str()), ("LOOM_LOG_CHECKPOINT_INTERVAL", "20ms")];
        let node = Dev::start_with(&self.path("data"), &[], &environment);
        self.node_front.lead_to(&node);
        node
    }

    /// What somebody who trusts the log's key and the monitor says of `probe/a`.
    fn verdict(&self, node: &Dev, file: &str) -> Value {
        let file = self.path(file);
        let file = file.to_str().unwrap();
        stdout(&["bundle", "probe/a", "--url", &node.url, "--out", file]);
        let trusted = ["--key", &self.log_key, "--monitor", &self.monitor_key];
        serde_json::from_str(&stdout(&[&["verify", file, "--json"], &trusted[..]].concat())).unwrap()
    }

    /// Why the monitor does not cosign what the node signed last.
    fn problem(&self, node: &Dev) -> String {
        eventually(|| {
            let log: Value = serde_json::from_str(&stdout(&["log", "--url", &node.url, "--json"])).unwrap();
            Some(log["witnesses"][0]["problem"].as_str()?.to_owned())
        })
    }

    fn status(&self) -> Value {
        let data = self.path("monitor");
        serde_json::from_str(&stdout(&["witness", "status", "--json", "--data", data.to_str().unwrap()])).unwrap()
    }
}

fn turns(node: &Dev, count: usize) {
    for _ in 0..count {
        stdout(&["call", "probe/a", r#"{"do":[{"reply":1}]}"#, "--url", &node.url]);
    }
}

fn class(report: &Value, subject: &str) -> String {
    let claims = report["claims"].as_array().unwrap();
    let claim = claims.iter().find(|claim| claim["subject"] == subject).unwrap_or_else(|| panic!("{report}"));
    claim["class"].as_str().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        match file.file_type().unwrap().is_dir() {
            true => copy(&file.path(), &to.join(file.file_name())),
            false => drop(std::fs::copy(file.path(), to.join(file.file_name())).unwrap()),
        }
    }
}

/// An operator who puts an older copy of everything back has the key, the store and the checkpoint of that time. What
/// is missing is the witness.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_put_back_is_not_cosigned() {
    let watched = Watched::start().await;
    let node = watched.node();
    stdout(&["deploy", deployment(&watched.path("deployment")).to_str().unwrap(), "--url", &node.url]);
    turns(&node, 2);
    let report = watched.verdict(&node, "before.car");
    assert_eq!(class(&report, "log log.example/loans"), "attested");
    assert_eq!(class(&report, "log log.example/loans rewind"), "attested", "{report}");
    assert_eq!(class(&report, "log log.example/loans fork"), "attested", "{report}");
    node.terminate();
    copy(&watched.path("data"), &watched.path("copy"));

    let node = watched.node();
    turns(&node, 3);
    assert_eq!(class(&watched.verdict(&node, "later.car"), "log log.example/loans rewind"), "attested");
    node.terminate();
    std::fs::remove_dir_all(watched.path("data")).unwrap();
    copy(&watched.path("copy"), &watched.path("data"));

    let node = watched.node();
    turns(&node, 1);
    let problem = watched.problem(&node);
    assert!(problem.contains("an older copy of the store was put back"), "{problem}");
    // Once it is longer than what the witness saw, there is no proof that leads there.
    turns(&node, 4);
    let report = watched.verdict(&node, "forked.car");
    assert_eq!(report["ok"], true, "nothing in the file contradicts it");
    assert_eq!(class(&report, "log log.example/loans rewind"), "claimed");
    assert_eq!(class(&report, "log log.example/loans fork"), "claimed");
    eventually(|| (watched.status()["refusals"].as_u64()? > 0).then_some(()));
    node.terminate();
    // Who has a file of each past sees both.
    let [before, forked] = ["later.car", "forked.car"].map(|name| watched.path(name).to_str().unwrap().to_owned());
    let both = run(&["verify", &before, &forked, "--key", &watched.log_key]);
    assert_eq!(both.status.code(), Some(1), "{}", String::from_utf8_lossy(&both.stdout));
    watched.monitor.terminate();
}

/// One actor's second history in a log that only grows: no witness of checkpoints can see it, and a monitor does.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_history_of_one_actor_is_found_by_the_monitor() {
    let watched = Watched::start().await;
    let node = watched.node();
    stdout(&["deploy", deployment(&watched.path("deployment")).to_str().unwrap(), "--url", &node.url]);
    turns(&node, 2);
    assert_eq!(class(&watched.verdict(&node, "before.car"), "log log.example/loans fork"), "attested");
    node.terminate();

    copy(&watched.path("data"), &watched.path("copy"));
    let node = watched.node();
    turns(&node, 1);
    assert_eq!(class(&watched.verdict(&node, "first.car"), "log log.example/loans fork"), "attested");
    node.terminate();
    roll_back(&watched.path("data"), &watched.path("copy"), "default/probe/a");

    let node = watched.node();
    stdout(&["call", "probe/a", r#"{"do":[{"reply":"another past"}]}"#, "--url", &node.url]);
    let problem = watched.problem(&node);
    assert!(problem.contains("two histories"), "{problem}");
    eventually(|| watched.status()["caught"].as_str().map(str::to_owned));
    let report = watched.verdict(&node, "second.car");
    assert_eq!(report["ok"], true, "nothing in the file contradicts it");
    assert_eq!(class(&report, "log log.example/loans fork"), "claimed", "{report}");
    node.terminate();
    // Who has a file of each past needs no monitor.
    let [first, second] = ["first.car", "second.car"].map(|name| watched.path(name).to_str().unwrap().to_owned());
    let both = run(&["verify", &first, &second, "--key", &watched.log_key]);
    let said = String::from_utf8_lossy(&both.stdout);
    assert!(both.status.code() == Some(1) && said.contains("two histories"), "{said}");
    watched.monitor.terminate();
}

/// One actor as it was in an older copy, in a store whose log keeps what came since.
fn roll_back(data: &Path, copy: &Path, actor: &str) {
    use rusqlite::{Connection, OpenFlags, params};
    // Opening a store makes its kind of file known to SQLite.
    let open = |folder: &Path| {
        drop(loom_store_sqlite::open(&loom_store_sqlite::Settings::new(folder)).unwrap());
        Connection::open_with_flags_and_vfs(folder.join("loom.db"), OpenFlags::default(), "loom-checked").unwrap()
    };
    let (now, then) = (open(data), open(copy));
    let columns = "id, next_seq, head, turn, state";
    let row: (i64, i64, Vec<u8>, i64, Option<Vec<u8>>) = then
        .query_row(&format!("SELECT {columns} FROM actors WHERE address = ?1"), [actor], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .unwrap();
    let (id, next_seq, head, turn, state) = row;
    let set = "UPDATE actors SET next_seq = ?2, head = ?3, turn = ?4, state = ?5 WHERE id = ?1";
    assert_eq!(now.execute(set, params![id, next_seq, head, turn, state]).unwrap(), 1);
    let later = "DELETE FROM segments WHERE id >= ?1 AND id < ?2";
    assert!(now.execute(later, params![id << 32 | next_seq, (id + 1) << 32]).unwrap() > 0);
}

/// The log goes on under another key, and who trusts the old one can follow.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_handed_over_to_another_key() {
    let watched = Watched::start().await;
    let data = watched.path("data");
    let data = data.to_str().unwrap();
    let node = watched.node();
    stdout(&["deploy", deployment(&watched.path("deployment")).to_str().unwrap(), "--url", &node.url]);
    turns(&node, 1);
    assert_eq!(class(&watched.verdict(&node, "before.car"), "log log.example/loans rewind"), "attested");
    let running = run(&["key", "rotate", "--data", data]);
    let said = String::from_utf8_lossy(&running.stderr);
    assert!(!running.status.success() && said.contains("error[data-folder-in-use]"), "{said}");
    node.terminate();

    let secret = std::fs::read_to_string(watched.path("data").join("log.key")).unwrap();
    let new = stdout(&["key", "rotate", "--data", data]).trim().to_owned();
    assert_eq!(stdout(&["key", "show", "--data", data]).trim(), new);
    let second = stdout(&["key", "rotate", "--data", data]).trim().to_owned();
    let left: Vec<String> = std::fs::read_dir(data)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default())
        .filter(|text| text.contains(secret.trim()))
        .collect();
    assert!(left.is_empty(), "the old key is gone");

    // The witness was not told: what it cosigned before has both signatures, and there is nothing newer.
    let node = watched.node();
    let report = watched.verdict(&node, "after.car");
    assert_eq!(class(&report, "log log.example/loans rewind"), "attested", "{report}");
    turns(&node, 1);
    let report = watched.verdict(&node, "later.car");
    assert_eq!(class(&report, "log log.example/loans rewind"), "claimed");
    assert!(watched.problem(&node).contains("status 403"), "{}", watched.problem(&node));
    let is_log = |claim: &&Value| claim["subject"] == "log log.example/loans";
    let log = report["claims"].as_array().unwrap().iter().find(is_log).unwrap();
    assert_eq!(log["class"], "attested");
    assert!(log["detail"].as_str().unwrap().contains("handed the log over"), "{log}");
    assert_eq!(log["by"], serde_json::json!([second, watched.log_key, new]));
    let later = watched.path("later.car");
    for key in [&new, &second] {
        stdout(&["verify", later.to_str().unwrap(), "--key", key]);
    }
    let stranger = SigningKey::from_secret("log.example/loans", &[9; 32]).unwrap().public().to_string();
    assert_eq!(run(&["verify", later.to_str().unwrap(), "--key", &stranger]).status.code(), Some(1));
    // The journal of handovers is an actor's like any other, and in the log itself.
    let keys = watched.path("keys.car");
    let keys = keys.to_str().unwrap();
    stdout(&["bundle", "loom-log/keys", "--namespace", "loom", "--url", &node.url, "--out", keys]);
    let report: Value = serde_json::from_str(&stdout(&["verify", keys, "--key", &second, "--json"])).unwrap();
    assert_eq!(class(&report, "loom/loom-log/keys"), "attested");
    node.terminate();
    watched.monitor.terminate();
}

/// A node does not make up a key for a log that somebody knows already, nor hand over what is not its own.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_logs_key_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let path = data.to_str().unwrap();
    stdout(&["key", "generate", "--name", "log.example/loans", "--data", path]);
    let node = Dev::start_with(&data, &[], &[]);
    stdout(&["deploy", deployment(&folder.path().join("deployment")).to_str().unwrap(), "--url", &node.url]);
    turns(&node, 1);
    stdout(&["bundle", "probe/a", "--url", &node.url, "--out", folder.path().join("a.car").to_str().unwrap()]);
    node.terminate();

    let file = data.join("log.key");
    let own = std::fs::read_to_string(&file).unwrap();
    let starts = || run(&["ps", "--data", path]);
    let refused = |output: std::process::Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("error[log-key-differs]"), "{said}");
    };
    std::fs::remove_file(&file).unwrap();
    refused(starts());
    assert!(!file.exists(), "none is made");
    for name in ["log.example/loans", "log.example/other"] {
        let other = SigningKey::from_secret(name, &[9; 32]).unwrap();
        std::fs::write(&file, other.to_secret_text()).unwrap();
        refused(starts());
        refused(run(&["key", "rotate", "--data", path]));
        assert!(!data.join("log.key.next").exists());
    }
    std::fs::write(&file, own).unwrap();
    assert!(starts().status.success());
}
