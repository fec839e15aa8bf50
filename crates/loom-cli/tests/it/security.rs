//! `loom serve` as others meet it: tokens, TLS, and what it refuses to start with.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::process::{Dev, deployment, loom, run, stdout};

fn fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

/// A data folder with one token for everything, which is in the file returned.
fn folder_with_token(folder: &Path) -> (PathBuf, String) {
    let (data, file) = (folder.join("data"), folder.join("root.token"));
    let arguments = ["token", "create", "root", "--grant", "*=admin", "--data", data.to_str().unwrap(), "--out"];
    stdout(&[&arguments[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    (data, format!("@{}", file.display()))
}

#[test]
fn a_node_asks_for_tokens_and_its_commands_bring_them() {
    let folder = tempfile::tempdir().unwrap();
    let (data, root) = folder_with_token(folder.path());
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let node = Dev::run(&serve);
    let url = ["--url", node.url.as_str()];
    let app = deployment(&folder.path().join("app"));
    let deploy = ["deploy", app.to_str().unwrap()];

    let error = fails(&[&deploy, &url[..]].concat());
    assert!(error.contains("error[unauthenticated]") && error.contains("hint: name a token"), "{error}");
    let error = fails(&[&deploy, &url[..], &["--token", "loom_wrong"]].concat());
    assert!(error.contains("error[unauthenticated]"), "{error}");
    let made = [&["token", "create", "caller", "--grant", "default=invoke"], &url[..], &["--token", &root]].concat();
    let caller = stdout(&made);
    let caller = caller.trim();
    let error = fails(&[&deploy, &url[..], &["--token", caller]].concat());
    assert!(error.contains("error[forbidden]: this needs role deploy in namespace 'default'"), "{error}");
    assert!(!error.contains(caller), "a token is never printed back");
    stdout(&[&deploy, &url[..], &["--token", &root]].concat());
    let call = ["call", "probe/a", r#"{"do":[{"reply":1}]}"#];
    assert_eq!(stdout(&[&call, &url[..], &["--token", caller]].concat()), "1\n");
    let called = loom().args(call).args(url).env("LOOM_TOKEN", caller).output().unwrap();
    assert!(called.status.success());

    let made = ["token", "create", "reader", "--grant", "default=read"];
    let reader = stdout(&[&made, &url[..], &["--token", &root]].concat());
    let reader = reader.trim();
    let waits =
        r#"{"do":[{"op":"promise.create","label":"approval"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}}]}"#;
    assert!(fails(&[&["call", "probe/waits", waits], &url[..], &["--token", caller]].concat()).contains("prm-"));
    for looked in [&["show", "probe/waits", "--json"], &["journal", "probe/waits", "--json"]] {
        let seen = stdout(&[&looked[..], &url[..], &["--token", reader]].concat());
        assert!(seen.contains("approval") && !seen.contains("prm-"), "a reader could settle it: {seen}");
        assert!(stdout(&[&looked[..], &url[..], &["--token", caller]].concat()).contains("prm-"));
    }
    assert!(fails(&[&["promise", "list"], &url[..], &["--token", reader]].concat()).contains("error[forbidden]"));
    let listed = stdout(&[&["promise", "list", "--json"], &url[..], &["--token", caller]].concat());
    let promise: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    // The promise's token is all that settling takes: people who approve need no token of the node.
    stdout(&[&["promise", "resolve", promise["token"].as_str().unwrap(), "1"], &url[..]].concat());

    let log = stdout(&[&["journal", "loom-audit/log"], &url[..], &["--token", caller]].concat());
    for part in ["create token caller default=invoke by root", "deploy tests bafy", "by root"] {
        assert!(log.contains(part), "{part} is missing:\n{log}");
    }
    let listed = stdout(&[&["token", "list", "--json"], &url[..], &["--token", &root]].concat());
    assert_eq!(listed.lines().count(), 3);
    assert!(!listed.contains("sha256") && !listed.contains(caller), "{listed}");
    stdout(&[&["token", "revoke", "caller"], &url[..], &["--token", &root]].concat());
    assert!(fails(&[&call, &url[..], &["--token", caller]].concat()).contains("error[unauthenticated]"));

    // It is the folder that has the tokens: the next start asks for them as well, and whoever can open the folder
    // needs none.
    node.kill();
    let node = Dev::run(&serve);
    assert!(fails(&["ps", "--url", &node.url]).contains("error[unauthenticated]"));
    stdout(&["ps", "--url", &node.url, "--token", &root]);
    node.terminate();
    assert!(stdout(&["ps", "--data", data.to_str().unwrap()]).contains("probe/a"));
}

#[test]
fn other_machines_are_served_with_tokens_and_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    let open = ["serve", "--listen", "0.0.0.0:0", "--data"];
    let error = fails(&[&open[..], &[empty.to_str().unwrap()]].concat());
    assert!(error.contains("error[tokens-missing]") && error.contains("loom token create"), "{error}");
    assert!(!empty.exists(), "nothing was made");
    let (data, root) = folder_with_token(folder.path());
    let error = fails(&[&open[..], &[data.to_str().unwrap()]].concat());
    assert!(error.contains("error[plaintext-refused]") && error.contains("--insecure-plaintext"), "{error}");
    let node = Dev::run(&[&open[..], &[data.to_str().unwrap(), "--insecure-plaintext"]].concat());
    let port = node.url.rsplit(':').next().unwrap();
    stdout(&["ps", "--url", &format!("http://127.0.0.1:{port}"), "--token", &root]);
    node.terminate();
    std::fs::set_permissions(data.join("tokens.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = fails(&[&open[..], &[data.to_str().unwrap()]].concat());
    assert!(error.contains("error[tokens-file]") && error.contains("mode 644"), "{error}");
}

/// Files of an authority, and of a node's certificate that it signed.
struct Certificates {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn certificates(folder: &Path) -> Certificates {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new([]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let node = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = node.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    Certificates {
        authority: write("authority.pem", authority_certificate.pem()),
        certificate: write("node.pem", certificate.pem()),
        key: write("node.key", key.serialize_pem()),
    }
}

#[test]
fn tls_by_files_and_a_client_that_trusts_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (data, root) = folder_with_token(folder.path());
    let files = certificates(folder.path());
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (certificate, key, authority) = (path(&files.certificate), path(&files.key), path(&files.authority));
    let data = path(&data);
    let open = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
    let node = Dev::run(&[&open[..], &["--tls-cert", &certificate, "--tls-key", &key]].concat());
    assert!(node.url.starts_with("https://127.0.0.1:"), "{}", node.url);
    let ps = ["ps", "--url", &node.url, "--token", &root];
    stdout(&[&ps[..], &["--ca", &authority]].concat());
    let by_name = node.url.replace("127.0.0.1", "localhost");
    stdout(&["ps", "--url", &by_name, "--token", &root, "--ca", &authority]);
    let error = fails(&ps);
    assert!(error.contains("error[server-unreachable]") && error.to_lowercase().contains("certificate"), "{error}");
    let plain = node.url.replace("https", "http");
    assert!(fails(&["ps", "--url", &plain, "--token", &root]).contains("error[server-unreachable]"));
    node.terminate();

    let error = fails(&[&open[..], &["--tls-cert", &certificate, "--tls-key", &authority]].concat());
    assert!(error.contains("error[tls-files]"), "{error}");
    let error = fails(&[&open[..], &["--tls-cert", &certificate]].concat());
    assert!(error.contains("error[settings-invalid]: tls_cert and tls_key are needed together"), "{error}");
}
