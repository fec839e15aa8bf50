//! `loom notary`, `loom notarize`: from a bank to a file that somebody else accepts.

use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::process::{Dev, loom, run, stdout};

const BODY: &str = r#"{"holder":"Jane Q. Public","number":"000123456789","balance":"5873.12"}"#;
const TOKEN: &str = "Bearer SECRET-BANK-TOKEN";

/// A bank called `localhost`, and a folder with the certificate of its authority.
struct Bank {
    folder: tempfile::TempDir,
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Bank {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("root.pem"), authority.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, acceptor) = (requests.clone(), TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, acceptor) = (seen.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len());
                    // What the client does with it is its own matter.
                    let _ = stream.write_all(format!("{head}{BODY}").as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { folder, port, requests }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The public half of a notary's key whose file is made.
    fn key(&self) -> String {
        stdout(&["notary", "key", "--key", &self.text("notary.key")]).trim().to_owned()
    }

    /// Notarises the statement, with the bank's token in the environment, and says all that it would log.
    fn notarize(&self, arguments: &[&str]) -> Output {
        let url = self.url("/v1/statement");
        let mut command = loom();
        command.args(["notarize", &url, "--header-env", "Authorization=BANK_TOKEN", "--root", &self.text("root.pem")]);
        command.args(arguments).env("BANK_TOKEN", TOKEN).env("LOOM_LOG", "trace");
        command.output().unwrap()
    }

    fn verify(&self, key: &str, file: &Path, fields: &[&str]) -> Value {
        let file = file.to_str().unwrap();
        let root = self.text("root.pem");
        let fixed = ["tlsn", "verify", file, "--notary-key", key, "--root", &root, "--server", "localhost", "--json"];
        let fields = fields.iter().flat_map(|&field| ["--field", field]);
        let output = run(&fixed.into_iter().chain(fields).collect::<Vec<_>>());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|window| window == b"SECRET")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_notarised_redacted_and_verified() {
    let bank = Bank::open().await;
    let key = bank.key();
    assert_eq!(bank.key(), key, "a key that is there stays");
    let (file, own) =
        (bank.path("statement.tlsn"), ["--key", &bank.text("notary.key"), "--allow-private"].map(str::to_owned));
    let own = own.each_ref().map(String::as_str);
    let out = ["--disclose", "/balance", "--out", file.to_str().unwrap(), "--json"];
    let output = bank.notarize(&[&own[..], &out].concat());
    assert!(output.status.success(), "{}", said(&output));
    assert!(bank.requests.lock().unwrap()[0].contains(&format!("authorization: {TOKEN}\r\n")));
    assert!(!has_secret(said(&output).as_bytes()) && !has_secret(&std::fs::read(&file).unwrap()));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["notary_key"], &report["server"], &report["status"]),
        (&key.as_str().into(), &"localhost".into(), &200.into())
    );
    let received = report["received"].as_str().unwrap();
    let hidden = BODY.replace("Jane Q. Public", &"X".repeat(14)).replace("000123456789", &"X".repeat(12));
    assert!(received.ends_with(&hidden), "{received}");

    let verdict = bank.verify(&key, &file, &["/balance", "/holder"]);
    assert_eq!(verdict["accepted"], true, "{verdict}");
    assert!(verdict.to_string().contains("trusted-fetch"), "{verdict}");
    assert!(verdict["fields"]["/balance"].to_string().contains("5873.12"), "{verdict}");
    let other = stdout(&["notary", "key", "--key", &bank.text("other.key"), "--curve", "secp256r1"]);
    assert_eq!(bank.verify(other.trim(), &file, &[])["accepted"], false);

