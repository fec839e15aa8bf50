//! A node whose activities reach another system, and whose actors answer queries.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
};

use serde_json::Value;

use crate::process::{Dev, PATIENCE, run, stdout};

const SECRET: &str = "s3cr3t-value-1234";

/// A deployment of the probe, which asks, and `fetch`, which may reach `port` on this machine.
fn deployment(folder: &Path, port: u16) -> PathBuf {
    let prebuilt = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../guests/prebuilt")
        .canonicalize()
        .unwrap();
    let prebuilt = prebuilt.display();
    let manifest = format!(
        r#"name = "tests"
[actors.probe]
module = "{prebuilt}/probe.wasm"
[actors.tally]
module = "{prebuilt}/tally-rust.wasm"
[activities.fetch]
module = "{prebuilt}/fetch-rust.wasm"
capabilities = ["http"]
http = {{ hosts = ["http://127.0.0.1:{port}"], methods = ["GET"], timeout_ms = 60000 }}
secrets = ["API_KEY"]
deadline_ms = 60000
retry = {{ attempts_max = 3, backoff_ms_min = 1, backoff_ms_max = 10 }}
"#
    );
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("loom.toml"), manifest).unwrap();
    folder.to_owned()
}

/// Another system: hands over each connection with the head of its request.
fn listen() -> (u16, Receiver<(TcpStream, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut bytes, mut byte) = (Vec::new(), [0]);
            while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                bytes.push(byte[0]);
            }
            // The test may be over.
            let _ = sender.send((stream, String::from_utf8_lossy(&bytes).into_owned()));
        }
    });
    (port, requests)
}

fn answer(mut stream: TcpStream, status: &str, body: &str) {
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
}

fn start(data: &Path, port: u16) -> Dev {
    let environment = [("LOOM_LOG", "trace"), ("LOOM_SECRET_API_KEY", SECRET)];
    Dev::start_with(data, &["--private-host", &format!("127.0.0.1:{port}")], &environment)
}

/// Every file below a folder, as one.
fn everything(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(everything(&path));
        } else {
            bytes.extend(std::fs::read(&path).unwrap());
        }
    }
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn fetch(port: u16) -> String {
    format!(
        r#"{{"do":[{{"op":"activity","name":"fetch","input":{{"url":"http://127.0.0.1:{port}/","secret":"API_KEY"}}}}]}}"#
    )
}

/// What came of the activity, out of the actor's reply.
fn outcome(reply: &str) -> Value {
    serde_json::from_str::<Value>(reply).unwrap()["answers"][0].clone()
}

#[test]
fn an_activity_is_retried_and_its_secret_stays_off_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (port, requests) = listen();
    let app = deployment(&folder.path().join("app"), port);
    let dev = start(&data, port);
    stdout(&["deploy", app.to_str().unwrap(), "--url", &dev.url]);

    let url = dev.url.clone();
    let call = std::thread::spawn(move || stdout(&["call", "probe/a", &fetch(port), "--url", &url]));
    let (stream, first) = requests.recv_timeout(PATIENCE).unwrap();
    answer(stream, "503 Service Unavailable", "");
    let (stream, second) = requests.recv_timeout(PATIENCE).unwrap();
    answer(stream, "200 OK", &format!("you sent {SECRET}"));
    let reply = &outcome(&call.join().unwrap())["ok"];
    assert_eq!((reply["status"].as_u64(), reply["attempt"].as_u64()), (Some(200), Some(2)));
    assert_eq!(reply["body"], "you sent [secret]");

    assert!(first.contains(&format!("\r\nauthorization: Bearer {SECRET}\r\n")), "{first}");
    let key = |head: &str| head.lines().find(|line| line.starts_with("idempotency-key: ")).map(str::to_owned);
    assert!(key(&first).is_some() && key(&first) == key(&second), "{first}{second}");
    let said = dev.said();
    assert!(said.contains("activity will be retried"), "it logs, and the log is whole: {said}");
    assert!(!said.contains(SECRET), "{said}");
    dev.terminate();
    let stored = everything(&data);
    assert!(contains(&stored, "you sent [secret]"), "the outcome is on the disk");
    assert!(!contains(&stored, SECRET));
}

#[test]
fn attempts_that_a_crash_cut_off_count() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (port, requests) = listen();
    let app = deployment(&folder.path().join("app"), port);
    let dev = start(&data, port);
    stdout(&["deploy", app.to_str().unwrap(), "--url", &dev.url]);
    stdout(&["send", "probe/a", &fetch(port), "--id", "m1", "--url", &dev.url]);
    let unanswered = requests.recv_timeout(PATIENCE).unwrap();
    dev.kill();
    drop(unanswered);

    let dev = start(&data, port);
    let unanswered = requests.recv_timeout(PATIENCE).unwrap();
    dev.kill();
    drop(unanswered);

    let dev = start(&data, port);
    let (stream, _) = requests.recv_timeout(PATIENCE).unwrap();
    answer(stream, "200 OK", "at last");
    let reply = &outcome(&stdout(&["call", "probe/a", &fetch(port), "--id", "m1", "--url", &dev.url]))["ok"];
    assert_eq!((reply["attempt"].as_u64(), reply["body"].as_str()), (Some(3), Some("at last")));
}

#[test]
fn without_the_operators_word_nothing_private_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let (port, requests) = listen();
    let app = deployment(&folder.path().join("app"), port);
    let dev = Dev::start_with(&folder.path().join("data"), &[], &[("LOOM_SECRET_API_KEY", SECRET)]);
    stdout(&["deploy", app.to_str().unwrap(), "--url", &dev.url]);
    let refused = outcome(&stdout(&["call", "probe/a", &fetch(port), "--url", &dev.url]));
    assert_eq!(refused["err"]["kind"], "http-refused", "{refused}");
    assert!(requests.try_recv().is_err(), "nobody came");

    let bare = Dev::start(&folder.path().join("bare"), &[]);
    let refused = run(&["deploy", app.to_str().unwrap(), "--url", &bare.url]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && error.contains("error[missing-secret]"), "{error}");
}

#[test]
fn queries_look_and_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let app = deployment(&folder.path().join("app"), 1);
    let dev = Dev::start_with(&folder.path().join("data"), &[], &[("LOOM_SECRET_API_KEY", SECRET)]);
    let on = |arguments: &[&str]| stdout(&[arguments, &["--url", &dev.url]].concat());
    let fails = |arguments: &[&str]| {
        let output = run(&[arguments, &["--url", &dev.url]].concat());
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    on(&["deploy", app.to_str().unwrap()]);
    let (code, error) = fails(&["query", "tally/a"]);
    assert!(code == 2 && error.contains("error[unknown-actor]"), "{error}");
    on(&["call", "tally/a", r#"{"add":3}"#]);
    on(&["call", "tally/a", r#"{"add":4}"#]);
    assert_eq!(on(&["query", "tally/a"]), "{\"sum\":7,\"turns\":2}\n");
    assert_eq!(on(&["query", "tally/a", "null"]), "{\"sum\":7,\"turns\":2}\n");
    let (code, error) = fails(&["query", "tally/a", "[1]"]);
    assert!(code == 3 && error.contains("error[query-failed]: invalid-input"), "{error}");
    on(&["call", "probe/a", r#"{"do":[]}"#]);
    let (code, error) = fails(&["query", "probe/a"]);
    assert!(code == 2 && error.contains("error[no-query-export]"), "{error}");
    assert!(on(&["show", "tally/a"]).contains("turns    2"));
}
