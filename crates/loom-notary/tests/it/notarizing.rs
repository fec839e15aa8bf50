//! From a server to a file that somebody else accepts.

use loom_notary::{KeyAlgorithm, OsRandom, Request, SigningKey};
use loom_tlsnotary::{
    encode, fields,
    presentation::{HandshakeAlgorithm, TlsVersion},
};

use crate::bank::{Bank, HOST, Key, NOW, Terms, chunked, notarize, received, response, sent};

const STATEMENT: &str =
    r#"{"holder":"Jane Q. Public","balance":5873.12,"lines":[{"n":1,"ok":true},{"n":2,"ok":null}]}"#;

fn pointers(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn what_a_server_says_is_attested_and_accepted() {
    let answer = response("200 OK", &["Content-Type: application/json"], STATEMENT);
    let bank = Bank::open(answer.clone()).await;
    let notary = bank.notary();
    let presentation = notarize(&notary, &Request::get(bank.url("/v1/statement?month=10"))).await.unwrap();
    let verified = bank.verify(&notary, &encode(&presentation)).unwrap();

    assert_eq!((verified.server_name.as_deref(), verified.time), (Some(HOST), NOW));
    assert_eq!(verified.tls_version, TlsVersion::V12);
    assert_eq!(received(&verified), answer);
    assert_eq!(sent(&verified), bank.requests()[0]);
    let extensions: Vec<_> = verified.extensions.iter().map(|it| (&it.id[..], &it.value[..])).collect();
    assert_eq!(extensions, [(&b"loom.mode"[..], &b"trusted-fetch"[..])]);
    let findings: Vec<_> = verified.findings.iter().map(|finding| finding.code()).collect();
    assert_eq!(findings, ["trusted-fetch"], "the host is disclosed, and the mode is said");

    let wanted = pointers(&["/balance", "/lines/1/ok", "/nothing"]);
    let found = fields::extract(&verified.transcript.unwrap().received, &wanted).unwrap();
    assert_eq!(found.status, 200);
    let text = |pointer: &str| found.fields[pointer].clone().map(|field| (field.is_placed(), field.text));
    assert_eq!(text("/balance"), Ok((true, "5873.12".to_owned())));
    assert_eq!(text("/lines/1/ok"), Ok((true, "null".to_owned())));
    assert!(text("/nothing").is_err());
}

#[tokio::test]
async fn every_kind_of_certificate_and_of_key_is_verified() {
    use HandshakeAlgorithm::*;
    for (key, signed) in [
        (Key::P256, &[EcdsaP256Sha256, EcdsaP256Sha384][..]),
        (Key::P384, &[EcdsaP384Sha256, EcdsaP384Sha384]),
        (Key::Rsa, &[RsaPssSha256, RsaPssSha384, RsaPssSha512, RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512]),
    ] {
        let bank = Bank::with(Terms { key, ..Terms::answering(response("200 OK", &[], STATEMENT)) }).await;
        for algorithm in [KeyAlgorithm::K256, KeyAlgorithm::P256] {
            let notary = bank.notary_with(SigningKey::generate(algorithm, &OsRandom), |_| {});
            let presentation = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
            let found = presentation.identity.as_ref().unwrap().opening.signature.algorithm;
            assert!(signed.contains(&found), "{key:?}: {found:?}");
            let verified = bank.verify(&notary, &encode(&presentation)).unwrap();
            assert_eq!(verified.notary_key.algorithm(), algorithm, "{key:?}");
        }
    }
}

#[tokio::test]
async fn a_response_comes_in_chunks_or_until_the_end() {
    let until_the_end = format!("HTTP/1.1 200 OK\r\n\r\n{STATEMENT}");
    for answer in [chunked(STATEMENT, 7), chunked(STATEMENT, 1), chunked(STATEMENT, 1000), until_the_end] {
        let bank = Bank::open(answer.clone()).await;
        let notary = bank.notary();
        let presentation = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
        let verified = bank.verify(&notary, &encode(&presentation)).unwrap();
        assert_eq!(received(&verified), answer);
        let wanted = pointers(&["/holder"]);
        let found = fields::extract(&verified.transcript.unwrap().received, &wanted).unwrap();
        assert_eq!(found.fields["/holder"].as_ref().unwrap().text, r#""Jane Q. Public""#);
    }
}

#[tokio::test]
async fn nothing_of_an_attestation_can_be_changed() {
    let bank = Bank::open(response("200 OK", &[], r#"{"balance":"10"}"#)).await;
    let notary = bank.notary();
    let presentation = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
    let bytes = encode(&presentation);
    bank.verify(&notary, &bytes).unwrap();
    // Letter case in the server's name is the holder's.
    let name = bytes.windows(HOST.len()).position(|window| window == HOST.as_bytes()).unwrap();
    for at in (0..bytes.len()).filter(|at| !(name..name + HOST.len()).contains(at)) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        assert!(bank.verify(&notary, &changed).is_err(), "byte {at} of {}", bytes.len());
    }
    assert!(bank.verify(&bank.notary(), &bytes).is_err(), "another notary's word is not this one's");
    let mut without_mode = presentation;
    without_mode.body.extensions.clear();
    assert!(bank.verify(&notary, &encode(&without_mode)).is_err());
}

/// The largest response with the most values is still a file that verifiers read.
#[tokio::test]
async fn large_responses_fit() {
    let many: Vec<String> = (0..20_000).map(|n| format!("[{n}]")).collect();
    let many = format!("[{}]", many.join(","));
    let filled = format!("[{}\"{}\"]", "1,".repeat(2_900), "x".repeat(300_000));
    for body in [&many, &filled] {
        for answer in [response("200 OK", &[], body), chunked(body, 4_000)] {
            let bank = Bank::open(answer).await;
            let notary = bank.notary();
            let presentation = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
            let bytes = encode(&presentation);
            assert!(bank.verify(&notary, &bytes).is_ok(), "{} bytes", bytes.len());
        }
    }
}