    for (more, code, exit) in [
        (&["--disclose", "/nothing"][..], "error[disclosure-invalid]", 2),
        (&["--header", "SECRET without a colon"], "error[notary-request-invalid]", 2),
        (&["--header", "host: other.example"], "error[notary-request-invalid]", 2),
    ] {
        let out = bank.text("none.tlsn");
        let output = bank.notarize(&[&own[..], more, &["--out", &out]].concat());
        let said = said(&output);
        assert!(output.status.code() == Some(exit) && said.contains(code), "{said}");
        assert!(!bank.path("none.tlsn").exists() && !said.contains("SECRET"), "{said}");
    }
    let private = bank.notarize(&[&own[..2], &["--out", &bank.text("none.tlsn")]].concat());
    assert!(said(&private).contains("error[notary-refused]") && said(&private).contains("--allow-private"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notary_serves_those_who_have_a_token() {
    let bank = Bank::open().await;
    let key = bank.key();
    let (key_file, tokens, root) = (bank.text("notary.key"), bank.text("tokens"), bank.text("root.pem"));
    let token = stdout(&["notary", "token", "ada", "--tokens", &tokens]);
    std::fs::write(bank.path("token"), &token).unwrap();
    let (allowed, private) = (bank.url("/v1/statement"), format!("localhost:{}", bank.port));
    let arguments = ["notary", "serve", "--listen", "127.0.0.1:0", "--key", &key_file, "--tokens", &tokens];
    let pattern = ["--allow", &allowed, "--allow-private", &private, "--root", &root];
    let notary = Dev::run_with(&[&arguments[..], &pattern].concat(), &[("LOOM_LOG", "trace")]);

    let (file, at) = (bank.path("statement.tlsn"), format!("@{}", bank.text("token")));
    let remote = ["--notary", &notary.url, "--notary-key", &key, "--out", file.to_str().unwrap()];
    let output = bank.notarize(&[&remote[..], &["--notary-token", &at, "--hide", "/number"]].concat());
    let said_by_client = said(&output);
    assert!(output.status.success(), "{said_by_client}");
    assert!(said_by_client.contains(&BODY.replace("000123456789", &"X".repeat(12))), "{said_by_client}");
    assert!(said_by_client.contains("hint: loom tlsn verify"), "{said_by_client}");
    assert_eq!(bank.verify(&key, &file, &[])["accepted"], true);

    let nobody = bank.notarize(&remote);
    assert!(said(&nobody).contains("error[unauthenticated]"), "{}", said(&nobody));
    let other_key = stdout(&["notary", "key", "--key", &bank.text("other.key")]);
    let other = ["--notary", &notary.url, "--notary-key", other_key.trim(), "--out", file.to_str().unwrap()];
    let other = bank.notarize(&[&other[..], &["--notary-token", &at]].concat());
    assert!(said(&other).contains("error[notary-answer]"), "{}", said(&other));
    let elsewhere = bank.url("/v1/transfers?SECRET");
    let refused = run(&[&["notarize", &elsewhere][..], &remote, &["--notary-token", &at]].concat());
    assert!(
        said(&refused).contains("error[notary-refused]") && !said(&refused).contains("SECRET"),
        "{}",
        said(&refused)
    );

    // Neither its log, with everything in it, nor any file has what the bank was shown.
    for text in [&notary.said(), &said_by_client, &said(&other)] {
        assert!(!text.contains("SECRET") && !text.contains(token.trim()), "{text}");
    }
    for entry in std::fs::read_dir(bank.folder.path()).unwrap().map(Result::unwrap) {
        assert!(!has_secret(&std::fs::read(entry.path()).unwrap()), "{entry:?}");
    }
    notary.terminate();
}

#[test]
fn a_notary_says_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, tokens) = (path("key"), path("tokens"));
    stdout(&["notary", "key", "--key", &key]);
    let serve = |listen: &str, key: &str, more: &[&str]| {
        let fixed =
            ["notary", "serve", "--listen", listen, "--key", key, "--tokens", &tokens, "--allow", "https://a.example"];
        run(&[&fixed[..], more].concat())
    };
    let missing = path("missing");
    let empty = path("empty");
    std::fs::write(&empty, "").unwrap();
    let cases = [
        (serve("127.0.0.1:0", &missing, &[]), "error[notary]", 1),
        (serve("127.0.0.1:0", &key, &["--root", &empty]), "error[notary]", 2),
        (serve("0.0.0.0:0", &key, &[]), "error[tokens-missing]", 1),
    ];
    stdout(&["notary", "token", "ada", "--tokens", &tokens]);
    let plain = (serve("0.0.0.0:0", &key, &[]), "error[plaintext-refused]", 1);
    let twice = (run(&["notary", "token", "ada", "--tokens", &tokens]), "error[notary]", 1);
    let out = path("out");
    let far = ["notarize", "https://a.example/", "--notary", "http://notary.example", "--out", &out];
    let far = (run(&far), "error[notary-request-invalid]", 2);
    for (output, code, exit) in cases.into_iter().chain([plain, twice, far]) {
        assert!(output.status.code() == Some(exit) && said(&output).contains(code), "{code}: {}", said(&output));
    }
}
